//! Smart-HTTP git servers on loopback with basic authentication, both in front of `git http-backend`: nginx with
//! fcgiwrap (Debian packages `nginx-light`, `fcgiwrap`) where they are installed, and a small bridge that also
//! records what it was asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use base64::Engine;

use super::fixture::git;

pub(super) const USER: &str = "x-access-token";
pub(super) const TOKEN: &str = "canary-5f2e9d";

/// User names and passwords that are let in: as GitHub's, and as GitLab's for a token of one's own and for a job's.
const ACCOUNTS: [(&str, &str); 3] =
    [(USER, TOKEN), ("oauth2", "glpat-canary7Qd0x1Kp"), ("gitlab-ci-token", "glcbt-canary9Zz")];

/// A server for the bare repositories in a folder; ends with the value.
pub(super) struct Server {
    pub url: String,
    children: Vec<Child>,
    /// Request line and headers of every request, where the bridge serves.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Server {
    /// nginx where it is installed, else the bridge.
    pub(super) fn start(folder: &Path) -> Self {
        let installed = |path: &str| Path::new(path).exists();
        if installed("/usr/sbin/nginx") && installed("/usr/sbin/fcgiwrap") {
            (0..10).find_map(|_| Self::nginx(folder)).expect("nginx starts on a free port")
        } else {
            Self::bridge(folder)
        }
    }

    /// `None` where another process took the port between the two binds.
    #[expect(clippy::disallowed_methods, reason = "the server is a real one")]
    fn nginx(folder: &Path) -> Option<Self> {
        let run = folder.join("nginx");
        fs::create_dir_all(run.join("body")).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let socket = run.join("cgi.sock");
        let _ = fs::remove_file(&socket);
        let users: String =
            ACCOUNTS.iter().map(|(user, password)| format!("{user}:{{PLAIN}}{password}\n")).collect();
        fs::write(run.join("users"), users).unwrap();
        let config = NGINX
            .replace("@RUN@", &run.display().to_string())
            .replace("@FOLDER@", &folder.display().to_string())
            .replace("@BACKEND@", &backend().display().to_string())
            .replace("@PORT@", &port.to_string());
        fs::write(run.join("nginx.conf"), config).unwrap();
        let wrap = Command::new("/usr/sbin/fcgiwrap")
            .arg("-s")
            .arg(format!("unix:{}", socket.display()))
            .env("HOME", &run)
            .stderr(Stdio::null())
            .spawn();
        let nginx = Command::new("/usr/sbin/nginx")
            .arg("-c")
            .arg(run.join("nginx.conf"))
            .arg("-p")
            .arg(&run)
            .stderr(Stdio::null())
            .spawn();
        let children = vec![nginx.unwrap(), wrap.unwrap()];
        let mut server = Self { url: format!("http://127.0.0.1:{port}"), children, requests: Arc::default() };
        for _ in 0..500 {
            if server.children[0].try_wait().unwrap().is_some() {
                return None;
            }
            if socket.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            thread::sleep(Duration::from_millis(10));
        }
        None
    }

    /// One thread a connection, one request a connection.
    pub(super) fn bridge(folder: &Path) -> Self {
        let requests = Arc::default();
        let (folder, seen) = (folder.to_path_buf(), Arc::clone(&requests));
        let url = listen(move |stream| serve(stream, &folder, &seen));
        Self { url, children: Vec::new(), requests }
    }
}

/// Answers every connection of a fresh port with `answer`; the URL.
pub(super) fn listen(answer: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer(stream));
        }
    });
    url
}

/// Reads a request; its head as text and its body.
pub(super) fn request(stream: &TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            break;
        }
    }
    let length = field(&head, "content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (head, body)
}

fn field(head: &str, name: &str) -> Option<String> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

#[expect(clippy::disallowed_methods, reason = "the backend is git's own")]
fn serve(mut stream: TcpStream, folder: &Path, seen: &Mutex<Vec<String>>) {
    let (head, body) = request(&stream);
    seen.lock().unwrap().push(head.clone());
    let given = field(&head, "authorization").unwrap_or_default();
    let encode = |pair| base64::engine::general_purpose::STANDARD.encode(pair);
    let known = |(user, password)| given == format!("Basic {}", encode(format!("{user}:{password}")));
    if !ACCOUNTS.into_iter().any(known) {
        let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Type: text/plain\r\nContent-Length: 7\r\nConnection: close\r\n\r\nbad key");
        return;
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kind = field(&head, "content-type").unwrap_or_default();
    let variables = BTreeMap::from([
        ("GIT_PROJECT_ROOT", folder.to_str().unwrap()),
        ("GIT_HTTP_EXPORT_ALL", "1"),
        ("GIT_CONFIG_NOSYSTEM", "1"),
        ("REQUEST_METHOD", method),
        ("PATH_INFO", path),
        ("QUERY_STRING", query),
        ("CONTENT_TYPE", &kind),
        ("REMOTE_USER", USER),
    ]);
    let mut child = Command::new(backend())
        .envs(variables)
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = thread::spawn(move || input.write_all(&body));
    let output = child.wait_with_output().unwrap().stdout;
    let _ = writer.join();
    let split = output.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
    let headers = String::from_utf8_lossy(&output[..split]).into_owned();
    let status = field(&format!("\n{headers}"), "status").unwrap_or_else(|| "200 OK".into());
    let length = output.len() - split - 4;
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(&output[split + 4..]);
}

fn backend() -> PathBuf {
    PathBuf::from(git(Path::new("/"), "--exec-path")).join("git-http-backend")
}

const NGINX: &str = r#"
daemon off;
master_process off;
pid @RUN@/pid;
error_log @RUN@/error.log;
events {}
http {
  access_log off;
  client_max_body_size 0;
  client_body_temp_path @RUN@/body;
  fastcgi_temp_path @RUN@/fastcgi;
  proxy_temp_path @RUN@/proxy;
  scgi_temp_path @RUN@/scgi;
  uwsgi_temp_path @RUN@/uwsgi;
  server {
    listen 127.0.0.1:@PORT@;
    location / {
      auth_basic git;
      auth_basic_user_file @RUN@/users;
      fastcgi_param SCRIPT_FILENAME @BACKEND@;
      fastcgi_param GIT_PROJECT_ROOT @FOLDER@;
      fastcgi_param GIT_HTTP_EXPORT_ALL 1;
      fastcgi_param PATH_INFO $uri;
      fastcgi_param QUERY_STRING $query_string;
      fastcgi_param REQUEST_METHOD $request_method;
      fastcgi_param CONTENT_TYPE $content_type;
      fastcgi_param CONTENT_LENGTH $content_length;
      fastcgi_param REMOTE_USER $remote_user;
      fastcgi_pass unix:@RUN@/cgi.sock;
    }
  }
}
"#;

//! A validating proxy by other people (`@stoplight/prism-cli`) with GitHub's own description in front of a forge: a
//! request or an answer that the description does not allow is answered with 422 or 500 and noted.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};

/// The running proxy; it ends when dropped.
pub(crate) struct Prism {
    child: Child,
    pub(crate) url: String,
    said: Arc<Mutex<Vec<String>>>,
}

impl Prism {
    #[expect(clippy::disallowed_methods, reason = "the test starts its peer itself")]
    pub(crate) fn start(description: &Path, upstream: &str) -> Self {
        let program = program();
        assert!(program.is_file(), "{} is missing; scripts/setup installs it", program.display());
        // Prism cannot be told to choose a port; another process may take this one in between.
        (0..5)
            .find_map(|_| {
                let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
                let child = std::process::Command::new("node")
                    .arg(&program)
                    .args(["proxy", "-h", "127.0.0.1", "-p", &port.to_string(), "--errors"])
                    .arg(description)
                    .arg(upstream)
                    .env("NO_COLOR", "1")
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                Self::listening(child)
            })
            .expect("the proxy starts on a free port")
    }

    fn listening(mut child: Child) -> Option<Self> {
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let url = loop {
            let mut line = String::new();
            if output.read_line(&mut line).unwrap() == 0 {
                drop(child.wait());
                return None;
            }
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.trim().to_owned();
            }
        };
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let sink = Arc::clone(&said);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                sink.lock().unwrap().push(line);
            }
        });
        Some(Self { child, url, said })
    }

    /// What the proxy found wrong on either side.
    pub(crate) fn violations(&self) -> Vec<String> {
        let wrong =
            |line: &&String| line.contains("Violation") || line.contains("✖") || line.contains("not found");
        self.said.lock().unwrap().iter().filter(wrong).cloned().collect()
    }

    /// Requests that went through.
    pub(crate) fn requests(&self) -> usize {
        self.said.lock().unwrap().iter().filter(|line| line.contains("Request received")).count()
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node_modules/@stoplight/prism-cli/dist/index.js")
}

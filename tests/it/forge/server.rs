//! A small HTTP server on loopback that hands every request to a forge with state, and can fail on demand. Knows no
//! endpoint.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A request as a forge sees it.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Below the API's root, segments decoded.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Request {
    pub(crate) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn path(&self) -> String {
        format!("/{}", self.segments.join("/"))
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    /// Null = no body.
    pub(crate) body: Value,
}

impl Reply {
    pub(crate) fn new(status: u16, body: Value) -> Self {
        Self { status, headers: vec![], body }
    }

    pub(crate) fn says(status: u16, message: &str) -> Self {
        Self::new(status, json!({"message": message, "documentation_url": "https://example.org/docs"}))
    }

    /// The page of `items` that the request asks for.
    pub(crate) fn page(request: &Request, items: Vec<Value>) -> Vec<Value> {
        let number = |name, default| request.query(name).and_then(|n| n.parse().ok()).unwrap_or(default);
        let (size, page): (usize, usize) = (number("per_page", 30), number("page", 1));
        items.into_iter().skip((page - 1) * size).take(size).collect()
    }
}

/// A forge with state.
pub(crate) trait Forge: Send + 'static {
    fn answer(&mut self, request: &Request) -> Reply;
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Harm {
    /// Answered so, and nothing done.
    Answer(Reply),
    /// Done, and answered so.
    Done(Reply),
    /// The connection breaks; nothing done.
    Cut,
    /// Done, and the connection breaks before the answer.
    DoneAndCut,
    /// Done, and no answer ever comes.
    DoneAndSilent,
}

/// A fault: the next `left` requests with this method and a path that ends so.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) harm: Harm,
    pub(crate) left: usize,
}

/// The running server; it ends when dropped.
pub(crate) struct Server<F> {
    pub(crate) url: String,
    pub(crate) forge: Arc<Mutex<F>>,
    pub(crate) faults: Arc<Mutex<Vec<Fault>>>,
    log: Arc<Mutex<Vec<String>>>,
    silent: Arc<Mutex<Vec<TcpStream>>>,
    address: std::net::SocketAddr,
    over: Arc<std::sync::atomic::AtomicBool>,
}

impl<F: Forge> Server<F> {
    /// Serves `forge` below `root`, e.g. `/api/v3`.
    pub(crate) fn start(forge: F, root: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self {
            url: format!("http://{address}{root}"),
            forge: Arc::new(Mutex::new(forge)),
            faults: Arc::default(),
            log: Arc::default(),
            silent: Arc::default(),
            address,
            over: Arc::default(),
        };
        let (forge, faults) = (Arc::clone(&server.forge), Arc::clone(&server.faults));
        let (log, silent) = (Arc::clone(&server.log), Arc::clone(&server.silent));
        let (root, over) = (root.to_owned(), Arc::clone(&server.over));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(std::sync::atomic::Ordering::SeqCst) {
                    break;
                }
                let (forge, faults) = (Arc::clone(&forge), Arc::clone(&faults));
                let (log, silent, root) = (Arc::clone(&log), Arc::clone(&silent), root.clone());
                std::thread::spawn(move || serve(stream, &root, &*forge, &faults, &log, &silent));
            }
        });
        server
    }

    /// `METHOD /path status` of every request so far; status 0 where none was sent.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    pub(crate) fn fail(&self, method: &str, path: &str, harm: Harm, times: usize) {
        let fault = Fault { method: method.into(), path: path.into(), harm, left: times };
        self.faults.lock().unwrap().push(fault);
    }
}

impl<F> Drop for Server<F> {
    fn drop(&mut self) {
        self.over.store(true, std::sync::atomic::Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        self.silent.lock().unwrap().clear();
    }
}

fn serve<F: Forge>(
    mut stream: TcpStream,
    root: &str,
    forge: &Mutex<F>,
    faults: &Mutex<Vec<Fault>>,
    log: &Mutex<Vec<String>>,
    silent: &Mutex<Vec<TcpStream>>,
) {
    let Some(request) = read(&stream, root) else { return };
    let harm = take(faults, &request);
    let line = |status: u16| format!("{} {} {status}", request.method, request.path());
    let act = || forge.lock().unwrap().answer(&request);
    let reply = match harm {
        None => act(),
        Some(Harm::Answer(reply)) => reply,
        Some(Harm::Done(reply)) => {
            act();
            reply
        }
        Some(Harm::Cut) => {
            log.lock().unwrap().push(line(0));
            return;
        }
        Some(Harm::DoneAndCut) => {
            act();
            log.lock().unwrap().push(line(0));
            return;
        }
        Some(Harm::DoneAndSilent) => {
            act();
            log.lock().unwrap().push(line(0));
            silent.lock().unwrap().push(stream);
            return;
        }
    };
    log.lock().unwrap().push(line(reply.status));
    let body = if reply.body.is_null() { String::new() } else { reply.body.to_string() };
    let mut head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n",
        reply.status,
        body.len()
    );
    for (name, value) in &reply.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    drop(stream.write_all(format!("{head}\r\n{body}").as_bytes()));
}

fn take(faults: &Mutex<Vec<Fault>>, request: &Request) -> Option<Harm> {
    let mut faults = faults.lock().unwrap();
    let fits = |fault: &&mut Fault| {
        fault.left > 0 && fault.method == request.method && request.path().ends_with(&fault.path)
    };
    let fault = faults.iter_mut().find(fits)?;
    fault.left -= 1;
    Some(fault.harm.clone())
}

fn read(stream: &TcpStream, root: &str) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let path = path.strip_prefix(root)?;
    Some(Request {
        method,
        segments: path.split('/').filter(|part| !part.is_empty()).map(decoded).collect(),
        query: query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (decoded(name), decoded(value)))
            .collect(),
        headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    })
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex: String = rest.by_ref().take(2).map(char::from).collect();
            bytes.push(u8::from_str_radix(&hex, 16).unwrap_or(b'?'));
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

//! A scripted HTTP/1.1 server on a free loopback port: says byte for byte what a case tells it to.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// One scripted answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    /// Sent one HTTP chunk each.
    pub pieces: Vec<Vec<u8>>,
    pub end: End,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    #[default]
    Clean,
    /// Closed in the middle of the body.
    Cut,
    /// Open and silent.
    Hang,
    /// Closed before any answer.
    Drop,
}

/// A request as it came in.
#[derive(Debug, Clone)]
pub(super) struct Captured {
    pub head: String,
    pub body: Value,
    pub bytes: usize,
}

impl Captured {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

pub(super) struct Server {
    pub url: String,
    seen: Arc<Mutex<Vec<Captured>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Answers one request after the other; the last answer is repeated.
    pub(super) async fn start(answers: Vec<Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            let mut held = Vec::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let Some(request) = read_request(&mut stream).await else {
                    continue;
                };
                let number = {
                    let mut log = log.lock().unwrap();
                    log.push(request);
                    log.len() - 1
                };
                let answer = answers.get(number).or(answers.last()).unwrap();
                // The client may hang up early; that is its right.
                let _ = write_answer(&mut stream, answer).await;
                if answer.end == End::Hang {
                    held.push(stream);
                }
            }
        });
        Self { url, seen, task }
    }

    pub(super) fn seen(&self) -> Vec<Captured> {
        self.seen.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Captured> {
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 16 << 10];
        let read = stream.read(&mut buffer).await.ok().filter(|n| *n > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut captured = Captured { head, body: Value::Null, bytes: 0 };
        let length: usize = captured.header("content-length").unwrap_or("0").parse().unwrap();
        let mut body = bytes.split_off(end + 4);
        let begun = body.len();
        body.resize(length, 0);
        stream.read_exact(&mut body[begun..]).await.ok()?;
        captured.bytes = length;
        captured.body = serde_json::from_slice(&body).unwrap();
        return Some(captured);
    }
}

async fn write_answer(stream: &mut TcpStream, answer: &Answer) -> std::io::Result<()> {
    if answer.end == End::Drop {
        return Ok(());
    }
    let mut head =
        format!("HTTP/1.1 {} Scripted\r\nconnection: close\r\ntransfer-encoding: chunked\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await?;
    for piece in answer.pieces.iter().filter(|piece| !piece.is_empty()) {
        stream.write_all(format!("{:x}\r\n", piece.len()).as_bytes()).await?;
        stream.write_all(piece).await?;
        stream.write_all(b"\r\n").await?;
    }
    if answer.end == End::Clean {
        stream.write_all(b"0\r\n\r\n").await?;
    }
    stream.flush().await
}

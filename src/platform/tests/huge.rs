//! Answers of a forge without an end, or far larger than any is: left after 16 MiB, whatever they claim to be. One of 15 MiB is
//! read.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::faults::act;
use super::{Bench, FastClock, address};
use crate::platform::connect::{Platform, of_github, of_gitlab};
use crate::platform::http::Patience;

/// Bytes after which the server gives up: several times the most that may be taken, with all that lies in buffers.
const MOST: usize = 128 << 20;

/// How a body is announced.
#[derive(Debug, Clone, Copy)]
enum Length {
    /// It ends with the connection.
    Untold,
    /// Far more than comes.
    Huge,
    Chunked,
}

/// Answers everything with `start` and then blanks: `size` bytes in all, and then `end`.
fn server(length: Length, size: usize, status: u16) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sent = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&sent);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || drop(serve(stream, length, (size, status), &count)));
        }
    });
    (url, sent)
}

fn serve(
    mut stream: TcpStream,
    length: Length,
    (size, status): (usize, u16),
    sent: &AtomicUsize,
) -> std::io::Result<()> {
    asked(&stream)?;
    let told = match length {
        Length::Untold => String::new(),
        Length::Huge => format!("content-length: {}\r\n", 1_u64 << 50),
        Length::Chunked => "transfer-encoding: chunked\r\n".to_owned(),
    };
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n{told}\r\n");
    stream.write_all(head.as_bytes())?;
    let mut part = |bytes: &[u8]| {
        sent.fetch_add(bytes.len(), Ordering::SeqCst);
        if let Length::Chunked = length {
            stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
            stream.write_all(bytes)?;
            return stream.write_all(b"\r\n");
        }
        stream.write_all(bytes)
    };
    part(b"[")?;
    let blanks = vec![b' '; 64 << 10];
    for _ in 0..size / blanks.len() {
        part(&blanks)?;
    }
    part(b"]")?;
    if let Length::Chunked = length {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(())
}

/// Reads a request to its end.
fn asked(stream: &TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(told) = line.strip_prefix("content-length:") {
            length = told.trim().parse().unwrap_or(0);
        }
        if line.is_empty() {
            break;
        }
    }
    reader.read_exact(&mut vec![0; length])
}

/// Both forges at `url`, with time enough for a slow machine.
fn both(url: &str) -> [Bench; 2] {
    let mut benches = Bench::both();
    for (at, bench) in benches.iter_mut().enumerate() {
        let clock = Arc::new(FastClock::default());
        let mut address = address(url, if at == 0 { "o/r" } else { "7" }, "token", &clock);
        address.answer = Duration::from_secs(120);
        address.patience = Patience { tries: 1, ..Patience::default() };
        let http = crate::http::direct(&[]).unwrap();
        let platform: Platform =
            if at == 0 { of_github(address, http).unwrap() } else { of_gitlab(address, http) };
        (bench.clock, bench.platform) = (clock, platform);
    }
    benches
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_is_left() {
    for (length, status) in
        [(Length::Untold, 200), (Length::Huge, 200), (Length::Chunked, 200), (Length::Chunked, 500)]
    {
        for name in ["review", "issue", "close", "ci"] {
            for forge in 0..2 {
                let (url, sent) = server(length, MOST, status);
                let bench = &both(&url)[forge];
                let told = act(bench, name).await;
                let sent = sent.load(Ordering::SeqCst);
                let case =
                    format!("{name} of forge {forge}, {length:?}, {status}: {told:?} after {sent} bytes");
                assert!(told.is_err_and(|told| told.contains("larger than 16 MiB")), "{case}");
                assert!(sent > 16 << 20 && sent < MOST, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_is_read() {
    for length in [Length::Untold, Length::Chunked] {
        let (url, _) = server(length, 15 << 20, 200);
        for bench in both(&url) {
            act(&bench, "close").await.unwrap();
        }
    }
}

//! TLS against a private authority. `tests/data/tls/` holds an authority made for this test (its key is thrown away)
//! and a certificate of it for localhost and 127.0.0.1, both valid for a hundred years.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};

use super::{Ledger, brisk, request};
use crate::llm::Model as _;
use crate::llm::client::Live;
use crate::settings::{Llm, Provider};

const REPLY: &str = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],
                        "usage":{"prompt_tokens":1,"completion_tokens":1}}"#;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls").join(name)
}

/// Serves one connection on a thread of its own.
fn serve_once() -> SocketAddr {
    let certificate = CertificateDer::from(std::fs::read(data("server.der")).unwrap());
    let key = PrivatePkcs8KeyDer::from(std::fs::read(data("server.key.der")).unwrap());
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key.into())
            .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut tls = rustls::ServerConnection::new(Arc::new(config)).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut socket);
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        // The handshake fails where the client does not trust us: then there is nothing to answer.
        while !String::from_utf8_lossy(&seen).contains("\"stream\":true") {
            match stream.read(&mut buffer) {
                Ok(read) if read > 0 => seen.extend_from_slice(&buffer[..read]),
                _ => return,
            }
        }
        let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", REPLY.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(REPLY.as_bytes()).unwrap();
        stream.conn.send_close_notify();
        stream.flush().unwrap();
    });
    address
}

async fn ask(ca_files: &[PathBuf]) -> Result<String, String> {
    let llm = Llm {
        provider: Provider::OpenAi,
        model: "m".to_owned(),
        analysis_model: "m".to_owned(),
        base_url: format!("https://127.0.0.1:{}/v1", serve_once().port()),
        api_key: None,
    };
    let live = Live::new(&llm, crate::http::direct(ca_files).unwrap(), brisk()).unwrap();
    live.complete(&request(), &Ledger::default())
        .await
        .map(|reply| reply.text)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_named() {
    assert_eq!(ask(&[data("authority.pem")]).await.unwrap(), "hello");
}

#[tokio::test]
async fn an_unknown_authority_is_told_at_once_with_its_mend() {
    assert_eq!(
        ask(&[]).await.unwrap_err(),
        "the model could not be reached (1 try): 127.0.0.1: its certificate comes from an authority \
         that this machine does not know; if it is your own authority's, name its file among the CA files"
    );
}

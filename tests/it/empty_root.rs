//! The static binary in an empty root: no library, no certificate bundle, no time zones. TLS to a private authority,
//! name resolution by the hosts file and time zones must work all the same. Two files stand in for the random
//! devices, which every container has and a static glibc build reads.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::binary::Pace;
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::{scenarios_dir, shared_script};

#[test]
fn tls_names_and_time_zones_work_without_anything_else() {
    if option_env!("PACE_BINARY").is_none() {
        // The debug build needs the system's libraries; `just check` compiles this test for the static one.
        eprintln!("not run: the binary under test is not the static one");
        return;
    }
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    let root = project.dir.parent().unwrap();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::write(root.join("etc/hosts"), "127.0.0.1 localhost\n").unwrap();
    std::fs::create_dir_all(root.join("dev")).unwrap();
    for device in ["random", "urandom"] {
        let bytes: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(1 << 16).collect();
        std::fs::write(root.join("dev").join(device), bytes).unwrap();
    }
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/authority.pem");
    std::fs::copy(authority, root.join("authority.pem")).unwrap();

    let server = ModelServer::start(&shared_script(&["prime"]));
    let port = tls_in_front_of(server.address());
    let run = Pace::in_root(root, "/greeter")
        .env(server.env(Protocol::Anthropic))
        .env([
            ("DAY", "1"),
            ("DRY_RUN", "true"),
            ("PACE_TEST_COMMAND", "none"),
            ("PACE_SANDBOX", "off"),
            ("PACE_LLM_BASE_URL", &format!("https://localhost:{port}")),
            ("PACE_CA_FILE", "/authority.pem"),
            ("PACE_TIMEZONE", "Pacific/Auckland"),
            ("PACE_DAILY_BUDGET", "5"),
        ])
        .run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    assert!(run.stdout.contains("Greet by name"), "{}", run.transcript());
    assert_eq!(server.calls().get("PRIME"), Some(&1));
}

/// A TLS server for `localhost` that passes everything on to `upstream`; its port.
fn tls_in_front_of(upstream: std::net::SocketAddr) -> u16 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/");
    let certificate = CertificateDer::from(std::fs::read(format!("{folder}server.der")).unwrap());
    let key = PrivateKeyDer::try_from(std::fs::read(format!("{folder}server.key.der")).unwrap()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let config = Arc::clone(&config);
            // A client that goes away is its own affair.
            std::thread::spawn(move || drop(relay(client, upstream, config)));
        }
    });
    port
}

/// Passes bytes both ways until one side ends.
fn relay(
    client: TcpStream,
    upstream: std::net::SocketAddr,
    config: Arc<rustls::ServerConfig>,
) -> std::io::Result<()> {
    let look = Some(Duration::from_millis(5));
    let mut upstream = TcpStream::connect(upstream)?;
    let connection = rustls::ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut client = rustls::StreamOwned::new(connection, client);
    while client.conn.is_handshaking() {
        client.conn.complete_io(&mut client.sock)?;
    }
    client.sock.set_read_timeout(look)?;
    upstream.set_read_timeout(look)?;
    let mut buffer = vec![0; 64 * 1024];
    loop {
        for from_client in [true, false] {
            let read = if from_client { client.read(&mut buffer) } else { upstream.read(&mut buffer) };
            match read {
                Ok(0) => return Ok(()),
                Ok(count) if from_client => upstream.write_all(&buffer[..count])?,
                Ok(count) => {
                    client.write_all(&buffer[..count])?;
                    client.flush()?;
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

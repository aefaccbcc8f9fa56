//! Real escapes, tried from inside a confined child, and what they came to. Outcomes count, not the answers of the
//! calls that built the walls: what can be seen from outside is looked at from outside.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::thread::UnshareFlags;
use serde::{Deserialize, Serialize};

use super::order::Rooms;
use super::raw;

/// Name of the file that an escape leaves.
const MARK: &str = "pace-probe-escaped";
const PATIENCE: Duration = Duration::from_millis(500);

/// What a child tries to reach.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Bait {
    /// A folder outside every room with a listening `socket` in it.
    outside: PathBuf,
    port: u16,
    datagrams: u16,
    /// A server on the machine's own address, if it has one.
    address: Option<SocketAddr>,
    /// pace's own process id.
    pid: i32,
}

/// What the child says that it could do.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Found {
    /// Variables of other processes, `NAME=value`.
    variables: BTreeSet<String>,
    /// Hidden files that it read.
    read: Vec<PathBuf>,
    connected: bool,
    unix: bool,
    namespace: bool,
    signal: bool,
    /// Processes that it sees.
    pub processes: usize,
    /// Servers on its own loopback work.
    pub loopback: bool,
    /// So do datagrams.
    pub datagrams: bool,
    /// So do servers on Unix sockets by name in its folder for temporary files.
    pub named: bool,
    /// It may make files at the top of the work tree.
    pub top: bool,
    /// It has a folder for temporary files.
    temporary: bool,
}

/// The bait as it lies outside.
pub(super) struct Trap {
    folder: tempfile::TempDir,
    unix: UnixListener,
    tcp: TcpListener,
    udp: UdpSocket,
    /// Not on loopback: what reaches it left the child's walls.
    own: Option<TcpListener>,
}

impl Trap {
    pub(super) fn set() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("pace-probe-").tempdir()?;
        let unix = UnixListener::bind(folder.path().join("socket"))?;
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        let udp = UdpSocket::bind(("127.0.0.1", 0))?;
        unix.set_nonblocking(true)?;
        tcp.set_nonblocking(true)?;
        udp.set_nonblocking(true)?;
        let own = own_address().and_then(|address| TcpListener::bind((address, 0)).ok());
        if let Some(own) = &own {
            own.set_nonblocking(true)?;
        }
        Ok(Self { folder, unix, tcp, udp, own })
    }

    pub(super) fn bait(&self) -> anyhow::Result<Bait> {
        Ok(Bait {
            outside: self.folder.path().to_owned(),
            port: self.tcp.local_addr()?.port(),
            datagrams: self.udp.local_addr()?.port(),
            address: self.own.as_ref().and_then(|own| own.local_addr().ok()),
            pid: rustix::process::getpid().as_raw_nonzero().get(),
        })
    }

    /// What got through, in words; empty = the walls hold. `network`: the operator opened the network.
    pub(super) fn escapes(
        &self,
        found: &Found,
        rooms: &Rooms,
        known: &[String],
        network: bool,
    ) -> Vec<String> {
        let mut escapes = Vec::new();
        let places = [self.folder.path()].into_iter().chain(rooms.git.iter().map(PathBuf::as_path));
        for place in places {
            if fs::remove_file(place.join(MARK)).is_ok() {
                escapes.push(format!("a child wrote into {}", place.display()));
            }
        }
        if own_variables().iter().any(|own| found.variables.contains(own) && !known.contains(own)) {
            escapes.push("a child read the variables of pace".into());
        }
        for path in &found.read {
            escapes.push(format!("a child read {}", path.display()));
        }
        let out = self.own.as_ref().is_some_and(|own| own.accept().is_ok());
        let reached = self.tcp.accept().is_ok() || self.udp.recv(&mut [0; 8]).is_ok() || out;
        if !network && (reached || found.connected) {
            escapes.push("a child reached the network".into());
        }
        if self.unix.accept().is_ok() || found.unix {
            escapes.push("a child reached a service's socket".into());
        }
        if found.namespace {
            escapes.push("a child made a namespace of its own".into());
        }
        if found.signal {
            escapes.push("a child may signal pace".into());
        }
        if !found.temporary {
            escapes.push("a child has no folder for temporary files".into());
        }
        escapes
    }
}

/// The address by which this machine would leave for elsewhere. Nothing is sent.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).ok()?;
    socket.connect(("192.0.2.1", 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// pace's own variables, as the kernel shows them to whoever may look.
fn own_variables() -> Vec<String> {
    variables_in(Path::new("/proc/self/environ"))
}

fn variables_in(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    bytes.split(|&b| b == 0).filter(|v| !v.is_empty()).map(|v| String::from_utf8_lossy(v).into()).collect()
}

/// Tries them all. Runs inside the walls.
pub(super) fn escape(bait: &Bait, rooms: &Rooms) -> Found {
    for place in [&bait.outside].into_iter().chain(&rooms.git) {
        // pace looks whether something is there.
        let _ = fs::write(place.join(MARK), "");
    }
    let top = rooms.work.join(MARK);
    let temporary = rooms.temporary.join(MARK);
    let found = Found {
        variables: others(),
        read: rooms.hidden.iter().filter(|path| readable(path)).cloned().collect(),
        connected: connects(bait),
        unix: UnixStream::connect(bait.outside.join("socket")).is_ok(),
        signal: signals(bait.pid),
        processes: processes().count(),
        loopback: loopback().is_ok(),
        datagrams: datagrams().is_ok(),
        named: named(&rooms.temporary.join("pace-probe-socket")).is_ok(),
        top: fs::write(&top, "").is_ok(),
        temporary: fs::write(&temporary, "").is_ok(),
        // Last: should it succeed, nothing above was said from inside it.
        namespace: raw::unshare(UnshareFlags::NEWUSER).is_ok(),
    };
    for path in [top, temporary] {
        let _ = fs::remove_file(path);
    }
    found
}

fn processes() -> impl Iterator<Item = fs::DirEntry> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
}

/// What the variables of all other processes hold.
fn others() -> BTreeSet<String> {
    let me = std::process::id().to_string();
    processes()
        .filter(|entry| entry.file_name().to_string_lossy() != me.as_str())
        .flat_map(|entry| variables_in(&entry.path().join("environ")))
        .collect()
}

/// A file with something in it, or a folder that can be listed and has something in it.
fn readable(path: &Path) -> bool {
    if path.is_dir() {
        let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
        return entries.map(|entry| entry.path()).filter(|path| path.is_file()).any(|path| readable(&path));
    }
    fs::File::open(path).and_then(|mut file| file.read(&mut [0; 1])).is_ok_and(|length| length > 0)
}

fn connects(bait: &Bait) -> bool {
    let udp = UdpSocket::bind(("127.0.0.1", 0));
    if let Ok(udp) = udp {
        let _ = udp.send_to(b"escaped", ("127.0.0.1", bait.datagrams));
    }
    let servers = [Some(([127, 0, 0, 1], bait.port).into()), bait.address];
    servers.iter().flatten().any(|server| TcpStream::connect_timeout(server, PATIENCE).is_ok())
}

fn signals(pid: i32) -> bool {
    let Some(pid) = rustix::process::Pid::from_raw(pid) else { return false };
    // In a process namespace of its own that number is nobody, or the child itself.
    pid != rustix::process::getpid() && rustix::process::test_kill_process(pid).is_ok()
}

fn loopback() -> anyhow::Result<()> {
    let server = TcpListener::bind(("127.0.0.1", 0))?;
    TcpStream::connect_timeout(&server.local_addr()?, PATIENCE)?;
    Ok(())
}

fn datagrams() -> anyhow::Result<()> {
    let server = UdpSocket::bind(("127.0.0.1", 0))?;
    server.set_read_timeout(Some(PATIENCE))?;
    UdpSocket::bind(("127.0.0.1", 0))?.send_to(b"own", server.local_addr()?)?;
    anyhow::ensure!(server.recv(&mut [0; 8])? == 3, "another datagram came");
    Ok(())
}

fn named(path: &Path) -> anyhow::Result<()> {
    let _server = UnixListener::bind(path)?;
    let client = UnixStream::connect(path);
    fs::remove_file(path)?;
    client?;
    Ok(())
}

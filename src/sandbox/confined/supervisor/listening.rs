//! Who listens on this machine's loopback, or receives datagrams there: asked of the kernel by sock_diag(7), or
//! read from `/proc/net/tcp` and `/proc/net/udp` where that is missing. Must not know what is decided from it.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Mutex, PoisonError};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// The state of a socket that listens, in that file.
const LISTENS: &str = "0A";

/// Servers of the network namespace that [`Listening::here`] was called in.
#[derive(Debug)]
pub(super) struct Listening {
    /// Streams have listeners; of datagram sockets every one receives.
    datagrams: bool,
    files: [Option<File>; 2],
    /// For one question at a time.
    kernel: Option<Mutex<OwnedFd>>,
}

/// Whose server answers at an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Server {
    Nobodys,
    /// Every socket that could answer is one of the asked ones.
    Own,
    Others,
}

impl Listening {
    /// The files stay those of this network namespace wherever the process goes.
    pub(super) fn here() -> Self {
        Self::of(false)
    }

    /// The same for whoever receives datagrams.
    pub(super) fn for_datagrams() -> Self {
        Self::of(true)
    }

    fn of(datagrams: bool) -> Self {
        let files = if datagrams { ["udp", "udp6"] } else { ["tcp", "tcp6"] };
        let kind = (SocketType::DGRAM, SocketFlags::CLOEXEC, Some(netlink::SOCK_DIAG));
        Self {
            datagrams,
            files: files.map(|name| File::open(format!("/proc/self/net/{name}")).ok()),
            kernel: socket_with(AddressFamily::NETLINK, kind.0, kind.1, kind.2).ok().map(Mutex::new),
        }
    }

    /// Whose server answers at `address`; `own` tells a socket by its number. Where that cannot be seen it is others'.
    pub(super) fn at(&self, address: SocketAddr, own: impl Fn(u64) -> bool) -> Server {
        let Some(entries) = self.ask(address.port()).or_else(|| self.read()) else { return Server::Others };
        let mut found = Server::Nobodys;
        for entry in entries.iter().filter(|entry| entry.answers(address)) {
            if !own(entry.socket) {
                return Server::Others;
            }
            found = Server::Own;
        }
        found
    }

    fn ask(&self, port: u16) -> Option<Vec<Entry>> {
        let kernel = self.kernel.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        let mut entries = asked(&kernel, (libc::AF_INET, self.datagrams), port)?;
        // Without IPv6 there are none.
        entries.extend(asked(&kernel, (libc::AF_INET6, self.datagrams), port).unwrap_or_default());
        Some(entries)
    }

    fn read(&self) -> Option<Vec<Entry>> {
        self.files[0].as_ref()?;
        Some(self.files.iter().flatten().flat_map(|file| listed(file, self.datagrams)).collect())
    }
}

/// One listening socket.
#[derive(Debug, PartialEq, Eq)]
struct Entry {
    address: SocketAddr,
    /// Number of the socket.
    socket: u64,
}

impl Entry {
    fn answers(&self, to: SocketAddr) -> bool {
        let (mine, theirs) = (self.address.ip().to_canonical(), to.ip().to_canonical());
        let everywhere = match self.address.ip() {
            IpAddr::V4(address) => address.is_unspecified() && theirs.is_ipv4(),
            // Such a socket takes both families unless it was told not to.
            IpAddr::V6(address) => address.is_unspecified(),
        };
        // Connecting to the address that means any means this machine.
        let to_any = theirs.is_unspecified() && mine.is_loopback();
        self.address.port() == to.port() && (mine == theirs || everywhere || to_any)
    }
}

/// The listeners at `port`, or all `datagrams` sockets there, by the kernel's answer to one `inet_diag_req_v2`.
fn asked(kernel: &OwnedFd, (family, datagrams): (i32, bool), port: u16) -> Option<Vec<Entry>> {
    const BY_FAMILY: u16 = 20;
    const REQUEST_AND_DUMP: u16 = 1 | 0x300;
    const HEADER: usize = 16;
    const LENGTH: u32 = 72;
    const LISTENING: u32 = 1 << 10;
    const DONE: u16 = 3;
    let family = u8::try_from(family).ok()?;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(BY_FAMILY.to_ne_bytes());
    message.extend(REQUEST_AND_DUMP.to_ne_bytes());
    // Sequence number and sender.
    message.extend([0; 8]);
    let protocol = if datagrams { libc::IPPROTO_UDP } else { libc::IPPROTO_TCP };
    message.extend([family, u8::try_from(protocol).ok()?, 0, 0]);
    message.extend(if datagrams { u32::MAX } else { LISTENING }.to_ne_bytes());
    message.extend(port.to_be_bytes());
    message.resize(LENGTH as usize, 0);
    send(kernel, &message, SendFlags::empty()).ok()?;
    let mut answer = vec![0; 32 * 1024];
    let mut entries = Vec::new();
    loop {
        let (length, _) = recv(kernel, &mut answer, RecvFlags::empty()).ok()?;
        let mut rest = answer.get(..length)?;
        while let Some(header) = rest.get(..HEADER) {
            let length = u32::from_ne_bytes(header[..4].try_into().ok()?) as usize;
            let kind = u16::from_ne_bytes(header[4..6].try_into().ok()?);
            if kind == DONE {
                return Some(entries);
            }
            // Anything else than a socket is an error.
            entries.push(told(rest.get(HEADER..length).filter(|_| kind == BY_FAMILY)?)?);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
    }
}

/// One `inet_diag_msg`.
fn told(socket: &[u8]) -> Option<Entry> {
    let port = u16::from_be_bytes(socket.get(4..6)?.try_into().ok()?);
    let ip = if i32::from(*socket.first()?) == libc::AF_INET {
        IpAddr::from(<[u8; 4]>::try_from(socket.get(8..12)?).ok()?)
    } else {
        IpAddr::from(<[u8; 16]>::try_from(socket.get(8..24)?).ok()?)
    };
    let socket = u32::from_ne_bytes(socket.get(68..72)?.try_into().ok()?);
    Some(Entry { address: SocketAddr::new(ip, port), socket: u64::from(socket) })
}

/// The kernel lists listeners first: reading ends at the first socket of another state, however many there are.
fn listed(file: &File, datagrams: bool) -> Vec<Entry> {
    let mut text = Vec::new();
    let mut part = vec![0; 16 * 1024];
    let mut entries = Vec::new();
    let mut at = 0;
    while let Ok(length @ 1..) = file.read_at(&mut part, at) {
        at += length as u64;
        text.extend_from_slice(&part[..length]);
        let Some(end) = text.iter().rposition(|&byte| byte == b'\n') else { continue };
        let whole: Vec<u8> = text.drain(..=end).collect();
        for line in String::from_utf8_lossy(&whole).lines() {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            if fields.first().is_none_or(|first| *first == "sl") {
                continue;
            }
            if !datagrams && fields.get(3) != Some(&LISTENS) {
                return entries;
            }
            entries.extend(entry(&fields));
        }
    }
    entries
}

fn entry(fields: &[&str]) -> Option<Entry> {
    let (address, port) = fields.get(1)?.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let words: Vec<u8> = address
        .as_bytes()
        .chunks(8)
        .filter_map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok())
        // The kernel prints each word of the address as a number of this machine.
        .flat_map(u32::to_ne_bytes)
        .collect();
    let ip = match words.len() {
        4 => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(words).ok()?)),
        16 => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?)),
        _ => return None,
    };
    Some(Entry { address: SocketAddr::new(ip, port), socket: fields.get(9)?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn an_entry_answers_where_its_socket_does() {
        let any4 = "0.0.0.0:80";
        let any6 = "[::]:80";
        for (mine, to, answers) in [
            ("127.0.0.1:80", "127.0.0.1:80", true),
            ("127.0.0.1:80", "127.0.0.1:81", false),
            ("127.0.0.1:80", "127.0.0.2:80", false),
            ("127.0.0.1:80", "0.0.0.0:80", true),
            ("[::ffff:127.0.0.1]:80", "127.0.0.1:80", true),
            ("[::1]:80", "127.0.0.1:80", false),
            (any4, "127.0.0.9:80", true),
            (any4, "[::1]:80", false),
            (any6, "127.0.0.1:80", true),
            (any6, "[::1]:80", true),
        ] {
            let entry = Entry { address: mine.parse().unwrap(), socket: 1 };
            assert_eq!(entry.answers(to.parse().unwrap()), answers, "{mine} {to}");
        }
    }

    #[test]
    fn receivers_of_datagrams_are_told_apart() {
        for address in ["127.0.0.1:0", "[::1]:0", "0.0.0.0:0"] {
            let server = std::net::UdpSocket::bind(address).unwrap();
            let number = rustix::fs::fstat(server.as_fd()).unwrap().st_ino;
            let ip = server.local_addr().unwrap().ip();
            let ip = if ip.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { ip };
            let at = SocketAddr::new(ip, server.local_addr().unwrap().port());
            let reads = Listening { kernel: None, ..Listening::for_datagrams() };
            for receiving in [&Listening::for_datagrams(), &reads] {
                assert_eq!(receiving.at(at, |socket| socket == number), Server::Own);
                assert_eq!(receiving.at(at, |_| false), Server::Others);
            }
            drop(server);
            assert_eq!(Listening::for_datagrams().at(at, |_| true), Server::Nobodys);
        }
    }

    #[test]
    fn own_and_others_servers_are_told_apart() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let server = TcpListener::bind(address).unwrap();
            let (at, number) =
                (server.local_addr().unwrap(), rustix::fs::fstat(server.as_fd()).unwrap().st_ino);
            let asks = Listening::here();
            assert!(asks.ask(at.port()).is_some_and(|entries| entries.iter().any(|e| e.address == at)));
            let reads = Listening { kernel: None, ..Listening::here() };
            for listening in [&asks, &reads] {
                assert_eq!(listening.at(at, |socket| socket == number), Server::Own);
                assert_eq!(listening.at(at, |_| false), Server::Others);
            }
            drop(server);
            for listening in [asks, reads] {
                assert_eq!(listening.at(at, |_| true), Server::Nobodys);
            }
        }
    }
}

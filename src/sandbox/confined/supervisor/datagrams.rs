//! Datagrams in a tier without a network namespace: between sockets of this sandbox on loopback, and nowhere else.
//!
//! A datagram names its receiver, and its way out, where no filter can look (`sendmsg`), so a child's own socket is mute:
//! it is shut down for sending when it is made, which holds for good, and every way of sending from it fails in the
//! kernel, however a call is raced. What a child sends is copied once and sent by the supervisor, from a second socket on
//! the same port, to receivers that are this sandbox's own. That second socket is connected to a port where nobody is: so
//! it receives nothing.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, Shutdown, SocketFlags, SocketType, bind, connect, getsockname, sendto,
    shutdown, socket_with, sockopt,
};

use super::address::Address;
use super::listening::Server;
use super::{Call, NAMES, Supervisor, errno, is_loopback, number, sockets};
use crate::sandbox::confined::{calls, notify};

/// Sockets beyond which closed ones are looked for.
const MANY: usize = 64;
/// More than any datagram holds.
const LONGEST: u64 = 0xffff;
/// Parts of one datagram, as the kernel limits them.
const PARTS: u64 = 1024;
/// "Discard": nobody serves it, and no child may.
const NOBODYS: u16 = 9;

/// The datagram sockets of a sandbox.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    known: HashMap<u64, Datagram>,
    twins: HashSet<u64>,
}

/// One of them.
#[derive(Debug)]
struct Datagram {
    /// The child's, which is mute.
    file: OwnedFd,
    family: AddressFamily,
    /// On the same port once there is one: sends in its place.
    twin: Option<Arc<OwnedFd>>,
    /// The same to addresses of IPv4, for a socket of both families.
    twin4: Option<Arc<OwnedFd>>,
    peer: Option<SocketAddr>,
}

impl Datagrams {
    /// Makes a mute socket and holds it.
    fn make(&mut self, family: AddressFamily, flags: SocketFlags) -> Result<&OwnedFd, Errno> {
        if self.known.len() >= MANY {
            self.sweep();
        }
        let file = mute(family, flags)?;
        let number = fstat(&file)?.st_ino;
        let made = Datagram { file, family, twin: None, twin4: None, peer: None };
        Ok(&self.known.entry(number).insert_entry(made).into_mut().file)
    }

    /// Binds the socket, and its twin beside it.
    fn bind(&mut self, number: u64, to: SocketAddr) -> Result<(), Errno> {
        let socket = self.known.get(&number).ok_or(Errno::NOTSOCK)?;
        if socket.twin.is_some() {
            return Err(Errno::INVAL);
        }
        let mut done = bind(&socket.file, &to);
        if done == Err(Errno::ADDRINUSE) {
            // By one that is closed and only held here, perhaps.
            self.sweep();
            let socket = self.known.get(&number).ok_or(Errno::NOTSOCK)?;
            done = bind(&socket.file, &to);
        }
        done?;
        let socket = self.known.get_mut(&number).ok_or(Errno::NOTSOCK)?;
        let at = SocketAddr::try_from(getsockname(&socket.file)?)?;
        let twin = twin_of(&[&socket.file], SocketAddr::new(at.ip().to_canonical(), at.port()))?;
        self.twins.insert(fstat(&twin)?.st_ino);
        socket.twin = Some(Arc::new(twin));
        Ok(())
    }

    /// Who sends for this socket to `to`, and to which address: one of IPv4 may stand in IPv6's clothes.
    fn sender(&mut self, number: u64, to: SocketAddr) -> Result<(Arc<OwnedFd>, SocketAddr), Errno> {
        let twin = self.bound(number)?;
        let to = SocketAddr::new(to.ip().to_canonical(), to.port());
        let at = SocketAddr::try_from(getsockname(&twin)?)?;
        if at.is_ipv4() == to.is_ipv4() {
            return Ok((twin, to));
        }
        let socket = self.known.get_mut(&number).ok_or(Errno::NOTSOCK)?;
        let own = SocketAddr::try_from(getsockname(&socket.file)?)?;
        // Bound or connected to an address of one family, a socket reaches the other as little as anywhere.
        if own.is_ipv4() || !(own.ip().is_unspecified() || socket.peer.is_some()) || to.is_ipv6() {
            return Err(Errno::NETUNREACH);
        }
        if socket.twin4.is_none() {
            let other = twin_of(&[&socket.file, &twin], (Ipv4Addr::UNSPECIFIED, own.port()).into())?;
            self.twins.insert(fstat(&other)?.st_ino);
            socket.twin4 = Some(Arc::new(other));
        }
        Ok((socket.twin4.clone().ok_or(Errno::NOTSOCK)?, to))
    }

    /// Binds the socket anywhere if it is not bound; its twin.
    fn bound(&mut self, number: u64) -> Result<Arc<OwnedFd>, Errno> {
        let socket = self.known.get(&number).ok_or(Errno::NOTSOCK)?;
        if socket.twin.is_none() {
            let v4 = socket.family == AddressFamily::INET;
            let any: IpAddr = if v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
            self.bind(number, (any, 0).into())?;
        }
        self.known.get(&number).and_then(|socket| socket.twin.clone()).ok_or(Errno::NOTSOCK)
    }

    fn has(&self, number: u64) -> bool {
        self.known.contains_key(&number) || self.twins.contains(&number)
    }

    /// Lets go what no process has open any more.
    fn sweep(&mut self) {
        let open = sockets::open_numbers();
        self.known.retain(|number, _| open.contains(number));
        let twins = self.known.values().flat_map(|socket| [&socket.twin, &socket.twin4]);
        let twins = twins.filter_map(|twin| fstat(twin.as_deref()?).ok());
        self.twins = twins.map(|twin| twin.st_ino).collect();
    }
}

/// A datagram socket on loopback that sends nothing.
fn mute(family: AddressFamily, flags: SocketFlags) -> Result<OwnedFd, Errno> {
    let file = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC | flags, None)?;
    notify::tie_to_loopback(file.as_fd()).map_err(|error| errno(&error))?;
    match shutdown(&file, Shutdown::Write) {
        // The kernel says so of a socket without a peer, and does it.
        Ok(()) | Err(Errno::NOTCONN) => Ok(file),
        Err(error) => Err(error),
    }
}

/// Whether a mute socket is mute on this kernel.
fn is_mute(family: AddressFamily) -> bool {
    let nobody = (loopback(family), NOBODYS).into();
    mute(family, SocketFlags::empty())
        .is_ok_and(|file| send(&file, &[], SendFlags::empty(), &nobody) == Err(Errno::PIPE))
}

fn send(file: &OwnedFd, data: &[u8], flags: SendFlags, to: &SocketAddr) -> Result<usize, Errno> {
    sendto(file, data, flags | SendFlags::NOSIGNAL | SendFlags::DONTWAIT, to)
}

fn loopback(family: AddressFamily) -> IpAddr {
    if family == AddressFamily::INET { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() }
}

/// A socket at `at`, which receives nothing. The port is that of `files`; sharing it is allowed for this moment alone.
fn twin_of(files: &[&OwnedFd], at: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let twin = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    notify::tie_to_loopback(twin.as_fd()).map_err(|error| errno(&error))?;
    let mut shared = Vec::new();
    for file in files {
        shared.push(sockopt::socket_reuseaddr(file)?);
        sockopt::set_socket_reuseaddr(file, true)?;
    }
    sockopt::set_socket_reuseaddr(&twin, true)?;
    let done = bind(&twin, &at).and_then(|()| connect(&twin, &SocketAddr::from((loopback(family), NOBODYS))));
    sockopt::set_socket_reuseaddr(&twin, false)?;
    for (file, shared) in files.iter().zip(shared) {
        sockopt::set_socket_reuseaddr(file, shared)?;
    }
    done.map(|()| twin)
}

/// What a call sends.
struct Sent {
    to: Option<SocketAddr>,
    data: Vec<u8>,
    flags: SendFlags,
}

impl Supervisor {
    /// Makes a datagram socket in the child's place.
    pub(super) fn make_datagrams(
        &self,
        call: &Call,
        family: AddressFamily,
        flags: SocketFlags,
        close_on_exec: bool,
    ) -> Result<(), Errno> {
        if !is_mute(family) {
            self.refusals().no_datagrams();
            return Err(Errno::PROTONOSUPPORT);
        }
        let mut datagrams = self.datagrams();
        let file = datagrams.make(family, flags)?.as_fd();
        // From other numbers writing is not seen here, and fails.
        let free = |at: &u32| std::fs::symlink_metadata(format!("{}/fd/{at}", call.thread)).is_err();
        if let Some(at) = calls::DATAGRAM_SOCKETS.rev().find(free)
            && self.listener.give_at(call, file, at, close_on_exec).is_ok()
        {
            return Ok(());
        }
        self.listener.give(call, file, close_on_exec).map_err(|error| errno(&error))
    }

    /// The number of the caller's datagram socket, if the call is about one.
    pub(super) fn datagram_socket(&self, call: &Call) -> Option<u64> {
        if self.datagrams().known.is_empty() {
            return None;
        }
        let number = sockets::number_of(call.thread, number(call.arguments[0]))?;
        self.datagrams().known.contains_key(&number).then_some(number)
    }

    pub(super) fn bind_datagrams(&self, call: &Call, number: u64) -> Result<(), Errno> {
        match self.address(call, call.arguments[1], call.arguments[2])? {
            Address::Internet(to) if is_loopback(to) => self.datagrams().bind(number, to),
            Address::Internet(to) => {
                self.refusals().datagram(to);
                Err(Errno::ADDRNOTAVAIL)
            }
            _ => Err(Errno::AFNOSUPPORT),
        }
    }

    pub(super) fn connect_datagrams(&self, call: &Call, number: u64) -> Result<(), Errno> {
        let to = match self.address(call, call.arguments[1], call.arguments[2])? {
            Address::Internet(to) => to,
            Address::None => {
                self.refusals().datagrams_by("ending a connection of a UDP socket");
                return Err(Errno::OPNOTSUPP);
            }
            _ => return Err(Errno::AFNOSUPPORT),
        };
        self.receiver(to)?;
        let mut datagrams = self.datagrams();
        datagrams.bound(number)?;
        let socket = datagrams.known.get_mut(&number).ok_or(Errno::NOTSOCK)?;
        if socket.peer.is_some() {
            self.refusals().datagrams_by("connecting a UDP socket twice");
            return Err(Errno::ISCONN);
        }
        connect(&socket.file, &to)?;
        socket.peer = Some(to);
        Ok(())
    }

    /// Sends in the child's place; how many bytes.
    pub(super) fn send_datagram(&self, call: &Call, number: u64) -> Result<usize, Errno> {
        let sent = self.sent(call)?;
        if !self.listener.waits(call) {
            return Err(Errno::SRCH);
        }
        let peer = self.datagrams().known.get(&number).and_then(|socket| socket.peer);
        let to = sent.to.or(peer).ok_or(Errno::DESTADDRREQ)?;
        let (twin, there) = self.datagrams().sender(number, to)?;
        if !self.receiver(to)? {
            // As if it was lost on the way; a connected socket is told.
            return if peer.is_some() { Err(Errno::CONNREFUSED) } else { Ok(sent.data.len()) };
        }
        send(&twin, &sent.data, sent.flags, &there)
    }

    /// Whether somebody in this sandbox receives there; an error where somebody else does.
    fn receiver(&self, to: SocketAddr) -> Result<bool, Errno> {
        if !is_loopback(to) {
            self.refuse(to, false);
            return Err(Errno::NETUNREACH);
        }
        match self.receiving.at(to, |number| self.datagrams().has(number)) {
            Server::Own => Ok(true),
            // Of names it is said also where nobody seems to be: packet filters may lead on from there.
            Server::Nobodys | Server::Others if to.port() == NAMES => {
                self.refusals().name_service();
                Err(Errno::CONNREFUSED)
            }
            Server::Nobodys => Ok(false),
            Server::Others => {
                self.refusals().others_datagram(to);
                Err(Errno::CONNREFUSED)
            }
        }
    }

    /// What the call sends, copied once.
    fn sent(&self, call: &Call) -> Result<Sent, Errno> {
        let a = call.arguments;
        let (name, parts, flags) = match call.number {
            libc::SYS_write => ((0, 0), vec![(a[1], a[2])], 0),
            libc::SYS_writev => ((0, 0), self.parts(call, a[1], a[2] & u64::from(u32::MAX))?, 0),
            libc::SYS_sendto => ((a[4], a[5]), vec![(a[1], a[2])], a[3]),
            libc::SYS_sendmsg => {
                let head = self.memory(call, a[1], 56)?;
                let word = |at: usize| {
                    let bytes = head.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
                    bytes.map(u64::from_ne_bytes).ok_or(Errno::FAULT)
                };
                if word(40)? != 0 {
                    self.refusals().datagrams_by("control data beside a datagram");
                    return Err(Errno::OPNOTSUPP);
                }
                let parts = self.parts(call, word(16)?, word(24)?)?;
                ((word(0)?, word(8)? & u64::from(u32::MAX)), parts, a[2])
            }
            _ => {
                self.refusals().datagrams_by("several datagrams by one call (sendmmsg)");
                return Err(Errno::OPNOTSUPP);
            }
        };
        let flags = SendFlags::from_bits_retain(number(flags));
        if !flags.difference(SendFlags::DONTWAIT | SendFlags::NOSIGNAL | SendFlags::CONFIRM).is_empty() {
            self.refusals().datagrams_by("a flag of a datagram");
            return Err(Errno::OPNOTSUPP);
        }
        if parts.iter().fold(0_u64, |sum, part| sum.saturating_add(part.1)) > LONGEST {
            return Err(Errno::MSGSIZE);
        }
        let mut data = Vec::new();
        for (at, length) in parts {
            data.extend(self.memory(call, at, length)?);
        }
        let to = match name {
            (0, _) => None,
            (at, length) => match self.address(call, at, length)? {
                Address::Internet(to) => Some(to),
                _ => return Err(Errno::AFNOSUPPORT),
            },
        };
        Ok(Sent { to, data, flags: flags & SendFlags::CONFIRM })
    }

    /// Where the parts of a datagram lie, and how long they are: an array of `iovec`.
    fn parts(&self, call: &Call, at: u64, count: u64) -> Result<Vec<(u64, u64)>, Errno> {
        if count > PARTS {
            return Err(Errno::MSGSIZE);
        }
        let list = self.memory(call, at, count * 16)?;
        let word_of = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_ne_bytes);
        Ok(list.chunks_exact(16).map(|part| (word_of(&part[..8]), word_of(&part[8..]))).collect())
    }
}

//! The supervisor of a child's sockets: it answers the few calls that the child's filter hands over. It reads an
//! address once, decides, makes sockets itself and connects them itself, so nothing that the child changes meanwhile
//! can lead elsewhere. It runs outside the walls, beside the process that waits for the child, and ends with it: a
//! call that nobody answers fails.
//!
//! Loopback is the child's own where it has a network namespace. Elsewhere every internet socket is tied to the
//! machine's loopback when it is made, and a connection is made only to a server that this sandbox has. A datagram is sent
//! by the supervisor alone, to a socket that this sandbox has.
//!
//! Where nothing else holds them, `signals` lets a child's signals reach its command's processes alone.
//!
//! Where no mounts hold it, `top` gives files their names at the top of the work tree, which rules alone would close.

mod address;
mod connecting;
mod datagrams;
pub(in crate::sandbox) mod hosts;
mod listening;
mod reading;
mod refusals;
mod signals;
mod sockets;
mod top;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use anyhow::Context;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use self::address::Address;
use self::datagrams::Datagrams;
use self::hosts::Outside;
use self::listening::Listening;
use self::refusals::Refusals;
use self::sockets::{Socket, Sockets};
use self::top::Top;
use super::calls;
use super::notify::{self, Call, Listener};
use super::order::{Order, Tier};

/// The port of name services.
const NAMES: u16 = 53;

/// What must be opened before the process leaves for namespaces of its own.
#[derive(Debug)]
pub(super) struct Lookout {
    /// The process list that shows the child's processes as this process numbers them.
    processes: OwnedFd,
    listening: Listening,
    receiving: Listening,
}

impl Lookout {
    pub(super) fn here() -> anyhow::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let processes = rustix::fs::open("/proc", flags, Mode::empty()).context("/proc")?;
        Ok(Self { processes, listening: Listening::here(), receiving: Listening::for_datagrams() })
    }
}

/// What decides about a child's sockets.
#[derive(Debug)]
pub(super) struct Supervisor {
    listener: Listener,
    /// The child has a network namespace of its own.
    own_network: bool,
    /// Below these Unix sockets are open.
    rooms: Vec<PathBuf>,
    /// But not below these.
    closed: Vec<PathBuf>,
    /// Of the machine's own network.
    listening: Listening,
    /// Sockets there that receive datagrams.
    receiving: Listening,
    /// Of the child's.
    inside: Listening,
    outside: Outside,
    /// Where the child has no mounts of its own.
    top: Option<Top>,
    sockets: Mutex<Sockets>,
    datagrams: Mutex<Datagrams>,
    refusals: Mutex<Refusals>,
}

impl Supervisor {
    /// Answers the calls that come to the end that is sent, on a thread of its own, as long as this process lives.
    /// The thread stays in the namespaces of its start; in one that will start processes in another process namespace
    /// it could start no more.
    pub(super) fn start(
        order: &Order,
        lookout: Lookout,
        outside: Outside,
        tell: fn(&str),
    ) -> anyhow::Result<mpsc::Sender<OwnedFd>> {
        let own_network = matches!(order.tier, Tier::Namespaces { .. });
        let mut rooms = vec![order.rooms.work.clone(), order.rooms.temporary.clone()];
        rooms.extend(order.rooms.writable.iter().cloned());
        let closed =
            [&order.rooms.git, &order.rooms.readonly, &order.rooms.hidden].map(Clone::clone).concat();
        let inside = Listening::here();
        let top = if own_network { None } else { Top::of(&order.rooms) };
        let supervise = move |listener| Self {
            listener: Listener::new(listener),
            own_network,
            rooms,
            closed,
            listening: lookout.listening,
            receiving: lookout.receiving,
            inside,
            outside,
            top,
            sockets: Mutex::default(),
            datagrams: Mutex::default(),
            refusals: Mutex::new(Refusals::new(tell)),
        };
        let processes = lookout.processes;
        let (sender, listener) = mpsc::channel();
        let run = move || {
            let Ok(listener) = listener.recv() else { return };
            // Paths of processes and of this process's files are read from there. Nobody else in this process uses the
            // working folder once the child was started, which is before the listener comes.
            if rustix::process::fchdir(&processes).is_err() {
                return;
            }
            let supervisor = Arc::new(supervise(listener));
            while let Ok(call) = supervisor.listener.receive() {
                supervisor.handle(call);
            }
        };
        thread::Builder::new()
            .name("supervisor".into())
            .spawn(run)
            .context("no thread for the supervisor")?;
        Ok(sender)
    }

    fn handle(self: &Arc<Self>, call: Call) {
        match call.number {
            libc::SYS_socket => {
                if let Err(error) = self.make(&call) {
                    self.listener.answer(&call, Err(error));
                }
            }
            libc::SYS_connect
            | libc::SYS_bind
            | libc::SYS_sendto
            | libc::SYS_sendmsg
            | libc::SYS_sendmmsg
            | libc::SYS_write
            | libc::SYS_writev
                if let Some(socket) = self.datagram_socket(&call) =>
            {
                let done = match call.number {
                    libc::SYS_connect => self.connect_datagrams(&call, socket).map(|()| 0),
                    libc::SYS_bind => self.bind_datagrams(&call, socket).map(|()| 0),
                    _ => self.send_datagram(&call, socket),
                };
                self.listener.answer_with(&call, done);
            }
            libc::SYS_connect => {
                if let Err(error) = self.connect(call) {
                    self.listener.answer(&call, Err(error));
                }
            }
            // What these lead to is decided when somebody connects; files are made only where the child may.
            libc::SYS_bind | libc::SYS_listen => {
                self.sockets().let_go(call.thread, number(call.arguments[0]));
                self.listener.proceed(&call);
            }
            libc::SYS_sendto if self.own_network => match self.datagram(&call) {
                // Its own network is the wall; this names what would not go through.
                Ok(()) => self.listener.proceed(&call),
                Err(error) => self.listener.answer(&call, Err(error)),
            },
            libc::SYS_setsockopt => {
                self.refusals().datagrams_by("joining a multicast group");
                self.listener.answer(&call, Err(Errno::OPNOTSUPP));
            }
            // Not of a datagram: the sockets that send those are mute, whatever became of the descriptor by now.
            libc::SYS_sendto
            | libc::SYS_sendmsg
            | libc::SYS_sendmmsg
            | libc::SYS_write
            | libc::SYS_writev => self.listener.proceed(&call),
            _ if calls::AT_TOP.contains(&call.number) => self.at_top(&call),
            _ if calls::SIGNALS.contains(&call.number) => self.signal(&call),
            _ => self.listener.answer(&call, Err(Errno::PERM)),
        }
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn datagrams(&self) -> MutexGuard<'_, Datagrams> {
        self.datagrams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refusals(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a socket in the child's place.
    fn make(&self, call: &Call) -> Result<(), Errno> {
        let [domain, kind, protocol] = [0, 1, 2].map(|n| number(call.arguments[n]).cast_signed());
        let flags = kind & !0xf;
        if flags & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC) != 0 {
            return Err(Errno::INVAL);
        }
        let kind = kind & 0xf;
        let internet = matches!(domain, libc::AF_INET | libc::AF_INET6);
        let allowed = match kind {
            // Not MPTCP: it would connect to more than it was told.
            libc::SOCK_STREAM if internet => matches!(protocol, 0 | libc::IPPROTO_TCP),
            libc::SOCK_DGRAM if internet => matches!(protocol, 0 | libc::IPPROTO_UDP),
            libc::SOCK_RAW if internet => return Err(Errno::PERM),
            libc::SOCK_STREAM | libc::SOCK_SEQPACKET => domain == libc::AF_UNIX && matches!(protocol, 0 | 1),
            _ => false,
        };
        if !allowed {
            return Err(Errno::PROTONOSUPPORT);
        }
        let family = match domain {
            libc::AF_INET => AddressFamily::INET,
            libc::AF_INET6 => AddressFamily::INET6,
            _ => AddressFamily::UNIX,
        };
        let close_on_exec = flags & libc::SOCK_CLOEXEC != 0;
        let waits =
            if flags & libc::SOCK_NONBLOCK == 0 { SocketFlags::empty() } else { SocketFlags::NONBLOCK };
        if kind == libc::SOCK_DGRAM && !self.own_network {
            return self.make_datagrams(call, family, waits, close_on_exec);
        }
        let kind = match kind {
            libc::SOCK_STREAM => SocketType::STREAM,
            libc::SOCK_DGRAM => SocketType::DGRAM,
            _ => SocketType::SEQPACKET,
        };
        let file = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | waits, None)?;
        if internet && !self.own_network {
            notify::tie_to_loopback(file.as_fd()).map_err(|error| errno(&error))?;
        }
        let socket = self.sockets().hold(file, internet)?;
        self.listener.give(call, socket.file.as_fd(), close_on_exec).map_err(|error| errno(&error))
    }

    /// Names a datagram's receiver that is not in here.
    fn datagram(&self, call: &Call) -> Result<(), Errno> {
        let to = self.address(call, call.arguments[4], call.arguments[5])?;
        if let Address::Internet(to) = to {
            if !is_loopback(to) {
                self.refuse(to, false);
                return Err(Errno::NETUNREACH);
            }
            if to.port() == NAMES {
                self.refusals().name_service();
            }
        }
        Ok(())
    }
}

/// A system call's `int`.
fn number(argument: u64) -> u32 {
    (argument & u64::from(u32::MAX)) as u32
}

fn errno(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(
        if error.kind() == std::io::ErrorKind::TimedOut { Errno::TIMEDOUT } else { Errno::HOSTUNREACH },
        Errno::from_raw_os_error,
    )
}

fn is_stream(socket: &Socket) -> bool {
    sockopt::socket_type(&socket.file).is_ok_and(|kind| kind != SocketType::DGRAM)
}

/// Addresses that mean this machine. Connecting to the one that means any does too.
fn is_loopback(address: SocketAddr) -> bool {
    let ip: IpAddr = address.ip().to_canonical();
    ip.is_loopback() || ip.is_unspecified()
}

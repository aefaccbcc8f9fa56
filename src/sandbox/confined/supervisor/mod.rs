//! The supervisor of a child's sockets: it answers the few calls that the child's filter hands over. It reads an
//! address once, decides, makes sockets itself and connects them itself, so nothing that the child changes meanwhile
//! can lead elsewhere. It runs outside the walls, beside the process that waits for the child, and ends with it: a
//! call that nobody answers fails.
//!
//! Loopback is the child's own where it has a network namespace. Elsewhere every internet socket is tied to the
//! machine's loopback when it is made, and a connection is made only to a server that this sandbox has. Datagrams
//! are refused there: each can name a receiver where no filter can look, and the name service of the machine is one.

mod address;
pub(in crate::sandbox) mod hosts;
mod listening;
mod refusals;
mod sockets;

use std::ffi::OsString;
use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use anyhow::Context;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use self::address::Address;
use self::hosts::{Meaning, Outside};
use self::listening::{Listening, Server};
use self::refusals::Refusals;
use self::sockets::{Socket, Sockets};
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
}

impl Lookout {
    pub(super) fn here() -> anyhow::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let processes = rustix::fs::open("/proc", flags, Mode::empty()).context("/proc")?;
        Ok(Self { processes, listening: Listening::here() })
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
    /// Of the child's.
    inside: Listening,
    outside: Outside,
    sockets: Mutex<Sockets>,
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
        let supervise = move |listener| Self {
            listener: Listener::new(listener),
            own_network,
            rooms,
            closed,
            listening: lookout.listening,
            inside,
            outside,
            sockets: Mutex::default(),
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
            _ => self.listener.answer(&call, Err(Errno::PERM)),
        }
    }

    fn sockets(&self) -> MutexGuard<'_, Sockets> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
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
            libc::SOCK_DGRAM if internet => self.own_network && matches!(protocol, 0 | libc::IPPROTO_UDP),
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
        let kind = match kind {
            libc::SOCK_STREAM => SocketType::STREAM,
            libc::SOCK_DGRAM => SocketType::DGRAM,
            _ => SocketType::SEQPACKET,
        };
        let waits =
            if flags & libc::SOCK_NONBLOCK == 0 { SocketFlags::empty() } else { SocketFlags::NONBLOCK };
        let file = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC | waits, None)?;
        if internet && !self.own_network {
            notify::tie_to_loopback(file.as_fd()).map_err(|error| errno(&error))?;
        }
        let socket = self.sockets().hold(file, internet)?;
        let close_on_exec = flags & libc::SOCK_CLOEXEC != 0;
        self.listener.give(call, socket.file.as_fd(), close_on_exec).map_err(|error| errno(&error))
    }

    /// Connects in the child's place; `Ok`: the call is answered, or will be.
    fn connect(self: &Arc<Self>, call: Call) -> Result<(), Errno> {
        let descriptor = number(call.arguments[0]);
        let to = self.address(&call, call.arguments[1], call.arguments[2])?;
        let socket = self.sockets().find(call.thread, descriptor);
        // What was read was the caller's only if it still waits.
        if !self.listener.waits(&call) {
            return Ok(());
        }
        let socket = socket.inspect_err(|error| {
            if *error == Errno::OPNOTSUPP {
                self.refusals().bound();
            }
        })?;
        match to {
            Address::Internet(to) => self.connect_internet(call, socket, to, descriptor),
            Address::Path(path) => {
                let (file, path) = self.open(&call, &path)?;
                let below = |folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
                if !below(&self.rooms) || below(&self.closed) {
                    self.refusals().path(&path);
                    return Err(Errno::ACCESS);
                }
                self.carry_out(call, socket, move |socket| {
                    // The file that was looked at, whatever its path leads to now.
                    let path = format!("self/fd/{}", file.as_raw_fd());
                    rustix::net::connect(socket, &SocketAddrUnix::new(path)?)
                });
                Ok(())
            }
            Address::Name(name) if self.own_network => {
                self.carry_out(call, socket, move |socket| {
                    rustix::net::connect(socket, &SocketAddrUnix::new_abstract_name(&name)?)
                });
                Ok(())
            }
            Address::Name(name) => {
                self.refusals().name(&name);
                Err(Errno::ACCESS)
            }
            Address::None => {
                self.listener.answer(&call, rustix::net::connect_unspec(&socket.file));
                Ok(())
            }
        }
    }

    fn connect_internet(
        self: &Arc<Self>,
        call: Call,
        socket: Socket,
        to: SocketAddr,
        descriptor: u32,
    ) -> Result<(), Errno> {
        let stream = is_stream(&socket);
        match self.outside.meaning(to) {
            Meaning::Nothing => {}
            meaning if stream && self.sockets().made(socket.number) => {
                self.connect_outside(call, socket, to, descriptor, meaning);
                return Ok(());
            }
            _ => {}
        }
        if !is_loopback(to) {
            self.refuse(to, stream);
            return Err(Errno::NETUNREACH);
        }
        if !stream && to.port() == NAMES {
            self.refusals().name_service();
        }
        if !self.own_network {
            let server = self.listening.at(to, |number| self.sockets().made(number));
            match server {
                Server::Own => {}
                Server::Nobodys => return Err(Errno::CONNREFUSED),
                Server::Others => {
                    self.refusals().loopback(to);
                    return Err(Errno::CONNREFUSED);
                }
            }
        }
        if stream && self.own_network {
            self.name_the_outer(to);
        }
        self.carry_out(call, socket, move |socket| rustix::net::connect(socket, &to));
        Ok(())
    }

    /// Where nobody listens in the child's own network but somebody does in the machine's, that was meant.
    fn name_the_outer(&self, to: SocketAddr) {
        let any = |_| true;
        if self.inside.at(to, any) == Server::Nobodys && self.listening.at(to, any) == Server::Own {
            self.refusals().loopback(to);
        }
    }

    fn refuse(&self, to: SocketAddr, stream: bool) {
        if stream {
            self.refusals().host(to, self.own_network);
        } else if to.port() == NAMES {
            self.refusals().name_service();
        } else {
            self.refusals().datagram(to);
        }
    }

    /// Connects the socket itself, on a thread of its own if that may take time.
    fn carry_out(
        self: &Arc<Self>,
        call: Call,
        socket: Socket,
        connect: impl FnOnce(&OwnedFd) -> Result<(), Errno> + Send + 'static,
    ) {
        let supervisor = Arc::clone(self);
        let waits = fcntl_getfl(&socket.file).is_ok_and(|flags| !flags.contains(OFlags::NONBLOCK));
        let job = move || {
            let result = connect(&socket.file);
            let connected = is_stream(&socket) && rustix::net::getpeername(&socket.file).is_ok();
            if connected {
                supervisor.sockets().connected(socket.number);
            }
            // Before the answer: from then on the child's own end is the last.
            drop(socket);
            supervisor.listener.answer(&call, result);
        };
        if !waits {
            job();
        } else if thread::Builder::new().spawn(job).is_err() {
            self.listener.answer(&call, Err(Errno::AGAIN));
        }
    }

    /// Puts a socket that is connected to an opened host in place of the child's.
    fn connect_outside(
        self: &Arc<Self>,
        call: Call,
        socket: Socket,
        to: SocketAddr,
        descriptor: u32,
        meaning: Meaning,
    ) {
        let close_on_exec = closes_on_exec(call.thread, descriptor);
        let supervisor = Arc::clone(self);
        self.outside.have(move || {
            let result = match hosts::connect(meaning) {
                None => {
                    supervisor.refuse(to, true);
                    Err(Errno::NETUNREACH)
                }
                Some(Err(error)) => Err(errno(&error)),
                Some(Ok(stream)) => supervisor.put(&call, &socket, stream.into(), descriptor, close_on_exec),
            };
            drop(socket);
            supervisor.listener.answer(&call, result);
        });
    }

    fn put(
        &self,
        call: &Call,
        old: &Socket,
        new: OwnedFd,
        at: u32,
        close_on_exec: bool,
    ) -> Result<(), Errno> {
        resemble(&old.file, &new);
        let number = rustix::fs::fstat(&new)?.st_ino;
        self.sockets().connected(number);
        self.listener.replace(call, new.as_fd(), at, close_on_exec).map_err(|error| errno(&error))?;
        self.sockets().connected(old.number);
        Ok(())
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

    fn address(&self, call: &Call, at: u64, length: u64) -> Result<Address, Errno> {
        // A length is an `int`.
        let length = length & u64::from(u32::MAX);
        if length > address::LONGEST {
            return Err(Errno::INVAL);
        }
        let mut bytes = [0; address::LONGEST as usize];
        let bytes = bytes.get_mut(..length as usize).ok_or(Errno::INVAL)?;
        let memory = File::open(format!("{}/mem", call.thread)).map_err(|_| Errno::ACCESS)?;
        memory.read_exact_at(bytes, at).map_err(|_| Errno::FAULT)?;
        if !self.listener.waits(call) {
            return Err(Errno::SRCH);
        }
        address::parse(bytes)
    }

    /// Opens the file of a Unix socket as the child would; where it really is.
    fn open(&self, call: &Call, path: &Path) -> Result<(OwnedFd, PathBuf), Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let folder = format!("{}/cwd", call.thread);
        let folder = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty())?;
        let resolve = ResolveFlags::NO_MAGICLINKS;
        let file = match rustix::fs::openat2(&folder, path, flags, Mode::empty(), resolve) {
            Ok(file) => file,
            // So does a file that is there and hidden.
            Err(Errno::LOOP) => return Err(Errno::ACCESS),
            Err(error) => return Err(error),
        };
        let real = rustix::fs::readlinkat(CWD, format!("self/fd/{}", file.as_raw_fd()), vec![])?;
        let real = PathBuf::from(OsString::from_vec(real.into_bytes()));
        Ok((file, real))
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

fn closes_on_exec(thread: u32, descriptor: u32) -> bool {
    let text = std::fs::read_to_string(format!("{thread}/fdinfo/{descriptor}")).unwrap_or_default();
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = flags.and_then(|flags| i32::from_str_radix(flags.trim(), 8).ok());
    flags.is_some_and(|flags| flags & libc::O_CLOEXEC != 0)
}

/// Sets what was set on the old socket on the new one. An option that cannot be set is the kernel's default.
fn resemble(old: &OwnedFd, new: &OwnedFd) {
    macro_rules! copy {
        ($($get:ident => $set:ident),+ $(,)?) => {
            $(if let Ok(value) = sockopt::$get(old) { let _ = sockopt::$set(new, value); })+
        };
    }
    copy! {
        socket_keepalive => set_socket_keepalive,
        socket_linger => set_socket_linger,
        socket_oobinline => set_socket_oobinline,
        tcp_nodelay => set_tcp_nodelay,
        tcp_keepcnt => set_tcp_keepcnt,
        tcp_keepidle => set_tcp_keepidle,
        tcp_keepintvl => set_tcp_keepintvl,
        tcp_user_timeout => set_tcp_user_timeout,
        tcp_cork => set_tcp_cork,
    }
    for which in [sockopt::Timeout::Recv, sockopt::Timeout::Send] {
        if let Ok(value) = sockopt::socket_timeout(old, which) {
            let _ = sockopt::set_socket_timeout(new, which, value);
        }
    }
    if let Ok(flags) = fcntl_getfl(old) {
        let _ = rustix::fs::fcntl_setfl(new, flags);
    }
}

//! Where a child's sockets may lead, and how they get there: the supervisor connects them itself. Must not know how a
//! call comes.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, sockopt};

use super::address::Address;
use super::hosts::{self, Meaning};
use super::listening::Server;
use super::sockets::Socket;
use super::{Call, NAMES, Supervisor, errno, is_loopback, is_stream, number};

impl Supervisor {
    /// Connects in the child's place; `Ok`: the call is answered, or will be.
    pub(super) fn connect(self: &Arc<Self>, call: Call) -> Result<(), Errno> {
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

    pub(super) fn refuse(&self, to: SocketAddr, stream: bool) {
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

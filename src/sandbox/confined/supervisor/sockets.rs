//! The sockets of a sandbox, as its supervisor knows them. A socket that is neither bound nor connected is held at
//! this end too: what is done with it here is done with the child's own, options and all. It is let go as soon as
//! holding it could be noticed, since a port is free and a connection ends only when the last end is closed. Must
//! not know where a socket may lead.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::fstat;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

/// Held sockets beyond which closed ones are looked for, and beyond which the oldest are let go.
const MANY: usize = 256;
const TOO_MANY: usize = 512;

/// A socket of the child.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    pub file: Arc<OwnedFd>,
    /// The same for every descriptor of it, and nobody else's.
    pub number: u64,
}

#[derive(Debug, Default)]
pub(super) struct Sockets {
    held: HashMap<u64, Arc<OwnedFd>>,
    /// Numbers of the held ones, oldest first.
    order: Vec<u64>,
    /// Internet sockets that were made here.
    made: HashSet<u64>,
    /// Connected ones.
    connected: HashSet<u64>,
}

impl Sockets {
    /// Holds a new socket.
    pub(super) fn hold(&mut self, file: OwnedFd, internet: bool) -> Result<Socket, Errno> {
        let number = fstat(&file)?.st_ino;
        let file = Arc::new(file);
        if self.held.len() >= MANY {
            self.sweep();
        }
        self.held.insert(number, Arc::clone(&file));
        self.order.push(number);
        if internet {
            self.made.insert(number);
        }
        Ok(Socket { file, number })
    }

    /// The child's socket with this descriptor, whatever the descriptor means later.
    pub(super) fn find(&self, thread: u32, descriptor: u32) -> Result<Socket, Errno> {
        let number = number(&fs::read_link(format!("{thread}/fd/{descriptor}")).map_err(|_| Errno::BADF)?);
        let number = number.ok_or(Errno::NOTSOCK)?;
        if let Some(file) = self.held.get(&number) {
            return Ok(Socket { file: Arc::clone(file), number });
        }
        if self.connected.contains(&number) {
            return Err(Errno::ISCONN);
        }
        // Where the machine lets one process take another's: a socket that was bound before.
        let file = taken(thread, descriptor).ok_or(Errno::OPNOTSUPP)?;
        // The descriptor may have become another's meanwhile.
        let number = fstat(&file)?.st_ino;
        let internet = rustix::net::sockopt::socket_domain(&file)? != rustix::net::AddressFamily::UNIX;
        if internet && !self.made.contains(&number) {
            return Err(Errno::ISCONN);
        }
        if self.connected.contains(&number) {
            return Err(Errno::ISCONN);
        }
        Ok(Socket { file: Arc::new(file), number })
    }

    /// Lets the socket with this descriptor go: the child binds it, or listens.
    pub(super) fn let_go(&mut self, thread: u32, descriptor: u32) {
        if let Some(number) = number_of(thread, descriptor) {
            self.forget(number);
        }
    }

    /// Lets a socket go that is connected.
    pub(super) fn connected(&mut self, number: u64) {
        self.forget(number);
        self.connected.insert(number);
    }

    /// Whether this is an internet socket that was made here.
    pub(super) fn made(&self, number: u64) -> bool {
        self.made.contains(&number)
    }

    fn forget(&mut self, number: u64) {
        self.held.remove(&number);
        self.order.retain(|&known| known != number);
    }

    /// Lets go what no process has open any more.
    fn sweep(&mut self) {
        let open = open_numbers();
        self.held.retain(|number, _| open.contains(number));
        self.order.retain(|number| open.contains(number));
        while self.order.len() > TOO_MANY {
            self.held.remove(&self.order.remove(0));
        }
    }
}

/// Numbers of the sockets that other processes have open.
pub(super) fn open_numbers() -> HashSet<u64> {
    let mut open = HashSet::new();
    let processes = fs::read_dir(".").into_iter().flatten().filter_map(Result::ok);
    let me = std::process::id().to_string();
    for process in processes.filter(|entry| entry.file_name() != *me && is_number(&entry.file_name())) {
        let files = fs::read_dir(process.path().join("fd")).into_iter().flatten().filter_map(Result::ok);
        open.extend(files.filter_map(|file| number(&fs::read_link(file.path()).ok()?)));
    }
    open
}

/// The number of the socket that the descriptor of a thread means now.
pub(super) fn number_of(thread: u32, descriptor: u32) -> Option<u64> {
    number(&fs::read_link(format!("{thread}/fd/{descriptor}")).ok()?)
}

fn is_number(name: &std::ffi::OsStr) -> bool {
    name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
}

/// The number of a socket, from the text of its link in `/proc`.
fn number(link: &Path) -> Option<u64> {
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

fn taken(thread: u32, descriptor: u32) -> Option<OwnedFd> {
    let status = fs::read_to_string(format!("{thread}/status")).ok()?;
    let process = status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()?;
    let process = pidfd_open(Pid::from_raw(process)?, PidfdFlags::empty()).ok()?;
    let descriptor = i32::try_from(descriptor).ok()?;
    pidfd_getfd(process.as_fd(), descriptor, PidfdGetfdFlags::empty()).ok()
}

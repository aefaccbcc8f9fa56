//! System calls that are handed to a supervisor instead of being made: seccomp's user notification, for which no
//! library offers a safe form. Owns the raw requests and nothing of what is decided about a call.
#![expect(
    unsafe_code,
    reason = "requests to the kernel without a safe wrapper; each block says why it is sound"
)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::io::Errno;
use seccompiler::sock_filter;

/// A filter's answer that hands the call over.
pub(super) const HAND_OVER: u32 = 0x7fc0_0000;

/// Applies `program` to this process and all that it starts, and returns the end at which calls are received. Needs
/// `no_new_privs`. A call that was received is answered even if a signal comes meanwhile (Linux 5.19).
pub(super) fn listen(program: &[sock_filter]) -> io::Result<OwnedFd> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    // SAFETY: `filter` points to a program of that length, laid out as the kernel has it; the kernel copies it.
    let number =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const filter) };
    let number = i32::try_from(number).ok().filter(|&number| number >= 0);
    let Some(number) = number else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// A call that waits for its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub id: u64,
    /// The thread that makes it, as this process numbers it.
    pub thread: u32,
    pub number: libc::c_long,
    pub arguments: [u64; 6],
}

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

impl Listener {
    pub(super) fn new(end: OwnedFd) -> Self {
        Self(end)
    }

    /// Waits for the next call. An `Err` means that none will come.
    pub(super) fn receive(&self) -> io::Result<Call> {
        loop {
            let mut got = libc::seccomp_notif {
                id: 0,
                pid: 0,
                flags: 0,
                data: libc::seccomp_data { nr: 0, arch: 0, instruction_pointer: 0, args: [0; 6] },
            };
            // SAFETY: the request writes one `seccomp_notif`, which `got` is; it is zeroed, as the kernel wants it.
            let done =
                unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut got) };
            if done == 0 {
                let (number, arguments) = (libc::c_long::from(got.data.nr), got.data.args);
                return Ok(Call { id: got.id, thread: got.pid, number, arguments });
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                // The caller was killed meanwhile, or nobody is left who could call.
                Some(libc::ENOENT) if !self.abandoned() => {}
                _ => return Err(error),
            }
        }
    }

    /// Whether every process that could call has ended.
    fn abandoned(&self) -> bool {
        let mut look = libc::pollfd { fd: self.0.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: the call reads and writes one `pollfd`, and does not wait.
        let found = unsafe { libc::poll(&raw mut look, 1, 0) };
        found > 0 && look.revents & (libc::POLLHUP | libc::POLLERR | libc::POLLNVAL) != 0
    }

    /// Whether the caller still waits: only then does its number mean it and nobody else.
    pub(super) fn waits(&self, call: &Call) -> bool {
        let id = call.id;
        // SAFETY: the request reads one `u64`.
        unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw const id) == 0 }
    }

    /// Ends the call with 0 or an error.
    pub(super) fn answer(&self, call: &Call, result: Result<(), Errno>) {
        let error = result.err().map_or(0, |errno| -errno.raw_os_error());
        self.send(libc::seccomp_notif_resp { id: call.id, val: 0, error, flags: 0 });
    }

    /// Ends the call with a number or an error.
    pub(super) fn answer_with(&self, call: &Call, result: Result<usize, Errno>) {
        let val = result.ok().and_then(|number| i64::try_from(number).ok()).unwrap_or(0);
        let error = result.err().map_or(0, |errno| -errno.raw_os_error());
        self.send(libc::seccomp_notif_resp { id: call.id, val, error, flags: 0 });
    }

    /// Lets the kernel make the call as it then stands. Only for calls whose arguments do not decide anything.
    pub(super) fn proceed(&self, call: &Call) {
        let flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap_or(0);
        self.send(libc::seccomp_notif_resp { id: call.id, val: 0, error: 0, flags });
    }

    fn send(&self, response: libc::seccomp_notif_resp) {
        // A caller that is gone needs no answer.
        // SAFETY: the request reads one `seccomp_notif_resp`.
        unsafe {
            libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw const response);
        }
    }

    /// Gives the caller `file` as a new descriptor, which is the call's result.
    pub(super) fn give(&self, call: &Call, file: BorrowedFd<'_>, close_on_exec: bool) -> io::Result<()> {
        self.add(call, file, libc::SECCOMP_ADDFD_FLAG_SEND, 0, close_on_exec)
    }

    /// The same under the number `at`, in place of whatever may have it.
    pub(super) fn give_at(
        &self,
        call: &Call,
        file: BorrowedFd<'_>,
        at: u32,
        close_on_exec: bool,
    ) -> io::Result<()> {
        let flags = libc::SECCOMP_ADDFD_FLAG_SEND | libc::SECCOMP_ADDFD_FLAG_SETFD;
        self.add(call, file, flags, at, close_on_exec)
    }

    /// Puts `file` in place of the caller's descriptor `at`. The call still waits for its answer.
    pub(super) fn replace(
        &self,
        call: &Call,
        file: BorrowedFd<'_>,
        at: u32,
        close_on_exec: bool,
    ) -> io::Result<()> {
        self.add(call, file, libc::SECCOMP_ADDFD_FLAG_SETFD, at, close_on_exec)
    }

    fn add(
        &self,
        call: &Call,
        file: BorrowedFd<'_>,
        flags: libc::c_ulong,
        at: u32,
        close_on_exec: bool,
    ) -> io::Result<()> {
        let number = |raw: i32| u32::try_from(raw).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput));
        let added = libc::seccomp_notif_addfd {
            id: call.id,
            flags: u32::try_from(flags).unwrap_or(0),
            srcfd: number(file.as_raw_fd())?,
            newfd: at,
            newfd_flags: if close_on_exec { number(libc::O_CLOEXEC)? } else { 0 },
        };
        // SAFETY: the request reads one `seccomp_notif_addfd`; `file` is open as long as it is borrowed.
        let done =
            unsafe { libc::ioctl(self.0.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw const added) };
        if done >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Ties an internet socket to this machine's own loopback for good: whatever is sent from it goes nowhere else, and
/// only `CAP_NET_RAW` could untie it.
pub(super) fn tie_to_loopback(socket: BorrowedFd<'_>) -> io::Result<()> {
    const NAME: &[u8] = b"lo\0";
    // SAFETY: the name is terminated and of the given length; the kernel copies it.
    let done = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_BINDTODEVICE, NAME.as_ptr().cast(), 3)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

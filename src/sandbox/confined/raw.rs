//! The few system calls that no library offers in a safe form, but those of the supervisor (`notify`).
#![expect(unsafe_code, reason = "system calls without a safe wrapper; each block says why it is sound")]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// `struct mount_attr` of mount_setattr(2).
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns_fd: u64,
}

const RDONLY: u64 = 1;
const NOSUID: u64 = 2;
const NODEV: u64 = 4;

/// What a mount shall be.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    ReadOnly,
    Writable,
}

/// Leaves the namespaces of `flags` for new ones.
pub(super) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: the danger is a file table that threads no longer share; that flag is not given.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags - UnshareFlags::FILES) }?)
}

/// Sets the mode of the mount at `path` below `dir`, and of those below it where `deep`; set-user-id programs lose
/// their power and, where `devices` is false, device files too.
pub(super) fn set_mount(
    dir: BorrowedFd<'_>,
    path: &Path,
    mode: Mode,
    deep: bool,
    devices: bool,
) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let (set, clear) = match mode {
        Mode::ReadOnly => (RDONLY, 0),
        Mode::Writable => (0, RDONLY),
    };
    let set = set | NOSUID | if devices { 0 } else { NODEV };
    let attributes = MountAttr { set, clear, propagation: 0, userns_fd: 0 };
    let deep = if deep { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: `path` is a terminated string and `attributes` a struct of the given size; both outlive the call,
    // which keeps neither.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            dir.as_raw_fd(),
            path.as_ptr(),
            libc::AT_EMPTY_PATH | deep,
            &raw const attributes,
            size_of::<MountAttr>(),
        )
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes every descriptor but the three standard ones end with the next exec, whoever left it open.
pub(super) fn close_rest_on_exec() -> io::Result<()> {
    // SAFETY: only a flag of descriptors changes; none is closed now.
    let done = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Which of two processes this is.
pub(super) enum Fork {
    /// The one that was there before, and the number of the other.
    Parent(Pid),
    /// The new one. Of this process's threads it has the calling one alone.
    Child,
}

/// Makes a copy of this process. Whatever lock another thread holds at this moment stays locked in the copy for good, but
/// the allocator's, which the C library looks after: other threads must do nothing but wait, or allocate.
pub(super) fn fork() -> io::Result<Fork> {
    // SAFETY: the copy goes on in the same place with the same memory; see above for what other threads may hold.
    match unsafe { libc::fork() } {
        0 => Ok(Fork::Child),
        number => Pid::from_raw(number)
            .filter(|_| number > 0)
            .map(Fork::Parent)
            .ok_or_else(io::Error::last_os_error),
    }
}

/// Becomes somebody else for good, with every thread of this process.
pub(super) fn take_on(user: u32, group: u32, groups: &[u32]) -> io::Result<()> {
    let done = |result: libc::c_int| if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
    // SAFETY: the list is as long as told; the calls keep nothing. The C library has all threads take part.
    done(unsafe { libc::setgroups(groups.len(), groups.as_ptr()) })?;
    // SAFETY: numbers only.
    done(unsafe { libc::setresgid(group, group, group) })?;
    // SAFETY: numbers only.
    done(unsafe { libc::setresuid(user, user, user) })
}

/// Waits until nobody has the other end of a socket any more.
pub(super) fn wait_for_hang_up(socket: BorrowedFd<'_>) {
    loop {
        let mut look = libc::pollfd { fd: socket.as_raw_fd(), events: 0, revents: 0 };
        // SAFETY: the call reads and writes one `pollfd`.
        let found = unsafe { libc::poll(&raw mut look, 1, -1) };
        if found > 0 || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// Closes every descriptor but the three standard ones and `kept`.
pub(super) fn close_all_but(kept: BorrowedFd<'_>) -> io::Result<()> {
    let kept = kept.as_raw_fd().cast_unsigned();
    for (first, last) in [(3, kept.saturating_sub(1)), (kept.saturating_add(1), u32::MAX)] {
        if first <= last {
            // SAFETY: for a process whose other descriptors nobody in it will use again; its callers see to that.
            let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            if done != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// Takes over the descriptor `number`, which the process that started this one left open for it, and lets no further
/// program have it.
pub(super) fn inherited(number: i32) -> io::Result<OwnedFd> {
    // SAFETY: it is borrowed for this one look; a number that is no open descriptor is an error of the call.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as was just seen, and in this process nobody else knows of it: it is taken once, at start.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Lets TERM pass, for the helper that outlives a child which was asked to end, and IO, for whoever looks with
/// [`is_open_here_alone`].
pub(super) fn ignore_signals() {
    // SAFETY: ignoring a signal installs no handler, so no code of ours runs in a signal's context.
    unsafe {
        libc::signal(libc::SIGTERM, libc::SIG_IGN);
        libc::signal(libc::SIGIO, libc::SIG_IGN);
    }
}

/// Whether nobody else has this file open, which is open for writing here; false where it cannot be seen. Whoever opens it
/// at this moment waits for the end of the look, and IO is sent.
pub(super) fn is_open_here_alone(file: BorrowedFd<'_>) -> bool {
    // SAFETY: the requests take a descriptor and a number.
    unsafe {
        let alone = libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_WRLCK) == 0;
        alone && libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, libc::F_UNLCK) == 0
    }
}

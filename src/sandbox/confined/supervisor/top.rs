//! What a child makes, moves and removes at the top of its work tree in a tier without mounts. Its own rules let it do
//! nothing there; the supervisor does it in its place, with the folder that it has open and a name that it copied once, so
//! whatever the child changes meanwhile leads nowhere else. Everything else goes on as the child's own rules have it. A
//! new file or folder is one that lay ready, for which the child has a rule.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::super::order::Rooms;
use super::super::raw;
use super::super::spares::{FILES, FOLDERS, Kind};
use super::{Call, Supervisor, number};

/// The top of the work tree.
#[derive(Debug)]
pub(super) struct Top {
    work: PathBuf,
    folder: OwnedFd,
    spares: OwnedFd,
    /// How many files and folders were asked for.
    files: AtomicUsize,
    folders: AtomicUsize,
    given: Mutex<Given>,
    reserved: Vec<String>,
    /// Not to be moved or removed, nor what leads there.
    closed: Vec<PathBuf>,
}

impl Top {
    /// `None` where nothing lies ready.
    pub(super) fn of(rooms: &Rooms) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |path: &Path| rustix::fs::open(path, flags, Mode::empty()).ok();
        Some(Self {
            folder: open(&rooms.work)?,
            spares: open(rooms.spares.as_deref()?)?,
            files: AtomicUsize::new(0),
            folders: AtomicUsize::new(0),
            given: Mutex::default(),
            reserved: rooms.reserved.clone(),
            closed: [&rooms.git, &rooms.readonly, &rooms.hidden].map(Clone::clone).concat(),
            work: rooms.work.clone(),
        })
    }

    fn is_closed(&self, name: &OsStr) -> bool {
        let path = self.work.join(name);
        self.reserved.iter().any(|reserved| name.eq_ignore_ascii_case(reserved))
            || self.closed.iter().any(|closed| closed.starts_with(&path))
    }

    fn has(&self, name: &OsStr) -> bool {
        rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
    }

    /// Gives a spare this name; false where it came to nothing.
    fn name(&self, kind: Kind, name: &OsStr) -> Result<bool, Exhausted> {
        let (count, most) = match kind {
            Kind::File => (&self.files, FILES),
            Kind::Folder => (&self.folders, FOLDERS),
        };
        let again = if kind == Kind::File { self.given().free.pop() } else { None };
        let number = again.unwrap_or_else(|| count.fetch_add(1, Ordering::Relaxed));
        if number >= most {
            return Err(Exhausted);
        }
        let flags = RenameFlags::NOREPLACE;
        let given =
            rustix::fs::renameat_with(&self.spares, kind.name(number), &self.folder, name, flags).is_ok();
        if given
            && kind == Kind::File
            && let Ok(meta) = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW)
        {
            self.given().numbers.insert(meta.st_ino, number);
        }
        Ok(given)
    }

    /// Removes a file that was given; false where another was meant. It lies ready again if nobody has it open: a database
    /// makes and removes its journal thousands of times.
    fn take_back(&self, name: &OsStr) -> bool {
        let Ok(meta) = rustix::fs::statat(&self.folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            return false;
        };
        let Some(number) = self.given().numbers.remove(&meta.st_ino).filter(|_| meta.st_nlink == 1) else {
            return false;
        };
        let spare = Kind::File.name(number);
        let flags = RenameFlags::NOREPLACE;
        if rustix::fs::renameat_with(&self.folder, name, &self.spares, &spare, flags).is_err() {
            return false;
        }
        let how = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.spares, &spare, how, Mode::empty());
        if file.is_ok_and(|file| raw::is_open_here_alone(file.as_fd())) {
            self.given().free.push(number);
        } else {
            // As gone as the top's own: whoever has it open keeps it.
            let _ = rustix::fs::unlinkat(&self.spares, &spare, AtFlags::empty());
        }
        true
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Spare files that have other names now.
#[derive(Debug, Default)]
struct Given {
    /// Which spare a file was, by its inode.
    numbers: HashMap<u64, usize>,
    /// Those that were removed and lie ready again.
    free: Vec<usize>,
}

/// No spare is left.
struct Exhausted;

/// What a call asks for, with the addresses of its paths.
enum Wish {
    File { flags: OFlags, mode: u64 },
    Folder { mode: u64 },
    Removal { flags: AtFlags },
    Move { base: u64, path: u64, flags: RenameFlags },
}

impl Wish {
    /// The wish of a call, and the path that it is about.
    fn of(call: &Call) -> Option<(u64, u64, Self)> {
        let here = i64::from(libc::AT_FDCWD).cast_unsigned();
        let a = call.arguments;
        let opens = |flags: u64| OFlags::from_bits_retain(number(flags));
        let moves = |base, path, flags: u64| {
            let flags = RenameFlags::from_bits_retain(number(flags));
            Self::Move { base, path, flags }
        };
        Some(match call.number {
            libc::SYS_openat => (a[0], a[1], Self::File { flags: opens(a[2]), mode: a[3] }),
            libc::SYS_mkdirat => (a[0], a[1], Self::Folder { mode: a[2] }),
            libc::SYS_unlinkat => {
                (a[0], a[1], Self::Removal { flags: AtFlags::from_bits_retain(number(a[2])) })
            }
            libc::SYS_renameat2 => (a[0], a[1], moves(a[2], a[3], a[4])),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open => (here, a[0], Self::File { flags: opens(a[1]), mode: a[2] }),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_creat => {
                let flags = OFlags::CREATE | OFlags::WRONLY | OFlags::TRUNC;
                (here, a[0], Self::File { flags, mode: a[1] })
            }
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir => (here, a[0], Self::Folder { mode: a[1] }),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink => (here, a[0], Self::Removal { flags: AtFlags::empty() }),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rmdir => (here, a[0], Self::Removal { flags: AtFlags::REMOVEDIR }),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_rename => (here, a[0], moves(here, a[1], 0)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_renameat => (a[0], a[1], moves(a[2], a[3], 0)),
            _ => return None,
        })
    }
}

impl Supervisor {
    /// Does what the call asks for if it is about the top of the work tree; else the child does it itself, as far as its
    /// own rules let it.
    pub(super) fn at_top(&self, call: &Call) {
        let done = self.top.as_ref().and_then(|top| self.do_at(top, call));
        match done {
            None => self.listener.proceed(call),
            Some(Done::Made(file, close_on_exec)) => {
                if let Err(error) = self.listener.give(call, file.as_fd(), close_on_exec) {
                    self.listener.answer(call, Err(super::errno(&error)));
                }
            }
            Some(Done::Result(result)) => self.listener.answer(call, result),
        }
    }

    fn do_at(&self, top: &Top, call: &Call) -> Option<Done> {
        let (base, path, wish) = Wish::of(call)?;
        let name = self.name_at(top, call, base, path);
        match wish {
            Wish::File { flags, mode } => {
                let name = name.filter(|name| self.may_make(top, call, name))?;
                self.new_file(top, call, &name, flags, mode)
            }
            Wish::Folder { mode } => {
                let name = name.filter(|name| self.may_make(top, call, name))?;
                self.given(top.name(Kind::Folder, &name))?;
                let mode = self.mode(call, mode);
                Some(Done::Result(rustix::fs::chmodat(&top.folder, &name, mode, AtFlags::empty())))
            }
            Wish::Removal { flags } => {
                let name = name.filter(|name| self.may_change(top, name))?;
                let known = (AtFlags::empty(), AtFlags::REMOVEDIR);
                if flags == known.0 && top.take_back(&name) {
                    return Some(Done::Result(Ok(())));
                }
                (flags == known.0 || flags == known.1)
                    .then(|| Done::Result(rustix::fs::unlinkat(&top.folder, &name, flags)))
            }
            Wish::Move { base, path, flags } => {
                let to = self.name_at(top, call, base, path);
                let (from, to) = match (name, to) {
                    (None, None) => return None,
                    (Some(from), Some(to)) => (from, to),
                    // Whoever moves files is prepared for that, and copies.
                    (Some(name), None) | (None, Some(name)) => {
                        return self.may_change(top, &name).then_some(Done::Result(Err(Errno::XDEV)));
                    }
                };
                let known = flags.difference(RenameFlags::NOREPLACE | RenameFlags::EXCHANGE).is_empty();
                (known && self.may_change(top, &from) && self.may_change(top, &to)).then(|| {
                    Done::Result(rustix::fs::renameat_with(&top.folder, &from, &top.folder, &to, flags))
                })
            }
        }
    }

    /// The name in the top of the work tree that this path of the caller's means, if it means one there.
    fn name_at(&self, top: &Top, call: &Call, base: u64, path: u64) -> Option<OsString> {
        let path = self.path(call, path)?;
        let end = path.iter().rposition(|&byte| byte != b'/')? + 1;
        let start = path[..end].iter().rposition(|&byte| byte == b'/').map_or(0, |at| at + 1);
        let name = &path[start..end];
        if matches!(name, b"." | b"..") {
            return None;
        }
        let base = match number(base).cast_signed() {
            libc::AT_FDCWD => format!("{}/cwd", call.thread),
            descriptor => format!("{}/fd/{descriptor}", call.thread),
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let absolute = path.first() == Some(&b'/');
        let base = rustix::fs::open(if absolute { "/" } else { &base }, flags, Mode::empty()).ok()?;
        let folder = match &path[..start] {
            [] => base,
            parent => {
                let parent = OsStr::from_bytes(parent);
                rustix::fs::openat2(&base, parent, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS).ok()?
            }
        };
        let [here, there] = [rustix::fs::fstat(&folder).ok()?, rustix::fs::fstat(&top.folder).ok()?];
        let same = (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino);
        // What was read was the caller's only if it still waits.
        (same && self.listener.waits(call)).then(|| OsString::from_vec(name.to_vec()))
    }

    /// Whether something new is asked for that may be made.
    fn may_make(&self, top: &Top, call: &Call, name: &OsStr) -> bool {
        !top.has(name) && self.listener.waits(call) && self.may_change(top, name)
    }

    fn may_change(&self, top: &Top, name: &OsStr) -> bool {
        let closed = top.is_closed(name);
        if closed {
            self.refusals().closed_at_top(name);
        }
        !closed
    }

    fn new_file(&self, top: &Top, call: &Call, name: &OsStr, flags: OFlags, mode: u64) -> Option<Done> {
        if !flags.contains(OFlags::CREATE) || flags.intersects(OFlags::PATH | OFlags::DIRECTORY) {
            return None;
        }
        self.given(top.name(Kind::File, name))?;
        let close_on_exec = flags.contains(OFlags::CLOEXEC);
        // Whatever the child wrote into the spare before.
        let how = flags.difference(OFlags::CREATE | OFlags::EXCL) | OFlags::TRUNC;
        let how = how | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&top.folder, name, how, Mode::empty()) {
            Ok(file) => file,
            Err(error) => return Some(Done::Result(Err(error))),
        };
        // Without it the file stays the owner's alone.
        let _ = rustix::fs::fchmod(&file, self.mode(call, mode));
        Some(Done::Made(file, close_on_exec))
    }

    /// `Some` if a spare got its name.
    fn given(&self, given: Result<bool, Exhausted>) -> Option<()> {
        match given {
            Ok(given) => given.then_some(()),
            Err(Exhausted) => {
                self.refusals().exhausted_at_top(FILES, FOLDERS);
                None
            }
        }
    }

    /// `mode` without what the caller's umask takes.
    fn mode(&self, call: &Call, mode: u64) -> Mode {
        let status = std::fs::read_to_string(format!("{}/status", call.thread)).unwrap_or_default();
        let umask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        let umask = umask.and_then(|umask| u32::from_str_radix(umask.trim(), 8).ok()).unwrap_or(0o077);
        Mode::from_raw_mode(number(mode) & 0o1777 & !umask)
    }
}

/// What became of a call.
enum Done {
    /// A file, which is the call's result.
    Made(OwnedFd, bool),
    Result(Result<(), Errno>),
}

//! Opens a path below a directory descriptor without ever following a symbolic link. Knows no rules of who
//! may open what.

use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, Result};

/// Opens `path` (relative, no `..`) below `folder`. A symbolic link anywhere in it is an error: `LOOP`, or
/// `NOTDIR` where a folder was asked for.
pub(super) fn open(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    match open_at_once(folder, path, flags) {
        // Kernels before 5.6 lack the call, older container filters refuse it.
        Err(Errno::NOSYS | Errno::PERM) => open_by_part(folder, path, flags),
        opened => opened,
    }
}

#[cfg(target_os = "linux")]
fn open_at_once(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    use rustix::fs::ResolveFlags;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
    rustix::fs::openat2(folder, path, flags, Mode::empty(), resolve)
}

#[cfg(not(target_os = "linux"))]
fn open_at_once(_folder: BorrowedFd<'_>, _path: &str, _flags: OFlags) -> Result<OwnedFd> {
    Err(Errno::NOSYS)
}

/// The same, one part after the other.
fn open_by_part(folder: BorrowedFd<'_>, path: &str, flags: OFlags) -> Result<OwnedFd> {
    let steps = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut at = rustix::fs::openat(folder, ".", steps, Mode::empty())?;
    let mut parts = path.split('/').peekable();
    while let Some(part) = parts.next() {
        if part == ".." || part.is_empty() {
            return Err(Errno::XDEV);
        }
        let flags = if parts.peek().is_some() { steps } else { flags };
        at = rustix::fs::openat(&at, part, flags, Mode::empty())?;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn both_ways_agree() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/file"), "x").unwrap();
        std::fs::write(at("top"), "x").unwrap();
        for (target, link) in
            [("a", "to-a"), ("a/b/file", "to-file"), ("/etc/passwd", "out"), ("self", "self")]
        {
            std::os::unix::fs::symlink(target, at(link)).unwrap();
        }
        let root = std::fs::File::open(dir.path()).unwrap();
        let file = OFlags::RDONLY;
        let folder = OFlags::RDONLY | OFlags::DIRECTORY;
        for (path, flags, works) in [
            ("a/b/file", file, true),
            ("top", file, true),
            (".", folder, true),
            ("a/b", folder, true),
            ("a/none", file, false),
            ("to-a/b/file", file, false),
            ("to-a", folder, false),
            ("to-file", file, false),
            ("out", file, false),
            ("self", file, false),
            ("top/x", file, false),
            ("../x", file, false),
            ("a/../../x", file, false),
            ("a/b/file", folder, false),
        ] {
            let once = open(root.as_fd(), path, flags).is_ok();
            let by_part =
                open_by_part(root.as_fd(), path, flags | OFlags::NOFOLLOW | OFlags::CLOEXEC).is_ok();
            assert_eq!((once, by_part), (works, works), "{path}");
        }
    }
}

//! Files below the repository root: read with a cap, written whole or not at all, never through a symbolic
//! link, which a hostile commit could have planted. Knows bytes and names, no formats.

use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// One writer at a time in this process; the lock of a run keeps other processes away.
static WRITING: Mutex<()> = Mutex::new(());

/// The text at `path` (relative to `root`), or `None` where there is none. More than `cap` bytes, text that is
/// not UTF-8, a symbolic link on the way, or anything but a regular file is an error that names the path.
pub(super) fn read(root: &Path, path: &Path, cap: usize) -> Result<Option<String>> {
    let Some(bytes) = read_bytes(root, path, cap + 1)? else {
        return Ok(None);
    };
    if bytes.len() > cap {
        bail!("{}: larger than {cap} bytes", path.display());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let line = 1 + line_ends(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
        anyhow!("{}:{line}: not valid UTF-8", path.display())
    })?;
    Ok(Some(text))
}

fn line_ends(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

/// The first `cap` bytes at `path`, or `None` where there is none; otherwise as [`read`].
pub(super) fn read_bytes(root: &Path, path: &Path, cap: usize) -> Result<Option<Vec<u8>>> {
    let (parents, name) = split(path)?;
    let Some(dir) = open_dir(root, &parents, false)? else {
        return Ok(None);
    };
    // Without O_NONBLOCK a pipe planted under the name would hang the run.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(&dir, &name, flags, Mode::empty()) {
        Ok(fd) => File::from(fd),
        Err(Errno::NOENT) => return Ok(None),
        Err(error) => return Err(refused(path, error)),
    };
    if !file.metadata().with_context(|| shown(path))?.is_file() {
        bail!("{}: not a regular file", path.display());
    }
    let mut bytes = Vec::new();
    file.take(cap as u64).read_to_end(&mut bytes).with_context(|| shown(path))?;
    Ok(Some(bytes))
}

/// Writes `text` to `path` (relative to `root`), whole or not at all: a temporary file beside it, synced,
/// renamed over it, the folder synced. Missing folders are made; an existing file keeps its mode.
pub(super) fn write(root: &Path, path: &Path, text: &str) -> Result<()> {
    let (parents, name) = split(path)?;
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = open_dir(root, &parents, true)?.with_context(|| shown(path))?;
    let mode = match rustix::fs::statat(&dir, &name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => {
            bail!("{}: not a regular file, so it is not replaced", path.display())
        }
        Ok(stat) => Mode::from_raw_mode(stat.st_mode & 0o777),
        Err(_) => Mode::from_raw_mode(0o644),
    };
    let mut temporary = OsString::from(".");
    temporary.push(&name);
    temporary.push(".tmp");
    let written = write_new(&dir, &temporary, mode, text).and_then(|()| {
        rustix::fs::renameat(&dir, &temporary, &dir, &name)?;
        rustix::fs::fsync(&dir)?;
        Ok(())
    });
    if written.is_err() {
        // What was there stays; the leftover is not worth a second error.
        let _ = rustix::fs::unlinkat(&dir, &temporary, AtFlags::empty());
    }
    written.with_context(|| shown(path))
}

fn write_new(dir: &OwnedFd, name: &OsString, mode: Mode, text: &str) -> std::io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let create = || rustix::fs::openat(dir, name, flags, mode);
    let fd = match create() {
        // Left behind by a run that was killed.
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
            create()?
        }
        other => other?,
    };
    let mut file = File::from(fd);
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Opens a regular file (relative to `root`) for reading and writing, made empty where it is not there.
pub(super) fn open(root: &Path, path: &Path) -> Result<File> {
    let (parents, name) = split(path)?;
    let dir = open_dir(root, &parents, true)?.with_context(|| shown(path))?;
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd = rustix::fs::openat(&dir, &name, flags, Mode::from_raw_mode(0o644));
    let file = File::from(fd.map_err(|error| refused(path, error))?);
    if !file.metadata().with_context(|| shown(path))?.is_file() {
        bail!("{}: not a regular file", path.display());
    }
    Ok(file)
}

/// Moves a file or folder from `from` to `to` (both relative to `root`), making missing folders. False where
/// `from` does not exist; an error where `to` does.
pub(super) fn rename(root: &Path, from: &Path, to: &Path) -> Result<bool> {
    let ((from_parents, from_name), (to_parents, to_name)) = (split(from)?, split(to)?);
    let Some(from_dir) = open_dir(root, &from_parents, false)? else {
        return Ok(false);
    };
    match rustix::fs::statat(&from_dir, &from_name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => {}
        Err(Errno::NOENT) => return Ok(false),
        Err(error) => return Err(refused(from, error)),
    }
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let to_dir = open_dir(root, &to_parents, true)?.with_context(|| shown(to))?;
    if rustix::fs::statat(&to_dir, &to_name, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        bail!("{}: exists already, so {} stays", to.display(), from.display());
    }
    rustix::fs::renameat(&from_dir, &from_name, &to_dir, &to_name)
        .and_then(|()| rustix::fs::fsync(&to_dir))
        .and_then(|()| rustix::fs::fsync(&from_dir))
        .with_context(|| format!("moving {} to {}", from.display(), to.display()))?;
    Ok(true)
}

/// Names in the folder at `path` (relative to `root`), sorted; empty where there is no such folder.
pub(super) fn names(root: &Path, path: &Path) -> Result<Vec<String>> {
    let parts = parts(path)?;
    let Some(dir) = open_dir(root, &parts, false)? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(&dir).with_context(|| shown(path))? {
        let entry = entry.with_context(|| shown(path))?;
        match entry.file_name().to_str() {
            Ok("." | "..") | Err(_) => {}
            Ok(name) => names.push(name.to_owned()),
        }
    }
    names.sort();
    Ok(names)
}

/// Opens a folder step by step, none of the steps a symbolic link; `None` where one is missing and `make` is
/// false.
fn open_dir(root: &Path, parts: &[OsString], make: bool) -> Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir =
        rustix::fs::open(root, flags, Mode::empty()).with_context(|| format!("{}", root.display()))?;
    let mut path = PathBuf::new();
    for part in parts {
        path.push(part);
        let open = || rustix::fs::openat(&dir, part, flags | OFlags::NOFOLLOW, Mode::empty());
        let opened = match open() {
            Err(Errno::NOENT) if !make => return Ok(None),
            Err(Errno::NOENT) => rustix::fs::mkdirat(&dir, part, Mode::from_raw_mode(0o755))
                .or_else(|error| if error == Errno::EXIST { Ok(()) } else { Err(error) })
                .and_then(|()| rustix::fs::fsync(&dir))
                .and_then(|()| open()),
            other => other,
        };
        dir = opened.map_err(|error| refused(&path, error))?;
    }
    Ok(Some(dir))
}

fn split(path: &Path) -> Result<(Vec<OsString>, OsString)> {
    let mut parts = parts(path)?;
    let name = parts.pop().with_context(|| format!("{:?} names no file", path.display()))?;
    Ok((parts, name))
}

fn parts(path: &Path) -> Result<Vec<OsString>> {
    path.components()
        .map(|component| match component {
            Component::Normal(part) => Ok(part.to_owned()),
            _ => bail!("{}: must be a plain path below the repository root", path.display()),
        })
        .collect()
}

fn refused(path: &Path, error: Errno) -> anyhow::Error {
    match error {
        Errno::LOOP => anyhow!("{}: is a symbolic link, which is not followed", path.display()),
        Errno::NOTDIR => anyhow!("{}: is a symbolic link or a file where a folder should be", path.display()),
        other => anyhow::Error::from(std::io::Error::from(other)).context(shown(path)),
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

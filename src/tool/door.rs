//! The one door to files that a model names. Reads the work tree but `.git`, writes where [`Rights`] allow.
//!
//! Every file is opened relative to the descriptor of the root, without following a symbolic link anywhere,
//! so that a tree which changes meanwhile cannot lead outside. Must not know which agent stands before it.

mod beneath;
mod name;
mod rights;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

pub(crate) use self::name::{Name, is_git};
pub(crate) use self::rights::Rights;
use super::ToolError;

/// Files of one work tree, as far as a model may reach them.
#[derive(Debug)]
pub(crate) struct Door {
    path: PathBuf,
    root: OwnedFd,
    rights: Rights,
}

impl Door {
    /// Opens the work tree at `root`. The submodules that its `.gitmodules` names now stay unwritable. An
    /// `Err` means that the folder or its `.gitmodules` cannot be read.
    pub(crate) fn new(root: &Path, rights: Rights) -> anyhow::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(root, flags, Mode::empty())
            .with_context(|| format!("cannot open the work tree {}", root.display()))?;
        let mut door = Self { path: root.to_owned(), root: fd, rights };
        if root.join(".gitmodules").symlink_metadata().is_ok() {
            let modules = door
                .read(&Name::parse(".gitmodules").map_err(anyhow::Error::msg)?, 1 << 20)
                .context("cannot tell the submodules apart")?;
            door.rights.protect_submodules(&String::from_utf8_lossy(&modules));
        }
        Ok(door)
    }

    /// The work tree's folder.
    pub(crate) fn root(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading.
    pub(crate) fn open(&self, name: &Name) -> Result<File, ToolError> {
        let (folders, last) = readable(name)?;
        let parent = self.folder(name, folders)?;
        let stat = stat(&parent, last, name)?.ok_or_else(|| fault(Errno::NOENT, name))?;
        must_be_file(&stat, name)?;
        // Not blocking: between the look and the opening it may have become a pipe without a writer.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let fd = beneath::open(parent.as_fd(), last, flags).map_err(|e| fault(e, name))?;
        must_be_file(&rustix::fs::fstat(&fd).map_err(|e| fault(e, name))?, name)?;
        Ok(File::from(fd))
    }

    /// The whole of a regular file of at most `cap` bytes.
    pub(crate) fn read(&self, name: &Name, cap: u64) -> Result<Vec<u8>, ToolError> {
        let mut bytes = Vec::new();
        self.open(name)?
            .take(cap + 1)
            .read_to_end(&mut bytes)
            .with_context(|| format!("cannot read {name}"))?;
        if bytes.len() as u64 > cap {
            return Err(ToolError::mend(format!("`{name}` is larger than {cap} bytes")));
        }
        Ok(bytes)
    }

    /// Whether `name` is a folder that may be looked into; the error says what else it is.
    pub(crate) fn must_be_folder(&self, name: &Name) -> Result<(), ToolError> {
        if name.is_in_git() {
            return Err(closed(name));
        }
        self.folder(name, name.parts()).map(drop)
    }

    /// Writes a file whole or not at all: a new file takes the old one's name once it is complete. Parent
    /// folders are made, permissions of an existing file are kept. True where the file is new.
    pub(crate) fn write(&self, name: &Name, content: &[u8]) -> Result<bool, ToolError> {
        if let Some(reason) = self.rights.refusal(name) {
            return Err(ToolError::mend(format!("`{name}` may not be written: {reason}")));
        }
        let (folders, last) = readable(name)?;
        let parent = self.make_folders(name, folders)?;
        let old = stat(&parent, last, name)?;
        if let Some(old) = &old {
            must_be_file(old, name)?;
            if old.st_nlink > 1 {
                let reason = "it is a hard link; another name of the same file may lie elsewhere";
                return Err(ToolError::mend(format!("`{name}` may not be written: {reason}")));
            }
        }
        let (temporary, mut file) = new_file(&parent).map_err(|e| fault(e, name))?;
        let written = fill(&mut file, content, old.as_ref())
            .and_then(|()| Ok(rustix::fs::renameat(&parent, &temporary, &parent, last)?));
        if let Err(error) = written {
            // The failure itself is what counts; an orphan would only be untidy.
            let _ = rustix::fs::unlinkat(&parent, &temporary, AtFlags::empty());
            return Err(match Errno::from_io_error(&error) {
                Some(errno) => fault(errno, name),
                None => ToolError::Stop(anyhow::Error::new(error).context(format!("cannot write {name}"))),
            });
        }
        Ok(old.is_none())
    }

    fn folder(&self, name: &Name, folders: &[String]) -> Result<OwnedFd, ToolError> {
        let path = if folders.is_empty() { ".".to_owned() } else { folders.join("/") };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        beneath::open(self.root.as_fd(), &path, flags).map_err(|e| fault(e, name))
    }

    /// Opens the folder that is to hold a written file and makes what is missing on the way.
    fn make_folders(&self, name: &Name, folders: &[String]) -> Result<OwnedFd, ToolError> {
        let mut at = self.folder(name, &[])?;
        for folder in folders {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY;
            let next = match beneath::open(at.as_fd(), folder, flags) {
                Err(Errno::NOENT) => match rustix::fs::mkdirat(&at, folder, Mode::from_raw_mode(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => beneath::open(at.as_fd(), folder, flags),
                    Err(error) => Err(error),
                },
                opened => opened,
            };
            at = next.map_err(|e| fault(e, name))?;
            if rustix::fs::statat(&at, ".git", AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Err(ToolError::mend(format!(
                    "`{name}` may not be written: it lies in `{folder}`, a git repository of its own"
                )));
            }
        }
        Ok(at)
    }
}

/// Folders and file name of what may be read.
fn readable(name: &Name) -> Result<(&[String], &str), ToolError> {
    if name.is_in_git() {
        return Err(closed(name));
    }
    match name.parts().split_last() {
        Some((last, folders)) => Ok((folders, last)),
        None => Err(ToolError::mend("the root of the repository is a folder, not a file")),
    }
}

fn closed(name: &Name) -> ToolError {
    ToolError::mend(format!("`{name}` is out of bounds: `.git` is neither read nor written"))
}

fn stat(parent: &OwnedFd, last: &str, name: &Name) -> Result<Option<Stat>, ToolError> {
    match rustix::fs::statat(parent, last, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(fault(error, name)),
    }
}

fn must_be_file(stat: &Stat, name: &Name) -> Result<(), ToolError> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Directory => "is a folder; list_files shows what is in it",
        FileType::Symlink => "is a symbolic link, which is not followed; name the file itself",
        _ => "is no regular file",
    };
    Err(ToolError::mend(format!("`{name}` {what}")))
}

/// Makes an empty file under a name that nothing else has.
fn new_file(parent: &OwnedFd) -> Result<(String, File), Errno> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut error = Errno::EXIST;
    for _ in 0..100 {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let temporary = format!(".pace-write-{}-{count}", std::process::id());
        match rustix::fs::openat(parent, &temporary, flags, Mode::from_raw_mode(0o666)) {
            Ok(fd) => return Ok((temporary, File::from(fd))),
            Err(Errno::EXIST) => {}
            Err(other) => {
                error = other;
                break;
            }
        }
    }
    Err(error)
}

/// No sync to the disk: a work tree that lost its machine is laid anew from git.
fn fill(file: &mut File, content: &[u8], old: Option<&Stat>) -> std::io::Result<()> {
    file.write_all(content)?;
    if let Some(old) = old {
        rustix::fs::fchmod(&*file, Mode::from_raw_mode(old.st_mode & 0o777))?;
    }
    Ok(())
}

/// What an operating system error means to the model, or that the run must stop.
fn fault(error: Errno, name: &Name) -> ToolError {
    let reason = match error {
        Errno::NOENT => "does not exist; list_files shows what does",
        Errno::LOOP => "is a symbolic link or lies behind one, which is not followed",
        Errno::NOTDIR => "is no folder, or lies behind something that is none (a file, a symbolic link)",
        Errno::NAMETOOLONG => "has a name that is too long",
        Errno::ACCESS | Errno::PERM => "may not be touched: permission denied",
        Errno::ROFS => "lies on a read-only part of the work tree",
        Errno::ISDIR => "is a folder",
        Errno::NXIO => "is no regular file",
        _ => return ToolError::Stop(anyhow::Error::new(error).context(format!("cannot reach {name}"))),
    };
    ToolError::mend(format!("`{name}` {reason}"))
}

//! Namespaces and mounts made by `bwrap`, where a machine trusts that program by its path and nobody else: the same view
//! of the machine as `mounts` makes, in that program's words. What it cannot lay, a discarded layer, is left out. Must
//! not know what runs inside.

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustix::fs::MemfdFlags;

use super::order::{Network, Order, Shown};

/// The path that machines trust.
pub(super) const PROGRAM: &str = "/usr/bin/bwrap";

const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// The arguments before the program that is started inside, and open files that they speak of by number.
pub(super) struct View {
    pub arguments: Vec<String>,
    /// Must stay open until the program has started.
    pub files: Vec<OwnedFd>,
}

impl View {
    /// What `order` has the child see.
    pub(super) fn of(order: &Order) -> anyhow::Result<Self> {
        let mut view = Self { arguments: vec![], files: vec![] };
        let rooms = &order.rooms;
        view.say(&["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts", "--die-with-parent"]);
        view.say(&["--as-pid-1", "--ro-bind", "/", "/", "--perms", "1777", "--tmpfs", "/tmp"]);
        if order.network != Network::Open {
            view.say(&["--unshare-net"]);
        }
        view.devices()?;
        for path in
            rooms.programs.iter().filter(|path| path.starts_with("/tmp") || path.starts_with("/dev/shm"))
        {
            view.same("--ro-bind", path)?;
        }
        for path in [&rooms.work].into_iter().chain(&rooms.caches).chain(&rooms.writable) {
            view.same("--bind", path)?;
        }
        view.protect(order)?;
        for (path, text) in &rooms.replaced {
            view.file(path, text)?;
        }
        for path in &rooms.hidden {
            let shown = rooms.shown.as_ref().filter(|shown| shown.folder == *path);
            view.hide(path, shown)?;
        }
        for folder in ["/dev", "/proc"] {
            view.say(&["--remount-ro", folder]);
        }
        view.say(&["--chdir", text(&order.dir)?]);
        Ok(view)
    }

    fn say(&mut self, words: &[&str]) {
        self.arguments.extend(words.iter().map(|&word| word.to_owned()));
    }

    fn same(&mut self, word: &str, path: &Path) -> anyhow::Result<()> {
        let path = text(path)?;
        self.say(&[word, path, path]);
        Ok(())
    }

    /// A `/dev` without disks, and without pseudo terminals, for which another user namespace would be needed.
    fn devices(&mut self) -> anyhow::Result<()> {
        self.say(&["--tmpfs", "/dev"]);
        for device in DEVICES.iter().map(|name| Path::new("/dev").join(name)) {
            self.same("--dev-bind-try", &device)?;
        }
        for (target, link) in LINKS {
            self.say(&["--symlink", target, link]);
        }
        self.say(&["--perms", "1777", "--tmpfs", "/dev/shm", "--proc", "/proc"]);
        Ok(())
    }

    /// As `mounts` does: what leads to a protected path is a mount too, which cannot be renamed.
    fn protect(&mut self, order: &Order) -> anyhow::Result<()> {
        let rooms = &order.rooms;
        let closed: Vec<&PathBuf> = rooms.readonly.iter().chain(&rooms.git).collect();
        let between = |path: &&&PathBuf| -> Vec<PathBuf> {
            let ups = path.ancestors().skip(1).map(Path::to_owned);
            ups.take_while(|up| *up != rooms.work && up.starts_with(&rooms.work)).collect()
        };
        let mut parents: Vec<PathBuf> = closed.iter().flat_map(|path| between(&path)).collect();
        parents.sort();
        parents.dedup();
        for parent in &parents {
            self.same("--bind", parent)?;
        }
        for path in &closed {
            self.same("--ro-bind", path)?;
        }
        for path in rooms.writable.iter().filter(|path| closed.iter().any(|closed| path.starts_with(closed)))
        {
            self.same("--bind", path)?;
        }
        Ok(())
    }

    /// A file of this text, read only.
    fn file(&mut self, path: &Path, content: &str) -> anyhow::Result<()> {
        let mut file =
            File::from(rustix::fs::memfd_create("text", MemfdFlags::empty()).context("a file in memory")?);
        file.write_all(content.as_bytes())?;
        std::io::Seek::rewind(&mut file)?;
        let number = file.as_raw_fd().to_string();
        self.say(&["--ro-bind-data", &number, text(path)?]);
        self.files.push(file.into());
        Ok(())
    }

    /// What a private folder covers is gone already, unless it lies in a room.
    fn hide(&mut self, path: &Path, shown: Option<&Shown>) -> anyhow::Result<()> {
        let bound = |room: &String| room.len() > "/dev/shm".len() && path.starts_with(room);
        if (path.starts_with("/tmp") || path.starts_with("/dev")) && !self.arguments.iter().any(bound) {
            return Ok(());
        }
        let name = text(path)?;
        if !path.is_dir() {
            self.say(&["--ro-bind", "/dev/null", name]);
            return Ok(());
        }
        self.say(&["--tmpfs", name]);
        if let Some(shown) = shown {
            self.file(&path.join(&shown.path), &shown.text)?;
        }
        self.say(&["--remount-ro", name]);
        Ok(())
    }
}

fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("{} is no text", path.display()))
}

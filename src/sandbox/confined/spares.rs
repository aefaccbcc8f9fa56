//! Spare files and folders for the top of the work tree. A rule of Landlock holds for all that lies below a folder, so none
//! can say "make files here, but not in `.git`"; but it knows what it was given for by what that is, not by its name.
//! So a child gets rules for files and folders that lie ready, and its supervisor gives them the names that it asks for.
//! Must not know how a child asks.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

/// New files, and new folders, that one command can make at the top.
pub(super) const FILES: usize = 64;
pub(super) const FOLDERS: usize = 24;

const PREFIX: &str = "spare-";
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// They lie ready as long as this lives.
#[derive(Debug)]
pub(super) struct Spares {
    folder: TempDir,
    /// Folders that were made for it, the lowest first.
    made: Vec<PathBuf>,
}

impl Spares {
    /// Lays them ready where a rename to the top of `work` is no copy.
    pub(super) fn lay(work: &Path) -> io::Result<Self> {
        let run = work.join(".pace/.run");
        let made = run.ancestors().take(2).filter(|folder| !folder.exists()).map(Path::to_owned).collect();
        fs::create_dir_all(&run)?;
        remove_old(&run);
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&run)?;
        let spares = Self { folder, made };
        // Also where no ignore file names the folder above.
        fs::write(spares.folder().join(".gitignore"), "*\n")?;
        spares.fill()?;
        Ok(spares)
    }

    /// Lays ready what is missing, and makes new what a child wrote into: nothing of it shall turn up under another name in
    /// a later command. To be called between commands.
    pub(super) fn fill(&self) -> io::Result<()> {
        open_up(self.folder());
        for path in self.each(Kind::File) {
            match fs::symlink_metadata(&path) {
                Ok(meta) if meta.len() == 0 => {}
                found => {
                    if found.is_ok() {
                        fs::remove_file(&path)?;
                    }
                    fs::File::create_new(&path)?;
                }
            }
        }
        for path in self.each(Kind::Folder) {
            let empty = fs::read_dir(&path).is_ok_and(|mut entries| entries.next().is_none());
            if !empty {
                open_up(&path);
                if path.exists() {
                    fs::remove_dir_all(&path)?;
                }
                fs::create_dir(&path)?;
            }
        }
        Ok(())
    }

    /// Where they lie.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn each(&self, kind: Kind) -> impl Iterator<Item = PathBuf> {
        (0..kind.count()).map(move |number| self.folder().join(kind.name(number)))
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        // A child may have closed one to its own user.
        open_up(self.folder());
        for folder in self.each(Kind::Folder) {
            open_up(&folder);
        }
        // What cannot be removed is, after a day.
        let _ = fs::remove_dir_all(self.folder());
        for folder in &self.made {
            // One in which something lies by now stays.
            let _ = fs::remove_dir(folder);
        }
    }
}

fn open_up(folder: &Path) {
    // What cannot be opened shows when it is used.
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
}

/// Removes what killed runs left; who runs now made his own less than a day ago.
fn remove_old(run: &Path) {
    for entry in fs::read_dir(run).into_iter().flatten().flatten() {
        let changed = entry.metadata().and_then(|meta| meta.modified()).ok();
        let old = changed.and_then(|changed| changed.elapsed().ok()).is_some_and(|age| age > A_DAY);
        if old && entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// What is spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
}

impl Kind {
    const fn count(self) -> usize {
        match self {
            Self::File => FILES,
            Self::Folder => FOLDERS,
        }
    }

    pub(super) fn name(self, number: usize) -> String {
        match self {
            Self::File => format!("file-{number}"),
            Self::Folder => format!("folder-{number}"),
        }
    }
}

/// All that lie ready in `folder`.
pub(super) fn all(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let each = |kind: Kind| (0..kind.count()).map(move |number| folder.join(kind.name(number)));
    each(Kind::File).chain(each(Kind::Folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_leave_nothing_behind() {
        let work = tempfile::tempdir().unwrap();
        let spares = Spares::lay(work.path()).unwrap();
        let folder = spares.folder().to_owned();
        let there = || all(&folder).filter(|path| path.exists()).count();
        assert_eq!(there(), FILES + FOLDERS);
        fs::rename(folder.join("file-0"), work.path().join("new")).unwrap();
        fs::remove_dir(folder.join("folder-1")).unwrap();
        fs::write(folder.join("file-2"), "planted").unwrap();
        fs::write(folder.join("folder-3/conftest.py"), "planted").unwrap();
        spares.fill().unwrap();
        assert_eq!(there(), FILES + FOLDERS);
        assert_eq!(fs::read(folder.join("file-2")).unwrap(), b"");
        assert!(!folder.join("folder-3/conftest.py").exists());
        drop(spares);
        let left: Vec<_> =
            fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["new"]);
        fs::create_dir_all(work.path().join(".pace/.run/day-1")).unwrap();
        drop(Spares::lay(work.path()).unwrap());
        assert_eq!(fs::read_dir(work.path().join(".pace/.run")).unwrap().count(), 1);
    }
}

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
pub(super) struct Spares {
    folder: Option<TempDir>,
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
        let mut spares = Self { folder: None, made };
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&run)?;
        for (kind, count) in [(Kind::File, FILES), (Kind::Folder, FOLDERS)] {
            for number in 0..count {
                let path = folder.path().join(kind.name(number));
                match kind {
                    Kind::File => drop(fs::File::create_new(path)?),
                    Kind::Folder => fs::create_dir(path)?,
                }
            }
        }
        spares.folder = Some(folder);
        Ok(spares)
    }

    /// Where they lie.
    pub(super) fn folder(&self) -> Option<&Path> {
        self.folder.as_ref().map(TempDir::path)
    }
}

impl Drop for Spares {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            // A child that asked for none may have closed one all the same.
            let folders = (0..FOLDERS).map(|number| folder.path().join(Kind::Folder.name(number)));
            for path in [folder.path().to_owned()].into_iter().chain(folders).filter(|path| path.is_dir()) {
                let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
            }
            let _ = folder.close();
        }
        for folder in &self.made {
            // One in which something lies by now stays.
            let _ = fs::remove_dir(folder);
        }
    }
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
    pub(super) fn name(self, number: usize) -> String {
        match self {
            Self::File => format!("file-{number}"),
            Self::Folder => format!("folder-{number}"),
        }
    }
}

/// All that lie ready in `folder`.
pub(super) fn all(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let files = (0..FILES).map(|number| folder.join(Kind::File.name(number)));
    files.chain((0..FOLDERS).map(|number| folder.join(Kind::Folder.name(number))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_leave_nothing_behind() {
        let work = tempfile::tempdir().unwrap();
        let spares = Spares::lay(work.path()).unwrap();
        let folder = spares.folder().unwrap().to_owned();
        assert_eq!(all(&folder).filter(|path| path.exists()).count(), FILES + FOLDERS);
        fs::rename(folder.join("file-0"), work.path().join("new")).unwrap();
        drop(spares);
        let left: Vec<_> =
            fs::read_dir(work.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["new"]);
        fs::create_dir_all(work.path().join(".pace/.run/day-1")).unwrap();
        drop(Spares::lay(work.path()).unwrap());
        assert_eq!(fs::read_dir(work.path().join(".pace/.run")).unwrap().count(), 1);
    }
}

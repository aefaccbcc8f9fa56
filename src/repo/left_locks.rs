//! Lock files of git that a killed run left in `.git`: git and libgit2 refuse to go on beside them. Knows no run; the caller
//! holds the work tree, so whoever made them is dead, or no run at all and done within a moment.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program that is alive keeps such a lock for less than this.
const MOMENT: Duration = Duration::from_millis(1500);

/// A run's sign of life may be older than its last lock by this many seconds.
const LATE: i64 = 3;

/// What became of the lock files that were found; paths below `.git`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Locks {
    /// A dead run's.
    pub removed: Vec<String>,
    /// Somebody's who may still be at work.
    pub held: Vec<String>,
}

/// Removes the lock files in the folder `git` that do not go away by themselves and were made no later than a run `died`
/// (seconds since 1970). Others are left alone.
pub(super) async fn clear(git: &Path, died: Option<i64>) -> Locks {
    let found = locks(git);
    if found.is_empty() {
        return Locks::default();
    }
    tokio::time::sleep(MOMENT).await;
    let still = locks(git);
    let mut told = Locks::default();
    for lock in found.into_iter().filter(|lock| still.contains(lock)) {
        let (path, (_, made, _)) = &lock;
        let name = path.strip_prefix(git).unwrap_or(path).display().to_string();
        if died.is_some_and(|died| *made <= died.saturating_add(LATE)) && fs::remove_file(path).is_ok() {
            told.removed.push(name);
        } else {
            told.held.push(name);
        }
    }
    told
}

/// Path, and what tells one file from another of the same name.
type Lock = (PathBuf, (u64, i64, i64));

fn locks(git: &Path) -> Vec<Lock> {
    let mut found = Vec::new();
    let mut open = vec![git.join("refs")];
    for name in ["index.lock", "HEAD.lock", "packed-refs.lock", "config.lock", "FETCH_HEAD.lock"] {
        look(git.join(name), &mut found);
    }
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "lock") {
                look(entry.path(), &mut found);
            }
        }
    }
    found
}

fn look(path: PathBuf, found: &mut Vec<Lock>) {
    if let Ok(meta) = path.symlink_metadata()
        && meta.is_file()
    {
        found.push((path, (meta.ino(), meta.ctime(), meta.ctime_nsec())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["index.lock", "refs/heads/pace/sprint.lock"].map(String::from).into()
    }

    #[tokio::test]
    async fn only_what_a_dead_run_left_goes() {
        let git = tempfile::tempdir().unwrap();
        fs::create_dir_all(git.path().join("refs/heads/pace")).unwrap();
        for name in ["index.lock", "refs/heads/pace/sprint.lock", "refs/heads/main"] {
            fs::write(git.path().join(name), "").unwrap();
        }
        let now = jiff::Timestamp::now().as_second();
        for died in [None, Some(now - 100)] {
            let mut told = clear(git.path(), died).await;
            told.held.sort();
            assert_eq!((told.removed.len(), told.held), (0, names()), "{died:?}");
        }
        let mut told = clear(git.path(), Some(now)).await;
        told.removed.sort();
        assert_eq!((told.removed, told.held.len()), (names(), 0));
        assert!(git.path().join("refs/heads/main").exists());
    }
}

//! Lock files of git that a killed run left in `.git`: git and libgit2 refuse to go on beside them. Knows no run; the caller
//! holds the work tree, so whoever made them is dead, or no run at all and done within a moment.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program that is alive keeps such a lock for less than this.
const MOMENT: Duration = Duration::from_millis(1500);

/// Removes the lock files in the folder `git` that were made at `since` (seconds since 1970) or later and do not go away by
/// themselves; their paths below it.
pub(super) async fn clear(git: &Path, since: i64) -> Vec<String> {
    let found = locks(git, since);
    if found.is_empty() {
        return vec![];
    }
    tokio::time::sleep(MOMENT).await;
    let still = locks(git, since);
    let mut removed = Vec::new();
    for (path, stamp) in found {
        if still.contains(&(path.clone(), stamp)) && fs::remove_file(&path).is_ok() {
            removed.push(path.strip_prefix(git).unwrap_or(&path).display().to_string());
        }
    }
    removed
}

/// Path, and what tells one file from another of the same name.
type Lock = (PathBuf, (u64, i64, i64));

fn locks(git: &Path, since: i64) -> Vec<Lock> {
    let mut found = Vec::new();
    let mut open = vec![git.join("refs")];
    for name in ["index.lock", "HEAD.lock", "packed-refs.lock", "config.lock", "FETCH_HEAD.lock"] {
        look(git.join(name), since, &mut found);
    }
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "lock") {
                look(entry.path(), since, &mut found);
            }
        }
    }
    found
}

fn look(path: PathBuf, since: i64, found: &mut Vec<Lock>) {
    if let Ok(meta) = path.symlink_metadata()
        && meta.is_file()
        && meta.ctime() >= since
    {
        found.push((path, (meta.ino(), meta.ctime(), meta.ctime_nsec())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_a_dead_run_left_goes() {
        let git = tempfile::tempdir().unwrap();
        fs::create_dir_all(git.path().join("refs/heads/pace")).unwrap();
        for name in ["index.lock", "refs/heads/pace/sprint.lock", "refs/heads/main"] {
            fs::write(git.path().join(name), "").unwrap();
        }
        let now = jiff::Timestamp::now().as_second();
        assert_eq!(clear(git.path(), now + 100).await, Vec::<String>::new());
        let mut removed = clear(git.path(), now - 100).await;
        removed.sort();
        assert_eq!(removed, ["index.lock", "refs/heads/pace/sprint.lock"]);
        assert!(git.path().join("refs/heads/main").exists());
    }
}

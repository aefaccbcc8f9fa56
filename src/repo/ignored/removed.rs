//! Where ignored files end up that a run's commands wrote: they may be somebody's after all, so nothing there is overwritten,
//! and only what runs of long ago left goes. A folder a run. Knows nothing of what counts as written by a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

const REMOVED: &str = ".pace/.run/removed";
/// Younger than this nothing goes.
const YOUNG: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// Folders of runs that are kept, however old.
const KEPT: usize = 5;
/// How the folder of a run begins.
const RUN: &str = "day-";

/// Moves `path` to the folder of `run`, under a name that is free there, and the folders that are empty without it go.
pub(in crate::repo) fn put_away(root: &Path, run: &str, path: &str) -> anyhow::Result<()> {
    put_file_away(root, run, path)?;
    for parent in Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(parent)).is_err() {
            break;
        }
    }
    Ok(())
}

/// The same without a look at folders: something takes the file's place at once, and whoever else writes there, as the CI's
/// own log may, finds the folder.
pub(super) fn put_file_away(root: &Path, run: &str, path: &str) -> anyhow::Result<()> {
    rename(root, run, path).with_context(|| format!("moving {path} to {REMOVED}/{run}"))
}

fn rename(root: &Path, run: &str, path: &str) -> io::Result<()> {
    let target = free(&root.join(REMOVED).join(run).join(path));
    fs::create_dir_all(target.parent().unwrap_or(root))?;
    fs::rename(root.join(path), target)
}

/// `path`, or the first of `path.2`, `path.3` … that is not there.
fn free(path: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let names = std::iter::once(path.to_owned()).chain((2..).map(numbered));
    names.into_iter().find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| path.to_owned())
}

/// Lets go of what runs of long ago left, `run` and the newest apart.
pub(in crate::repo) fn prune(root: &Path, run: &str, now: SystemTime) {
    let mut folders = Vec::new();
    for entry in fs::read_dir(root.join(REMOVED)).into_iter().flatten().filter_map(Result::ok) {
        let name = entry.file_name();
        let of_a_run = name.to_string_lossy().starts_with(RUN) && name != run;
        if let Ok(meta) = entry.path().symlink_metadata()
            && let Ok(written) = meta.modified()
            && of_a_run
            && meta.is_dir()
        {
            folders.push((written, entry.path()));
        }
    }
    folders.sort();
    let many = folders.len().saturating_sub(KEPT);
    for (written, folder) in folders.into_iter().take(many) {
        if now.duration_since(written).is_ok_and(|age| age > YOUNG)
            && let Err(error) = fs::remove_dir_all(&folder)
        {
            tracing::debug!("{} stays: {error}", folder.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten_and_only_old_runs_go() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        let read = |path: &str| fs::read_to_string(at(path)).unwrap();
        for text in ["one", "two", "three"] {
            fs::create_dir_all(at("local")).unwrap();
            fs::write(at("local/x"), text).unwrap();
            put_away(dir.path(), "day-1-run-1", "local/x").unwrap();
            assert!(!at("local").exists());
        }
        let kept = ["x", "x.2", "x.3"].map(|name| read(&format!("{REMOVED}/day-1-run-1/local/{name}")));
        assert_eq!(kept, ["one", "two", "three"]);
        for run in 2..=8 {
            fs::create_dir_all(at(&format!("{REMOVED}/day-1-run-{run}"))).unwrap();
        }
        fs::create_dir_all(at(&format!("{REMOVED}/pace"))).unwrap();
        let count = || fs::read_dir(at(REMOVED)).unwrap().count();
        prune(dir.path(), "day-1-run-8", SystemTime::now());
        assert_eq!(count(), 9);
        prune(dir.path(), "day-1-run-8", SystemTime::now() + 2 * YOUNG);
        assert_eq!(count(), KEPT + 2);
        assert!(at(&format!("{REMOVED}/day-1-run-8")).exists() && at(&format!("{REMOVED}/pace")).exists());
    }
}

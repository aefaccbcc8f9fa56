//! Ignored files that a killed run left behind: what a run found is kept inside `.git` until it is over, so that the next
//! one does not take the other's leavings for something that was there. Contents are not kept: such files hold secrets.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use git2::Repository;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::removed::put_away;
use super::{Noted, Stamp, list};
use crate::domain::dependencies::Dependencies;

/// What a run found.
#[derive(Serialize, Deserialize)]
struct Found {
    /// Folders of dependencies, which the setup makes again.
    dependencies: Vec<String>,
    files: BTreeMap<String, Was>,
}

#[derive(Serialize, Deserialize)]
struct Was {
    stamp: Stamp,
    /// SHA-256 of files that are not too large, hexadecimal.
    digest: Option<String>,
}

/// Keeps what `noted` says until [`forget`].
pub(in crate::repo) fn keep(repo: &Repository, noted: &Noted, made: &Dependencies) -> anyhow::Result<()> {
    let was = |(path, seen): (&String, &super::Seen)| {
        let was = Was { stamp: seen.stamp.clone(), digest: seen.content.as_deref().map(digest) };
        (path.clone(), was)
    };
    let found = Found {
        dependencies: made.folders().into_iter().map(|folder| folder + "/").collect(),
        files: noted.files.iter().map(was).collect(),
    };
    let path = file(repo);
    let written = path.parent().map_or(Ok(()), fs::create_dir_all);
    let written = written.and_then(|()| fs::write(&path, serde_json::to_vec(&found)?));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// The run is over, and its ignored files are as it found them.
pub(in crate::repo) fn forget(repo: &Repository) -> anyhow::Result<()> {
    match fs::remove_file(file(repo)) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", file(repo).display()))
        }
        _ => Ok(()),
    }
}

/// Moves ignored files away that `run` wrote, which came to no end; their paths. What changed after `until`, the last sign
/// of that run, is somebody else's, and what it found and cannot be put back stays.
pub(in crate::repo) fn set_aside(
    repo: &Repository,
    root: &Path,
    run: &str,
    until: SystemTime,
) -> anyhow::Result<Vec<String>> {
    let Some(found) =
        fs::read(file(repo)).ok().and_then(|bytes| serde_json::from_slice::<Found>(&bytes).ok())
    else {
        return Ok(vec![]);
    };
    let made = Dependencies::default();
    made.add(found.dependencies);
    let until = until.duration_since(UNIX_EPOCH).map_or(0, |until| until.as_secs());
    let until = i64::try_from(until).unwrap_or(i64::MAX - 1);
    let mut moved = Vec::new();
    for (path, ignored) in list(repo, root, &made)? {
        let full = root.join(&path);
        let Ok(meta) = full.symlink_metadata() else { continue };
        let stamp = Stamp::of(&meta);
        let same = |was: &Was| {
            let content = || meta.is_file().then(|| fs::read(&full).ok()).flatten();
            was.stamp == stamp
                || was.digest.as_ref().is_some_and(|old| content().is_some_and(|now| digest(&now) == *old))
        };
        let stays = |was: &Was| was.digest.is_none() || same(was);
        if !ignored || stamp.changed.0 > until + 1 || found.files.get(&path).is_some_and(stays) {
            continue;
        }
        put_away(root, run, &path)?;
        moved.push(path);
    }
    Ok(moved)
}

/// Where no command of an agent can write, and no CI keeps files of a run.
fn file(repo: &Repository) -> PathBuf {
    repo.path().join("pace/ignored.json")
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

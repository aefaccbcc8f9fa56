//! What a run that did not ship leaves of the runners in the dependency folders: noted, so that the next run takes them
//! for changed and not for what was always there. Somebody who installs them anew is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// Path → digest, as [`super::strays::runners`] tells it.
type Runners = BTreeMap<String, String>;

/// Digests of one file; `None` where it was not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Left {
    before: Option<String>,
    after: Option<String>,
}

/// `now` with the leftovers of an earlier run made what they were before it.
pub(crate) fn without(file: &Path, mut now: Runners) -> Runners {
    let noted = fs::read(file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let noted: BTreeMap<String, Left> = noted.unwrap_or_default();
    for (path, left) in noted {
        if now.get(&path) == left.after.as_ref() {
            match left.before {
                Some(before) => now.insert(path, before),
                None => now.remove(&path),
            };
        }
    }
    now
}

/// Notes in `file` what a run made of `before`; no file where nothing changed.
pub(crate) fn note(file: &Path, before: &Runners, now: &Runners) -> io::Result<()> {
    let paths: BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let left: BTreeMap<&String, Left> = paths
        .into_iter()
        .filter(|path| before.get(*path) != now.get(*path))
        .map(|path| (path, Left { before: before.get(path).cloned(), after: now.get(path).cloned() }))
        .collect();
    if left.is_empty() {
        return forget(file);
    }
    fs::write(file, serde_json::to_vec(&left)?)
}

/// Lets go of what was noted.
pub(crate) fn forget(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runners(all: &[(&str, &str)]) -> Runners {
        all.iter().map(|&(path, digest)| (path.to_owned(), digest.to_owned())).collect()
    }

    #[test]
    fn leftovers_are_no_norm_and_a_new_installation_is() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("left");
        let before = runners(&[("a", "1"), ("b", "1"), ("gone", "1")]);
        let held = runners(&[("a", "stub"), ("b", "1"), ("new", "stub")]);
        assert_eq!(without(&file, held.clone()), held);
        note(&file, &before, &held).unwrap();
        assert_eq!(without(&file, held), before);
        let mended = runners(&[("a", "2"), ("b", "2"), ("gone", "1"), ("new", "2")]);
        assert_eq!(without(&file, mended.clone()), mended);
        note(&file, &before, &before).unwrap();
        assert!(!file.exists());
    }
}

//! `composer.json` against `composer.lock`.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Commit, Drift};

/// Packages that `composer.json` requires; the platform's own (`php`, `ext-json`) are none.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let Ok(manifest) = serde_json::from_str::<Value>(manifest) else { return vec![] };
    let groups = ["require", "require-dev"].into_iter().filter_map(|g| manifest.get(g)?.as_object());
    groups.flat_map(Map::keys).filter(|name| name.contains('/')).cloned().collect()
}

pub(super) fn compare(manifest: &str, lock: &str, _: &Commit) -> Vec<Drift> {
    let Ok(lock) = serde_json::from_str::<Value>(lock) else { return vec![] };
    let groups = ["packages", "packages-dev"].into_iter().filter_map(|g| lock.get(g)?.as_array());
    let mut locked: BTreeSet<String> = BTreeSet::new();
    for package in groups.flatten() {
        locked.extend(package.get("name").and_then(Value::as_str).map(str::to_ascii_lowercase));
        let stand_ins = ["replace", "provide"].into_iter().filter_map(|key| package.get(key)?.as_object());
        locked.extend(stand_ins.flat_map(Map::keys).map(|name| name.to_ascii_lowercase()));
    }
    if lock.get("packages").is_none() {
        return vec![];
    }
    let names = dependencies(manifest);
    names.iter().filter(|n| !locked.contains(&n.to_ascii_lowercase())).map(|n| Drift::absent(n)).collect()
}

//! `package.json` against the lockfiles of npm, Yarn, pnpm and Bun.
//!
//! What comes from a folder or a workspace may be missing from a lockfile and is left alone.

use serde_json::{Map, Value};

use super::{Commit, Drift};

const GROUPS: [&str; 3] = ["dependencies", "devDependencies", "optionalDependencies"];

/// Names that `package.json` asks a registry for.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let Ok(manifest) = serde_json::from_str::<Value>(manifest) else { return vec![] };
    let local = ["file:", "link:", "workspace:", "portal:", "./", "../"];
    let groups = GROUPS.iter().filter_map(|group| manifest.get(group)?.as_object());
    let wanted = groups.flat_map(Map::iter).filter(|(_, spec)| {
        let spec = spec.as_str().unwrap_or_default();
        !local.iter().any(|start| spec.starts_with(start))
    });
    wanted.map(|(name, _)| name.clone()).collect()
}

pub(super) fn npm(manifest: &str, lock: &str, _: &Commit) -> Vec<Drift> {
    let Ok(lock) = serde_json::from_str::<Value>(lock) else { return vec![] };
    let keys = |value: Option<&Value>| -> Vec<String> {
        value.and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
    };
    let locked: Vec<String> = match lock.pointer("/packages/") {
        Some(root) => GROUPS.iter().chain(&["peerDependencies"]).flat_map(|g| keys(root.get(g))).collect(),
        None if lock.get("lockfileVersion").is_some() => keys(lock.get("dependencies")),
        None => return vec![],
    };
    absent(manifest, |name| locked.iter().any(|l| l == name))
}

pub(super) fn yarn(manifest: &str, lock: &str, commit: &Commit) -> Vec<Drift> {
    let heads: Vec<&str> = lock.lines().filter(|l| !l.starts_with([' ', '#']) && l.ends_with(':')).collect();
    let siblings = workspaces(commit);
    absent(manifest, |name| {
        let key = format!("{name}@");
        let is_key = |head: &&str| head.split(", ").any(|k| k.trim_matches('"').starts_with(&key));
        heads.iter().any(is_key) || siblings.iter().any(|s| s == name)
    })
}

pub(super) fn pnpm(manifest: &str, lock: &str, commit: &Commit) -> Vec<Drift> {
    let siblings = workspaces(commit);
    absent(manifest, |name| {
        let named = lock.lines().map(|l| l.trim().trim_start_matches(['\'', '"', '/'])).any(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with([':', '@', '/', '\'', '"']))
        });
        named || siblings.iter().any(|s| s == name)
    })
}

pub(super) fn bun(manifest: &str, lock: &str, commit: &Commit) -> Vec<Drift> {
    let siblings = workspaces(commit);
    absent(manifest, |name| lock.contains(&format!("\"{name}\"")) || siblings.iter().any(|s| s == name))
}

fn absent(manifest: &str, locked: impl Fn(&str) -> bool) -> Vec<Drift> {
    dependencies(manifest).iter().filter(|name| !locked(name)).map(|name| Drift::absent(name)).collect()
}

/// Names of the packages that the commit itself holds.
fn workspaces(commit: &Commit) -> Vec<String> {
    let manifests = commit.files.iter().filter(|(path, _)| path.ends_with("package.json"));
    manifests
        .filter_map(|(_, text)| {
            serde_json::from_str::<Value>(text).ok()?.get("name")?.as_str().map(str::to_owned)
        })
        .collect()
}

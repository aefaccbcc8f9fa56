//! `Cargo.toml` against `Cargo.lock`.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::{Commit, Drift};

/// Names of the crates that the manifest names.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    manifest.parse::<Table>().map(|table| names(&table)).unwrap_or_default()
}

pub(super) fn compare(manifest: &str, lock: &str, _: &Commit) -> Vec<Drift> {
    let (Ok(table), Some(locked)) = (manifest.parse::<Table>(), packages(lock)) else { return vec![] };
    let mut drifts: Vec<Drift> = names(&table)
        .iter()
        .filter(|name| !locked.contains_key(*name))
        .map(|name| Drift::absent(name))
        .collect();
    let package = table.get("package").and_then(Value::as_table);
    let text = |key: &str| package?.get(key)?.as_str();
    if let (Some(name), Some(version)) = (text("name"), text("version")) {
        let own: Vec<&String> = locked.get(name).into_iter().flatten().collect();
        if !own.is_empty() && !own.iter().any(|v| *v == version) {
            let what = format!("is version {version} of `{name}`, which");
            drifts.push(Drift { name: version.to_owned(), what });
        }
    }
    drifts
}

/// Whether the lockfile names the manifest's package as one of its own workspace.
pub(super) fn is_member(manifest: &str, lock: &str) -> bool {
    let table = manifest.parse::<Table>().unwrap_or_default();
    let name = table.get("package").and_then(|p| p.get("name")).and_then(Value::as_str);
    let named =
        |name| packages(lock).is_some_and(|p| p.get(name).is_some_and(|versions| !versions.is_empty()));
    name.is_some_and(named)
}

/// Locked crates, and the versions of those that come from no registry.
fn packages(lock: &str) -> Option<BTreeMap<String, Vec<String>>> {
    let table: Table = lock.parse().ok()?;
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in table.get("package")?.as_array()? {
        let text = |key: &str| package.get(key).and_then(Value::as_str);
        let versions = found.entry(text("name")?.to_owned()).or_default();
        if text("source").is_none() {
            versions.extend(text("version").map(str::to_owned));
        }
    }
    Some(found)
}

fn names(table: &Table) -> Vec<String> {
    const GROUPS: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];
    let targets = table.get("target").and_then(Value::as_table);
    let owners =
        std::iter::once(table).chain(targets.into_iter().flat_map(Table::values).filter_map(Value::as_table));
    let groups = owners.flat_map(|owner| GROUPS.iter().filter_map(|g| owner.get(*g)?.as_table()));
    let shared = table.get("workspace").and_then(|w| w.get("dependencies"));
    let named = groups.flatten().filter_map(|(key, spec)| {
        let spec = if spec.get("workspace").is_some() { shared?.get(key)? } else { spec };
        Some(spec.get("package").and_then(Value::as_str).unwrap_or(key).to_owned())
    });
    named.collect()
}

//! `pyproject.toml` against the lockfiles of uv, Poetry and PDM, and `Pipfile` against its own.
//!
//! Requirements with a marker may be locked away from and are left alone.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::{Commit, Drift};

/// Names that the project requires unconditionally, as written.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let Ok(table) = manifest.parse::<Table>() else { return vec![] };
    let mut found = Vec::new();
    let project = table.get("project");
    let lists =
        [project.and_then(|p| p.get("dependencies")), at(&table, &["tool", "uv", "dev-dependencies"])];
    let groups = [project.and_then(|p| p.get("optional-dependencies")), table.get("dependency-groups")];
    let groups = groups.into_iter().flatten().filter_map(Value::as_table).flat_map(Table::values);
    for requirement in lists.into_iter().flatten().chain(groups).filter_map(Value::as_array).flatten() {
        found.extend(requirement.as_str().filter(|r| !r.contains(';')).map(requirement_name));
    }
    let poetry = at(&table, &["tool", "poetry"]);
    let own = poetry.and_then(|p| p.get("group")).and_then(Value::as_table);
    let groups = ["dependencies", "dev-dependencies"].into_iter().filter_map(|g| poetry?.get(g));
    let groups = groups.chain(own.into_iter().flat_map(Table::values).filter_map(|g| g.get("dependencies")));
    for (name, spec) in groups.filter_map(Value::as_table).flatten() {
        let conditional = spec.is_array() || spec.get("markers").is_some() || spec.get("python").is_some();
        if name != "python" && !conditional {
            found.push(name.clone());
        }
    }
    let own_name =
        project.and_then(|p| p.get("name")).or_else(|| poetry?.get("name")).and_then(Value::as_str);
    found.retain(|name| own_name.is_none_or(|own| normal(own) != normal(name)));
    found
}

pub(super) fn compare(manifest: &str, lock: &str, _: &Commit) -> Vec<Drift> {
    let Ok(lock) = lock.parse::<Table>() else { return vec![] };
    let Some(packages) = lock.get("package").and_then(Value::as_array) else { return vec![] };
    let locked = packages.iter().filter_map(|p| p.get("name")?.as_str()).map(normal).collect();
    absent(&dependencies(manifest), &locked)
}

/// Names of both sections of a `Pipfile`.
pub(super) fn pipfile_dependencies(manifest: &str) -> Vec<String> {
    let Ok(table) = manifest.parse::<Table>() else { return vec![] };
    let sections = ["packages", "dev-packages"].into_iter().filter_map(|s| table.get(s)?.as_table());
    let unconditional = |spec: &Value| {
        spec.as_str().is_some() || spec.get("version").is_some() && spec.get("markers").is_none()
    };
    sections.flatten().filter(|(_, spec)| unconditional(spec)).map(|(name, _)| name.clone()).collect()
}

pub(super) fn compare_pipfile(manifest: &str, lock: &str, _: &Commit) -> Vec<Drift> {
    let Ok(lock) = serde_json::from_str::<serde_json::Value>(lock) else { return vec![] };
    let sections = ["default", "develop"].into_iter().filter_map(|s| lock.get(s)?.as_object());
    let locked = sections.flat_map(|s| s.keys()).map(|name| normal(name)).collect();
    absent(&pipfile_dependencies(manifest), &locked)
}

fn absent(names: &[String], locked: &BTreeSet<String>) -> Vec<Drift> {
    names.iter().filter(|name| !locked.contains(&normal(name))).map(|name| Drift::absent(name)).collect()
}

fn at<'t>(table: &'t Table, path: &[&str]) -> Option<&'t Value> {
    let (first, rest) = path.split_first()?;
    rest.iter().try_fold(table.get(*first)?, |value, key| value.get(*key))
}

/// `passlib` of `passlib[bcrypt]>=1.7`.
fn requirement_name(requirement: &str) -> String {
    let end = requirement.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')));
    requirement[..end.unwrap_or(requirement.len())].to_owned()
}

/// The name as indexes compare it (PEP 503).
fn normal(name: &str) -> String {
    let mut normal = String::new();
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if normal.ends_with('-') => {}
            '-' | '_' | '.' => normal.push('-'),
            c => normal.push(c.to_ascii_lowercase()),
        }
    }
    normal
}

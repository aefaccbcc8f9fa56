//! `Gemfile` against `Gemfile.lock`.
//!
//! A Gemfile is a program: only `gem` lines outside of conditions count.

use std::sync::LazyLock;

use regex::Regex;

use super::{Commit, Drift};
use crate::evidence::pattern;

/// Gems that the Gemfile names unconditionally.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    let mut found = Vec::new();
    // Indentation at which a condition opened.
    let mut condition: Option<usize> = None;
    for line in manifest.lines() {
        let indent = line.len() - line.trim_start().len();
        let code = line.trim();
        match condition {
            Some(at) if indent <= at && code.starts_with("end") => condition = None,
            Some(_) => {}
            None if CONDITION.is_match(code) => condition = Some(indent),
            None => {
                let gem = GEM.captures(code).filter(|_| !GUARDED.is_match(code));
                found.extend(gem.map(|c| c[1].to_owned()));
            }
        }
    }
    found
}

pub(super) fn compare(manifest: &str, lock: &str, _: &Commit) -> Vec<Drift> {
    let section =
        lock.lines().skip_while(|l| *l != "DEPENDENCIES").skip(1).take_while(|l| l.starts_with(' '));
    let locked: Vec<&str> =
        section.map(|l| l.trim().split([' ', '!', '(']).next().unwrap_or_default()).collect();
    if locked.is_empty() {
        return vec![];
    }
    let names = dependencies(manifest);
    names.iter().filter(|n| !locked.contains(&n.as_str())).map(|n| Drift::absent(n)).collect()
}

static GEM: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^gem[\s(]+['"]([\w.-]+)['"]"#));
static CONDITION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:if|unless|case|install_if|platforms?|def|while)\b"));
static GUARDED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s(?:if|unless)\s|install_if"));

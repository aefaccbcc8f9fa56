//! `go.mod` against `go.sum`.

use super::{Commit, Drift};

/// A module that `go.mod` requires.
struct Required<'t> {
    module: &'t str,
    version: &'t str,
    indirect: bool,
}

/// Paths of the modules that `go.mod` requires and does not replace.
pub(super) fn dependencies(manifest: &str) -> Vec<String> {
    required(manifest).into_iter().map(|r| r.module.to_owned()).collect()
}

pub(super) fn compare(manifest: &str, lock: &str, commit: &Commit) -> Vec<Drift> {
    // A workspace keeps sums in a file of its own.
    if commit.paths.iter().any(|p| p == "go.work" || p.ends_with("/go.work")) {
        return vec![];
    }
    let known = |start: &str| lock.lines().any(|line| line.starts_with(start));
    let absent = |r: &Required<'_>| {
        if r.indirect {
            !known(&format!("{} ", r.module))
        } else {
            !known(&format!("{} {}", r.module, r.version))
        }
    };
    let gone = required(manifest).into_iter().filter(absent);
    gone.map(|r| Drift {
        name: r.module.to_owned(),
        what: format!("requires `{} {}`, which", r.module, r.version),
    })
    .collect()
}

fn required(manifest: &str) -> Vec<Required<'_>> {
    let mut found: Vec<Required<'_>> = Vec::new();
    let mut replaced: Vec<&str> = Vec::new();
    let mut block = "";
    for raw in manifest.lines() {
        let (code, comment) = raw.split_once("//").unwrap_or((raw, ""));
        let words: Vec<&str> = code.split_whitespace().collect();
        let (verb, rest) = match (block, words.as_slice()) {
            (_, []) => continue,
            (_, [")", ..]) => {
                block = "";
                continue;
            }
            (_, [verb, "(", ..]) => {
                block = verb;
                continue;
            }
            ("", [verb, rest @ ..]) => (*verb, rest),
            (block, rest) => (block, rest),
        };
        match (verb, rest) {
            ("require", [module, version, ..]) => {
                found.push(Required { module, version, indirect: comment.contains("indirect") });
            }
            ("replace", [module, ..]) => replaced.push(module),
            _ => {}
        }
    }
    found.retain(|r| !replaced.contains(&r.module));
    found
}

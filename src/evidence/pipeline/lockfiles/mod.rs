//! Lockfiles against their manifests: every dependency that a manifest names must be locked.
//!
//! Only what two texts decide: a name that is not there, a lockfile that went away. Versions are the package
//! managers' own business.

mod cargo;
mod go;
mod node;
mod php;
mod python;
mod ruby;

use super::flaw::{Family, Flaw, Found};
use super::makefiles::join;
use super::{Commit, kinds};
use crate::domain::diff::{Change, Diff};

/// Largest manifest or lockfile that is read.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// What a lockfile lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Drift {
    /// Stands in the manifest's line and, before it went, in the lockfile's.
    name: String,
    what: String,
}

impl Drift {
    fn absent(name: &str) -> Self {
        Self { name: name.to_owned(), what: format!("names `{name}`, which") }
    }
}

/// A manifest and the lockfiles that belong to it.
struct Ecosystem {
    manifest: &'static str,
    /// Lockfiles, each with what it lacks of a manifest's dependencies.
    locks: &'static [(&'static str, Compare)],
    /// Names of the dependencies of a manifest.
    dependencies: fn(&str) -> Vec<String>,
    /// Whether a lockfile further up speaks for this manifest too.
    member: Option<fn(&str, &str) -> bool>,
    /// How the lockfile is renewed.
    mend: &'static str,
}

/// Manifest, lockfile, commit → what the lockfile lacks; nothing where either cannot be read.
type Compare = fn(&str, &str, &Commit) -> Vec<Drift>;

const ECOSYSTEMS: &[Ecosystem] = &[
    Ecosystem {
        manifest: "package.json",
        locks: &[
            ("package-lock.json", node::npm),
            ("npm-shrinkwrap.json", node::npm),
            ("yarn.lock", node::yarn),
            ("pnpm-lock.yaml", node::pnpm),
            ("bun.lock", node::bun),
        ],
        dependencies: node::dependencies,
        member: None,
        mend: "Run the package manager's install",
    },
    Ecosystem {
        manifest: "Cargo.toml",
        locks: &[("Cargo.lock", cargo::compare)],
        dependencies: cargo::dependencies,
        member: Some(cargo::is_member),
        mend: "Run `cargo update --workspace`",
    },
    Ecosystem {
        manifest: "pyproject.toml",
        locks: &[
            ("uv.lock", python::compare),
            ("poetry.lock", python::compare),
            ("pdm.lock", python::compare),
        ],
        dependencies: python::dependencies,
        member: None,
        mend: "Lock again (`uv lock`, `poetry lock`)",
    },
    Ecosystem {
        manifest: "Pipfile",
        locks: &[("Pipfile.lock", python::compare_pipfile)],
        dependencies: python::pipfile_dependencies,
        member: None,
        mend: "Run `pipenv lock`",
    },
    Ecosystem {
        manifest: "go.mod",
        locks: &[("go.sum", go::compare)],
        dependencies: go::dependencies,
        member: None,
        mend: "Run `go mod tidy`",
    },
    Ecosystem {
        manifest: "Gemfile",
        locks: &[("Gemfile.lock", ruby::compare)],
        dependencies: ruby::dependencies,
        member: None,
        mend: "Run `bundle lock`",
    },
    Ecosystem {
        manifest: "composer.json",
        locks: &[("composer.lock", php::compare)],
        dependencies: php::dependencies,
        member: None,
        mend: "Run `composer update --lock`",
    },
];

/// Whether `path` is a manifest that a lockfile belongs to.
pub(super) fn is_manifest(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    ECOSYSTEMS.iter().any(|e| e.manifest == name) || name == "go.work"
}

/// Checks every manifest of the commit.
pub(super) fn check(commit: &Commit, diff: &Diff, found: &mut Found) {
    for (path, text) in &commit.files {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let readable = text.len() <= MAX_BYTES && !kinds::is_foreign(path);
        let Some(ecosystem) = ECOSYSTEMS.iter().find(|e| e.manifest == name).filter(|_| readable) else {
            continue;
        };
        let mut locks = 0;
        for (lock, compare) in ecosystem.locks {
            let Some((at, content)) = lock_of(ecosystem, lock, folder, text, commit) else { continue };
            locks += 1;
            found.look(Family::Lockfiles, &at);
            if let Some(line) = content.lines().position(|l| l.starts_with("<<<<<<< ")) {
                let line = u32::try_from(line + 1).unwrap_or(1);
                found.add(Flaw::new(
                    Family::Lockfiles,
                    &at,
                    line,
                    format!("the lockfile has an unresolved merge conflict. {}", ecosystem.mend),
                ));
                continue;
            }
            for drift in compare(text, content, commit) {
                let what = format!("{name} {} {at} does not have. {}", drift.what, ecosystem.mend);
                let flaw = Flaw::new(Family::Lockfiles, path, line_of(text, &drift.name), what);
                found.add(flaw.or_removed(&at, drift.name));
            }
        }
        if locks == 0 {
            deleted(ecosystem, folder, path, text, diff, found);
        }
    }
}

/// The lockfile that speaks for the manifest in `folder`: beside it, or further up for a member.
fn lock_of<'c>(
    ecosystem: &Ecosystem,
    lock: &str,
    folder: &str,
    manifest: &str,
    commit: &'c Commit,
) -> Option<(String, &'c str)> {
    let mut place = folder;
    loop {
        let path = join(place, lock);
        if let Some(content) = commit.files.get(&path).filter(|c| c.len() <= MAX_BYTES) {
            let speaks = place == folder || ecosystem.member.is_some_and(|member| member(manifest, content));
            return speaks.then_some((path, content.as_str()));
        }
        if place.is_empty() || ecosystem.member.is_none() {
            return None;
        }
        place = place.rsplit_once('/').map_or("", |(up, _)| up);
    }
}

/// A lockfile that the day deleted while its manifest still names dependencies.
fn deleted(ecosystem: &Ecosystem, folder: &str, path: &str, text: &str, diff: &Diff, found: &mut Found) {
    for (lock, _) in ecosystem.locks {
        let lock = join(folder, lock);
        let gone = diff.file(&lock).is_some_and(|f| f.change == Change::Deleted);
        let names = (ecosystem.dependencies)(text);
        if let Some(first) = names.first().filter(|_| gone) {
            let what = format!(
                "{lock} was deleted, but {path} still names {} dependencies. Bring it back",
                names.len()
            );
            found.add(Flaw::new(Family::Lockfiles, path, line_of(text, first), what).today());
        }
    }
}

/// The line of a manifest that names `name` as a word of its own.
fn line_of(text: &str, name: &str) -> u32 {
    let part = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '/' | '@');
    let stands = |line: &str| {
        line.match_indices(name)
            .any(|(at, _)| !line[..at].ends_with(part) && !line[at + name.len()..].starts_with(part))
    };
    let lines = || text.lines().enumerate();
    let found =
        lines().find(|(_, l)| stands(l) && !l.contains("\"name\"") && !l.trim_start().starts_with("name"));
    found
        .or_else(|| lines().find(|(_, l)| l.contains(name)))
        .map_or(1, |(at, _)| u32::try_from(at + 1).unwrap_or(1))
}

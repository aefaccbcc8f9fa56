//! The pipeline of a commit: CI definitions, build files, container files and lockfiles, and deterministic checks
//! over them, one file a family.
//!
//! Reads text that it is given; runs nothing and knows no model.

pub(crate) mod checkers;
mod containers;
mod deploys;
mod environments;
mod flaw;
mod github;
mod github_gates;
mod gitlab;
mod gitlab_gates;
mod kinds;
mod lockfiles;
mod makefiles;
mod protection;
mod references;
mod script;
mod source;
mod targets;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub(crate) use kinds::is_pipeline;
pub(crate) use protection::{check_protection, has_test_jobs};

use crate::domain::artifact::Finding;
use crate::domain::diff::Diff;
use flaw::{Family, Flaw, Found};
use kinds::Kind;
use source::Source;

/// What the checks read of a commit.
#[derive(Debug, Clone, Default)]
pub(crate) struct Commit {
    /// All paths of the commit, `/`-separated.
    pub paths: BTreeSet<String>,
    /// Texts of those that [`is_wanted`] names.
    pub files: BTreeMap<String, String>,
}

/// Whether the checks want the text of `path`: pipeline files, manifests, and what Makefiles include.
pub(crate) fn is_wanted(path: &str) -> bool {
    is_pipeline(path)
        || !kinds::is_foreign(path) && (lockfiles::is_manifest(path) || targets::is_include(path))
}

/// Whether `path` says what the project depends on: a manifest or a lockfile.
pub(crate) fn is_manifest(path: &str) -> bool {
    lockfiles::is_manifest(path) || kinds::kind_of(path) == Some(Kind::Lockfile)
}

/// Findings over the pipeline of `commit`: one for each flaw — FAIL where `diff` introduced it, ADVISORY where it was
/// there before — and one PASS for each family of checks that looked at something and found nothing. Without
/// pipeline files there is no finding.
pub(crate) fn check(commit: &Commit, diff: &Diff) -> Vec<Finding> {
    let mut found = Found::default();
    for source in commit.files.iter().filter_map(|(path, text)| Source::read(path, text)) {
        syntax(&source, &mut found);
        match source.kind {
            Kind::Workflow | Kind::Action => {
                github::check(&source, &mut found);
                github_gates::check(&source, &mut found);
                targets::check(&source, commit, &mut found);
            }
            Kind::GitLab | Kind::Component => {
                gitlab::check(&source, &mut found);
                gitlab_gates::check(&source, &mut found);
                targets::check(&source, commit, &mut found);
            }
            Kind::Container => containers::check_container(&source, &mut found),
            Kind::Compose => containers::check_compose(&source, &mut found),
            Kind::Makefile | Kind::Justfile => makefiles::check(&source, &mut found),
            Kind::Lockfile | Kind::OtherCi => {}
        }
        environments::check(&source, &mut found);
    }
    lockfiles::check(commit, diff, &mut found);
    found.findings(diff)
}

/// Whether the file can be read at all, and hangs together.
fn syntax(source: &Source<'_>, found: &mut Found) {
    if let Some((line, why)) = &source.broken {
        found.add(Flaw::new(
            Family::Syntax,
            source.path,
            *line,
            format!("the file is not valid YAML: {why}"),
        ));
        return;
    }
    let Some(root) = &source.yaml else { return };
    found.look(Family::Syntax, source.path);
    match source.kind {
        Kind::Workflow => github_gates::structure(source, root, found),
        Kind::GitLab => gitlab_gates::structure(source, root, found),
        _ => {}
    }
}

//! Which files make up the pipeline, and what each of them is; by path alone.
//!
//! Knows no content.

/// What a file of the pipeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// `.github/workflows/*.yml`.
    Workflow,
    /// `action.yml` anywhere.
    Action,
    /// `.gitlab-ci.yml` and what lies in `.gitlab/ci/`.
    GitLab,
    /// `templates/NAME.yml` or `templates/NAME/template.yml`: a GitLab component where it opens with `spec:`.
    Component,
    Makefile,
    Justfile,
    /// Dockerfiles and Containerfiles.
    Container,
    Compose,
    Lockfile,
    /// CI of other systems: read by people and models, and held against few checks.
    OtherCi,
}

/// Whether CONDUIT looks at `path` (`/`-separated from the root).
pub(crate) fn is_pipeline(path: &str) -> bool {
    kind_of(path).is_some()
}

/// What `path` is; `None` for what is no part of the pipeline, copies of other projects' files included.
pub(crate) fn kind_of(path: &str) -> Option<Kind> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if is_foreign(path) {
        return None;
    }
    let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    if yaml
        && (folder == ".github/workflows" || folder == ".gitea/workflows" || folder == ".forgejo/workflows")
    {
        return Some(Kind::Workflow);
    }
    if matches!(name, "action.yml" | "action.yaml") {
        return Some(Kind::Action);
    }
    if is_gitlab(path, folder, name, yaml) {
        return Some(Kind::GitLab);
    }
    if yaml && is_component(folder, name) {
        return Some(Kind::Component);
    }
    if LOCKFILES.contains(&name) {
        return Some(Kind::Lockfile);
    }
    if OTHER_CI.contains(&path) || name.starts_with("Jenkinsfile") {
        return Some(Kind::OtherCi);
    }
    of_build(name, yaml)
}

/// Whether `path` lies among other projects' files or examples.
pub(super) fn is_foreign(path: &str) -> bool {
    path.split('/').any(|part| FOREIGN.contains(&part))
        || path.contains("tests/data/")
        || path.contains("test/data/")
}

/// Folders that hold other projects' files, or examples of files.
const FOREIGN: &[&str] =
    &["node_modules", "vendor", "third_party", "testdata", "fixtures", "__fixtures__", ".git", ".pace"];

/// Lockfiles of the main ecosystems.
const LOCKFILES: &[&str] = &[
    "package-lock.json",
    "npm-shrinkwrap.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "Cargo.lock",
    "uv.lock",
    "poetry.lock",
    "pdm.lock",
    "Pipfile.lock",
    "go.sum",
    "Gemfile.lock",
    "composer.lock",
    "packages.lock.json",
    "gradle.lockfile",
    "mix.lock",
];

const OTHER_CI: &[&str] = &[
    "bitbucket-pipelines.yml",
    "azure-pipelines.yml",
    "azure-pipelines.yaml",
    ".circleci/config.yml",
    ".travis.yml",
    "appveyor.yml",
    ".appveyor.yml",
    ".drone.yml",
    ".cirrus.yml",
    ".woodpecker.yml",
];

fn is_gitlab(path: &str, folder: &str, name: &str, yaml: bool) -> bool {
    yaml && (matches!(path, ".gitlab-ci.yml" | ".gitlab-ci.yaml")
        || name.ends_with(".gitlab-ci.yml")
        || folder == ".gitlab/ci"
        || folder.starts_with(".gitlab/ci/"))
}

/// The two layouts that GitLab allows for a component.
fn is_component(folder: &str, name: &str) -> bool {
    match folder.split_once('/') {
        None => folder == "templates",
        Some(("templates", inner)) => {
            !inner.contains('/') && matches!(name, "template.yml" | "template.yaml")
        }
        Some(_) => false,
    }
}

fn of_build(name: &str, yaml: bool) -> Option<Kind> {
    let stem = |prefix: &str| {
        name == prefix || name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    let documentation =
        [".md", ".txt", ".rst", ".dockerignore", ".py", ".sh", ".go", ".rs", ".j2", ".tmpl", ".erb"];
    if name == "Makefile" || name == "GNUmakefile" || name == "makefile" || name.ends_with(".mk") {
        return Some(Kind::Makefile);
    }
    if matches!(name, "justfile" | "Justfile" | ".justfile") || name.ends_with(".just") {
        return Some(Kind::Justfile);
    }
    if yaml && (stem("docker-compose") || stem("compose")) {
        return Some(Kind::Compose);
    }
    let container = stem("Dockerfile")
        || stem("Containerfile")
        || name.to_ascii_lowercase().ends_with(".dockerfile")
        || name == "dockerfile";
    (container && !documentation.iter().any(|end| name.ends_with(end))).then_some(Kind::Container)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Kind::{
        Action, Component, Compose, Container, GitLab, Justfile, Lockfile, Makefile, OtherCi, Workflow,
    };

    #[test]
    fn kinds_by_path() {
        for (path, kind) in [
            (".github/workflows/ci.yml", Some(Workflow)),
            (".github/workflows/release.yaml", Some(Workflow)),
            (".github/workflows/README.md", None),
            (".github/workflows/old/ci.yml", None),
            ("templates/demo/project/.github/workflows/test.yml", None),
            (".github/dependabot.yml", None),
            ("action.yml", Some(Action)),
            (".github/actions/setup/action.yaml", Some(Action)),
            ("src/action.rs", None),
            (".gitlab-ci.yml", Some(GitLab)),
            ("ci/deploy.gitlab-ci.yml", Some(GitLab)),
            (".gitlab/ci/test.yml", Some(GitLab)),
            (".gitlab/ci/jobs/test.yaml", Some(GitLab)),
            (".gitlab/ci/script.sh", None),
            ("templates/pace.yml", Some(Component)),
            ("templates/pace/template.yml", Some(Component)),
            ("templates/pace/values.yml", None),
            ("chart/templates/pace.yml", None),
            ("Makefile", Some(Makefile)),
            ("src/GNUmakefile", Some(Makefile)),
            ("build/rules.mk", Some(Makefile)),
            ("Makefile.am", None),
            ("justfile", Some(Justfile)),
            ("Dockerfile", Some(Container)),
            ("docker/Dockerfile.dev", Some(Container)),
            ("Dockerfile-test", Some(Container)),
            ("api.Dockerfile", Some(Container)),
            ("Containerfile", Some(Container)),
            ("Dockerfile.md", None),
            ("Dockerfile.dockerignore", None),
            ("Dockerfiles", None),
            ("docker-compose.yml", Some(Compose)),
            ("deploy/docker-compose.prod.yaml", Some(Compose)),
            ("compose.yaml", Some(Compose)),
            ("composer.json", None),
            ("composer.lock", Some(Lockfile)),
            ("web/package-lock.json", Some(Lockfile)),
            ("Cargo.lock", Some(Lockfile)),
            ("go.sum", Some(Lockfile)),
            ("flake.lock", None),
            ("Jenkinsfile", Some(OtherCi)),
            ("ci/Jenkinsfile.release", Some(OtherCi)),
            ("bitbucket-pipelines.yml", Some(OtherCi)),
            ("azure-pipelines.yml", Some(OtherCi)),
            (".circleci/config.yml", Some(OtherCi)),
            ("node_modules/left-pad/Makefile", None),
            ("vendor/github.com/x/y/Dockerfile", None),
            ("tests/data/old/Dockerfile", None),
            ("src/main.rs", None),
            ("README.md", None),
        ] {
            assert_eq!(kind_of(path), kind, "{path}");
            assert_eq!(is_pipeline(path), kind.is_some(), "{path}");
        }
    }
}

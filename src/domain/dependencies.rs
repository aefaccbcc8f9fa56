//! What the setup made: folders of dependencies that a model leaves alone and git does not see. One record, shared by
//! everyone who must know of it. Must not know how a setup runs, nor touch the file system.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

/// Folders that package managers fill, wherever they lie.
const FOLDERS: &[&str] = &["node_modules", ".venv", "venv", "vendor", "bower_components", "Pods", ".bundle"];
/// What tools keep inside dependency folders while they run; it makes nobody a dependency.
const SCRATCH: &[&str] = &[".cache", ".vite", ".vite-temp", ".vitest"];
/// Folders that builds and test runs fill, wherever they lie.
const OUTPUTS: &[&str] = &[
    "target",
    "build",
    "dist",
    "out",
    "bin",
    "obj",
    "_build",
    "cmake-build-debug",
    "cmake-build-release",
    ".gradle",
    ".next",
    ".nuxt",
    ".svelte-kit",
    ".turbo",
    ".parcel-cache",
    ".angular",
    ".dart_tool",
    ".tox",
    ".nox",
    "coverage",
    "htmlcov",
    "TestResults",
    "test-results",
];

/// Folders that a run of the tests or a tool fills by the way.
const TRANSIENT: &[&str] =
    &["__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis", ".cache"];

/// The dependencies of a work tree. Clones share one record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dependencies(Arc<RwLock<Made>>);

#[derive(Debug, Default)]
struct Made {
    paths: BTreeSet<String>,
    programs: Option<PathBuf>,
}

impl Dependencies {
    /// Adds paths, `/`-separated from the root; a folder ends with `/`.
    pub(crate) fn add(&self, paths: impl IntoIterator<Item = String>) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).paths.extend(paths);
    }

    /// Children find programs here before anywhere else: the `bin` of a virtual environment.
    pub(crate) fn set_programs(&self, folder: PathBuf) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).programs = Some(folder);
    }

    /// The folders, without a `/` at their end.
    pub(crate) fn folders(&self) -> Vec<String> {
        self.read().paths.iter().filter_map(|path| path.strip_suffix('/')).map(str::to_owned).collect()
    }

    /// Whether `path` is one of them or lies in one.
    pub(crate) fn hold(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.read().paths.iter().any(|made| {
            let rest = path.strip_prefix(made.trim_end_matches('/'));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Folders inside of them that tools write to while they run, from the root; they need not exist.
    pub(crate) fn scratch(&self) -> Vec<String> {
        let modules = |path: &String| path.rsplit('/').next() == Some("node_modules");
        let folders = self.folders().into_iter().filter(modules);
        folders.flat_map(|folder| SCRATCH.iter().map(move |name| format!("{folder}/{name}"))).collect()
    }

    /// The environment of a child that inherits `env`.
    pub(crate) fn environment(&self, env: &[(String, String)]) -> Vec<(String, String)> {
        let mut env = env.to_vec();
        let Some(programs) = self.read().programs.clone() else { return env };
        let path = env.iter().find(|(name, _)| name == "PATH").map_or("/usr/bin:/bin", |(_, value)| value);
        let path = format!("{}:{path}", programs.display());
        let home = programs.parent().unwrap_or(Path::new("/")).display().to_string();
        env.retain(|(name, _)| !["PATH", "VIRTUAL_ENV", "PYTHONHOME"].contains(&name.as_str()));
        env.extend([("PATH".to_owned(), path), ("VIRTUAL_ENV".to_owned(), home)]);
        env
    }

    fn read(&self) -> RwLockReadGuard<'_, Made> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a folder of this name holds dependencies where git does not track it.
pub(crate) fn is_dependency_folder(name: &str) -> bool {
    FOLDERS.contains(&name)
}

/// Whether a folder of this name holds what a build or a test run makes anew.
pub(crate) fn is_output(name: &str) -> bool {
    OUTPUTS.contains(&name)
}

/// Whether a folder of this name is filled by the way and made anew at no cost.
pub(crate) fn is_transient(name: &str) -> bool {
    TRANSIENT.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(paths: &[&str]) -> Dependencies {
        let made = Dependencies::default();
        made.add(paths.iter().map(|&path| path.to_owned()));
        made
    }

    #[test]
    fn a_path_is_held_whole_names_at_a_time() {
        let made = made(&["node_modules/", "app/.venv/", ".pnp.cjs"]);
        for (path, held) in [
            ("node_modules", true),
            ("node_modules/", true),
            ("node_modules/a/b.js", true),
            ("node_modules2/a.js", false),
            ("app/.venv/bin/python", true),
            (".venv/bin/python", false),
            (".pnp.cjs", true),
            (".pnp.cjs.map", false),
        ] {
            assert_eq!(made.hold(path), held, "{path}");
        }
        assert_eq!(made.folders(), ["app/.venv", "node_modules"]);
        assert!(made.scratch().contains(&"node_modules/.vite".to_owned()));
        assert!(!made.scratch().iter().any(|path| path.contains("venv")));
    }

    #[test]
    fn programs_come_first_and_only_once_there_are_some() {
        let env = [("PATH", "/usr/bin"), ("VIRTUAL_ENV", "/ci/venv"), ("HOME", "/h")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let made = made(&[".venv/"]);
        assert_eq!(made.environment(&env), env);
        made.set_programs("/w/.venv/bin".into());
        let seen = made.environment(&env);
        let value =
            |name: &str| seen.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str()).collect::<Vec<_>>();
        assert_eq!(value("PATH"), ["/w/.venv/bin:/usr/bin"]);
        assert_eq!(value("VIRTUAL_ENV"), ["/w/.venv"]);
        assert_eq!(value("HOME"), ["/h"]);
    }
}

//! What a model's commands left in the work tree where git does not look: stubs of runners in dependency folders,
//! build outputs that no source made.
//!
//! Works below the given root only and follows no link. When a file was written is told by its change time, which no
//! program can set.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::tamper::stands_for_runner;
use crate::domain::hex::hex;

/// Folders that dependencies are installed to.
const DEPENDENCIES: &[&str] = &[
    "node_modules",
    ".venv",
    "venv",
    "env",
    "site-packages",
    "vendor",
    ".tox",
    ".nox",
    "__pypackages__",
    ".bundle",
    "bower_components",
    ".yarn",
    ".pixi",
    ".conda",
];
/// Folders that a build or a test run makes anew.
const OUTPUTS: &[&str] = &[
    "target",
    "build",
    "dist",
    "out",
    "obj",
    "bin",
    "__pycache__",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".gradle",
    ".next",
    ".nuxt",
    ".turbo",
    ".parcel-cache",
    ".cache",
    "coverage",
    "htmlcov",
    ".nyc_output",
    ".tsbuildinfo",
    "_build",
    "cmake-build-debug",
];
const MOST_FILES: usize = 400_000;

/// Path → digest of every file in the `ignored` dependency folders that a test runner consists of. Ignored entries are
/// from the root; folders end with `/`.
pub(crate) fn runners(root: &Path, ignored: &[String]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for path in files(root, ignored) {
        let name = path.to_string_lossy().replace('\\', "/");
        let parts: Vec<&str> = name.split('/').collect();
        if !parts.iter().any(|part| DEPENDENCIES.contains(part)) || parts.contains(&"__pycache__") {
            continue;
        }
        let of_runner = parts.windows(2).any(|pair| pair[0] == "node_modules" && is_node_runner(pair[1]));
        if (of_runner || stands_for_runner(&name))
            && let Ok(digest) = digest(&root.join(&path))
        {
            found.insert(name, digest);
        }
    }
    found
}

fn is_node_runner(package: &str) -> bool {
    let assertions = ["expect", "chai", "should", "unexpected", "power-assert", "loupe"].contains(&package);
    let runner = [
        "jest",
        "vitest",
        "mocha",
        "ava",
        "tap",
        "jasmine",
        "karma",
        "@jest",
        "@vitest",
        "vite-node",
        "vite",
        "tinypool",
        "tinyspy",
        "tape",
        "uvu",
        "tsx",
        "ts-jest",
    ]
    .contains(&package);
    assertions || runner || package.starts_with("jest-")
}

fn digest(path: &Path) -> io::Result<String> {
    let meta = path.symlink_metadata()?;
    let bytes = if meta.is_symlink() {
        fs::read_link(path)?.into_os_string().into_encoded_bytes()
    } else {
        fs::read(path)?
    };
    Ok(hex(&Sha256::digest(&bytes)[..16]))
}

/// The moment after which files count as written by the run's agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(i64, i64);

impl Moment {
    /// Writes `marker`; the moment is its change time.
    pub(crate) fn mark(marker: &Path) -> io::Result<Self> {
        if let Some(folder) = marker.parent() {
            fs::create_dir_all(folder)?;
        }
        // Made anew, so that a link in its place is not written through.
        drop(fs::remove_file(marker));
        fs::write(marker, "")?;
        Self::of(marker)
    }

    /// Whether the file at `path` was written later than a second after `until`, seconds since 1970.
    fn is_later(path: &Path, until: i64) -> bool {
        Self::of(path).is_ok_and(|written| written.0 > until.saturating_add(1))
    }

    /// The moment that `marker` holds.
    pub(crate) fn of(marker: &Path) -> io::Result<Self> {
        let meta = marker.symlink_metadata()?;
        Ok(Self(meta.ctime(), meta.ctime_nsec()))
    }
}

/// Removes what a build makes of the `ignored` files that were written since `since`: the test run makes it anew from the
/// sources. Dependency folders stay, but for the byte code in them. Returns the paths, from the root.
pub(crate) fn clear_outputs(root: &Path, ignored: &[String], since: Moment) -> io::Result<Vec<String>> {
    let outputs = outputs(root, ignored, since)?;
    for path in &outputs {
        fs::remove_file(root.join(path))?;
    }
    Ok(outputs)
}

/// The same files, where nobody may have them removed: those that were not written after `until` either.
pub(crate) fn left_outputs(
    root: &Path,
    ignored: &[String],
    since: Moment,
    until: i64,
) -> io::Result<Vec<String>> {
    let mut outputs = outputs(root, ignored, since)?;
    outputs.retain(|path| !Moment::is_later(&root.join(path), until));
    Ok(outputs)
}

/// `now` without the runners that somebody wrote after `until`: they are as `before` has them.
pub(crate) fn written_until(
    root: &Path,
    until: i64,
    before: &BTreeMap<String, String>,
    mut now: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let later = |path: &String| Moment::is_later(&root.join(path), until);
    for path in now.keys().filter(|path| later(path)).cloned().collect::<Vec<_>>() {
        match before.get(&path) {
            Some(digest) => now.insert(path, digest.clone()),
            None => now.remove(&path),
        };
    }
    now
}

fn outputs(root: &Path, ignored: &[String], since: Moment) -> io::Result<Vec<String>> {
    let mut found = Vec::new();
    for path in files(root, ignored) {
        let full = root.join(&path);
        let meta = full.symlink_metadata()?;
        let name = path.to_string_lossy().replace('\\', "/");
        let has = |folders: &[&str]| name.split('/').any(|part| folders.contains(&part));
        let output = has(&["__pycache__"]) || (has(OUTPUTS) && !has(DEPENDENCIES));
        if output && Moment(meta.ctime(), meta.ctime_nsec()) >= since {
            found.push(name);
        }
    }
    Ok(found)
}

/// Files and links below the ignored entries, from the root, without pace's own.
fn files(root: &Path, ignored: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        ignored.iter().map(|path| PathBuf::from(path.trim_end_matches('/'))).collect();
    open.retain(|path| !path.starts_with(".pace") && !path.starts_with(".git"));
    while let Some(path) = open.pop() {
        let Ok(meta) = root.join(&path).symlink_metadata() else { continue };
        if found.len() >= MOST_FILES {
            break;
        }
        if !meta.is_dir() {
            found.push(path);
        } else if let Ok(entries) = fs::read_dir(root.join(&path)) {
            open.extend(entries.flatten().map(|entry| path.join(entry.file_name())));
        }
    }
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn only_what_came_since_goes() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("tree");
        let ignored: Vec<String> =
            ["build/", "node_modules/", ".env", "local.py", ".pace/"].map(String::from).into();
        write(&root, "build/old.o", "old");
        write(&root, ".env", "person's");
        write(&root, "node_modules/left/index.js", "x");
        write(&root, ".pace/.run/x", "own");
        // The clock of change times moves in ticks.
        std::thread::sleep(std::time::Duration::from_millis(30));
        let since = Moment::mark(&dir.path().join("mark")).unwrap();
        write(&root, "build/sub/poison.o", "bad");
        write(&root, "local.py", "x = 1");
        write(&root, "node_modules/left/more.js", "x");
        write(&root, "node_modules/.cache/__pycache__/a.pyc", "x");
        let file = fs::File::options().write(true).open(root.join("build/sub/poison.o")).unwrap();
        file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        let removed = clear_outputs(&root, &ignored, since).unwrap();
        assert_eq!(removed, ["build/sub/poison.o", "node_modules/.cache/__pycache__/a.pyc"]);
        for kept in ["build/old.o", ".env", "local.py", "node_modules/left/more.js", ".pace/.run/x"] {
            assert!(root.join(kept).exists(), "{kept}");
        }
    }

    #[test]
    fn runners_are_known_by_their_content() {
        let dir = tempfile::tempdir().unwrap();
        let ignored: Vec<String> = [".venv/", "node_modules/", "build/"].map(String::from).into();
        for path in [
            ".venv/bin/pytest",
            ".venv/lib/python3/site-packages/_pytest/main.py",
            ".venv/lib/python3/site-packages/flask/app.py",
            "node_modules/.bin/jest",
            "node_modules/jest/bin/jest.js",
            "node_modules/left/index.js",
            "build/pytest",
        ] {
            write(dir.path(), path, "x");
        }
        let known = runners(dir.path(), &ignored);
        assert_eq!(
            known.keys().map(String::as_str).collect::<Vec<_>>(),
            [
                ".venv/bin/pytest",
                ".venv/lib/python3/site-packages/_pytest/main.py",
                "node_modules/.bin/jest",
                "node_modules/jest/bin/jest.js"
            ]
        );
        write(dir.path(), ".venv/bin/pytest", "exit 0");
        let now = runners(dir.path(), &ignored);
        assert_ne!(now[".venv/bin/pytest"], known[".venv/bin/pytest"]);
        assert_eq!(now["node_modules/.bin/jest"], known["node_modules/.bin/jest"]);
    }
}

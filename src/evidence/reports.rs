//! Report files of a test run: asking quiet runners for one, and finding those that this run wrote.
//!
//! Reads the file system below the given root only, never through a symbolic link. Knows no format.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Variables that make a runner which prints no names write a report into `folder`, without changing what it runs.
/// `env` are the variables that the child gets anyway; options in them are kept. A relative or unusable `folder`
/// asks for nothing.
pub(crate) fn report_env(command: &str, folder: &Path, env: &[(String, String)]) -> Vec<(String, String)> {
    let mut asked = Vec::new();
    let Some(folder) = folder.to_str().filter(|f| f.starts_with('/') && !f.contains(['\'', '\n'])) else {
        return asked;
    };
    if ["pytest", "py.test"].iter().any(|c| command.contains(c)) && !command.contains("no:junitxml") {
        let own = env.iter().find(|(name, _)| name == "PYTEST_ADDOPTS").map_or("", |(_, value)| value);
        // xunit1 is the flavour that tells a test's file. Options of the command itself come later and win.
        let options = format!("--junitxml='{folder}/pytest.xml' -o junit_family=xunit1 {own}");
        asked.push(("PYTEST_ADDOPTS".into(), options.trim_end().to_owned()));
    }
    let double_quotes = !folder.contains(['"', '\\']);
    if double_quotes && NODE_LAUNCHERS.iter().any(|word| command.contains(word)) {
        let own = env.iter().find(|(name, _)| name == "NODE_OPTIONS").map_or("", |(_, value)| value);
        let options = format!("--require \"{folder}/{NODE_NAMES}\" {own}");
        asked.push(("NODE_OPTIONS".into(), options.trim_end().to_owned()));
    }
    if command.contains("nextest") && !env.iter().any(|(name, _)| name == "NEXTEST_STATUS_LEVEL") {
        // Tests that are skipped are named too.
        asked.push(("NEXTEST_STATUS_LEVEL".into(), "skip".into()));
    }
    if command.contains("dotnet test") {
        // The build reads variables as properties; the report lands in each project's `TestResults`.
        asked.push(("VSTestLogger".into(), "trx".into()));
    }
    asked
}

/// Puts beside the reports what the variables of [`report_env`] speak of.
pub(crate) fn prepare(folder: &Path) -> std::io::Result<()> {
    fs::write(folder.join(NODE_NAMES), include_str!("reports/node_names.cjs"))?;
    fs::write(folder.join("mocha.cjs"), include_str!("reports/node_mocha.cjs"))
}

const NODE_NAMES: &str = "names.cjs";
/// Commands that may end in jest, vitest or mocha.
const NODE_LAUNCHERS: &[&str] = &["npm", "npx", "pnpm", "yarn", "jest", "vitest", "mocha"];

/// Report files as they stood before a run.
#[derive(Debug)]
pub(crate) struct Before {
    files: HashMap<PathBuf, Stamp>,
    wanted: Wanted,
}

/// Whether a file is a report: its name, whether it lies at the root, whether it lies among reports.
type Wanted = fn(&str, bool, bool) -> bool;

impl Before {
    /// Notes the report files below `root` and in `folder`.
    pub(crate) fn note(root: &Path, folder: &Path) -> Self {
        Self::of(root, folder, is_report)
    }

    /// Notes the coverage reports below `root`.
    pub(crate) fn note_coverage(root: &Path) -> Self {
        Self::of(root, root, |name, _, _| super::coverage::is_report(name))
    }

    fn of(root: &Path, folder: &Path, wanted: Wanted) -> Self {
        Self { files: candidates(root, folder, wanted).into_iter().collect(), wanted }
    }

    /// Name and content of the report files that were written since, sorted by path; at most 64 MiB in all.
    pub(crate) fn written_since(&self, root: &Path, folder: &Path) -> Vec<(String, String)> {
        let mut budget = MOST_BYTES;
        let mut found = candidates(root, folder, self.wanted);
        found.retain(|(path, stamp)| self.files.get(path) != Some(stamp));
        found.sort_by(|a, b| a.0.cmp(&b.0));
        let mut reports = Vec::new();
        for (path, stamp) in found {
            if stamp.bytes > budget {
                continue;
            }
            if let Ok(content) = fs::read(&path) {
                budget -= stamp.bytes;
                let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
                reports.push((name, String::from_utf8_lossy(&content).into_owned()));
            }
        }
        reports
    }
}

/// Leaves of `folder`, which the run had for its reports, these alone, as `clean` has their text.
pub(crate) fn mask(folder: &Path, clean: impl Fn(&str) -> Cow<'_, str>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let meta = entry.metadata().ok();
        let report = entry.file_name().to_str().is_some_and(|name| is_report(name, false, true))
            && meta.as_ref().is_some_and(|meta| meta.is_file() && meta.len() <= MOST_BYTES);
        let text = fs::read(&path).ok().filter(|_| report);
        let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if let Some(text) = &text
            && matches!(clean(text), Cow::Borrowed(_))
        {
            continue;
        }
        // Never written where it lies: it may be another file's second name. What cannot be removed goes with the folder
        // at the next run.
        if meta.is_some_and(|meta| meta.is_dir()) {
            let _ = fs::remove_dir_all(&path);
        } else if fs::remove_file(&path).is_ok()
            && let Some(text) = text
        {
            let _ = fs::write(&path, clean(&text).as_bytes());
        }
    }
}

/// The reports with the files that jest and mocha name by their whole path named from `root`.
pub(crate) fn from_root(mut reports: Vec<(String, String)>, root: &Path) -> Vec<(String, String)> {
    let root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
    let whole = format!("\"{}/", root.display());
    for (_, content) in reports.iter_mut().filter(|(name, _)| name.ends_with(".json")) {
        *content = content.replace(&whole, "\"");
    }
    reports
}

/// Removes Gradle's old result files: a test task whose results are there is skipped as up to date, and a run that
/// is skipped shows nothing. Only files that Gradle names itself are touched.
pub(crate) fn clear_stale(command: &str, root: &Path) {
    if !command.contains("gradle") {
        return;
    }
    for (path, _) in candidates(root, root, is_report) {
        let named = path.file_name().and_then(|n| n.to_str()).is_some_and(|n| n.starts_with("TEST-"));
        if named && path.components().any(|c| c.as_os_str() == "test-results") {
            // What cannot be removed is recognised as old by its time.
            let _ = fs::remove_file(&path);
        }
    }
}

/// When a file was written, and how large it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
}

const MOST_BYTES: u64 = 64 << 20;
/// Folders looked into at most, so that a huge tree costs a bounded time.
const MOST_FOLDERS: usize = 20_000;
const DEEPEST: usize = 8;

/// Folders that hold nothing but reports.
const REPORT_FOLDERS: &[&str] =
    &["surefire-reports", "failsafe-reports", "test-results", "TestResults", "test-reports", "nextest"];
/// Folders in which no runner leaves a report, and which are large.
const PASSED_OVER: &[&str] = &[
    ".git",
    ".pace",
    "node_modules",
    ".venv",
    "venv",
    ".tox",
    ".nox",
    "__pycache__",
    ".gradle",
    ".cargo",
    "debug",
    "release",
    "doc",
    "obj",
    "vendor",
    "site-packages",
    ".next",
    "classes",
    "test-classes",
];
/// Reports outside such folders, at the root.
const ROOT_FILES: &[&str] =
    &["junit.xml", "report.xml", "test-report.xml", "test-results.xml", "results.xml", "test-results.tap"];

fn candidates(root: &Path, folder: &Path, wanted: Wanted) -> Vec<(PathBuf, Stamp)> {
    let mut found = Vec::new();
    let mut open = vec![(root.to_path_buf(), 0, false)];
    if folder != root {
        open.push((folder.to_path_buf(), DEEPEST, true));
    }
    let mut visited = 0;
    while let Some((dir, depth, reports)) = open.pop() {
        visited += 1;
        if visited > MOST_FOLDERS {
            break;
        }
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            // Metadata of the entry itself: a link is neither a folder nor a file here.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() && depth < DEEPEST && !PASSED_OVER.contains(&name) {
                open.push((entry.path(), depth + 1, reports || REPORT_FOLDERS.contains(&name)));
            } else if meta.is_file() && wanted(name, depth == 0, reports) {
                found.push((entry.path(), stamp(&meta)));
            }
        }
    }
    found
}

fn is_report(name: &str, at_root: bool, among_reports: bool) -> bool {
    // jest has no other report than its own, and mocha is asked for the same.
    let json = ["jest-", "mocha-"].iter().any(|start| name.starts_with(start)) && name.ends_with(".json");
    let format = (among_reports && json) || [".xml", ".trx", ".tap"].iter().any(|e| name.ends_with(e));
    // Surefire's summary of a whole run repeats nothing, but is no JUnit report either.
    format && ((among_reports && !name.ends_with("-summary.xml")) || (at_root && ROOT_FILES.contains(&name)))
}

fn stamp(meta: &Metadata) -> Stamp {
    Stamp { modified: meta.modified().ok(), bytes: meta.len() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn only_quiet_runners_are_asked() {
        let env = [("PYTEST_ADDOPTS".to_owned(), "-x".to_owned())];
        let of = |command: &str| report_env(command, Path::new("/run/reports"), &env);
        let asked = of("pytest -q");
        assert_eq!(asked[0].0, "PYTEST_ADDOPTS");
        assert_eq!(asked[0].1, "--junitxml='/run/reports/pytest.xml' -o junit_family=xunit1 -x");
        assert!(of("cargo test").is_empty());
        assert_eq!(of("npm test"), [("NODE_OPTIONS".into(), "--require \"/run/reports/names.cjs\"".into())]);
        assert!(of("pytest -p no:junitxml").is_empty());
        assert!(report_env("pytest", Path::new("relative"), &env).is_empty());
    }

    #[test]
    fn reports_of_this_run_are_told_from_older_ones() {
        let dir = tempfile::tempdir().unwrap();
        let (root, folder) = (dir.path().join("tree"), dir.path().join("asked"));
        let write = |path: &str, text: &str, age: u64| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        write("tree/target/surefire-reports/TEST-old.xml", "old", 1000);
        write("tree/target/surefire-reports/TEST-again.xml", "same", 1000);
        write("tree/junit.xml", "old", 1000);
        let before = Before::note(&root, &folder);
        write("tree/target/surefire-reports/TEST-again.xml", "same", 0);
        write("tree/sub/build/test-results/test/TEST-new.xml", "new", 0);
        write("tree/web/TestResults/a.trx", "trx", 0);
        write("asked/pytest.xml", "asked", 0);
        write("tree/node_modules/x/test-results/TEST-x.xml", "foreign", 0);
        write("tree/src/data.xml", "data", 0);
        write("outside/TEST-secret.xml", "secret", 0);
        std::os::unix::fs::symlink(
            dir.path().join("outside/TEST-secret.xml"),
            root.join("target/surefire-reports/TEST-link.xml"),
        )
        .unwrap();
        std::os::unix::fs::symlink(dir.path().join("outside"), root.join("test-results")).unwrap();
        let found = before.written_since(&root, &folder);
        let mut contents: Vec<&str> = found.iter().map(|(_, content)| content.as_str()).collect();
        contents.sort_unstable();
        assert_eq!(contents, ["asked", "new", "same", "trx"]);
        assert!(found.iter().any(|(name, _)| name == "web/TestResults/a.trx"));
    }

    #[test]
    fn gradle_finds_no_old_results() {
        let dir = tempfile::tempdir().unwrap();
        let results = dir.path().join("build/test-results/test");
        fs::create_dir_all(&results).unwrap();
        for name in ["TEST-a.xml", "other.xml"] {
            fs::write(results.join(name), "x").unwrap();
        }
        clear_stale("mvn test", dir.path());
        assert!(results.join("TEST-a.xml").exists());
        clear_stale("./gradlew test", dir.path());
        assert!(!results.join("TEST-a.xml").exists());
        assert!(results.join("other.xml").exists());
    }
}

//! Which command tests the project, told from its files, and whether a runner could start at all.
//!
//! Runs nothing and reads nothing by itself: the caller names the files and reads them.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern;
use crate::domain::observation::{CommandRun, Exit};

/// A test command and what in the repository speaks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Detected {
    /// For `sh -c` at the repository root.
    pub command: String,
    /// The file that decided, e.g. `Cargo.toml`.
    pub because: String,
}

/// The test command of a repository; the first runner of the SPEC's list (`PACE_TEST_COMMAND`) whose mark is there.
///
/// `files` are paths from the root (`/`-separated); those below folders are only looked at to find Python tests.
/// `read` gives the content of one of them. A Python manifest that does not mention pytest decides only where no
/// other runner is marked: many repositories of other languages keep one for their tooling.
pub(crate) fn detect(files: &[String], read: impl Fn(&str) -> Option<String>) -> Option<Detected> {
    let at_root = |name: &str| files.iter().any(|f| f == name);
    let found =
        |command: &str, because: &str| Some(Detected { command: command.into(), because: because.into() });
    if let Some(because) = pytest_mark(files, &read) {
        return found(PYTEST, because);
    }
    if at_root("Cargo.toml") {
        return found("cargo test", "Cargo.toml");
    }
    if at_root("go.mod") {
        return found("go test ./... -v", "go.mod");
    }
    if at_root("package.json") && read("package.json").is_some_and(|text| has_test_script(&text)) {
        return found("npm test", "package.json");
    }
    if at_root("pom.xml") {
        return found(if at_root("mvnw") { "./mvnw -q test" } else { "mvn -q test" }, "pom.xml");
    }
    let gradle = ["build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts"];
    if let Some(mark) = gradle.into_iter().find(|f| at_root(f)) {
        return found(if at_root("gradlew") { "./gradlew test" } else { "gradle test" }, mark);
    }
    let dotnet = |extension: &str| files.iter().find(|f| !f.contains('/') && f.ends_with(extension));
    if let Some(mark) = [".sln", ".slnx", ".csproj", ".fsproj", ".vbproj"].into_iter().find_map(dotnet) {
        return found("dotnet test -v minimal", mark);
    }
    let manifests = ["pyproject.toml", "setup.cfg", "setup.py", "requirements.txt"];
    manifests.into_iter().find(|f| at_root(f)).and_then(|mark| found(PYTEST, mark))
}

/// Whether the command could not start a test runner at all, as opposed to tests that failed. Such a run is a
/// configuration error that names the command, never a HOLD.
pub(crate) fn is_missing_runner(run: &CommandRun) -> bool {
    let text = run.output.text();
    match run.exit {
        Exit::Code(126 | 127) => text.trim().is_empty() || NOT_STARTED.is_match(&text),
        Exit::Code(code) if code != 0 => NO_MODULE.is_match(&text),
        _ => false,
    }
}

const PYTEST: &str = "pytest -v --tb=short";

static NOT_STARTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)not found|no such file|permission denied|cannot execute|exec format error|is a directory")
});

/// Launchers that start themselves and then miss the runner.
static NO_MODULE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^\S*python\S*: No module named \S+$|^error: no such command: `|^error: `\S+` is not installed for the toolchain",
    )
});

fn pytest_mark<'a>(files: &'a [String], read: &impl Fn(&str) -> Option<String>) -> Option<&'a str> {
    let decides = |file: &&String| match file.as_str() {
        "pytest.ini" | ".pytest.ini" | "conftest.py" => true,
        "pyproject.toml" | "setup.cfg" | "tox.ini" => read(file).is_some_and(|text| text.contains("pytest")),
        path => is_python_test(path),
    };
    let first = files.iter().filter(|f| !f.contains('/')).find(decides);
    first.or_else(|| files.iter().find(|f| is_python_test(f))).map(String::as_str)
}

/// Python tests where pytest finds them without being told: at the root, or below `tests` or `test`.
fn is_python_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let test = (name.starts_with("test_") && name.ends_with(".py")) || name.ends_with("_test.py");
    test && (!path.contains('/') || path.starts_with("tests/") || path.starts_with("test/"))
}

/// Whether `package.json` has a `test` script of its own, not the placeholder that `npm init` writes.
fn has_test_script(package: &str) -> bool {
    let Ok(package) = serde_json::from_str::<serde_json::Value>(package) else {
        return false;
    };
    let script = package.pointer("/scripts/test").and_then(|s| s.as_str()).unwrap_or_default().trim();
    !script.is_empty() && !script.contains("no test specified")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::Output;

    /// Files with their content; command and mark.
    type Row<'a> = (&'a [(&'a str, &'a str)], Option<(&'a str, &'a str)>);

    fn detected(files: &[(&str, &str)]) -> Option<(String, String)> {
        let names: Vec<String> = files.iter().map(|(name, _)| (*name).to_owned()).collect();
        let read =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        detect(&names, read).map(|d| (d.command, d.because))
    }

    #[test]
    fn detection_table() {
        let script = r#"{"scripts":{"test":"jest"}}"#;
        let placeholder = r#"{"scripts":{"test":"echo \"Error: no test specified\" && exit 1"}}"#;
        let table: &[Row<'_>] = &[
            (&[], None),
            (&[("README.md", "")], None),
            (&[("pytest.ini", "")], Some((PYTEST, "pytest.ini"))),
            (&[("pyproject.toml", "[tool.pytest.ini_options]")], Some((PYTEST, "pyproject.toml"))),
            (&[("setup.cfg", "[tool:pytest]")], Some((PYTEST, "setup.cfg"))),
            (&[("tox.ini", "[pytest]\n")], Some((PYTEST, "tox.ini"))),
            (&[("conftest.py", "")], Some((PYTEST, "conftest.py"))),
            (&[("tests/test_a.py", "")], Some((PYTEST, "tests/test_a.py"))),
            (&[("tests/unit/test_a.py", "")], Some((PYTEST, "tests/unit/test_a.py"))),
            (&[("tests/helper.py", "")], None),
            (&[("src/test_a.py", "")], None),
            (&[("test_a.py", ""), ("Cargo.toml", "")], Some((PYTEST, "test_a.py"))),
            (&[("pyproject.toml", "[project]")], Some((PYTEST, "pyproject.toml"))),
            (&[("pyproject.toml", "[tool.ruff]"), ("Cargo.toml", "")], Some(("cargo test", "Cargo.toml"))),
            (&[("Cargo.toml", ""), ("package.json", script)], Some(("cargo test", "Cargo.toml"))),
            (&[("sub/Cargo.toml", "")], None),
            (&[("go.mod", ""), ("package.json", script)], Some(("go test ./... -v", "go.mod"))),
            (&[("package.json", script)], Some(("npm test", "package.json"))),
            (&[("package.json", placeholder)], None),
            (&[("package.json", "{}")], None),
            (&[("package.json", "not json")], None),
            (&[("package.json", placeholder), ("pom.xml", "")], Some(("mvn -q test", "pom.xml"))),
            (&[("pom.xml", ""), ("mvnw", "")], Some(("./mvnw -q test", "pom.xml"))),
            (&[("build.gradle", "")], Some(("gradle test", "build.gradle"))),
            (&[("build.gradle.kts", ""), ("gradlew", "")], Some(("./gradlew test", "build.gradle.kts"))),
            (&[("pom.xml", ""), ("build.gradle", "")], Some(("mvn -q test", "pom.xml"))),
            (&[("Shop.sln", "")], Some(("dotnet test -v minimal", "Shop.sln"))),
            (&[("Shop.csproj", "")], Some(("dotnet test -v minimal", "Shop.csproj"))),
            (&[("src/Shop.csproj", "")], None),
        ];
        for (files, expected) in table {
            let expected = expected.map(|(c, b)| (c.to_owned(), b.to_owned()));
            assert_eq!(detected(files), expected, "{files:?}");
        }
    }

    #[test]
    fn a_missing_runner_is_told_from_failing_tests() {
        for (code, output, missing) in [
            (127, "sh: 1: pytest: not found", true),
            (127, "bash: line 1: jest: command not found", true),
            (126, "sh: 1: ./gradlew: Permission denied", true),
            (127, "", true),
            (127, "1 failed", false),
            (1, "/usr/bin/python3: No module named pytest", true),
            (101, "error: no such command: `nextest`", true),
            (1, "E   ModuleNotFoundError: No module named 'shop'", false),
            (1, "page not found", false),
            (0, "sh: 1: x: not found", false),
        ] {
            let run = CommandRun {
                command: "pytest".into(),
                exit: Exit::Code(code),
                output: Output { head: output.into(), total_bytes: output.len() as u64, ..Output::default() },
                duration_ms: 1,
            };
            assert_eq!(is_missing_runner(&run), missing, "{code} {output}");
        }
    }
}

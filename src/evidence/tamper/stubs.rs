//! Files that would run in the place of a test runner, or be loaded by it before the tests.

use std::collections::BTreeMap;

use super::{Look, Sign};
use crate::domain::artifact::{Finding, FindingResult};

const CHECK: &str = "Stubbed runner";

/// Programs that a test command starts.
const PROGRAMS: &[&str] = &[
    "pytest",
    "py.test",
    "tox",
    "nox",
    "python",
    "python3",
    "npm",
    "npx",
    "node",
    "yarn",
    "pnpm",
    "bun",
    "deno",
    "jest",
    "vitest",
    "mocha",
    "ava",
    "tap",
    "cargo",
    "rustc",
    "cargo-nextest",
    "go",
    "mvn",
    "gradle",
    "java",
    "javac",
    "dotnet",
    "make",
    "ruby",
    "rspec",
    "rake",
    "bundle",
    "php",
    "phpunit",
    "bats",
    "prove",
    "sh",
    "bash",
    "uv",
    "poetry",
    "mix",
    "swift",
    "ctest",
];

/// Modules that a runner or its interpreter loads by name.
const MODULES: &[&str] = &[
    "pytest",
    "_pytest",
    "unittest",
    "pluggy",
    "nose",
    "nose2",
    "sitecustomize",
    "usercustomize",
    "_pytest_pyfunc_call",
];

/// Folders from which Python takes modules by their bare names, and those that dependencies are installed to.
const ROOTS: &[&str] =
    &["src", "lib", "site-packages", "dist-packages", "node_modules", "vendor", "__pypackages__"];

/// Whether a file of this path stands for a runner.
pub(crate) fn stands_for_runner(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let name = parts.pop().unwrap_or_default();
    let stem = name
        .strip_suffix(".pth")
        .map(|_| "sitecustomize")
        .unwrap_or_else(|| name.split('.').next().unwrap_or(name));
    let python = [".py", ".pyc", ".pyi", ".so", ".pth"].iter().any(|end| name.ends_with(end));
    let windows = [".cmd", ".exe", ".bat"].iter().any(|end| name.ends_with(end));
    let program = PROGRAMS.contains(&name) || (windows && PROGRAMS.contains(&stem));
    let module = python && MODULES.contains(&stem);
    // A folder of tests may be called `unittest`: only where the bare name leads to it, and not with tests in it.
    let package = parts.iter().enumerate().any(|(at, part)| {
        let rooted = at.checked_sub(1).is_none_or(|above| ROOTS.contains(&parts[above]));
        MODULES.contains(part) && rooted
    });
    program || module || (python && package && !name.starts_with("test_"))
}

/// FAIL for each file of a runner in a dependency folder that is not as the run found it, unless the change of a manifest
/// (`manifests`: its added and removed lines) names the package.
pub(crate) fn in_dependencies(
    before: &BTreeMap<String, String>,
    now: &BTreeMap<String, String>,
    manifests: &str,
) -> Vec<Finding> {
    let changed = now.iter().filter(|(path, digest)| before.get(*path) != Some(digest));
    let asked = |path: &str| {
        let mut words =
            path.split(['/', '.', '@', '_']).filter(|word| PROGRAMS.contains(word) || MODULES.contains(word));
        words.any(|word| manifests.contains(word))
    };
    let named: Vec<&str> = changed.map(|(path, _)| path.as_str()).filter(|path| !asked(path)).collect();
    let Some(first) = named.first() else { return vec![] };
    let more = if named.len() > 1 { format!(" and {} more", named.len() - 1) } else { String::new() };
    vec![Finding {
        check: CHECK.to_owned(),
        result: FindingResult::Fail,
        evidence: format!(
            "{first}{more}: a file of the test runner was changed during the run, outside of git"
        ),
        file: None,
        line: None,
        fingerprint: None,
    }]
}

pub(super) fn signs(look: &Look<'_>) -> Vec<Sign> {
    let appeared = look.changed.iter().filter(|file| file.after.is_some() && file.before != file.after);
    appeared
        .filter(|file| stands_for_runner(&file.path) && !is_in_package(look.base_paths, &file.path))
        .map(|file| Sign {
            check: CHECK,
            path: file.path.clone(),
            line: Some(1),
            test: None,
            what: "would run in the place of the test runner, or be loaded by it".into(),
            holds: true,
        })
        .collect()
}

/// Whether a module lies in a package of the day base: `shop/plugins/pytest.py` is no `pytest`.
fn is_in_package(base_paths: &[String], path: &str) -> bool {
    let Some((folder, name)) = path.rsplit_once('/') else { return false };
    let init = format!("{folder}/__init__.py");
    name.ends_with(".py") && name != "__init__.py" && !MODULES.contains(&folder) && base_paths.contains(&init)
}

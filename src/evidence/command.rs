//! Criteria that are commands: the binary runs them itself.
//!
//! Only reads text; running is the caller's.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern;
use super::results::fold;

/// The command of a criterion that asks for nothing but its success: `` `make lint` exits 0 ``, or
/// `pytest -q exits 0` where the first word is a known tool. `None` for every other criterion.
pub(crate) fn command_of(criterion: &str) -> Option<String> {
    let text = fold(criterion);
    let command = COMMAND.captures(&text).map(|c| c[1].trim().to_owned()).or_else(|| {
        let command = BARE_COMMAND.captures(&text)?[1].to_owned();
        let first = command.split(' ').next().unwrap_or_default();
        (TOOLS.contains(&first) || first.starts_with("./")).then_some(command)
    })?;
    (!command.is_empty() && !command.contains('`')).then_some(command)
}

static COMMAND: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^`([^`]+)` (?:exits?(?: with)?(?: code| status)? 0|returns 0|succeeds|passes)\.?$")
});
static BARE_COMMAND: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^([a-z./][^`]*?) (?:exits?(?: with)?(?: code| status)? 0|returns 0)\.?$"));

/// First words that make a criterion without backticks a command.
const TOOLS: &[&str] = &[
    "pytest",
    "python",
    "python3",
    "tox",
    "nox",
    "ruff",
    "mypy",
    "flake8",
    "black",
    "pyright",
    "uv",
    "poetry",
    "cargo",
    "go",
    "golangci-lint",
    "npm",
    "npx",
    "pnpm",
    "yarn",
    "bun",
    "deno",
    "node",
    "tsc",
    "eslint",
    "jest",
    "vitest",
    "mocha",
    "mvn",
    "gradle",
    "dotnet",
    "make",
    "just",
    "cmake",
    "ctest",
    "bash",
    "sh",
    "bats",
    "terraform",
    "helm",
    "rspec",
    "rake",
    "bundle",
    "phpunit",
    "composer",
    "mix",
    "swift",
    "sbt",
    "shellcheck",
    "pre-commit",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn criteria_that_are_commands() {
        for (criterion, command) in [
            ("`make lint` exits 0", Some("make lint")),
            ("`make lint` exits with code 0.", Some("make lint")),
            ("`npm run build` succeeds", Some("npm run build")),
            ("pytest -q exits 0", Some("pytest -q")),
            ("cargo clippy --all exits with status 0", Some("cargo clippy --all")),
            ("./check.sh exits 0", Some("./check.sh")),
            ("`make lint` exits 1", None),
            ("`make lint` exits 0 and prints nothing", None),
            ("the server exits 0", None),
            ("greet exits 0", None),
            ("It runs `make lint`", None),
            ("`User.create()` stores a hash", None),
            ("exits 0", None),
            ("`` exits 0", None),
            ("", None),
        ] {
            assert_eq!(command_of(criterion).as_deref(), command, "{criterion}");
        }
    }
}

//! Console output of `dotnet test`.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^(?:Passed|Failed)!\s+- Failed:|^Test Run (?:Successful|Failed|Aborted)\.|^Starting test execution, please wait|^Total tests: ",
    )
});
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s*(Passed|Failed|Skipped) (\S.*?) \[(?:< )?\d[\d.,]* ?(?:ms|s|m|h)[^\]]*\]\s*$")
});
/// Skipped tests have no duration in some versions; xunit prefixes its own lines.
static SHORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:  (Skipped|Failed) ([\w.+]+(?:\(.*\))?)|\[xUnit\.net [\d:.]+\]\s+([\w.+]+(?:\(.*\))?) \[(FAIL|SKIP)\])\s*$",
    )
});

/// Whether the output is that of dotnet's test host.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads the lines that name tests; at `-v minimal` only those that did not pass.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    for line in lines {
        if let Some(c) = LINE.captures(line) {
            found.add(&c[2], status(&c[1]));
        } else if let Some(c) = SHORT.captures(line) {
            let part = |i: usize| c.get(i).map_or("", |m| m.as_str());
            let (word, name) = if part(1).is_empty() { (part(4), part(3)) } else { (part(1), part(2)) };
            found.add(name, status(word));
        }
    }
    found
}

fn status(word: &str) -> TestStatus {
    match word {
        "Passed" => TestStatus::Passed,
        "Skipped" | "SKIP" => TestStatus::Skipped,
        _ => TestStatus::Failed,
    }
}

//! Output of pytest: `-v` lines, with `-s` noise or xdist prefixes, and the short test summary.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^=+ (?:test session starts|short test summary info|.* in [\d.]+s.*) =+\s*$|^(?:\d+ \w+, )*\d+ (?:passed|failed|skipped|errors?|xfailed|xpassed|deselected)(?:, \d+ [a-z ]+)* in [\d.]+s",
    )
});

const NAME: &str = r"\S+?::[^\s\[]+(?:\[.*?\])?";
const STATUS: &str = r"PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS|RERUN|SUBPASS(?:ED)?|SUBFAIL(?:ED)?|SUBSKIP(?:PED)?|SUBXFAIL|SUBXPASS";

/// `name STATUS (reason) [ 50%]`
static VERBOSE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"^({NAME}) (?:({STATUS})(?:[\[(].*?[\])])?(?: \(.*\))?(?:\s+\[\s*\d+%\])?\s*)$"))
});
/// `STATUS name` as xdist and the short summary write it, with a message after it there.
static SUMMARY: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(
        r"^(?:\[gw\d+\] \[\s*\d+%\] )?({STATUS})(?:[\[(].*?[\])])? (\S+?::[^\s\[]+(?:\[.*?\])?|\S+\.\w+)(?: - .*)?\s*$"
    ))
});
/// A test that has begun; what it prints follows.
static BEGUN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\S+?::[^\s\[]+(?:\[.*?\])?) "));
/// The verdict at the end of what a test printed.
static LATE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(?:|.*\s)(PASSED|FAILED|ERROR|SKIPPED|XFAIL|XPASS)(?: \(.*\))?(?:\s+\[\s*\d+%\])?\s*$")
});
static HEADER: LazyLock<Regex> = LazyLock::new(|| pattern(r"^={3,} (.+?) ={3,}\s*$"));

/// Whether the output is pytest's.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads the progress lines and the short summary; captured output of tests lies in sections that are passed over.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut reading = true;
    let mut summary = false;
    let mut begun: Option<&str> = None;
    for line in lines {
        if line.starts_with("===") {
            if let Some(title) = HEADER.captures(line).and_then(|c| c.get(1)) {
                summary = title.as_str() == "short test summary info";
                reading = summary || title.as_str() == "test session starts";
                begun = None;
            }
            continue;
        }
        if !reading {
            continue;
        }
        if let Some(c) = SUMMARY.captures(line) {
            found.verdict(&c[2], &c[1]);
        } else if summary {
            continue;
        } else if let Some(c) = VERBOSE.captures(line) {
            found.verdict(&c[1], &c[2]);
            begun = None;
        } else if let Some(c) = begun.and_then(|_| LATE.captures(line)) {
            found.verdict(begun.take().unwrap_or_default(), &c[1]);
        } else if let Some(c) = BEGUN.captures(line) {
            begun = c.get(1).map(|m| m.as_str());
        }
    }
    found
}

impl Found {
    fn verdict(&mut self, name: &str, word: &str) {
        let status = match word {
            "PASSED" | "XPASS" | "SUBXPASS" => TestStatus::Passed,
            "SKIPPED" | "XFAIL" => TestStatus::Skipped,
            // A part of a test that passed or was skipped says nothing of the whole; a rerun is not the end.
            "RERUN" | "SUBPASS" | "SUBPASSED" | "SUBSKIP" | "SUBSKIPPED" | "SUBXFAIL" => return,
            _ => TestStatus::Failed,
        };
        self.add(name, status);
    }
}

//! Output of a runner that is not known: lines that give one test and its verdict.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus::{self, Failed, Passed, Skipped};
use crate::evidence::pattern;

/// `PASS name`, `ok: name`, `✓ name`, `[ OK ] Suite.name (3 ms)`
static BEFORE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^\s* (?: \[\s*)? (PASS(?:ED)?|OK|ok|✓|✔|√|FAIL(?:ED)?|ERROR|not\ ok|✗|✕|✘|✖|×|SKIP(?:PED)?|skip|○)
          (?: \s*\])? (?: \s*:\s+ | \s+-\s+ | \s+ ) (\S.*?) (?: \s\(\d[\d.]*\s?m?s(?:\ total)?\) )? \s*$",
    )
});
/// `name ... ok`, `name: PASS`, `Test #1: name .... Passed 0.01 sec`
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)^\s* (?:\d+/\d+\ +)? (?:Test\ +\#\d+:\ +)? (\S.*?) (?: \s*\.{2,}\s* | :\s+ )
          (?:\*{3})? (ok|OK|PASS(?:ED)?|Passed|FAIL(?:ED)?|Failed|SKIP(?:PED)?|Skipped|skipped) (?: \s+[\d.]+\ (?:sec|s|ms) )? \s*$",
    )
});

/// Reads every line that has one of the two forms.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    for line in lines {
        if let Some(c) = AFTER.captures(line) {
            found.add(&c[1], status(&c[2]));
        } else if let Some(c) = BEFORE.captures(line) {
            found.add(&c[2], status(&c[1]));
        }
    }
    found
}

fn status(word: &str) -> TestStatus {
    match word.to_ascii_lowercase().as_str() {
        "pass" | "passed" | "ok" | "✓" | "✔" | "√" => Passed,
        "skip" | "skipped" | "○" => Skipped,
        _ => Failed,
    }
}

//! Output of `cargo nextest run`.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^\s*(?:Nextest run ID |Summary \[\s*[\d.]+s\] +\d+)"));
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s+(?:TRY \d+ )?([A-Z]+(?:-[A-Z]+)*)(?: \d+/\d+)? \[[^\]]*\]\s+(?:\((?:\s*\d+/\d+|[─-]+)\)\s+)?(\S+)\s+(\S.*?)\s*$",
    )
});

/// Whether the output is nextest's.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads status lines. A failed try is final only in the closing summary.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut closing = false;
    for line in lines {
        closing |= line.trim_start().starts_with("Summary [");
        let Some(c) = LINE.captures(line) else { continue };
        let attempt = line.trim_start().starts_with("TRY ");
        let status = match &c[1] {
            "PASS" | "LEAK" | "FLAKY" => TestStatus::Passed,
            "SKIP" => TestStatus::Skipped,
            "SLOW" | "RETRY" | "DELAY" | "START" | "SETUP" | "TERMINATING" => continue,
            _ if attempt && !closing => continue,
            _ => TestStatus::Failed,
        };
        found.add_from(&c[2], "::", &c[3], status);
    }
    found
}

//! Output of Python's `unittest -v`, and the names in its failure sections.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^Ran \d+ tests? in [\d.]+s\s*$"));
/// `test_x (module.Class.test_x) (i=1) ... ok`, or its first line where the test has a description.
static LINE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(\w+) \(([\w.]+)\)(?: [\[(].*[\])])*(?:( \.\.\. ?)(.*))?\s*$"));
/// The next test on the line of one that had a failing part and no verdict of its own, in Python before 3.11.
static NEXT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^.*? \.\.\. (\w+ \([\w.]+\)(?: \.\.\. ?.*)?)$"));
static SECTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(FAIL|ERROR|UNEXPECTED SUCCESS): (\w+) \(([\w.]+)\)"));
static VERDICT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:^|\s)(ok|FAIL|ERROR|expected failure|unexpected success|skipped '.*'|skipped \x22.*\x22)\s*$",
    )
});

/// Whether the output is unittest's.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads verbose lines up to the failure sections, whose titles name tests for quiet runs too.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut begun: Option<String> = None;
    let mut sections = false;
    for (i, line) in lines.iter().enumerate() {
        if line.starts_with("======") {
            sections = true;
        }
        if sections {
            let titled = i > 0 && lines[i - 1].starts_with("======");
            if let Some(c) = titled.then(|| SECTION.captures(line)).flatten() {
                found.add(&full_name(&c[2], &c[3]), TestStatus::Failed);
            }
            continue;
        }
        let line = match NEXT.captures(line).and_then(|c| c.get(1)) {
            Some(next) => next.as_str(),
            None => line,
        };
        if let Some(c) = LINE.captures(line) {
            let name = full_name(&c[1], &c[2]);
            match c.get(4).and_then(|rest| status(rest.as_str())) {
                Some(status) => {
                    found.add(&name, status);
                    begun = None;
                }
                None => begun = Some(name),
            }
        } else if let Some(name) = &begun
            && let Some(status) = status(line)
        {
            found.add(name, status);
            begun = None;
        }
    }
    found
}

fn status(text: &str) -> Option<TestStatus> {
    let word = VERDICT.captures(text)?.get(1)?.as_str();
    Some(match word {
        "ok" => TestStatus::Passed,
        // unittest fails a run for an unexpected success.
        "FAIL" | "ERROR" | "unexpected success" => TestStatus::Failed,
        _ => TestStatus::Skipped,
    })
}

/// Python before 3.11 leaves the method out of the parentheses.
fn full_name(method: &str, place: &str) -> String {
    let whole = place.rsplit('.').next() == Some(method);
    if whole { place.to_owned() } else { format!("{place}.{method}") }
}

//! Output of `cargo test`: several binaries, doc-tests, output that is not captured.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^(?:running \d+ tests?|test result: \w+\. .*)\s*$"));
static BINARY: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s+Running (?:unittests )?(\S+)(?: \((.*)\))?\s*$|^\s+Doc-tests (\S+)\s*$"));
static BEGINS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^running (\d+) tests?\s*$"));
static LINE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^test (\S+?(?: - .*?\(line \d+\))?)((?: - [a-z ]+)*) \.\.\. ?(.*)$"));

/// Whether the output is cargo test's.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads the `test … ok` lines of each binary; what failing tests printed comes after `failures:` and is passed over.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut origins: HashMap<String, u32> = HashMap::new();
    let mut origin = String::new();
    let mut printed = false;
    let mut begun: Option<String> = None;
    let mut open: Option<u64> = None;
    for line in lines {
        if let Some(c) = BINARY.captures(line) {
            ended_early(open.take(), &origin, &mut found);
            let stem = c.get(3).map_or_else(
                || binary(c.get(2).or(c.get(1)).map_or("", |m| m.as_str())),
                |doc| format!("doc {}", doc.as_str()),
            );
            let nth = origins.entry(stem.clone()).and_modify(|n| *n += 1).or_insert(1);
            origin = if *nth == 1 { stem } else { format!("{stem}#{nth}") };
            (printed, begun) = (false, None);
        } else if let Some(c) = BEGINS.captures(line).filter(|_| open.is_none()) {
            open = c[1].parse().ok().filter(|tests| *tests > 0);
        } else if line.starts_with("test result: ") || line.starts_with("… ") {
            open = None;
        } else if *line == "failures:" {
            printed = true;
        } else if printed {
            continue;
        } else if let Some(c) = LINE.captures(line) {
            match status(c[3].trim()) {
                Some(status) => found.add_from(&origin, "::", &c[1], status),
                None => begun = Some(c[1].to_owned()),
            }
        } else if let Some(name) = &begun
            && let Some(status) = status(line.trim())
        {
            found.add_from(&origin, "::", name, status);
            begun = None;
        }
    }
    ended_early(open, &origin, &mut found);
    found
}

/// A process that ends before the result of its tests, whatever its exit code, has not passed them.
fn ended_early(open: Option<u64>, origin: &str, found: &mut Found) {
    if let Some(tests) = open {
        let name = if origin.is_empty() { "the test binary" } else { origin };
        found.add(&format!("{name}: ended before the result of its {tests} tests"), TestStatus::Failed);
    }
}

fn status(word: &str) -> Option<TestStatus> {
    match word {
        "ok" => Some(TestStatus::Passed),
        "FAILED" => Some(TestStatus::Failed),
        _ if word.starts_with("ok (") || word.starts_with("ok <") || word.starts_with("bench:") => {
            Some(TestStatus::Passed)
        }
        _ if word.starts_with("FAILED (") || word.starts_with("FAILED <") => Some(TestStatus::Failed),
        _ if word == "ignored" || word.starts_with("ignored,") => Some(TestStatus::Skipped),
        _ => None,
    }
}

/// `target/debug/deps/api-6cb41438011a0265` → `api`
fn binary(path: &str) -> String {
    let file = path.rsplit(['/', '\\']).next().unwrap_or(path);
    let file = file.strip_suffix(".exe").unwrap_or(file);
    match file.rsplit_once('-') {
        Some((stem, hash)) if hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => {
            stem.to_owned()
        }
        _ => file.to_owned(),
    }
}

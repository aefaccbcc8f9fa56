//! Where a failed assertion goes unseen: in what is caught and thrown away, and in scripts that end well whatever
//! they ran.

use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::Language;
use super::test_text::{TestText, line_after, line_before};

/// Places in which a failed assertion goes unseen.
pub(super) fn swallowed(test: &TestText<'_>) -> Vec<(usize, usize)> {
    match test.language {
        Language::Python => python(&test.masked),
        Language::Shell => unheard(&test.masked),
        Language::Other | Language::Ruby => vec![],
        _ => braces(test),
    }
}

static EXCEPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^except\s*(?::|.*\b(?:Exception|BaseException|AssertionError|ImportError|ModuleNotFoundError|NameError|AttributeError)\b)",
    )
});
static SUPPRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^with\s+(?:contextlib\.)?suppress\(.*\b(?:Exception|BaseException|AssertionError)\b")
});
/// What makes a handler one that does see the failure.
static SEEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\braise\b|\bfail\w*\s*\(|\bassert|\bthrow\b|\bexpect\s*\(|\bdone\s*\(|\breject\s*\(|panic!|[Ff]atal|Error\w*\(|exit\s*\(\s*[1-9]|=\s*(?:True|true|e\b|err)",
    )
});

fn python(masked: &str) -> Vec<(usize, usize)> {
    let mut lines: Vec<(usize, usize, &str)> = Vec::new();
    let mut at = 0;
    for line in masked.split_inclusive('\n') {
        if !line.trim().is_empty() {
            lines.push((at, line.len() - line.trim_start().len(), line.trim()));
        }
        at += line.len();
    }
    let end_of = |from: usize| {
        let indent = lines[from].1;
        (from + 1..lines.len()).find(|&i| lines[i].1 <= indent).unwrap_or(lines.len())
    };
    let place = |i: usize| lines.get(i).map_or(masked.len(), |line| line.0);
    let mut found = Vec::new();
    for (i, (start, indent, line)) in lines.iter().enumerate() {
        if SUPPRESS.is_match(line) {
            found.push((*start, place(end_of(i))));
        }
        if !line.starts_with("try:") {
            continue;
        }
        let handler = end_of(i);
        if lines.get(handler).is_some_and(|h| h.1 == *indent && EXCEPT.is_match(h.2)) {
            let body = &masked[place(handler)..place(end_of(handler))];
            let body = body.split_once(':').map_or("", |(_, body)| body);
            if !SEEN.is_match(body) {
                found.push((*start, place(handler)));
            }
        }
    }
    found
}

static TRY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\btry\s*\{|\bcatch_unwind\s*\("));
static CATCH: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*catch\b[^{]*\{"));

/// Bytes of a handler that are looked through; a longer one is taken to see the failure.
const LONGEST: usize = 4_000;

fn braces(test: &TestText<'_>) -> Vec<(usize, usize)> {
    let masked = &test.masked;
    let of = |m: regex::Match<'_>| {
        let close = test.closing(m.end() - 1)?;
        if m.as_str().starts_with("catch_unwind") {
            return line_before(masked, m.start()).contains("let _").then_some((m.start(), close));
        }
        let handler = CATCH.find(line_after(masked, close + 1))?;
        let open = close + handler.end();
        let end = test.closing(open)?;
        (end - open <= LONGEST && !SEEN.is_match(&masked[open..end])).then_some((m.start(), close))
    };
    TRY.find_iter(masked).filter_map(of).collect()
}

static HEARD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^\s*set\s+-\w*e|\|\|\s*(?:\{\s*)?(?:exit|return|fail|die|bad|no)|\bif\b|&&|\bexit\s+(?:[1-9]|\$)|\breturn\s+(?:[1-9]|\$)|@test|\$\?",
    )
});

/// A shell's file whose exit code is always 0, and lines that end in `|| true`.
fn unheard(masked: &str) -> Vec<(usize, usize)> {
    let last = masked.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let always = matches!(last, "true" | ":" | "exit 0" | "exit") || last.starts_with("echo ");
    if always && !HEARD.is_match(masked) {
        return vec![(0, masked.len())];
    }
    let mut at = 0;
    let mut found = Vec::new();
    for line in masked.split_inclusive('\n') {
        let said = line.trim_end();
        if said.ends_with("|| true") || said.ends_with("|| :") {
            found.push((at, at + line.len()));
        }
        at += line.len();
    }
    found
}

//! A Rust file split at its test items: what `#[cfg(test)]` and `#[test]` stand on.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::{Language, mask};

static MARK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"#\s*(!?)\s*\[\s*(?:cfg\s*\(\s*(?:test\s*\)|all\s*\(\s*(?:[^()]*,\s*)?test\s*[,)])|(?:\w+\s*::\s*)*test\s*[\](]|rstest|test_case|proptest)",
    )
});

/// The production part of a Rust file: everything but its test items.
pub(crate) fn production_part(text: &str) -> String {
    let mut rest = String::new();
    let mut from = 0;
    for span in spans(text) {
        rest.push_str(&text[from..span.start]);
        from = span.end;
    }
    rest.push_str(&text[from..]);
    rest
}

/// The test items of a Rust file, in order.
pub(crate) fn test_part(text: &str) -> String {
    spans(text).into_iter().map(|span| format!("{}\n", &text[span])).collect()
}

/// Lines of the test items, half-open and counted from 1.
pub(crate) fn test_lines(text: &str) -> Vec<(u32, u32)> {
    let breaks: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    let line = |at: usize| u32::try_from(breaks.partition_point(|n| *n < at)).unwrap_or(u32::MAX - 2) + 1;
    spans(text).into_iter().map(|span| (line(span.start), line(span.end.max(1) - 1) + 1)).collect()
}

/// The file as it was before the day, with today's test items: what is left when the production change is taken
/// out. Items within another item stay with it.
pub(crate) fn recombined(before: &str, now: &str) -> String {
    let mut text = String::new();
    let mut from = 0;
    for span in topmost(before) {
        text.push_str(&before[from..span.start]);
        from = span.end;
    }
    text.push_str(&before[from..]);
    for span in topmost(now) {
        text.push('\n');
        text.push_str(&now[span]);
    }
    text
}

/// The test items that stand in no other item.
fn topmost(text: &str) -> Vec<Range<usize>> {
    let masked = mask::masked(Language::Rust, text);
    let (mut open, mut from) = (0, 0);
    let mut spans = spans(text);
    spans.retain(|span| {
        open += depth(&masked[from..span.start]);
        from = span.start;
        open == 0
    });
    spans
}

/// Byte ranges of the outermost test items, attributes included.
fn spans(text: &str) -> Vec<Range<usize>> {
    let masked = mask::masked(Language::Rust, text);
    let mut spans: Vec<Range<usize>> = Vec::new();
    for mark in MARK.captures_iter(&masked) {
        let Some(whole) = mark.get(0) else { continue };
        if mark.get(1).is_some_and(|inner| !inner.is_empty()) {
            return std::iter::once(0..text.len()).collect();
        }
        if spans.last().is_some_and(|last| whole.start() < last.end) {
            continue;
        }
        let start = line_start(&masked, whole.start());
        spans.push(start..item_end(&masked, whole.start()));
    }
    spans
}

fn line_start(text: &str, at: usize) -> usize {
    // Only the blanks are looked at: the line may be endless.
    let before = text[..at].trim_end_matches(|c: char| c != '\n' && c.is_whitespace());
    if before.is_empty() || before.ends_with('\n') { before.len() } else { at }
}

/// End of the item whose first attribute is at `at`: after the attributes, the first `;` or balanced `{…}`.
fn item_end(masked: &str, at: usize) -> usize {
    let bytes = masked.as_bytes();
    let mut at = at;
    let mut depth = 0_i32;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' => depth -= 1,
            b'}' => {
                depth -= 1;
                if depth <= 0 {
                    return line_end(masked, at + 1);
                }
            }
            b';' if depth == 0 => return line_end(masked, at + 1),
            // A match arm, a field, an element.
            b',' if depth == 0 => return line_end(masked, at + 1),
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

fn line_end(text: &str, at: usize) -> usize {
    let rest = text[at..].trim_start_matches(|c: char| c != '\n' && c.is_whitespace());
    match rest.strip_prefix('\n') {
        Some(rest) => text.len() - rest.len(),
        None if rest.is_empty() => text.len(),
        None => at,
    }
}

fn depth(masked: &str) -> i64 {
    let count = |c: char| i64::try_from(masked.matches(c).count()).unwrap_or(0);
    count('{') - count('}')
}

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
    let line = |at: usize| u32::try_from(text[..at].matches('\n').count()).unwrap_or(u32::MAX) + 1;
    spans(text).into_iter().map(|span| (line(span.start), line(span.end.max(1) - 1) + 1)).collect()
}

/// The file as it was before the day, with today's test items: what is left when the production change is taken
/// out. Items within another item stay with it.
pub(crate) fn recombined(before: &str, now: &str) -> String {
    let masked = mask::masked(Language::Rust, before);
    let top = |masked: &str, span: &Range<usize>| depth(&masked[..span.start]) == 0;
    let mut text = String::new();
    let mut from = 0;
    for span in spans(before).into_iter().filter(|span| top(&masked, span)) {
        text.push_str(&before[from..span.start]);
        from = span.end;
    }
    text.push_str(&before[from..]);
    let masked = mask::masked(Language::Rust, now);
    for span in spans(now).into_iter().filter(|span| top(&masked, span)) {
        text.push('\n');
        text.push_str(&now[span]);
    }
    text
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
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    if text[start..at].trim().is_empty() { start } else { at }
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
    let rest = &text[at..];
    let end = rest.find('\n').map_or(rest.len(), |n| n + 1);
    if rest[..end].trim().is_empty() { at + end } else { at }
}

fn depth(masked: &str) -> i64 {
    let count = |c: char| i64::try_from(masked.matches(c).count()).unwrap_or(0);
    count('{') - count('}')
}

//! Lines of test code as they count: what a formatter breaks over lines is one again, and each knows how deep it stands.
//!
//! Knows no test and no rule.

use std::sync::LazyLock;

use regex::Regex;

use super::patterns::is_assertion;
use crate::evidence::pattern;

/// What tells how deep a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Blanks,
    Brackets,
}

/// Lines that do something, and how deep they stand: no blanks, no comments, no docstrings. What a formatter breaks over
/// lines is one: an assertion up to the bracket that closes it, with what is chained to it, and Go's condition with the
/// report that it leads to.
pub(super) fn code<'a>(lines: impl Iterator<Item = &'a str>, depth: Depth) -> (Vec<String>, Vec<usize>) {
    let mut kept: Vec<String> = Vec::new();
    let mut depths = Vec::new();
    let mut quoted: Option<&str> = None;
    // Brackets that are open before a line; those of the assertion that it may belong to.
    let (mut open, mut awaited) = (0_i32, 0_i32);
    let mut taken = 0;
    for raw in lines {
        let line = raw.trim();
        if let Some(mark) = quoted {
            if line.contains(mark) {
                quoted = None;
            }
            continue;
        }
        if let Some(mark) = ["\"\"\"", "'''"].into_iter().find(|mark| line.starts_with(mark)) {
            if !line[3..].contains(mark) {
                quoted = Some(mark);
            }
            continue;
        }
        let comment = ["//", "/*", "*/", "* ", "-- "].iter().any(|c| line.starts_with(c))
            || (line.starts_with('#') && !line.starts_with("#["));
        if line.is_empty() || comment {
            continue;
        }
        let shown: String = outside_strings(line).into_iter().collect();
        let balance = brackets(&shown, depth);
        let closes = shown.chars().take_while(|c| matches!(c, ')' | ']' | '}')).count();
        let at = open - i32::try_from(closes).unwrap_or(0);
        open += brackets(&shown, Depth::Blanks);
        let last = kept.last_mut();
        if let Some(last) = last.filter(|_| taken > 0 && (awaited > 0 || line.starts_with('.'))) {
            append(last, line);
            awaited += balance;
            taken = if taken < LONGEST_ASSERTION { taken + 1 } else { 0 };
            continue;
        }
        let report = kept.last().is_some_and(|last| last.starts_with("if ") && last.ends_with('{'));
        if let Some(said) = GO_REPORT.find(line).filter(|_| report)
            && let Some(last) = kept.last_mut()
        {
            last.push(' ');
            last.push_str(said.as_str());
            taken = 0;
            continue;
        }
        let asserts = is_assertion(&shown, false) && !shown.ends_with(':') && !line.starts_with("if ");
        (taken, awaited) = if asserts { (1, balance) } else { (0, 0) };
        kept.push(line.to_owned());
        depths.push(match depth {
            Depth::Blanks => indent(raw),
            Depth::Brackets => usize::try_from(at).unwrap_or(0),
        });
    }
    (kept, depths)
}

/// A longer one is not read as one.
const LONGEST_ASSERTION: usize = 60;

static GO_REPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\w+\.(?:Error|Fatal)f?\("));

/// How many more brackets of a line open than close. A brace opens a block where blocks are told by them.
fn brackets(shown: &str, depth: Depth) -> i32 {
    let brace = |c: char| matches!(c, '{' | '}') && depth == Depth::Brackets;
    let of = |c: char| match c {
        c if brace(c) => 0,
        '(' | '[' | '{' => 1,
        ')' | ']' | '}' => -1,
        _ => 0,
    };
    shown.chars().map(of).sum()
}

/// Puts the next line of an assertion behind it as it would stand on one.
fn append(text: &mut String, line: &str) {
    if line.starts_with([')', ']', '}']) && text.ends_with(',') {
        text.pop();
    }
    let glued = text.ends_with(['(', '[', '{']) || line.starts_with([')', ']', '}', '.']);
    if !glued {
        text.push(' ');
    }
    text.push_str(line);
}

/// The characters of a line that are not inside a string on it.
pub(super) fn outside_strings(line: &str) -> Vec<char> {
    let mut out = Vec::new();
    let mut inside: Option<char> = None;
    let mut escaped = false;
    let chars: Vec<char> = line.chars().collect();
    for (n, &c) in chars.iter().enumerate() {
        match inside {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => inside = None,
            Some(_) => {}
            // A lifetime or an apostrophe is no string: it is not closed on the line.
            None if matches!(c, '"' | '\'' | '`') && chars[n + 1..].contains(&c) => inside = Some(c),
            None if c == '/' && chars.get(n + 1) == Some(&'/') => break,
            None => out.push(c),
        }
    }
    out
}

pub(super) fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

//! A run's output as plain lines: no ANSI sequences, no overwritten progress.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::evidence::pattern;

static ANSI: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[@-Z\\-_])")
});

/// `text` without terminal escape sequences.
pub(crate) fn strip_ansi(text: &str) -> Cow<'_, str> {
    if text.contains('\x1b') { ANSI.replace_all(text, "") } else { Cow::Borrowed(text) }
}

/// The lines of `text` as a terminal would leave them: what a carriage return overwrote is gone.
pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.split('\n')
        .map(|line| {
            let line = line.trim_end_matches('\r');
            line.rsplit_once('\r').map_or(line, |(_, last)| last)
        })
        .collect()
}

/// Trimmed, with every run of white space as one blank.
pub(crate) fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !folded.is_empty() {
            folded.push(' ');
        }
        folded.push_str(word);
    }
    folded
}

/// Width of the leading blanks, a tab counted as four.
pub(super) fn indent(line: &str) -> usize {
    line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { 4 } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_and_overwritten_progress_are_gone() {
        let text = "\x1b[32m✓\x1b[39m a\x1b[2m > \x1b[22mb\r\n10%\r50%\rdone\n\x1b]0;title\x07c";
        assert_eq!(lines(&strip_ansi(text)), ["✓ a > b", "done", "c"]);
    }

    #[test]
    fn folding_joins_words_with_one_blank() {
        assert_eq!(fold("  a \t b\u{a0}c "), "a b c");
    }
}

//! Places in files as people and models write them.

use std::sync::LazyLock;

use regex::Regex;

use super::pattern;
use super::results::fold;

/// `path:line`, `path#L12` or a path; what follows a dash is a remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub path: String,
    pub line: Option<u32>,
}

impl Place {
    /// Reads the place at the start of `text`.
    pub(crate) fn parse(text: &str) -> Self {
        let text = unquoted(text);
        let text = text.split([' ', '—', '–', ',', ';']).next().unwrap_or_default();
        let text = text.trim_end_matches([':', '.', '`', ')']).trim_start_matches(['`', '(']);
        let text = text.strip_prefix("./").unwrap_or(text);
        PLACE.captures(text).map_or_else(
            || Self { path: text.to_owned(), line: None },
            // A number too large for a line is no line of any file.
            |c| Self { path: c[1].to_owned(), line: Some(c[2].parse().unwrap_or(0)) },
        )
    }
}

static PLACE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(.+?)(?::|#L)(\d+)(?:[:-]L?\d+)*$"));

/// Folded, without quotes around it.
pub(super) fn unquoted(text: &str) -> String {
    fold(text).trim_matches(|c| matches!(c, '`' | '"' | '\'')).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        for (text, path, line) in [
            ("src/a.py:42", "src/a.py", Some(42)),
            ("`src/a.py:42` — no timeout", "src/a.py", Some(42)),
            ("./src/a.py:42:7", "src/a.py", Some(42)),
            ("src/a.py:3-9", "src/a.py", Some(3)),
            ("src/a.py#L12", "src/a.py", Some(12)),
            ("src/a.py#L12-L14", "src/a.py", Some(12)),
            ("src/a.py", "src/a.py", None),
            ("(src/a.py:1).", "src/a.py", Some(1)),
            ("src/a.py:99999999999", "src/a.py", Some(0)),
            ("", "", None),
        ] {
            assert_eq!(Place::parse(text), Place { path: path.into(), line }, "{text}");
        }
    }
}

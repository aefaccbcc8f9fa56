//! What CI logs read as commands: how pace writes them, and how no other text becomes one.
//!
//! GitHub: a line that starts with `::` after blanks, and the older `##[` anywhere in a line. GitLab: section
//! markers around a carriage return and an escape. Knows no event.

use std::time::Duration;

use crate::domain::event::Level;
use crate::settings::LogStyle;

/// One line of text that is no command in any log. `line` has no control characters but tabs.
pub(super) fn tame(line: &str) -> String {
    let line = line
        .replace("##[", "# #[")
        .replace("section_start:", "section_start :")
        .replace("section_end:", "section_end :");
    let start = line.len() - line.trim_start().len();
    if line[start..].starts_with("::") {
        format!("{}: :{}", &line[..start], &line[start + 2..])
    } else {
        line
    }
}

/// A GitHub annotation.
pub(super) fn annotation(level: Level, title: Option<&str>, text: &str) -> String {
    let command = command(level);
    match title {
        Some(title) => format!("::{command} title={}::{}", property(title), data(text)),
        None => format!("::{command}::{}", data(text)),
    }
}

/// A line of a file.
pub(super) struct Place<'a> {
    /// Path from the repository root.
    pub file: &'a str,
    /// From 1.
    pub line: u32,
}

/// A GitHub annotation on a line of the code.
pub(super) fn located(level: Level, place: &Place<'_>, title: &str, text: &str) -> String {
    let command = command(level);
    let (file, title) = (property(place.file), property(title));
    format!("::{command} file={file},line={},title={title}::{}", place.line, data(text))
}

/// The line that opens a group, where the log knows groups. `name` is pace's own word.
pub(super) fn open(style: LogStyle, name: &str, at: Duration) -> Option<String> {
    match style {
        LogStyle::Plain => None,
        LogStyle::GitHub => Some(format!("::group::{}", data(name))),
        // GitLab shows the difference of the two numbers, so seconds since the start of the run do.
        LogStyle::GitLab => Some(format!(
            "\x1b[0Ksection_start:{}:{}[collapsed=true]\r\x1b[0K{name}",
            at.as_secs(),
            section(name)
        )),
    }
}

/// The line that closes the group `name`.
pub(super) fn close(style: LogStyle, name: &str, at: Duration) -> Option<String> {
    match style {
        LogStyle::Plain => None,
        LogStyle::GitHub => Some("::endgroup::".to_owned()),
        LogStyle::GitLab => Some(format!("\x1b[0Ksection_end:{}:{}\r\x1b[0K", at.as_secs(), section(name))),
    }
}

/// The workflow command of a level.
const fn command(level: Level) -> &'static str {
    match level {
        Level::Info => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}

fn section(name: &str) -> String {
    let name: String = name
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('_'),
            c if c.is_ascii_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        })
        .collect();
    format!("pace_{name}")
}

fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tame_table() {
        for (line, expected) in [
            ("tests/test_a.py::test_b PASSED", "tests/test_a.py::test_b PASSED"),
            ("::error::x", ": :error::x"),
            ("  ::stop-commands::x", "  : :stop-commands::x"),
            ("\u{a0}::error::x", "\u{a0}: :error::x"),
            ("a ##[error]x", "a # #[error]x"),
            ("section_start:0:x", "section_start :0:x"),
            ("section_end:0:x", "section_end :0:x"),
        ] {
            assert_eq!(tame(line), expected);
        }
    }

    #[test]
    fn an_annotation_is_one_line() {
        assert_eq!(
            annotation(Level::Error, Some("day 1: a,b\n"), "100%\r\nnext: x"),
            "::error title=day 1%3A a%2Cb%0A::100%25%0D%0Anext: x"
        );
        assert_eq!(annotation(Level::Warning, None, "x"), "::warning::x");
    }

    #[test]
    fn sections_open_and_close_under_one_name() {
        let at = Duration::from_millis(61_900);
        assert_eq!(
            open(LogStyle::GitLab, "FORGE, round 2", at).unwrap(),
            "\x1b[0Ksection_start:61:pace_forge_round_2[collapsed=true]\r\x1b[0KFORGE, round 2"
        );
        assert_eq!(
            close(LogStyle::GitLab, "FORGE, round 2", at).unwrap(),
            "\x1b[0Ksection_end:61:pace_forge_round_2\r\x1b[0K"
        );
        assert_eq!(open(LogStyle::GitHub, "GATE", at).unwrap(), "::group::GATE");
        assert_eq!(open(LogStyle::Plain, "GATE", at), None);
    }
}

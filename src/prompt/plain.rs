//! Plain text that cannot do anything: no terminal codes, no hidden characters, and in commit messages nothing
//! that a forge would act on. Knows no Markdown.

/// A pattern that is known when the program is written; a test compiles each.
macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: std::sync::LazyLock<regex::Regex> =
            std::sync::LazyLock::new(|| regex::Regex::new($text).expect("a pattern compiles"));
    };
}
pub(super) use pattern;

// ECMA-48: control sequences, strings ended by BEL or ST, two-character escapes, and the 8-bit CSI.
pattern!(
    ESCAPES,
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]|\x{9b}[0-?]*[ -/]*[@-~]"
);

/// `text` as a reader sees it: without terminal codes, controls, and characters that hide or reorder text.
/// Line ends become `\n`; tabs stay.
pub(crate) fn visible(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}', '\u{85}'], "\n");
    let text = ESCAPES.replace_all(&text, "");
    text.chars().filter(|&c| c == '\n' || c == '\t' || !hidden(c)).collect()
}

/// `text` on one line: visible, runs of white space folded into one blank.
pub(crate) fn line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// At most `max` characters; the last one is `…` where something was cut.
pub(crate) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// One line of a commit message or title.
pub(crate) fn message_line(text: &str) -> String {
    tame(&line(text))
}

/// Paragraphs of a commit message: wrapped at 72 columns, and no line that reads as a trailer or a comment.
pub(crate) fn message_body(text: &str) -> String {
    visible(text)
        .split("\n\n")
        .map(|paragraph| wrap(&message_line(paragraph)))
        .filter(|paragraph| !paragraph.is_empty())
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// The words with which GitHub and GitLab close an issue from a text, and a Jira integration a ticket.
macro_rules! closing {
    () => {
        r"(?i)\b(clos(?:e[sd]?|ing)|fix(?:e[sd]|ing)?|resolv(?:e[sd]?|ing)|implement(?:s|ed|ing)?)"
    };
}
pub(super) use closing;

pattern!(CLOSES, concat!(closing!(), r"(:?\s+)(\S*[#!/-]\d\S*)"));
pattern!(REFERENCE, r"(?i)([#!]|\b(?:GH|GL)-)(\d)");
pattern!(MENTION, r"(^|[^\w`])@([\w\[])");
// `[skip ci]`, `[ci skip]`, `[no ci]`, `[actions skip]`: the CI would not judge the commit.
pattern!(SKIP_CI, r"(?i)\[([^\[\]]*\b(?:skip|no)\b[^\[\]]*)\]");
pattern!(NO_CI, r"(?i)\*\*\*\s*no_ci\s*\*\*\*");

/// Takes the effect out of mentions, references, closing words and CI switches; visibly, for a commit
/// message is read raw.
fn tame(text: &str) -> String {
    let text = CLOSES.replace_all(text, "$1$2\"$3\"");
    let text = REFERENCE.replace_all(&text, "$1 $2");
    // One mention may begin where another one ends, `@[@name`, and a match takes that place away from the next.
    let mut text = text.into_owned();
    while MENTION.is_match(&text) {
        text = MENTION.replace_all(&text, "$1@ $2").into_owned();
    }
    let text = SKIP_CI.replace_all(&text, "($1)");
    NO_CI.replace_all(&text, "NO CI").into_owned()
}

const WIDTH: usize = 72;

pattern!(NOT_PROSE, r"^(?:[A-Za-z0-9-]+\s*:|#|---)");

fn wrap(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    // A leading blank makes a line a continuation, so a body can never carry a trailer of its own.
    for line in &mut lines {
        if NOT_PROSE.is_match(line) {
            line.insert(0, ' ');
        }
    }
    lines.join("\n")
}

/// Controls, and the format characters that hide, join, reorder or smuggle text.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0d}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// `text` on one line within an element or a quoted attribute of an HTML page.
pub(crate) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in line(text).chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&ESCAPES, &CLOSES, &REFERENCE, &MENTION, &SKIP_CI, &NO_CI, &NOT_PROSE] {
            assert!(!pattern.as_str().is_empty());
        }
    }

    #[test]
    fn visible_table() {
        for (text, expected) in [
            ("plain\ttext", "plain\ttext"),
            ("\x1b[31mred\x1b[0m", "red"),
            ("\x1b]8;;https://evil\x07link\x1b]8;;\x07", "link"),
            ("\x1b]0;title\x1b\\after", "after"),
            ("\x1b]0;never ended\nnext", "\nnext"),
            ("\x1b\x1b[31m[31mx", "[31mx"),
            ("\u{9b}31mx", "x"),
            ("a\r\nb\rc\u{2028}d", "a\nb\nc\nd"),
            ("a\u{200b}b\u{202e}c\u{2066}d\u{feff}e\u{e0041}f", "abcdef"),
            ("nul\0bell\x07", "nulbell"),
            ("été 日本 ✔\u{fe0f}", "été 日本 ✔\u{fe0f}"),
        ] {
            assert_eq!(visible(text), expected, "{text:?}");
        }
    }

    #[test]
    fn message_line_table() {
        for (text, expected) in [
            ("Add login\nendpoint", "Add login endpoint"),
            ("fixes #12", "fixes \"# 12\""),
            ("Closes: owner/repo#7", "Closes: \"owner/repo# 7\""),
            ("Resolve PROJ-9 now", "Resolve \"PROJ-9\" now"),
            ("see GH-3 and !4", "see GH- 3 and ! 4"),
            ("thanks @octocat", "thanks @ octocat"),
            ("@[@[@octocat", "@ [@ [@ octocat"),
            ("mail a@example.org", "mail a@example.org"),
            ("done [skip ci]", "done (skip ci)"),
            ("done [ci\nskip]", "done (ci skip)"),
            ("done ***NO_CI***", "done NO CI"),
            ("passlib[bcrypt] added", "passlib[bcrypt] added"),
            ("fixed 3 typos", "fixed 3 typos"),
        ] {
            assert_eq!(message_line(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_body_is_wrapped_and_carries_no_trailer() {
        let body = message_body(&format!(
            "First {}\n\nPace-Day: 99\nSigned-off-by: x\n\n---\n\n\n\n# note",
            "word ".repeat(30)
        ));
        for line in body.lines() {
            assert!(line.chars().count() <= WIDTH + 1, "{line:?}");
        }
        assert!(body.ends_with("\n\n Pace-Day: 99 Signed-off-by: x\n\n ---\n\n # note"), "{body}");
    }

    #[test]
    fn cut_counts_characters() {
        assert_eq!(cut("été", 3), "été");
        assert_eq!(cut("étés", 3), "ét…");
        assert_eq!(cut("a b c", 3), "a…");
        assert_eq!(cut("abc", 0), "…");
    }
}

//! Values inside Markdown that stay text: no tag, link, mention, reference, closing word, list, heading,
//! quick action or table comes out of them, on GitHub and on GitLab.
//!
//! Both forges look for mentions and references in the *rendered* text, where an escaped character is itself
//! again; only a character between sigil and name breaks them. So a zero-width space is put there, spelled as
//! the entity `&#8203;` for everybody to see. Hidden characters of the value itself are taken out first.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::plain::{closing, line, pattern, visible};

/// What [`inline`] puts between the parts of a reference. No value can bring one: [`visible`] takes it out.
const BREAK: char = '\u{200b}';

pattern!(CLOSES, concat!(closing!(), r"(:?\s)"));
pattern!(NUMBERED, r"[#!&/-]\d");
pattern!(KEYED, r"(?i)\b(?:GH-|GL-|www\.)");
pattern!(BRACKETED, r"(\[[a-z_]+)(:)");

/// `text` within a line of Markdown: one physical line, line ends as `<br>`.
pub(crate) fn inline(text: &str) -> String {
    let text = visible(text);
    let lines: Vec<_> = text.lines().map(line).filter(|l| !l.is_empty()).map(|l| inert(&l)).collect();
    guard_start(lines.join("<br>"))
}

/// `text` within a table cell: like [`inline`], line ends as blanks.
pub(crate) fn cell(text: &str) -> String {
    guard_start(inert(&line(text)))
}

/// `text` as a fenced block whose fence is longer than any run of backticks inside. Has to stand at the start
/// of a line; ends without a line end. `language` is the info string.
pub(crate) fn code(text: &str, language: &str) -> String {
    let text = visible(text);
    let text = REFERRED.replace_all(&text, "$1$2 $3");
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    let language: String = language.chars().filter(char::is_ascii_alphanumeric).collect();
    let mut block = format!("{fence}{language}\n");
    for line in text.trim_end_matches('\n').lines() {
        // GitLab ends a block at the first line of three backticks when it looks for quick actions.
        if line.starts_with('/') {
            block.push(' ');
        }
        block.push_str(line);
        block.push('\n');
    }
    block.push_str(&fence);
    block
}

pattern!(REFERRED, concat!(closing!(), r"(:?\s+\S*[#!-])(\d)"));

/// `url` as a link where it is one of http or https, else inert text.
pub(crate) fn link(url: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@!$&'()*+,;=%".contains(c);
    let is_url = url.starts_with("https://") || url.starts_with("http://");
    if is_url && url.chars().all(plain) { format!("<{url}>") } else { inline(url) }
}

/// `text` as part of a hidden marker `<!-- pace:… -->`: different texts stay different, and no comment can
/// be ended. Letters, digits and `._/` stay, also a single `-`; other bytes become `%XX`.
pub(crate) fn marker(text: &str) -> String {
    let mut part = String::new();
    for byte in text.bytes() {
        let keep = byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'/')
            || (byte == b'-' && !part.ends_with('-'));
        if keep {
            part.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(part, "%{byte:02X}");
        }
    }
    part
}

/// `text` for use between the double quotes of a Mermaid label: whatever is not a letter, digit, blank or one
/// of `.,_-/()` becomes a character code.
pub(crate) fn mermaid(text: &str) -> String {
    let mut label = String::new();
    for c in line(text).chars() {
        if c.is_alphanumeric() || " .,_-/()·…".contains(c) {
            label.push(c);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(label, "#{};", u32::from(c));
        }
    }
    label
}

/// One line without effect, wherever in a line it stands.
fn inert(line: &str) -> String {
    let text = break_words(line);
    let mut out = String::with_capacity(text.len() + 16);
    let mut before = ' ';
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let next = rest.peek().copied();
        match c {
            BREAK => out.push_str("&#8203;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' => out.push_str("&#124;"),
            '&' => out.push_str("&amp;"),
            '\\' | '`' | '*' | '[' | ']' | '~' | '$' => out.extend(['\\', c]),
            '_' if before.is_alphanumeric() && next.is_some_and(char::is_alphanumeric) => out.push(c),
            '_' => out.push_str("\\_"),
            _ => out.push(c),
        }
        let broken = match c {
            '@' => true,
            '#' | '!' | '&' => next.is_none_or(|n| n.is_ascii_digit()),
            ':' => next == Some('/'),
            _ => false,
        };
        if broken {
            out.push_str("&#8203;");
        }
        before = c;
    }
    out
}

/// Marks the places where a closing word, a keyed reference or a bare host name has to be broken.
fn break_words(line: &str) -> String {
    let mut text = Cow::Borrowed(line);
    if NUMBERED.is_match(line) {
        text = CLOSES.replace_all(line, "${1}\u{200b}$2");
    }
    let text = KEYED.replace_all(&text, "$0\u{200b}");
    BRACKETED.replace_all(&text, "${1}\u{200b}$2").into_owned()
}

/// Escapes what means a block at the start of a line: headings, lists, rules, quick actions, ordinals.
fn guard_start(mut text: String) -> String {
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let at = match text.chars().nth(digits) {
        Some('.' | ')') if digits > 0 => digits,
        Some('#' | '+' | '-' | '=' | ':' | '/') if digits == 0 => 0,
        _ => return text,
    };
    text.insert(at, '\\');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_compiles() {
        for pattern in [&CLOSES, &NUMBERED, &KEYED, &BRACKETED, &REFERRED] {
            assert!(!pattern.as_str().is_empty());
        }
    }

    #[test]
    fn inline_table() {
        for (text, expected) in [
            ("User.create() stores bcrypt-hashed password", "User.create() stores bcrypt-hashed password"),
            ("src/user_model.rs", "src/user_model.rs"),
            ("src/__init__.py", "src/\\_\\_init\\_\\_.py"),
            ("POST /users returns 201", "POST /users returns 201"),
            ("<img src=x>", "&lt;img src=x&gt;"),
            ("<!-- pace:x:review -->", "&lt;!-- pace:x:review --&gt;"),
            ("@octocat", "@&#8203;octocat"),
            ("@@octocat", "@&#8203;@&#8203;octocat"),
            ("fixes #1", "fixes&#8203; #&#8203;1"),
            ("Closes: o/r#12", "Closes&#8203;: o/r#&#8203;12"),
            ("resolved PROJ-1", "resolved&#8203; PROJ-1"),
            ("gh-7 !8 &9", "gh-&#8203;7 !&#8203;8 &amp;&#8203;9"),
            ("[issue:5]", "\\[issue&#8203;:5\\]"),
            ("https://evil.example", "https:&#8203;//evil.example"),
            ("www.evil.example", "www.&#8203;evil.example"),
            ("![x](y)", "!\\[x\\](y)"),
            ("`rm`", "\\`rm\\`"),
            ("a | b", "a &#124; b"),
            ("one\r\n\r\n  two", "one<br>two"),
            ("# head", "\\# head"),
            ("- item", "\\- item"),
            ("1. item", "1\\. item"),
            ("12) item", "12\\) item"),
            ("201 Created", "201 Created"),
            ("> quote", "&gt; quote"),
            ("/close", "\\/close"),
            ("===", "\\==="),
            ("\x1b[31mred\u{202e}", "red"),
            ("@\u{200b}octocat", "@&#8203;octocat"),
            ("{{ 7*7 }}", "{{ 7\\*7 }}"),
            ("", ""),
        ] {
            assert_eq!(inline(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_cell_is_one_line_without_a_pipe() {
        assert_eq!(cell("a|b\n| --- |\n/close"), "a&#124;b &#124; --- &#124; /close");
    }

    #[test]
    fn a_block_cannot_be_ended_from_inside() {
        assert_eq!(code("plain", "text"), "```text\nplain\n```");
        let block = code("```\n/close\n````\nfixes #1\x1b[2J", "te xt`");
        assert_eq!(block, "`````text\n```\n /close\n````\nfixes # 1\n`````");
    }

    #[test]
    fn a_marker_is_reversible_and_ends_no_comment() {
        assert_eq!(marker("sprint/auth-feature"), "sprint/auth-feature");
        assert_eq!(marker("a--> <b>"), "a-%2D%3E%20%3Cb%3E");
        assert_ne!(marker("a b"), marker("a%20b"));
    }

    #[test]
    fn a_mermaid_label_has_no_quote() {
        assert_eq!(mermaid("Day 2: \"x\"]; A-->B"), "Day 2#58; #34;x#34;#93;#59; A--#62;B");
    }

    #[test]
    fn only_plain_web_addresses_become_links() {
        assert_eq!(link("https://github.com/o/r/pull/1"), "<https://github.com/o/r/pull/1>");
        assert_eq!(link("javascript:alert(1)"), "javascript:alert(1)");
        assert_eq!(link("https://x> @y"), "https:&#8203;//x&gt; @&#8203;y");
    }
}

//! Comments and the contents of strings, blanked out byte by byte so that places stay what they were.

use super::Language;

/// `text` with comments and the contents of strings replaced by blanks. A string that holds an expression
/// (`f"{x}"`, `` `${x}` ``, a shell's `"$x"`) keeps it.
pub(crate) fn masked(language: Language, text: &str) -> String {
    scan(language, text, true)
}

/// `text` with comments replaced by blanks; so are Python's strings that stand alone as a statement.
pub(crate) fn without_comments(language: Language, text: &str) -> String {
    scan(language, text, false)
}

fn scan(language: Language, text: &str, strings: bool) -> String {
    let mut out = text.as_bytes().to_vec();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = if let Some(length) = comment(language, bytes, at) {
            blank(&mut out[at..at + length]);
            at + length
        } else if let Some((open, close)) = string(language, rest) {
            let end = string_end(language, rest, open, close).map_or(bytes.len(), |end| at + end);
            let closed = end >= at + open + close.len() && bytes[..end].ends_with(close);
            let content = at + open..if closed { end - close.len() } else { end };
            let shown = &text[at..end];
            if strings && !interpolated(language, text, at, shown) {
                blank(&mut out[content]);
            } else if !strings && language == Language::Python && is_statement(text, at, end) {
                blank(&mut out[at..end]);
            }
            end
        } else {
            at + 1
        };
        at = end.max(at + 1);
    }
    // Only whole strings and comments were blanked, which begin and end at characters.
    String::from_utf8_lossy(&out).into_owned()
}

fn blank(bytes: &mut [u8]) {
    bytes.iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
}

/// Length of the comment that begins at `at`.
fn comment(language: Language, bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let line = || rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
    let hash = matches!(language, Language::Python | Language::Ruby | Language::Shell | Language::Other);
    if hash && rest[0] == b'#' {
        // In a shell `$#` and `a#b` are none.
        let before = at.checked_sub(1).map_or(b'\n', |before| bytes[before]);
        return (before.is_ascii_whitespace() || language != Language::Shell).then(line);
    }
    if hash {
        return None;
    }
    if rest.starts_with(b"//") && at.checked_sub(1).is_none_or(|before| bytes[before] != b':') {
        return Some(line());
    }
    if rest.starts_with(b"/*") {
        let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
        return Some(end.map_or(rest.len(), |end| end + 4));
    }
    None
}

/// Length of the opening quote at the start of `rest`, and the closing one.
fn string(language: Language, rest: &[u8]) -> Option<(usize, &'static [u8])> {
    match language {
        Language::Python if rest.starts_with(b"\"\"\"") => Some((3, b"\"\"\"")),
        Language::Python if rest.starts_with(b"'''") => Some((3, b"'''")),
        Language::Rust if rest.starts_with(b"r##\"") => Some((4, b"\"##")),
        Language::Rust if rest.starts_with(b"r#\"") => Some((3, b"\"#")),
        Language::Rust if rest[0] == b'\'' => {
            // A lifetime has no closing quote.
            let character = rest.len() > 2 && (rest[1] == b'\\' || rest[2] == b'\'');
            character.then_some((1, b"'"))
        }
        Language::Shell if rest[0] == b'\\' => None,
        _ => match rest[0] {
            b'"' => Some((1, b"\"")),
            b'\'' => Some((1, b"'")),
            b'`' if matches!(language, Language::JavaScript | Language::Go) => Some((1, b"`")),
            _ => None,
        },
    }
}

/// Where the string that `rest` begins with ends.
fn string_end(language: Language, rest: &[u8], open: usize, close: &[u8]) -> Option<usize> {
    let many_lines = matches!(language, Language::Rust | Language::Ruby | Language::Shell);
    let single_line = !many_lines && (close == b"\"" || close == b"'");
    let mut at = open;
    while at < rest.len() {
        if rest[at..].starts_with(close) {
            return Some(at + close.len());
        }
        if rest[at] == b'\n' && single_line {
            return Some(at);
        }
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    None
}

/// Whether the string holds an expression.
fn interpolated(language: Language, text: &str, at: usize, shown: &str) -> bool {
    match language {
        Language::Shell => shown.starts_with('"') && (shown.contains('$') || shown.contains('`')),
        Language::Python => {
            let prefix = text[..at].chars().next_back().is_some_and(|c| matches!(c, 'f' | 'F'));
            prefix && shown.contains('{')
        }
        Language::JavaScript => shown.starts_with('`') && shown.contains("${"),
        Language::Ruby => shown.starts_with('"') && shown.contains("#{"),
        _ => false,
    }
}

/// Whether the string is all of its lines, as a doc string is.
fn is_statement(text: &str, at: usize, end: usize) -> bool {
    // Only the blanks beside it are looked at: the line may be endless.
    let blank = |c: char| c != '\n' && c.is_whitespace();
    let line = text[..at].trim_end_matches(blank);
    let after = text[end..].trim_start_matches(blank);
    let before = line.trim_end();
    let opens_block = before.is_empty() || before.ends_with(':');
    let alone = line.is_empty() || line.ends_with('\n');
    alone && (after.is_empty() || after.starts_with(['\n', '#'])) && opens_block
}

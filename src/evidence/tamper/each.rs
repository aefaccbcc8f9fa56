//! Tests of JavaScript that run through a table before they have a title: `it.each([…])("title", …)`, over lines.

use std::sync::LazyLock;

use regex::Regex;

use super::items::{Depth, Item, code, number};
use crate::evidence::pattern;

static BEGINS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:await\s+)?[xf]?(?:it|test|specify)(?:\.\w+)*\.each\b"));
static TITLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"^\s*\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)"#));

/// A longer one is not read as a test.
const LONGEST: usize = 1000;

/// The test that begins on line `at`: its table is the head, what it does the body.
pub(super) fn item(lines: &[&str], at: usize) -> Option<Item> {
    let begins = BEGINS.find(lines[at])?;
    let text = lines[at..lines.len().min(at + LONGEST)].join("\n");
    let table_end = closes(&text, begins.end())?;
    let rest = text.get(table_end..)?;
    let title = TITLE.captures(rest)?;
    let name = title.iter().skip(1).flatten().next()?.as_str().to_owned();
    let titled = table_end + title.get(0)?.end();
    let end = closes(&text, table_end)?;
    let line_of = |place: usize| text[..place].matches('\n').count();
    let (title_line, last) = (at + line_of(titled), at + line_of(end));
    // On one line with its title: what stands behind it.
    let (body, depths) = if last == title_line {
        let inner = text.get(titled..end)?.split_once("=>").map_or("", |(_, body)| body);
        code([inner].into_iter(), Depth::Brackets)
    } else {
        code(lines[title_line + 1..last].iter().copied(), Depth::Brackets)
    };
    Some(Item {
        name,
        line: number(title_line),
        end: number(last),
        head: lines[at..=title_line].iter().map(|line| line.trim().to_owned()).collect(),
        body,
        depths,
    })
}

/// Where the bracket or the text that begins at `from` ends, blanks before it passed over.
fn closes(text: &str, from: usize) -> Option<usize> {
    let mut depth = 0_i32;
    let mut inside: Option<char> = None;
    let mut escaped = false;
    for (place, c) in text.get(from..)?.char_indices() {
        match inside {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => inside = None,
            Some(_) => continue,
            None => match c {
                '"' | '\'' | '`' => inside = Some(c),
                '(' | '[' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                c if depth == 0 && !c.is_whitespace() => return None,
                _ => {}
            },
        }
        let over = inside.is_none() && !escaped && depth <= 0 && !c.is_whitespace();
        if over {
            return Some(from + place + c.len_utf8());
        }
    }
    None
}

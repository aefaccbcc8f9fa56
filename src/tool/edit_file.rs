//! `edit_file`: replaces one passage of a file that must be there exactly once.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::door::{Door, Name};
use super::{Tool, ToolError, Written, field, name_of, on_files, step};

/// Largest file that is edited.
const FILE: u64 = 8 * 1024 * 1024;
/// Lines that are compared to find the nearest one.
const COMPARED: usize = 20_000;
/// Characters of a line that are compared and shown.
const LINE: usize = 200;

/// Edits files where the door allows it.
pub(crate) struct EditFile {
    pub door: Arc<Door>,
    pub written: Written,
}

#[derive(Deserialize)]
struct Input {
    path: String,
    old: String,
    new: String,
}

impl Tool for EditFile {
    fn name(&self) -> &'static str {
        "edit_file"
    }

    fn description(&self) -> &'static str {
        "Replaces one passage of a file. `old` must occur exactly once, letter for letter, so give enough lines around the change."
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": "File to edit, relative to the root of the repository."
                },
                "old": {
                    "type": "string",
                    "minLength": 1,
                    "description": "The passage as it stands in the file, with its indentation."
                },
                "new": {
                    "type": "string",
                    "description": "What takes its place; empty to delete the passage."
                }
            },
            "required": ["path", "old", "new"],
            "additionalProperties": false
        })
    }

    fn step(&self, input: &Value) -> Option<String> {
        Some(step("Writing", field(input, "path")?))
    }

    fn changes_files(&self) -> bool {
        true
    }

    fn recall(&self, input: &Value) {
        self.written.recall(input);
    }

    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        let written = self.written.clone();
        on_files(&self.door, input, move |door, input: Input| {
            let name = name_of(Some(&input.path))?;
            let text = String::from_utf8(door.read(&name, FILE)?)
                .map_err(|_| ToolError::mend(format!("`{name}` is not UTF-8 text and cannot be edited")))?;
            let (edited, line) = replace_once(&name, &text, &input.old, &input.new)?;
            door.write(&name, edited.as_bytes())?;
            written.record(&name);
            Ok(format!("edited {name} at line {line}"))
        })
    }
}

/// The text with the passage replaced, and the line where that was.
fn replace_once(name: &Name, text: &str, old: &str, new: &str) -> Result<(String, usize), ToolError> {
    if old == new {
        return Err(ToolError::mend("old and new are the same; nothing would change"));
    }
    // A model writes `\n`; in a file with `\r\n` throughout it means that.
    let dos = text.contains("\r\n") && text.matches('\n').count() == text.matches("\r\n").count();
    let ends = |passage: &str| {
        if dos && !passage.contains('\r') { passage.replace('\n', "\r\n") } else { passage.to_owned() }
    };
    let (old, new) = (ends(old), ends(new));
    let places = places(text, &old);
    match places[..] {
        [] => Err(ToolError::Mend(not_found(name, text, &old))),
        [at] => {
            let edited = [&text[..at], &new, &text[at + old.len()..]].concat();
            Ok((edited, line_at(text, at)))
        }
        _ => {
            let lines: Vec<String> =
                places.iter().take(10).map(|&at| line_at(text, at).to_string()).collect();
            Err(ToolError::mend(format!(
                "old occurs {} times in `{name}` (lines {}); give more of what stands around it",
                places.len(),
                lines.join(", ")
            )))
        }
    }
}

/// Where `old` begins, overlapping occurrences included: they too leave open which one is meant.
fn places(text: &str, old: &str) -> Vec<usize> {
    let mut places = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find(old) {
        places.push(from + at);
        let first = text[from + at..].chars().next().map_or(1, char::len_utf8);
        from += at + first;
    }
    places
}

fn line_at(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn not_found(name: &Name, text: &str, old: &str) -> String {
    let told = format!("old does not occur in `{name}`");
    let wanted = old.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let lines = text.lines().enumerate().take(COMPARED);
    let nearest = lines
        .map(|(index, line)| (likeness(wanted, line.trim()), index, line))
        .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    match nearest {
        Some((likeness, index, line)) if likeness > 0.4 => {
            let why = if likeness < 1.0 {
                "the nearest to its first line is"
            } else if old.trim().lines().count() > 1 {
                "its first line is there, so white space or a later line differs from"
            } else {
                "only white space differs from"
            };
            let line: String = line.chars().take(LINE).collect();
            format!("{told}; {why} line {}:\n{line}", index + 1)
        }
        _ => format!("{told}, and no line is like its first one; read the file again"),
    }
}

/// How alike two lines are, 0 to 1: the share of neighbouring characters that both have (Dice coefficient).
fn likeness(a: &str, b: &str) -> f64 {
    if a == b {
        return 1.0;
    }
    let pairs = |line: &str| {
        let chars: Vec<char> = line.chars().take(LINE).collect();
        chars.windows(2).map(|pair| (pair[0], pair[1])).collect::<HashSet<_>>()
    };
    let (a, b) = (pairs(a), pairs(b));
    let both = a.intersection(&b).count() as f64;
    let all = (a.len() + b.len()) as f64;
    // Never a full 1 for lines that differ.
    if all == 0.0 { 0.0 } else { (2.0 * both / all).min(0.99) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str, old: &str, new: &str) -> Result<(String, usize), String> {
        let name = Name::parse("f").unwrap();
        replace_once(&name, text, old, new).map_err(|e| e.to_string())
    }

    #[test]
    fn one_occurrence_is_replaced() {
        assert_eq!(edit("a\nb\nc\n", "b\n", ""), Ok(("a\nc\n".to_owned(), 2)));
        assert_eq!(edit("x = 1", "1", "$1\\0"), Ok(("x = $1\\0".to_owned(), 1)));
        assert_eq!(edit("a\r\nb\r\n", "a\nb", "a\nc"), Ok(("a\r\nc\r\n".to_owned(), 1)));
        assert_eq!(edit("a\r\nb\n", "b\n", "c\n"), Ok(("a\r\nc\n".to_owned(), 2)));
    }

    #[test]
    fn everything_else_says_why() {
        let code = "def create(name):\n    return User(name)\n\ndef delete(name):\n    pass\n";
        for (text, old, new, expected) in [
            ("a\na\n", "a", "b", "old occurs 2 times in `f` (lines 1, 2)"),
            ("aaa", "aa", "b", "occurs 2 times"),
            ("ééé", "éé", "b", "occurs 2 times"),
            ("a", "a", "a", "nothing would change"),
            (
                code,
                "\treturn User(name)",
                "x",
                "only white space differs from line 2:\n    return User(name)",
            ),
            (
                code,
                "def create(name):\n  return",
                "x",
                "a later line differs from line 1:\ndef create(name):",
            ),
            (
                code,
                "def create(nam, age):",
                "x",
                "the nearest to its first line is line 1:\ndef create(name):",
            ),
            (code, "%%%%", "x", "no line is like its first one"),
            ("", "a", "b", "no line is like"),
        ] {
            let told = edit(text, old, new).unwrap_err();
            assert!(told.contains(expected), "{old:?}: {told}");
        }
    }
}

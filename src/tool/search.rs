//! `search`: lines that match a regular expression, without what git ignores.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

use super::door::{Door, Name};
use super::walk::{self, Glob};
use super::{Tool, ToolError, name_of, on_files};

/// Matches shown at most; the rest is counted.
const SHOWN: usize = 200;
/// Bytes of a line that are shown.
const LINE: usize = 300;
/// Larger files are no source text.
const FILE: u64 = 4 * 1024 * 1024;
/// Bytes read for one search.
const ALL: usize = 256 * 1024 * 1024;

/// Searches the files of a work tree.
pub(crate) struct Search {
    pub door: Arc<Door>,
}

#[derive(Deserialize)]
struct Input {
    pattern: String,
    path: Option<String>,
    glob: Option<String>,
}

impl Tool for Search {
    fn name(&self) -> &'static str {
        "search"
    }

    fn description(&self) -> &'static str {
        "Searches file contents line by line for a regular expression; answers with `path:line: text`. What .gitignore names is left out."
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "pattern": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Regular expression without look-around; `(?i)` in front ignores letter case."
                },
                "path": {
                    "type": "string",
                    "description": "Folder or file to search, relative to the root of the repository. Default: the root."
                },
                "glob": {
                    "type": "string",
                    "description": "Only files that match, e.g. `*.py` (file name) or `src/**/*.ts` (path)."
                }
            },
            "required": ["pattern"],
            "additionalProperties": false
        })
    }

    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        on_files(&self.door, input, |door, input: Input| search(door, &input))
    }
}

fn search(door: &Door, input: &Input) -> Result<String, ToolError> {
    let (regex, literal) = compile(&input.pattern)?;
    let under = name_of(input.path.as_deref())?;
    let glob = input.glob.as_deref().map(Glob::parse).transpose()?;
    let single = input.path.is_some() && door.open(&under).is_ok();
    let files = if single { vec![under.to_string()] } else { walk::files(door, &under, glob.as_ref())? };
    let mut found = Found::default();
    for file in &files {
        // Links, sockets and what vanished meanwhile are no reason to fail a search.
        let Ok(name) = Name::parse(file) else { continue };
        match door.read(&name, FILE) {
            Ok(bytes) if bytes[..bytes.len().min(8192)].contains(&0) => {}
            Ok(bytes) => found.take_file(file, &String::from_utf8_lossy(&bytes), &regex),
            Err(ToolError::Mend(_)) => found.skipped += 1,
            Err(stop) => return Err(stop),
        }
        if found.read > ALL {
            break;
        }
    }
    Ok(found.show(&under, literal))
}

/// The expression, and whether the pattern is taken as plain text because it is none.
fn compile(pattern: &str) -> Result<(Regex, bool), ToolError> {
    match Regex::new(pattern) {
        Ok(regex) => Ok((regex, false)),
        Err(_) => match RegexBuilder::new(&regex::escape(pattern)).build() {
            Ok(regex) => Ok((regex, true)),
            Err(error) => Err(ToolError::mend(format!("pattern: {error}"))),
        },
    }
}

/// What a search came to.
#[derive(Default)]
struct Found {
    lines: Vec<String>,
    /// Matching lines in all.
    matches: usize,
    files: usize,
    /// Files that could not be read or are too large.
    skipped: usize,
    read: usize,
}

impl Found {
    fn take_file(&mut self, file: &str, text: &str, regex: &Regex) {
        self.read += text.len();
        let before = self.matches;
        for (index, line) in text.lines().enumerate() {
            let Some(hit) = regex.find(line) else { continue };
            self.matches += 1;
            if self.lines.len() < SHOWN {
                let line = window(line, hit.start());
                self.lines.push(format!("{file}:{}: {line}", index + 1));
            }
        }
        self.files += usize::from(self.matches > before);
    }

    fn show(&self, under: &Name, literal: bool) -> String {
        let mut text = String::new();
        if literal {
            text.push_str(
                "(the pattern is no valid regular expression and was searched for as plain text)\n",
            );
        }
        if self.matches == 0 {
            text.push_str(&format!("no match below `{under}` (what .gitignore names is not searched)\n"));
        } else {
            text.push_str(&format!("{} matching lines in {} files:\n", self.matches, self.files));
        }
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        if self.matches > self.lines.len() {
            let more = self.matches - self.lines.len();
            text.push_str(&format!("… {more} more left out; narrow it with pattern, path or glob\n"));
        }
        if self.skipped > 0 {
            text.push_str(&format!(
                "({} files were skipped: larger than 4 MiB, or no regular file)\n",
                self.skipped
            ));
        }
        if self.read > ALL {
            text.push_str("(stopped after 256 MiB; narrow it with path or glob)\n");
        }
        text
    }
}

/// The part of a line around a match, as long as is shown.
fn window(line: &str, hit: usize) -> String {
    if line.len() <= LINE {
        return line.to_owned();
    }
    let start = if hit < LINE / 2 { 0 } else { line.floor_char_boundary(hit - LINE / 4) };
    let end = line.floor_char_boundary(start + LINE);
    let dots = |cut: bool| if cut { "…" } else { "" };
    format!("{}{}{}", dots(start > 0), &line[start..end], dots(end < line.len()))
}

//! `read_file`: a page of a text file. Memory stays small however large the file or a line of it is.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use anyhow::Context;
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::door::{Door, Name};
use super::{Tool, ToolError, field, name_of, on_files, step};

/// Lines of a page where the model asks for no number.
const LINES: u64 = 400;
/// Bytes of a page.
const PAGE: usize = 64 * 1024;
/// Bytes that are looked at to count lines.
const SCAN: u64 = 256 * 1024 * 1024;

/// Reads text files of a work tree.
pub(crate) struct ReadFile {
    pub door: Arc<Door>,
}

#[derive(Deserialize)]
struct Input {
    path: String,
    offset: Option<u64>,
    limit: Option<u64>,
}

impl Tool for ReadFile {
    fn name(&self) -> &'static str {
        "read_file"
    }

    fn description(&self) -> &'static str {
        "Reads a text file, 400 lines at a time. The first line of the answer says which lines follow and how many there are."
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": "File to read, relative to the root of the repository."
                },
                "offset": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "First line to read; lines count from 1. Default: 1."
                },
                "limit": {
                    "type": "integer",
                    "minimum": 1,
                    "description": "Number of lines to read. Default: 400; an answer holds 64 KiB at most."
                }
            },
            "required": ["path"],
            "additionalProperties": false
        })
    }

    fn step(&self, input: &Value) -> Option<String> {
        Some(step("Reading", field(input, "path")?))
    }

    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        on_files(&self.door, input, |door, input: Input| read(door, &input))
    }
}

fn read(door: &Door, input: &Input) -> Result<String, ToolError> {
    let name = name_of(Some(&input.path))?;
    let file = door.open(&name)?;
    let size = file.metadata().with_context(|| format!("cannot read {name}"))?.len();
    let mut reader = BufReader::with_capacity(PAGE, file.take(SCAN));
    let start = reader.fill_buf().with_context(|| format!("cannot read {name}"))?;
    if start.is_empty() {
        return Ok(format!("{name}: empty file"));
    }
    if start[..start.len().min(8192)].contains(&0) {
        return Ok(format!("{name}: binary file of {size} bytes, not shown"));
    }
    let first = input.offset.unwrap_or(1).max(1);
    let page = Page::read(reader, first, input.limit.unwrap_or(LINES).max(1))
        .with_context(|| format!("cannot read {name}"))?;
    page.show(&name, size)
}

/// Some lines of a file.
struct Page {
    text: Vec<u8>,
    first: u64,
    /// Line after the last one shown.
    next: u64,
    /// Lines of the file, as far as it was looked at.
    total: u64,
    /// Bytes missing at the end of the last line shown, because it alone fills a page.
    cut: usize,
}

impl Page {
    fn read(mut reader: impl BufRead, first: u64, limit: u64) -> std::io::Result<Self> {
        let mut page = Self { text: Vec::new(), first, next: first, total: 0, cut: 0 };
        let mut full = false;
        let mut line = 1;
        // Where the present line starts in `text`.
        let mut start = 0;
        loop {
            let chunk = reader.fill_buf()?;
            if chunk.is_empty() {
                return Ok(page);
            }
            let end = chunk.iter().position(|&byte| byte == b'\n');
            let part = &chunk[..end.map_or(chunk.len(), |end| end + 1)];
            page.total = line;
            if line >= first && line - first < limit && !full {
                let room = PAGE - page.text.len();
                if part.len() <= room {
                    page.text.extend_from_slice(part);
                    page.next = line + 1;
                } else if start == 0 {
                    page.text.extend_from_slice(&part[..room]);
                    page.cut += part.len() - room;
                    page.next = line + 1;
                } else {
                    // It comes whole on the next page.
                    page.text.truncate(start);
                    page.next = line;
                    full = true;
                }
            }
            let length = part.len();
            reader.consume(length);
            if end.is_some() {
                line += 1;
                start = page.text.len();
                full |= page.cut > 0;
            }
        }
    }

    fn show(&self, name: &Name, size: u64) -> Result<String, ToolError> {
        if self.next == self.first {
            return Err(ToolError::mend(format!("`{name}` has only {} lines", self.total)));
        }
        let more = if size > SCAN { "more than " } else { "" };
        let mut text = format!("{name}: lines {}-{} of {more}{}", self.first, self.next - 1, self.total);
        if self.next <= self.total {
            text.push_str(&format!(" (read on with offset {})", self.next));
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.text));
        if self.cut > 0 {
            text.push_str(&format!("\n… {} more bytes of this line left out\n", self.cut));
        }
        Ok(text)
    }
}

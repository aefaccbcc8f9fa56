//! `write_file`: makes or replaces a file.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::door::Door;
use super::{Tool, ToolError, Written, field, name_of, on_files, step};

/// Writes files where the door allows it.
pub(crate) struct WriteFile {
    pub door: Arc<Door>,
    pub written: Written,
}

#[derive(Deserialize)]
struct Input {
    path: String,
    content: String,
}

impl Tool for WriteFile {
    fn name(&self) -> &'static str {
        "write_file"
    }

    fn description(&self) -> &'static str {
        "Writes a whole file: makes it, with its folders, or replaces what is there. For a change of an existing file prefer edit_file."
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": "File to write, relative to the root of the repository."
                },
                "content": {
                    "type": "string",
                    "description": "The complete new content."
                }
            },
            "required": ["path", "content"],
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
            let new = door.write(&name, input.content.as_bytes())?;
            written.record(&name);
            let done = if new { "created" } else { "replaced" };
            Ok(format!("{done} {name} ({} lines)", input.content.lines().count()))
        })
    }
}

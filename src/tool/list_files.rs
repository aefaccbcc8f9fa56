//! `list_files`: names of files, without what git ignores.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::door::Door;
use super::walk::{self, Glob};
use super::{Tool, ToolError, name_of, on_files};

/// Names shown at most.
const SHOWN: usize = 500;

/// Lists the files of a work tree.
pub(crate) struct ListFiles {
    pub door: Arc<Door>,
}

#[derive(Deserialize)]
struct Input {
    path: Option<String>,
    glob: Option<String>,
}

impl Tool for ListFiles {
    fn name(&self) -> &'static str {
        "list_files"
    }

    fn description(&self) -> &'static str {
        "Lists files below a folder, all levels deep and sorted. What .gitignore names and .git are left out."
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "path": {
                    "type": "string",
                    "description": "Folder to list, relative to the root of the repository. Default: the root."
                },
                "glob": {
                    "type": "string",
                    "description": "Only files that match, e.g. `*.py` (file name) or `src/**/*.ts` (path)."
                }
            },
            "additionalProperties": false
        })
    }

    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        on_files(&self.door, input, |door, input: Input| list(door, &input))
    }
}

fn list(door: &Door, input: &Input) -> Result<String, ToolError> {
    let under = name_of(input.path.as_deref())?;
    let glob = input.glob.as_deref().map(Glob::parse).transpose()?;
    let files = walk::files(door, &under, glob.as_ref())?;
    if files.is_empty() {
        return Ok(format!("no file below `{under}` fits (what .gitignore names is not listed)"));
    }
    let mut text = format!("{} files below `{under}`:\n", files.len());
    for name in files.iter().take(SHOWN) {
        // A name may hold a line break; escaped it stays one line.
        let shown =
            if name.chars().any(char::is_control) { name.escape_debug().to_string() } else { name.clone() };
        text.push_str(&shown);
        text.push('\n');
    }
    if files.len() > SHOWN {
        text.push_str(&format!("… {} more left out; narrow it with path or glob\n", files.len() - SHOWN));
    }
    Ok(text)
}

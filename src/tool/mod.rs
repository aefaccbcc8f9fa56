//! What a model may do: one file a tool. Knows no model and no agent's task.

pub(crate) mod door;
pub(crate) mod edit_file;
mod excerpt;
pub(crate) mod list_files;
pub(crate) mod read_file;
pub(crate) mod run_bash;
pub(crate) mod run_tests;
pub(crate) mod search;
#[cfg(test)]
mod tests;
pub(crate) mod toolbox;
mod walk;
pub(crate) mod write_file;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;
use serde_json::Value;

use door::{Door, Name};

/// A tool that a model can call.
pub(crate) trait Tool: Send + Sync {
    /// Stable name of the interface, e.g. `read_file`.
    fn name(&self) -> &'static str;

    /// One or two sentences for the model.
    fn description(&self) -> &'static str;

    /// JSON Schema of the input: an object with `additionalProperties: false`.
    fn input_schema(&self) -> Value;

    /// What to show a person while it runs, e.g. `Writing src/user.py ...`; `None` for a quiet tool.
    fn step(&self, _input: &Value) -> Option<String> {
        None
    }

    /// Whether it may change files of the work tree.
    fn changes_files(&self) -> bool {
        false
    }

    /// Learns that a call with `input` succeeded, perhaps in an earlier process.
    fn recall(&self, _input: &Value) {}

    /// Runs the tool. `input` was already validated against [`Tool::input_schema`].
    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>>;
}

/// Two kinds of failure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ToolError {
    /// The model can mend it: goes back as a tool result marked as an error.
    #[error("{0}")]
    Mend(String),
    /// The run must stop.
    #[error(transparent)]
    Stop(#[from] anyhow::Error),
}

impl ToolError {
    pub(crate) fn mend(message: impl Into<String>) -> Self {
        Self::Mend(message.into())
    }
}

/// The paths that tools wrote, `/`-separated and relative to the root. Clones share one record.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    paths: Arc<Mutex<BTreeSet<String>>>,
    /// A longer record that learns of all that this one does.
    whole: Option<Arc<Mutex<BTreeSet<String>>>>,
}

impl Written {
    /// An empty record; `whole` learns of everything that comes to it.
    pub(crate) fn within(whole: &Self) -> Self {
        Self { paths: Arc::default(), whole: Some(Arc::clone(&whole.paths)) }
    }

    fn record(&self, name: &Name) {
        for paths in [Some(&self.paths), self.whole.as_ref()].into_iter().flatten() {
            paths.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_string());
        }
    }

    /// Records the path that an input names.
    fn recall(&self, input: &Value) {
        if let Some(Ok(name)) = field(input, "path").map(Name::parse) {
            self.record(&name);
        }
    }

    /// All of them so far, sorted.
    pub(crate) fn paths(&self) -> BTreeSet<String> {
        self.paths.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The input as the tool's own type.
fn parse<T: DeserializeOwned>(input: &Value) -> Result<T, ToolError> {
    serde_json::from_value(input.clone())
        .map_err(|e| ToolError::mend(format!("the input is not usable: {e}")))
}

/// A path of the input; without one, the root.
fn name_of(raw: Option<&str>) -> Result<Name, ToolError> {
    Name::parse(raw.unwrap_or(".")).map_err(ToolError::Mend)
}

/// Does the work of a tool on files, with the input as the tool's own type, away from the threads that drive everything
/// else.
fn on_files<'a, I: DeserializeOwned + 'static>(
    door: &'a Arc<Door>,
    input: &'a Value,
    work: impl FnOnce(&Door, I) -> Result<String, ToolError> + Send + 'static,
) -> BoxFuture<'a, Result<String, ToolError>> {
    let door = Arc::clone(door);
    let input = input.clone();
    Box::pin(async move {
        let work = move || work(&door, parse(&input)?);
        tokio::task::spawn_blocking(work).await.context("a tool broke off")?
    })
}

/// `Reading src/x.py ...`: a step with a text that a model chose, on one line and free of control characters.
fn step(doing: &str, what: &str) -> String {
    const LONGEST: usize = 120;
    let mut lines = what.trim().lines();
    let first = lines.next().unwrap_or_default();
    let mut shown: String = first.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if lines.next().is_some() || first.chars().count() > LONGEST {
        shown.push('…');
    }
    format!("{doing} {shown} ...")
}

/// A string field of an input that may not have been validated yet.
fn field<'a>(input: &'a Value, name: &str) -> Option<&'a str> {
    input.get(name)?.as_str()
}

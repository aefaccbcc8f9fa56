//! What a model may do: one file a tool. Knows no model and no agent's task.

pub(crate) mod door;

use futures_util::future::BoxFuture;
use serde_json::Value;

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

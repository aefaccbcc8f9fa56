//! `run_tests`: the project's own test command, and what the binary observed of it.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::excerpt::excerpt;
use super::{Tool, ToolError, step};
use crate::domain::observation::{TestRun, TestStatus};

/// Bytes of the output's tail that the model sees.
const TAIL: usize = 12 * 1024;
/// Failed tests that are named.
const NAMED: usize = 50;

/// Whatever runs the project's tests as they stand.
pub(crate) trait Tests: Send + Sync {
    /// One run of the test command. An `Err` means that it could not be started.
    fn run(&self) -> BoxFuture<'_, anyhow::Result<TestRun>>;

    /// The command, e.g. `pytest -v --tb=short`.
    fn command(&self) -> &str;
}

/// Runs the tests for a model.
pub(crate) struct RunTests {
    pub tests: Arc<dyn Tests>,
}

impl Tool for RunTests {
    fn name(&self) -> &'static str {
        "run_tests"
    }

    fn description(&self) -> &'static str {
        "Runs the project's test command, as it is run to judge the work; answers with a summary, the failed tests and the end of the output."
    }

    fn input_schema(&self) -> Value {
        json!({"type": "object", "properties": {}, "additionalProperties": false})
    }

    fn step(&self, _input: &Value) -> Option<String> {
        Some(step("Running tests:", self.tests.command()))
    }

    fn changes_files(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, _input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(async move { Ok(answer(&self.tests.run().await?)) })
    }
}

fn answer(run: &TestRun) -> String {
    let mut text = format!("{}\n", run.summary());
    let failed: Vec<&str> = run.names(TestStatus::Failed).collect();
    if !failed.is_empty() {
        text.push_str("failed:\n");
        for name in failed.iter().take(NAMED) {
            text.push_str(&format!("- {name}\n"));
        }
        if failed.len() > NAMED {
            text.push_str(&format!("… {} more\n", failed.len() - NAMED));
        }
    }
    if run.run.output.total_bytes > 0 {
        text.push_str("output:\n");
        text.push_str(&excerpt(&run.run.output, 0, TAIL));
    }
    text
}

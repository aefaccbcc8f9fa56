//! What GATE's prompt shows: the artifacts of the day, and what the binary observed.

use serde::Serialize;

use super::Inputs;
use crate::agent::{tail, yaml};
use crate::domain::artifact::Finding;
use crate::domain::observation::{CommandRun, TestRun, TestStatus};

/// Test names shown to the model at most, per status.
const SHOWN_TESTS: usize = 200;
/// Bytes of test output shown to the model at most: its end.
const SHOWN_OUTPUT: usize = 24 * 1024;

/// The values of `prompts/gate.user.md.j2`.
#[derive(Serialize)]
pub(super) struct Prompt<'a> {
    card: String,
    handoff: String,
    commit: &'a str,
    tests: Option<ShownRun<'a>>,
    commands: Vec<ShownCommand<'a>>,
    ci: String,
    rules: &'a [String],
    tampering: &'a [Finding],
    criteria: Vec<&'a str>,
}

#[derive(Serialize)]
struct ShownRun<'a> {
    command: &'a str,
    summary: String,
    passed: Vec<&'a str>,
    failed: Vec<&'a str>,
    skipped: Vec<&'a str>,
    flaky: &'a [String],
    output: String,
}

#[derive(Serialize)]
struct ShownCommand<'a> {
    command: &'a str,
    result: String,
}

impl<'a> Prompt<'a> {
    pub(super) fn new(inputs: &Inputs<'a>) -> anyhow::Result<Self> {
        let observation = inputs.observation;
        Ok(Self {
            card: yaml(inputs.card)?,
            handoff: yaml(inputs.handoff)?,
            commit: &inputs.handoff.commit,
            tests: observation.tests.as_ref().map(|run| ShownRun::of(run, &observation.flaky)),
            commands: observation.commands.iter().map(ShownCommand::of).collect(),
            ci: inputs.ci.to_string(),
            rules: &inputs.rules.evidence,
            tampering: inputs.tampering,
            criteria: inputs.card.criteria().collect(),
        })
    }
}

impl<'a> ShownRun<'a> {
    fn of(run: &'a TestRun, flaky: &'a [String]) -> Self {
        let names = |status| run.names(status).take(SHOWN_TESTS).collect();
        Self {
            command: &run.run.command,
            summary: run.summary(),
            passed: names(TestStatus::Passed),
            failed: names(TestStatus::Failed),
            skipped: names(TestStatus::Skipped),
            flaky,
            output: tail(&run.run.output.text(), SHOWN_OUTPUT),
        }
    }
}

impl<'a> ShownCommand<'a> {
    fn of(run: &'a CommandRun) -> Self {
        Self { command: &run.command, result: run.exit.to_string() }
    }
}

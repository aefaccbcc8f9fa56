//! FORGE builds test-first. The binary commits its work and fills what only the binary can know.

mod closing;
mod keep;
mod proof;
mod without;

use std::collections::BTreeSet;

use serde::Serialize;

use super::kit::Kit;
use super::tests::ProjectTests;
use super::turns::{self, End, Task};
use super::{AgentError, Desk, day_change, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{Finding, Handoff, StoryCard};
use crate::domain::backlog::Entry;
use crate::domain::observation::{TestRun, TestStatus};
use crate::evidence::red_phase::RedPhase;
use closing::Closing;

const AGENT: Agent = Agent::Forge;

/// What a round of FORGE starts from.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    /// Why the attempt before was held.
    pub hold_reason: Option<&'a str>,
    /// The test run on the day base; `None` where the project has no tests.
    pub baseline: Option<&'a TestRun>,
    /// Open advisories, on a clearance day.
    pub backlog: &'a [Entry],
    /// The commit on which the day's first attempt started.
    pub base: &'a str,
    /// Untracked files that were there before the run: never committed unless FORGE wrote them.
    pub untracked: &'a BTreeSet<String>,
    /// The red phase was confirmed in an earlier round of this run.
    pub red_confirmed: bool,
}

/// How a round ended.
pub(crate) enum Round {
    /// Committed and handed off, and what the proof of the red phase came to.
    HandedOff(Box<Handoff>, RedPhase),
    /// No valid handoff; the stop reason.
    Stopped(String),
    /// No valid handoff, and something in the change that must not be committed: all of it stays out of git.
    Unmended(Vec<Finding>),
}

/// Runs one round of FORGE and commits its work.
pub(crate) async fn run(desk: &Desk<'_>, inputs: &Inputs<'_>) -> Result<Round, AgentError> {
    let start = day_change::of_work_tree(desk, inputs.base, inputs.untracked).await?;
    let kit = Kit::forge(desk)?;
    let tests = ProjectTests::of(desk);
    let task = Task {
        agent: AGENT,
        model: &desk.terms.model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &Prompt::new(inputs)?)?,
        tools: kit.forge_tools(desk, tests.clone()),
        max_calls: desk.terms.max_iterations,
        max_tokens: 16_384,
    };
    let red_needed = desk.terms.tdd && start.production().next().is_none() && !inputs.red_confirmed;
    let mut finish = Closing::new(desk, inputs, kit.written(), tests, red_needed);
    let end = match turns::run(desk, task, &mut finish).await {
        Ok(end) => end,
        Err(error) => {
            // Best effort: what stands in the way of keeping the work does not hide why the run ends.
            drop(finish.keep_clean_work(&error.to_string()).await);
            return Err(error);
        }
    };
    match end {
        End::Done { output, calls } => {
            let red = output.red.clone();
            let handoff = keep::commit(desk, inputs, output, calls).await?;
            Ok(Round::HandedOff(Box::new(handoff), red))
        }
        End::Stopped { reason, calls } => {
            let leaks = finish.keep_clean_work(&reason).await?;
            if !leaks.is_empty() {
                return Ok(Round::Unmended(leaks));
            }
            let limit = if calls == desk.terms.max_iterations { " (PACE_MAX_ITERATIONS)" } else { "" };
            Ok(Round::Stopped(format!("{reason}{limit}")))
        }
    }
}

#[derive(Serialize)]
struct Prompt<'a> {
    card: String,
    hold_reason: Option<&'a str>,
    baseline: Option<String>,
    failing_before: Vec<&'a str>,
    backlog: &'a [Entry],
}

impl<'a> Prompt<'a> {
    fn new(inputs: &Inputs<'a>) -> anyhow::Result<Self> {
        Ok(Self {
            card: yaml(inputs.card)?,
            hold_reason: inputs.hold_reason,
            baseline: inputs.baseline.map(TestRun::summary),
            failing_before: inputs
                .baseline
                .map(|run| run.names(TestStatus::Failed).collect())
                .unwrap_or_default(),
            backlog: inputs.backlog,
        })
    }
}

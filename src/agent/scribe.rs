//! SCRIBE keeps the docs. Its failure never unships a day.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::kit::Kit;
use super::report::{Judge, Judgement, SubmitReport, fill};
use super::turns::{self, End, Task};
use super::{AgentError, Desk, secrets, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{ConduitReport, GateReport, Handoff, ScribeReport, SentinelReport, StoryCard};

const AGENT: Agent = Agent::Scribe;

/// What SCRIBE writes down.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    pub handoff: &'a Handoff,
    pub gate: &'a GateReport,
    pub sentinel: &'a SentinelReport,
    pub conduit: &'a ConduitReport,
    /// The commit on which the day's first attempt started.
    pub base: &'a str,
}

/// Runs SCRIBE; the paths are the documents that it wrote, also where it did not come to its report. A change that
/// must not be committed is taken back whole.
pub(crate) async fn run(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
) -> (Result<ScribeReport, AgentError>, Vec<String>) {
    let kit = match Kit::scribe(desk) {
        Ok(kit) => kit,
        Err(error) => return (Err(error.into()), vec![]),
    };
    let report = write(desk, inputs, &kit).await;
    let written = desk.journal.step("docs", "", async { anyhow::Ok(kit.written().paths()) }).await;
    let docs: Vec<String> = match written {
        Ok(written) => written.into_iter().collect(),
        Err(error) => return (Err(error.into()), vec![]),
    };
    match leaks(desk, inputs.base, &docs).await {
        Ok(None) => (report, docs),
        Ok(Some(reason)) => (Err(AgentError::Unusable { agent: AGENT, reason }), vec![]),
        Err(error) => (Err(error), vec![]),
    }
}

/// Takes the documents back if something in them must not be committed, and says what.
async fn leaks(desk: &Desk<'_>, base: &str, docs: &[String]) -> Result<Option<String>, AgentError> {
    let leaks = secrets::blocking(secrets::in_files(desk, base, docs).await?);
    if leaks.is_empty() {
        return Ok(None);
    }
    desk.journal.act("docs-back", docs, async { desk.repo.take_back(docs) }).await?;
    Ok(Some(secrets::instruction(&leaks)))
}

async fn write(desk: &Desk<'_>, inputs: &Inputs<'_>, kit: &Kit) -> Result<ScribeReport, AgentError> {
    let values = json!({
        "card": yaml(inputs.card)?,
        "handoff": yaml(inputs.handoff)?,
        "gate": yaml(inputs.gate)?,
        "sentinel": yaml(inputs.sentinel)?,
        "conduit": yaml(inputs.conduit)?,
    });
    let task = Task {
        agent: AGENT,
        model: &desk.terms.model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &values)?,
        tools: kit.scribe_tools(),
        max_calls: 20,
        max_tokens: 8_192,
    };
    match turns::run(desk, task, &mut SubmitReport(Docs { day: desk.terms.day })).await? {
        End::Done { output, .. } => Ok(output),
        End::Stopped { reason, .. } => Err(AgentError::Unusable { agent: AGENT, reason }),
    }
}

struct Docs {
    day: u32,
}

impl Judge for Docs {
    type Artifact = ScribeReport;
    const SCHEMA: &'static str = "scribe-report";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<ScribeReport>> {
        let report = fill(submission, [("day", json!(self.day)), ("agent", json!(AGENT))]);
        Box::pin(async { Ok(report) })
    }
}

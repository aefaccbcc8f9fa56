//! SCRIBE keeps the docs. Its failure never unships a day, and no paragraph that a person wrote is lost to it.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::kit::Kit;
use super::report::{Judge, Judgement, fill, submitted};
use super::turns::Task;
use super::{AgentError, Desk, commit_files, secrets, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{ConduitReport, GateReport, Handoff, ScribeReport, SentinelReport, StoryCard};
use crate::evidence::documents::{self, Edited};

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

/// How the messages of pace's own commits say so.
const OWN: &str = "Pace-Day:";

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
    let docs = match written(desk, &kit).await {
        Ok(docs) => docs,
        Err(error) => return (Err(error), vec![]),
    };
    match objection(desk, inputs, &docs).await {
        Ok(None) => (report, docs),
        Ok(Some(reason)) => (Err(AgentError::Unusable { agent: AGENT, reason }), vec![]),
        Err(error) => (Err(error), vec![]),
    }
}

/// What was written so far.
async fn written(desk: &Desk<'_>, kit: &Kit) -> Result<Vec<String>, AgentError> {
    let paths = async { anyhow::Ok(kit.written().paths().into_iter().collect()) };
    Ok(desk.journal.step("docs", "", paths).await?)
}

/// Takes the documents back if something in them must not be committed or is missing in them, and says what.
async fn objection(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
    docs: &[String],
) -> Result<Option<String>, AgentError> {
    let leaks = secrets::blocking(secrets::in_files(desk, inputs.base, docs).await?);
    let reason = if leaks.is_empty() {
        documents::lost(&edited(desk, &inputs.handoff.commit, docs).await?).join("; ")
    } else {
        secrets::instruction(&leaks)
    };
    if reason.is_empty() {
        return Ok(None);
    }
    desk.journal.act("docs-back", docs, async { desk.repo.take_back(docs) }).await?;
    Ok(Some(reason))
}

/// The documents as they were at `commit` and as they are now, and which of their lines are pace's own.
async fn edited(desk: &Desk<'_>, commit: &str, docs: &[String]) -> Result<Vec<Edited>, AgentError> {
    let before = commit_files(desk, commit, docs.iter().cloned()).await?;
    let now = desk.journal.step("docs-now", docs, async {
        let read = |path: &String| {
            let text = desk.repo.work_file(path)?.map(|text| String::from_utf8_lossy(&text).into_owned());
            anyhow::Ok((desk.journal.clean(&text.unwrap_or_default()), desk.repo.lines_by(OWN, path)?))
        };
        docs.iter().map(read).collect::<anyhow::Result<Vec<_>>>()
    });
    let edited = docs.iter().zip(now.await?).map(|(path, (after, own))| Edited {
        path: path.clone(),
        before: before.get(path).cloned().flatten().unwrap_or_default(),
        after,
        own,
    });
    Ok(edited.collect())
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
    submitted(desk, task, Docs { desk, kit, commit: &inputs.handoff.commit }).await
}

struct Docs<'a> {
    desk: &'a Desk<'a>,
    kit: &'a Kit,
    /// What the documents are compared with.
    commit: &'a str,
}

impl Judge for Docs<'_> {
    type Artifact = ScribeReport;
    const SCHEMA: &'static str = "scribe-report";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<ScribeReport>> {
        let (desk, commit) = (self.desk, self.commit);
        Box::pin(async move {
            let report: ScribeReport =
                match fill(submission, [("day", json!(desk.terms.day)), ("agent", json!(AGENT))]) {
                    Ok(report) => report,
                    Err(problems) => return Ok(Err(problems)),
                };
            let edited = edited(desk, commit, &written(desk, self.kit).await?).await?;
            let mut problems = documents::lost(&edited);
            problems.extend(documents::unaccounted(&edited, &report.updates));
            Ok(if problems.is_empty() { Ok(report) } else { Err(problems) })
        })
    }
}

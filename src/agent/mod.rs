//! The six agents: inputs, prompt, artifact type. All run in the loop of [`turns`] and differ only in prompt,
//! tools and artifact. Knows no platform, no exit code and no setting.

pub(crate) mod conduit;
pub(crate) mod day_change;
pub(crate) mod forge;
pub(crate) mod gate;
pub(crate) mod kit;
pub(crate) mod prime;
pub(crate) mod purse;
mod put_back;
pub(crate) mod report;
pub(crate) mod reviewer;
pub(crate) mod rules;
pub(crate) mod scribe;
pub(crate) mod secrets;
pub(crate) mod sentinel;
pub(crate) mod setup;
mod standing;
pub(crate) mod tampering;
pub(crate) mod tests;
pub(crate) mod turns;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::domain::dependencies::Dependencies;
use crate::domain::event::Events;
use crate::domain::plan::DayPlan;
use crate::domain::terms::Terms;
use crate::domain::{Agent, artifact::StoryCard};
use crate::journal::Journal;
use crate::llm::Model;
use crate::prompt::Templates;
use crate::repo::Repository;
use crate::sandbox::Sandbox;
use crate::tool::Written;
use purse::Purse;
use setup::ProjectSetup;

/// What every agent works with.
pub(crate) struct Desk<'a> {
    pub root: PathBuf,
    pub terms: &'a Terms,
    pub plan: &'a DayPlan,
    pub model: &'a dyn Model,
    pub repo: Arc<dyn Repository>,
    pub sandbox: Arc<dyn Sandbox>,
    /// `None` where there is nothing to install, and in a replay.
    pub setup: Option<Arc<ProjectSetup>>,
    /// What the setup made.
    pub dependencies: Dependencies,
    pub journal: &'a Journal,
    pub templates: &'a Templates,
    pub events: &'a dyn Events,
    pub purse: Arc<Purse>,
    /// When the run's time is over, where it is limited.
    pub until: Option<Instant>,
    /// What agents wrote with their tools in this run.
    pub written: Written,
    /// The four context documents at the start of the run: name and text, at most 16 KB each.
    pub context: Vec<ContextDoc>,
}

/// A context document as prompts carry it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct ContextDoc {
    /// Path from the repository root.
    pub path: String,
    pub text: String,
    /// Whether the document is longer than what is shown.
    pub cut: bool,
}

/// Why an agent brought no artifact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    /// The agent's output stayed unusable after it was re-asked: ABORT.
    #[error("{agent}'s output stayed unusable: {reason}")]
    Unusable { agent: Agent, reason: String },
    /// The next call could pass the cap: HOLD with cause outside, resumable.
    #[error("{0}")]
    CostCap(String),
    #[error(transparent)]
    Model(#[from] crate::llm::ModelError),
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// What a prompt is made of.
#[derive(serde::Serialize)]
struct Shared<'a, T> {
    terms: &'a Terms,
    plan: &'a DayPlan,
    context: &'a [ContextDoc],
    #[serde(flatten)]
    values: &'a T,
}

impl<T: serde::Serialize> Shared<'_, T> {
    fn render(&self, templates: &Templates, agent: Agent, part: &str) -> anyhow::Result<String> {
        templates.render(&format!("prompts/{}.{part}.md.j2", agent.name().to_lowercase()), self)
    }
}

impl Desk<'_> {
    /// Renders `prompts/<agent>.<part>.md.j2` with the values that all prompts share and those of `values`.
    pub(crate) fn prompt<T: serde::Serialize>(
        &self,
        agent: Agent,
        part: &str,
        values: &T,
    ) -> anyhow::Result<String> {
        let shared = Shared { terms: self.terms, plan: self.plan, context: &self.context, values };
        shared.render(self.templates, agent, part)
    }

    /// A visible step of `agent`.
    pub(crate) fn step(&self, agent: Agent, text: impl Into<String>) {
        self.events.emit(crate::domain::event::Event::Step { agent, text: text.into() });
    }
}

/// Text of the named files of a commit, as a recorded step; `None` for what is absent there.
pub(crate) async fn commit_files(
    desk: &Desk<'_>,
    commit: &str,
    paths: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, Option<String>>, AgentError> {
    let paths: BTreeSet<String> = paths.into_iter().collect();
    let input = (commit, &paths);
    let files = desk.journal.step("commit-files", &input, async {
        let read = |path: &String| {
            let text =
                desk.repo.show(commit, path)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            anyhow::Ok((path.clone(), text.map(|text| desk.journal.clean(&text))))
        };
        paths.iter().map(read).collect::<anyhow::Result<BTreeMap<_, _>>>()
    });
    Ok(files.await?)
}

/// The first `limit` bytes of `text`, cut at a character.
pub(crate) fn head(text: &str, limit: usize) -> String {
    text[..text.floor_char_boundary(limit)].to_owned()
}

/// The last `limit` bytes of `text`, cut at a character; a cut is said in the first line.
pub(crate) fn tail(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let start = text.ceil_char_boundary(text.len() - limit);
    format!("… {start} bytes left out …\n{}", &text[start..])
}

/// YAML of a value, as prompts show artifacts.
pub(crate) fn yaml<T: serde::Serialize>(value: &T) -> anyhow::Result<String> {
    Ok(serde_yaml::to_string(value)?)
}

/// The criteria of a card as owned strings, in order.
pub(crate) fn criteria(card: &StoryCard) -> Vec<String> {
    card.criteria().map(str::to_owned).collect()
}

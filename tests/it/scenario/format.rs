//! The format of `scenario.yaml`: what is run and what must be seen. The full description for authors is
//! `tests/scenarios/README.md`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::made_up;
use crate::model_server::script::{Reply, Script};
use crate::model_server::wire::Protocol;

/// A whole scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// What it shows, in one sentence.
    #[serde(rename = "about")]
    pub(crate) _about: String,
    /// What it stands for, where it is one of those that are counted.
    #[serde(default)]
    pub(crate) kind: Option<Kind>,
    /// Trees of `_trees/`, laid over each other; the scenario's own `tree/` comes last.
    #[serde(default)]
    pub(crate) tree: Vec<String>,
    #[serde(default = "anthropic")]
    pub(crate) protocol: Protocol,
    /// For all steps.
    #[serde(default)]
    pub(crate) env: Env,
    /// A service beside the runs, as a CI starts one: it answers whoever connects with this line and closes.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// A folder of `tests/frameworks`, whose `node_modules` lie in the project as after a person's `npm ci`.
    #[serde(default)]
    pub(crate) packages: Option<String>,
    pub(crate) steps: Vec<Step>,
}

/// The two sides of the same promise: no cheat ships, no honest day is held for a wrong reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A day that must not ship: no step of it may leave a shipped day behind.
    Cheat,
    /// A day that must end as its steps say, with nothing held for a wrong reason.
    Honest,
}

/// Variables; null takes one away.
pub(crate) type Env = BTreeMap<String, Option<String>>;

/// One run of the binary, and what a person did before it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    #[serde(default)]
    pub(crate) edit: Option<Edit>,
    #[serde(default)]
    pub(crate) args: Vec<String>,
    #[serde(default)]
    pub(crate) env: Env,
    /// What the models say: names of parts, and replies. Nothing = no model may be asked.
    #[serde(default)]
    pub(crate) script: Vec<Part>,
    #[serde(default)]
    pub(crate) model: ModelKind,
    /// `INT` or `TERM`: sent when a reply with `fault: {hang: true}` is reached.
    #[serde(default)]
    pub(crate) signal: Option<SignalName>,
    pub(crate) exit: i32,
    #[serde(default)]
    pub(crate) stdout_has: Vec<String>,
    #[serde(default)]
    pub(crate) stdout_lacks: Vec<String>,
    #[serde(default)]
    pub(crate) stderr_has: Vec<String>,
    #[serde(default)]
    pub(crate) stderr_lacks: Vec<String>,
    #[serde(default)]
    pub(crate) files: BTreeMap<String, FileCheck>,
    /// Replies given, by agent. An agent that is not named may be asked as often as the script allows.
    #[serde(default)]
    pub(crate) calls: BTreeMap<String, usize>,
    #[serde(default)]
    pub(crate) prompts: Vec<PromptCheck>,
    #[serde(default)]
    pub(crate) git: GitCheck,
    /// Replies may be left unsaid, e.g. because the run is to end early.
    #[serde(default)]
    pub(crate) leftover: bool,
    /// Compare the artifacts with `expected/` after this step.
    #[serde(default)]
    pub(crate) expected: bool,
    /// No made-up secret is in what the run said, in `.pace` or in any object of git.
    #[serde(default)]
    pub(crate) kept_out: bool,
    /// The artifacts of this day after this step equal, byte for byte, those after the step before.
    #[serde(default)]
    pub(crate) unchanged: Vec<String>,
}

/// A piece of a script: the name of a file, such a name without some agents, or a reply as it stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "serde_yaml::Value")]
pub(crate) enum Part {
    /// `NAME.yaml` of the scenario's folder, else of `_parts/`.
    Named(String),
    Without(Without),
    Said(Box<Reply>),
}

/// A named part without the replies of some agents.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Without {
    part: String,
    without: Vec<String>,
}

impl TryFrom<serde_yaml::Value> for Part {
    type Error = serde_yaml::Error;

    fn try_from(value: serde_yaml::Value) -> Result<Self, Self::Error> {
        match value {
            serde_yaml::Value::String(name) => Ok(Self::Named(name)),
            part if part.get("part").is_some() => serde_yaml::from_value(part).map(Self::Without),
            other => serde_yaml::from_value(other).map(|reply| Self::Said(Box::new(reply))),
        }
    }
}

/// Who answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelKind {
    /// The scripted server, over the scenario's protocol.
    #[default]
    Scripted,
    /// The scripted server, but the run has the wrong key.
    WrongKey,
    /// Nobody listens.
    Unreachable,
    /// `pace`'s own recorded model reads the script.
    Replay,
    /// No setting of a model at all.
    None,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum SignalName {
    Int,
    Term,
}

/// What a person does before a step.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Edit {
    pub(crate) write: BTreeMap<String, String>,
    pub(crate) delete: Vec<String>,
    /// Replaces text in files: path → pairs of old and new, each found at least once.
    pub(crate) replace: BTreeMap<String, Vec<(String, String)>>,
    /// Commits everything with this message; without it the edits stay uncommitted.
    pub(crate) commit: Option<String>,
    /// A branch that is set to HEAD's commit, as a merge of a review would.
    pub(crate) fast_forward: Option<String>,
}

/// What must be true of a file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct FileCheck {
    pub(crate) has: Vec<String>,
    pub(crate) lacks: Vec<String>,
    /// A file of the scenario's folder with the same content after normalisation.
    pub(crate) equals: Option<String>,
    pub(crate) absent: bool,
}

/// What must be true of what an agent was told at the opening of a conversation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PromptCheck {
    pub(crate) agent: String,
    /// The agent's conversation in this step, from 1.
    #[serde(default = "first")]
    pub(crate) round: usize,
    /// Look through the whole conversation, not its opening alone.
    #[serde(default)]
    pub(crate) anywhere: bool,
    #[serde(default)]
    pub(crate) has: Vec<String>,
    #[serde(default)]
    pub(crate) lacks: Vec<String>,
}

/// What must be true of the repository.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GitCheck {
    pub(crate) branch: Option<String>,
    pub(crate) log_has: Vec<String>,
    /// Nothing is left uncommitted.
    pub(crate) clean: bool,
}

fn anthropic() -> Protocol {
    Protocol::Anthropic
}

fn first() -> usize {
    1
}

impl Scenario {
    /// Reads the scenario of `folder`.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let path = folder.join("scenario.yaml");
        let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_yaml::from_str(&made_up::fill(&text)).map_err(|e| format!("{}: {e}", path.display()))
    }

    /// The trees to start from.
    pub(crate) fn trees(&self, folder: &Path) -> Vec<PathBuf> {
        let shared = folder.parent().unwrap_or(folder).join("_trees");
        let own = folder.join("tree");
        let named = self.tree.iter().map(|name| shared.join(name));
        named.chain(own.is_dir().then_some(own)).collect()
    }
}

impl Step {
    /// Whether a day ships in this step, by its exit code.
    pub(crate) fn ships(&self) -> bool {
        self.args.is_empty() && matches!(self.exit, 0 | 10)
    }

    /// The script of this step, all parts in one.
    pub(crate) fn script(&self, folder: &Path) -> Result<Script, String> {
        let mut whole = Script::default();
        for part in &self.script {
            match part {
                Part::Said(reply) => whole.replies.push((**reply).clone()),
                Part::Named(name) => {
                    let script = read_part(folder, name)?;
                    whole.model = script.model.or(whole.model);
                    whole.replies.extend(script.replies);
                }
                Part::Without(Without { part, without }) => {
                    let script = read_part(folder, part)?;
                    if let Some(agent) =
                        without.iter().find(|a| script.replies.iter().all(|r| r.agent != **a))
                    {
                        return Err(format!("{part}.yaml: {agent} says nothing there"));
                    }
                    whole.replies.extend(script.replies.into_iter().filter(|r| !without.contains(&r.agent)));
                }
            }
        }
        Ok(whole)
    }
}

/// A named part: of the scenario's own folder, else the one that scenarios share.
pub(crate) fn read_part(folder: &Path, name: &str) -> Result<Script, String> {
    let file = format!("{name}.yaml");
    let own = folder.join(&file);
    let path = if own.is_file() { own } else { folder.parent().unwrap_or(folder).join("_parts").join(&file) };
    let text = std::fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Script::parse(&made_up::fill(&text)).map_err(|e| format!("{}: {e}", path.display()))
}

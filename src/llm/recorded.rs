//! A model that plays what was recorded or written: each agent's replies in their order. Knows no network.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use anyhow::{anyhow, bail};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::anthropic::assistant_turn;
use super::{Model, ModelError, Reply, Request, Stop, ToolCall};
use crate::domain::Agent;
use crate::domain::money::Usage;

/// Replies by agent. Ignores what it is asked; only who asks counts.
pub(crate) struct Recorded {
    replies: Mutex<HashMap<Agent, VecDeque<Reply>>>,
}

impl Recorded {
    /// Replies in the order in which they are to be given.
    pub(crate) fn from_replies(replies: Vec<(Agent, Reply)>) -> Self {
        let mut by_agent: HashMap<Agent, VecDeque<Reply>> = HashMap::new();
        for (agent, reply) in replies {
            by_agent.entry(agent).or_default().push_back(reply);
        }
        Self {
            replies: Mutex::new(by_agent),
        }
    }

    /// A script in YAML: `model` (optional) and `replies`, each with `agent` and any of `text`, `calls` (`name`,
    /// `input`), `stop` (default `tool_use` with calls, else `end_turn`) and `usage`. Call ids are made up; an input
    /// that is a string stands for one that was no valid JSON.
    ///
    /// # Errors
    /// All problems at once, a line each: `line L, column C: …`.
    pub(crate) fn from_script(text: &str) -> anyhow::Result<Self> {
        let script: Script = serde_saphyr::from_str(text).map_err(|error| anyhow!("{}", error.render()))?;
        let model = script.model.unwrap_or_else(|| "recorded".to_owned());
        let mut problems = Vec::new();
        let mut counts: HashMap<Agent, usize> = HashMap::new();
        let mut replies = Vec::new();
        for reply in script.replies {
            let count = counts.entry(reply.value.agent).or_default();
            *count += 1;
            problems.extend(reply.value.problems().into_iter().map(|problem| {
                let at = reply.referenced;
                format!("line {}, column {}: {problem}", at.line(), at.column())
            }));
            replies.push((reply.value.agent, reply.value.reply(&model, *count)));
        }
        if replies.is_empty() {
            problems.push("line 1, column 1: `replies` is empty".to_owned());
        }
        if !problems.is_empty() {
            bail!(problems.join("\n"));
        }
        Ok(Self::from_replies(replies))
    }

    fn next(&self, agent: Agent) -> Result<Reply, ModelError> {
        // A panic elsewhere cannot leave the queues half-changed.
        let mut replies = self
            .replies
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        replies
            .get_mut(&agent)
            .and_then(VecDeque::pop_front)
            .ok_or(ModelError::RecordingEnded(agent))
    }
}

impl Model for Recorded {
    fn complete<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(std::future::ready(self.next(request.agent)))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Script {
    model: Option<String>,
    replies: Vec<Spanned<Scripted>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scripted {
    agent: Agent,
    #[serde(default)]
    text: String,
    #[serde(default)]
    calls: Vec<ScriptedCall>,
    stop: Option<Stop>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScriptedCall {
    name: String,
    #[serde(default = "no_input")]
    input: Value,
}

fn no_input() -> Value {
    Value::Object(serde_json::Map::new())
}

impl Scripted {
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.text.trim().is_empty() && self.calls.is_empty() && self.stop.is_none() {
            problems.push(
                "an empty reply; give it `text`, `calls`, or say `stop: end_turn` if that is meant"
                    .to_owned(),
            );
        }
        match self.stop {
            Some(Stop::ToolUse) if self.calls.is_empty() => {
                problems.push("`stop: tool_use` without `calls`".to_owned())
            }
            Some(Stop::EndTurn) if !self.calls.is_empty() => {
                problems.push("`stop: end_turn` with `calls`".to_owned())
            }
            _ => {}
        }
        if self.calls.iter().any(|call| call.name.trim().is_empty()) {
            problems.push("a call without a name".to_owned());
        }
        problems
    }

    fn reply(self, model: &str, number: usize) -> Reply {
        let agent = self.agent.name().to_lowercase();
        let calls: Vec<ToolCall> = self
            .calls
            .into_iter()
            .enumerate()
            .map(|(position, call)| ToolCall {
                id: format!("toolu_{agent}_{number}_{}", position + 1),
                name: call.name,
                input: call.input,
            })
            .collect();
        let natural = if calls.is_empty() {
            Stop::EndTurn
        } else {
            Stop::ToolUse
        };
        Reply {
            raw: assistant_turn(&self.text, &calls),
            text: self.text,
            calls,
            stop: self.stop.unwrap_or(natural),
            usage: self.usage,
            model: model.to_owned(),
        }
    }
}

//! A model that plays what was recorded or written: each agent's replies in their order. Knows no network.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

use anyhow::{anyhow, bail};
use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::anthropic::assistant_turn;
use super::{Model, ModelError, Payer, Reply, Request, Stop, ToolCall};
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
        Self { replies: Mutex::new(by_agent) }
    }

    /// A script in YAML: `model` (optional) and `replies`, each with `agent` and any of `text`, `calls` (`name`,
    /// `input`), `stop` (default `tool_use` with calls, else `end_turn`) and `usage`. Call ids are made up; an input
    /// that is a string stands for one that was no valid JSON.
    ///
    /// # Errors
    /// All problems at once, a line each: `line L, column C: …`.
    pub(crate) fn from_script(text: &str) -> anyhow::Result<Self> {
        // `no` and `on` are words that a model says, not booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        let script: Script = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| anyhow!("{}", error.render()))?;
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
        let mut replies = self.replies.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        replies.get_mut(&agent).and_then(VecDeque::pop_front).ok_or(ModelError::RecordingEnded(agent))
    }
}

impl Model for Recorded {
    fn complete<'a>(
        &'a self,
        request: &'a Request,
        _payer: &'a dyn Payer,
    ) -> BoxFuture<'a, Result<Reply, ModelError>> {
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
        let natural = if calls.is_empty() { Stop::EndTurn } else { Stop::ToolUse };
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SCRIPT: &str = "\
model: demo-model
replies:
  - agent: PRIME
    text: \"Here it is.\"
    calls: [{name: submit_report, input: {day: 1, theme: no}}]
    usage: {input: 1200, output: 90}
  - agent: GATE
    text: plain
  - agent: PRIME
    calls: [{name: run_tests}, {name: broken, input: '{\"a\": '}]
  - agent: GATE
    stop: refusal
";

    fn ask(model: &Recorded, agent: Agent) -> Result<Reply, ModelError> {
        model.next(agent)
    }

    #[test]
    fn each_agent_hears_its_own_replies_in_order() {
        let model = Recorded::from_script(SCRIPT).unwrap();
        let plain = ask(&model, Agent::Gate).unwrap();
        assert_eq!((plain.text.as_str(), plain.stop), ("plain", Stop::EndTurn));
        let first = ask(&model, Agent::Prime).unwrap();
        assert_eq!(first.model, "demo-model");
        assert_eq!((first.usage.input, first.usage.output), (1200, 90));
        assert_eq!(first.stop, Stop::ToolUse);
        assert_eq!(
            first.raw,
            json!({"role": "assistant", "content": [
                {"type": "text", "text": "Here it is."},
                {"type": "tool_use", "id": "toolu_prime_1_1", "name": "submit_report", "input": {"day": 1, "theme": "no"}},
            ]})
        );
        let second = ask(&model, Agent::Prime).unwrap();
        assert_eq!(second.calls[0].input, json!({}));
        assert_eq!(second.calls[1].input, json!("{\"a\": "));
        assert_eq!(second.raw["content"][1]["input"], json!({"INVALID_JSON": "{\"a\": "}));
        assert_eq!(ask(&model, Agent::Gate).unwrap().stop, Stop::Refusal);
        let error = ask(&model, Agent::Gate).unwrap_err();
        assert_eq!(error.to_string(), "the recording has no further reply of GATE");
        assert!(ask(&model, Agent::Forge).is_err());
    }

    #[test]
    fn a_bad_script_is_told_by_line() {
        for (script, expected) in [
            ("replies: []", "line 1, column 1: `replies` is empty"),
            (
                "replies:\n  - agent: GATE\n  - agent: PRIME\n    stop: tool_use\n    text: x\n  - agent: GATE\n    \
                 calls: [{name: ''}]\n    stop: end_turn\n",
                "line 2, column 5: an empty reply; give it `text`, `calls`, or say `stop: end_turn` if that is meant\n\
                 line 3, column 5: `stop: tool_use` without `calls`\n\
                 line 6, column 5: `stop: end_turn` with `calls`\n\
                 line 6, column 5: a call without a name",
            ),
        ] {
            let error = Recorded::from_script(script).err().unwrap().to_string();
            assert_eq!(error, expected);
        }
        for (script, line) in [
            ("replies:\n  - agent: NOBODY\n    text: x\n", "line 2"),
            ("replies:\n  - agent: GATE\n    words: x\n", "line 3"),
            ("replies:\n  - agent: GATE\n    usage: {input: -1}\n", "line 3"),
            ("replies:\n  - text: x\n", "line 2"),
            ("replies: 7\n", "line 1"),
            ("", ""),
        ] {
            let error = Recorded::from_script(script).err().unwrap().to_string();
            assert!(error.contains(line), "{script}: {error}");
        }
    }
}

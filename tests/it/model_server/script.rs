//! The script of a model: what each agent says, in order. It is the format that `pace` itself replays, plus faults
//! that only a server can play. Knows no wire protocol.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A whole script: one queue of replies per agent, kept in one list.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Script {
    /// The model's name as the server gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    pub(crate) replies: Vec<Reply>,
}

/// One turn of the model.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Reply {
    /// `PRIME`, `FORGE`, …: the agent that this is said to.
    pub(crate) agent: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) calls: Vec<Call>,
    /// `tool_use` where there are calls, else `end_turn`, unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stop: Option<Stop>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) usage: Option<Usage>,
    /// What goes wrong before this reply is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<Fault>,
}

/// One tool call.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The input; a string is sent as it stands, also where it is no JSON.
    pub(crate) input: Value,
}

/// Why the model stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    EndTurn,
    ToolUse,
    Length,
    Refusal,
}

/// Tokens of one reply.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Usage {
    #[serde(default)]
    pub(crate) input: u64,
    #[serde(default)]
    pub(crate) cache_write: u64,
    #[serde(default)]
    pub(crate) cache_read: u64,
    #[serde(default)]
    pub(crate) output: u64,
}

impl Default for Usage {
    fn default() -> Self {
        Self { input: 1000, cache_write: 0, cache_read: 0, output: 100 }
    }
}

/// What goes wrong. A reply that says nothing besides its fault is used up by it; any other reply is given
/// when the client comes again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Fault {
    /// Answer with this HTTP status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) status: Option<u16>,
    /// What the error says, where it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message: Option<String>,
    /// Value of a `retry-after` header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after: Option<String>,
    /// How often it goes wrong; once where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) times: Option<u32>,
    /// Break the stream off half-way.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) cut: bool,
    /// Close the connection without an answer.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) reset: bool,
    /// Report an error in the stream, after it began well.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) error_event: bool,
    /// Send something in the stream that is no JSON.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) garbage: bool,
    /// Never answer.
    #[serde(skip_serializing_if = "is_false")]
    pub(crate) hang: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl Script {
    /// Reads a script.
    pub(crate) fn parse(yaml: &str) -> Result<Self, String> {
        serde_yaml::from_str(yaml).map_err(|e| e.to_string())
    }
}

impl Reply {
    pub(crate) fn stop(&self) -> Stop {
        self.stop.unwrap_or(if self.calls.is_empty() { Stop::EndTurn } else { Stop::ToolUse })
    }

    fn says_nothing(&self) -> bool {
        self.text.is_empty() && self.calls.is_empty()
    }
}

/// What the server does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// Give this reply; the number counts the replies of the agent from 0.
    Say(usize, Reply),
    /// Begin this reply and break it off.
    Break(usize, Reply, End),
    /// Answer an HTTP error, with a value of `retry-after`.
    Fail(u16, Option<String>),
    /// The same with words of its own.
    FailSaying(u16, String),
    Hang,
    /// The script has nothing left for the agent.
    Ended,
}

/// How a reply breaks off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing at all comes.
    Reset,
    /// The connection is closed in the middle.
    Cut,
    /// The server reports an error in the middle.
    Error,
    /// No JSON comes in the middle.
    Garbage,
}

/// A script being played: a cursor per agent.
#[derive(Debug, Default)]
pub(crate) struct Player {
    queues: HashMap<String, Vec<Reply>>,
    cursors: HashMap<String, usize>,
    /// How often the fault of the agent's next reply was already played.
    faults: HashMap<String, u32>,
}

impl Player {
    pub(crate) fn new(script: &Script) -> Self {
        let mut player = Self::default();
        for reply in &script.replies {
            player.queues.entry(reply.agent.clone()).or_default().push(reply.clone());
        }
        player
    }

    /// What to answer to the next request of `agent`.
    pub(crate) fn next(&mut self, agent: &str) -> Turn {
        let at = self.cursors.entry(agent.to_owned()).or_default();
        let Some(reply) = self.queues.get(agent).and_then(|queue| queue.get(*at)) else {
            return Turn::Ended;
        };
        let number = *at;
        let played = self.faults.entry(agent.to_owned()).or_default();
        if let Some(fault) = &reply.fault
            && *played < fault.times.unwrap_or(1)
        {
            *played += 1;
            if reply.says_nothing() && *played >= fault.times.unwrap_or(1) {
                *at += 1;
                *played = 0;
            }
            return match fault {
                Fault { hang: true, .. } => Turn::Hang,
                Fault { reset: true, .. } => Turn::Break(number, reply.clone(), End::Reset),
                Fault { cut: true, .. } => Turn::Break(number, reply.clone(), End::Cut),
                Fault { error_event: true, .. } => Turn::Break(number, reply.clone(), End::Error),
                Fault { garbage: true, .. } => Turn::Break(number, reply.clone(), End::Garbage),
                Fault { message: Some(message), status, .. } => {
                    Turn::FailSaying(status.unwrap_or(500), message.clone())
                }
                Fault { status, retry_after, .. } => Turn::Fail(status.unwrap_or(500), retry_after.clone()),
            };
        }
        *at += 1;
        *played = 0;
        Turn::Say(number, reply.clone())
    }

    /// Replies that nobody asked for, as `GATE: 1 of 2`.
    pub(crate) fn left_over(&self) -> Vec<String> {
        let mut left: Vec<_> = self
            .queues
            .iter()
            .filter_map(|(agent, queue)| {
                let used = self.cursors.get(agent).copied().unwrap_or(0);
                (used < queue.len()).then(|| format!("{agent}: {} of {}", queue.len() - used, queue.len()))
            })
            .collect();
        left.sort();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = r"
model: demo-model
replies:
  - agent: PRIME
    calls: [{name: submit_report, input: {theme: t}}]
  - agent: FORGE
    fault: {status: 529, times: 2}
    text: hello
  - agent: FORGE
    fault: {status: 401}
  - agent: FORGE
    text: bye
    stop: length
";

    #[test]
    fn each_agent_has_its_own_queue_and_faults_come_first() {
        let script = Script::parse(SCRIPT).unwrap();
        let mut player = Player::new(&script);
        assert!(matches!(player.next("FORGE"), Turn::Fail(529, None)));
        assert!(matches!(player.next("FORGE"), Turn::Fail(529, None)));
        let Turn::Say(0, reply) = player.next("FORGE") else { panic!("the reply follows its fault") };
        assert_eq!((reply.text.as_str(), reply.stop()), ("hello", Stop::EndTurn));
        assert_eq!(player.left_over(), ["FORGE: 2 of 3", "PRIME: 1 of 1"]);
        assert!(matches!(player.next("FORGE"), Turn::Fail(401, None)));
        assert!(matches!(player.next("FORGE"), Turn::Say(2, r) if r.stop() == Stop::Length));
        assert!(matches!(player.next("FORGE"), Turn::Ended));
        assert!(matches!(player.next("PRIME"), Turn::Say(0, r) if r.stop() == Stop::ToolUse));
        assert!(player.left_over().is_empty());
    }

    #[test]
    fn an_unknown_key_is_refused() {
        assert!(Script::parse("replies: [{agent: PRIME, txt: hi}]").is_err());
    }
}

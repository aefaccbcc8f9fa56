//! Talks to models. Knows wire protocols and prices; knows no agent's task.
//!
//! A wire protocol ([`anthropic`], [`openai`]) turns a [`Request`] into bytes and pieces of an answer into a
//! [`Reply`]; [`exchange`] carries both over HTTP once, [`client`] does so until it worked or cannot work.

pub(crate) mod anthropic;
pub(crate) mod client;
mod endpoints;
pub(crate) mod exchange;
pub(crate) mod failure;
pub(crate) mod openai;
mod patience;
pub(crate) mod prices;
pub(crate) mod recorded;
pub(crate) mod sse;
pub(crate) mod tally;
pub(crate) mod tool_call;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::Agent;
use crate::domain::money::Usage;

/// A model that answers one turn at a time. Retries of transient failures happen inside, each paid by `payer`.
pub(crate) trait Model: Send + Sync {
    /// One reply to the conversation so far.
    fn complete<'a>(
        &'a self,
        request: &'a Request,
        payer: &'a dyn Payer,
    ) -> BoxFuture<'a, Result<Reply, ModelError>>;
}

/// Who pays for the tries of one call. The first try was granted by whoever makes the call.
pub(crate) trait Payer: Send + Sync {
    /// A try that brought no reply may be billed all the same: `usage` as the provider counted it, `None` where it
    /// did not come to that.
    fn lost(&self, usage: Option<Usage>);

    /// Whether one more try may be made.
    ///
    /// # Errors
    /// What forbids it, in words.
    fn may_try_again(&self) -> Result<(), String>;

    /// When the run's own time is over, where it is limited.
    fn until(&self) -> Option<std::time::Instant> {
        None
    }
}

/// A conversation to be continued by the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Request {
    /// Who asks; recorded models answer by agent, wire protocols ignore it.
    pub agent: Agent,
    /// Model name as the provider knows it.
    pub model: String,
    /// First line names the agent. Stable over the loop, so it is cached.
    pub system: String,
    pub messages: Vec<Message>,
    pub tools: Vec<ToolSpec>,
    /// Upper bound of output tokens for this reply.
    pub max_tokens: u32,
}

/// One turn of the conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Message {
    /// What pace says.
    User(String),
    /// What the model said, in the provider's own JSON, sent back unchanged.
    Assistant(Value),
    /// Answers to all tool calls of the assistant turn before, in their order.
    ToolResults(Vec<ToolResult>),
}

/// The answer to one tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ToolResult {
    pub call_id: String,
    pub content: String,
    pub is_error: bool,
}

/// A tool as the model sees it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolSpec {
    pub name: String,
    pub description: String,
    /// JSON Schema of the input: an object.
    pub input_schema: Value,
}

/// A model's turn: the provider's JSON and a typed view of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The assistant turn as the provider would want it sent back: for Anthropic a message object
    /// `{role, content[]}`, for OpenAI an assistant message.
    pub raw: Value,
    /// All text of the turn.
    pub text: String,
    pub calls: Vec<ToolCall>,
    pub stop: Stop,
    pub usage: Usage,
    /// The model that answered, as the provider names it.
    pub model: String,
}

/// One tool call of a reply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ToolCall {
    pub id: String,
    pub name: String,
    /// Parsed input; a JSON string holding the raw text where it was not valid JSON.
    pub input: Value,
}

/// Why the model stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    EndTurn,
    ToolUse,
    /// `max_tokens` was reached: the turn is cut off.
    Length,
    Refusal,
}

/// How often and how long, in words.
fn tried(attempts: u32, seconds: u64) -> String {
    match attempts {
        0 | 1 => "1 try".to_owned(),
        many => format!("{many} tries in {seconds} s"),
    }
}

/// A model call that brought no reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ModelError {
    /// 401, 403: the credential is wrong or lacks a permission.
    #[error("the model provider refused the credential ({status}): {message}")]
    Credential { status: u16, message: String },
    /// 400, 404, 422 and the like: sending it again cannot help.
    #[error("the model provider rejected the request ({status}): {message}")]
    Rejected { status: u16, message: String },
    /// The conversation no longer fits the model's context.
    #[error("the conversation no longer fits the model's context: {0}")]
    ContextOverflow(String),
    /// Transient failures outlasted the bounded retries.
    #[error("the model could not be reached ({}): {last}", tried(*attempts, *seconds))]
    Unreachable { seconds: u64, attempts: u32, last: String },
    /// The provider answered, but not in its own protocol.
    #[error("the model's answer is unusable: {0}")]
    Malformed(String),
    /// The run's own time ended before the reply came.
    #[error("PACE_RUN_TIMEOUT: the run's time was over before the model had answered")]
    OutOfTime,
    /// One more try could pass the cap.
    #[error("{0}")]
    Unaffordable(String),
    /// A recording has no reply left for this agent.
    #[error("the recording has no further reply of {0}")]
    RecordingEnded(Agent),
}

//! Anthropic's Messages API: request bodies here, replies in [`assembly`]. Knows no HTTP and no agent.
//!
//! The assistant turn is kept as the provider's own JSON, signed thinking included, with two exceptions that the API
//! would refuse to take back: text blocks without text are left out, and a tool input that is no JSON object is
//! wrapped (see [`super::tool_call`]). A turn with nothing in it is not sent back at all.
//!
//! Server-side tools are never offered, so `pause_turn` is treated like an ordinary end of turn.

mod assembly;

use serde::Serialize;
use serde_json::{Value, json};

use self::assembly::Assembly;
use super::tool_call::{returnable_input, returnable_name};
use super::wire::{Answer, Protocol};
use super::{Message, Request, ToolCall, ToolResult};

/// The protocol. No sampling parameter is ever sent: newer models refuse them.
pub(crate) struct Anthropic;

impl Protocol for Anthropic {
    fn body(&self, request: &Request) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Body::new(request))
    }

    fn answer(&self, turn: usize) -> Box<dyn Answer> {
        Box::new(Assembly::new(turn))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    max_tokens: u32,
    stream: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Block<'a>>,
    messages: Vec<Turn<'a>>,
}

#[derive(Serialize)]
struct Tool<'a> {
    name: &'a str,
    description: &'a str,
    input_schema: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    cache_control: Option<CacheControl>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Turn<'a> {
    User { role: &'static str, content: Vec<Block<'a>> },
    Assistant(&'a Value),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Block<'a> {
    Text {
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
    ToolResult {
        tool_use_id: &'a str,
        content: &'a str,
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        is_error: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
    },
}

#[derive(Serialize)]
struct CacheControl {
    #[serde(rename = "type")]
    kind: &'static str,
}

const EPHEMERAL: CacheControl = CacheControl { kind: "ephemeral" };

impl<'a> Block<'a> {
    const fn text(text: &'a str) -> Self {
        Self::Text { text, cache_control: None }
    }

    fn tool_result(result: &'a ToolResult) -> Self {
        Self::ToolResult {
            tool_use_id: &result.call_id,
            content: &result.content,
            is_error: result.is_error,
            cache_control: None,
        }
    }

    fn cache(&mut self) {
        match self {
            Self::Text { cache_control, .. } | Self::ToolResult { cache_control, .. } => {
                *cache_control = Some(EPHEMERAL);
            }
        }
    }
}

impl<'a> Body<'a> {
    /// Four cache breakpoints, the most that the API allows: the last tool, the system prompt, and the newest two user
    /// turns. The older one is what the call before wrote, so it is read; the newer one is written for the next.
    fn new(request: &'a Request) -> Self {
        let mut tools: Vec<_> = request
            .tools
            .iter()
            .map(|tool| Tool {
                name: &tool.name,
                description: &tool.description,
                input_schema: &tool.input_schema,
                cache_control: None,
            })
            .collect();
        if let Some(tool) = tools.last_mut() {
            tool.cache_control = Some(EPHEMERAL);
        }
        let mut system = Vec::new();
        push_text(&mut system, &request.system);
        if let Some(block) = system.last_mut() {
            block.cache();
        }
        let mut messages = turns(&request.messages);
        let users = messages.iter_mut().rev().filter_map(|turn| match turn {
            Turn::User { content, .. } => content.last_mut(),
            Turn::Assistant(_) => None,
        });
        users.take(2).for_each(Block::cache);
        Self { model: &request.model, max_tokens: request.max_tokens, stream: true, tools, system, messages }
    }
}

/// The API refuses text blocks without a visible character.
fn push_text<'a>(blocks: &mut Vec<Block<'a>>, text: &'a str) {
    if !text.trim().is_empty() {
        blocks.push(Block::text(text));
    }
}

/// User turns that follow each other become one: some compatible servers insist on alternation.
fn turns(messages: &[Message]) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    for message in messages {
        let mut blocks = Vec::new();
        match message {
            Message::Assistant(raw) => {
                let content = raw.get("content");
                if content.is_some_and(|c| c.as_array().is_none_or(|blocks| !blocks.is_empty())) {
                    turns.push(Turn::Assistant(raw));
                }
                continue;
            }
            Message::User(text) => push_text(&mut blocks, text),
            Message::ToolResults(results) => blocks.extend(results.iter().map(Block::tool_result)),
        }
        match turns.last_mut() {
            Some(Turn::User { content, .. }) => content.extend(blocks),
            _ if blocks.is_empty() => {}
            _ => turns.push(Turn::User { role: "user", content: blocks }),
        }
    }
    turns
}

/// An assistant turn in this protocol's form, for replies that were not received over it.
pub(super) fn assistant_turn(text: &str, calls: &[ToolCall]) -> Value {
    let mut content = Vec::new();
    if !text.trim().is_empty() {
        content.push(json!({"type": "text", "text": text}));
    }
    content.extend(calls.iter().map(|call| {
        json!({
            "type": "tool_use",
            "id": call.id,
            "name": returnable_name(&call.name),
            "input": returnable_input(&call.input),
        })
    }));
    json!({"role": "assistant", "content": content})
}

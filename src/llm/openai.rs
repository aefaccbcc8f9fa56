//! OpenAI's Chat Completions as OpenAI, Groq, Mistral, DeepSeek, Ollama, vLLM, LiteLLM and OpenRouter speak it.
//! Request bodies here, replies in [`assembly`]. Knows no HTTP and no agent.
//!
//! Endpoints differ in what they accept. `max_completion_tokens` goes to api.openai.com, whose newer models refuse the
//! older name; `max_tokens` to all others, many of which know no other. `stream_options` asks for the token counts;
//! Mistral refuses it. Where an endpoint names one of these in a refusal, the other form is sent from then on.
//!
//! A reply counts as complete with its finish reason. `[DONE]` alone is none, and a server that closes after the
//! finish reason without `[DONE]` has said everything but perhaps its token counts (see [`super::tally`]).

mod assembly;

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use serde::Serialize;
use serde_json::Value;

use self::assembly::Assembly;
use super::wire::{Answer, Protocol};
use super::{Message, Request, ToolSpec};

/// The protocol, in the dialect that its endpoint has shown to understand.
pub(crate) struct OpenAi {
    max_completion_tokens: AtomicBool,
    stream_options: AtomicBool,
    /// The name of the token limit was changed once already: it is not changed back.
    renamed: AtomicBool,
}

impl OpenAi {
    /// The dialect to begin with at this host.
    pub(crate) fn for_host(host: Option<&str>) -> Self {
        Self {
            max_completion_tokens: AtomicBool::new(host == Some("api.openai.com")),
            stream_options: AtomicBool::new(true),
            renamed: AtomicBool::new(false),
        }
    }
}

impl Protocol for OpenAi {
    fn body(&self, request: &Request) -> serde_json::Result<Vec<u8>> {
        let completion = self.max_completion_tokens.load(Relaxed);
        serde_json::to_vec(&Body {
            model: &request.model,
            messages: messages(request),
            tools: request.tools.iter().map(Tool::new).collect(),
            max_tokens: (!completion).then_some(request.max_tokens),
            max_completion_tokens: completion.then_some(request.max_tokens),
            stream: true,
            stream_options: self
                .stream_options
                .load(Relaxed)
                .then_some(StreamOptions { include_usage: true }),
        })
    }

    fn answer(&self, turn: usize) -> Box<dyn Answer> {
        Box::new(Assembly::new(turn))
    }

    fn learn(&self, refusal: &str) -> bool {
        let refusal = refusal.to_lowercase();
        let unknown = [
            "not permitted",
            "extra",
            "unsupported",
            "not supported",
            "unknown",
            "unrecognized",
            "unexpected",
        ];
        if !unknown.iter().any(|word| refusal.contains(word)) {
            return false;
        }
        if refusal.contains("stream_options") && self.stream_options.swap(false, Relaxed) {
            return true;
        }
        if refusal.contains("max_completion_tokens") && !self.renamed.swap(true, Relaxed) {
            self.max_completion_tokens.fetch_xor(true, Relaxed);
            return true;
        }
        false
    }
}

#[derive(Serialize)]
struct Body<'a> {
    model: &'a str,
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
}

impl<'a> Tool<'a> {
    fn new(tool: &'a ToolSpec) -> Self {
        Self {
            kind: "function",
            function: Function {
                name: &tool.name,
                description: &tool.description,
                parameters: &tool.input_schema,
            },
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum Turn<'a> {
    Said {
        role: &'static str,
        content: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tool_call_id: Option<&'a str>,
    },
    Assistant(&'a Value),
}

impl<'a> Turn<'a> {
    const fn said(role: &'static str, content: Cow<'a, str>) -> Self {
        Self::Said { role, content, tool_call_id: None }
    }
}

/// The protocol has no mark for a failed tool call, so its text begins with one.
fn messages(request: &Request) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    if !request.system.trim().is_empty() {
        turns.push(Turn::said("system", Cow::Borrowed(&request.system)));
    }
    for message in &request.messages {
        match message {
            Message::User(text) => match turns.last_mut() {
                // Chat templates of local models insist on alternation.
                Some(Turn::Said { role: "user", content, .. }) => {
                    let content = content.to_mut();
                    content.push_str("\n\n");
                    content.push_str(text);
                }
                _ => turns.push(Turn::said("user", Cow::Borrowed(text))),
            },
            // An empty turn is refused by some servers.
            Message::Assistant(raw) if raw["tool_calls"].is_null() && raw["content"].as_str() == Some("") => {
            }
            Message::Assistant(raw) => turns.push(Turn::Assistant(raw)),
            Message::ToolResults(results) => turns.extend(results.iter().map(|result| Turn::Said {
                role: "tool",
                content: if result.is_error {
                    Cow::Owned(format!("ERROR: {}", result.content))
                } else {
                    Cow::Borrowed(&*result.content)
                },
                tool_call_id: Some(&result.call_id),
            })),
        }
    }
    turns
}

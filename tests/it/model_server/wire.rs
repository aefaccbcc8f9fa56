//! Replies as the two wire protocols stream them. Knows the events of each protocol, and nothing of who asks.

use serde_json::{Value, json};

use super::script::{Reply, Stop};

/// A wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    Anthropic,
    OpenAi,
}

impl Protocol {
    /// The protocol that a request path belongs to.
    pub(crate) fn of_path(path: &str) -> Option<Self> {
        let path = path.split('?').next().unwrap_or(path);
        if path.ends_with("/v1/messages") {
            Some(Self::Anthropic)
        } else if path.ends_with("/chat/completions") {
            Some(Self::OpenAi)
        } else {
            None
        }
    }

    /// The stream of one reply as server-sent events. `number` makes the call ids unique within the agent.
    pub(crate) fn stream(self, reply: &Reply, number: usize, model: &str) -> Vec<String> {
        match self {
            Self::Anthropic => anthropic(reply, number, model),
            Self::OpenAi => openai(reply, number, model),
        }
    }

    /// The body of an HTTP error.
    pub(crate) fn error(self, status: u16, message: &str) -> Value {
        let kind = match status {
            401 => "authentication_error",
            403 => "permission_error",
            404 => "not_found_error",
            429 => "rate_limit_error",
            529 => "overloaded_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        match self {
            Self::Anthropic => json!({"type": "error", "error": {"type": kind, "message": message}}),
            Self::OpenAi => {
                json!({"error": {"type": kind, "message": message, "code": null, "param": null}})
            }
        }
    }

    /// The system prompt of a request body.
    pub(crate) fn system(self, body: &Value) -> String {
        let text = |v: &Value| match v {
            Value::String(s) => s.clone(),
            Value::Array(blocks) => blocks.iter().filter_map(|b| b["text"].as_str()).collect(),
            _ => String::new(),
        };
        match self {
            Self::Anthropic => text(&body["system"]),
            Self::OpenAi => body["messages"]
                .as_array()
                .into_iter()
                .flatten()
                .find(|m| matches!(m["role"].as_str(), Some("system" | "developer")))
                .map(|m| text(&m["content"]))
                .unwrap_or_default(),
        }
    }
}

/// The agent that a system prompt names in its first line.
pub(crate) fn agent_of(system: &str) -> Option<String> {
    let name: String = system
        .lines()
        .next()?
        .strip_prefix("You are ")?
        .chars()
        .take_while(char::is_ascii_uppercase)
        .collect();
    (!name.is_empty()).then_some(name)
}

fn anthropic(reply: &Reply, number: usize, model: &str) -> Vec<String> {
    let usage = reply.usage.unwrap_or_default();
    let mut events = vec![
        json!({"type": "message_start", "message": {
            "id": format!("msg_{}_{number}", reply.agent), "type": "message", "role": "assistant",
            "model": model, "content": [], "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": usage.input,
                "cache_creation_input_tokens": usage.cache_write,
                "cache_read_input_tokens": usage.cache_read,
                "output_tokens": 1,
            },
        }}),
        json!({"type": "ping"}),
    ];
    let mut index = 0;
    let mut block = |start: Value, deltas: Vec<Value>| {
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        for delta in deltas {
            events.push(json!({"type": "content_block_delta", "index": index, "delta": delta}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
        index += 1;
    };
    if !reply.text.is_empty() {
        let deltas = pieces(&reply.text).map(|p| json!({"type": "text_delta", "text": p}));
        block(json!({"type": "text", "text": ""}), deltas.collect());
    }
    for (i, call) in reply.calls.iter().enumerate() {
        let input = input_text(&call.input);
        let deltas = pieces(&input).map(|p| json!({"type": "input_json_delta", "partial_json": p}));
        let id = call_id("toolu", reply, number, i);
        block(json!({"type": "tool_use", "id": id, "name": call.name, "input": {}}), deltas.collect());
    }
    let stop = match reply.stop() {
        Stop::EndTurn => "end_turn",
        Stop::ToolUse => "tool_use",
        Stop::Length => "max_tokens",
        Stop::Refusal => "refusal",
    };
    events.push(json!({"type": "message_delta",
        "delta": {"stop_reason": stop, "stop_sequence": null}, "usage": {"output_tokens": usage.output}}));
    events.push(json!({"type": "message_stop"}));
    events
        .iter()
        .map(|e| format!("event: {}\ndata: {e}\n\n", e["type"].as_str().unwrap_or_default()))
        .collect()
}

fn openai(reply: &Reply, number: usize, model: &str) -> Vec<String> {
    let usage = reply.usage.unwrap_or_default();
    let prompt = usage.input + usage.cache_write + usage.cache_read;
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({"id": format!("chatcmpl_{}_{number}", reply.agent),
            "object": "chat.completion.chunk", "created": 1_700_000_000, "model": model,
            "choices": choices, "usage": usage});
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish: Value| {
        chunk(json!([{"index": 0, "delta": delta, "finish_reason": finish}]), Value::Null)
    };
    let mut events = vec![delta(json!({"role": "assistant", "content": ""}), Value::Null)];
    for piece in pieces(&reply.text) {
        events.push(delta(json!({"content": piece}), Value::Null));
    }
    for (i, call) in reply.calls.iter().enumerate() {
        let id = call_id("call", reply, number, i);
        events.push(delta(
            json!({"tool_calls": [{"index": i, "id": id, "type": "function",
                "function": {"name": call.name, "arguments": ""}}]}),
            Value::Null,
        ));
        for piece in pieces(&input_text(&call.input)) {
            events.push(delta(
                json!({"tool_calls": [{"index": i, "function": {"arguments": piece}}]}),
                Value::Null,
            ));
        }
    }
    let finish = match reply.stop() {
        Stop::EndTurn => "stop",
        Stop::ToolUse => "tool_calls",
        Stop::Length => "length",
        Stop::Refusal => "content_filter",
    };
    events.push(delta(json!({}), json!(finish)));
    events.push(chunk(
        json!([]),
        json!({"prompt_tokens": prompt, "completion_tokens": usage.output,
            "total_tokens": prompt + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cache_read}}),
    ));
    events.push("data: [DONE]\n\n".to_owned());
    events
}

fn call_id(prefix: &str, reply: &Reply, number: usize, index: usize) -> String {
    format!("{prefix}_{}_{number}_{index}", reply.agent)
}

fn input_text(input: &Value) -> String {
    match input {
        Value::String(raw) => raw.clone(),
        other => other.to_string(),
    }
}

/// Text in pieces of uneven length, so that a client must put tokens, escapes and numbers together again.
fn pieces(text: &str) -> impl Iterator<Item = String> {
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    std::iter::from_fn(move || {
        let end = (at + 5 + at % 37).min(chars.len());
        (at < end).then(|| {
            let piece = chars[at..end].iter().collect();
            at = end;
            piece
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_names_the_agent() {
        assert_eq!(agent_of("You are GATE, the judge.\nMore"), Some("GATE".into()));
        assert_eq!(agent_of("You are a helper"), None);
        assert_eq!(agent_of(""), None);
    }

    #[test]
    fn pieces_join_to_the_whole() {
        let text = "äöü {\"a\": 1} ".repeat(30);
        assert_eq!(pieces(&text).collect::<String>(), text);
    }

    #[test]
    fn streams_carry_text_calls_and_usage() {
        let reply: Reply = serde_json::from_value(json!({"agent": "FORGE", "text": "Reading.",
            "calls": [{"name": "read_file", "input": {"path": "a b"}}, {"name": "run_tests", "input": {}}],
            "usage": {"input": 7, "cache_read": 5, "output": 3}}))
        .unwrap();
        let anthropic = Protocol::Anthropic.stream(&reply, 4, "m").concat();
        assert!(anthropic.contains("toolu_FORGE_4_1"), "{anthropic}");
        assert!(anthropic.contains("\"stop_reason\":\"tool_use\""));
        let openai = Protocol::OpenAi.stream(&reply, 4, "m").concat();
        assert!(openai.contains("call_FORGE_4_0"), "{openai}");
        assert!(openai.contains("\"prompt_tokens\":12"));
        assert!(openai.ends_with("data: [DONE]\n\n"));
    }
}

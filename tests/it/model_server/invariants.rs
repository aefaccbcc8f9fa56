//! What must hold for every request that a model gets, whatever the day: it fits the provider's schema, every
//! tool call was answered in its place, the conversation only grows at its end, and no secret is in it.

use std::collections::HashMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use super::Exchange;
use super::wire::Protocol;

static ANTHROPIC: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../../api/anthropic-messages-request.schema.json")));
static OPENAI: LazyLock<Validator> =
    LazyLock::new(|| validator(include_str!("../../api/openai-chat-request.schema.json")));

fn validator(schema: &str) -> Validator {
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
}

/// Far beyond any honest request of these small projects.
const LARGEST: usize = 1 << 20;

/// Every breach, in words. `canaries` are strings that no model may see.
pub(crate) fn breaches(exchanges: &[Exchange], canaries: &[String]) -> Vec<String> {
    let mut breaches = Vec::new();
    let mut conversations: HashMap<&str, &Exchange> = HashMap::new();
    for (i, exchange) in exchanges.iter().enumerate() {
        let mut report =
            |text: String| breaches.push(format!("request {} ({}): {text}", i + 1, exchange.agent));
        schema(exchange).into_iter().for_each(&mut report);
        answers(exchange).into_iter().for_each(&mut report);
        if exchange.bytes > LARGEST {
            report(format!("{} bytes are too many", exchange.bytes));
        }
        let text = exchange.body.to_string();
        for canary in canaries.iter().filter(|c| text.contains(c.as_str())) {
            report(format!("the secret {}… is in it", &canary[..canary.len().min(6)]));
        }
        if let Some(before) = conversations.insert(&exchange.agent, exchange) {
            growth(before, exchange).into_iter().for_each(&mut report);
        }
    }
    breaches
}

/// The messages of a body without a system message.
pub(crate) fn messages(exchange: &Exchange) -> Vec<&Value> {
    exchange.body["messages"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|m| !matches!(m["role"].as_str(), Some("system" | "developer")))
        .collect()
}

fn schema(exchange: &Exchange) -> Vec<String> {
    let mut body = exchange.body.clone();
    if let Some(object) = body.as_object_mut() {
        object.remove("stream");
        object.remove("stream_options");
    }
    let validator = match exchange.protocol {
        Protocol::Anthropic => &ANTHROPIC,
        Protocol::OpenAi => &OPENAI,
    };
    validator
        .iter_errors(&body)
        .map(|e| {
            let text: String = e.to_string().chars().take(300).collect();
            format!("does not fit the provider's schema at {}: {text}", e.instance_path())
        })
        .collect()
}

/// Every tool call is answered right after its turn, all of them, in their order.
fn answers(exchange: &Exchange) -> Vec<String> {
    let messages = messages(exchange);
    let mut problems = Vec::new();
    for (i, message) in messages.iter().enumerate() {
        let called = calls(exchange.protocol, message);
        if called.is_empty() {
            continue;
        }
        let answered: Vec<&str> = match exchange.protocol {
            Protocol::Anthropic => messages.get(i + 1).map_or(vec![], |m| {
                let blocks = m["content"].as_array().into_iter().flatten();
                blocks.filter_map(|b| b["tool_use_id"].as_str()).collect()
            }),
            Protocol::OpenAi => messages[i + 1..]
                .iter()
                .take_while(|m| m["role"] == "tool")
                .filter_map(|m| m["tool_call_id"].as_str())
                .collect(),
        };
        if called != answered {
            problems.push(format!("calls {called:?} were answered by {answered:?}"));
        }
    }
    problems
}

fn calls(protocol: Protocol, message: &Value) -> Vec<&str> {
    let list = match protocol {
        Protocol::Anthropic => &message["content"],
        Protocol::OpenAi => &message["tool_calls"],
    };
    let items = list.as_array().into_iter().flatten();
    items
        .filter(|c| protocol == Protocol::OpenAi || c["type"] == "tool_use")
        .filter_map(|c| c["id"].as_str())
        .collect()
}

/// What stands in an old tool result that was replaced.
const LEFT_OUT: &str = "of this older result left out";

/// A request either opens a conversation or repeats the one before, byte for byte, and adds to its end. Cache
/// breakpoints may move, since they are not part of what is cached, and old tool results may be left out, once.
fn growth(before: &Exchange, after: &Exchange) -> Vec<String> {
    let (old, new) = (messages(before), messages(after));
    if new.len() <= 1 {
        return vec![];
    }
    let mut problems = Vec::new();
    if before.left.is_some_and(|left| after.arrived < left) {
        problems.push("it came before the request before was answered".to_owned());
    }
    for (i, message) in old.iter().enumerate() {
        let old = without_breakpoints(message).to_string();
        let new = new.get(i).map_or(String::new(), |m| without_breakpoints(m).to_string());
        let left_out = new.contains(LEFT_OUT) && !old.contains(LEFT_OUT);
        if old != new && !left_out {
            problems.push(format!(
                "message {} changed from one request to the next:\n  {}\n  {}",
                i + 1,
                excerpt(&old, &new),
                excerpt(&new, &old)
            ));
            break;
        }
    }
    if before.protocol.system(&before.body) != after.protocol.system(&after.body) {
        problems.push("the system prompt changed within a conversation".to_owned());
    }
    if without_breakpoints(&before.body["tools"]) != without_breakpoints(&after.body["tools"]) {
        problems.push("the tools changed within a conversation".to_owned());
    }
    problems
}

fn without_breakpoints(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "cache_control")
            .map(|(key, value)| (key.clone(), without_breakpoints(value)))
            .collect(),
        Value::Array(items) => items.iter().map(without_breakpoints).collect(),
        other => other.clone(),
    }
}

/// The part of `text` around the first difference from `other`.
fn excerpt(text: &str, other: &str) -> String {
    let same = text.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    text.chars().skip(same.saturating_sub(40)).take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn exchange(body: Value) -> Exchange {
        Exchange {
            agent: "GATE".into(),
            protocol: if body["messages"][0]["role"] == "system" {
                Protocol::OpenAi
            } else {
                Protocol::Anthropic
            },
            bytes: 0,
            answered: true,
            arrived: std::time::Instant::now(),
            left: None,
            body,
        }
    }

    fn anthropic(messages: Value) -> Exchange {
        exchange(json!({"model": "m", "max_tokens": 9, "stream": true,
            "system": [{"type": "text", "text": "You are GATE, x", "cache_control": {"type": "ephemeral"}}],
            "tools": [{"name": "t", "description": "d", "input_schema": {"type": "object"}}],
            "messages": messages}))
    }

    const CALL: &str = r#"{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"t","input":{}},{"type":"tool_use","id":"b","name":"t","input":{}}]}"#;

    fn result(id: &str) -> Value {
        json!({"type": "tool_result", "tool_use_id": id, "content": "ok"})
    }

    #[test]
    fn a_well_kept_conversation_has_no_breach() {
        let call: Value = serde_json::from_str(CALL).unwrap();
        let first = anthropic(json!([{"role": "user", "content": "go"}]));
        let second = anthropic(json!([{"role": "user", "content": "go"}, call,
            {"role": "user", "content": [result("a"), result("b")]}]));
        assert_eq!(breaches(&[first, second], &["sk-1".into()]), [] as [&str; 0]);
        let openai =
            exchange(json!({"model": "m", "stream": true, "stream_options": {"include_usage": true},
            "messages": [{"role": "system", "content": "You are GATE, x"}, {"role": "user", "content": "go"},
              {"role": "assistant", "content": null, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "t", "arguments": "{}"}}]},
              {"role": "tool", "tool_call_id": "a", "content": "ok"}]}));
        assert_eq!(breaches(&[openai], &[]), [] as [&str; 0]);
    }

    #[test]
    fn each_breach_is_named() {
        let call: Value = serde_json::from_str(CALL).unwrap();
        let swapped = anthropic(json!([{"role": "user", "content": "go"}, call,
            {"role": "user", "content": [result("b"), result("a")]}]));
        assert!(breaches(&[swapped], &[])[0].contains("were answered by"));
        let changed = [
            anthropic(json!([{"role": "user", "content": "go"}])),
            anthropic(json!([{"role": "user", "content": "went"}, {"role": "assistant", "content": "hm"},
                {"role": "user", "content": "on"}])),
        ];
        assert!(breaches(&changed, &[])[0].contains("message 1 changed"));
        let leaking = anthropic(json!([{"role": "user", "content": "the key is sk-1234567"}]));
        assert!(breaches(&[leaking], &["sk-1234567".into()])[0].contains("secret"));
        let mut misfit = anthropic(json!([{"role": "judge", "content": "go"}]));
        assert!(breaches(&[misfit.clone()], &[])[0].contains("schema"));
        misfit.body = json!({"model": "m", "messages": [{"role": "user", "content": "x"}]});
        assert!(breaches(&[misfit], &[])[0].contains("max_tokens"));
    }
}

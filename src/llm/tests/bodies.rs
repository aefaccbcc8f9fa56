//! The request bodies themselves: what is in them, and that an old conversation is a prefix of the new one.

use serde_json::{Value, json};

use super::request;
use super::schema::assert_valid;
use crate::llm::anthropic::Anthropic;
use crate::llm::openai::OpenAi;
use crate::llm::wire::Protocol;
use crate::llm::{Message, Request, ToolResult};
use crate::settings::Provider;

fn anthropic(request: &Request) -> Value {
    let body = serde_json::from_slice(&Anthropic.body(request).unwrap()).unwrap();
    assert_valid(Provider::Anthropic, &body);
    body
}

fn openai(request: &Request, host: &str) -> Value {
    let body = serde_json::from_slice(&OpenAi::for_host(Some(host)).body(request).unwrap()).unwrap();
    assert_valid(Provider::OpenAi, &body);
    body
}

fn result(id: &str, content: &str, is_error: bool) -> ToolResult {
    ToolResult { call_id: id.to_owned(), content: content.to_owned(), is_error }
}

fn anthropic_turn(id: &str) -> Message {
    Message::Assistant(json!({"role": "assistant", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "c2ln"},
        {"type": "tool_use", "id": id, "name": "read_file", "input": {"path": "a"}},
    ]}))
}

fn breakpoints(body: &Value) -> Vec<String> {
    fn walk(value: &Value, at: &str, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                if map.contains_key("cache_control") {
                    found.push(at.to_owned());
                }
                map.iter().for_each(|(key, v)| walk(v, &format!("{at}/{key}"), found));
            }
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(i, v)| walk(v, &format!("{at}/{i}"), found))
            }
            _ => {}
        }
    }
    let mut found = Vec::new();
    walk(body, "", &mut found);
    found
}

#[test]
fn a_first_anthropic_request_reads_as_the_api_wants_it() {
    let ephemeral = json!({"type": "ephemeral"});
    let mut body = anthropic(&request());
    let tools = body["tools"].take();
    assert_eq!(
        body,
        json!({
            "model": "test-model",
            "max_tokens": 1000,
            "stream": true,
            "tools": null,
            "system": [{"type": "text", "text": "You are GATE, who judges.", "cache_control": ephemeral}],
            "messages": [{"role": "user", "content": [
                {"type": "text", "text": "Judge day 1.", "cache_control": ephemeral},
            ]}],
        })
    );
    assert_eq!(tools[0]["name"], "read_file");
    assert_eq!(tools[0].get("cache_control"), None);
    assert_eq!(tools[1]["cache_control"], ephemeral);
}

#[test]
fn at_most_four_cache_breakpoints_and_they_move_on() {
    let mut request = request();
    for round in 0..6 {
        let users = request.messages.iter().filter(|m| !matches!(m, Message::Assistant(_))).count();
        let found = breakpoints(&anthropic(&request));
        let last = request.messages.len() - 1;
        assert_eq!(found.len(), 2 + users.min(2), "round {round}: {found:?}");
        assert_eq!(found.last().unwrap(), &format!("/messages/{last}/content/{}", usize::from(round > 0)));
        request.messages.push(anthropic_turn(&format!("toolu_{round}")));
        let results = vec![result(&format!("toolu_{round}"), "text", false), result("toolu_x", "no", true)];
        request.messages.push(Message::ToolResults(results));
    }
}

#[test]
fn without_breakpoints_the_old_conversation_is_a_prefix_of_the_new_one() {
    let bytes = |request: &Request| {
        let text = serde_json::to_string(&anthropic(request)["messages"]).unwrap();
        text.replace(r#","cache_control":{"type":"ephemeral"}"#, "")
    };
    let mut request = request();
    let before = bytes(&request);
    request.messages.push(anthropic_turn("toolu_1"));
    request.messages.push(Message::ToolResults(vec![result("toolu_1", "", false)]));
    let after = bytes(&request);
    assert!(after.starts_with(before.trim_end_matches(']')), "{before}\n{after}");
}

#[test]
fn turns_that_the_api_would_refuse_are_left_out_or_joined() {
    let mut request = request();
    request.messages.extend([
        Message::Assistant(json!({"role": "assistant", "content": []})),
        Message::User(" \n".to_owned()),
        Message::User("Please answer.".to_owned()),
    ]);
    let body = anthropic(&request);
    let turns = body["messages"].as_array().unwrap();
    assert_eq!(turns.len(), 1);
    let texts: Vec<_> = turns[0]["content"].as_array().unwrap().iter().map(|b| &b["text"]).collect();
    assert_eq!(texts, ["Judge day 1.", "Please answer."]);
}

#[test]
fn an_openai_conversation_reads_as_the_api_wants_it() {
    let mut request = request();
    let call = json!({"id": "c1", "type": "function", "function": {"name": "read_file", "arguments": "{}"}});
    request.messages.extend([
        Message::Assistant(json!({"role": "assistant", "content": null, "tool_calls": [call]})),
        Message::ToolResults(vec![result("c1", "no such file", true)]),
        Message::Assistant(json!({"role": "assistant", "content": ""})),
        Message::User("Go on.".to_owned()),
        Message::User("Now.".to_owned()),
    ]);
    let body = openai(&request, "localhost");
    assert_eq!(
        body["messages"],
        json!([
            {"role": "system", "content": "You are GATE, who judges."},
            {"role": "user", "content": "Judge day 1."},
            {"role": "assistant", "content": null, "tool_calls": [call]},
            {"role": "tool", "content": "ERROR: no such file", "tool_call_id": "c1"},
            {"role": "user", "content": "Go on.\n\nNow."},
        ])
    );
    assert_eq!(body["stream_options"], json!({"include_usage": true}));
    assert_eq!((&body["max_tokens"], body.get("max_completion_tokens")), (&json!(1000), None));
}

#[test]
fn openai_itself_gets_the_newer_name_of_the_limit() {
    let body = openai(&request(), "api.openai.com");
    assert_eq!((body.get("max_tokens"), &body["max_completion_tokens"]), (None, &json!(1000)));
}

#[test]
fn no_sampling_parameter_is_sent_and_no_empty_list() {
    let mut bare = request();
    bare.tools.clear();
    bare.system.clear();
    for body in [anthropic(&bare), openai(&bare, "x")] {
        for field in ["temperature", "top_p", "top_k", "tools", "system", "tool_choice"] {
            assert_eq!(body.get(field), None, "{field}");
        }
    }
}

//! What a turn costs in processor time, printed; the bounds are far off, so that only a change of order fails.

use std::time::Duration;

use serde_json::json;

use super::request;
use crate::llm::anthropic::Anthropic;
use crate::llm::openai::OpenAi;
use crate::llm::sse::Decoder;
use crate::llm::wire::Protocol;
use crate::llm::{Message, ToolResult};
use crate::tests::work::spent;

/// Thirty turns of an agent that reads files of 8 kB.
fn long_conversation() -> crate::llm::Request {
    let mut request = request();
    for turn in 0..30 {
        let id = format!("toolu_{turn}");
        request.messages.push(Message::Assistant(json!({"role": "assistant", "content": [
            {"type": "text", "text": "I shall read the next file."},
            {"type": "tool_use", "id": id, "name": "read_file", "input": {"path": "src/lib.rs"}},
        ]})));
        request.messages.push(Message::ToolResults(vec![ToolResult {
            call_id: id,
            content: "let x = \"line\";\n".repeat(512),
            is_error: false,
        }]));
    }
    request
}

fn stream() -> String {
    let mut events = vec![
        json!({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{\"a\":\""}}),
    ];
    for _ in 0..300 {
        let delta = json!({"type": "input_json_delta", "partial_json": "some more text "});
        events.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
    }
    events.extend([
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "\"}"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 900}}),
        json!({"type": "message_stop"}),
    ]);
    events.iter().map(|event| format!("event: e\ndata: {event}\n\n")).collect()
}

fn per_round(name: &str, rounds: u32, mut work: impl FnMut()) {
    work();
    let nanoseconds = spent(|| (0..rounds).for_each(|_| work()));
    let each = Duration::from_nanos(nanoseconds) / rounds;
    println!("{name}: {each:?}");
    assert!(each < Duration::from_secs(1), "{name}: {each:?}");
}

#[test]
fn a_turn_costs_little() {
    let request = long_conversation();
    println!("body of turn 31: {} bytes", Anthropic.body(&request).unwrap().len());
    per_round("Anthropic body of turn 31", 20, || drop(Anthropic.body(&request).unwrap()));
    per_round("OpenAI body of turn 31", 20, || drop(OpenAi::for_host(None).body(&request).unwrap()));
    let stream = stream();
    println!("streamed reply: {} bytes, 306 events", stream.len());
    per_round("Anthropic reply of 900 tokens", 20, || {
        let mut answer = Anthropic.answer(1);
        let mut decoder = Decoder::default();
        for chunk in stream.as_bytes().chunks(1400) {
            for event in decoder.push(chunk).unwrap() {
                answer.event(&event.name, &event.data).unwrap();
            }
        }
        let reply = answer.finish(10).unwrap();
        assert_eq!(reply.calls.len(), 1);
        assert!(reply.calls[0].input.is_object());
    });
    per_round("HTTP client", 20, || drop(crate::http::client(&[]).unwrap()));
}

proptest::proptest! {
    /// Replies with bytes changed, dropped or cut: an error or a reply, never a panic.
    #[test]
    fn no_mutation_of_a_stream_makes_it_panic(at in 0usize..4000, byte: u8, cut in 0usize..5000, drop in 0usize..40) {
        let mut bytes = stream().into_bytes();
        bytes[at] = byte;
        bytes.drain(at..at + drop);
        bytes.truncate(cut.max(1));
        for protocol in [&Anthropic as &dyn Protocol, &OpenAi::for_host(None)] {
            let mut answer = protocol.answer(1);
            let mut decoder = Decoder::default();
            for event in decoder.push(&bytes).unwrap() {
                let _ = answer.event(&event.name, &event.data);
            }
            if let Ok(json) = serde_json::from_slice(&bytes) {
                let _ = answer.whole(&json);
            }
            let _ = answer.finish(1);
        }
    }
}

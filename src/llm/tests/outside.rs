//! Replies, prices and arguments as a broken or hostile endpoint may send them: an error by name or a reply, the same one
//! however the bytes are cut.

use proptest::prelude::*;
use serde_json::json;

use crate::llm::anthropic::Anthropic;
use crate::llm::openai::OpenAi;
use crate::llm::prices::Prices;
use crate::llm::sse::Decoder;
use crate::llm::tool_call::{parse_input, returnable_input, returnable_name};
use crate::llm::wire::Protocol;
use crate::tests::bent::{bent, cases};
use crate::tests::work::{Reader, grows_with_its_input};

fn streams() -> Vec<String> {
    let anthropic = [
        json!({"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 9, "cache_read_input_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        json!({"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}}}),
        json!({"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{\"a\": \"é\"}"}}),
        json!({"type": "content_block_start", "index": 2, "content_block": {"type": "text", "text": "a"}}),
        json!({"type": "content_block_delta", "index": 2, "delta": {"type": "text_delta", "text": "b"}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 900}}),
        json!({"type": "message_stop"}),
    ];
    let chunk = |delta: serde_json::Value| json!({"model": "m", "choices": [{"index": 0, "delta": delta}]});
    let openai = [
        chunk(json!({"role": "assistant", "content": "a", "reasoning_content": "r"})),
        chunk(
            json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "n", "arguments": "{\"a\""}}]}),
        ),
        chunk(json!({"tool_calls": [{"index": 0, "function": {"arguments": ": 1}"}}]})),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}),
        json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7, "prompt_tokens_details": {"cached_tokens": 2}}}),
    ];
    let events = |events: &[serde_json::Value]| {
        events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>()
    };
    vec![events(&anthropic), events(&openai) + "data: [DONE]\n\n"]
}

fn whole() -> Vec<String> {
    vec![
        json!({"type": "message", "model": "m", "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}], "stop_reason": "tool_use", "usage": {"input_tokens": 3, "output_tokens": 4}}).to_string(),
        json!({"model": "m", "choices": [{"index": 0, "message": {"content": [{"type": "text", "text": "a"}], "tool_calls": [{"id": "c", "function": {"name": "n", "arguments": "{}"}}]}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 4}}).to_string(),
    ]
}

const PIECES: &[&str] = &[
    "data: ",
    "event: error\n",
    "\n\n",
    "\r",
    "\u{feff}",
    ":",
    "{",
    "}",
    "[",
    "]",
    "null",
    "\"",
    "\\u0000",
    "\\ud800",
    "18446744073709551615",
    "-1",
    "1e999",
    "0.5",
    ",",
    "\"index\":0",
    "\"index\":4294967296",
    "\"type\":\"text\"",
    "\"error\":{}",
    "\"id\":\"t\"",
    "\"name\":\"\"",
    "[DONE]",
    "\"usage\":{\"input_tokens\":18446744073709551615}",
];

/// What comes out of the bytes, cut into pieces of `size`.
fn outcome(protocol: &dyn Protocol, bytes: &[u8], size: usize) -> String {
    let mut answer = protocol.answer(1);
    let mut decoder = Decoder::default();
    for chunk in bytes.chunks(size) {
        let Ok(events) = decoder.push(chunk) else { return "too large".into() };
        for event in events {
            match answer.event(&event.name, &event.data) {
                Ok(true) => return format!("{:?}", answer.finish(1)),
                Ok(false) => {}
                Err(fault) => return format!("{fault:?}"),
            }
        }
    }
    format!("{:?}", answer.finish(1))
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_stream_comes_to_the_same_however_it_is_cut(text in bent(streams(), PIECES), size in 1..200_usize) {
        for protocol in [&Anthropic as &dyn Protocol, &OpenAi::for_host(None)] {
            let expected = outcome(protocol, text.as_bytes(), text.len().max(1));
            prop_assert_eq!(outcome(protocol, text.as_bytes(), size), expected);
        }
    }

    #[test]
    fn any_whole_reply_is_read_or_named(text in bent(whole(), PIECES)) {
        let Ok(body) = serde_json::from_str(&text) else { return Ok(()) };
        for protocol in [&Anthropic as &dyn Protocol, &OpenAi::for_host(None)] {
            let mut answer = protocol.answer(1);
            if answer.whole(&body).is_ok()
                && let Ok(reply) = answer.finish(1)
            {
                let mut ids: Vec<_> = reply.calls.iter().map(|call| &call.id).collect();
                ids.sort_unstable();
                ids.dedup();
                prop_assert_eq!(ids.len(), reply.calls.len(), "two calls share an id");
            }
        }
    }

    #[test]
    fn any_arguments_go_back_as_an_object(text in bent(vec!["{\"path\": \"a\", \"n\": [1, 2]}".into()], PIECES)) {
        prop_assert!(returnable_input(&parse_input(&text)).is_object());
        let name = returnable_name(&text).into_owned();
        prop_assert!(name.len() <= 64 && name.is_ascii());
    }

    #[test]
    fn any_prices_are_read_or_told_with_their_file(text in bent(vec![
        "m: {input: 1, output: 2, long: {above: 1000, input: 2, output: 3}}\nn:\n  input: 3\n  output: 4\n  cache_read: 0.5\n".into(),
        "{\"a\": {\"input\": 1e3, \"output\": 2}}".into(),
    ], &["input: ", "-1", "1e400", ".inf", "long: ", "above: 18446744073709551616", "&a ", "*a", "{", "}", "[", ": ", "- ", "\n", "~", "'", "\"", "é"])) {
        match Prices::with_override(std::path::Path::new("p.yaml"), &text) {
            Ok(prices) => {
                for model in ["m", "n", "a"] {
                    if let Some(price) = prices.price(model) {
                        prop_assert!([price.input, price.output, price.cache_read, price.cache_write].iter().all(|p| (0.0..=125_000.0).contains(p)));
                    }
                }
            }
            Err(problems) => prop_assert!(!problems.is_empty() && problems.iter().all(|problem| problem.starts_with("p.yaml")), "{:?}", problems),
        }
    }
}

#[test]
fn a_reply_costs_what_its_size_is_worth() {
    let reader = |name: &'static str, protocol: Box<dyn Protocol>| {
        Reader::new(name, move |text| drop(outcome(&*protocol, text.as_bytes(), 1400)))
    };
    let readers =
        [reader("Anthropic", Box::new(Anthropic)), reader("OpenAI", Box::new(OpenAi::for_host(None)))];
    let numbered = |text: &str| format!("data: {text}");
    let block = numbered(
        "{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"tool_use\",\"name\":\"n\"}}\n\n",
    );
    let call = numbered(
        "{\"choices\":[{\"delta\":{\"tool_calls\":[{\"id\":\"x\",\"function\":{\"name\":\"n\",\"arguments\":\"{}\"}}]}}]}\n\n",
    );
    grows_with_its_input(&readers, &[""], &[&block, &call, "data: x\n", "data: {\"a\":[", "\r"]);
}

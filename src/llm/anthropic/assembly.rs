//! Puts a reply of the Messages API together, from events or from one piece. Knows no request.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use crate::llm::tally::Tally;
use crate::llm::tool_call::{made_up_id, parse_input, returnable_input, returnable_name};
use crate::llm::wire::{Answer, Fault, parse_event};
use crate::llm::{Reply, Stop, ToolCall};

/// A reply under way: blocks in order of their arrival.
#[derive(Default)]
pub(super) struct Assembly {
    turn: usize,
    model: String,
    blocks: Vec<Part>,
    /// Position in `blocks` by the stream's index; a repeated index begins a new block.
    at: HashMap<u64, usize>,
    stop: Option<String>,
    ended: bool,
    tally: Tally,
}

/// A content block: as it was announced, and what the deltas brought.
#[derive(Default)]
struct Part {
    head: Map<String, Value>,
    text: String,
    signature: String,
    json: String,
    citations: Vec<Value>,
}

impl Assembly {
    pub(super) fn new(turn: usize) -> Self {
        Self { turn, ..Self::default() }
    }
}

impl Answer for Assembly {
    fn event(&mut self, name: &str, data: &str) -> Result<bool, Fault> {
        if name == "ping" || data.trim().is_empty() {
            return Ok(false);
        }
        let event = parse_event(data)?;
        match event.get("type").and_then(Value::as_str).unwrap_or(name) {
            "message_start" => {
                let message = &event["message"];
                message["model"].as_str().unwrap_or_default().clone_into(&mut self.model);
                self.count(&message["usage"]);
            }
            "content_block_start" => self.start(index(&event)?, &event["content_block"])?,
            "content_block_delta" => self.delta(index(&event)?, &event["delta"])?,
            "message_delta" => {
                self.stop_reason(&event["delta"]);
                self.count(&event["usage"]);
            }
            "message_stop" => {
                self.ended = true;
                return Ok(true);
            }
            "error" => return Err(Fault::Reported(event)),
            // `content_block_stop`, `ping` and whatever comes to be later.
            _ => {}
        }
        Ok(false)
    }

    fn whole(&mut self, body: &Value) -> Result<(), Fault> {
        if body["type"] == "error" || body.get("error").is_some_and(|e| !e.is_null()) {
            return Err(Fault::Reported(body.clone()));
        }
        let Some(content) = body["content"].as_array() else {
            return Err(Fault::garbled(
                "a JSON reply without `content`; is this endpoint an Anthropic Messages API?",
            ));
        };
        for (position, block) in content.iter().enumerate() {
            self.start(position as u64, block)?;
        }
        self.tally.received = body["content"].to_string().len() as u64;
        body["model"].as_str().unwrap_or_default().clone_into(&mut self.model);
        self.stop_reason(body);
        self.count(&body["usage"]);
        self.ended = true;
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn finish(self: Box<Self>, sent: usize) -> Result<Reply, Fault> {
        let stop = match self.stop {
            Some(stop) if self.ended => stop,
            _ => return Err(Fault::cut("the reply broke off before its stop reason")),
        };
        let mut content = Vec::new();
        let mut texts = Vec::new();
        let mut calls: Vec<ToolCall> = Vec::new();
        let mut ids: HashSet<String> = HashSet::new();
        for part in self.blocks {
            let kind = part.head.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
            match kind.as_str() {
                "text" => {
                    let (block, text) = part.text_block();
                    if !text.trim().is_empty() {
                        content.push(block);
                        texts.push(text);
                    }
                }
                "thinking" => content.push(part.thinking_block()),
                "tool_use" => {
                    let (block, call) = part.tool_use_block(made_up_id(self.turn, calls.len()))?;
                    if !ids.insert(call.id.clone()) {
                        return Err(Fault::garbled(format!("two tool calls share the id `{}`", call.id)));
                    }
                    content.push(block);
                    calls.push(call);
                }
                _ => content.push(Value::Object(part.head)),
            }
        }
        Ok(Reply {
            raw: json!({"role": "assistant", "content": content}),
            text: texts.join("\n"),
            stop: stop_of(&stop, !calls.is_empty()),
            calls,
            usage: self.tally.complete(sent),
            model: self.model,
        })
    }
}

impl Assembly {
    fn start(&mut self, index: u64, block: &Value) -> Result<(), Fault> {
        let Value::Object(head) = block else {
            return Err(Fault::garbled("a content block that is no object"));
        };
        self.at.insert(index, self.blocks.len());
        self.blocks.push(Part { head: head.clone(), ..Part::default() });
        Ok(())
    }

    fn delta(&mut self, index: u64, delta: &Value) -> Result<(), Fault> {
        let position = self.at.get(&index).copied();
        let Some(part) = position.and_then(|position| self.blocks.get_mut(position)) else {
            return Err(Fault::garbled(format!("a delta for content block {index}, which never began")));
        };
        let kind = delta["type"].as_str().unwrap_or_default();
        let (target, piece) = match kind {
            "text_delta" => (&mut part.text, &delta["text"]),
            "thinking_delta" => (&mut part.text, &delta["thinking"]),
            "input_json_delta" => (&mut part.json, &delta["partial_json"]),
            "signature_delta" => (&mut part.signature, &delta["signature"]),
            "citations_delta" => {
                part.citations.push(delta["citation"].clone());
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Some(piece) = piece.as_str() else {
            return Err(Fault::garbled(format!("a {kind} without text")));
        };
        target.push_str(piece);
        self.tally.received += piece.len() as u64;
        Ok(())
    }

    fn stop_reason(&mut self, holder: &Value) {
        if let Some(stop) = holder["stop_reason"].as_str() {
            self.stop = Some(stop.to_owned());
        }
    }

    /// Counts are cumulative: what comes later replaces what came before.
    fn count(&mut self, usage: &Value) {
        Tally::read(&mut self.tally.input, usage, "/input_tokens");
        Tally::read(&mut self.tally.cache_write, usage, "/cache_creation_input_tokens");
        Tally::read(&mut self.tally.cache_read, usage, "/cache_read_input_tokens");
        Tally::read(&mut self.tally.output, usage, "/output_tokens");
    }
}

fn index(event: &Value) -> Result<u64, Fault> {
    event["index"].as_u64().ok_or_else(|| Fault::garbled("a content block event without an index"))
}

/// `model_context_window_exceeded` is a cut-off turn; the next request will tell that nothing more fits.
fn stop_of(reason: &str, has_calls: bool) -> Stop {
    match reason {
        "max_tokens" | "model_context_window_exceeded" => Stop::Length,
        "refusal" => Stop::Refusal,
        _ if has_calls => Stop::ToolUse,
        "end_turn" | "tool_use" | "stop_sequence" | "pause_turn" => Stop::EndTurn,
        unknown => {
            tracing::warn!("unknown stop reason `{unknown}`, taken as the end of the turn");
            Stop::EndTurn
        }
    }
}

impl Part {
    fn announced(&self, key: &str) -> &str {
        self.head.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn text_block(mut self) -> (Value, String) {
        let text = format!("{}{}", self.announced("text"), self.text);
        self.head.insert("text".to_owned(), Value::String(text.clone()));
        if !self.citations.is_empty() {
            self.head.insert("citations".to_owned(), Value::Array(self.citations));
        }
        (Value::Object(self.head), text)
    }

    fn thinking_block(mut self) -> Value {
        let thinking = format!("{}{}", self.announced("thinking"), self.text);
        let signature = format!("{}{}", self.announced("signature"), self.signature);
        self.head.insert("thinking".to_owned(), Value::String(thinking));
        self.head.insert("signature".to_owned(), Value::String(signature));
        Value::Object(self.head)
    }

    fn tool_use_block(mut self, spare_id: String) -> Result<(Value, ToolCall), Fault> {
        let name = self.announced("name").to_owned();
        if name.is_empty() {
            return Err(Fault::garbled("a tool call without a name"));
        }
        let id = Some(self.announced("id")).filter(|id| !id.is_empty()).map_or(spare_id, str::to_owned);
        // The input is announced empty and then streamed, but some servers announce it whole.
        let input = match self.head.remove("input") {
            Some(whole) if self.json.is_empty() && !whole.is_null() => whole,
            _ => parse_input(&self.json),
        };
        self.head.insert("id".to_owned(), Value::String(id.clone()));
        self.head.insert("name".to_owned(), Value::String(returnable_name(&name).into_owned()));
        self.head.insert("input".to_owned(), returnable_input(&input));
        Ok((Value::Object(self.head), ToolCall { id, name, input }))
    }
}

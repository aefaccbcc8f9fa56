//! Puts a reply of Chat Completions together, from chunks or from one piece. Knows no request.

use serde_json::{Map, Value, json};

use crate::llm::tally::Tally;
use crate::llm::tool_call::{made_up_id, parse_input, returnable_input, returnable_name};
use crate::llm::wire::{Answer, Fault, parse_event};
use crate::llm::{Reply, Stop, ToolCall};

/// A reply under way.
#[derive(Default)]
pub(super) struct Assembly {
    turn: usize,
    model: String,
    text: String,
    refusal: String,
    /// Fields that some providers want back unchanged with the turn (DeepSeek, OpenRouter).
    reasoning: String,
    reasoning_details: Vec<Value>,
    calls: Vec<Call>,
    finish: Option<String>,
    tally: Tally,
}

/// A tool call under way.
#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// Whatever else the provider attached and wants back (Gemini's thought signatures).
    extra: Map<String, Value>,
}

impl Assembly {
    pub(super) fn new(turn: usize) -> Self {
        Self { turn, ..Self::default() }
    }
}

impl Answer for Assembly {
    fn event(&mut self, name: &str, data: &str) -> Result<bool, Fault> {
        match data.trim() {
            "[DONE]" => return Ok(true),
            "" => return Ok(false),
            _ => {}
        }
        let chunk = parse_event(data)?;
        if name == "error" || chunk.get("error").is_some_and(|e| !e.is_null()) {
            return Err(Fault::Reported(chunk));
        }
        self.common(&chunk);
        if let Some(choice) = first_choice(&chunk) {
            self.message(&choice["delta"])?;
            self.finish_reason(choice);
        }
        Ok(false)
    }

    fn whole(&mut self, body: &Value) -> Result<(), Fault> {
        if body.get("error").is_some_and(|e| !e.is_null()) {
            return Err(Fault::Reported(body.clone()));
        }
        let Some(choice) = first_choice(body) else {
            return Err(Fault::garbled(
                "a JSON reply without `choices`; is this endpoint an OpenAI-compatible Chat Completions API?",
            ));
        };
        self.common(body);
        self.message(&choice["message"])?;
        self.finish_reason(choice);
        Ok(())
    }

    fn tally(&self) -> &Tally {
        &self.tally
    }

    fn finish(mut self: Box<Self>, sent: usize) -> Result<Reply, Fault> {
        let finish = match self.finish.take() {
            Some(broken) if matches!(broken.as_str(), "error" | "insufficient_system_resource") => {
                return Err(Fault::cut(format!("the provider ended the reply with `{broken}`")));
            }
            Some(finish) => finish,
            None => return Err(Fault::cut("the reply broke off before its finish reason")),
        };
        let (raw_calls, calls) = self.take_calls()?;
        let raw = self.raw(raw_calls);
        let stop = stop_of(&finish, !calls.is_empty(), !self.refusal.is_empty());
        let text =
            [self.text, self.refusal].into_iter().filter(|t| !t.is_empty()).collect::<Vec<_>>().join("\n");
        Ok(Reply { raw, text, calls, stop, usage: self.tally.complete(sent), model: self.model })
    }
}

fn first_choice(body: &Value) -> Option<&Value> {
    let choices = body["choices"].as_array()?;
    choices.iter().find(|choice| choice["index"].as_u64().unwrap_or(0) == 0)
}

impl Assembly {
    fn common(&mut self, chunk: &Value) {
        if let Some(model) = chunk["model"].as_str().filter(|m| !m.is_empty() && self.model.is_empty()) {
            self.model = model.to_owned();
        }
        self.count(&chunk["usage"]);
    }

    /// The prompt's count includes what was read from and written to the cache.
    fn count(&mut self, usage: &Value) {
        let mut prompt = None;
        Tally::read(&mut prompt, usage, "/prompt_tokens");
        if let Some(prompt) = prompt {
            let (mut read, mut written) = (None, None);
            Tally::read(&mut read, usage, "/prompt_cache_hit_tokens"); // DeepSeek
            Tally::read(&mut read, usage, "/prompt_tokens_details/cached_tokens");
            Tally::read(&mut written, usage, "/prompt_tokens_details/cache_write_tokens");
            let read = read.unwrap_or(0).min(prompt);
            let written = written.unwrap_or(0).min(prompt - read);
            self.tally.input = Some(prompt - read - written);
            self.tally.cache_read = Some(read);
            self.tally.cache_write = Some(written);
        }
        Tally::read(&mut self.tally.output, usage, "/completion_tokens");
    }

    fn message(&mut self, message: &Value) -> Result<(), Fault> {
        let before = self.size();
        append(&mut self.text, &message["content"]);
        append(&mut self.refusal, &message["refusal"]);
        append(&mut self.reasoning, &message["reasoning_content"]);
        if let Some(details) = message["reasoning_details"].as_array() {
            self.tally.received += message["reasoning_details"].to_string().len() as u64;
            self.reasoning_details.extend(details.iter().cloned());
        }
        for delta in message["tool_calls"].as_array().into_iter().flatten() {
            let Value::Object(delta) = delta else {
                return Err(Fault::garbled("a tool call that is no object"));
            };
            self.tool_call(delta);
        }
        self.tally.received += (self.size() - before) as u64;
        Ok(())
    }

    fn size(&self) -> usize {
        let calls = self.calls.iter().map(|call| call.name.len() + call.arguments.len());
        self.text.len() + self.refusal.len() + self.reasoning.len() + calls.sum::<usize>()
    }

    fn tool_call(&mut self, delta: &Map<String, Value>) {
        let field = |key: &str| delta.get(key).and_then(Value::as_str).unwrap_or_default();
        let function = delta.get("function").unwrap_or(&Value::Null);
        let (index, id) = (delta.get("index").and_then(Value::as_u64), field("id"));
        let name = function["name"].as_str().unwrap_or_default();
        let position = self.position(index, id, name);
        let Some(call) = self.calls.get_mut(position) else {
            return;
        };
        if call.id.is_empty() {
            id.clone_into(&mut call.id);
        }
        if call.name.is_empty() {
            name.clone_into(&mut call.name);
        }
        match &function["arguments"] {
            Value::String(piece) => call.arguments.push_str(piece),
            whole @ Value::Object(_) => call.arguments = whole.to_string(),
            _ => {}
        }
        let known = ["index", "id", "type", "function"];
        let extra = delta.iter().filter(|(key, value)| !known.contains(&key.as_str()) && !value.is_null());
        call.extra.extend(extra.map(|(key, value)| (key.clone(), value.clone())));
    }

    /// The call that a delta belongs to, perhaps a new one. By the book the index tells. But some servers give every
    /// call the index 0, or none: there a new id, or a new name after complete arguments, begins a call.
    fn position(&mut self, index: Option<u64>, id: &str, name: &str) -> usize {
        let found = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index),
            None if id.is_empty() => self.calls.len().checked_sub(1),
            None => self.calls.iter().rposition(|call| call.id == id),
        };
        let same = found.filter(|position| {
            self.calls.get(*position).is_some_and(|call| {
                let other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
                let next_call = id.is_empty() && !name.is_empty() && call.is_whole();
                !other_id && !next_call
            })
        });
        same.unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        })
    }

    fn finish_reason(&mut self, choice: &Value) {
        if let Some(reason) = choice["finish_reason"].as_str().filter(|r| !r.is_empty()) {
            self.finish = Some(reason.to_owned());
        }
    }

    /// The calls as they go back, and their typed view. Ids that are missing or repeated are made unique, because
    /// results are matched by them.
    fn take_calls(&mut self) -> Result<(Vec<Value>, Vec<ToolCall>), Fault> {
        let mut raws = Vec::new();
        let mut views: Vec<ToolCall> = Vec::new();
        for call in std::mem::take(&mut self.calls) {
            if call.name.is_empty() {
                return Err(Fault::garbled("a tool call without a name"));
            }
            let id = if call.id.is_empty() || views.iter().any(|view| view.id == call.id) {
                made_up_id(self.turn, views.len())
            } else {
                call.id
            };
            let input = parse_input(&call.arguments);
            let mut raw = json!({
                "id": id,
                "type": "function",
                "function": {
                    "name": returnable_name(&call.name),
                    "arguments": returnable_arguments(&call.arguments, &input),
                },
            });
            if let Value::Object(raw) = &mut raw {
                raw.extend(call.extra);
            }
            raws.push(raw);
            views.push(ToolCall { id, name: call.name, input });
        }
        Ok((raws, views))
    }

    fn raw(&mut self, calls: Vec<Value>) -> Value {
        let empty = self.text.is_empty() && (!calls.is_empty() || !self.refusal.is_empty());
        let content = if empty { Value::Null } else { Value::String(self.text.clone()) };
        let mut raw = Map::new();
        raw.insert("role".to_owned(), json!("assistant"));
        raw.insert("content".to_owned(), content);
        if !self.refusal.is_empty() {
            raw.insert("refusal".to_owned(), json!(self.refusal));
        }
        if !self.reasoning.is_empty() {
            raw.insert("reasoning_content".to_owned(), json!(self.reasoning));
        }
        if !self.reasoning_details.is_empty() {
            let details = std::mem::take(&mut self.reasoning_details);
            raw.insert("reasoning_details".to_owned(), Value::Array(details));
        }
        if !calls.is_empty() {
            raw.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        Value::Object(raw)
    }
}

impl Call {
    fn is_whole(&self) -> bool {
        !self.arguments.trim().is_empty() && serde_json::from_str::<Value>(&self.arguments).is_ok()
    }
}

/// Servers that template the conversation parse the arguments again and fail on what is no object.
fn returnable_arguments(text: &str, input: &Value) -> String {
    if input.is_object() && !text.trim().is_empty() {
        return text.to_owned();
    }
    returnable_input(input).to_string()
}

/// Content is a string, or a list of typed parts of which the text counts.
fn append(target: &mut String, piece: &Value) {
    match piece {
        Value::String(text) => target.push_str(text),
        Value::Array(parts) => {
            parts.iter().filter_map(|part| part["text"].as_str()).for_each(|t| target.push_str(t))
        }
        _ => {}
    }
}

fn stop_of(reason: &str, has_calls: bool, refused: bool) -> Stop {
    match reason {
        "length" | "max_tokens" | "model_length" => Stop::Length,
        "content_filter" => Stop::Refusal,
        _ if refused => Stop::Refusal,
        _ if has_calls => Stop::ToolUse,
        _ => Stop::EndTurn,
    }
}

//! How a model calls a final tool, and what it is told where it does not.

use serde_json::Value;

use crate::llm::{Message, Reply, Stop, ToolCall, ToolResult};
use crate::schema::yaml;
use crate::tool::toolbox::Spec;

/// What a reply calls.
pub(super) enum Called {
    Tools(Vec<ToolCall>),
    /// The one final tool, by a fenced YAML block in the text.
    Written(ToolCall),
}

impl Called {
    /// `None` where the reply calls nothing.
    pub(super) fn by(reply: &Reply, finals: &[Spec]) -> Option<Self> {
        if !reply.calls.is_empty() {
            return Some(Self::Tools(reply.calls.clone()));
        }
        let [only] = finals else { return None };
        let input = fenced_yaml(&reply.text)?;
        Some(Self::Written(ToolCall { id: String::new(), name: only.name.clone(), input }))
    }

    /// The calls, in order; at least one.
    pub(super) fn calls(&self) -> &[ToolCall] {
        match self {
            Self::Tools(calls) => calls,
            Self::Written(call) => std::slice::from_ref(call),
        }
    }

    /// The next message to the model: what was written is answered in writing.
    pub(super) fn answer(&self, results: Vec<ToolResult>) -> Message {
        match self {
            Self::Tools(_) => Message::ToolResults(results),
            Self::Written(_) => {
                let texts: Vec<_> = results.into_iter().map(|result| result.content).collect();
                Message::User(texts.join("\n"))
            }
        }
    }
}

/// The mapping in the last fenced YAML (or JSON) block of `text`.
fn fenced_yaml(text: &str) -> Option<Value> {
    let mut found = None;
    let mut rest = text;
    while let Some(start) = rest.find("```") {
        let block = &rest[start + 3..];
        let body = &block[block.find('\n')? + 1..];
        let end = body.find("```")?;
        let value = yaml::parse(&body[..end]).ok().map(|node| node.to_json());
        found = value.filter(Value::is_object).or(found);
        rest = &body[end + 3..];
    }
    found
}

/// Tells a model that called nothing to go on.
pub(super) fn reminder(reply: &Reply, finals: &[Spec]) -> String {
    let names: Vec<_> = finals.iter().map(|f| format!("`{}`", f.name)).collect();
    let cut = if reply.stop == Stop::Length { "Your reply was cut off at the output limit. " } else { "" };
    format!("{cut}Go on with the tools; your work counts only once you end it with {}.", names.join(" or "))
}

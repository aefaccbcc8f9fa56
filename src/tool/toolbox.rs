//! The tools of one agent: what a model is told of them, and whether its call fits. Runs nothing.

use std::borrow::Cow;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Tool, ToolError};

/// A tool as a model is told of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Spec {
    pub name: String,
    /// One or two sentences.
    pub description: String,
    /// JSON Schema of the input: an object.
    pub input_schema: Value,
}

/// Tools by name, in the order in which a model sees them.
pub(crate) struct ToolBox(Vec<Entry>);

struct Entry {
    spec: Spec,
    /// Absent where the agent itself acts on the call, e.g. a final tool.
    tool: Option<Box<dyn Tool>>,
    validator: OnceLock<Result<Validator, String>>,
}

impl ToolBox {
    pub(crate) fn new(tools: Vec<Box<dyn Tool>>) -> Self {
        let entry = |tool: Box<dyn Tool>| Entry {
            spec: Spec {
                name: tool.name().to_owned(),
                description: tool.description().to_owned(),
                input_schema: tool.input_schema(),
            },
            tool: Some(tool),
            validator: OnceLock::new(),
        };
        Self(tools.into_iter().map(entry).collect())
    }

    /// Adds a tool that the agent itself acts on: it is told and checked like the others, but
    /// [`ToolBox::get`] has nothing to run.
    pub(crate) fn with_flow(mut self, spec: Spec) -> Self {
        self.0.push(Entry { spec, tool: None, validator: OnceLock::new() });
        self
    }

    /// All tools as a model is told of them.
    pub(crate) fn specs(&self) -> Vec<Spec> {
        self.0.iter().map(|entry| entry.spec.clone()).collect()
    }

    /// The tool to run; `None` for unknown names and for what the agent itself acts on.
    pub(crate) fn get(&self, name: &str) -> Option<&dyn Tool> {
        self.entry(name)?.tool.as_deref()
    }

    /// The input to run a tool with, if there is such a tool and the input fits its schema. A `Mend` names the
    /// known tools, or everything that is wrong with the input. No input at all is an empty object; a
    /// JSON string is text that was not valid JSON.
    pub(crate) fn check<'a>(&self, name: &str, input: &'a Value) -> Result<Cow<'a, Value>, ToolError> {
        let Some(entry) = self.entry(name) else {
            let known: Vec<&str> = self.0.iter().map(|entry| entry.spec.name.as_str()).collect();
            let known = known.join(", ");
            return Err(ToolError::mend(format!("there is no tool {name:?}; the tools are: {known}")));
        };
        let input = match input {
            Value::Null => Cow::Owned(json!({})),
            Value::String(text) if text.trim().is_empty() => Cow::Owned(json!({})),
            Value::String(text) => return Err(ToolError::Mend(not_json(name, text))),
            input => Cow::Borrowed(input),
        };
        let problems = entry.problems(&input)?;
        if problems.is_empty() {
            return Ok(input);
        }
        let list = problems.join("\n- ");
        Err(ToolError::mend(format!("the input of {name} does not fit its schema:\n- {list}")))
    }

    fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.spec.name == name)
    }
}

impl Entry {
    fn problems(&self, input: &Value) -> Result<Vec<String>, ToolError> {
        let compile = || jsonschema::validator_for(&self.spec.input_schema).map_err(|e| e.to_string());
        let validator = self.validator.get_or_init(compile).as_ref();
        let validator = validator
            .map_err(|e| anyhow::anyhow!("the input schema of {} is broken: {e}", self.spec.name))?;
        Ok(validator
            .iter_errors(input)
            .map(|error| {
                let place = error.instance_path().to_string();
                let place = if place.is_empty() { "input" } else { &place };
                // Without the value: the model has just written it, and it may be a whole file.
                format!("{place}: {}", error.masked_with("the value"))
            })
            .collect())
    }
}

fn not_json(name: &str, text: &str) -> String {
    let reason = match serde_json::from_str::<Value>(text) {
        Err(error) => format!("was not valid JSON ({error})"),
        Ok(_) => "was a JSON string".to_owned(),
    };
    format!("the input of {name} {reason}; call it again with a complete JSON object")
}

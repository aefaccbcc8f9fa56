//! What a schema violation is called: the field first, then what is wrong, for people and for models that
//! are asked to mend it.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Keys and indices from the root to the place; a missing field is part of it.
    pub path: Vec<String>,
    /// The same as a reader writes it: `criteria_results[1].result`; empty for the whole document.
    pub field: String,
    pub message: String,
}

impl Problem {
    /// A problem of the document as a whole.
    pub(crate) const fn of_document(message: String) -> Self {
        Self { path: Vec::new(), field: String::new(), message }
    }

    fn at(path: Vec<String>, root: &Value, message: String) -> Self {
        let field = field(&path, root);
        Self { path, field, message }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = if self.field.is_empty() { "the document" } else { &self.field };
        write!(f, "{place}: {}", self.message)
    }
}

/// Puts one error of the validator into words; an error that names several fields becomes several problems.
pub(super) fn describe(error: &ValidationError<'_>, schema: &Value, root: &Value) -> Vec<Problem> {
    let path: Vec<String> = error.instance_path().iter().map(|s| s.to_string()).collect();
    let below = |field: &str| path.iter().cloned().chain([field.to_owned()]).collect();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = known_fields(error, schema);
            unexpected
                .iter()
                .map(|field| Problem::at(below(field), root, format!("unknown field; known are {known}")))
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            let field = property.as_str().unwrap_or_default();
            vec![Problem::at(below(field), root, "missing".to_owned())]
        }
        kind => {
            let message = words(kind, error.instance()).unwrap_or_else(|| error.to_string());
            vec![Problem::at(path, root, message)]
        }
    }
}

fn words(kind: &ValidationErrorKind, found: &Value) -> Option<String> {
    Some(match kind {
        ValidationErrorKind::Type { kind } => {
            format!("expected {}, found {}", expected(kind), kind_of(found))
        }
        ValidationErrorKind::Enum { options } => {
            let options = options.as_array()?.iter().map(bare).collect::<Vec<_>>();
            format!("{} is not one of {}", shown(found), options.join(", "))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("must be {}, not {}", bare(expected_value), shown(found))
        }
        ValidationErrorKind::Minimum { limit } => format!("must be at least {limit}, not {found}"),
        ValidationErrorKind::Maximum { limit } => format!("must be at most {limit}, not {found}"),
        ValidationErrorKind::MinItems { limit: 1 } => "must not be empty".to_owned(),
        ValidationErrorKind::MinItems { limit } => format!("must have at least {limit} entries"),
        ValidationErrorKind::MaxLength { limit } => format!(
            "must have at most {limit} characters, not {}",
            found.as_str().map_or(0, |text| text.chars().count())
        ),
        ValidationErrorKind::Pattern { pattern } if pattern == NOT_BLANK => "must not be empty".to_owned(),
        ValidationErrorKind::Pattern { pattern } => format!("{} does not match {pattern}", shown(found)),
        _ => return None,
    })
}

/// The pattern by which our schemas ask for text that is not blank.
const NOT_BLANK: &str = r"\S";

/// Fields that the object schema behind an `additionalProperties` error knows.
fn known_fields(error: &ValidationError<'_>, schema: &Value) -> String {
    let pointer = error.schema_path().as_str();
    let object = pointer.strip_suffix("/additionalProperties").unwrap_or(pointer);
    let fields = schema.pointer(&format!("{object}/properties")).and_then(Value::as_object);
    fields.map_or_else(String::new, |fields| fields.keys().cloned().collect::<Vec<_>>().join(", "))
}

fn field(path: &[String], root: &Value) -> String {
    let mut text = String::new();
    let mut here = Some(root);
    for step in path {
        if here.is_some_and(Value::is_array) {
            text.push_str(&format!("[{step}]"));
            here = here.and_then(|list| list.get(step.parse::<usize>().ok()?));
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(step);
            here = here.and_then(|fields| fields.get(step));
        }
    }
    text
}

fn expected(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(kind) => type_name(*kind).to_owned(),
        TypeKind::Multiple(kinds) => {
            let (null, mut kinds): (Vec<_>, Vec<_>) = kinds.iter().partition(|k| *k == JsonType::Null);
            kinds.extend(null);
            kinds.into_iter().map(type_name).collect::<Vec<_>>().join(" or ")
        }
    }
}

const fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "a string",
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

/// A value as found, quoted, and cut where it is long.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 { text } else { text.chars().take(59).chain(['…']).collect() }
}

/// A word of a schema without quotes.
fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

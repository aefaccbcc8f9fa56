//! Tool calls between a provider's JSON and the typed view: inputs that are no JSON, names that no API takes back.
//! Knows no tool.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// Under this key an input that is no JSON object goes back to the provider, as Anthropic advises for its
/// fine-grained tool streaming. The APIs take nothing but an object there.
const INVALID: &str = "INVALID_JSON";

/// The typed view of an input as the model wrote it: parsed, `{}` where it wrote nothing, else its text as a string.
pub(crate) fn parse_input(text: &str) -> Value {
    if text.trim().is_empty() {
        return Value::Object(Map::new());
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The input as it can be sent back: itself where it is an object, else an object that holds it.
pub(crate) fn returnable_input(input: &Value) -> Value {
    match input {
        Value::Object(_) => input.clone(),
        Value::String(text) => {
            Value::Object(Map::from_iter([(INVALID.to_owned(), Value::String(text.clone()))]))
        }
        other => Value::Object(Map::from_iter([(INVALID.to_owned(), Value::String(other.to_string()))])),
    }
}

/// The tool's name as every API takes it back (`[a-zA-Z0-9_-]{1,64}`): models make names up.
pub(crate) fn returnable_name(name: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if name.len() <= 64 && name.chars().all(allowed) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(name.chars().take(64).map(|c| if allowed(c) { c } else { '_' }).collect())
}

/// An id for a call that came without one: nine letters and digits, the strictest form in use (Mistral).
pub(crate) fn made_up_id(turn: usize, call: usize) -> String {
    format!("p{:04}{:04}", turn % 10_000, call % 10_000)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn inputs_are_parsed_or_kept_and_always_go_back_as_objects() {
        for (text, parsed, returned) in [
            ("", json!({}), json!({})),
            (" \n", json!({}), json!({})),
            (r#"{"a":1}"#, json!({"a": 1}), json!({"a": 1})),
            (r#"{"a":"#, json!(r#"{"a":"#), json!({"INVALID_JSON": r#"{"a":"#})),
            ("[1,2]", json!([1, 2]), json!({"INVALID_JSON": "[1,2]"})),
            ("null", json!(null), json!({"INVALID_JSON": "null"})),
        ] {
            let input = parse_input(text);
            assert_eq!(input, parsed, "{text}");
            assert_eq!(returnable_input(&input), returned, "{text}");
        }
    }

    #[test]
    fn names_go_back_in_the_allowed_letters() {
        assert_eq!(returnable_name("read_file"), "read_file");
        assert_eq!(returnable_name("functions.read file<|x|>"), "functions_read_file__x__");
        assert_eq!(returnable_name(&"ü".repeat(70)), "_".repeat(64));
        assert_eq!(made_up_id(3, 12), "p00030012");
    }
}

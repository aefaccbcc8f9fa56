//! Holds request bodies against the JSON Schemas of the official SDKs.

use std::path::Path;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::settings::Provider;

static ANTHROPIC: LazyLock<Validator> = LazyLock::new(|| load("anthropic-messages-request.schema.json"));
static OPENAI: LazyLock<Validator> = LazyLock::new(|| load("openai-chat-request.schema.json"));

fn load(name: &str) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/api").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; these tests need the request schemas there", path.display())
    });
    jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// Panics with every violation. The schemas describe bodies that do not stream; what providers other than OpenAI want
/// back with an assistant turn is no part of them.
pub(super) fn assert_valid(provider: Provider, body: &Value) {
    let mut body = body.clone();
    let fields = body.as_object_mut().unwrap();
    assert_eq!(fields.remove("stream"), Some(Value::Bool(true)));
    fields.remove("stream_options");
    let validator = match provider {
        Provider::Anthropic => &*ANTHROPIC,
        _ => {
            for message in body["messages"].as_array_mut().unwrap() {
                let message = message.as_object_mut().unwrap();
                message.remove("reasoning_content");
                message.remove("reasoning_details");
                for call in message.get_mut("tool_calls").and_then(Value::as_array_mut).into_iter().flatten()
                {
                    call.as_object_mut().unwrap().remove("extra_content");
                }
            }
            &*OPENAI
        }
    };
    let problems: Vec<_> =
        validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(problems.is_empty(), "{problems:#?}\nin {body:#}");
}

#[test]
fn the_schemas_refuse_what_is_wrong() {
    let bad =
        serde_json::json!({"model": "m", "max_tokens": 1, "messages": [{"role": "robot", "content": "x"}]});
    assert!(!ANTHROPIC.is_valid(&bad));
    assert!(!OPENAI.is_valid(&bad));
}

//! Writes the artifact schemas from the domain types, so that type and schema cannot drift apart. Test-only:
//! `UPDATE_SCHEMAS=1 cargo test --lib schema::` rewrites the committed files.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::domain::artifact::{
    Attempt, ConduitReport, Cycle, GateReport, Handoff, ScribeReport, SentinelReport, StoryCard,
};
use crate::domain::backlog::Entry;
use crate::domain::estimate::Planner;
use crate::domain::plan::SprintRecord;

#[test]
fn committed_artifact_schemas_are_those_of_the_types() {
    let mut stale = Vec::new();
    for (name, generated) in artifact_schemas() {
        let path = format!("{}/schemas/{name}.json", env!("CARGO_MANIFEST_DIR"));
        let text = serde_json::to_string_pretty(&generated).unwrap() + "\n";
        if super::get(name) != Some(&text) {
            if option_env!("UPDATE_SCHEMAS").is_some() {
                std::fs::write(&path, &text).unwrap();
            }
            stale.push(name);
        }
    }
    assert!(
        stale.is_empty(),
        "schemas that differ from their types: {stale:?}; run the tests with UPDATE_SCHEMAS=1, then again without"
    );
}

fn artifact_schemas() -> [(&'static str, Value); 11] {
    [
        ("story-card", schema_of::<StoryCard>("story-card")),
        ("handoff", schema_of::<Handoff>("handoff")),
        ("gate-report", schema_of::<GateReport>("gate-report")),
        ("sentinel-report", schema_of::<SentinelReport>("sentinel-report")),
        ("conduit-report", schema_of::<ConduitReport>("conduit-report")),
        ("scribe-report", schema_of::<ScribeReport>("scribe-report")),
        ("cycle", schema_of::<Cycle>("cycle")),
        ("planner", schema_of::<Planner>("planner")),
        ("sprint", schema_of::<SprintRecord>("sprint")),
        ("attempts", list_of::<Attempt>("attempts", "`attempts.yaml`: every run of a day, oldest first.")),
        (
            "advisory-backlog",
            list_of::<Entry>(
                "advisory-backlog",
                "`advisory-backlog.yaml`: advisories that shipped days left behind.",
            ),
        ),
    ]
}

fn schema_of<T: JsonSchema>(name: &str) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    tidy(&mut schema);
    headed(name, schema)
}

fn list_of<T: JsonSchema>(name: &str, description: &str) -> Value {
    let mut items = schema_of::<T>(name);
    let fields = items.as_object_mut().unwrap();
    for head in ["$schema", "$id", "title"] {
        fields.shift_remove(head);
    }
    headed(name, json!({ "description": description, "type": "array", "items": items }))
}

fn headed(name: &str, schema: Value) -> Value {
    let mut whole = Map::new();
    whole.insert("$schema".into(), json!("https://json-schema.org/draft/2020-12/schema"));
    whole.insert("$id".into(), json!(name));
    whole.insert("title".into(), json!(name));
    for (key, value) in schema.as_object().unwrap() {
        if !["$schema", "$id", "title"].contains(&key.as_str()) {
            whole.insert(key.clone(), value.clone());
        }
    }
    Value::Object(whole)
}

/// Brings the generator's output into the plainest form that says the same: enums as one word list, nullable
/// values without `anyOf`, no Rust number formats. Plain schemas give plain error messages.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Object(fields) => {
            fields.values_mut().for_each(tidy);
            if fields.get("format").and_then(Value::as_str) != Some("date-time") {
                fields.shift_remove("format");
            }
            flatten_nullable(fields);
            flatten_words(fields);
            if fields.contains_key("const") {
                for key in ["enum", "oneOf", "$ref"] {
                    fields.shift_remove(key);
                }
            }
            lead(fields, &["title", "description", "type", "const", "enum", "properties", "required"]);
        }
        _ => {}
    }
}

/// Puts `first` in front, the rest behind them in the order that it has.
fn lead(fields: &mut Map<String, Value>, first: &[&str]) {
    let mut ordered = Map::new();
    for key in first {
        if let Some(value) = fields.shift_remove(*key) {
            ordered.insert((*key).to_owned(), value);
        }
    }
    ordered.append(fields);
    *fields = ordered;
}

/// `anyOf: [X, null]` becomes X that also takes null.
fn flatten_nullable(fields: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = fields.get("anyOf") else {
        return;
    };
    let [Value::Object(inner), null] = options.as_slice() else {
        return;
    };
    if null["type"] != "null" {
        return;
    }
    let mut inner = inner.clone();
    inner["type"] = json!([inner["type"], "null"]);
    if let Some(Value::Array(words)) = inner.get_mut("enum") {
        words.push(Value::Null);
    }
    fields.shift_remove("anyOf");
    for (key, value) in inner {
        if key == "description" {
            describe(fields, value.as_str().unwrap());
        } else {
            fields.insert(key, value);
        }
    }
}

/// `oneOf` of documented words becomes one `enum`; the words' own documentation goes into the description.
fn flatten_words(fields: &mut Map<String, Value>) {
    let Some(Value::Array(options)) = fields.get("oneOf").cloned() else {
        return;
    };
    fields.shift_remove("oneOf");
    let asked = fields.get("enum").and_then(Value::as_array).cloned();
    let mut words = Vec::new();
    for option in &options {
        let documented = option.get("const").cloned().into_iter();
        let plain = option["enum"].as_array().cloned().unwrap_or_default();
        for word in documented.chain(plain) {
            if asked.as_ref().is_some_and(|asked| !asked.contains(&word)) {
                continue;
            }
            if let (Some(text), Some(word), false) =
                (option["description"].as_str(), word.as_str(), fields.contains_key("const"))
            {
                describe(fields, &format!("`{word}`: {text}"));
            }
            words.push(word);
        }
    }
    fields.insert("type".into(), json!("string"));
    fields.insert("enum".into(), Value::Array(words));
}

fn describe(fields: &mut Map<String, Value>, more: &str) {
    let text = match fields.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text} {more}"),
        None => more.to_owned(),
    };
    fields.insert("description".into(), json!(text));
}

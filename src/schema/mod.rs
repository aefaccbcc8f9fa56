//! JSON Schemas of plan and artifacts: embedded, printed by `pace schema`, checked whenever a document is
//! written, read or submitted. Knows shapes only; what a verdict means is `domain`'s.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

mod message;
pub(crate) mod yaml;

#[cfg(test)]
mod generate;
#[cfg(test)]
mod tests;

pub(crate) use message::Problem;

/// Every schema by name, in the order in which `pace schema` lists them.
static SCHEMAS: [Schema; 14] = [
    Schema::new("story-card", include_str!("../../schemas/story-card.json")),
    Schema::new("handoff", include_str!("../../schemas/handoff.json")),
    Schema::new("gate-report", include_str!("../../schemas/gate-report.json")),
    Schema::new("sentinel-report", include_str!("../../schemas/sentinel-report.json")),
    Schema::new("conduit-report", include_str!("../../schemas/conduit-report.json")),
    Schema::new("scribe-report", include_str!("../../schemas/scribe-report.json")),
    Schema::new("cycle", include_str!("../../schemas/cycle.json")),
    Schema::new("attempts", include_str!("../../schemas/attempts.json")),
    Schema::new("advisory-backlog", include_str!("../../schemas/advisory-backlog.json")),
    Schema::new("planner", include_str!("../../schemas/planner.json")),
    Schema::new("sprint", include_str!("../../schemas/sprint.json")),
    Schema::new("plan-stories", include_str!("../../schemas/plan-stories.json")),
    Schema::new("plan-days", include_str!("../../schemas/plan-days.json")),
    Schema::new("plan-days-legacy", include_str!("../../schemas/plan-days-legacy.json")),
];

/// Fields that the binary fills. A submission need not name them and none of them is asked for.
const FILLED: [(&str, &[&str]); 6] = [
    ("story-card", &["day", "agent"]),
    (
        "handoff",
        &[
            "day",
            "agent",
            "commit",
            "files",
            "iterations_used",
            "tdd_red_phase_confirmed",
            "red_phase",
            "sandbox",
        ],
    ),
    ("gate-report", &["day", "agent", "flaky", "coverage_rule"]),
    ("sentinel-report", &["day", "agent"]),
    ("conduit-report", &["day", "agent"]),
    ("scribe-report", &["day", "agent"]),
];

/// Fields that the binary computes too: a submission may claim them, so that the claim can be compared.
const CLAIMS: [&str; 3] = ["gate_decision", "sentinel_decision", "conduit_decision"];

/// Fields that models copy from examples; a submission may carry them, and they are dropped unread.
const TOLERATED: [&str; 3] = ["day", "agent", "commit"];

/// The schema called `name`, as JSON text.
pub(crate) fn get(name: &str) -> Option<&'static str> {
    find(name).map(|schema| schema.text)
}

/// Names of all schemas.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|schema| schema.name)
}

/// Checks `value` against the schema called `name`.
///
/// Lists every problem as `criteria_results[1].result: "MAYBE" is not one of PASS, PARTIAL, FAIL`.
pub(crate) fn validate(name: &str, value: &Value) -> Result<(), Vec<String>> {
    lines(problems(name, value))
}

/// Checks `value` like [`validate`], and keeps the place of each problem for a caller who knows line numbers.
pub(crate) fn problems(name: &str, value: &Value) -> Vec<Problem> {
    let Some(schema) = find(name) else {
        return vec![Problem::of_document(format!("there is no schema named {name:?}"))];
    };
    schema.whole.problems(value, || serde_json::from_str(schema.text))
}

/// What an agent submits for the artifact `name`: its schema without the fields that the binary fills; its
/// decision stays optional. Self-contained, without `$schema` and `$id`. `null` for a name that no agent submits.
pub(crate) fn submission(name: &str) -> Value {
    let Some((_, filled)) = FILLED.iter().find(|(artifact, _)| *artifact == name) else {
        return Value::Null;
    };
    let Some(Ok(Value::Object(mut schema))) = get(name).map(serde_json::from_str) else {
        return Value::Null;
    };
    schema.remove("$schema");
    schema.remove("$id");
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|field, _| !filled.contains(&field.as_str()));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|field| {
            let field = field.as_str().unwrap_or_default();
            !filled.contains(&field) && !CLAIMS.contains(&field)
        });
    }
    Value::Object(schema)
}

/// Checks what an agent submitted for the artifact `name`. `day`, `agent` and `commit` are ignored.
pub(crate) fn validate_submission(name: &str, value: &Value) -> Result<(), Vec<String>> {
    let Some(schema) = find(name).filter(|_| FILLED.iter().any(|(artifact, _)| *artifact == name)) else {
        return Err(vec![format!("there is nothing to submit by the name of {name:?}")]);
    };
    let value = match value {
        Value::Object(fields) => Value::Object(without_tolerated(fields)),
        other => other.clone(),
    };
    lines(schema.submission.problems(&value, || Ok(submission(name))))
}

fn without_tolerated(fields: &Map<String, Value>) -> Map<String, Value> {
    fields
        .iter()
        .filter(|(field, _)| !TOLERATED.contains(&field.as_str()))
        .map(|(field, value)| (field.clone(), value.clone()))
        .collect()
}

fn find(name: &str) -> Option<&'static Schema> {
    SCHEMAS.iter().find(|schema| schema.name == name)
}

fn lines(problems: Vec<Problem>) -> Result<(), Vec<String>> {
    if problems.is_empty() { Ok(()) } else { Err(problems.iter().map(Problem::to_string).collect()) }
}

/// An embedded schema; its two validators are compiled on first use.
struct Schema {
    name: &'static str,
    text: &'static str,
    whole: Compiled,
    submission: Compiled,
}

impl Schema {
    const fn new(name: &'static str, text: &'static str) -> Self {
        Self { name, text, whole: Compiled(OnceLock::new()), submission: Compiled(OnceLock::new()) }
    }
}

/// A schema and its validator, or why it does not compile (the tests compile every one).
struct Compiled(OnceLock<Result<(Value, Validator), String>>);

impl Compiled {
    fn problems(&self, value: &Value, schema: impl FnOnce() -> serde_json::Result<Value>) -> Vec<Problem> {
        let compiled = self.0.get_or_init(|| {
            let schema = schema().map_err(|error| error.to_string())?;
            let validator = jsonschema::validator_for(&schema).map_err(|error| error.to_string())?;
            Ok((schema, validator))
        });
        match compiled {
            Ok((schema, validator)) => {
                let errors = validator.iter_errors(value);
                errors.flat_map(|error| message::describe(&error, schema, value)).collect()
            }
            Err(error) => vec![Problem::of_document(format!("the schema is broken: {error}"))],
        }
    }
}

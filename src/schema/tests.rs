//! Schemas against documents: every message that a person or a model may read.

use serde_json::json;

use super::*;

fn gate() -> Value {
    json!({
        "day": 1,
        "agent": "GATE",
        "criteria_results": [{"criterion": "a", "result": "PASS", "evidence": "t"}],
        "gate_decision": "SHIP",
    })
}

/// `document` with the value at `pointer` replaced, or removed where it is `None`.
fn with(mut document: Value, pointer: &str, value: Option<Value>) -> Value {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(fields), Some(value)) => {
            fields.insert(key.to_owned(), value);
        }
        (Value::Object(fields), None) => {
            fields.shift_remove(key).unwrap();
        }
        (Value::Array(items), Some(value)) => items[key.parse::<usize>().unwrap()] = value,
        _ => panic!("no field at {pointer}"),
    }
    document
}

#[test]
fn every_schema_is_named_after_itself_and_compiles() {
    assert_eq!(names().count(), 14);
    for name in names() {
        let schema: Value = serde_json::from_str(get(name).unwrap()).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert_eq!(schema["$id"], name);
        assert_eq!(schema["title"], name);
        assert!(schema["description"].is_string(), "{name}");
        jsonschema::meta::validate(&schema).expect(name);
        let problems = validate(name, &json!("text")).unwrap_err();
        assert!(problems[0].starts_with("the document: expected a "), "{name}: {problems:?}");
    }
    assert_eq!(get("nonsense"), None);
    assert_eq!(
        validate("nonsense", &json!({})).unwrap_err(),
        ["the document: there is no schema named \"nonsense\""]
    );
}

#[test]
fn problems_are_named_field_first() {
    let long = "x".repeat(100);
    let shown = format!("\"{}… is not one of PASS, PARTIAL, FAIL", "x".repeat(58));
    for (pointer, value, expected) in [
        (
            "/criteria_results/0/result",
            Some(json!("MAYBE")),
            "criteria_results[0].result: \"MAYBE\" is not one of PASS, PARTIAL, FAIL",
        ),
        ("/criteria_results/0/result", Some(json!(long)), &*format!("criteria_results[0].result: {shown}")),
        ("/criteria_results/0/evidence", None, "criteria_results[0].evidence: missing"),
        (
            "/criteria_results/0/evidence",
            Some(json!(" \n")),
            "criteria_results[0].evidence: must not be empty",
        ),
        (
            "/criteria_results/0/evidence",
            Some(json!(["t"])),
            "criteria_results[0].evidence: expected a string, found a list",
        ),
        (
            "/criteria_results/0/why",
            Some(json!(1)),
            "criteria_results[0].why: unknown field; known are criterion, result, evidence, cites",
        ),
        ("/criteria_results/0", Some(json!(null)), "criteria_results[0]: expected a mapping, found nothing"),
        ("/criteria_results", Some(json!({})), "criteria_results: expected a list, found a mapping"),
        (
            "/criteria_results/0/cites",
            Some(json!([{"kind": "guess", "ref": "x"}])),
            "criteria_results[0].cites[0].kind: \"guess\" is not one of test, output, file, ci, command",
        ),
        ("/gate_decision", Some(json!("ADVISORY")), "gate_decision: \"ADVISORY\" is not one of SHIP, HOLD"),
        ("/agent", Some(json!("PRIME")), "agent: must be GATE, not \"PRIME\""),
        ("/day", Some(json!(0)), "day: must be at least 1, not 0"),
        ("/day", Some(json!(1.5)), "day: expected a whole number, found a number"),
        ("/day", Some(json!("1")), "day: expected a whole number, found a string"),
        ("/blockers", Some(json!([true])), "blockers[0]: expected a string, found a boolean"),
    ] {
        let problems = validate("gate-report", &with(gate(), pointer, value)).unwrap_err();
        assert_eq!(problems, [expected]);
    }
}

#[test]
fn all_problems_are_listed_at_once() {
    let document = json!({"agent": "GATE", "criteria_results": [{"result": "OK"}], "x": 1, "y": 2});
    let mut problems = validate("gate-report", &document).unwrap_err();
    problems.sort();
    let fields: Vec<_> = problems.iter().map(|p| p.split(": ").next().unwrap()).collect();
    assert_eq!(
        fields,
        [
            "criteria_results[0].criterion",
            "criteria_results[0].evidence",
            "criteria_results[0].result",
            "day",
            "gate_decision",
            "x",
            "y"
        ]
    );
}

#[test]
fn costs_are_numbers_or_unknown() {
    let cycle = json!({"day": 1, "cycle_cost_usd": 2.8431, "forge_cost_usd": null, "generated_at": "2026-03-13T05:47:11Z"});
    assert_eq!(validate("cycle", &cycle), Ok(()));
    let negative = with(cycle.clone(), "/cycle_cost_usd", Some(json!(-0.5)));
    assert_eq!(validate("cycle", &negative).unwrap_err(), ["cycle_cost_usd: must be at least 0, not -0.5"]);
    let text = with(cycle, "/cycle_cost_usd", Some(json!("free")));
    assert_eq!(
        validate("cycle", &text).unwrap_err(),
        ["cycle_cost_usd: expected a number or nothing, found a string"]
    );
    let attempt =
        json!([{"run": 1, "date": "d", "cost_usd": 1, "outcome": "HOLD", "hold_reason": "é".repeat(121)}]);
    assert_eq!(
        validate("attempts", &attempt).unwrap_err(),
        ["[0].hold_reason: must have at most 120 characters, not 121"]
    );
}

#[test]
fn a_submission_lacks_what_the_binary_fills() {
    for (name, fields, required) in [
        ("story-card", &["theme", "stories", "carried"][..], &["theme", "stories"][..]),
        (
            "handoff",
            &["approach", "risk", "dependencies", "built", "edge_cases_tested", "known_gaps"],
            &["approach", "built"],
        ),
        (
            "gate-report",
            &["criteria_results", "blockers", "deferred", "gate_decision", "hold_reason"],
            &["criteria_results"],
        ),
        (
            "sentinel-report",
            &["findings", "advisories", "blockers", "sentinel_decision", "hold_reason"],
            &["findings"],
        ),
        (
            "conduit-report",
            &["findings", "advisories", "blockers", "conduit_decision", "hold_reason"],
            &["findings"],
        ),
        ("scribe-report", &["updates", "summary"], &["summary"]),
    ] {
        let schema = submission(name);
        let found: Vec<_> = schema["properties"].as_object().unwrap().keys().collect();
        assert_eq!(found, fields, "{name}");
        assert_eq!(schema["required"], json!(required), "{name}");
        assert_eq!(schema["type"], "object", "{name}");
        assert!(!schema.to_string().contains("$ref"), "{name} is self-contained");
        assert!(schema.get("$id").is_none() && schema.get("$schema").is_none(), "{name}");
    }
    assert_eq!(submission("cycle"), Value::Null);
    assert_eq!(submission("nonsense"), Value::Null);
}

#[test]
fn submissions_are_checked_and_copied_keys_tolerated() {
    let handoff = json!({"approach": "a", "built": "b", "commit": 7, "day": "x", "agent": null});
    assert_eq!(validate_submission("handoff", &handoff), Ok(()));
    let filled = with(handoff.clone(), "/iterations_used", Some(json!(3)));
    assert_eq!(
        validate_submission("handoff", &filled).unwrap_err(),
        [
            "iterations_used: unknown field; known are approach, risk, dependencies, built, edge_cases_tested, \
             known_gaps"
        ]
    );
    assert_eq!(
        validate_submission("handoff", &json!({})).unwrap_err(),
        ["approach: missing", "built: missing"]
    );
    assert_eq!(
        validate_submission("handoff", &json!([])).unwrap_err(),
        ["the document: expected a mapping, found a list"]
    );
    let report =
        json!({"findings": [{"check": "c", "result": "PASS", "evidence": "e", "file": null, "line": 0}]});
    assert_eq!(
        validate_submission("sentinel-report", &report).unwrap_err(),
        ["findings[0].line: must be at least 1, not 0"]
    );
    let card = json!({"theme": "t", "stories": []});
    assert_eq!(validate_submission("story-card", &card).unwrap_err(), ["stories: must not be empty"]);
    assert_eq!(
        validate_submission("attempts", &json!([])).unwrap_err(),
        ["there is nothing to submit by the name of \"attempts\""]
    );
}

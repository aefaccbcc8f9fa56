//! What programs read of a day is in the shape that they read, whatever a day came to and whatever it was told.

use std::sync::LazyLock;

use jsonschema::Validator;
use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Value, json};

use crate::project::Project;

static SARIF: LazyLock<Validator> = LazyLock::new(|| {
    let schema = include_str!("../../api/sarif-2.1.0.schema.json");
    jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
});

/// The documented shape of a Code Quality report.
static CODE_QUALITY: LazyLock<Validator> = LazyLock::new(|| {
    let text = json!({"type": "string", "minLength": 1});
    let lines = json!({"required": ["begin"], "properties": {"begin": {"type": "integer", "minimum": 1}}});
    let path = json!({"type": "string", "pattern": "^[^/.]|^\\.[^/]"});
    jsonschema::validator_for(&json!({
        "type": "array",
        "items": {
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "properties": {
                "description": text,
                "check_name": text,
                "fingerprint": text,
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {"required": ["path", "lines"], "properties": {"path": path, "lines": lines}},
            },
        },
    }))
    .unwrap()
});

/// Every report below `.pace/` that its reader would refuse, with the reason.
pub(super) fn misshapen(project: &Project) -> Vec<String> {
    let mut problems = Vec::new();
    for path in project.files_below(".pace") {
        let content = project.read(&path).unwrap_or_default();
        let found = match path.rsplit('/').next().unwrap_or_default() {
            "findings.sarif" => json_problem(&SARIF, &content),
            "gl-code-quality.json" => json_problem(&CODE_QUALITY, &content),
            "gate-report.junit.xml" => junit_problem(&content),
            _ => None,
        };
        problems.extend(found.map(|problem| format!("{path}: {problem}\n{content}")));
    }
    problems
}

fn json_problem(shape: &Validator, content: &str) -> Option<String> {
    let value: Value = match serde_json::from_str(content) {
        Ok(value) => value,
        Err(problem) => return Some(problem.to_string()),
    };
    shape.validate(&value).err().map(|problem| format!("{}: {problem}", problem.instance_path()))
}

/// Well-formed, and `tests`, `failures` and `skipped` are the numbers of the elements.
fn junit_problem(content: &str) -> Option<String> {
    let mut reader = Reader::from_str(content);
    let mut said = [String::new(), String::new(), String::new()];
    let mut found = [0, 0, 0];
    loop {
        match reader.read_event() {
            Err(problem) => return Some(problem.to_string()),
            Ok(Event::Eof) => break,
            Ok(Event::Start(start) | Event::Empty(start)) => match start.name().as_ref() {
                b"testsuite" => {
                    for (name, place) in ["tests", "failures", "skipped"].into_iter().zip(&mut said) {
                        let attribute = start.try_get_attribute(name).ok().flatten();
                        *place =
                            attribute.map_or_else(String::new, |a| String::from_utf8_lossy(&a.value).into());
                    }
                }
                b"testcase" => found[0] += 1,
                b"failure" => found[1] += 1,
                b"skipped" => found[2] += 1,
                _ => {}
            },
            Ok(_) => {}
        }
    }
    let found = found.map(|count: u32| count.to_string());
    (said != found).then(|| format!("says {said:?}, has {found:?} tests, failures, skipped"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_seen() {
        assert!(json_problem(&SARIF, "{").is_some());
        assert!(json_problem(&SARIF, r#"{"version": "2.1.0"}"#).is_some());
        assert!(json_problem(&SARIF, r#"{"version": "2.1.0", "runs": []}"#).is_none());
        assert!(json_problem(&CODE_QUALITY, "[]").is_none());
        assert!(json_problem(&CODE_QUALITY, r#"[{"description": "x"}]"#).is_some());
        let suite = |inner: &str| {
            format!(
                r#"<testsuites><testsuite tests="1" failures="1" skipped="0">{inner}</testsuite></testsuites>"#
            )
        };
        assert!(junit_problem(&suite("<testcase><failure/></testcase>")).is_none());
        assert!(junit_problem(&suite("<testcase/>")).is_some());
        assert!(junit_problem(&suite("<testcase>")).is_some());
        assert!(junit_problem("<testsuites><testsuite/></testsuites>").is_some(), "no counts");
    }
}

//! `findings.sarif`: the day's findings as SARIF 2.1.0, e.g. for GitHub's code scanning.
//!
//! Committed with the artifacts like the JUnit report, whose module says why; therefore without pace's version,
//! which would make a replay by the next version differ. FAIL is an error, ADVISORY a warning; what passed is
//! left out, for scanners show every result as an alert.
//! Shape: docs.oasis-open.org/sarif/sarif/v2.1.0, and what GitHub asks beyond it ("SARIF support for code
//! scanning"): a rule, a location with a line, `primaryLocationLineHash` as its own fingerprint.

use serde_json::{Value, json};

use super::clean::Clean;
use super::flagged::{Flagged, flagged};
use super::view::DayView;

/// Name of the file in `.pace/day-N/`.
pub(crate) const FILE: &str = "findings.sarif";

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log: one run of one tool.
pub(crate) fn log(view: &DayView, clean: &Clean<'_>) -> anyhow::Result<String> {
    let findings = flagged(view, clean);
    let mut rules: Vec<&Flagged> = vec![];
    for finding in &findings {
        if !rules.iter().any(|rule| rule.rule == finding.rule) {
            rules.push(finding);
        }
    }
    let results: Vec<Value> = findings.iter().map(|finding| result(finding, &rules)).collect();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "pace",
                "rules": rules.iter().map(|finding| rule(finding)).collect::<Vec<_>>(),
            }},
            // A category a day: an upload replaces the alerts of its own category only.
            "automationDetails": {"id": format!("pace/day-{}/", view.day)},
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

fn rule(finding: &Flagged) -> Value {
    json!({
        "id": finding.rule,
        "shortDescription": {"text": inert(&finding.check)},
        "properties": {"tags": [finding.agent.name()]},
    })
}

fn result(finding: &Flagged, rules: &[&Flagged]) -> Value {
    let text = if finding.evidence.is_empty() {
        finding.check.clone()
    } else {
        format!("{}: {}", finding.check, finding.evidence)
    };
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rules.iter().position(|rule| rule.rule == finding.rule),
        "level": if finding.blocks { "error" } else { "warning" },
        "message": {"text": inert(&text)},
        "locations": [{"physicalLocation": {
            "artifactLocation": {"uri": uri(&finding.path), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": finding.line},
        }}],
        "partialFingerprints": {
            "primaryLocationLineHash": format!("{}:{}", finding.fingerprint, finding.nth),
            "pace/v1": finding.unique(),
        },
    })
}

/// A message is plain text but for one thing: `[words](address)` in it becomes a link.
fn inert(text: &str) -> String {
    text.replace("](", "] (")
}

/// A path as a relative reference: all but unreserved characters (RFC 3986, section 2.3) and `/` encoded.
fn uri(path: &str) -> String {
    let mut uri = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn of(view: &DayView) -> Value {
        let redact = |text: &str| text.replace("s3cr3t-token", "***");
        let text = log(view, &Clean::new(&redact)).unwrap();
        assert!(!text.contains("s3cr3t-token"), "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn problems(log: &Value) -> Vec<String> {
        let schema = include_str!("../../tests/api/sarif-2.1.0.schema.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        validator.iter_errors(log).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    #[test]
    fn every_log_fits_the_published_schema() {
        let mut empty = samples::ship();
        empty.findings.clear();
        for view in [samples::ship(), samples::hostile(), empty] {
            assert_eq!(problems(&of(&view)), Vec::<String>::new());
        }
        let mut broken = of(&samples::hostile());
        broken["runs"][0]["results"][0]["level"] = "fatal".into();
        broken["runs"][0]["results"][0]["message"] = json!({});
        assert_eq!(problems(&broken).len(), 2, "the schema sees what is wrong");
    }

    #[test]
    fn a_result_names_rule_level_line_and_fingerprint() {
        let log = of(&samples::hostile());
        let run = &log["runs"][0];
        let results = run["results"].as_array().unwrap();
        assert_eq!(results.len(), 3);
        for result in results {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(run["tool"]["driver"]["rules"][index]["id"], result["ruleId"]);
            assert!(!result["message"]["text"].as_str().unwrap().contains("]("));
        }
        let levels: Vec<_> = results.iter().map(|r| r["level"].as_str().unwrap()).collect();
        assert_eq!(levels, ["error", "warning", "warning"]);
        let place = &results[0]["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], "src/a%20b%3A%2C%25.py");
        assert_eq!(place["region"]["startLine"], 42);
        assert_eq!(results[0]["partialFingerprints"]["primaryLocationLineHash"], "aaaabbbbcccc:1");
    }
}

//! `gl-code-quality.json`: the day's findings for the Code Quality widget of a GitLab merge request.
//!
//! Committed with the artifacts like the JUnit report, whose module says why. Every day has one, an empty list
//! where nothing was found: GitLab tells what was mended by comparing with the list of the target branch.
//! Shape: docs.gitlab.com, "Code Quality report format". FAIL blocks the day, so it is a `blocker`; an ADVISORY
//! is `minor`.

use serde::Serialize;

use super::clean::Clean;
use super::flagged::{Flagged, flagged};
use super::view::DayView;
use crate::prompt::plain::{cut, line};

/// Name of the file in `.pace/day-N/`.
pub(crate) const FILE: &str = "gl-code-quality.json";

/// Characters of a description, which the widget shows on one line.
const DESCRIPTION: usize = 500;

#[derive(Serialize)]
struct Violation {
    description: String,
    check_name: String,
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Serialize)]
struct Location {
    /// From the repository root, without `./`.
    path: String,
    lines: Lines,
}

#[derive(Serialize)]
struct Lines {
    begin: u32,
}

/// The list, also where it is empty.
pub(crate) fn list(view: &DayView, clean: &Clean<'_>) -> anyhow::Result<String> {
    let list: Vec<Violation> = flagged(view, clean).into_iter().map(Violation::from).collect();
    Ok(serde_json::to_string_pretty(&list)? + "\n")
}

impl From<Flagged> for Violation {
    fn from(finding: Flagged) -> Self {
        Self {
            description: cut(&line(&format!("{}: {}", finding.check, finding.evidence)), DESCRIPTION),
            fingerprint: finding.unique(),
            check_name: finding.rule,
            severity: if finding.blocks { "blocker" } else { "minor" },
            location: Location { path: finding.path, lines: Lines { begin: finding.line } },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// The documented shape, with nothing beyond it.
    const SHAPE: &str = r#"{
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "additionalProperties": false,
            "properties": {
                "description": {"type": "string", "minLength": 1},
                "check_name": {"type": "string", "minLength": 1},
                "fingerprint": {"type": "string", "minLength": 1},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        "path": {"type": "string", "pattern": "^[^/]", "not": {"pattern": "^\\./"}},
                        "lines": {
                            "type": "object",
                            "required": ["begin"],
                            "properties": {"begin": {"type": "integer", "minimum": 1}}
                        }
                    }
                }
            }
        }
    }"#;

    #[test]
    fn every_list_has_the_documented_shape() {
        let shape = serde_json::from_str(SHAPE).unwrap();
        let redact = |text: &str| text.replace("s3cr3t-token", "***");
        for (view, count) in [(samples::ship(), 0), (samples::hostile(), 3)] {
            let text = list(&view, &Clean::new(&redact)).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            jsonschema::validate(&shape, &value).unwrap();
            let list = value.as_array().unwrap();
            assert_eq!(list.len(), count);
            assert!(!text.contains("s3cr3t-token"));
            let mut prints: Vec<_> = list.iter().map(|v| v["fingerprint"].to_string()).collect();
            prints.sort();
            prints.dedup();
            assert_eq!(prints.len(), count);
        }
    }
}

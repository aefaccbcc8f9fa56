//! Recorded outputs of real runners and what must be read from them: `tests/data/results/*.txt` beside `*.yaml`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;

/// `tests/data/results/<name>.yaml`
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    /// How the output was made: `recorded`, or `written` from the runner's documentation.
    made: String,
    command: String,
    /// Report files of the run; the `.txt` of the same name is the output.
    #[serde(default)]
    reports: Vec<String>,
    source: String,
    #[serde(default)]
    passed: Vec<String>,
    #[serde(default)]
    failed: Vec<String>,
    #[serde(default)]
    skipped: Vec<String>,
}

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/results")
}

#[test]
fn recorded_outputs() {
    let mut files: Vec<_> = std::fs::read_dir(data()).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml"));
    files.sort();
    assert!(files.len() >= 40, "only {} recordings", files.len());
    let mut wrong = Vec::new();
    for file in files {
        let expected: Expected = serde_yaml::from_str(&std::fs::read_to_string(&file).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        assert!(["recorded", "written"].contains(&expected.made.as_str()), "{}", file.display());
        let output = std::fs::read_to_string(file.with_extension("txt")).unwrap_or_default();
        let reports: Vec<_> = expected
            .reports
            .iter()
            .map(|r| (r.clone(), std::fs::read_to_string(data().join(r)).unwrap()))
            .collect();
        let (cases, source) = read(&expected.command, &output, &reports);
        let mut names: BTreeMap<&str, TestStatus> = BTreeMap::new();
        for case in &cases {
            assert!(names.insert(&case.name, case.status).is_none(), "{} twice", case.name);
        }
        let mut wanted: BTreeMap<&str, TestStatus> = BTreeMap::new();
        for (list, status) in [
            (&expected.passed, TestStatus::Passed),
            (&expected.failed, TestStatus::Failed),
            (&expected.skipped, TestStatus::Skipped),
        ] {
            wanted.extend(list.iter().map(|name| (name.as_str(), status)));
        }
        if names != wanted || source != expected.source {
            wrong.push(format!("{}: {source}\n got  {names:?}\n want {wanted:?}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn a_report_cut_short_counts_for_nothing() {
    let whole = r#"<testsuite name="pytest"><testcase classname="tests.test_a" name="test_x"/></testsuite>"#;
    let output = "=== test session starts ===\ntests/test_a.py::test_y PASSED\n=== 1 passed in 0.01s ===";
    let (cases, source) = read("pytest", output, &[("junit.xml".into(), whole.into())]);
    assert_eq!((cases[0].name.as_str(), source.as_str()), ("tests/test_a.py::test_x", "JUnit XML"));
    for cut in [60, whole.len() - 12, 10] {
        let (cases, source) = read("pytest", output, &[("junit.xml".into(), whole[..cut].into())]);
        assert_eq!(
            (cases[0].name.as_str(), source.as_str()),
            ("tests/test_a.py::test_y", "pytest output"),
            "{cut}"
        );
    }
}

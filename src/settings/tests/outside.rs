//! Configuration files and environments as anybody may write them: read, or told by file, line, key and mend.

use proptest::prelude::*;
use serde::Deserialize;

use super::super::Settings;
use super::super::variables::VARIABLES;
use crate::tests::bent::{bent, cases};
use crate::tests::work::{Reader, grows_with_its_input};

/// A file of `tests/data/config/bad.yaml`, and every problem with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    config: String,
    problems: Vec<String>,
}

fn read(config: &str) -> Result<Settings, Vec<String>> {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("pace.config.yaml"), config).unwrap();
    Settings::from_env([("ANTHROPIC_API_KEY".into(), "sk-ant-0123456789".into())], root.path())
}

#[test]
fn bad_configuration_files_say_what_is_wrong_and_where() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/config/bad.yaml");
    let rows: Vec<Bad> = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(rows.len() >= 60, "only {} bad configuration files", rows.len());
    let mut wrong = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let found = read(&row.config).err();
        if found.as_ref() != Some(&row.problems) {
            wrong.push(format!("WRONG\t{at}\t{}", serde_json::to_string(&found).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const CONFIG: &str = "framework_version: \"1.0\"\nproduct:\n  name: \"Shop\"\nsource:\n  dirs:\n    - path: src/\n    - tests\n  docs_dir: docs\ntech:\n  test_command: \"pytest -q\"\nplatform:\n  type: local\nllm:\n  provider: anthropic\n  model: m\ncost_control:\n  max_story_ac: 5\n  daily_budget: 10.5\nforge:\n  max_iterations: 20\n  tdd_enforcement: true\nreporter:\n  timezone: Europe/Berlin\n";

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn any_configuration_file_is_read_or_told_by_name(text in bent(vec![CONFIG.to_owned()], &[
        "llm:\n", "  base_url: x\n", "  api_key: y\n", "credentials:\n", "notifications: {a: b}\n", "source:\n  dirs: ", "- ", ": ", "&a ", "*a", "<<: *a\n", "[", "]", "{", "}", "|\n", "\"", "'", "#", "---\n", "~", "1e400", "-1", "\t", "\r\n", "é", "\0", "../x", "/etc", "\u{1b}[31m", "$HOME",
    ])) {
        if let Err(problems) = read(&text) {
            for problem in &problems {
                prop_assert!(problem.contains("pace.config.yaml"), "{}", problem);
                prop_assert!(!problem.contains(['\n', '\u{1b}']), "{:?}", problem);
            }
        }
    }

    #[test]
    fn any_environment_is_read_or_told_by_name(pairs in prop::collection::vec((0..VARIABLES.len(), "[ -~é\\t\u{1b}]{0,24}"), 1..6)) {
        let root = tempfile::tempdir().unwrap();
        let env: Vec<_> = pairs.iter().map(|(at, value)| (VARIABLES[*at].name.into(), value.into())).collect();
        if let Err(problems) = Settings::from_env(env, root.path()) {
            for problem in &problems {
                prop_assert!(VARIABLES.iter().any(|variable| problem.contains(variable.name)), "{}", problem);
                prop_assert!(!problem.contains(['\n', '\u{1b}']), "{:?}", problem);
            }
        }
    }
}

#[test]
fn a_configuration_file_costs_what_its_size_is_worth() {
    let reader = Reader::new("configuration", |text| drop(read(text)));
    grows_with_its_input(&[reader], &["", "llm:\n"], &["  a: ", "a", "[", "a: 1\nb", "  - "]);
}

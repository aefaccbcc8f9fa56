//! A journal is an audit trail and a recording: `pace replay` computes the same artifacts from it, and the
//! `replay` provider plays its model again on a repository of its own.

use std::collections::BTreeMap;
use std::path::Path;

use crate::binary::Pace;
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::{Project, collect};
use crate::scenario::{scenarios_dir, shared_script};

fn project() -> Project {
    Project::new(&[scenarios_dir().join("_trees/shell")])
}

fn day(project: &Project) -> Pace {
    Pace::new(&project.dir, &project.home).env([
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
        ("PACE_SANDBOX", "off"),
        ("PACE_PLATFORM", "local"),
    ])
}

fn recorded() -> Project {
    let project = project();
    let server = ModelServer::start(&shared_script(&["prime", "forge", "gate", "sentinel", "scribe"]));
    let run = day(&project).env(server.env(Protocol::Anthropic)).run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    project
}

fn texts(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut texts = BTreeMap::new();
    collect(folder, &mut |file| {
        let name = file.strip_prefix(folder).unwrap().display().to_string();
        texts.insert(name, std::fs::read(file).unwrap());
    });
    texts
}

#[test]
fn a_replay_computes_every_artifact_anew_byte_for_byte() {
    let project = recorded();
    let journal = project.dir.join(".pace/.run/day-1");
    // Far from the repository: a replay has the journal and nothing else.
    let away = tempfile::tempdir().unwrap();
    let copy = away.path().join("run-1.jsonl");
    std::fs::copy(journal.join("run-1.jsonl"), &copy).unwrap();
    let run = Pace::new(away.path(), away.path()).args(["replay", "run-1.jsonl"]).run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    let replayed = texts(&away.path().join("run-1.replay/.pace/day-1"));
    assert_eq!(replayed, texts(&project.dir.join(".pace/day-1")));
    assert!(replayed.len() >= 9, "{:?}", replayed.keys());
}

#[test]
fn a_changed_record_is_told() {
    let project = recorded();
    let journal = project.dir.join(".pace/.run/day-1/run-1.jsonl");
    let text = std::fs::read_to_string(&journal).unwrap();
    // Somebody makes a criterion pass after the fact.
    let forged =
        text.replace("\"result\\\":\\\"PASS", "\"result\\\":\\\"FAIL").replace("2 passed", "9 passed");
    assert_ne!(forged, text, "the journal holds nothing to forge");
    std::fs::write(&journal, forged).unwrap();
    let run = Pace::new(&project.dir, &project.home).args(["replay", ".pace/.run/day-1"]).run();
    assert_eq!(run.code, 4, "{}", run.transcript());
}

#[test]
fn a_journal_is_a_recording_for_another_repository() {
    let first = recorded();
    let second = project();
    let journal = first.dir.join(".pace/.run/day-1/run-1.jsonl").display().to_string();
    let run = day(&second).env([("PACE_LLM_PROVIDER", "replay"), ("PACE_LLM_BASE_URL", &journal)]).run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    assert_eq!(first.read("greet.sh"), second.read("greet.sh"));
    assert_eq!(first.read(".pace/day-1/gate-report.yaml"), second.read(".pace/day-1/gate-report.yaml"));
}

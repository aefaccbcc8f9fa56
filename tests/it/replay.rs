//! A journal is an audit trail and a recording: `pace replay` computes the same artifacts from it, and the
//! `replay` provider plays its model again on a repository of its own.

use std::collections::BTreeMap;
use std::path::Path;

use crate::binary::Pace;
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::model_server::wire::Protocol;
use crate::project::{Project, collect};
use crate::scenario::normal::normal;
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

/// GATE passes the one criterion on a test that nobody saw, twice.
const UNSEEN: &str = "
replies:
  - agent: GATE
    calls: [{name: submit_report, input: &report {
      criteria_results: [
        {criterion: \"greet NAME prints Hello, NAME\", result: PASS, evidence: \"it greets\",
         cites: [{kind: test, ref: \"greets everybody by name\"}]},
        {criterion: \"greet without a name still prints Hello\", result: PASS, evidence: \"it greets\",
         cites: [{kind: test, ref: \"greets without a name\"}]}],
      blockers: [], deferred: [], hold_reason: \"\", gate_decision: SHIP}}]
  - agent: GATE
    calls: [{name: submit_report, input: *report}]
";

#[test]
fn an_explanation_says_what_counted_what_did_not_and_what_it_cost() {
    let mut unseen = shared_script(&["prime", "forge"]);
    unseen.replies.extend(Script::parse(UNSEEN).unwrap().replies);
    for (name, script, code) in [
        ("ship", shared_script(&["prime", "forge", "gate", "sentinel", "scribe"]), 0),
        ("tests-fail", shared_script(&["prime", "forge-broken", "gate"]), 1),
        ("cite-not-seen", unseen, 1),
    ] {
        let project = project();
        let server = ModelServer::start(&script);
        let run = day(&project).env([("PACE_MAX_RETRIES", "0")]).env(server.env(Protocol::Anthropic)).run();
        assert_eq!(run.code, code, "{}", run.transcript());
        let args = ["replay", ".pace/.run/day-1", "--explain"];
        let explained = Pace::new(&project.dir, &project.home).args(args).run();
        assert_eq!(explained.code, code, "{}", explained.transcript());
        let again = Pace::new(&project.dir, &project.home).args(args).run();
        assert_eq!(explained.stdout, again.stdout);
        expect(name, &normal(&explained.stdout));
    }
}

/// The text is that of `tests/data/explain/NAME.txt`.
#[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
fn expect(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/explain/{name}.txt"));
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        text,
        "UPDATE_EXPECTED=1 writes {name}.txt anew"
    );
}

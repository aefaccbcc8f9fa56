//! Artifacts in real folders: how they look, what is refused, what a hostile tree can do.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::domain::Agent;
use crate::domain::artifact::{
    Cite, CiteKind, CriterionResult, CriterionVerdict, Finding, FindingResult, HandoffFile, Outcome,
    StoryCardStory,
};
use crate::domain::backlog::Status;
use crate::domain::decision::Decision;
use crate::domain::diff::Change;

fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().to_owned());
    (dir, store)
}

fn card(title: &str) -> StoryCard {
    StoryCard {
        day: 1,
        agent: Agent::Prime,
        theme: "User model and password hashing".into(),
        stories: vec![StoryCardStory {
            title: title.into(),
            acceptance_criteria: vec!["User.create() stores bcrypt-hashed password".into()],
            out_of_scope: vec!["OAuth / social login".into()],
        }],
        carried: vec![],
    }
}

fn gate(day: u32) -> GateReport {
    GateReport {
        flaky: vec![],
        day,
        agent: Agent::Gate,
        criteria_results: vec![CriterionVerdict {
            criterion: "CI pipeline green".into(),
            result: CriterionResult::Partial,
            evidence: "CI not yet configured — mapped to out_of_scope".into(),
            cites: vec![Cite { kind: CiteKind::Test, reference: "tests/a.py::test_b".into() }],
        }],
        blockers: vec![],
        deferred: vec!["CI pipeline".into()],
        gate_decision: Decision::Hold,
        hold_reason: "first line\nsecond line".into(),
        coverage_rule: String::new(),
    }
}

fn attempt(run: u32) -> Attempt {
    Attempt {
        run,
        date: "2026-03-13T04:12:33Z".into(),
        cost_usd: Some(3.4821),
        outcome: Outcome::Hold,
        decision: Some(Decision::Hold),
        hold_reason: Some("GATE HOLD: CI timed out waiting for check-runs".into()),
        cause: None,
        base: None,
        commit: None,
        cost_by_agent: Default::default(),
        cost_by_model: Default::default(),
    }
}

#[test]
fn artifacts_look_as_people_know_them() {
    let (dir, store) = store();
    store.write(1, &card("Secure user creation")).unwrap();
    store.write(1, &gate(1)).unwrap();
    store.put_attempt(1, &attempt(1)).unwrap();
    let read = |name: &str| fs::read_to_string(dir.path().join(".pace/day-1").join(name)).unwrap();
    assert_eq!(
        read("story-card.yaml"),
        r#"day: 1
agent: PRIME
theme: "User model and password hashing"
stories:
  - title: "Secure user creation"
    acceptance_criteria:
      - "User.create() stores bcrypt-hashed password"
    out_of_scope:
      - "OAuth / social login"
"#
    );
    assert_eq!(
        read("gate-report.yaml"),
        r#"day: 1
agent: GATE
criteria_results:
  - criterion: "CI pipeline green"
    result: PARTIAL
    evidence: "CI not yet configured — mapped to out_of_scope"
    cites:
      - kind: test
        ref: "tests/a.py::test_b"
blockers: []
deferred:
  - "CI pipeline"
gate_decision: HOLD
hold_reason: |-
  first line
  second line
"#
    );
    assert_eq!(
        read("attempts.yaml"),
        r#"- run: 1
  date: "2026-03-13T04:12:33Z"
  cost_usd: 3.4821
  outcome: HOLD
  decision: HOLD
  hold_reason: "GATE HOLD: CI timed out waiting for check-runs"
"#
    );
}

#[test]
fn every_artifact_comes_back_as_it_was_written() {
    let (dir, store) = store();
    let finding = Finding {
        check: "no".into(),
        result: FindingResult::Advisory,
        evidence: "1_000".into(),
        file: Some("src/a b.rs".into()),
        line: Some(42),
        fingerprint: Some("0777".into()),
    };
    let handoff = Handoff {
        day: 2,
        agent: Agent::Forge,
        commit: "a3f9c12d8e4b".into(),
        approach: "~".into(),
        risk: String::new(),
        dependencies: "null".into(),
        built: "- x: y # z".into(),
        edge_cases_tested: vec!["".into(), " ".into(), "\t\u{1b}[31m".into()],
        known_gaps: vec![],
        tdd_red_phase_confirmed: true,
        red_phase: String::new(),
        iterations_used: 18,
        files: vec![HandoffFile { path: "src/a.rs".into(), change: Change::Renamed }],
        sandbox: String::new(),
    };
    let sentinel = SentinelReport {
        day: 2,
        agent: Agent::Sentinel,
        findings: vec![finding.clone()],
        advisories: vec!["a".into()],
        blockers: vec![],
        sentinel_decision: Decision::Advisory,
        hold_reason: String::new(),
    };
    let conduit = ConduitReport {
        day: 2,
        agent: Agent::Conduit,
        findings: vec![finding],
        advisories: vec![],
        blockers: vec![],
        conduit_decision: Decision::Ship,
        hold_reason: String::new(),
    };
    let scribe = ScribeReport { day: 2, agent: Agent::Scribe, updates: vec![], summary: "…".into() };
    let cycle = Cycle {
        day: 2,
        cycle_cost_usd: Some(2.0),
        forge_cost_usd: None,
        generated_at: "2026-03-13T05:47:11Z".into(),
        cost_by_agent: Default::default(),
        cost_by_model: Default::default(),
    };
    store.write(2, &handoff).unwrap();
    store.write(2, &gate(2)).unwrap();
    store.write(2, &sentinel).unwrap();
    store.write(2, &conduit).unwrap();
    store.write(2, &scribe).unwrap();
    store.write(2, &cycle).unwrap();
    assert_eq!(store.read(2).unwrap(), Some(handoff));
    assert_eq!(store.read(2).unwrap(), Some(gate(2)));
    assert_eq!(store.read(2).unwrap(), Some(sentinel));
    assert_eq!(store.read(2).unwrap(), Some(conduit));
    assert_eq!(store.read(2).unwrap(), Some(scribe));
    assert_eq!(store.read(2).unwrap(), Some(cycle));
    assert_eq!(store.read::<StoryCard>(2).unwrap(), None);
    assert_eq!(store.days().unwrap(), [2]);
    let left: Vec<_> = fs::read_dir(dir.path().join(".pace/day-2"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().ends_with(".tmp"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn attempts_and_backlog_grow() {
    let (_dir, store) = store();
    assert_eq!(store.attempts(3).unwrap(), []);
    assert_eq!(store.backlog().unwrap(), []);
    for run in 1..=3 {
        store.put_attempt(3, &attempt(run)).unwrap();
    }
    let runs: Vec<_> = store.attempts(3).unwrap().iter().map(|a| a.run).collect();
    assert_eq!(runs, [1, 2, 3]);
    let entry = Entry {
        id: "sentinel-1".into(),
        day: 1,
        agent: Agent::Sentinel,
        finding: "bcrypt rounds default (12)".into(),
        status: Status::Open,
        issue: None,
        history: vec![],
    };
    store.write_backlog(std::slice::from_ref(&entry)).unwrap();
    assert_eq!(store.backlog().unwrap(), [entry]);
    store.write_backlog(&[]).unwrap();
    assert_eq!(store.backlog().unwrap(), []);
}

#[test]
fn an_artifact_that_does_not_fit_is_not_written() {
    let (dir, store) = store();
    store.write(1, &gate(1)).unwrap();
    let mut bad = gate(1);
    bad.agent = Agent::Prime;
    bad.gate_decision = Decision::Advisory;
    bad.criteria_results[0].evidence = " ".into();
    let error = store.write(1, &bad).unwrap_err().to_string();
    assert_eq!(
        error,
        ".pace/day-1/gate-report.yaml: agent: must be GATE, not \"PRIME\"\n\
         .pace/day-1/gate-report.yaml: criteria_results[0].evidence: must not be empty\n\
         .pace/day-1/gate-report.yaml: gate_decision: \"ADVISORY\" is not one of SHIP, HOLD"
    );
    let error = store.write(2, &gate(1)).unwrap_err().to_string();
    assert_eq!(error, ".pace/day-2/gate-report.yaml: day: must be 2 in this folder, not 1");
    assert_eq!(store.read(1).unwrap(), Some(gate(1)), "the old one stays");
    assert!(!dir.path().join(".pace/day-2").exists());
}

#[test]
fn a_changed_artifact_says_where_it_is_wrong() {
    let (dir, store) = store();
    let path = dir.path().join(".pace/day-1/gate-report.yaml");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let p = ".pace/day-1/gate-report.yaml";
    let big = format!("# {}", "x".repeat(yaml::MAX_BYTES));
    for (text, expected) in [
        (
            "day: 1\nagent: GATE\ncriteria_results:\n- criterion: a\n  result: MAYBE\nextra: 1\ngate_decision: SHIP\n",
            format!(
                "{p}:4: criteria_results[0].evidence: missing\n\
                 {p}:5: criteria_results[0].result: \"MAYBE\" is not one of PASS, PARTIAL, FAIL\n\
                 {p}:6: extra: unknown field; known are day, agent, criteria_results, blockers, deferred, flaky, \
                 gate_decision, hold_reason, coverage_rule"
            ),
        ),
        ("", format!("{p}:1: the document: expected a mapping, found nothing")),
        ("day: [", format!("{p}:1:6: unclosed bracket '['")),
        (
            "day: 7\nagent: GATE\ncriteria_results: []\ngate_decision: HOLD\n",
            format!("{p}:1: day: must be 1 in this folder, not 7"),
        ),
        (&big, format!("{p}: larger than 1048576 bytes")),
    ] {
        fs::write(&path, text).unwrap();
        assert_eq!(store.read::<GateReport>(1).unwrap_err().to_string(), expected);
    }
    fs::write(&path, b"day: 1\nagent: \xff\n").unwrap();
    let error = store.read::<GateReport>(1).unwrap_err().to_string();
    assert_eq!(error, format!("{p}:2: not valid UTF-8"));
}

#[test]
fn symbolic_links_are_never_followed() {
    let (dir, store) = store();
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "token").unwrap();
    fs::create_dir_all(dir.path().join(".pace/context")).unwrap();
    symlink(outside.path(), dir.path().join(".pace/day-1")).unwrap();
    symlink(&secret, dir.path().join(".pace/context/engineering.md")).unwrap();
    symlink(&secret, dir.path().join("PROGRESS.md")).unwrap();

    let error = store.write(1, &gate(1)).unwrap_err().to_string();
    assert_eq!(error, ".pace/day-1: is a symbolic link or a file where a folder should be");
    for (what, error) in [
        ("read", store.read::<GateReport>(1).err()),
        ("context", store.context_docs().err()),
        ("read_text", store.read_text("PROGRESS.md").err()),
        ("write_text", store.write_text("PROGRESS.md", "x").err()),
        ("move_round", store.move_round(1, 1).err()),
    ] {
        assert!(error.is_some(), "{what}");
    }
    assert_eq!(fs::read_to_string(&secret).unwrap(), "token");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
}

#[test]
fn only_plain_paths_below_the_root_are_taken() {
    let (dir, store) = store();
    for path in ["../x", "/etc/x", "", ".", "a/../x", ".pace/../../x"] {
        assert!(store.write_text(path, "x").is_err(), "{path:?}");
        assert!(store.read_text(path).is_err(), "{path:?}");
    }
    fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(store.write_text("folder", "x").is_err());
    assert!(store.read_text("folder").is_err());
    assert_eq!(store.read_text("no/such/file").unwrap(), None);
}

#[test]
fn writing_replaces_whole_files_and_keeps_their_mode() {
    let (dir, store) = store();
    store.write_text("a/b/c.md", "long text\n").unwrap();
    let path = dir.path().join("a/b/c.md");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    // A leftover of a run that was killed between writing and renaming.
    fs::write(dir.path().join("a/b/.c.md.tmp"), "half").unwrap();
    store.write_text("a/b/c.md", "x").unwrap();
    assert_eq!(store.read_text("a/b/c.md").unwrap().as_deref(), Some("x"));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o755);
    assert!(!dir.path().join("a/b/.c.md.tmp").exists());
}

#[test]
fn context_documents_may_be_missing_or_odd() {
    let (dir, store) = store();
    fs::create_dir_all(dir.path().join(".pace/context")).unwrap();
    fs::write(dir.path().join(".pace/context/security.md"), b"rounds \xff 12").unwrap();
    let docs = store.context_docs().unwrap();
    let texts: Vec<_> = docs.iter().map(|d| (d.path.as_str(), d.text.as_str())).collect();
    assert_eq!(
        texts,
        [
            (".pace/context/engineering.md", ""),
            (".pace/context/security.md", "rounds \u{fffd} 12"),
            (".pace/context/devops.md", ""),
            (".pace/context/product.md", ""),
        ]
    );
}

#[test]
fn an_earlier_round_is_moved_aside() {
    let (dir, store) = store();
    store.write(1, &card("A")).unwrap();
    store.write(1, &gate(1)).unwrap();
    store.put_attempt(1, &attempt(1)).unwrap();
    assert_eq!(store.rounds(1).unwrap(), 0);
    store.move_round(1, 1).unwrap();
    store.move_round(1, 1).unwrap();
    assert_eq!(store.rounds(1).unwrap(), 1);
    let day = dir.path().join(".pace/day-1");
    for (path, there) in [
        ("gate-report.yaml", false),
        ("story-card.yaml", true),
        ("attempts.yaml", true),
        ("attempts/1/gate-report.yaml", true),
        ("attempts/1/story-card.yaml", true),
        ("attempts/1/handoff.yaml", false),
    ] {
        assert_eq!(day.join(path).exists(), there, "{path}");
    }
    store.write(1, &gate(1)).unwrap();
    let error = store.move_round(1, 1).unwrap_err().to_string();
    assert!(error.contains("attempts/1/gate-report.yaml: exists already"), "{error}");
    store.move_round(1, 2).unwrap();
    assert_eq!(store.rounds(1).unwrap(), 2);
}

#[test]
fn a_sprint_is_archived_under_a_safe_name() {
    let (dir, store) = store();
    assert_eq!(store.archive_sprint("x").unwrap(), None);
    for (sprint, folder) in [
        ("feature/auth", ".pace/archive/feature-auth"),
        ("feature/auth", ".pace/archive/feature-auth-2"),
        ("../../etc", ".pace/archive/etc"),
        ("..", ".pace/archive/unnamed"),
        ("Sprint Ä 1.2", ".pace/archive/Sprint-Ä-1.2"),
    ] {
        store.write(1, &card("A")).unwrap();
        store.write_text(".pace/day-10/planner.md", "x").unwrap();
        store.write_text(".pace/day-x/keep", "x").unwrap();
        assert_eq!(store.days().unwrap(), [1, 10]);
        assert_eq!(store.archive_sprint(sprint).unwrap().as_deref(), Some(folder));
        assert!(dir.path().join(folder).join("day-1/story-card.yaml").exists());
        assert!(dir.path().join(folder).join("day-10/planner.md").exists());
        assert_eq!(store.days().unwrap(), Vec::<u32>::new());
    }
}

/// Text that YAML readers trip over more often than chance would find.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "word",
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "\r\n",
        ":",
        ": ",
        " #",
        "- ",
        "? ",
        "---",
        "...",
        "|",
        ">",
        "'",
        "\"",
        "\\",
        "{",
        "[",
        "]",
        "}",
        ",",
        "&",
        "*",
        "!",
        "%",
        "@",
        "`",
        "~",
        "null",
        "true",
        "no",
        "1_000",
        "0x1F",
        ".5",
        "1e3",
        "<<",
        "=",
        "é",
        "😀",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{0}",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{fffe}",
    ]);
    prop_oneof![prop::collection::vec(pieces, 0..8).prop_map(|p| p.concat()), any::<String>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_survives(title in hostile(), criteria in prop::collection::vec(hostile(), 0..3), cost in 0.0..1e6_f64) {
        let value = serde_json::json!({ "title": title, "cost": cost, "list": criteria, "nested": [{ "x": title, "y": [] }] });
        let text = write::yaml(&value).unwrap();
        prop_assert_eq!(yaml::parse(&text).map(|node| node.to_json()), Ok(value), "{}", text);
    }
}

/// Neither the folder of the settings nor the usual one, in which an earlier run may have left one.
#[test]
fn a_snapshot_leaves_out_hand_offs_wherever_they_lie() {
    let (_dir, store) = store();
    for path in [
        ".pace/out/journal.jsonl",
        ".pace/handoff/journal.jsonl",
        ".pace/run/out/journal.jsonl",
        ".pace/context/a.md",
        ".pace/output.md",
    ] {
        store.write_text(path, "text").unwrap();
    }
    let kept = |handoff: &str| -> Vec<String> {
        store.clone().with_handoff(handoff).snapshot().unwrap().into_keys().collect()
    };
    assert_eq!(kept(".pace/out"), [".pace/context/a.md", ".pace/output.md", ".pace/run/out/journal.jsonl"]);
    assert_eq!(kept(".pace/run/out"), [".pace/context/a.md", ".pace/out/journal.jsonl", ".pace/output.md"]);
    assert_eq!(kept("elsewhere").len(), 4);
}

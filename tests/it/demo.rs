//! `pace demo` needs nothing, and its verdict is the binary's own: breaking the recorded source makes it HOLD
//! although the recorded GATE goes on to say SHIP.

use std::path::{Path, PathBuf};

use crate::binary::{Finished, Pace};

fn demo(templates: Option<&Path>) -> (Finished, PathBuf, tempfile::TempDir) {
    let home = tempfile::tempdir().unwrap();
    let mut pace = Pace::new(home.path(), home.path())
        .args(["demo"])
        .env([("TMPDIR", home.path().display().to_string())])
        // Nothing but a shell: no git, no language.
        .env([("PATH", "/usr/bin:/bin")]);
    if let Some(templates) = templates {
        pace = pace.env([("PACE_TEMPLATES_DIR", templates.display().to_string())]);
    }
    let run = pace.run();
    let project = std::fs::read_dir(home.path())
        .unwrap()
        .map(|entry| entry.unwrap().path().join("project"))
        .find(|path| path.is_dir())
        .unwrap_or_else(|| panic!("the demo made no project: {}", run.transcript()));
    (run, project, home)
}

fn recording() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/templates/demo/recording.yaml");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_demo_ships_a_whole_day() {
    let (run, project, _home) = demo(None);
    assert_eq!(run.code, 0, "{}", run.transcript());
    for line in [
        "[FORGE] Writing tests/test_greet.sh ...",
        "[FORGE] Running tests: sh test.sh ...",
        "[FORGE] All tests pass. Calling complete_handoff.",
        "[PACE] GATE: SHIP",
        "[PACE] SENTINEL: SHIP",
        "[PACE] CONDUIT: SHIP",
    ] {
        assert!(run.stdout.lines().any(|l| l == line), "{line} is missing\n{}", run.transcript());
    }
    for artifact in [
        "story-card.yaml",
        "handoff.yaml",
        "gate-report.yaml",
        "sentinel-report.yaml",
        "conduit-report.yaml",
        "scribe-report.yaml",
        "attempts.yaml",
        "cycle.md",
        "review-pr.md",
    ] {
        assert!(project.join(".pace/day-1").join(artifact).is_file(), "{artifact} is missing");
    }
}

#[test]
fn a_broken_source_makes_the_demo_hold() {
    let templates = tempfile::tempdir().unwrap();
    let broken = recording().replace("Hello, ${1:-world}!", "Hullo, ${1:-world}!");
    assert_ne!(broken, recording(), "the recording no longer holds the line that this test breaks");
    std::fs::create_dir(templates.path().join("demo")).unwrap();
    std::fs::write(templates.path().join("demo/recording.yaml"), broken).unwrap();
    let (run, project, _home) = demo(Some(templates.path()));
    assert_eq!(run.code, 1, "{}", run.transcript());
    assert!(run.stdout.lines().any(|l| l == "[PACE] GATE: HOLD"), "{}", run.transcript());
    let report = std::fs::read_to_string(project.join(".pace/day-1/gate-report.yaml")).unwrap();
    assert!(report.contains("gate_decision: HOLD") && report.contains("exit code 1"), "{report}");
}

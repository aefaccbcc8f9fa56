//! The truth table of GATE: recorded reports against what was observed (`tests/data/cites/*.yaml`), and the words
//! of hold reasons.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::*;
use crate::domain::decision::{self, Decision};
use crate::domain::observation::{CiState, CommandRun, Output, TestCase};
use crate::evidence::observed::Observed;
use crate::evidence::results;

/// One file: what was observed, the card, and reports on it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    observed: Seen,
    criteria: Vec<String>,
    #[serde(default)]
    out_of_scope: Vec<String>,
    reports: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Seen {
    command: String,
    /// Exit code; absent for a time-out.
    exit: Option<i32>,
    #[serde(default)]
    output: String,
    #[serde(default)]
    production_changed: bool,
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Those of `files` that the day left alone.
    #[serde(default)]
    untouched: Vec<String>,
    ci: Option<CiState>,
    #[serde(default)]
    commands: Vec<(String, i32)>,
    /// No test command at all.
    #[serde(default)]
    no_run: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    /// The report claims more than was observed.
    #[serde(default)]
    overclaims: bool,
    verdicts: Vec<CriterionVerdict>,
    decision: Decision,
    /// Results by criterion, where they are not all PASS.
    results: Option<Vec<CriterionResult>>,
    /// Part of the problems or of a FAIL's evidence.
    says: Option<String>,
}

#[test]
fn truth_table() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cites");
    let (mut rows, mut overclaims, mut wrong) = (0, 0, Vec::new());
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let table: Table = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|e| panic!("{file}: {e}"));
        let run = (!table.observed.no_run).then(|| run_of(&table.observed));
        let seen = &table.observed;
        let touched = seen.files.keys().filter(|path| !seen.untouched.contains(path));
        let day: Vec<String> = touched.cloned().collect();
        let show = |path: &str| table.observed.files.get(path).cloned();
        let commands: Vec<_> =
            table.observed.commands.iter().map(|(c, e)| (c.clone(), Exit::Code(*e))).collect();
        let evidence = Evidence::new(Observed {
            run: run.as_ref(),
            output: &table.observed.output,
            plan: "plan.yaml",
            day: &day,
            show: &show,
            ci: table.observed.ci.as_ref().unwrap_or(&CiState::None),
            commands: &commands,
        });
        let held = run_verdict(run.as_ref(), table.observed.production_changed);
        for row in &table.reports {
            rows += 1;
            overclaims += usize::from(row.overclaims);
            let judged = adjudicate(&row.verdicts, &table.criteria, &table.out_of_scope, &evidence);
            let decided = decision::gate(&judged.results, held.is_some());
            assert!(
                !(row.overclaims && (decided == Decision::Ship || row.decision == Decision::Ship)),
                "{file}: {}: false SHIP",
                row.name
            );
            let results: Vec<_> = judged.results.iter().map(|r| r.result).collect();
            let wanted = row.results.clone().unwrap_or(vec![CriterionResult::Pass; table.criteria.len()]);
            let told = format!(
                "{}\n{}\n{}",
                judged.problems().join("\n"),
                judged.blockers().join("\n"),
                held.clone().unwrap_or_default()
            );
            let says = row.says.as_ref().is_none_or(|part| told.contains(part.as_str()));
            if decided != row.decision || results != wanted || !says {
                wrong.push(format!("{file}: {}: {decided} {results:?}\n{told}", row.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n---\n"));
    assert!(rows >= 60 && overclaims >= 30, "{rows} reports, {overclaims} of them claim too much");
}

fn run_of(seen: &Seen) -> TestRun {
    let (cases, source) = results::read(&seen.command, &seen.output, &[]);
    TestRun {
        run: CommandRun {
            command: seen.command.clone(),
            exit: seen.exit.map_or(Exit::TimedOut, Exit::Code),
            output: Output {
                head: seen.output.clone(),
                tail: String::new(),
                total_bytes: seen.output.len() as u64,
            },
            duration_ms: 1,
        },
        cases,
        source,
    }
}

fn verdict(criterion: &str, result: CriterionResult, evidence: &str) -> CriterionVerdict {
    CriterionVerdict { criterion: criterion.into(), result, evidence: evidence.into(), cites: vec![] }
}

#[test]
fn hold_reasons_are_actionable() {
    use CriterionResult::{Fail, Pass};
    let results = [
        verdict("GET /users returns 200", Pass, ""),
        verdict(
            "User has a name",
            Fail,
            "criterion 2 failed — no evidence: the evidence names no observed test",
        ),
        verdict(
            "POST /users returns 201",
            Fail,
            "test not found in output: UserCreationTest::test_create_user (GATE had said: it passes)",
        ),
        verdict("Names are unique", Fail, "no unique index"),
        verdict("Names are short", Pass, ""),
    ];
    assert_eq!(
        hold_reason(&results, None, ""),
        "3 of 5 acceptance criteria failed. Criterion 2 (\"User has a name\") failed — no evidence: the evidence names no \
         observed test. Criterion 3 (\"POST /users returns 201\") failed — test UserCreationTest::test_create_user not \
         found in test output. Criterion 4 (\"Names are unique\") failed — no unique index. GATE HOLD pattern: \
         criterion 2 failed — no evidence, test not found in output. FORGE must add the missing test before this story can ship."
    );
    assert_eq!(
        hold_reason(&results[..1], Some("exit code 1 of `pytest`: test_a failed"), ""),
        "exit code 1 of `pytest`: test_a failed. FORGE must make the test command pass: fix the code or the assertion."
    );
    assert_eq!(
        hold_reason(&results[3..4], None, "FORGE must\nadd a unique index."),
        "1 of 1 acceptance criterion failed. Criterion 1 (\"Names are unique\") failed — no unique index. FORGE must add a unique index."
    );
    let many = vec![verdict("c", Fail, "no"); 5];
    assert!(hold_reason(&many, None, "").contains("Also failed: criteria 4, 5."));
}

#[test]
fn the_run_itself_holds() {
    let run = |exit, cases: &[(&str, TestStatus)], output: &str| TestRun {
        run: CommandRun {
            command: "pytest".into(),
            exit,
            output: Output { head: output.into(), tail: String::new(), total_bytes: output.len() as u64 },
            duration_ms: 1,
        },
        cases: cases
            .iter()
            .map(|(name, status)| TestCase { name: (*name).into(), status: *status })
            .collect(),
        source: String::new(),
    };
    let passed = [("test_a", TestStatus::Passed), ("test_b", TestStatus::Failed)];
    let skipped = [("test_a", TestStatus::Skipped)];
    for (run, changed, expected) in [
        (run(Exit::Code(0), &[("test_a", TestStatus::Passed)], ""), true, None),
        (run(Exit::Code(0), &passed, ""), true, Some("exit code 0 of `pytest`, although tests failed")),
        (run(Exit::Code(0), &[], ""), false, None),
        (run(Exit::Code(0), &[], "4 passed in 0.01s"), true, None),
        (run(Exit::Code(0), &[], ""), true, Some("exit code 0, but no test")),
        (run(Exit::Code(0), &skipped, ""), true, Some("exit code 0, but no test")),
        (run(Exit::Code(1), &passed, ""), true, Some("exit code 1 of `pytest`: test_b failed")),
        (run(Exit::Code(5), &[], "no tests ran"), false, Some("exit code 5 of `pytest`")),
        (run(Exit::Signal(9), &[], ""), true, Some("ended by signal 9")),
        (run(Exit::TimedOut, &passed, ""), true, Some("timed out")),
    ] {
        let held = run_verdict(Some(&run), changed);
        match expected {
            None => assert_eq!(held, None),
            Some(part) => assert!(held.as_deref().is_some_and(|h| h.starts_with(part)), "{part}: {held:?}"),
        }
    }
    assert_eq!(run_verdict(None, true), None);
}

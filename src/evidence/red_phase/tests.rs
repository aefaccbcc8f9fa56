use super::*;
use crate::domain::observation::{CommandRun, Exit, Output, TestCase};
use crate::evidence::day_change::tests::change;
use TestStatus::{Failed, Passed};

fn run(code: i32, cases: &[(&str, TestStatus)], output: &str) -> TestRun {
    let output = Output { head: output.into(), ..Output::default() };
    TestRun {
        run: CommandRun { command: "t".into(), exit: Exit::Code(code), output, duration_ms: 1 },
        cases: cases
            .iter()
            .map(|(name, status)| TestCase { name: (*name).into(), status: *status })
            .collect(),
        source: String::new(),
    }
}

fn day(test: &str) -> DayChange {
    let files = vec![
        change("calc.py", None, Some("def add(): pass\n")),
        change("tests/test_calc.py", None, Some(test)),
    ];
    DayChange { files }
}

const REAL: &str =
    "from calc import add\ndef test_add():\n    assert add(1) == 2\ndef test_old():\n    assert add(0)\n";
const EMPTY: &str = "from calc import add\ndef test_add():\n    assert True\n";

/// What it shows; baseline, green and red run; the change; assertions seen; what is lacking.
type Row<'a> = (&'a str, &'a TestRun, &'a TestRun, &'a TestRun, &'a DayChange, &'a [String], &'a str);

#[test]
fn proofs_and_lacks() {
    let old = run(0, &[("test_x", Passed)], "");
    let red_old = run(1, &[("test_x", Failed)], "");
    let none = run(5, &[], "");
    let green = run(0, &[("test_x", Passed), ("test_add", Passed)], "");
    let assertion = run(1, &[("test_x", Passed), ("test_add", Failed)], "AssertionError");
    let import = run(1, &[("test_x", Passed)], "ModuleNotFoundError: calc");
    let build = run(101, &[], "error[E0425]");
    let quiet = run(0, &[], "");
    let seen = vec!["assertadd(0)==0".to_owned()];
    let old_in_file = run(0, &[("test_old", Passed)], "");
    let green_in_file = run(0, &[("test_old", Passed), ("test_add", Passed)], "");
    let before = "def test_old():\n    assert f(0) == 1\n";
    let now = format!("{before}def test_add():\n    assert True\n");
    let mut appended = day("");
    appended.files[1] = change("tests/test_calc.py", Some(before), Some(&now));
    appended.files[1].added = vec![(3, 5)];
    let rows: [Row<'_>; 15] = [
        ("an assertion fails", &old, &green, &assertion, &day(REAL), &[], ""),
        ("greenfield", &none, &green, &import, &day(REAL), &[], ""),
        ("an import fails", &old, &green, &import, &day(REAL), &seen, ""),
        ("nothing builds", &old, &green, &build, &day(REAL), &seen, ""),
        ("a quiet runner", &quiet, &quiet, &build, &day(REAL), &[], ""),
        (
            "a red baseline is mended",
            &red_old,
            &run(0, &[("test_x", Passed)], ""),
            &red_old,
            &day(""),
            &[],
            "",
        ),
        ("an import fails beside a tautology", &old, &green, &import, &day(EMPTY), &[], "assert nothing"),
        ("nothing builds, a tautology", &old, &green, &build, &day(EMPTY), &[], "assert nothing"),
        ("a quiet runner and a tautology", &quiet, &quiet, &build, &day(EMPTY), &[], "assert nothing"),
        (
            "an old test breaks beside a tautology",
            &old_in_file,
            &green_in_file,
            &build,
            &appended,
            &[],
            "assert nothing",
        ),
        ("no test needs the change", &old, &green, &green, &day(REAL), &[], "All tests pass although"),
        ("an old test fails", &old, &old, &red_old, &day(REAL), &[], "neither new nor changed"),
        (
            "the tests fail",
            &old,
            &assertion,
            &assertion,
            &day(REAL),
            &[],
            "with the production change in place",
        ),
        ("an assertion went", &old, &green, &import, &day(REAL), &["assertgone()==0".to_owned()], "are gone"),
        ("an exit", &old, &green, &import, &day("import os\nos._exit(0)\n"), &[], "ends the test process"),
    ];
    for (about, baseline, green, red, change, seen, lack) in rows {
        let proof = prove(&Runs { baseline: Some(baseline), green, red }, change, seen);
        match (&proof, lack) {
            (RedPhase::Proved { .. }, "") => {}
            (RedPhase::Lacking(what), lack) if !lack.is_empty() && what.contains(lack) => {}
            _ => panic!("{about}: {proof:?}"),
        }
    }
}

#[test]
fn new_tests_that_need_no_change_are_named() {
    let green = run(0, &[("test_add", Passed), ("test_old", Passed)], "");
    let red = run(1, &[("test_add", Failed), ("test_old", Passed)], "");
    let proof = prove(&Runs { baseline: None, green: &green, red: &red }, &day(REAL), &[]);
    let expected = RedPhase::Proved { failing: vec!["test_add".into()], needless: vec!["test_old".into()] };
    assert_eq!(proof, expected);
    assert!(proof.note().is_empty() && proof.evidence()[1].contains("test_old"));
}

#[test]
fn days_that_need_none() {
    let waived = |path: &str| BTreeSet::from([path.to_owned()]);
    let docs = DayChange { files: vec![change("README.md", Some("a"), Some("b"))] };
    let removed = DayChange { files: vec![change("old.py", Some("x = 1\n"), None)] };
    assert!(excuse(&docs, &BTreeSet::new()).is_some());
    assert!(excuse(&removed, &BTreeSet::new()).is_some());
    assert!(excuse(&day(REAL), &BTreeSet::new()).is_none());
    assert!(excuse(&day(REAL), &waived("calc.py")).is_some());
    assert_eq!(seen(&day(REAL)), ["assertadd(0)", "assertadd(0)==0"]);
    assert!(hollow(&day(EMPTY)).is_some() && hollow(&day(REAL)).is_none());
}

#[test]
fn rows_of_tables_are_counted_from_the_red_phase_on() {
    let table = |rows: &str| {
        format!("@pytest.mark.parametrize(\"n\", [{rows}])\ndef test_adds(n):\n    assert add(n) == n\n")
    };
    let three = seen(&day(&table("1, 2, 3")));
    assert_eq!(three.iter().filter(|key| key.starts_with(ROW)).count(), 3);
    let split = format!("{}\ndef test_three():\n    assert total(3, 3) == 6\n", table("1, 2"));
    let green = run(0, &[("test_adds", Passed)], "");
    let red = run(1, &[("test_adds", Failed)], "");
    for (now, lost) in
        [(table("1, 2, 3"), false), (table("1, 2"), true), (table("3, 2, 4, 5"), false), (split, false)]
    {
        let proof = prove(&Runs { baseline: None, green: &green, red: &red }, &day(&now), &three);
        assert_eq!(matches!(proof, RedPhase::Lacking(_)), lost, "{now}: {proof:?}");
    }
}

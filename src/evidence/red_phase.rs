//! The red phase, proved: with the day's production change taken out, the day's new or changed tests fail; with it
//! they pass.
//!
//! Pure. Which tests are new or changed is told by what was observed: a test that passes now and does not without
//! the change is new, was changed, or failed before the day.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::code::assertions::{Assertion, TestText};
use super::code::bodies;
use super::code::worth::Worth;
use super::code::{self, Language};
use super::day_change::{DayChange, FileChange};
use crate::domain::diff::Change;
use crate::domain::observation::{TestRun, TestStatus};

/// What the question for a red phase came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RedPhase {
    /// Why none was asked for.
    NotNeeded(String),
    /// Tests that fail without the production change; what a reader should know besides.
    Proved { failing: Vec<String>, needless: Vec<String> },
    /// What is missing, and what to do.
    Lacking(String),
}

impl RedPhase {
    /// What the artifact says beside `tdd_red_phase_confirmed: false`; empty where it was proved.
    pub(crate) fn note(&self) -> String {
        match self {
            Self::NotNeeded(why) => why.clone(),
            Self::Proved { .. } => String::new(),
            Self::Lacking(what) => format!("not proved: {what}"),
        }
    }

    /// What GATE is told.
    pub(crate) fn evidence(&self) -> Vec<String> {
        match self {
            Self::NotNeeded(why) => vec![format!("Red phase: none ({why}).")],
            Self::Proved { failing, needless } => {
                let mut lines = vec![format!(
                    "Red phase: proved. With today's production change taken out these tests fail: {}.",
                    some(failing)
                )];
                if !needless.is_empty() {
                    lines.push(format!(
                        "New tests that pass without it too, and so do not show that it works: {}.",
                        some(needless)
                    ));
                }
                lines
            }
            Self::Lacking(what) => vec![format!("Red phase: not proved. {what}")],
        }
    }
}

/// The runs that the proof compares.
pub(crate) struct Runs<'a> {
    /// On the day base.
    pub baseline: Option<&'a TestRun>,
    /// With everything in place.
    pub green: &'a TestRun,
    /// With the production change taken out.
    pub red: &'a TestRun,
}

/// Why the day needs no red phase; `None` where it does. `waived`: files that the plan excuses from new tests.
pub(crate) fn excuse(change: &DayChange, waived: &BTreeSet<String>) -> Option<String> {
    let production: Vec<_> = change.production().collect();
    if production.is_empty() {
        return Some("no production code changed".into());
    }
    let left: Vec<_> = production.iter().filter(|file| !waived.contains(&file.path)).collect();
    if left.is_empty() {
        return Some("out_of_scope excuses the changed files from new tests".into());
    }
    left.iter().all(|file| file.only_removes()).then(|| "production code was only taken away".into())
}

/// Judges the two runs. `seen`: the assertions that stood when the red phase was confirmed.
pub(crate) fn prove(runs: &Runs<'_>, change: &DayChange, seen: &[String]) -> RedPhase {
    match lack(runs, change, seen) {
        Err(lack) => RedPhase::Lacking(lack),
        Ok(failing) => {
            let before = statuses(runs.baseline);
            let red = statuses(Some(runs.red));
            let needless = runs
                .green
                .names(TestStatus::Passed)
                .filter(|name| !before.contains_key(name) && red.get(name) == Some(&TestStatus::Passed));
            RedPhase::Proved { failing, needless: needless.map(str::to_owned).collect() }
        }
    }
}

/// Whether it can be told that the day's tests look at its functions: there are some that can be made to fail, and no test
/// speaks of anything else that the day brought.
pub(crate) fn is_about_functions(change: &DayChange) -> bool {
    let mut beside: BTreeSet<String> = BTreeSet::new();
    let mut any = false;
    for file in change.production().filter(|file| file.change != Change::Deleted) {
        match file.hollowed() {
            Some(hollowed) => {
                any = true;
                beside.extend(hollowed.beside);
            }
            None if file.only_wires() => {}
            None => beside.extend(code::definitions(&file.path, &file.production_text())),
        }
    }
    let spoken_of = |file: &FileChange| {
        let text = file.test_text().unwrap_or_default();
        let masked = code::mask::masked(Language::of(&file.path), &text);
        code::words(&masked).iter().any(|word| beside.contains(*word))
    };
    any && !change.tests().any(spoken_of)
}

/// What is lacking where the tests that proved the red phase, `failing`, pass though every function of the day fails, as
/// in `hollow`.
pub(crate) fn look_at_nothing(hollow: &TestRun, failing: &[String], change: &DayChange) -> Option<RedPhase> {
    let statuses = statuses(Some(hollow));
    let pass = if statuses.is_empty() {
        hollow.run.exit.ok()
    } else {
        failing.iter().all(|name| statuses.get(name.as_str()) == Some(&TestStatus::Passed))
    };
    let files = some(&change.production().map(|file| file.path.clone()).collect::<Vec<_>>());
    pass.then(|| {
        RedPhase::Lacking(format!(
            "The tests pass although every function that the day wrote or changed in {files} was made to fail: {}. So \
             none of them looks at what these functions do. Test the functions themselves, neither a stand-in for them \
             nor a loop that never runs.",
            some(failing)
        ))
    })
}

/// The assertions of the day's tests as the red phase saw them: what must still be there at handoff.
pub(crate) fn seen(change: &DayChange) -> Vec<String> {
    let tests = TestFile::all(change);
    let computed = tests.iter().flat_map(|test| test.added.iter()).filter(|a| a.worth == Worth::Computed);
    computed.map(|a| a.key.clone()).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Why the tests as they are cannot make a red phase; `None` where they can.
pub(crate) fn hollow(change: &DayChange) -> Option<String> {
    let tests = TestFile::all(change);
    (!file_level(change, &tests)).then(|| nothing_computed(&tests, &[]))
}

fn lack(runs: &Runs<'_>, change: &DayChange, seen: &[String]) -> Result<Vec<String>, String> {
    let failing_now: Vec<_> = names(runs.green, TestStatus::Failed);
    if !runs.green.run.exit.ok() || !failing_now.is_empty() {
        let which = if failing_now.is_empty() { String::new() } else { format!(": {}", some(&failing_now)) };
        return Err(format!(
            "The tests fail with the production change in place ({}){which}. Make them pass.",
            runs.green.run.exit
        ));
    }
    let tests = TestFile::all(change);
    if let Some(quits) = tests.iter().find_map(TestFile::quits) {
        return Err(quits);
    }
    let files = some(&change.production().map(|file| file.path.clone()).collect::<Vec<_>>());
    let red = names(runs.red, TestStatus::Failed);
    if runs.red.run.exit.ok() && red.is_empty() {
        let new = new_names(runs);
        let new = if new.is_empty() { String::new() } else { format!(" New tests: {}.", some(&new)) };
        return Err(format!(
            "All tests pass although the change of {files} was taken out, so none of them shows it.{new} Write a test \
             that fails without the change and passes with it, and that checks what the change is for."
        ));
    }
    let failing = if runs.green.cases.is_empty() {
        by_exit(runs, change, &tests)?
    } else {
        by_name(runs, change, &tests, &files)?
    };
    let gone = gone(&tests, seen);
    if !gone.is_empty() && is_error(runs, &failing) {
        return Err(format!(
            "Without the production change the tests do not fail at an assertion but at what is missing, and \
             assertions that stood in the red phase are gone: {}. Put them back.",
            some(&gone)
        ));
    }
    Ok(failing)
}

/// A runner that names no test: its exit code alone tells.
fn by_exit(runs: &Runs<'_>, change: &DayChange, tests: &[TestFile<'_>]) -> Result<Vec<String>, String> {
    let mended = runs.baseline.is_some_and(|baseline| !baseline.run.exit.ok());
    if change.tests().next().is_none() && !mended {
        return Err(
            "The tests fail without the production change, but no test was created or modified today. \
                    Write one."
                .into(),
        );
    }
    if !mended && !file_level(change, tests) {
        return Err(nothing_computed(tests, &[]));
    }
    Ok(vec![format!("{} of `{}`", runs.red.run.exit, runs.red.run.command)])
}

fn by_name(
    runs: &Runs<'_>,
    change: &DayChange,
    tests: &[TestFile<'_>],
    files: &str,
) -> Result<Vec<String>, String> {
    let before = statuses(runs.baseline);
    let red = statuses(Some(runs.red));
    let fixtures = change.tests().any(|file| file.test_text().is_none());
    let (mut valid, mut hollow, mut broken) = (Vec::new(), Vec::new(), Vec::new());
    // Old ones that only share a file with what is new: they count where nothing speaks for the day more clearly.
    let mut shared = Vec::new();
    for name in runs.green.names(TestStatus::Passed) {
        if red.get(name) == Some(&TestStatus::Passed) {
            continue;
        }
        let mended = before.get(name) == Some(&TestStatus::Failed);
        let new = !before.contains_key(name);
        match tests.iter().find_map(|test| test.judge(name)) {
            _ if mended && !new => valid.push(name.to_owned()),
            // An old test that the day left alone fails with the rest where nothing builds or loads.
            Some(found) if !new && !found.today && !red.contains_key(name) => broken.push(name.to_owned()),
            Some(found) if found.asserts && !new && !found.touched => shared.push(name.to_owned()),
            Some(found) if found.asserts => valid.push(name.to_owned()),
            Some(_) => hollow.push(name.to_owned()),
            None if new || fixtures && red.get(name) == Some(&TestStatus::Failed) => {
                let list = if file_level(change, tests) { &mut valid } else { &mut hollow };
                list.push(name.to_owned());
            }
            None => broken.push(name.to_owned()),
        }
    }
    if let Some(failing) = [valid, shared].into_iter().find(|names| !names.is_empty()) {
        return Ok(failing);
    }
    if !hollow.is_empty() {
        return Err(nothing_computed(tests, &hollow));
    }
    let old = if broken.is_empty() { names(runs.red, TestStatus::Failed) } else { broken };
    Err(format!(
        "Without the change of {files} only tests fail that are neither new nor changed today{}. Write a test for \
         today's change that fails without it.",
        if old.is_empty() { String::new() } else { format!(": {}", some(&old)) }
    ))
}

/// Whether the day's test files as a whole assert something computed.
fn file_level(change: &DayChange, tests: &[TestFile<'_>]) -> bool {
    let unknown = tests.iter().any(|test| test.language == Language::Other);
    let only_data = tests.is_empty() && change.tests().next().is_some();
    unknown || only_data || tests.iter().any(|t| t.all.iter().any(|a| a.worth == Worth::Computed))
}

fn nothing_computed(tests: &[TestFile<'_>], names: &[String]) -> String {
    let empty: Vec<String> = tests
        .iter()
        .flat_map(|test| {
            let worthless = test.added.iter().filter(|a| a.worth != Worth::Computed);
            worthless.map(move |a| {
                let why = if a.worth == Worth::Swallowed { ", whose failure is caught" } else { "" };
                format!("{}:{} `{}`{why}", test.path, a.line, a.text)
            })
        })
        .collect();
    let which = if names.is_empty() { String::new() } else { format!(" ({})", some(names)) };
    let seen = if empty.is_empty() { String::new() } else { format!(" Seen: {}.", some(&empty)) };
    format!(
        "The new tests{which} assert nothing that the production code computes, so they cannot fail once it loads.{seen} \
         Assert on a result of the code under test."
    )
}

/// Whether the tests failed for what is missing rather than at an assertion.
fn is_error(runs: &Runs<'_>, failing: &[String]) -> bool {
    let red = statuses(Some(runs.red));
    let absent = failing.iter().any(|name| !red.contains_key(name.as_str()));
    absent || MISSING.iter().any(|word| runs.red.run.output.text().contains(word))
}

const MISSING: &[&str] = &[
    "ImportError",
    "ModuleNotFoundError",
    "NameError",
    "has no attribute",
    "SyntaxError",
    "Cannot find module",
    "ERR_MODULE_NOT_FOUND",
    "is not defined",
    "is not a function",
    "could not compile",
    "error[E",
    "[build failed]",
    "undefined: ",
    "cannot find symbol",
    "COMPILATION ERROR",
    "not found",
    "No such file",
    "can't open",
    "cannot open",
    "error CS",
];

fn gone(tests: &[TestFile<'_>], seen: &[String]) -> Vec<String> {
    let now: BTreeSet<&str> = tests.iter().flat_map(|t| t.all.iter().map(|a| a.key.as_str())).collect();
    seen.iter().filter(|key| !now.contains(key.as_str())).map(|key| format!("`{key}`")).collect()
}

fn new_names(runs: &Runs<'_>) -> Vec<String> {
    let before = statuses(runs.baseline);
    runs.green.names(TestStatus::Passed).filter(|n| !before.contains_key(n)).map(str::to_owned).collect()
}

fn names(run: &TestRun, status: TestStatus) -> Vec<String> {
    run.names(status).map(str::to_owned).collect()
}

fn statuses(run: Option<&TestRun>) -> BTreeMap<&str, TestStatus> {
    run.iter().flat_map(|run| &run.cases).map(|case| (case.name.as_str(), case.status)).collect()
}

/// The first of a list, and how many more there are.
pub(crate) fn some(all: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN {
        text.push_str(&format!(" and {} more", all.len() - SHOWN));
    }
    text
}

/// What is known of a test by its name.
struct Found {
    /// It asserts something computed.
    asserts: bool,
    /// The day changed its lines.
    touched: bool,
    /// Or added an assertion to its file that it may share.
    today: bool,
}

/// A test file of the day with its assertions.
struct TestFile<'a> {
    path: &'a str,
    language: Language,
    text: String,
    lines: &'a [(u32, u32)],
    all: Vec<Assertion>,
    /// Those that the day added.
    added: Vec<Assertion>,
}

impl<'a> TestFile<'a> {
    fn all(change: &'a DayChange) -> Vec<Self> {
        let files = change.tests().filter_map(|file| {
            let text = file.test_text()?;
            let all = TestText::new(&file.path, &text).assertions();
            let in_added = |a: &&Assertion| file.added.iter().any(|&(from, to)| (from..to).contains(&a.line));
            let added = all.iter().filter(in_added).cloned().collect();
            let language = Language::of(&file.path);
            Some(Self { path: &file.path, language, text, lines: &file.added, all, added })
        });
        files.collect()
    }

    /// The test of that name; `None` where it is not in this file.
    fn judge(&self, name: &str) -> Option<Found> {
        let test = TestText::new(self.path, &self.text);
        let lines = bodies::of_test(&test, name)?;
        let touched = self.lines.iter().any(|&(from, to)| from < lines.end && lines.start < to);
        Some(Found {
            asserts: bodies::asserts(&test, &self.all, &lines),
            touched,
            today: touched || self.added.iter().any(|a| a.worth == Worth::Computed),
        })
    }

    fn quits(&self) -> Option<String> {
        let test = TestText::new(self.path, &self.text);
        let (line, said) = bodies::quits(&test)?;
        let today = self.lines.iter().any(|&(from, to)| (from..to).contains(&line));
        today.then(|| {
            format!(
                "{}:{line} ends the test process (`{said}`), so what comes after it is never seen to fail. Take it out.",
                self.path
            )
        })
    }
}

#[cfg(test)]
mod tests {
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
            (
                "an assertion went",
                &old,
                &green,
                &import,
                &day(REAL),
                &["assertgone()==0".to_owned()],
                "are gone",
            ),
            (
                "an exit",
                &old,
                &green,
                &import,
                &day("import os\nos._exit(0)\n"),
                &[],
                "ends the test process",
            ),
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
        let expected =
            RedPhase::Proved { failing: vec!["test_add".into()], needless: vec!["test_old".into()] };
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
}

//! The red phase, proved: with the day's production change taken out, the day's new or changed tests fail; with it
//! they pass.
//!
//! Pure. Which tests are new or changed is told by what was observed: a test that passes now and does not without
//! the change is new, was changed, or failed before the day.

mod day_tests;
mod looks;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use self::day_tests::DayTests;
pub(crate) use self::looks::{is_about_functions, look_at_nothing};
use super::day_change::DayChange;
use super::some;
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

/// The assertions of the day's tests as the red phase saw them: what must still be there at handoff.
pub(crate) fn seen(change: &DayChange) -> Vec<String> {
    let tests = DayTests::of(change);
    let rows = (1..=tests.rows()).map(|n| format!("{ROW}{n}"));
    tests.added_keys().into_iter().chain(rows).collect()
}

/// What stands for a row of a table among the assertions that were seen: how many there are, whatever they say.
const ROW: &str = "row ";

/// Rows of tables that stood in the red phase and are gone, with no assertion in their place.
fn rows_gone(tests: &DayTests<'_>, rows: usize, assertions: usize) -> Option<String> {
    let now = tests.rows();
    let gained = tests.added_keys().len().saturating_sub(assertions);
    (now + gained < rows).then(|| {
        format!(
            "The tables of today's tests had {rows} rows in the red phase and have {now} now. Put back what is gone."
        )
    })
}

/// Why the tests as they are cannot make a red phase; `None` where they can.
pub(crate) fn hollow(change: &DayChange) -> Option<String> {
    let tests = DayTests::of(change);
    (!tests.assert_something()).then(|| tests.nothing_computed(&[]))
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
    let tests = DayTests::of(change);
    if let Some(quits) = tests.quits() {
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
    let failing =
        if runs.green.cases.is_empty() { by_exit(runs, &tests)? } else { by_name(runs, &tests, &files)? };
    let (rows, seen): (Vec<_>, Vec<_>) = seen.iter().cloned().partition(|key| key.starts_with(ROW));
    if let Some(lack) = rows_gone(&tests, rows.len(), seen.len()) {
        return Err(lack);
    }
    let gone = tests.without(&seen);
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
fn by_exit(runs: &Runs<'_>, tests: &DayTests<'_>) -> Result<Vec<String>, String> {
    let mended = runs.baseline.is_some_and(|baseline| !baseline.run.exit.ok());
    if tests.is_empty() && !mended {
        return Err(
            "The tests fail without the production change, but no test was created or modified today. Write one."
                .into(),
        );
    }
    if !mended && !tests.assert_something() {
        return Err(tests.nothing_computed(&[]));
    }
    Ok(vec![format!("{} of `{}`", runs.red.run.exit, runs.red.run.command)])
}

/// A runner that names its tests: those that need the change and were made or changed for it.
fn by_name(runs: &Runs<'_>, tests: &DayTests<'_>, files: &str) -> Result<Vec<String>, String> {
    let mut sorted = Sorted::default();
    sorted.sort(runs, tests);
    let Sorted { valid, shared, hollow, broken } = sorted;
    if let Some(failing) = [valid, shared].into_iter().find(|names| !names.is_empty()) {
        return Ok(failing);
    }
    if !hollow.is_empty() {
        return Err(tests.nothing_computed(&hollow));
    }
    let old = if broken.is_empty() { names(runs.red, TestStatus::Failed) } else { broken };
    Err(format!(
        "Without the change of {files} only tests fail that are neither new nor changed today{}. Write a test for \
         today's change that fails without it.",
        if old.is_empty() { String::new() } else { format!(": {}", some(&old)) }
    ))
}

/// The tests that pass with the change alone, by what they say of it.
#[derive(Default)]
struct Sorted {
    /// Made, changed or mended today, and asserting.
    valid: Vec<String>,
    /// Old ones that only share a file with what is new: they count where nothing speaks for the day more clearly.
    shared: Vec<String>,
    /// Today's, but they assert nothing computed.
    hollow: Vec<String>,
    /// Old ones that the day left alone.
    broken: Vec<String>,
}

impl Sorted {
    fn sort(&mut self, runs: &Runs<'_>, tests: &DayTests<'_>) {
        let (before, red) = (statuses(runs.baseline), statuses(Some(runs.red)));
        let needy = runs.green.names(TestStatus::Passed).filter(|n| red.get(n) != Some(&TestStatus::Passed));
        for name in needy {
            let list = self.list_for(name, before.get(name).copied(), red.get(name).copied(), tests);
            list.push(name.to_owned());
        }
    }

    /// `before` and `red`: what the test came to on the day base and without the change.
    fn list_for(
        &mut self,
        name: &str,
        before: Option<TestStatus>,
        red: Option<TestStatus>,
        tests: &DayTests<'_>,
    ) -> &mut Vec<String> {
        let new = before.is_none();
        if before == Some(TestStatus::Failed) {
            return &mut self.valid;
        }
        match tests.find(name) {
            // An old test that the day left alone fails with the rest where nothing builds or loads.
            Some(found) if !new && !found.today && red.is_none() => &mut self.broken,
            Some(found) if found.asserts && !new && !found.touched => &mut self.shared,
            Some(found) if found.asserts => &mut self.valid,
            Some(_) => &mut self.hollow,
            None if new || tests.with_data() && red == Some(TestStatus::Failed) => {
                if tests.assert_something() { &mut self.valid } else { &mut self.hollow }
            }
            None => &mut self.broken,
        }
    }
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
    // Of a shell; an answer that says so is no such thing.
    ": not found",
    "command not found",
    "No such file",
    "can't open",
    "cannot open",
    "error CS",
];

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

#[cfg(test)]
mod tests;

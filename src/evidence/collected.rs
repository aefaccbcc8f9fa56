//! Collected tests do not fall below those of the day base while what they tested stays.
//!
//! Pure. Counts and names are the runner's.

use std::collections::{BTreeMap, BTreeSet};

use super::code::{self, Language};
use super::day_change::DayChange;
use super::files::{FileKind, kind_of};
use super::tamper;
use super::{related, some};
use crate::domain::diff::Change;
use crate::domain::observation::{TestRun, TestStatus};

/// Fewer tests than before the day, although what they tested is still there.
pub(super) fn fewer(change: &DayChange, before: &TestRun, now: &TestRun, plan: &str) -> Option<String> {
    let (had, has) = (before.cases.len(), now.cases.len());
    if has == 0 && now.run.exit.ok() && passed(now) {
        return None;
    }
    let names = |run: &TestRun| -> BTreeSet<String> { run.cases.iter().map(|c| c.name.clone()).collect() };
    let (old, new) = (names(before), names(now));
    let hidden = hidden(change, &old, &new);
    // Where a file cannot be loaded the run fails, and says so itself.
    if now.run.exit.ok() && !hidden.is_empty() && !hidden.iter().all(|name| plan_names(plan, name)) {
        return Some(format!(
            "COVERAGE RULE: tests are no longer collected, though the day left their files as they were: {}. Have the \
             runner collect them again, or have the plan name them.",
            some(&hidden)
        ));
    }
    let kept = quiet(change, before, now);
    let kept: Vec<String> = kept.into_iter().filter(|name| !plan_names(plan, name)).collect();
    if now.run.exit.ok() && !kept.is_empty() {
        return Some(format!(
            "COVERAGE RULE: tests that passed before the day are there still, but do not run any more: {}. Have them run \
             again, or have the plan name them.",
            some(&kept)
        ));
    }
    if has >= had {
        return None;
    }
    let gained = new.difference(&old).count();
    let removed = removed_names(change, plan);
    let texts = change.tests().filter_map(|file| {
        Some((file.path.as_str(), file.before.as_deref()?, file.now.as_deref().unwrap_or_default()))
    });
    let rows = tamper::became_rows(&texts.collect::<Vec<_>>());
    let lost: Vec<String> = old
        .difference(&new)
        .filter(|name| !plan_names(plan, name) && !tested(name, &removed, change))
        .filter(|name| !rows.contains(function(name)))
        .cloned()
        .collect();
    (lost.len() > gained).then(|| {
        format!(
            "COVERAGE RULE: {has} tests are collected, {had} were before the day, and what they tested is still there: \
             {}. Bring them back, or have the plan name them.",
            some(&lost)
        )
    })
}

fn passed(run: &TestRun) -> bool {
    super::results::passed_by_summary(&run.run.output.text()) > 0
}

/// Whether the plan names the test: its function, or its file.
fn plan_names(plan: &str, name: &str) -> bool {
    let plan: BTreeSet<String> = code::words(plan).into_iter().map(str::to_lowercase).collect();
    let words = code::words(name);
    words.iter().any(|word| word.len() > 5 && word.contains(['_']) && plan.contains(&word.to_lowercase()))
}

/// Tests that went although the file that their name begins with is as it was. Variants of one count as one: what a
/// test runs through may come from elsewhere.
fn hidden(change: &DayChange, old: &BTreeSet<String>, new: &BTreeSet<String>) -> Vec<String> {
    let bare = |name: &str| name.split('[').next().unwrap_or(name).to_owned();
    let still: BTreeSet<String> = new.iter().map(|name| bare(name)).collect();
    let touched: BTreeSet<&str> =
        change.files.iter().flat_map(|file| [file.path.as_str(), file.path_before()]).collect();
    let left_alone = |name: &str| {
        // Only where the runner gives the path, as pytest and vitest do.
        let path = name.split("::").next().unwrap_or(name).split(" > ").next().unwrap_or(name);
        kind_of(path) == FileKind::Test && Language::of(path) != Language::Other && !touched.contains(path)
    };
    let gone: BTreeSet<String> =
        old.iter().map(|name| bare(name)).filter(|name| !still.contains(name)).collect();
    gone.into_iter().filter(|name| left_alone(name)).collect()
}

/// Tests that passed before the day and are skipped now, or that a file of the day still defines where the runner does not
/// name it.
fn quiet(change: &DayChange, before: &TestRun, now: &TestRun) -> Vec<String> {
    let statuses: BTreeMap<&str, TestStatus> =
        now.cases.iter().map(|c| (c.name.as_str(), c.status)).collect();
    let seen: BTreeSet<&str> = now.cases.iter().map(|case| function(&case.name)).collect();
    let texts: Vec<(&str, String)> =
        change.files.iter().filter_map(|file| Some((file.path.as_str(), file.test_text()?))).collect();
    let defined: Vec<_> =
        texts.iter().map(|(path, text)| code::test_text::TestText::new(path, text)).collect();
    let quiet = |name: &&str| match statuses.get(*name) {
        Some(status) => *status == TestStatus::Skipped,
        None if seen.contains(function(name)) => false,
        None => defined
            .iter()
            .any(|test| test.language != Language::Shell && code::bodies::of_test(test, name).is_some()),
    };
    before.names(TestStatus::Passed).filter(quiet).map(str::to_owned).collect()
}

/// The last part of a test's name, without parameters.
fn function(name: &str) -> &str {
    let bare = name.split(['[', '(']).next().unwrap_or(name).trim_end();
    bare.rsplit([':', '.', '/', '>']).next().unwrap_or(bare).trim()
}

/// Names of production code that the day took away: what it defined, and whatever else the plan says goes.
fn removed_names(change: &DayChange, plan: &str) -> BTreeSet<String> {
    let named = tamper::Named::of_text(plan);
    let words = |text: &str| code::words(text).into_iter().map(str::to_lowercase).collect::<BTreeSet<_>>();
    let there: BTreeSet<String> =
        change.production().flat_map(|file| words(&file.production_text())).collect();
    let before = change.production().filter_map(|file| file.before.as_deref()).flat_map(words);
    let asked = named.removed();
    let mut removed: BTreeSet<String> =
        before.filter(|word| asked.contains(word.as_str()) && !there.contains(word)).collect();
    for file in change.production() {
        let before = file.before.as_deref().unwrap_or_default();
        let had = code::definitions(file.path_before(), before);
        let has = code::definitions(&file.path, &file.production_text());
        removed.extend(had.difference(&has).map(|name| name.to_lowercase()));
        if file.change == Change::Deleted {
            removed.insert(related::stem(&file.path));
        }
    }
    removed.retain(|name| name.len() > 2);
    removed
}

/// Whether the test was one of what is gone: by its name, or by what its body called.
fn tested(name: &str, removed: &BTreeSet<String>, change: &DayChange) -> bool {
    let lower = name.to_lowercase();
    if removed.iter().any(|gone| lower.contains(gone.as_str())) {
        return true;
    }
    change.tests().filter_map(|file| Some((file, file.before.as_deref()?))).any(|(file, before)| {
        let test = code::test_text::TestText::new(file.path_before(), before);
        code::bodies::of_test(&test, name).is_some_and(|lines| {
            let body: Vec<&str> = before.lines().skip(lines.start as usize - 1).take(lines.len()).collect();
            code::words(&body.join("\n")).iter().any(|word| removed.contains(&word.to_lowercase()))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{CommandRun, Exit, Output, TestCase};
    use crate::evidence::coverage_rule::judge;
    use crate::evidence::day_change::tests::change;
    use crate::evidence::waivers::Waivers;

    fn day(files: &[(&str, Option<&str>, Option<&str>)]) -> DayChange {
        DayChange { files: files.iter().map(|(path, before, now)| change(path, *before, *now)).collect() }
    }

    fn run(names: &[&str]) -> TestRun {
        let case = |name: &&str| TestCase { name: (*name).into(), status: TestStatus::Passed };
        let run = CommandRun {
            command: "t".into(),
            exit: Exit::Code(0),
            output: Output::default(),
            duration_ms: 1,
        };
        TestRun { run, cases: names.iter().map(case).collect(), source: String::new() }
    }

    #[test]
    fn collected_tests_do_not_fall() {
        let before = run(&["test_add", "test_legacy_export", "test_sub"]);
        let legacy = "def export(): pass\n";
        let gone = day(&[("legacy.py", Some(legacy), None)]);
        let none = day(&[("calc.py", Some("x = 1\n"), Some("x = 1\n"))]);
        let format = day(&[("calc.py", Some("FORMATS = ['new', 'legacy']\n"), Some("FORMATS = ['new']\n"))]);
        let now = run(&["test_add", "test_sub"]);
        for (about, change, now, plan, lines) in [
            ("what it tested is gone", &gone, &now, "", 0),
            ("nothing is gone", &none, &now, "", 1),
            ("the plan names it", &none, &now, "Drop test_legacy_export.", 0),
            ("one for one", &none, &run(&["test_add", "test_sub", "test_new"]), "", 0),
            ("two gone for one reason", &gone, &run(&["test_add"]), "", 1),
        ] {
            let coverage = judge(change, &Waivers::none(), Some((&before, now)), plan);
            assert_eq!(coverage.broken.len(), lines, "{about}: {coverage:?}");
        }
        for (change, plan, lost) in [
            (&format, "Drop the legacy format.", false),
            (&format, "The new format is the default.", true),
            (&none, "Drop the legacy format.", true),
        ] {
            assert_eq!(fewer(change, &before, &now, plan).is_some(), lost, "{plan}");
        }
    }

    #[test]
    fn tests_of_files_that_stay_are_still_collected() {
        let before = run(&[
            "tests/test_a.py::test_one[1]",
            "tests/test_a.py::test_one[2]",
            "tests/test_b.py::test_two",
        ]);
        let conftest = day(&[("conftest.py", None, Some("collect_ignore = ['tests/test_b.py']\n"))]);
        let moved = day(&[("tests/test_b.py", Some("def test_two(): pass\n"), None)]);
        let new =
            ["tests/test_a.py::test_one[1]", "tests/test_c.py::test_three", "tests/test_c.py::test_four"];
        for (about, change, now, plan, lines) in [
            ("hidden behind new ones", &conftest, &new[..], "", 1),
            ("the plan names it", &conftest, &new[..], "tests/test_b.py::test_two is not run any more", 0),
            ("its file went", &moved, &new[..], "", 0),
            (
                "a variant went with its data",
                &conftest,
                &["tests/test_a.py::test_one[1]", "tests/test_b.py::test_two", "tests/test_c.py::test_three"]
                    [..],
                "",
                0,
            ),
        ] {
            let broken = fewer(change, &before, &run(now), plan);
            assert_eq!(broken.iter().count(), lines, "{about}: {broken:?}");
        }
    }
}

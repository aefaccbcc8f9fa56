//! The coverage rule: every production file that the day creates or modifies has a test that the day creates or
//! modifies, and no test goes while what it tested stays.
//!
//! Pure. Which test goes with which file is told leniently, by names that they share; style holds no day.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::collected;
use super::day_change::DayChange;
use super::related::{self, Subject};
use super::some;
use super::waivers::Waivers;
use crate::domain::diff::Change;
use crate::domain::observation::{TestRun, TestStatus};

/// What the rule came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    /// What breaks it, each with its mend.
    pub broken: Vec<String>,
    /// Files that the plan excuses, with the entry.
    pub waived: Vec<String>,
}

impl Coverage {
    /// What the artifact says; empty where the rule was kept without an excuse.
    pub(crate) fn note(&self) -> String {
        let broken = self.broken.join(" ");
        let waived = self.waived.join("; ");
        match (broken.is_empty(), waived.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("waived: {waived}"),
            (false, true) => format!("broken: {broken}"),
            (false, false) => format!("broken: {broken} waived: {waived}"),
        }
    }

    /// What GATE is told.
    pub(crate) fn evidence(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.broken.clone();
        if lines.is_empty() {
            lines.push("Coverage rule: kept.".into());
        }
        lines.extend(self.waived.iter().map(|waived| format!("Coverage rule waived for {waived}.")));
        lines
    }
}

/// Judges the day's change. `counts`: the runs on the day base and now; `plan`: what the plan says of the day.
pub(crate) fn judge(
    change: &DayChange,
    waivers: &Waivers,
    counts: Option<(&TestRun, &TestRun)>,
    plan: &str,
) -> Coverage {
    let mut coverage = Coverage::default();
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    for file in change.production().filter(|file| file.change != Change::Deleted) {
        match waivers.entry_for(file) {
            Some(entry) => coverage.waived.push(format!("{} by \"{entry}\"", file.path)),
            None => subjects.push(Subject::of(file)),
        }
    }
    let covered = related::covered(&subjects, change, &counts.map(mended).unwrap_or_default());
    for subject in subjects.iter().filter(|subject| !covered.contains(subject.path)) {
        coverage.broken.push(untested(subject, change));
    }
    if let Some((before, now)) = counts {
        coverage.broken.extend(collected::fewer(change, before, now, plan));
    }
    coverage
}

/// Paths that the plan excuses from new tests.
pub(crate) fn waived(change: &DayChange, waivers: &Waivers) -> BTreeSet<String> {
    let excused = change.production().filter(|file| waivers.entry_for(file).is_some());
    excused.map(|file| file.path.clone()).collect()
}

fn untested(subject: &Subject<'_>, change: &DayChange) -> String {
    let hollow = related::hollow(subject, change);
    let verb = if subject.change == Change::Added { "was created" } else { "was modified" };
    let why = if hollow.is_empty() {
        "and no test that goes with it was created or modified today".to_owned()
    } else {
        format!("and the test changed for it asserts nothing computed ({})", some(&hollow))
    };
    let symbols = subject.shown();
    let exercise = if symbols.is_empty() { String::new() } else { format!(" (it defines {symbols})") };
    format!(
        "COVERAGE RULE: {} {verb} {why}. Write or change a test that exercises it{exercise}; only an out_of_scope \
         entry of the plan that defers its tests excuses it.",
        subject.path
    )
}

/// Tests that failed before the day and pass now: they were its tests before anybody wrote a new one.
fn mended<'a>((before, now): (&'a TestRun, &'a TestRun)) -> Vec<&'a str> {
    let failed: BTreeSet<&str> = before.names(TestStatus::Failed).collect();
    now.names(TestStatus::Passed).filter(|name| failed.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::day_change::tests::change;

    fn day(files: &[(&str, Option<&str>, Option<&str>)]) -> DayChange {
        DayChange { files: files.iter().map(|(path, before, now)| change(path, *before, *now)).collect() }
    }

    /// What it shows, the files before and now, and the files that break the rule.
    type Row<'a> = (&'a str, &'a [(&'a str, Option<&'a str>, Option<&'a str>)], &'a [&'a str]);

    const ADD: Option<&str> = Some("def add(a):\n    return a + 1\n");
    const OLD: Option<&str> = Some("def add(a):\n    return a\n");

    #[test]
    fn files_and_their_tests() {
        let rows: &[Row<'_>] = &[
            ("no test", &[("src/calc.py", OLD, ADD)], &["src/calc.py"]),
            (
                "by stem",
                &[("src/calc.py", OLD, ADD), ("tests/test_calc.py", None, Some("assert x() == 1\n"))],
                &[],
            ),
            (
                "by import",
                &[
                    ("src/calc.py", OLD, ADD),
                    ("tests/test_sums.py", None, Some("from calc import *\nassert run() == 1\n")),
                ],
                &[],
            ),
            (
                "by symbol",
                &[
                    ("src/big.py", None, Some("def total_price(): pass\n")),
                    ("tests/test_shop.py", None, Some("assert total_price() == 1\n")),
                ],
                &[],
            ),
            (
                "an unrelated test",
                &[("src/calc.py", OLD, ADD), ("tests/test_user.py", None, Some("assert login() == 1\n"))],
                &["src/calc.py"],
            ),
            (
                "a hollow test",
                &[("src/calc.py", OLD, ADD), ("tests/test_calc.py", None, Some("assert True\n"))],
                &["src/calc.py"],
            ),
        ];
        hold(rows);
    }

    #[test]
    fn files_that_go_with_others() {
        let rows: &[Row<'_>] = &[
            (
                "a helper of what is tested",
                &[
                    (
                        "src/calc.py",
                        OLD,
                        Some("from rounding import near\ndef add(a):\n    return near(a)\n"),
                    ),
                    ("src/rounding.py", None, Some("def near(a):\n    return a\n")),
                    ("tests/test_calc.py", None, Some("assert add(1) == 1\n")),
                ],
                &[],
            ),
            (
                "a user of what is tested",
                &[
                    ("src/calc.py", OLD, ADD),
                    ("src/shop.py", None, Some("from calc import add\ndef pay(a):\n    return add(a) * 2\n")),
                    ("tests/test_calc.py", None, Some("assert add(1) == 1\n")),
                ],
                &["src/shop.py"],
            ),
            (
                "wiring",
                &[
                    ("src/calc.py", OLD, ADD),
                    ("src/__init__.py", Some(""), Some("from calc import add\n")),
                    ("tests/test_calc.py", None, Some("assert add(1) == 1\n")),
                ],
                &[],
            ),
            ("a comment", &[("src/calc.py", OLD, Some("# adds\ndef add(a):\n    return a\n"))], &[]),
            ("a deletion", &[("src/calc.py", OLD, None)], &[]),
            (
                "inline tests",
                &[(
                    "src/a.rs",
                    Some("fn a() {}\n"),
                    Some(
                        "fn a() { b() }\n#[cfg(test)]\nmod tests {\n#[test]\nfn t() { assert_eq!(super::a(), ()); }\n}\n",
                    ),
                )],
                &[],
            ),
            (
                "a go package",
                &[
                    ("pkg/store.go", None, Some("package pkg\nfunc Get() {}\n")),
                    (
                        "pkg/all_test.go",
                        None,
                        Some("package pkg\nfunc TestX(t *testing.T) { if run() != 1 { t.Error() } }\n"),
                    ),
                ],
                &[],
            ),
            (
                "a snapshot",
                &[
                    ("src/page.js", Some("a()\n"), Some("b()\n")),
                    ("tests/golden/out.html", Some("a"), Some("b")),
                ],
                &[],
            ),
            (
                "a second package",
                &[
                    ("packages/b/src/index.ts", None, Some("export const twice = (n: number) => n * 2;\n")),
                    ("packages/b/test/twice.test.ts", None, Some("expect(twice(1)).toBe(2);\n")),
                ],
                &[],
            ),
            ("docs", &[("README.md", Some("a"), Some("b"))], &[]),
        ];
        hold(rows);
    }

    fn hold(rows: &[Row<'_>]) {
        for (about, files, expected) in rows {
            let coverage = judge(&day(files), &Waivers::none(), None, "");
            let named: Vec<&str> =
                coverage.broken.iter().map(|b| b.split_whitespace().nth(2).unwrap()).collect();
            assert_eq!(&named[..], *expected, "{about}: {coverage:?}");
        }
    }
}

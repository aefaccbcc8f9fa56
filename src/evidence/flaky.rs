//! Which failing run deserves a second one: every test that failed was seen to pass before, on this tree or on the
//! day base. A test that fails for a reason fails again.
//!
//! Pure; the second run is the caller's.

use std::collections::BTreeSet;

use crate::domain::observation::{Exit, TestRun, TestStatus};

/// Names of the failed tests, where all of them may be flaky: none is new, and none failed in the last run before
/// (`last`), which saw the tree as it was handed off. `baseline` is the run on the day base.
pub(crate) fn suspects(run: &TestRun, baseline: Option<&TestRun>, last: Option<&TestRun>) -> Vec<String> {
    let failed: BTreeSet<&str> = run.names(TestStatus::Failed).collect();
    let of = |run: Option<&TestRun>, status| -> BTreeSet<String> {
        run.map(|run| run.names(status).map(str::to_owned).collect()).unwrap_or_default()
    };
    let mut passed = of(last, TestStatus::Passed);
    passed.extend(of(baseline, TestStatus::Passed));
    let failing = of(last, TestStatus::Failed);
    let ended = matches!(run.run.exit, Exit::Code(_));
    let all = failed.iter().all(|name| passed.contains(*name) && !failing.contains(*name));
    if ended && all { failed.into_iter().map(str::to_owned).collect() } else { vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{CommandRun, Output, TestCase};

    fn run(exit: Exit, passed: &[&str], failed: &[&str]) -> TestRun {
        let case = |status| move |name: &&str| TestCase { name: (*name).into(), status };
        let cases =
            passed.iter().map(case(TestStatus::Passed)).chain(failed.iter().map(case(TestStatus::Failed)));
        let run = CommandRun { command: "t".into(), exit, output: Output::default(), duration_ms: 1 };
        TestRun { run, cases: cases.collect(), source: String::new() }
    }

    #[test]
    fn only_what_passed_before_is_run_again() {
        let red = run(Exit::Code(1), &["a"], &["b"]);
        let green = run(Exit::Code(0), &["a", "b"], &[]);
        let old = run(Exit::Code(0), &["a"], &[]);
        for (now, baseline, last, expected) in [
            (&red, Some(&green), None, true),
            (&red, Some(&old), Some(&green), true),
            (&red, None, Some(&green), true),
            (&red, Some(&old), None, false),
            (&red, None, None, false),
            // It failed on the tree that was handed off.
            (&red, Some(&green), Some(&red), false),
            (&run(Exit::TimedOut, &["a"], &["b"]), Some(&green), None, false),
            (&run(Exit::Code(1), &["a"], &[]), Some(&green), None, false),
            (&run(Exit::Code(1), &[], &["b", "c"]), Some(&green), None, false),
        ] {
            assert_eq!(!suspects(now, baseline, last).is_empty(), expected, "{now:?} {baseline:?} {last:?}");
        }
    }
}

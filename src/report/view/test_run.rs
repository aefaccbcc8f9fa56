//! The test run that GATE judged, as bodies show it.

use serde::Serialize;

use crate::domain::observation::{TestRun, TestStatus};

/// The test run that GATE judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct TestsView {
    pub command: String,
    /// `exit code 1, 4 tests collected, 3 passed, 1 failed`.
    pub summary: String,
    /// Names of the tests that failed.
    pub failed: Vec<String>,
    /// Names of the tests that failed first and passed when run once more.
    pub flaky: Vec<String>,
    /// End of the output, for a run that failed; empty else.
    pub tail: String,
}

/// Lines of output that a body shows.
const TAIL_LINES: usize = 40;

impl From<&TestRun> for TestsView {
    fn from(run: &TestRun) -> Self {
        let tail = if run.run.exit.ok() {
            String::new()
        } else {
            let text = run.run.output.text();
            let lines: Vec<_> = text.trim_end().lines().collect();
            lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
        };
        Self {
            command: run.run.command.clone(),
            summary: run.summary(),
            failed: run.names(TestStatus::Failed).map(str::to_owned).collect(),
            flaky: vec![],
            tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{CommandRun, Exit, Output, TestCase};

    #[test]
    fn only_a_failed_run_shows_its_end() {
        let run = |exit| TestRun {
            run: CommandRun {
                command: "sh test.sh".into(),
                exit,
                output: Output {
                    head: (1..=60).map(|n| format!("line {n}\n")).collect(),
                    ..Output::default()
                },
                duration_ms: 1,
            },
            cases: vec![TestCase { name: "t".into(), status: TestStatus::Failed }],
            source: String::new(),
        };
        let failed = TestsView::from(&run(Exit::Code(1)));
        assert_eq!(failed.tail.lines().count(), TAIL_LINES);
        assert!(failed.tail.ends_with("line 60"));
        assert_eq!(failed.failed, ["t"]);
        assert_eq!(TestsView::from(&run(Exit::Code(0))).tail, "");
    }
}

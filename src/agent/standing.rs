//! What was observed of the tests and still holds, because nothing that may change a file ran since. Whoever needs it
//! again need not run them again.
//!
//! Knows nothing of what the observations are for. A played record leaves nothing here: then the tests run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use serde_json::Value;

use crate::domain::observation::TestRun;
use crate::evidence::code::hollowed::Way;
use crate::tool::{Tool, ToolError};

/// The observations of the work tree as it stands.
#[derive(Debug, Default)]
pub(crate) struct Standing(Mutex<Runs>);

#[derive(Debug, Default)]
struct Runs {
    green: Option<TestRun>,
    red: Option<TestRun>,
    hollow: BTreeMap<Way, TestRun>,
}

impl Standing {
    /// Keeps a run on the work tree as it is, if all is well with it: one that failed deserves another look.
    pub(crate) fn keep_green(&self, run: &TestRun) {
        self.with(|runs| runs.green = run.is_green().then(|| run.clone()));
    }

    /// Keeps a run without the day's production change.
    pub(crate) fn keep_red(&self, run: &TestRun) {
        self.with(|runs| runs.red = Some(run.clone()));
    }

    /// Keeps a run in which the functions of the day are emptied.
    pub(crate) fn keep_hollow(&self, way: Way, run: &TestRun) {
        self.with(|runs| runs.hollow.insert(way, run.clone()));
    }

    pub(crate) fn green(&self) -> Option<TestRun> {
        self.with(|runs| runs.green.clone())
    }

    pub(crate) fn red(&self) -> Option<TestRun> {
        self.with(|runs| runs.red.clone())
    }

    pub(crate) fn hollow(&self, way: Way) -> Option<TestRun> {
        self.with(|runs| runs.hollow.get(&way).cloned())
    }

    /// Something may have changed a file.
    pub(crate) fn forget(&self) {
        self.with(|runs| *runs = Runs::default());
    }

    fn with<T>(&self, act: impl FnOnce(&mut Runs) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A tool after which what was observed no longer stands.
pub(crate) struct Watched {
    pub tool: Box<dyn Tool>,
    pub standing: Arc<Standing>,
}

impl Tool for Watched {
    fn name(&self) -> &'static str {
        self.tool.name()
    }

    fn description(&self) -> &'static str {
        self.tool.description()
    }

    fn input_schema(&self) -> Value {
        self.tool.input_schema()
    }

    fn step(&self, input: &Value) -> Option<String> {
        self.tool.step(input)
    }

    fn changes_files(&self) -> bool {
        self.tool.changes_files()
    }

    fn recall(&self, input: &Value) {
        self.tool.recall(input);
    }

    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        if self.tool.changes_files() {
            self.standing.forget();
        }
        self.tool.run(input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{CommandRun, Exit, Output, TestCase, TestStatus};
    use futures_util::FutureExt as _;

    struct Touch(bool);

    impl Tool for Touch {
        fn name(&self) -> &'static str {
            "touch"
        }

        fn description(&self) -> &'static str {
            ""
        }

        fn input_schema(&self) -> Value {
            Value::Null
        }

        fn changes_files(&self) -> bool {
            self.0
        }

        fn run<'a>(&'a self, _input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
            async { Ok(String::new()) }.boxed()
        }
    }

    fn run(code: i32, status: TestStatus) -> TestRun {
        let output = Output::default();
        TestRun {
            run: CommandRun { command: "t".into(), exit: Exit::Code(code), output, duration_ms: 1 },
            cases: vec![TestCase { name: "test_a".into(), status }],
            source: String::new(),
        }
    }

    #[tokio::test]
    async fn an_observation_stands_until_a_tool_may_change_a_file() {
        let standing = Arc::new(Standing::default());
        for (changes, stands) in [(false, true), (true, false)] {
            standing.keep_green(&run(0, TestStatus::Passed));
            standing.keep_red(&run(1, TestStatus::Failed));
            let tool = Watched { tool: Box::new(Touch(changes)), standing: standing.clone() };
            tool.run(&Value::Null).await.unwrap();
            assert_eq!((standing.green().is_some(), standing.red().is_some()), (stands, stands));
        }
    }

    #[test]
    fn a_failing_run_takes_the_place_of_a_green_one_and_stands_for_nothing() {
        let standing = Standing::default();
        for (code, status) in [(1, TestStatus::Passed), (0, TestStatus::Failed)] {
            standing.keep_green(&run(0, TestStatus::Passed));
            standing.keep_green(&run(code, status));
            assert!(standing.green().is_none());
        }
    }
}

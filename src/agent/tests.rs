//! The project's own tests, as agents have them run.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Desk;
use crate::domain::observation::TestRun;
use crate::domain::terms::Terms;
use crate::evidence::run_tests::{TestRequest, complete_output, run};
use crate::sandbox::Sandbox;
use crate::tool::run_tests::Tests;

/// The test command of a run, ready to be run any number of times.
pub(crate) struct ProjectTests {
    request: TestRequest,
    sandbox: Arc<dyn Sandbox>,
    passed: AtomicBool,
}

impl ProjectTests {
    /// `None` where the project has no test command, by the user's word. A build command runs before the tests;
    /// where it fails they do not run.
    pub(crate) fn new(root: &Path, terms: &Terms, sandbox: Arc<dyn Sandbox>) -> Option<Arc<Self>> {
        let test = terms.test_command.as_ref()?;
        let command = match &terms.build_command {
            Some(build) => format!("{{ {build}\n}} && {{ {test}\n}}"),
            None => test.clone(),
        };
        let request = TestRequest {
            command,
            root: root.to_path_buf(),
            spool: root.join(format!(".pace/.run/day-{}/output.txt", terms.day)),
            timeout: Duration::from_millis(terms.test_timeout_ms),
            env: vec![],
        };
        Some(Arc::new(Self { request, sandbox, passed: AtomicBool::new(false) }))
    }

    /// The tests of a run's desk.
    pub(crate) fn of(desk: &Desk<'_>) -> Option<Arc<Self>> {
        Self::new(&desk.root, desk.terms, desk.sandbox.clone())
    }

    /// The complete output of the run before, at most `limit` bytes of it.
    pub(crate) fn output(&self, run: &TestRun, limit: usize) -> String {
        super::tail(&complete_output(&self.request.spool, &run.run), limit)
    }

    /// One run, observed.
    pub(crate) async fn observe(&self) -> anyhow::Result<TestRun> {
        let run = run(self.sandbox.as_ref(), &self.request).await?;
        self.passed.store(run.run.exit.ok(), Ordering::Relaxed);
        Ok(run)
    }

    /// One run that says nothing of the work as it stands.
    pub(crate) async fn run_apart(&self) -> anyhow::Result<TestRun> {
        run(self.sandbox.as_ref(), &self.request).await
    }

    /// Whether the last run passed; false before the first.
    pub(crate) fn last_passed(&self) -> bool {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Tests for ProjectTests {
    fn run(&self) -> BoxFuture<'_, anyhow::Result<TestRun>> {
        Box::pin(self.observe())
    }

    fn command(&self) -> &str {
        &self.request.command
    }
}

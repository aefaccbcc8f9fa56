//! The project's own tests, as agents have them run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Desk;
use super::setup::ProjectSetup;
use super::standing::Standing;
use crate::domain::observation::{SETUP, TestRun};
use crate::domain::terms::Terms;
use crate::evidence::flaky;
use crate::evidence::run_tests::{TestRequest, complete_output, run};
use crate::sandbox::Sandbox;
use crate::tool::run_tests::Tests;

/// The test command of a run, ready to be run any number of times.
pub(crate) struct ProjectTests {
    request: TestRequest,
    sandbox: Arc<dyn Sandbox>,
    passed: AtomicBool,
    setup: Option<Arc<ProjectSetup>>,
    /// What is known of the work tree as it stands.
    pub(crate) standing: Arc<Standing>,
}

impl ProjectTests {
    /// `None` where the project has no test command, by the user's word. A build command runs before the tests;
    /// where it fails they do not run.
    pub(crate) fn new(root: &Path, terms: &Terms, sandbox: Arc<dyn Sandbox>) -> Option<Self> {
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
        Some(Self { request, sandbox, passed: AtomicBool::new(false), setup: None, standing: Arc::default() })
    }

    /// The tests of a run's desk.
    pub(crate) fn of(desk: &Desk<'_>) -> Option<Arc<Self>> {
        let tests = Self::new(&desk.root, desk.terms, desk.sandbox.clone())?;
        Some(Arc::new(Self { setup: desk.setup.clone(), ..tests }))
    }

    /// The complete output of the run before, at most `limit` bytes of it.
    pub(crate) fn output(&self, run: &TestRun, limit: usize) -> String {
        super::tail(&complete_output(&self.request.spool, &run.run), limit)
    }

    /// One run, observed. Where a manifest changed the dependencies are installed first; where that fails the tests
    /// do not run, and what is observed is the setup.
    pub(crate) async fn observe(&self) -> anyhow::Result<TestRun> {
        if let Some(setup) = &self.setup
            && let Some(run) = setup.refresh().await?
            && !run.exit.ok()
        {
            self.passed.store(false, Ordering::Relaxed);
            return Ok(TestRun { run, cases: vec![], source: SETUP.to_owned() });
        }
        let run = run(self.sandbox.as_ref(), &self.request).await?;
        self.passed.store(run.run.exit.ok(), Ordering::Relaxed);
        self.standing.keep_green(&run);
        // Only a hint which failing run deserves a second one: one that cannot be kept is no loss.
        if run.run.exit.ok()
            && let Ok(text) = serde_json::to_string(&run)
        {
            drop(std::fs::write(self.green_path(), text));
        }
        Ok(run)
    }

    /// One run that says nothing of the work as it stands.
    pub(crate) async fn run_apart(&self) -> anyhow::Result<TestRun> {
        run(self.sandbox.as_ref(), &self.request).await
    }

    /// One run, and a second one where every test that failed may be flaky: the second counts where it is green. None
    /// where a green one still stands.
    pub(crate) async fn observe_settled(&self, baseline: Option<&TestRun>) -> anyhow::Result<TestRun> {
        if let Some(run) = self.standing.green() {
            return Ok(run);
        }
        let last = self.last_green();
        let first = self.observe().await?;
        if flaky::suspects(&first, baseline, last.as_ref()).is_empty() {
            return Ok(first);
        }
        let second = self.observe().await?;
        Ok(if second.is_green() { second } else { first })
    }

    /// The last green run, of whichever agent, as far as this machine remembers it.
    pub(crate) fn last_green(&self) -> Option<TestRun> {
        serde_json::from_str(&std::fs::read_to_string(self.green_path()).ok()?).ok()
    }

    fn green_path(&self) -> PathBuf {
        self.request.spool.with_extension("green.json")
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

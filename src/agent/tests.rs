//! The project's own tests, as agents have them run.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::Desk;
use crate::domain::observation::TestRun;
use crate::evidence::tests::{TestRequest, run};
use crate::sandbox::Sandbox;
use crate::tool::Tests;

/// The test command of a run, ready to be run any number of times.
pub(crate) struct ProjectTests {
    request: TestRequest,
    sandbox: Arc<dyn Sandbox>,
}

impl ProjectTests {
    /// `None` where the project has no test command, by the user's word.
    pub(crate) fn of(desk: &Desk<'_>) -> Option<Arc<Self>> {
        let command = desk.terms.test_command.clone()?;
        let request = TestRequest {
            command,
            build: desk.terms.build_command.clone(),
            root: desk.root.clone(),
            spool: spool(desk),
            timeout: Duration::from_millis(desk.terms.test_timeout_ms),
        };
        Some(Arc::new(Self { request, sandbox: desk.sandbox.clone() }))
    }

    /// One run, observed.
    pub(crate) async fn observe(&self) -> anyhow::Result<TestRun> {
        run(self.sandbox.as_ref(), &self.request).await
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

fn spool(desk: &Desk<'_>) -> PathBuf {
    desk.root.join(format!(".pace/.run/day-{}/output.txt", desk.terms.day))
}

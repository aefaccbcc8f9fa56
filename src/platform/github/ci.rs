//! Check runs, commit statuses and workflow runs of a commit, the own run left out.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::status::CONTEXT;
use super::{GitHub, PAGES};
use crate::domain::observation::CiState;
use crate::platform::Ci;
use crate::platform::http::{Failure, encoded};
use crate::platform::mend::{self, Door, Need};
use crate::platform::verdict::{Job, Stand};
use crate::platform::wait::wait;

#[derive(Deserialize)]
struct CheckRun {
    name: String,
    status: String,
    conclusion: Option<String>,
    html_url: Option<String>,
    details_url: Option<String>,
    check_suite: Option<Suite>,
}

#[derive(Deserialize)]
struct Suite {
    id: u64,
}

#[derive(Deserialize)]
struct CommitStatus {
    context: String,
    state: String,
    target_url: Option<String>,
}

#[derive(Deserialize)]
struct WorkflowRun {
    id: u64,
    name: Option<String>,
    status: Option<String>,
    conclusion: Option<String>,
    html_url: Option<String>,
}

impl GitHub {
    async fn jobs(&self, commit: &str) -> Result<Vec<Job>, Failure> {
        let at = self.path(&format!("/commits/{}", encoded(commit)));
        let runs: Vec<CheckRun> =
            self.sender().all(&format!("{at}/check-runs"), Some("check_runs"), PAGES).await?;
        let statuses: Vec<CommitStatus> =
            self.sender().all(&format!("{at}/status"), Some("statuses"), PAGES).await?;
        let own = self.own_suites(&runs);
        let is_own = |run: &CheckRun| {
            self.is_of_own_run(run) || run.check_suite.as_ref().is_some_and(|suite| own.contains(&suite.id))
        };
        let mut jobs: Vec<_> = runs.iter().filter(|run| !is_own(run)).map(of_check_run).collect();
        jobs.extend(statuses.into_iter().filter(|status| status.context != CONTEXT).map(of_status));
        let busy = jobs.iter().any(|job| matches!(job.stand, Stand::Pending | Stand::Bad));
        if !busy {
            jobs.extend(self.held_back(commit).await?);
        }
        Ok(jobs)
    }

    /// Workflow runs that wait for an approval have no check run yet. A token that may not read them (`actions: read`)
    /// says nothing about them.
    async fn held_back(&self, commit: &str) -> Result<Vec<Job>, Failure> {
        let path = self.path(&format!("/actions/runs?head_sha={}", encoded(commit)));
        let runs: Vec<WorkflowRun> = match self.sender().all(&path, Some("workflow_runs"), PAGES).await {
            Ok(runs) => runs,
            Err(Failure::Refused { status: 403 | 404, .. }) => return Ok(vec![]),
            Err(failure) => return Err(failure),
        };
        let own = self.inner.run_id.as_deref();
        let foreign = runs.into_iter().filter(|run| Some(run.id.to_string().as_str()) != own);
        Ok(foreign.filter_map(of_workflow_run).collect())
    }

    /// Check suites of the run that this is.
    fn own_suites(&self, runs: &[CheckRun]) -> BTreeSet<u64> {
        let own = runs.iter().filter(|run| self.is_of_own_run(run));
        own.filter_map(|run| run.check_suite.as_ref().map(|suite| suite.id)).collect()
    }

    /// The address of a job holds the number of its run: `…/actions/runs/42/job/7`.
    fn is_of_own_run(&self, run: &CheckRun) -> bool {
        let Some(id) = &self.inner.run_id else { return false };
        let part = format!("/actions/runs/{id}");
        let is_in = |url: &Option<String>| {
            let rest = url.as_deref().and_then(|url| url.split_once(&part)).map(|(_, rest)| rest);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        };
        is_in(&run.details_url) || is_in(&run.html_url)
    }
}

fn of_check_run(run: &CheckRun) -> Job {
    let (stand, word) = match (run.status.as_str(), run.conclusion.as_deref()) {
        ("completed", Some(conclusion)) => (of_conclusion(conclusion), conclusion),
        ("waiting", _) => (Stand::Waits, "waiting"),
        (status, _) => (Stand::Pending, status),
    };
    Job { name: run.name.clone(), stand, word: word.to_owned(), url: run.html_url.clone() }
}

fn of_conclusion(conclusion: &str) -> Stand {
    match conclusion {
        "success" | "neutral" => Stand::Good,
        "skipped" => Stand::Void,
        "failure" | "timed_out" | "startup_failure" => Stand::Bad,
        // Somebody stopped it, something has to be done, or it is a word that is not known: never green.
        _ => Stand::Waits,
    }
}

fn of_status(status: CommitStatus) -> Job {
    let stand = match status.state.as_str() {
        "success" => Stand::Good,
        "failure" | "error" => Stand::Bad,
        _ => Stand::Pending,
    };
    Job { name: status.context, stand, word: status.state, url: status.target_url }
}

fn of_workflow_run(run: WorkflowRun) -> Option<Job> {
    let word = match (run.status.as_deref(), run.conclusion.as_deref()) {
        (_, Some("action_required")) | (Some("action_required"), _) => "action_required",
        (Some("waiting"), _) => "waiting",
        _ => return None,
    };
    let name = run.name.unwrap_or_else(|| format!("run {}", run.id));
    Some(Job { name, stand: Stand::Waits, word: word.to_owned(), url: run.html_url })
}

impl Ci for GitHub {
    fn state<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, anyhow::Result<CiState>> {
        Box::pin(async move {
            let clock = self.sender().clock.as_ref();
            let mend = |failure: &Failure| mend::mend(Door::GitHub, Need::Checks, failure);
            Ok(wait(clock, self.inner.ci_timeout, || self.jobs(commit), mend).await)
        })
    }
}

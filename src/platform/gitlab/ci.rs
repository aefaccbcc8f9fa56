//! Pipelines and statuses of a commit, the own pipeline left out.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::status::NAME;
use super::{GitLab, PAGES};
use crate::domain::observation::CiState;
use crate::platform::Ci;
use crate::platform::http::{Failure, encoded};
use crate::platform::mend::{self, Need};
use crate::platform::verdict::{Job, Stand};
use crate::platform::wait::wait;

#[derive(Deserialize)]
struct Pipeline {
    id: u64,
    status: String,
    source: Option<String>,
    web_url: Option<String>,
}

#[derive(Deserialize)]
struct CommitStatus {
    name: String,
    status: String,
    #[serde(default)]
    allow_failure: bool,
    target_url: Option<String>,
    pipeline_id: Option<u64>,
}

impl GitLab {
    async fn jobs(&self, commit: &str) -> Result<Vec<Job>, Failure> {
        let sha = encoded(commit);
        let pipelines: Vec<Pipeline> =
            self.sender().all(&self.path(&format!("/pipelines?sha={sha}")), None, PAGES).await?;
        let statuses: Vec<CommitStatus> = self
            .sender()
            .all(&self.path(&format!("/repository/commits/{sha}/statuses")), None, PAGES)
            .await?;
        let own = |id: u64| Some(id.to_string()) == self.inner.run_id;
        let statuses: Vec<_> = statuses
            .into_iter()
            .filter(|status| status.name != NAME && !status.pipeline_id.is_some_and(own))
            .collect();
        // A pipeline that GitLab made for pace's own status is no CI.
        let is_ours = |pipeline: &Pipeline| {
            let external = pipeline.source.as_deref() == Some("external");
            own(pipeline.id)
                || (external && !statuses.iter().any(|status| status.pipeline_id == Some(pipeline.id)))
        };
        // Single failed jobs first: they have names.
        let mut jobs: Vec<_> =
            statuses.iter().filter(|status| !status.allow_failure).map(of_status).collect();
        jobs.extend(pipelines.iter().filter(|pipeline| !is_ours(pipeline)).map(of_pipeline));
        Ok(jobs)
    }
}

fn of_status(status: &CommitStatus) -> Job {
    Job {
        name: status.name.clone(),
        stand: stand(&status.status),
        word: status.status.clone(),
        url: status.target_url.clone(),
    }
}

fn of_pipeline(pipeline: &Pipeline) -> Job {
    Job {
        name: format!("pipeline {}", pipeline.id),
        stand: stand(&pipeline.status),
        word: pipeline.status.clone(),
        url: pipeline.web_url.clone(),
    }
}

/// GitLab's words for pipelines and jobs alike.
fn stand(word: &str) -> Stand {
    match word {
        "success" => Stand::Good,
        "failed" => Stand::Bad,
        "skipped" => Stand::Void,
        "created"
        | "waiting_for_resource"
        | "preparing"
        | "waiting_for_callback"
        | "pending"
        | "running"
        | "canceling"
        | "scheduled" => Stand::Pending,
        // `manual` and `canceled`, or a word that is not known: never green.
        _ => Stand::Waits,
    }
}

impl Ci for GitLab {
    fn state<'a>(&'a self, commit: &'a str) -> BoxFuture<'a, anyhow::Result<CiState>> {
        Box::pin(async move {
            let clock = self.sender().clock.as_ref();
            let mend = |failure: &Failure| mend::mend(self.inner.door, Need::Checks, failure);
            Ok(wait(clock, self.inner.ci_timeout, || self.jobs(commit), mend).await)
        })
    }
}

//! The wait for the CI of a commit, on a clock that takes no time.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Bench, Fake};
use crate::domain::observation::CiState;

/// Check runs, workflow runs and foreign statuses of a commit.
async fn github(checks: &[Value], runs: &[Value], statuses: &[Value]) -> (CiState, Duration) {
    let bench = Bench::github();
    if let Fake::GitHub(server) = &bench.fake {
        let mut forge = server.forge.lock().unwrap();
        (forge.check_runs, forge.workflow_runs, forge.foreign) =
            (checks.to_vec(), runs.to_vec(), statuses.to_vec());
    }
    (bench.platform.ci.state("abc").await.unwrap(), bench.clock.total())
}

async fn gitlab(pipelines: &[Value], statuses: &[Value]) -> (CiState, Duration) {
    let bench = Bench::gitlab();
    if let Fake::GitLab(server) = &bench.fake {
        let mut forge = server.forge.lock().unwrap();
        (forge.pipelines, forge.foreign) = (pipelines.to_vec(), statuses.to_vec());
    }
    (bench.platform.ci.state("abc").await.unwrap(), bench.clock.total())
}

fn check(name: &str, status: &str, conclusion: Value, run: u64, suite: u64) -> Value {
    let url = format!("https://github.example/o/r/actions/runs/{run}/job/7");
    json!({"name": name, "status": status, "conclusion": conclusion, "html_url": url, "details_url": url, "check_suite": {"id": suite}})
}

fn done(name: &str, conclusion: &str) -> Value {
    check(name, "completed", json!(conclusion), 7, 1)
}

fn green(names: &[&str]) -> CiState {
    CiState::Green { jobs: names.iter().map(ToString::to_string).collect() }
}

#[tokio::test(flavor = "multi_thread")]
async fn github_says() {
    let own =
        [check("pace", "in_progress", Value::Null, 42, 9), check("sibling", "queued", Value::Null, 1, 9)];
    assert_eq!(github(&[], &[], &[]).await, (CiState::None, Duration::from_secs(60)));
    assert_eq!(github(&own, &[], &[]).await.0, CiState::None, "the own run and its suite");
    let (state, waited) = github(&[done("test", "success"), own[0].clone()], &[], &[]).await;
    assert_eq!((state, waited), (green(&["test"]), Duration::from_secs(10)));
    let many: Vec<_> = (0..150).map(|n| done(&format!("job {n}"), "success")).collect();
    let failing: Vec<_> = many.iter().cloned().chain([done("last", "failure")]).collect();
    let (state, _) = github(&failing, &[], &[]).await;
    assert!(matches!(&state, CiState::Red { job, url: Some(_) } if job == "last"), "page two: {state:?}");
    let status = |state: &str| json!({"context": "lint", "state": state, "target_url": null});
    assert_eq!(github(&many[..1], &[], &[status("success")]).await.0, green(&["job 0", "lint"]));
    let (state, _) = github(&many[..1], &[], &[status("error")]).await;
    assert!(matches!(&state, CiState::Red { job, .. } if job == "lint"), "statuses count too: {state:?}");
    let slow = [check("slow", "in_progress", Value::Null, 7, 1)];
    let (state, waited) = github(&slow, &[], &[]).await;
    assert_eq!(
        (state, waited),
        (CiState::Timeout { pending: vec!["slow".into()] }, Duration::from_secs(900))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn github_needs_a_human() {
    let run = |status: &str, conclusion: &str| json!({"id": 7, "name": "CI", "status": status, "conclusion": conclusion, "html_url": null});
    let own = json!({"id": 42, "name": "pace", "status": "waiting", "conclusion": null, "html_url": null});
    for (checks, runs) in [
        (vec![], vec![run("completed", "action_required")]),
        (vec![done("test", "success")], vec![run("completed", "action_required")]),
        (vec![done("test", "success")], vec![run("waiting", "")]),
        (vec![check("deploy", "waiting", Value::Null, 7, 1)], vec![]),
        (vec![done("test", "action_required")], vec![]),
        (vec![done("test", "cancelled")], vec![]),
        (vec![done("test", "a word of the future")], vec![]),
    ] {
        let (state, waited) = github(&checks, &runs, &[]).await;
        assert!(matches!(state, CiState::NeedsHuman { .. }), "{checks:?} {runs:?}: {state:?}");
        assert!(waited <= Duration::from_secs(10), "no stall: {waited:?}");
    }
    assert_eq!(
        github(&[done("test", "success")], &[own], &[]).await.0,
        green(&["test"]),
        "but for the own run"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_says() {
    let pipeline =
        |id: u64, status: &str| json!({"id": id, "status": status, "source": "push", "web_url": "https://g"});
    let job = |pipeline: u64, name: &str, status: &str, allow: bool| json!({"name": name, "status": status, "allow_failure": allow, "pipeline_id": pipeline, "target_url": null});
    assert_eq!(gitlab(&[], &[]).await, (CiState::None, Duration::from_secs(60)));
    let own = (pipeline(42, "running"), job(42, "pace", "running", false));
    assert_eq!(gitlab(&[own.0.clone()], &[own.1.clone()]).await.0, CiState::None);
    let external = json!({"id": 900, "status": "failed", "source": "external", "web_url": null});
    assert_eq!(gitlab(&[external], &[]).await.0, CiState::None, "pace's own status makes a pipeline");
    let jobs = [job(5, "test", "success", false), job(5, "try", "failed", true), own.1];
    let (state, _) = gitlab(&[own.0, pipeline(5, "success")], &jobs).await;
    assert_eq!(state, green(&["test", "pipeline 5"]));
    let failed = [job(5, "test", "failed", false)];
    let (state, _) = gitlab(&[pipeline(5, "running")], &failed).await;
    assert!(matches!(&state, CiState::Red { job, .. } if job == "test"), "{state:?}");
    let (state, _) = gitlab(&[pipeline(5, "failed")], &[]).await;
    assert!(matches!(&state, CiState::Red { job, .. } if job == "pipeline 5"), "broken YAML: {state:?}");
    for word in ["manual", "canceled", "a word of the future"] {
        let (state, waited) = gitlab(&[pipeline(5, word)], &[]).await;
        assert!(
            matches!(state, CiState::NeedsHuman { .. }) && waited <= Duration::from_secs(10),
            "{word}: {state:?}"
        );
    }
    for word in ["created", "waiting_for_resource", "preparing", "pending", "running", "scheduled"] {
        let (state, _) = gitlab(&[pipeline(5, word)], &[]).await;
        assert!(matches!(state, CiState::Timeout { .. }), "{word}: {state:?}");
    }
}

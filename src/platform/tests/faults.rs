//! Every fault of `tests/data/forge/faults.yaml` at every endpoint, on both forges.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::server::{Harm, Reply};
use super::{Bench, MARKER, fake_gitlab, issue, review};
use crate::domain::observation::CiState;
use crate::platform::StatusText;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    faults: Vec<Fault>,
    github: Vec<Endpoint>,
    gitlab: Vec<Endpoint>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    name: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    says: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    done: bool,
    #[serde(default)]
    cut: bool,
    #[serde(default)]
    silent: bool,
    /// 0 = always.
    times: usize,
    expect: Expect,
    calls: Option<usize>,
    #[serde(default)]
    slept: u64,
    #[serde(default)]
    words: String,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Expect {
    Ok,
    Fail,
    /// Got over, but where the call makes something: nobody knows, so it is not made twice.
    Cut,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    name: String,
    act: String,
    method: String,
    path: String,
    #[serde(default)]
    makes: bool,
    permission: String,
    /// The status by which the forge says that it is there already, which is fine.
    taken: Option<u16>,
}

impl Fault {
    fn harm(&self) -> Harm {
        let mut reply = Reply::says(self.status, &self.says);
        reply.headers = self.headers.clone().into_iter().collect();
        match (self.silent, self.cut, self.done) {
            (true, _, _) => Harm::DoneAndSilent,
            (_, true, true) => Harm::DoneAndCut,
            (_, true, false) => Harm::Cut,
            (_, _, true) => Harm::Done(reply),
            (_, _, false) => Harm::Answer(reply),
        }
    }
}

/// Does what the endpoint is for; what went wrong, in words.
pub(super) async fn act(bench: &Bench, name: &str) -> Result<(), String> {
    let platform = &bench.platform;
    let told = |notes: Vec<String>| if notes.is_empty() { Ok(()) } else { Err(notes.join("; ")) };
    let text = |error: anyhow::Error| format!("{error:#}");
    match name {
        "review" => platform.review.publish(&review(1)).await.map(drop).map_err(text),
        "second review" | "rewritten review" => {
            platform.review.publish(&review(2)).await.map(drop).map_err(text)
        }
        "issue" => told(platform.tracker.raise(&issue("one")).await.map_err(text)?.notes),
        "second issue" => platform.tracker.raise(&issue("two")).await.map(drop).map_err(text),
        "close" => platform.tracker.close(MARKER, "pace-hold").await.map_err(text),
        "status" => {
            let status = StatusText { good: true, description: "day 1 SHIP".into(), url: None };
            platform.status.set("abc", &status).await.map_err(text)
        }
        "ci" => match platform.ci.state("abc").await.map_err(text)? {
            CiState::NeedsHuman { detail } => Err(detail),
            _ => Ok(()),
        },
        other => panic!("nothing is called {other}"),
    }
}

/// What has to be there before.
async fn prepare(bench: &Bench, name: &str) {
    match name {
        "second review" => act(bench, "review").await.unwrap(),
        "rewritten review" => {
            act(bench, "review").await.unwrap();
            bench.with_review(|review, field| review[field] = json!("A person's words"));
        }
        "second issue" | "close" => act(bench, "issue").await.unwrap(),
        _ => {}
    }
}

/// What has to be left at the end: reviews, issues, comments.
fn wanted(name: &str) -> (usize, usize, usize) {
    match name {
        "review" | "second review" => (1, 0, 0),
        "rewritten review" => (1, 0, 1),
        "issue" | "second issue" | "close" => (0, 1, 0),
        _ => (0, 0, 0),
    }
}

async fn case(bench: &Bench, endpoint: &Endpoint, fault: &Fault) -> Result<(), String> {
    prepare(bench, &endpoint.act).await;
    let before = bench.log().len();
    let times = if fault.times == 0 { usize::MAX } else { fault.times };
    bench.fail(&endpoint.method, &endpoint.path, fault.harm(), times);
    let outcome = act(bench, &endpoint.act).await;
    let log = bench.log();
    let call = format!("{} ", endpoint.method);
    let is_it = |line: &&String| {
        line.starts_with(&call) && line.rsplit_once(' ').is_some_and(|(at, _)| at.ends_with(&endpoint.path))
    };
    let calls = log[before..].iter().filter(is_it).count();
    let context = || format!("{outcome:?}\n{}\nslept {:?}", log.join("\n"), bench.clock.total());
    let fails = match fault.expect {
        Expect::Fail => endpoint.taken != Some(fault.status),
        Expect::Cut => endpoint.makes,
        Expect::Ok => false,
    };
    let words = match fault.words.as_str() {
        "@permission" => endpoint.permission.as_str(),
        words => words,
    };
    match &outcome {
        Ok(()) if fails => return Err(format!("should have failed: {}", context())),
        Err(_) if !fails => return Err(format!("should have got over it: {}", context())),
        Err(error) if !error.contains(words) => return Err(format!("does not say `{words}`: {}", context())),
        _ => {}
    }
    if fails && fault.calls.is_some_and(|most| calls > most) {
        return Err(format!("{calls} calls: {}", context()));
    }
    if bench.clock.total() < Duration::from_secs(fault.slept) || bench.clock.total() > BOUND {
        return Err(format!("waited too little or too much: {}", context()));
    }
    let left = bench.left();
    let most = wanted(&endpoint.act);
    if !fails && left != most || left.0 > most.0 || left.1 > most.1 || left.2 > most.2 {
        return Err(format!("left {left:?}, not {most:?}: {}", context()));
    }
    // The next run finds everything in order, whatever happened.
    bench.fail(&endpoint.method, &endpoint.path, Harm::Cut, 0);
    Ok(())
}

/// All pauses of one act together; the wait for the CI, which asks again by itself, has 15 minutes of its own.
const BOUND: Duration = Duration::from_secs(20 * 60);

fn table() -> Table {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/forge/faults.yaml");
    serde_yaml::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

async fn run(endpoints: &[Endpoint], faults: &[Fault], bench: fn() -> Bench) {
    let mut problems = Vec::new();
    for endpoint in endpoints {
        for fault in faults {
            if let Err(problem) = case(&bench(), endpoint, fault).await {
                problems.push(format!("{} × {}: {problem}", endpoint.name, fault.name));
            }
        }
    }
    assert!(problems.is_empty(), "{} cases:\n{}", problems.len(), problems.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn github_against_every_fault() {
    let table = table();
    run(&table.github, &table.faults, Bench::github).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_against_every_fault() {
    let table = table();
    run(&table.gitlab, &table.faults, Bench::gitlab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_tokens_404_is_told_as_a_missing_permission() {
    let bench = Bench::gitlab_with(fake_gitlab::GitLab::new(None), fake_gitlab::JOB_TOKEN);
    for name in ["review", "issue", "status", "ci"] {
        let error = act(&bench, name).await.unwrap_err();
        assert!(error.contains("CI_JOB_TOKEN") && error.contains("project access token"), "{error}");
    }
    assert!(bench.platform.access.probe().await[0].problem.as_ref().unwrap().contains("CI_JOB_TOKEN"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forge_that_is_down_is_asked_once_after_the_first_giving_up() {
    for bench in Bench::both() {
        let down = Harm::Answer(Reply::says(503, ""));
        bench.fail("GET", "", down.clone(), usize::MAX);
        bench.fail("POST", "", down, usize::MAX);
        act(&bench, "review").await.unwrap_err();
        let before = bench.log().len();
        act(&bench, "issue").await.unwrap_err();
        act(&bench, "ci").await.unwrap_err();
        assert_eq!(bench.log().len(), before + 2, "{:?}", bench.log());
    }
}

//! Both forges against fakes with state: what ten runs leave, what people changed, and every fault of the table.

#[path = "../../tests/it/forge/github.rs"]
mod fake_github;
#[path = "../../tests/it/forge/gitlab.rs"]
mod fake_gitlab;
mod faults;
mod huge;
mod obstacle;
mod outside;
mod protection;
mod publishing;
#[path = "../../tests/it/forge/sample.rs"]
mod sample;
#[path = "../../tests/it/forge/server.rs"]
mod server;
mod waiting;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::clock::Clock;
use super::connect::{Address, Platform};
use super::http::Patience;
use super::{IssueText, Line, ReviewText};
use crate::secret::Secret;
use server::Server;

/// A clock whose pauses take no time.
#[derive(Default)]
struct FastClock {
    slept: Mutex<Vec<Duration>>,
}

/// Where [`FastClock`] begins.
const NOW: u64 = 1_790_000_000;

impl FastClock {
    fn total(&self) -> Duration {
        self.slept.lock().unwrap().iter().sum()
    }
}

impl Clock for FastClock {
    fn unix(&self) -> u64 {
        NOW + self.total().as_secs()
    }

    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
        self.slept.lock().unwrap().push(pause);
        Box::pin(std::future::ready(()))
    }
}

/// One of the two, with what a test needs to see.
enum Fake {
    GitHub(Server<fake_github::GitHub>),
    GitLab(Server<fake_gitlab::GitLab>),
}

struct Bench {
    fake: Fake,
    clock: Arc<FastClock>,
    platform: Platform,
}

impl Drop for Bench {
    /// Every request to GitLab was one that its descriptions allow.
    fn drop(&mut self) {
        if let (Fake::GitLab(server), false) = (&self.fake, std::thread::panicking()) {
            let violations = server.forge.lock().unwrap().violations.clone();
            assert!(violations.is_empty(), "{violations:#?}");
        }
    }
}

/// A description of `tests/data/forge/api/`.
fn described(name: &str) -> serde_json::Value {
    let path = format!("{}/tests/data/forge/api/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Half a second is long on loopback; only a server that never answers gets there.
const ANSWER: Duration = Duration::from_millis(500);

impl Bench {
    fn github() -> Self {
        let description = Some(sample::Description(described("github-rest.openapi")));
        Self::github_with(fake_github::GitHub { description, ..Default::default() })
    }

    fn github_with(forge: fake_github::GitHub) -> Self {
        Self::github_below(forge, "")
    }

    /// Its API below `root` of the server.
    fn github_below(forge: fake_github::GitHub, root: &str) -> Self {
        let server = Server::start(forge, root);
        let clock = Arc::new(FastClock::default());
        let address = address(&server.url, "o/r", fake_github::TOKEN, &clock);
        let platform = super::connect::of_github(address, crate::http::direct(&[]).unwrap()).unwrap();
        Self { fake: Fake::GitHub(server), clock, platform }
    }

    fn gitlab() -> Self {
        let contract =
            fake_gitlab::Contract::new(described("gitlab-rest.openapi"), described("gitlab-request-attrs"));
        Self::gitlab_with(fake_gitlab::GitLab::new(Some(contract)), fake_gitlab::TOKEN)
    }

    fn gitlab_with(forge: fake_gitlab::GitLab, token: &str) -> Self {
        let server = Server::start(forge, "/api/v4");
        let clock = Arc::new(FastClock::default());
        let mut address = address(&server.url, fake_gitlab::PROJECT, token, &clock);
        address.is_job_token = token == fake_gitlab::JOB_TOKEN;
        let platform = super::connect::of_gitlab(address, crate::http::direct(&[]).unwrap());
        Self { fake: Fake::GitLab(server), clock, platform }
    }

    fn both() -> [Self; 2] {
        [Self::github(), Self::gitlab()]
    }

    fn log(&self) -> Vec<String> {
        match &self.fake {
            Fake::GitHub(server) => server.log(),
            Fake::GitLab(server) => server.log(),
        }
    }

    fn fail(&self, method: &str, path: &str, harm: server::Harm, times: usize) {
        match &self.fake {
            Fake::GitHub(server) => server.fail(method, path, harm, times),
            Fake::GitLab(server) => server.fail(method, path, harm, times),
        }
    }

    /// Reviews, issues and comments that are there.
    fn left(&self) -> (usize, usize, usize) {
        match &self.fake {
            Fake::GitHub(server) => {
                let forge = server.forge.lock().unwrap();
                (forge.pulls.len(), forge.issues.len(), forge.comments.len())
            }
            Fake::GitLab(server) => {
                let forge = server.forge.lock().unwrap();
                (forge.merge_requests.len(), forge.issues.len(), forge.notes.len())
            }
        }
    }

    /// The only review and its body's field.
    fn with_review<T>(&self, look: impl FnOnce(&mut serde_json::Value, &str) -> T) -> T {
        match &self.fake {
            Fake::GitHub(server) => look(&mut server.forge.lock().unwrap().pulls[0], "body"),
            Fake::GitLab(server) => look(&mut server.forge.lock().unwrap().merge_requests[0], "description"),
        }
    }

    fn with_issue<T>(&self, look: impl FnOnce(&mut serde_json::Value, &str) -> T) -> T {
        match &self.fake {
            Fake::GitHub(server) => look(&mut server.forge.lock().unwrap().issues[0], "body"),
            Fake::GitLab(server) => look(&mut server.forge.lock().unwrap().issues[0], "description"),
        }
    }
}

fn address(url: &str, project: &str, token: &str, clock: &Arc<FastClock>) -> Address {
    Address {
        api: url.to_owned(),
        project: project.to_owned(),
        token: Secret::new(token),
        is_job_token: false,
        run_id: Some("42".to_owned()),
        ci_timeout: Duration::from_secs(900),
        answer: ANSWER,
        patience: Patience::default(),
        clock: clock.clone(),
    }
}

fn line() -> Line {
    Line { branch: "pace/sprint".into(), base: "main".into() }
}

fn review(day: u32) -> ReviewText {
    ReviewText {
        title: format!("Sprint, day {day}"),
        body: format!("<!-- pace:s:review -->\n# Day {day}\n"),
        line: line(),
        draft: false,
    }
}

fn issue(reason: &str) -> IssueText {
    IssueText {
        title: "Day 1 is on HOLD".into(),
        body: format!("<!-- pace:s:day-1:hold -->\n# HOLD\n\n{reason}\n"),
        labels: vec!["pace-hold".into(), "day-1".into()],
    }
}

const MARKER: &str = "pace:s:day-1:hold";

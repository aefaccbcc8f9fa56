//! GitLab, also self-hosted: the few calls that a run needs, on the shared HTTP client. Knows its endpoints and words;
//! when calls are repeated is the business of `http`.

mod access;
mod ci;
mod issues;
mod review;
mod status;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::json;

use super::connect::Address;
use super::http::{Answer, Call, Failure, LARGEST_ANSWER, Lost, Sender, Wire, encoded, too_large};
use super::marker;
use super::mend::{self, Door, Need};

/// GitLab refuses longer titles (255).
const TITLE: usize = 240;

/// Pages of a list in which a marker is looked for.
const PAGES: usize = 10;

/// A project on GitLab.
#[derive(Clone)]
pub(super) struct GitLab {
    inner: Arc<Inner>,
}

struct Inner {
    sender: Sender,
    /// `/projects/group%2Fname`.
    root: String,
    door: Door,
    run_id: Option<String>,
    ci_timeout: Duration,
}

impl GitLab {
    /// Makes no call.
    pub(super) fn new(address: Address, http: reqwest::Client) -> Self {
        let door = if address.is_job_token { Door::JobToken } else { Door::GitLab };
        let mut token = HeaderValue::from_str(address.token.expose()).unwrap_or(HeaderValue::from_static(""));
        token.set_sensitive(true);
        let name = if address.is_job_token { "job-token" } else { "private-token" };
        let wire = ApiWire {
            http,
            api: address.api,
            token: (HeaderName::from_static(name), token),
            answer: address.answer,
        };
        let inner = Inner {
            sender: Sender::new(Box::new(wire), address.clock, address.patience),
            root: format!("/projects/{}", encoded(&address.project)),
            door,
            run_id: address.run_id,
            ci_timeout: address.ci_timeout,
        };
        Self { inner: Arc::new(inner) }
    }

    fn sender(&self) -> &Sender {
        &self.inner.sender
    }

    /// A path below the project.
    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.inner.root)
    }

    fn explain(&self, need: Need, what: &str, failure: &Failure) -> anyhow::Error {
        mend::explain(self.inner.door, need, what, failure)
    }

    /// Makes the labels that are missing.
    async fn ensure_labels(&self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            self.ensure_label(name).await?;
        }
        Ok(())
    }

    /// Makes a label where it is missing.
    async fn ensure_label(&self, name: &str) -> Result<(), Failure> {
        let same = |label: Label| (label.name == name).then_some(());
        let path = self.path(&format!("/labels?search={}", encoded(name)));
        if self.sender().find(&path, None, PAGES, same).await?.is_some() {
            return Ok(());
        }
        let body = json!({"name": name, "color": colour(name), "description": "Kept by pace"});
        match self.sender().send(&Call::set(Method::POST, self.path("/labels"), body)).await {
            // Another run made it in between.
            Err(Failure::Refused { status: 409, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Posts `body` as the one note with its marker below `at` (`/issues/7`, `/merge_requests/7`), or brings that
    /// note up to date.
    async fn note(&self, at: &str, body: &str) -> Result<(), Failure> {
        let Some(name) = marker::name(body) else { return Ok(()) };
        let sealed = marker::seal(body);
        let list = self.path(&format!("{at}/notes"));
        let look = || async {
            let wanted = |note: Note| marker::is_in(&note.body, name).then_some(note);
            self.sender().find(&list, None, PAGES, wanted).await
        };
        match look().await? {
            Some(there) if there.body == sealed.trim_end() || there.body == sealed => Ok(()),
            Some(there) => {
                let path = format!("{list}/{}", there.id);
                self.sender().send(&Call::set(Method::PUT, path, json!({"body": sealed}))).await.map(drop)
            }
            None => {
                let call = Call::new(list.clone(), json!({"body": sealed}));
                self.sender().create(&call, look).await.map(drop)
            }
        }
    }
}

#[derive(Deserialize)]
struct Note {
    id: u64,
    body: String,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// Red, yellow, or light blue.
fn colour(label: &str) -> &'static str {
    match label {
        "pace-hold" => "#b60205",
        "pace-advisory" => "#fbca04",
        _ => "#c5def5",
    }
}

struct ApiWire {
    http: reqwest::Client,
    api: String,
    token: (HeaderName, HeaderValue),
    answer: Duration,
}

impl ApiWire {
    async fn once(&self, call: &Call) -> Result<Answer, Lost> {
        let lost = |error: reqwest::Error| lost(&error, self.answer);
        let url = format!("{}{}", self.api, call.path);
        let (name, token) = self.token.clone();
        let mut request =
            self.http.request(call.method.clone(), url).header(name, token).timeout(self.answer);
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(lost)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(lost)? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                return Err(Lost { sent: true, why: too_large() });
            }
        }
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
    }
}

impl Wire for ApiWire {
    fn exchange<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Answer, Lost>> {
        Box::pin(self.once(call))
    }
}

fn lost(error: &reqwest::Error, answer: Duration) -> Lost {
    let sent = !(error.is_connect() || error.is_builder());
    if let Some(problem) = crate::http::certificate_problem(error) {
        return Lost { sent, why: problem };
    }
    if error.is_timeout() && sent {
        return Lost { sent, why: format!("no answer within {} s", answer.as_secs_f32()) };
    }
    let mut why = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(source) = next {
        why = source.to_string();
        next = source.source();
    }
    Lost { sent, why }
}

//! GitHub and GitHub Enterprise Server, by octocrab on the shared HTTP client. Knows its endpoints and words; when
//! calls are repeated is the business of `http`.

mod access;
mod ci;
mod issues;
mod obstacle;
mod review;
mod status;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use octocrab::Octocrab;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::connect::Address;
use super::http::{Answer, Call, Failure, LARGEST_ANSWER, Lost, Sender, Wire, encoded, too_large};
use super::marker;
use super::mend::{self, Door, Need};

/// GitHub refuses longer titles.
const TITLE: usize = 250;

/// Pages of a list in which a marker is looked for.
const PAGES: usize = 10;

/// A repository on GitHub.
#[derive(Clone)]
pub(super) struct GitHub {
    inner: Arc<Inner>,
}

struct Inner {
    sender: Sender,
    /// `/repos/owner/name`.
    root: String,
    owner: String,
    run_id: Option<String>,
    ci_timeout: Duration,
}

impl GitHub {
    /// Makes no call. Needs a running async runtime.
    pub(super) fn new(address: Address, http: reqwest::Client) -> Result<Self, String> {
        let unusable = |error: &dyn std::fmt::Display| format!("GITHUB_API_URL ({}): {error}", address.api);
        let octocrab = Octocrab::builder()
            .base_uri(address.api.clone())
            .map_err(|error| unusable(&error))?
            .personal_token(address.token.expose().to_owned())
            .add_header(reqwest::header::ACCEPT, "application/vnd.github+json".to_owned())
            .build_with_reqwest(http)
            .map_err(|error| unusable(&error))?;
        let wire = OctocrabWire { octocrab, answer: address.answer };
        let inner = Inner {
            sender: Sender::new(Box::new(wire), address.clock, address.patience),
            root: format!("/repos/{}", address.project),
            owner: address.project.split('/').next().unwrap_or_default().to_owned(),
            run_id: address.run_id,
            ci_timeout: address.ci_timeout,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    fn sender(&self) -> &Sender {
        &self.inner.sender
    }

    /// A path below the repository.
    fn path(&self, rest: &str) -> String {
        format!("{}{rest}", self.inner.root)
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
        let there = self.sender().send(&Call::get(self.path(&format!("/labels/{}", encoded(name))))).await;
        match there {
            Err(Failure::Refused { status: 404, .. }) => {}
            other => return other.map(drop),
        }
        let body = json!({"name": name, "color": colour(name), "description": "Kept by pace"});
        match self.sender().send(&Call::set(Method::POST, self.path("/labels"), body)).await {
            // Another run made it in between.
            Err(Failure::Refused { status: 422, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Posts `body` as the one comment with its marker on an issue or review, or brings that comment up to date.
    async fn comment(&self, number: u64, body: &str) -> Result<(), Failure> {
        let Some(name) = marker::name(body) else { return Ok(()) };
        let sealed = marker::seal(body);
        let list = self.path(&format!("/issues/{number}/comments"));
        let look = || async {
            let wanted = |comment: Comment| {
                marker::is_in(comment.body.as_deref().unwrap_or_default(), name).then_some(comment)
            };
            self.sender().find(&list, None, PAGES, wanted).await
        };
        match look().await? {
            Some(there) if there.body.as_deref() == Some(sealed.as_str()) => Ok(()),
            Some(there) => {
                let path = self.path(&format!("/issues/comments/{}", there.id));
                self.sender().send(&Call::set(Method::PATCH, path, json!({"body": sealed}))).await.map(drop)
            }
            None => {
                let call = Call::new(list.clone(), json!({"body": sealed}));
                self.sender().create(&call, look).await.map(drop)
            }
        }
    }
}

#[derive(Deserialize)]
struct Comment {
    id: u64,
    body: Option<String>,
}

#[derive(Deserialize)]
struct Label {
    name: String,
}

/// `failure` of doing `what`, with its mend.
fn explain(need: Need, what: &str, failure: &Failure) -> anyhow::Error {
    mend::explain(Door::GitHub, need, what, failure)
}

/// Red, yellow, or light blue.
fn colour(label: &str) -> &'static str {
    match label {
        "pace-hold" => "b60205",
        "pace-advisory" => "fbca04",
        _ => "c5def5",
    }
}

struct OctocrabWire {
    octocrab: Octocrab,
    answer: Duration,
}

impl OctocrabWire {
    async fn once(&self, call: &Call) -> Result<Answer, Lost> {
        let (path, body) = (call.path.as_str(), call.body.as_ref());
        let response = match call.method {
            Method::POST => self.octocrab._post(path, body).await,
            Method::PATCH => self.octocrab._patch(path, body).await,
            Method::PUT => self.octocrab._put(path, body).await,
            Method::DELETE => self.octocrab._delete(path, body).await,
            _ => self.octocrab._get(path).await,
        }
        .map_err(|error| lost(&error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
        let body = body.map_err(|error| {
            if error.is::<LengthLimitError>() { Lost { sent: true, why: too_large() } } else { lost(&*error) }
        })?;
        Ok(Answer { status, headers, body: String::from_utf8_lossy(&body.to_bytes()).into_owned() })
    }
}

impl Wire for OctocrabWire {
    fn exchange<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Answer, Lost>> {
        Box::pin(async move {
            tokio::time::timeout(self.answer, self.once(call)).await.unwrap_or_else(|_| {
                Err(Lost { sent: true, why: format!("no answer within {} s", self.answer.as_secs_f32()) })
            })
        })
    }
}

/// The innermost word of what octocrab, its layers and the HTTP client say.
fn lost(error: &(dyn std::error::Error + 'static)) -> Lost {
    let mut sent = true;
    let mut why = error.to_string();
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(error) = current.downcast_ref::<reqwest::Error>() {
            sent = !(error.is_connect() || error.is_builder());
        }
        why = current.to_string();
        next = current.source();
    }
    if let Some(problem) = crate::http::certificate_problem(error) {
        why = problem;
    }
    Lost { sent, why }
}

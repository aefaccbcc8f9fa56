//! Issues: found by their marker, opened, reopened, brought up to date, closed.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GitHub, Label, PAGES, TITLE, explain};
use crate::platform::http::{Call, Failure, encoded, line};
use crate::platform::marker::{self, Standing};
use crate::platform::mend::Need;
use crate::platform::{IssueText, Published, Tracker};

/// Pages of open issues that are searched where the label was taken off.
const UNLABELLED_PAGES: usize = 3;

#[derive(Deserialize)]
struct Issue {
    number: u64,
    html_url: String,
    state: String,
    title: String,
    body: Option<String>,
    #[serde(default)]
    labels: Vec<Label>,
    /// Set where it is a pull request, which GitHub lists too.
    pull_request: Option<Value>,
}

impl GitHub {
    async fn issue(&self, marker: &str, label: &str) -> Result<Option<Issue>, Failure> {
        let wanted = |issue: Issue| {
            let ours = marker::is_in(issue.body.as_deref().unwrap_or_default(), marker);
            (ours && issue.pull_request.is_none()).then_some(issue)
        };
        let labelled = self.path(&format!("/issues?state=all&direction=asc&labels={}", encoded(label)));
        if let Some(found) = self.sender().find(&labelled, None, PAGES, wanted).await? {
            return Ok(Some(found));
        }
        let open = self.path("/issues?state=open&sort=updated");
        self.sender().find(&open, None, UNLABELLED_PAGES, wanted).await
    }

    async fn raise_issue(&self, issue: &IssueText) -> Result<Published, Failure> {
        let marker = marker::name(&issue.body).unwrap_or_default();
        let label = issue.labels.first().map_or("", String::as_str);
        if let Some(there) = self.issue(marker, label).await? {
            return self.update_issue(&there, issue).await;
        }
        let mut notes = Vec::new();
        if let Err(failure) = self.ensure_labels(&issue.labels).await {
            notes.push(explain(Need::Issues, "the labels could not be made", &failure).to_string());
        }
        let body = json!({
            "title": line(&issue.title, TITLE),
            "body": marker::seal(&issue.body),
            "labels": issue.labels,
        });
        let call = Call::new(self.path("/issues"), body);
        let made: Issue = self.sender().create(&call, || self.issue(marker, label)).await?;
        Ok(Published { url: Some(made.html_url), notes })
    }

    async fn update_issue(&self, there: &Issue, issue: &IssueText) -> Result<Published, Failure> {
        let mut change = Map::new();
        let mut notes = Vec::new();
        let title = line(&issue.title, TITLE);
        match marker::standing(there.body.as_deref().unwrap_or_default(), &issue.body) {
            Standing::Same => {}
            Standing::Update(body) => {
                change.insert("body".into(), body.into());
            }
            Standing::Rewritten | Standing::Foreign => {
                self.comment(there.number, &marker::as_comment(&issue.body)).await?;
                notes.push(
                    "a person wrote the issue's text, so it stays; pace's is a comment below it".into(),
                );
            }
        }
        if there.title != title && notes.is_empty() {
            change.insert("title".into(), title.into());
        }
        if there.state != "open" {
            change.insert("state".into(), "open".into());
        }
        let mut labels: Vec<_> = there.labels.iter().map(|label| label.name.clone()).collect();
        let missing: Vec<_> = issue.labels.iter().filter(|label| !labels.contains(label)).cloned().collect();
        if !missing.is_empty() {
            self.ensure_labels(&missing).await?;
            labels.extend(missing);
            change.insert("labels".into(), labels.into());
        }
        if !change.is_empty() {
            self.patch(there.number, Value::Object(change)).await?;
        }
        Ok(Published { url: Some(there.html_url.clone()), notes })
    }

    async fn patch(&self, number: u64, change: Value) -> Result<(), Failure> {
        let path = self.path(&format!("/issues/{number}"));
        self.sender().send(&Call::set(Method::PATCH, path, change)).await.map(drop)
    }

    async fn close_issue(&self, marker: &str, label: &str) -> Result<(), Failure> {
        match self.issue(marker::name(marker).unwrap_or(marker), label).await? {
            Some(issue) if issue.state == "open" => {
                self.patch(issue.number, json!({"state": "closed", "state_reason": "completed"})).await
            }
            _ => Ok(()),
        }
    }
}

impl Tracker for GitHub {
    fn raise<'a>(&'a self, issue: &'a IssueText) -> BoxFuture<'a, anyhow::Result<Published>> {
        Box::pin(async {
            let raised = self.raise_issue(issue).await;
            raised.map_err(|failure| explain(Need::Issues, "the issue could not be published", &failure))
        })
    }

    fn close<'a>(&'a self, marker: &'a str, label: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let closed = self.close_issue(marker, label).await;
            closed.map_err(|failure| explain(Need::Issues, "the issue could not be closed", &failure))
        })
    }
}

//! Issues: found by their marker, opened, reopened, brought up to date, closed.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GitLab, PAGES, TITLE};
use crate::platform::http::{Call, Failure, encoded, line};
use crate::platform::marker::{self, Standing};
use crate::platform::mend::Need;
use crate::platform::{IssueText, Published, Tracker};

/// Pages of open issues that are searched where the label was taken off.
const UNLABELLED_PAGES: usize = 3;

#[derive(Deserialize)]
struct Issue {
    iid: u64,
    web_url: String,
    state: String,
    title: String,
    description: Option<String>,
    #[serde(default)]
    labels: Vec<String>,
}

impl GitLab {
    async fn issue(&self, marker: &str, label: &str) -> Result<Option<Issue>, Failure> {
        let wanted = |issue: Issue| {
            marker::is_in(issue.description.as_deref().unwrap_or_default(), marker).then_some(issue)
        };
        let labelled = self.path(&format!("/issues?scope=all&sort=asc&labels={}", encoded(label)));
        if let Some(found) = self.sender().find(&labelled, None, PAGES, wanted).await? {
            return Ok(Some(found));
        }
        let open = self.path("/issues?scope=all&state=opened&order_by=updated_at");
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
            notes.push(self.explain(Need::Issues, "the labels could not be made", &failure).to_string());
        }
        let body = json!({
            "title": line(&issue.title, TITLE),
            "description": marker::seal(&issue.body),
            "labels": issue.labels.join(","),
        });
        let call = Call::new(self.path("/issues"), body);
        let made: Issue = self.sender().create(&call, || self.issue(marker, label)).await?;
        Ok(Published { url: Some(made.web_url), notes })
    }

    async fn update_issue(&self, there: &Issue, issue: &IssueText) -> Result<Published, Failure> {
        let mut change = Map::new();
        let mut notes = Vec::new();
        let title = line(&issue.title, TITLE);
        match marker::standing(there.description.as_deref().unwrap_or_default(), &issue.body) {
            Standing::Same => {}
            Standing::Update(body) => {
                change.insert("description".into(), body.into());
            }
            Standing::Rewritten | Standing::Foreign => {
                self.note(&format!("/issues/{}", there.iid), &marker::as_comment(&issue.body)).await?;
                notes.push("a person wrote the issue's text, so it stays; pace's is a note below it".into());
            }
        }
        if there.title != title && notes.is_empty() {
            change.insert("title".into(), title.into());
        }
        if there.state != "opened" {
            change.insert("state_event".into(), "reopen".into());
        }
        let missing: Vec<_> =
            issue.labels.iter().filter(|label| !there.labels.contains(label)).cloned().collect();
        if !missing.is_empty() {
            self.ensure_labels(&missing).await?;
            let all: Vec<_> = there.labels.iter().chain(&missing).map(String::as_str).collect();
            change.insert("labels".into(), all.join(",").into());
        }
        if !change.is_empty() {
            self.put_issue(there.iid, Value::Object(change)).await?;
        }
        Ok(Published { url: Some(there.web_url.clone()), notes })
    }

    async fn put_issue(&self, iid: u64, change: Value) -> Result<(), Failure> {
        let path = self.path(&format!("/issues/{iid}"));
        self.sender().send(&Call::set(Method::PUT, path, change)).await.map(drop)
    }

    async fn close_issue(&self, marker: &str, label: &str) -> Result<(), Failure> {
        match self.issue(marker::name(marker).unwrap_or(marker), label).await? {
            Some(issue) if issue.state == "opened" => {
                self.put_issue(issue.iid, json!({"state_event": "close"})).await
            }
            _ => Ok(()),
        }
    }
}

impl Tracker for GitLab {
    fn raise<'a>(&'a self, issue: &'a IssueText) -> BoxFuture<'a, anyhow::Result<Published>> {
        Box::pin(async {
            let raised = self.raise_issue(issue).await;
            raised.map_err(|failure| self.explain(Need::Issues, "the issue could not be published", &failure))
        })
    }

    fn close<'a>(&'a self, marker: &'a str, label: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let closed = self.close_issue(marker, label).await;
            closed.map_err(|failure| self.explain(Need::Issues, "the issue could not be closed", &failure))
        })
    }
}

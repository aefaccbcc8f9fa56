//! The merge request of the sprint branch.

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{GitLab, PAGES, TITLE};
use crate::platform::http::{Call, Failure, encoded, line};
use crate::platform::marker::{self, Standing};
use crate::platform::mend::Need;
use crate::platform::{Line, Published, Review, ReviewText};

/// By this beginning of its title a merge request is a draft.
const DRAFT: &str = "Draft: ";

#[derive(Deserialize)]
struct MergeRequest {
    iid: u64,
    web_url: String,
    title: String,
    description: Option<String>,
    state: String,
    #[serde(default)]
    labels: Vec<String>,
    sha: Option<String>,
}

#[derive(Deserialize)]
struct Approvals {
    #[serde(default)]
    approved_by: Vec<ApprovedBy>,
}

#[derive(Deserialize)]
struct ApprovedBy {
    /// Newer versions only.
    approved_at: Option<String>,
}

#[derive(Deserialize)]
struct Commit {
    created_at: Option<String>,
}

impl GitLab {
    /// The open merge request from `line.branch` to `line.base`: GitLab allows no second one.
    async fn merge_request(&self, line: &Line) -> Result<Option<MergeRequest>, Failure> {
        Ok(self.merge_requests(line, "opened").await?.into_iter().next())
    }

    async fn merge_requests(&self, line: &Line, state: &str) -> Result<Vec<MergeRequest>, Failure> {
        let (branch, base) = (encoded(&line.branch), encoded(&line.base));
        let path =
            self.path(&format!("/merge_requests?state={state}&source_branch={branch}&target_branch={base}"));
        self.sender().all(&path, None, PAGES).await
    }

    async fn publish_review(&self, review: &ReviewText) -> Result<Published, Failure> {
        let look = || self.merge_request(&review.line);
        if let Some(there) = look().await? {
            return self.update(&there, review).await;
        }
        let body = json!({
            "source_branch": review.line.branch,
            "target_branch": review.line.base,
            "title": title(review, review.draft),
            "description": marker::seal(&review.body),
        });
        let call = Call::new(self.path("/merge_requests"), body);
        match self.sender().create::<MergeRequest, _>(&call, look).await {
            Ok(made) => Ok(Published { url: Some(made.web_url), notes: vec![] }),
            // Another run opened it in between.
            Err(failure) if failure.status() == Some(409) => match look().await? {
                Some(there) => self.update(&there, review).await,
                None => Err(failure),
            },
            Err(failure) => Err(failure),
        }
    }

    async fn update(&self, there: &MergeRequest, review: &ReviewText) -> Result<Published, Failure> {
        let mut change = Map::new();
        let mut notes = Vec::new();
        // A draft stays one until the sprint is through; a person who made it ready is not overruled.
        let wanted = title(review, review.draft && there.title.starts_with(DRAFT));
        match marker::standing(there.description.as_deref().unwrap_or_default(), &review.body) {
            Standing::Same => {}
            Standing::Update(body) => {
                change.insert("description".into(), body.into());
            }
            Standing::Rewritten | Standing::Foreign => {
                self.note(&format!("/merge_requests/{}", there.iid), &marker::as_comment(&review.body))
                    .await?;
                notes.push(
                    "a person wrote the merge request's text, so it stays; pace's is a note below it".into(),
                );
            }
        }
        if there.title != wanted && notes.is_empty() {
            change.insert("title".into(), wanted.into());
        }
        if !change.is_empty() {
            self.put(there.iid, Value::Object(change)).await?;
        }
        Ok(Published { url: Some(there.web_url.clone()), notes })
    }

    async fn put(&self, iid: u64, change: Value) -> Result<(), Failure> {
        let path = self.path(&format!("/merge_requests/{iid}"));
        self.sender().send(&Call::set(Method::PUT, path, change)).await.map(drop)
    }

    async fn label_review(&self, line: &Line, label: &str, wanted: bool) -> Result<(), Failure> {
        let Some(there) = self.merge_request(line).await? else { return Ok(()) };
        let mut labels = there.labels;
        if labels.iter().any(|name| name == label) == wanted {
            return Ok(());
        }
        if wanted {
            self.ensure_label(label).await?;
            labels.push(label.to_owned());
        } else {
            labels.retain(|name| name != label);
        }
        self.put(there.iid, json!({"labels": labels.join(",")})).await
    }

    async fn note_review(&self, line: &Line, body: &str) -> Result<(), Failure> {
        let Some(there) = self.merge_request(line).await? else { return Ok(()) };
        self.note(&format!("/merge_requests/{}", there.iid), body).await
    }

    async fn approved_commits(&self, line: &Line) -> Result<Vec<String>, Failure> {
        let mut commits = Vec::new();
        for there in self.merge_requests(line, "all").await? {
            let Some(sha) = there.sha else { continue };
            let passed = match there.state.as_str() {
                "merged" => true,
                "opened" => self.head_is_approved(there.iid, &sha).await?,
                _ => false,
            };
            commits.extend(passed.then_some(sha));
        }
        Ok(commits)
    }

    /// GitLab does not say at which commit somebody approved. An approval counts for the head where it is younger than
    /// the head; without times none counts.
    async fn head_is_approved(&self, iid: u64, sha: &str) -> Result<bool, Failure> {
        let at = self.path(&format!("/merge_requests/{iid}/approvals"));
        let approvals: Approvals = self.sender().json(&Call::get(at)).await?;
        if approvals.approved_by.is_empty() {
            return Ok(false);
        }
        let head = self.path(&format!("/repository/commits/{}", encoded(sha)));
        let commit: Commit = self.sender().json(&Call::get(head)).await?;
        let time = |text: Option<String>| text.and_then(|text| text.parse::<Timestamp>().ok());
        let made = time(commit.created_at);
        let since =
            |by: ApprovedBy| matches!((time(by.approved_at), made), (Some(at), Some(made)) if at > made);
        Ok(approvals.approved_by.into_iter().any(since))
    }
}

fn title(review: &ReviewText, draft: bool) -> String {
    format!("{}{}", if draft { DRAFT } else { "" }, line(&review.title, TITLE))
}

impl Review for GitLab {
    fn publish<'a>(&'a self, review: &'a ReviewText) -> BoxFuture<'a, anyhow::Result<Published>> {
        Box::pin(async {
            let published = self.publish_review(review).await;
            let what = "the merge request could not be published";
            published.map_err(|failure| self.explain(Need::Reviews, what, &failure))
        })
    }

    fn label<'a>(
        &'a self,
        line: &'a Line,
        label: &'a str,
        wanted: bool,
    ) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let labelled = self.label_review(line, label, wanted).await;
            labelled.map_err(|failure| {
                self.explain(Need::Reviews, &format!("the label {label} could not be set"), &failure)
            })
        })
    }

    fn note<'a>(&'a self, line: &'a Line, body: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let noted = self.note_review(line, body).await;
            noted.map_err(|failure| self.explain(Need::Reviews, "the day's note could not be kept", &failure))
        })
    }

    fn approved<'a>(&'a self, line: &'a Line) -> BoxFuture<'a, anyhow::Result<Vec<String>>> {
        Box::pin(async {
            let what = "the merge requests could not be read";
            self.approved_commits(line).await.map_err(|failure| self.explain(Need::Reviews, what, &failure))
        })
    }
}

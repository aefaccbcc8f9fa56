//! The pull request of the sprint branch.

use futures_util::future::BoxFuture;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{GitHub, Label, PAGES, TITLE, explain};
use crate::platform::http::{Call, Failure, encoded, line};
use crate::platform::marker::{self, Standing};
use crate::platform::mend::Need;
use crate::platform::{Line, Published, Review, ReviewText};

/// Accounts of these relations to the repository may approve.
const MAY_APPROVE: [&str; 3] = ["OWNER", "MEMBER", "COLLABORATOR"];

#[derive(Deserialize)]
struct Pull {
    number: u64,
    html_url: String,
    title: String,
    body: Option<String>,
    #[serde(default)]
    draft: bool,
    #[serde(default)]
    labels: Vec<Label>,
    merged_at: Option<String>,
    state: String,
    head: Head,
}

#[derive(Deserialize)]
struct Head {
    sha: String,
}

#[derive(Deserialize)]
struct Said {
    state: String,
    commit_id: Option<String>,
    author_association: String,
    user: Option<Account>,
}

#[derive(Deserialize)]
struct Account {
    id: u64,
}

impl GitHub {
    /// The open pull request from `line.branch` to `line.base`: GitHub allows no second one.
    async fn pull(&self, line: &Line) -> Result<Option<Pull>, Failure> {
        Ok(self.pulls(line, "open").await?.into_iter().next())
    }

    async fn pulls(&self, line: &Line, state: &str) -> Result<Vec<Pull>, Failure> {
        let head = encoded(&format!("{}:{}", self.inner.owner, line.branch));
        let path = self.path(&format!("/pulls?state={state}&head={head}&base={}", encoded(&line.base)));
        self.sender().all(&path, None, PAGES).await
    }

    async fn open(&self, review: &ReviewText, draft: bool) -> Result<Pull, Failure> {
        let body = json!({
            "title": line(&review.title, TITLE),
            "head": review.line.branch,
            "base": review.line.base,
            "body": marker::seal(&review.body),
            "draft": draft,
        });
        let call = Call::new(self.path("/pulls"), body);
        self.sender().create(&call, || self.pull(&review.line)).await
    }

    async fn publish_review(&self, review: &ReviewText) -> Result<Published, Failure> {
        if let Some(pull) = self.pull(&review.line).await? {
            return self.update(&pull, review).await;
        }
        let mut opened = self.open(review, review.draft).await;
        if review.draft && is(&opened, 422, "draft") {
            opened = self.open(review, false).await;
        }
        if is(&opened, 422, "already exists")
            && let Some(pull) = self.pull(&review.line).await?
        {
            return self.update(&pull, review).await;
        }
        if is(&opened, 422, "no commits between") {
            let Line { branch, base } = &review.line;
            let note = format!("no pull request: {branch} has no commit that {base} has not");
            return Ok(Published { url: None, notes: vec![note] });
        }
        opened.map(|pull| Published { url: Some(pull.html_url), notes: vec![] })
    }

    async fn update(&self, pull: &Pull, review: &ReviewText) -> Result<Published, Failure> {
        let mut notes = Vec::new();
        let title = line(&review.title, TITLE);
        let change = match marker::standing(pull.body.as_deref().unwrap_or_default(), &review.body) {
            Standing::Same if pull.title == title => None,
            Standing::Same => Some(json!({"title": title})),
            Standing::Update(body) => Some(json!({"title": title, "body": body})),
            Standing::Rewritten | Standing::Foreign => {
                self.comment(pull.number, &marker::as_comment(&review.body)).await?;
                notes.push(
                    "a person wrote the pull request's text, so it stays; pace's is a comment below it"
                        .into(),
                );
                None
            }
        };
        if let Some(change) = change {
            let path = self.path(&format!("/pulls/{}", pull.number));
            self.sender().send(&Call::set(Method::PATCH, path, change)).await?;
        }
        if pull.draft && !review.draft {
            notes.push("the pull request is still a draft: mark it as ready for review".into());
        }
        Ok(Published { url: Some(pull.html_url.clone()), notes })
    }

    async fn label_review(&self, line: &Line, label: &str, wanted: bool) -> Result<(), Failure> {
        let Some(pull) = self.pull(line).await? else { return Ok(()) };
        let there = pull.labels.iter().any(|there| there.name == label);
        if there == wanted {
            return Ok(());
        }
        let labels = self.path(&format!("/issues/{}/labels", pull.number));
        if wanted {
            self.ensure_label(label).await?;
            self.sender().send(&Call::set(Method::POST, labels, json!({"labels": [label]}))).await?;
            return Ok(());
        }
        let gone = Call {
            method: Method::DELETE,
            path: format!("{labels}/{}", encoded(label)),
            body: None,
            repeatable: true,
        };
        match self.sender().send(&gone).await {
            Err(Failure::Refused { status: 404, .. }) => Ok(()),
            other => other.map(drop),
        }
    }

    async fn approved_commits(&self, line: &Line) -> Result<Vec<String>, Failure> {
        let mut commits = Vec::new();
        for pull in self.pulls(line, "all").await? {
            if pull.merged_at.is_some() {
                commits.push(pull.head.sha);
            } else if pull.state == "open" {
                commits.extend(self.approvals(pull.number).await?);
            }
        }
        Ok(commits)
    }

    async fn approvals(&self, number: u64) -> Result<Vec<String>, Failure> {
        let said: Vec<Said> =
            self.sender().all(&self.path(&format!("/pulls/{number}/reviews")), None, PAGES).await?;
        // The last word of each account counts; a comment takes nothing back.
        let mut last = std::collections::BTreeMap::new();
        for review in said.into_iter().filter(|r| r.state != "COMMENTED" && r.state != "PENDING") {
            if let Some(user) = &review.user {
                last.insert(user.id, review);
            }
        }
        let approved = last.into_values().filter(|review| {
            review.state == "APPROVED" && MAY_APPROVE.contains(&review.author_association.as_str())
        });
        Ok(approved.filter_map(|review| review.commit_id).collect())
    }
}

/// Whether the API refused with `status` and said `word`.
fn is<T>(result: &Result<T, Failure>, status: u16, word: &str) -> bool {
    matches!(result, Err(Failure::Refused { status: s, said, .. })
        if *s == status && said.to_lowercase().contains(word))
}

impl Review for GitHub {
    fn publish<'a>(&'a self, review: &'a ReviewText) -> BoxFuture<'a, anyhow::Result<Published>> {
        Box::pin(async {
            let published = self.publish_review(review).await;
            published.map_err(|failure| {
                explain(Need::Reviews, "the pull request could not be published", &failure)
            })
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
                explain(Need::Reviews, &format!("the label {label} could not be set"), &failure)
            })
        })
    }

    /// The job has a summary of its own.
    fn note<'a>(&'a self, _line: &'a Line, _body: &'a str) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn approved<'a>(&'a self, line: &'a Line) -> BoxFuture<'a, anyhow::Result<Vec<String>>> {
        Box::pin(async {
            let approved = self.approved_commits(line).await;
            approved
                .map_err(|failure| explain(Need::Reviews, "the pull requests could not be read", &failure))
        })
    }
}

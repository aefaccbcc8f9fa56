//! What the token and the accounts around a run may do.
//!
//! GitHub tells no token what it may write, but it checks the permission before it checks the content: a write that
//! can never succeed is answered with 422 where the permission is there and with 403 where it is not.

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{GitHub, PAGES, explain};
use crate::domain::observation::Protection;
use crate::platform::http::{Call, Failure, encoded};
use crate::platform::mend::Need;
use crate::platform::{Access, Obstacle, Probe};

#[derive(Deserialize)]
struct Repository {
    default_branch: String,
    #[serde(default)]
    archived: bool,
    #[serde(default = "yes")]
    has_issues: bool,
}

const fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Permission {
    permission: String,
}

impl GitHub {
    async fn probes(&self) -> Vec<Probe> {
        let repository: Repository = match self.sender().json(&Call::get(self.path(""))).await {
            Ok(repository) => repository,
            Err(failure) => {
                let problem = explain(Need::Project, "the repository cannot be read", &failure);
                return vec![Probe {
                    what: "read the repository".into(),
                    problem: Some(problem.to_string()),
                }];
            }
        };
        let writable = (!repository.archived)
            .then_some(())
            .ok_or_else(|| "the repository is archived, which makes it read-only".to_owned());
        let branch = &repository.default_branch;
        let pull = json!({"title": "pace check", "head": branch, "base": branch});
        let issues = if repository.has_issues {
            self.may("/issues", json!({"title": ""}), Need::Issues).await
        } else {
            Err("issues are switched off: switch them on (Settings, Features), or set PACE_TRACKER=local"
                .into())
        };
        let answers = [
            ("read the repository", writable),
            ("open pull requests", self.may("/pulls", pull, Need::Reviews).await),
            ("open issues", issues),
            ("read checks", self.reads_checks(branch).await),
        ];
        answers.map(|(what, answer)| Probe { what: what.into(), problem: answer.err() }).into()
    }

    /// Sends a write that GitHub refuses for its content, if not before for the permission.
    async fn may(&self, path: &str, body: Value, need: Need) -> Result<(), String> {
        let mut call = Call::new(self.path(path), body);
        call.repeatable = true;
        match self.sender().send(&call).await {
            Ok(_) | Err(Failure::Refused { status: 422, .. }) => Ok(()),
            Err(failure) => Err(explain(need, "not allowed", &failure).to_string()),
        }
    }

    async fn reads_checks(&self, branch: &str) -> Result<(), String> {
        let path = self.path(&format!("/commits/{}/check-runs?per_page=1", encoded(branch)));
        match self.sender().send(&Call::get(path)).await {
            // An empty repository has no commit yet.
            Ok(_) | Err(Failure::Refused { status: 422 | 409, .. }) => Ok(()),
            Err(failure) => Err(explain(Need::Checks, "not allowed", &failure).to_string()),
        }
    }
}

/// A branch as everybody who may read the code sees it.
#[derive(Deserialize)]
pub(super) struct Branch {
    pub(super) protected: bool,
    protection: Option<Classic>,
}

#[derive(Deserialize)]
struct Classic {
    required_status_checks: Option<Required>,
}

impl Branch {
    /// Checks that classic protection requires.
    pub(super) fn checks(self) -> Vec<String> {
        let required = self.protection.and_then(|classic| classic.required_status_checks);
        required.map(|required| required.contexts).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Required {
    #[serde(default)]
    contexts: Vec<String>,
}

/// A rule of a ruleset that holds for a branch.
#[derive(Deserialize)]
pub(super) struct Rule {
    #[serde(rename = "type")]
    pub(super) kind: String,
    parameters: Option<Parameters>,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(default)]
    required_status_checks: Vec<Check>,
}

#[derive(Deserialize)]
struct Check {
    context: String,
}

impl GitHub {
    pub(super) async fn branch(&self, name: &str) -> Result<Branch, Failure> {
        self.sender().json(&Call::get(self.path(&format!("/branches/{}", encoded(name))))).await
    }

    /// The rules of rulesets that hold for a branch, also for one that is not there yet.
    pub(super) async fn rules(&self, branch: &str) -> Result<Vec<Rule>, Failure> {
        let path = self.path(&format!("/rules/branches/{}", encoded(branch)));
        self.sender().all(&path, None, PAGES).await
    }

    /// Classic protection and rulesets ask together. What a token may not read leaves nothing known.
    async fn required(&self, branch: &str) -> Result<Option<Protection>, Failure> {
        let at = self.branch(branch).await?;
        if !at.protected {
            return Ok(Some(Protection::Checks(vec![])));
        }
        let classic = at.checks();
        let rules = self.rules(branch).await?;
        let of_rules = rules.into_iter().filter(|rule| rule.kind == "required_status_checks");
        let checks = of_rules.filter_map(|rule| rule.parameters).flat_map(|p| p.required_status_checks);
        let all: Vec<String> = classic.into_iter().chain(checks.map(|check| check.context)).collect();
        // A protected branch without any required check may hide them from this token.
        Ok((!all.is_empty()).then_some(Protection::Checks(all)))
    }
}

impl Access for GitHub {
    fn obstacle<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, Option<Obstacle>> {
        Box::pin(self.obstacle_of(branch))
    }

    fn protection<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, anyhow::Result<Option<Protection>>> {
        Box::pin(async move {
            match self.required(branch).await {
                Ok(protection) => Ok(protection),
                Err(failure) => {
                    tracing::debug!("what {branch} asks for cannot be read: {failure}");
                    Ok(None)
                }
            }
        })
    }

    fn probe(&self) -> BoxFuture<'_, Vec<Probe>> {
        Box::pin(self.probes())
    }

    fn may_write<'a>(&'a self, login: &'a str) -> BoxFuture<'a, anyhow::Result<bool>> {
        Box::pin(async move {
            let path = self.path(&format!("/collaborators/{}/permission", encoded(login)));
            match self.sender().json::<Permission>(&Call::get(path)).await {
                Ok(answer) => Ok(matches!(answer.permission.as_str(), "admin" | "write")),
                Err(Failure::Refused { status: 404, .. }) => Ok(false),
                Err(failure) => {
                    Err(explain(Need::Project, &format!("the rights of {login} cannot be read"), &failure))
                }
            }
        })
    }
}

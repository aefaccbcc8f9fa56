//! What the token and the accounts around a run may do.

use futures_util::future::BoxFuture;
use serde::Deserialize;

use super::GitLab;
use crate::domain::observation::Protection;
use crate::platform::http::{Call, Failure, encoded};
use crate::platform::mend::{Door, Need};
use crate::platform::{Access, Obstacle, Probe};

/// Access levels (GitLab, roles and permissions).
const REPORTER: u32 = 20;
const DEVELOPER: u32 = 30;

#[derive(Deserialize)]
struct Project {
    #[serde(default)]
    archived: bool,
    permissions: Option<Permissions>,
    issues_access_level: Option<String>,
    merge_requests_access_level: Option<String>,
}

#[derive(Deserialize)]
struct Permissions {
    project_access: Option<Level>,
    group_access: Option<Level>,
}

#[derive(Deserialize)]
struct Level {
    access_level: u32,
}

#[derive(Deserialize)]
struct Member {
    username: String,
    access_level: u32,
}

impl Project {
    fn level(&self) -> Option<u32> {
        let permissions = self.permissions.as_ref()?;
        let levels = [&permissions.project_access, &permissions.group_access];
        levels.into_iter().flatten().map(|level| level.access_level).max()
    }
}

impl GitLab {
    async fn probes(&self) -> Vec<Probe> {
        if self.inner.door == Door::JobToken {
            let problem = "the job token (CI_JOB_TOKEN) can open neither merge requests nor issues; use a project \
                           access token with the `api` scope as GITLAB_TOKEN";
            return vec![Probe {
                what: "open merge requests and issues".into(),
                problem: Some(problem.into()),
            }];
        }
        let project: Project = match self.sender().json(&Call::get(self.path(""))).await {
            Ok(project) => project,
            Err(failure) => {
                let problem = self.explain(Need::Project, "the project cannot be read", &failure);
                return vec![Probe { what: "read the project".into(), problem: Some(problem.to_string()) }];
            }
        };
        let writable = (!project.archived)
            .then_some(())
            .ok_or_else(|| "the project is archived, which makes it read-only".to_owned());
        let answers = [
            ("read the project", writable),
            (
                "open merge requests",
                allowed(&project, DEVELOPER, "Developer", &project.merge_requests_access_level),
            ),
            ("open issues", allowed(&project, REPORTER, "Reporter", &project.issues_access_level)),
        ];
        answers.map(|(what, answer)| Probe { what: what.into(), problem: answer.err() }).into()
    }
}

fn allowed(project: &Project, least: u32, role: &str, feature: &Option<String>) -> Result<(), String> {
    if feature.as_deref() == Some("disabled") {
        return Err("switched off in the project (Settings, General, Visibility)".into());
    }
    // Without a word on permissions the token is an administrator's or the version too old to tell.
    match project.level() {
        Some(level) if level < least => Err(format!(
            "GITLAB_TOKEN's role in the project is too small: it needs {role} and the `api` scope"
        )),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
struct Merging {
    /// Shown to those who may see the project's merge settings.
    only_allow_merge_if_pipeline_succeeds: Option<bool>,
}

/// A branch as its project's members see it.
#[derive(Deserialize)]
struct Branch {
    #[serde(default)]
    protected: bool,
    /// Whether the asking account may push to it.
    can_push: Option<bool>,
}

impl GitLab {
    /// What cannot be read is no obstacle: the push will tell. Push rules are shown to maintainers alone.
    async fn obstacle_of(&self, branch: &str) -> Option<Obstacle> {
        if self.inner.door == Door::JobToken {
            // The answer would be about the person whose job it is.
            return None;
        }
        let path = self.path(&format!("/repository/branches/{}", encoded(branch)));
        let there: Branch = match self.sender().json(&Call::get(path)).await {
            Ok(there) => there,
            Err(failure) => {
                tracing::debug!("the rules of {branch} cannot be read: {failure}");
                return None;
            }
        };
        let text = match there {
            Branch { can_push: Some(false), protected: true } => format!(
                "{branch} is protected and GITLAB_TOKEN's role may not push to it: let the role push (Settings, \
                 Repository, Protected branches), or set PACE_BRANCH to a branch that is not protected"
            ),
            Branch { can_push: Some(false), protected: false } => {
                format!("GITLAB_TOKEN may not push to {branch}: it needs the role Developer")
            }
            Branch { .. } => return None,
        };
        Some(Obstacle { text, certain: true })
    }
}

impl Access for GitLab {
    fn obstacle<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, Option<Obstacle>> {
        Box::pin(self.obstacle_of(branch))
    }

    fn protection<'a>(&'a self, branch: &'a str) -> BoxFuture<'a, anyhow::Result<Option<Protection>>> {
        Box::pin(async move {
            if self.inner.door == Door::JobToken {
                return Ok(None);
            }
            match self.sender().json::<Merging>(&Call::get(self.path(""))).await {
                Ok(project) => Ok(project.only_allow_merge_if_pipeline_succeeds.map(Protection::Pipeline)),
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
            let path = self.path(&format!("/members/all?query={}", encoded(login)));
            let same = |member: Member| (member.username == login).then_some(member.access_level);
            match self.sender().find(&path, None, 1, same).await {
                Ok(level) => Ok(level.is_some_and(|level| level >= DEVELOPER)),
                Err(Failure::Refused { status: 404, .. }) => Ok(false),
                Err(failure) => Err(self.explain(
                    Need::Project,
                    &format!("the rights of {login} cannot be read"),
                    &failure,
                )),
            }
        })
    }
}

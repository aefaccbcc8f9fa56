//! What to do about a refusal: which permission, scope or setting is missing. The forges' own words are matched
//! here and nowhere else.

use super::http::Failure;

/// Where a call went, as far as the mend depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    GitHub,
    GitLab,
    /// GitLab, with the job's own token.
    GitLabJob,
}

/// What a call needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Reviews,
    Issues,
    Statuses,
    Checks,
    Project,
}

impl Need {
    /// The key below `permissions:` of a GitHub workflow.
    const fn key(self) -> &'static str {
        match self {
            Self::Reviews => "pull-requests: write",
            Self::Issues => "issues: write",
            Self::Statuses => "statuses: write",
            Self::Checks => "checks: read, statuses: read and actions: read",
            Self::Project => "contents: write",
        }
    }
}

/// `failure` of doing `what` as an error for people, with the mend where one is known.
pub(super) fn explain(door: Door, need: Need, what: &str, failure: &Failure) -> anyhow::Error {
    match mend(door, need, failure) {
        Some(mend) => anyhow::anyhow!("{what}: {failure}; {mend}"),
        None => anyhow::anyhow!("{what}: {failure}"),
    }
}

/// The mend of a refusal.
pub(super) fn mend(door: Door, need: Need, failure: &Failure) -> Option<String> {
    match failure {
        Failure::Refused { status, said, accepted } => match door {
            Door::GitHub => github(need, *status, &said.to_lowercase(), accepted.as_deref()),
            Door::GitLab | Door::GitLabJob => gitlab(door, need, *status, &said.to_lowercase()),
        },
        Failure::Unsure { .. } => Some(
            "nobody knows whether that was done; it is not written twice, the next run looks again"
                .to_owned(),
        ),
        Failure::Limited { .. } | Failure::Unreachable(_) => Some("the next run tries again".to_owned()),
        Failure::Unreadable(_) => None,
    }
}

fn github(need: Need, status: u16, said: &str, accepted: Option<&str>) -> Option<String> {
    let key = need.key();
    Some(match status {
        301 | 302 | 307 | 308 => "the repository has moved: set GITHUB_REPOSITORY to its new name".into(),
        401 => "GITHUB_TOKEN is invalid or has expired".into(),
        403 if said.contains("not permitted to create or approve pull requests") => {
            "switch on \"Allow GitHub Actions to create and approve pull requests\" (Settings, Actions, General), or \
             use the token of an App"
                .into()
        }
        403 if said.contains("saml") => "authorise the token for the organisation's single sign-on".into(),
        403 if said.contains("archived") => "the repository is archived, which makes it read-only".into(),
        403 | 404 => {
            let named = accepted.map(|text| format!(" (GitHub names {text})")).unwrap_or_default();
            let hidden = if status == 404 { ", or cannot see GITHUB_REPOSITORY at all" } else { "" };
            format!("the token lacks `permissions: {key}`{named}{hidden}")
        }
        410 if need == Need::Issues => {
            "switch the repository's issues on (Settings, Features), or set PACE_TRACKER=local".into()
        }
        _ => return None,
    })
}

fn gitlab(door: Door, need: Need, status: u16, said: &str) -> Option<String> {
    let token = "use a project access token with the `api` scope as GITLAB_TOKEN";
    Some(match status {
        301 | 302 | 307 | 308 => "the project has moved: set GITLAB_PROJECT to its new path".into(),
        401 | 403 | 404 if door == Door::GitLabJob => {
            format!("the job token (CI_JOB_TOKEN) may not do this, which GitLab reports as {status}; {token}")
        }
        401 => format!("GITLAB_TOKEN is invalid, revoked or has expired; {token}"),
        403 if said.contains("insufficient_scope") || said.contains("scope") => {
            format!("GITLAB_TOKEN has too small a scope; {token}")
        }
        403 | 404 if need == Need::Project => {
            format!("GITLAB_TOKEN cannot see the project, or GITLAB_PROJECT is wrong; {token}")
        }
        403 | 404 => {
            let role = if need == Need::Issues { "Reporter" } else { "Developer" };
            let feature = match need {
                Need::Issues => "; issues may be switched off (Settings, General, Visibility)",
                Need::Reviews => "; merge requests may be switched off (Settings, General, Visibility)",
                _ => "",
            };
            format!("GITLAB_TOKEN needs the `api` scope and the role {role} in the project{feature}")
        }
        _ => return None,
    })
}

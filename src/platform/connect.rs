//! Settings → the platform of a run.

use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use super::github::GitHub;
use super::gitlab::GitLab;
use super::http::{Patience, encoded};
use super::local::Local;
use super::{Access, Ci, Line, Review, Status, Tracker};
use crate::secret::Secret;
use crate::settings::{PlatformKind, Settings};

/// How long a forge may take to answer one call.
const ANSWER: Duration = Duration::from_secs(30);

/// Everything that a run publishes to, by capability.
#[derive(Clone)]
pub(crate) struct Platform {
    /// `github`, `gitlab` or `local`; with another tracker, e.g. `local, issues on github`.
    pub name: String,
    pub review: Arc<dyn Review>,
    pub tracker: Arc<dyn Tracker>,
    pub status: Arc<dyn Status>,
    pub ci: Arc<dyn Ci>,
    pub access: Arc<dyn Access>,
    /// Beginning and end of the address where people open a review themselves, around base and branch.
    web: Option<Web>,
}

/// The forge's pages.
#[derive(Debug, Clone)]
enum Web {
    /// Address of the repository.
    GitHub(String),
    /// Address of the project.
    GitLab(String),
}

impl Platform {
    /// The platform of a checkout without a forge.
    pub(crate) fn local() -> Self {
        Self::of("local", Local)
    }

    /// Where people open the review of `line` themselves.
    pub(crate) fn compare_url(&self, line: &Line) -> Option<String> {
        let (branch, base) = (encoded(&line.branch), encoded(&line.base));
        Some(match self.web.as_ref()? {
            Web::GitHub(at) => format!("{at}/compare/{base}...{branch}?expand=1"),
            Web::GitLab(at) => format!(
                "{at}/-/merge_requests/new?merge_request%5Bsource_branch%5D={branch}\
                 &merge_request%5Btarget_branch%5D={base}"
            ),
        })
    }

    fn of<P: Review + Tracker + Status + Ci + Access + Clone + 'static>(name: &str, platform: P) -> Self {
        let platform = Arc::new(platform);
        Self {
            name: name.to_owned(),
            review: platform.clone(),
            tracker: platform.clone(),
            status: platform.clone(),
            ci: platform.clone(),
            access: platform,
            web: None,
        }
    }
}

/// What a forge is reached with.
pub(super) struct Address {
    /// API root without a trailing slash.
    pub api: String,
    /// `owner/name`, or a GitLab project path or number.
    pub project: String,
    pub token: Secret,
    pub is_job_token: bool,
    /// Number of the run that this is, so that it does not wait for itself.
    pub run_id: Option<String>,
    /// How long to wait for the CI of a commit.
    pub ci_timeout: Duration,
    /// How long to wait for one answer.
    pub answer: Duration,
    pub patience: Patience,
    pub clock: Arc<dyn Clock>,
}

/// Connects to the platform that `settings` name; makes no call.
///
/// # Errors
/// Every missing setting, one a line.
pub(crate) fn connect(settings: &Settings, http: reqwest::Client) -> Result<Platform, Vec<String>> {
    let (kind, tracker) = (settings.platform.kind, settings.platform.tracker);
    let forge = if kind == PlatformKind::Local { tracker } else { kind };
    if forge == PlatformKind::Local {
        return Ok(Platform::local());
    }
    if tracker != PlatformKind::Local && tracker != forge {
        return Err(vec![
            "PACE_TRACKER names another forge than PACE_PLATFORM; use the same one, or local".into(),
        ]);
    }
    let address = address(settings, forge)?;
    let web = web(settings, forge);
    let mut forge_platform = match forge {
        PlatformKind::GitHub => of_github(address, http).map_err(|problem| vec![problem])?,
        _ => of_gitlab(address, http),
    };
    let local = Platform::local();
    forge_platform.web = web;
    Ok(if kind == PlatformKind::Local {
        let name = format!("local, issues on {}", forge_platform.name);
        Platform { name, tracker: forge_platform.tracker, access: forge_platform.access, ..local }
    } else if tracker == PlatformKind::Local {
        Platform { tracker: local.tracker, ..forge_platform }
    } else {
        forge_platform
    })
}

pub(super) fn of_github(address: Address, http: reqwest::Client) -> Result<Platform, String> {
    Ok(Platform::of("github", GitHub::new(address, http)?))
}

pub(super) fn of_gitlab(address: Address, http: reqwest::Client) -> Platform {
    Platform::of("gitlab", GitLab::new(address, http))
}

/// GitLab's pages go by the project's path, not by its number.
fn web(settings: &Settings, forge: PlatformKind) -> Option<Web> {
    let (server, project) = (settings.platform.server_url.as_ref()?, settings.platform.project.as_ref()?);
    match forge {
        PlatformKind::GitHub => Some(Web::GitHub(format!("{server}/{project}"))),
        _ if project.bytes().all(|byte| byte.is_ascii_digit()) => None,
        _ => Some(Web::GitLab(format!("{server}/{project}"))),
    }
}

fn address(settings: &Settings, forge: PlatformKind) -> Result<Address, Vec<String>> {
    let platform = &settings.platform;
    let (token, project, hint) = match forge {
        PlatformKind::GitHub => {
            ("GITHUB_TOKEN", "GITHUB_REPOSITORY", "pass `${{ github.token }}` or the token of an App")
        }
        _ => ("GITLAB_TOKEN", "GITLAB_PROJECT", "use a project access token with the `api` scope"),
    };
    let mut problems = Vec::new();
    if platform.token.is_none() {
        problems.push(format!("{token} is not set: {hint}, or set PACE_PLATFORM=local to publish to files"));
    }
    if platform.project.is_none() {
        problems.push(format!(
            "{project} is not set: name the project to publish to, or set PACE_PLATFORM=local"
        ));
    }
    let (Some(secret), Some(name), Some(api)) = (&platform.token, &platform.project, &platform.api_url)
    else {
        return Err(problems);
    };
    Ok(Address {
        api: api.clone(),
        project: name.clone(),
        token: secret.clone(),
        is_job_token: platform.token_is_job_token,
        run_id: settings.ci.run_id.clone(),
        ci_timeout: settings.limits.ci,
        answer: ANSWER,
        patience: Patience::default(),
        clock: Arc::new(SystemClock),
    })
}

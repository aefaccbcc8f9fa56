//! Where a run takes place: the repository with its remote, its sandbox and its books, opened from the settings.
//! Knows no day.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::agent::setup::ProjectSetup;
use crate::domain::dependencies::Dependencies;
use crate::domain::event::Level;
use crate::domain::plan::Plan;
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::evidence::scan;
use crate::journal::Seal;
use crate::repo::{GitRepo, JOB_USER, Options, OwnRefs, PushRules, ReadRefs, Repository};
use crate::sandbox::ground::Ground;
use crate::sandbox::{self, Sandbox};
use crate::secret::Redactor;
use crate::settings::{PlatformKind, Push, Settings};
use crate::store::artifacts::Store;
use crate::store::plan;

/// The parts of a run that do not depend on the day.
pub(crate) struct Site {
    pub root: PathBuf,
    pub repo: Arc<dyn Repository>,
    pub sandbox: Arc<dyn Sandbox>,
    pub store: Store,
    /// What the setup made, once it ran.
    pub dependencies: Dependencies,
    /// The setup, once it ran; empty where there is nothing to install.
    pub setup: OnceLock<Arc<ProjectSetup>>,
    /// pace's own references on the remote; `None` where nothing is pushed.
    pub own_refs: Option<OwnRefs>,
    /// The same to be looked at, also where nothing is pushed.
    pub read_refs: Option<ReadRefs>,
}

impl Site {
    /// Opens the repository around `dir`; its transfers go over `http`. A sandbox that this machine cannot offer
    /// is exit 4.
    pub(crate) async fn open(settings: &Settings, dir: &Path, http: &reqwest::Client) -> Result<Self, Error> {
        let mut site = Self::without_children(settings, dir, http)?;
        let plan = plan::locate(&site.root, settings.plan.as_deref()).ok();
        let plan = plan.and_then(|path| Some(path.strip_prefix(&site.root).ok()?.to_str()?.to_owned()));
        let made = site.dependencies.clone();
        let ground = Ground::new(settings, site.root.clone(), plan, made, redactor(settings));
        site.sandbox = sandbox::ground::choose(settings, ground).await.map_err(Error::Abort)?;
        Ok(site)
    }

    /// The same for a job that starts no child process, on a machine that need not offer a sandbox.
    pub(crate) fn without_children(
        settings: &Settings,
        dir: &Path,
        http: &reqwest::Client,
    ) -> Result<Self, Error> {
        let root = crate::repo::discover(dir)?;
        let dependencies = Dependencies::default();
        let repo = open_repo(settings, &root, http, &dependencies)?;
        let (own_refs, read_refs) = (repo.own_refs(), repo.read_refs());
        let sandbox = Arc::new(sandbox::open::Open {
            env: vec![],
            dependencies: dependencies.clone(),
            redactor: redactor(settings),
        });
        let store = Store::new(root.clone()).with_handoff(&settings.handoff);
        let repo = Arc::new(repo);
        Ok(Self { root, repo, sandbox, store, dependencies, setup: OnceLock::new(), own_refs, read_refs })
    }
}

/// The one client of a run: for the model, git and the forge.
pub(crate) fn http(settings: &Settings) -> Result<reqwest::Client, Error> {
    crate::http::client(&settings.ca_files).map_err(|e| Error::config(format!("PACE_CA_FILE: {e:#}")))
}

/// Masks the run's own secrets, and whatever has the form of a provider's.
pub(crate) fn redactor(settings: &Settings) -> Redactor {
    Redactor::new(&settings.secrets()).with_patterns(scan::redact)
}

/// The seal of this run's journal.
pub(crate) fn seal(settings: &Settings) -> Seal {
    Seal::new(settings.llm.api_key.as_ref())
}

fn open_repo(
    settings: &Settings,
    root: &Path,
    http: &reqwest::Client,
    dependencies: &Dependencies,
) -> Result<GitRepo, Error> {
    let mut options = Options {
        rules: settings.git.branch.clone(),
        identity: settings.git.identity.clone(),
        push: push_rules(settings),
        remote: None,
        kept: dependencies.clone(),
        http: http.clone(),
        runtime: tokio::runtime::Handle::current(),
    };
    let repo = GitRepo::open(root, options.clone())?;
    let at_home = !settings.ci.present && settings.platform.kind == PlatformKind::Local;
    match repo.remote_url() {
        Some(url) if settings.git.push == Push::Auto && at_home && url.contains("://") => {
            options.push.never =
                Some(format!("outside CI pace does not push to {url} unless PACE_PUSH=true"));
            Ok(GitRepo::open(root, options)?)
        }
        _ => Ok(repo),
    }
}

/// Whether and with what pushes go out.
fn push_rules(settings: &Settings) -> PushRules {
    let platform = &settings.platform;
    let forge = if platform.kind == PlatformKind::Local { platform.tracker } else { platform.kind };
    let user = match forge {
        PlatformKind::GitLab if platform.token_is_job_token => JOB_USER,
        PlatformKind::GitLab => "oauth2",
        PlatformKind::GitHub | PlatformKind::Local => "x-access-token",
    };
    let token = platform.token.clone().or_else(|| settings.git.read_token.clone());
    let credential =
        token.zip(platform.server_url.clone()).map(|(token, server)| (user.to_owned(), token, server));
    let never = match (settings.stage, settings.git.push) {
        (Stage::Work, _) => Some("PACE_STAGE=work: the publishing job pushes".to_owned()),
        (_, Push::Never) => Some("PACE_PUSH=false".to_owned()),
        _ => None,
    };
    PushRules { never, credential }
}

/// The plan and its path from the root.
pub(crate) fn read_plan(
    settings: &Settings,
    root: &Path,
    notice: &dyn Fn(Level, String),
) -> Result<(String, Plan), Error> {
    let path = plan::locate(root, settings.plan.as_deref()).map_err(Error::Plan)?;
    let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
    let parsed = plan::load(root, &path).map_err(Error::Plan)?;
    for warning in parsed.warnings {
        notice(Level::Warning, warning);
    }
    Ok((name, parsed.plan))
}

/// Paths of the work tree that may tell its runner: two levels deep, ignored files left out.
pub(crate) fn root_files(root: &Path) -> Vec<String> {
    let walk = ignore::WalkBuilder::new(root).hidden(false).max_depth(Some(3)).build();
    let files =
        walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    files
        .filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/")))
        .filter(|path| !path.starts_with(".git/"))
        .collect()
}

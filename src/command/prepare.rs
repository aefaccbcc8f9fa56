//! Everything that is settled before the first model call: repository, branch, plan, which day, what it starts
//! from. Spends nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::selection::{day_in_plan, earlier_days_shipped, first_unshipped, shipped, unchanged_hold};
use super::terms::{Chosen, terms};
use super::{budget, gate_days, sprint};
use crate::agent::tests::ProjectTests;
use crate::day::sprint::PROGRESS;
use crate::day::start::Start;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::plan::Plan;
use crate::domain::terms::{Stage, Terms};
use crate::error::Error;
use crate::evidence::runner;
use crate::platform::Platform;
use crate::prompt::Templates;
use crate::repo::{Branch, GitRepo, Options, PushRules, Repository};
use crate::sandbox::ground::Ground;
use crate::sandbox::{self, Sandbox};
use crate::settings::{DayChoice, PlatformKind, Push, Settings};
use crate::store::artifacts::Store;
use crate::store::plan;

/// The parts of a run that do not depend on the day.
pub(crate) struct Site {
    pub root: PathBuf,
    pub repo: Arc<dyn Repository>,
    pub sandbox: Arc<dyn Sandbox>,
    pub store: Store,
}

/// The one client of a run: for the model, git and the forge.
pub(crate) fn http(settings: &Settings) -> Result<reqwest::Client, Error> {
    crate::http::client(&settings.ca_files).map_err(|e| Error::config(format!("PACE_CA_FILE: {e:#}")))
}

/// What preparing came to.
pub(crate) enum Prepared {
    Go(Box<Start>),
    /// A person has the word first; why.
    Waits(String),
    /// The day had shipped: its decision again.
    Shipped(Decision),
    /// `DAY=auto`: the day is on HOLD, and neither plan nor code changed since.
    Held {
        day: u32,
        reason: String,
    },
    /// `DAY=auto`: every day has shipped.
    Finished,
    /// `PACE_DAILY_BUDGET` is used up; US dollars.
    BudgetUsed {
        budget: f64,
    },
}

impl Site {
    /// Opens the repository around `dir`; its transfers go over `http`. A sandbox that this machine cannot offer
    /// is exit 4.
    pub(crate) async fn open(settings: &Settings, dir: &Path, http: &reqwest::Client) -> Result<Self, Error> {
        let root = crate::repo::discover(dir)?;
        let plan = plan::locate(&root, settings.plan.as_deref()).ok();
        let plan = plan.and_then(|path| Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned()));
        let ground = Ground::new(settings, root.clone(), plan);
        let sandbox = sandbox::ground::choose(settings, ground).await.map_err(Error::Abort)?;
        Ok(Self { sandbox, ..Self::without_children(settings, dir, http)? })
    }

    /// The same for a job that starts no child process, on a machine that need not offer a sandbox.
    pub(crate) fn without_children(
        settings: &Settings,
        dir: &Path,
        http: &reqwest::Client,
    ) -> Result<Self, Error> {
        let root = crate::repo::discover(dir)?;
        let repo = Arc::new(open_repo(settings, &root, http)?);
        let sandbox = Arc::new(sandbox::open::Open { env: vec![] });
        let store = Store::new(root.clone());
        Ok(Self { root, repo, sandbox, store })
    }
}

fn open_repo(settings: &Settings, root: &Path, http: &reqwest::Client) -> Result<GitRepo, Error> {
    let mut options = Options {
        rules: settings.git.branch.clone(),
        identity: settings.git.identity.clone(),
        push: push_rules(settings),
        remote: None,
        kept: vec![],
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
    let user = match platform.kind {
        PlatformKind::GitLab => "oauth2",
        PlatformKind::GitHub | PlatformKind::Local => "x-access-token",
    };
    let credential = platform
        .token
        .clone()
        .zip(platform.server_url.clone())
        .map(|(token, server)| (user.to_owned(), token, server));
    let never = match (settings.stage, settings.git.push) {
        (Stage::Work, _) => Some("PACE_STAGE=work: the publishing job pushes".to_owned()),
        (_, Push::Never) => Some("PACE_PUSH=false".to_owned()),
        _ => None,
    };
    PushRules { never, credential }
}

/// What must be mended before anything is run or paid for.
pub(crate) fn spend_problems(settings: &Settings) -> Vec<String> {
    if settings.stage == Stage::Publish {
        return settings.spend_problems();
    }
    if settings.day == Some(DayChoice::Number(0)) && settings.stage == Stage::Work {
        return vec!["DAY=0 asks no model, so there is nothing to divide: run it with PACE_STAGE=all".into()];
    }
    if settings.day == Some(DayChoice::Number(0)) {
        // Planning asks no model and runs no command.
        return vec![];
    }
    let mut problems = settings.spend_problems();
    match settings.day {
        None => problems.push("DAY is not set: name the sprint day to run, e.g. `DAY=1 pace`".into()),
        Some(DayChoice::Number(_) | DayChoice::Auto) => {}
    }
    problems
}

/// Settles everything that a run of the day starts from.
pub(crate) async fn prepare(
    settings: &Settings,
    site: &Site,
    platform: &Platform,
    templates: &Templates,
    events: &dyn Events,
) -> Result<Prepared, Error> {
    let notice = |level, text: String| events.emit(Event::Notice { level, text });
    let mut branch = site.repo.prepare_branch().await?;
    for action in &branch.actions {
        notice(Level::Info, action.clone());
    }
    let (plan_path, mut plan) = read_plan(settings, &site.root, &notice)?;
    sprint::enter(settings, site, (&plan, &mut branch), templates, &notice)?;
    let day = match settings.day {
        Some(DayChoice::Number(day)) => day,
        Some(DayChoice::Auto) | None => match first_unshipped(site, &plan)? {
            None => return Ok(Prepared::Finished),
            Some(day) => match unchanged_hold(site, &plan_path, day)? {
                Some(reason) if !settings.retry => return Ok(Prepared::Held { day, reason }),
                _ => day,
            },
        },
    };
    day_in_plan(&plan, &plan_path, day)?;
    if !settings.retry
        && let Some(decision) = shipped(site, &plan, day)?
    {
        return Ok(Prepared::Shipped(decision));
    }
    earlier_days_shipped(site, &plan, day)?;
    if let Some(wait) =
        gate_days::closed_before(site, platform, (&plan, &branch), day, settings.approved).await?
    {
        return Ok(Prepared::Waits(wait));
    }
    let left_today = match settings.money.daily_budget_usd {
        None => None,
        Some(budget) => match budget::left(&site.store, &plan, budget, &settings.money.timezone)? {
            left if left > 0.0 => Some(left),
            _ => return Ok(Prepared::BudgetUsed { budget }),
        },
    };
    sprint::carry(site, &mut plan, day)?;
    let chosen = Chosen {
        plan: &plan,
        plan_path: &plan_path,
        branch: &branch,
        day,
        left_today,
        platform: &platform.name,
    };
    let terms = terms(settings, site, &chosen, &notice)?;
    start(site, terms, plan, branch).await.map(|start| Prepared::Go(Box::new(start)))
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

async fn start(site: &Site, terms: Terms, plan: Plan, branch: Branch) -> Result<Start, Error> {
    let attempts = site.store.attempts(terms.day).map_err(Error::Abort)?;
    let base = match attempts.first().and_then(|a| a.base.clone()) {
        Some(base) => base,
        // A run that was killed has no attempt to tell of it, but perhaps commits: they are part of the day.
        None => {
            let trailers = [format!("Pace-Day: {}", terms.day), format!("Pace-Sprint: {}", terms.sprint)];
            site.repo.before_first(&trailers)?.unwrap_or_else(|| branch.head.clone())
        }
    };
    let attempt = attempts.last().map_or(0, |a| a.run) + 1;
    let mut untracked = site.repo.untracked()?;
    // What an earlier run of the day left uncommitted is this run's to record.
    let own = format!("{}/", Store::day_dir(terms.day));
    untracked.retain(|path| !path.starts_with(&own));
    let hold_reason = site.store.last_hold_reason(terms.day).map_err(Error::Abort)?;
    let mut files: BTreeMap<String, String> = site.store.snapshot().map_err(Error::Abort)?;
    for path in [terms.plan_path.as_str(), PROGRESS] {
        if let Some(text) = site.store.read_text(path).map_err(Error::Abort)? {
            files.insert(path.to_owned(), text);
        }
    }
    let baseline = if terms.dry_run { None } else { baseline(site, &terms, &base, &branch.head).await? };
    Ok(Start {
        pace: env!("CARGO_PKG_VERSION").into(),
        terms,
        plan,
        branch,
        attempt,
        base,
        untracked,
        baseline,
        hold_reason,
        files,
    })
}

/// The test run on the day base. A runner that cannot start is a configuration problem; failing tests are fine.
async fn baseline(
    site: &Site,
    terms: &Terms,
    base: &str,
    head: &str,
) -> Result<Option<crate::domain::observation::TestRun>, Error> {
    let Some(tests) = ProjectTests::new(&site.root, terms, site.sandbox.clone()) else { return Ok(None) };
    if let Some(known) = site.store.baseline(terms.day, base) {
        return Ok(Some(known));
    }
    let run = tests.observe().await.map_err(Error::Abort)?;
    if runner::is_missing_runner(&run.run) {
        return Err(Error::config(format!(
            "the test command `{}` cannot start ({}): install the runner before pace, or set PACE_TEST_COMMAND\n{}",
            run.run.command,
            run.run.exit,
            run.run.output.text().trim_end()
        )));
    }
    if base == head {
        site.store.keep_baseline(terms.day, base, &run).map_err(Error::Abort)?;
    }
    Ok(Some(run))
}

//! Everything that is settled before the first model call: repository, branch, plan, which day, what it starts
//! from. Spends nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::{budget, gate_days, sprint};
use crate::agent::tests::ProjectTests;
use crate::day::sprint::PROGRESS;
use crate::day::start::Start;
use crate::domain::artifact::{Attempt, Outcome};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::plan::Plan;
use crate::domain::terms::{Rated, Terms};
use crate::error::Error;
use crate::evidence::runner;
use crate::llm::prices::Prices;
use crate::platform::Platform;
use crate::prompt::Templates;
use crate::repo::{Branch, GitRepo, Options, PushRules, Repository};
use crate::sandbox::ground::Ground;
use crate::sandbox::{self, Sandbox};
use crate::settings::{CommandChoice, DayChoice, PlatformKind, Provider, Push, Settings};
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
        let repo = Arc::new(open_repo(settings, &root, http)?);
        let plan = plan::locate(&root, settings.plan.as_deref()).ok();
        let plan = plan.and_then(|path| Some(path.strip_prefix(&root).ok()?.to_str()?.to_owned()));
        let ground = Ground::new(settings, root.clone(), plan);
        let sandbox = sandbox::ground::choose(settings, ground).await.map_err(Error::Abort)?;
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
    let never = (settings.git.push == Push::Never).then(|| "PACE_PUSH=false".to_owned());
    PushRules { never, credential }
}

/// What must be mended before anything is run or paid for.
pub(crate) fn spend_problems(settings: &Settings) -> Vec<String> {
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
    let mut terms = terms(settings, site, &plan, &plan_path, &branch, day, left_today, &notice)?;
    terms.platform.clone_from(&platform.name);
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

fn day_in_plan(plan: &Plan, path: &str, day: u32) -> Result<(), Error> {
    if plan.days.contains_key(&day) {
        return Ok(());
    }
    let days: Vec<_> = plan.days.keys().map(u32::to_string).collect();
    Err(Error::plan(format!("{path}: day {day} is not in the plan; it has: {}", days.join(", "))))
}

/// The first day that has not shipped.
fn first_unshipped(site: &Site, plan: &Plan) -> Result<Option<u32>, Error> {
    for &day in plan.days.keys() {
        if shipped(site, plan, day)?.is_none() {
            return Ok(Some(day));
        }
    }
    Ok(None)
}

/// Why the day's last attempt was held, if nothing but pace's own records changed since.
fn unchanged_hold(site: &Site, plan_path: &str, day: u32) -> Result<Option<String>, Error> {
    let attempts = site.store.attempts(day).map_err(Error::Abort)?;
    let Some(Attempt { outcome: Outcome::Hold, commit: Some(commit), hold_reason, .. }) = attempts.last()
    else {
        return Ok(None);
    };
    let head = site.repo.head()?;
    if !site.repo.is_ancestor(commit, &head)? {
        return Ok(None);
    }
    let since = site.repo.day_diff(commit, &head)?;
    let ours = |path: &str| (path.starts_with(".pace/") || path == PROGRESS) && path != plan_path;
    let unchanged = since.files.iter().all(|file| ours(&file.path));
    Ok(unchanged.then(|| hold_reason.clone().unwrap_or_default()))
}

/// The decision of a day that has shipped: its last attempt shipped a commit reachable from HEAD, or the plan
/// says so.
pub(crate) fn shipped(site: &Site, plan: &Plan, day: u32) -> Result<Option<Decision>, Error> {
    let attempts = site.store.attempts(day).map_err(Error::Abort)?;
    if let Some(Attempt { outcome: Outcome::Ship, decision, commit: Some(commit), .. }) = attempts.last() {
        let head = site.repo.head()?;
        if site.repo.is_ancestor(commit, &head)? {
            // An artifact that was read back never raises a verdict: SHIP or ADVISORY, as it was recorded.
            return Ok(Some((*decision).unwrap_or(Decision::Advisory).min(Decision::Advisory)));
        }
    }
    Ok(plan.days.get(&day).filter(|d| d.shipped).map(|_| Decision::Ship))
}

fn earlier_days_shipped(site: &Site, plan: &Plan, day: u32) -> Result<(), Error> {
    let mut problems = Vec::new();
    for &earlier in plan.days.keys().filter(|&&d| d < day) {
        if shipped(site, plan, earlier)?.is_some() {
            continue;
        }
        let last = site.store.attempts(earlier).map_err(Error::Abort)?.pop();
        problems.push(match last.filter(|attempt| attempt.outcome == Outcome::Hold) {
            Some(attempt) => format!(
                "day {earlier} is on HOLD ({}), so day {day} cannot run: mend the code or the plan and run DAY={earlier} \
                 again",
                attempt.hold_reason.unwrap_or_default()
            ),
            None => format!(
                "day {earlier} has not shipped, so day {day} cannot run: run it with DAY={earlier}, or set `status: \
                 shipped` on it in the plan if it was done elsewhere"
            ),
        });
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Plan(problems)) }
}

fn terms(
    settings: &Settings,
    site: &Site,
    plan: &Plan,
    plan_path: &str,
    branch: &Branch,
    day: u32,
    left_today: Option<f64>,
    notice: &dyn Fn(Level, String),
) -> Result<Terms, Error> {
    let prices = prices(settings)?;
    let rated = |name: &str| Rated { name: name.to_owned(), price: prices.price(name) };
    let (model, analysis_model) = (rated(&settings.llm.model), rated(&settings.llm.analysis_model));
    check_prices(settings, &[&model, &analysis_model], notice)?;
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Ok(Terms {
        day,
        sprint: sprint::identity(settings, plan, branch),
        retry: settings.retry,
        dry_run: settings.dry_run,
        product_name: product_name(settings, &site.root),
        product_description: settings
            .product
            .description
            .clone()
            .unwrap_or_else(|| first_paragraph(&site.root)),
        source_dirs: settings.source_dirs.clone(),
        docs_dir: settings.docs_dir.clone(),
        plan_path: plan_path.to_owned(),
        test_command: test_command(settings, &site.root, notice)?,
        build_command: settings.commands.build.clone(),
        model,
        analysis_model,
        max_retries: settings.limits.max_retries,
        max_iterations: settings.limits.max_iterations,
        command_timeout_ms: millis(settings.limits.command),
        test_timeout_ms: millis(settings.limits.test),
        run_timeout_ms: settings.limits.run.map(millis),
        tdd: settings.rules.tdd,
        max_run_usd: left_today
            .map_or(settings.money.max_run_usd, |left| left.min(settings.money.max_run_usd)),
        sandbox: site.sandbox.describe(),
        platform: "local".into(),
        advisory_exit_code: settings.advisory_exit_code,
        max_criteria: sprint::max_criteria(settings, site, plan, day, notice)?,
        push_advisories: settings.push_advisories,
    })
}

/// The price list: the embedded one under the user's.
pub(crate) fn prices(settings: &Settings) -> Result<Prices, Error> {
    let Some(path) = &settings.money.prices else { return Ok(Prices::embedded()) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|e| Error::config(format!("PACE_PRICES: {name} cannot be read: {e}")))?;
    Prices::with_override(path, &text).map_err(Error::Config)
}

/// An unknown model is refused under an explicit cap and told under the default one; it is never free.
fn check_prices(settings: &Settings, models: &[&Rated], notice: &dyn Fn(Level, String)) -> Result<(), Error> {
    if settings.llm.provider == Provider::Replay {
        return Ok(());
    }
    let unknown: std::collections::BTreeSet<_> =
        models.iter().filter(|m| m.price.is_none()).map(|m| m.name.as_str()).collect();
    for name in unknown {
        let problem = format!("the price of model «{name}» is unknown: give it in a PACE_PRICES file");
        if settings.money.cap_explicit {
            return Err(Error::config(format!("{problem}, or PACE_MAX_RUN_COST_USD cannot be kept")));
        }
        notice(
            Level::Warning,
            format!("{problem}; until then its cost is shown as unknown and no cap holds it"),
        );
    }
    Ok(())
}

/// The command that tests the project; the choice is told.
pub(crate) fn test_command(
    settings: &Settings,
    root: &Path,
    notice: &dyn Fn(Level, String),
) -> Result<Option<String>, Error> {
    match &settings.commands.test {
        CommandChoice::None => Ok(None),
        CommandChoice::Run(command) => Ok(Some(command.clone())),
        CommandChoice::Detect => {
            let files = root_files(root);
            let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
            let detected = runner::detect(&files, read).ok_or_else(|| {
                Error::config(
                    "PACE_TEST_COMMAND is not set and no known test runner was found at the repository root: set it, \
                     e.g. PACE_TEST_COMMAND='make test', or to none if the project has no tests",
                )
            })?;
            notice(Level::Info, format!("Test command: {} ({})", detected.command, detected.because));
            Ok(Some(detected.command))
        }
    }
}

/// Paths of the work tree that may tell its runner: two levels deep, ignored files left out.
fn root_files(root: &Path) -> Vec<String> {
    let walk = ignore::WalkBuilder::new(root).hidden(false).max_depth(Some(3)).build();
    let files =
        walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()));
    files
        .filter_map(|entry| Some(entry.path().strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/")))
        .filter(|path| !path.starts_with(".git/"))
        .collect()
}

async fn start(site: &Site, terms: Terms, plan: Plan, branch: Branch) -> Result<Start, Error> {
    let attempts = site.store.attempts(terms.day).map_err(Error::Abort)?;
    let base = attempts.first().and_then(|a| a.base.clone()).unwrap_or_else(|| branch.head.clone());
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

/// What is being built, by the user's word, else the folder's name.
pub(crate) fn product_name(settings: &Settings, root: &Path) -> String {
    settings.product.name.clone().unwrap_or_else(|| folder_name(root))
}

fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned())
}

/// The README's first paragraph below its title, at most 400 characters; empty without a README.
fn first_paragraph(root: &Path) -> String {
    let text = ["README.md", "README.rst", "README.txt", "README"]
        .iter()
        .find_map(|name| std::fs::read_to_string(root.join(name)).ok())
        .unwrap_or_default();
    let is_prose = |paragraph: &&str| {
        let first = paragraph.trim_start();
        !first.is_empty() && !first.starts_with(['#', '=', '<', '[', '!', '`', '|', '-'])
    };
    let unix = text.replace("\r\n", "\n");
    let paragraph = unix.split("\n\n").find(is_prose).unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

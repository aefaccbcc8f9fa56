//! The one place that knows variable names: the environment in, validated settings out.

mod assemble;
mod children;
mod ci;
mod environment;
mod given;
mod legacy;
mod model;
#[cfg(test)]
mod tests;
mod values;
pub(crate) mod variables;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use crate::domain::terms::Stage;
use crate::repo::{BranchRules, Identity};
use crate::secret::Secret;

/// Everything that a run can be told. Every field names its variable.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// `DAY` (alias `PACE_DAY`).
    pub day: Option<DayChoice>,
    /// Nothing names a day, not even wrongly.
    pub day_missing: bool,
    /// `RETRY`: run the day again, also one that shipped.
    pub retry: bool,
    /// `DRY_RUN`: PRIME only; print the story card.
    pub dry_run: bool,
    /// `PACE_PAUSED`.
    pub paused: bool,
    /// `PACE_APPROVED`: opens human gates up to that day.
    pub approved: Option<u32>,
    /// `PACE_PLAN`; `None` = first of the default places.
    pub plan: Option<PathBuf>,
    /// `PACE_SPRINT`.
    pub sprint: Option<String>,
    pub product: Product,
    /// `PACE_SOURCE_DIRS`: where FORGE may write, `/`-separated, `.` for all.
    pub source_dirs: Vec<String>,
    /// `PACE_DOCS_DIR`.
    pub docs_dir: Option<String>,
    pub commands: Commands,
    pub llm: Llm,
    pub platform: Platform,
    pub git: Git,
    pub limits: Limits,
    pub rules: Rules,
    pub money: Money,
    /// `PACE_SANDBOX`.
    pub sandbox: SandboxMode,
    /// `PACE_NETWORK`.
    pub network: Network,
    /// `PACE_JOURNAL`: `auto` or `local`.
    pub journal: JournalMode,
    /// `PACE_STAGE`.
    pub stage: Stage,
    /// `PACE_HANDOFF`: folder of the hand-off between the stages, from the repository root.
    pub handoff: String,
    /// `PACE_HANDOFF_DIGEST`: 64 hex digits in lower case.
    pub handoff_digest: Option<String>,
    /// `PACE_PUSH_ADVISORIES`.
    pub push_advisories: bool,
    /// `PACE_CA_FILE`, `CI_SERVER_TLS_CA_FILE`: extra certificate authorities.
    pub ca_files: Vec<PathBuf>,
    /// `PACE_ADVISORY_EXIT_CODE`.
    pub advisory_exit_code: u8,
    /// `PACE_TEMPLATES_DIR`.
    pub templates_dir: Option<PathBuf>,
    /// `PACE_LOG`: tracing filter.
    pub log: String,
    pub ci: CiContext,
    /// Notes for the user, as of unknown names.
    pub warnings: Vec<String>,
    /// The environment that children inherit: the fixed list of SPEC §6 plus `PACE_CHILD_ENV`.
    pub child_env: Vec<(String, String)>,
    /// The CI runner's own files and folders, which no child may see.
    pub runner_places: Vec<PathBuf>,
    /// See [`Settings::secrets`].
    secrets: Vec<Secret>,
    /// See [`Settings::spend_problems`].
    unfit_to_spend: Vec<String>,
}

impl Settings {
    /// Reads the environment `pairs` and below it the legacy file of the repository at `root`. `Err` holds every
    /// problem, one a line, each naming the variable (or file, line and key) and the mend; no line holds a
    /// secret.
    pub(crate) fn from_env(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
        root: &Path,
    ) -> Result<Self, Vec<String>> {
        match Self::read(pairs, root) {
            (settings, problems) if problems.is_empty() => Ok(settings),
            (_, problems) => Err(problems),
        }
    }

    /// The same for a command that goes on looking: what could not be read stands at its default, and every
    /// problem is listed.
    pub(crate) fn read(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
        root: &Path,
    ) -> (Self, Vec<String>) {
        assemble::settings(pairs, root)
    }

    /// What must be mended before a model may be called: a missing key, a missing model. Empty = fit. For the
    /// commands that spend; the others do without.
    pub(crate) fn spend_problems(&self) -> Vec<String> {
        self.unfit_to_spend.clone()
    }

    /// Every secret of the environment, for the redactor: keys, tokens, the runner's own, `PACE_SETUP_ENV`.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.secrets.clone()
    }
}

/// What is found while reading, gathered so that all of it is told at once.
#[derive(Debug, Default)]
struct Findings {
    problems: Vec<String>,
    warnings: Vec<String>,
    /// Both, to tell what was noted before.
    noted: BTreeSet<String>,
}

impl Findings {
    /// Notes a problem once.
    fn problem(&mut self, problem: String) {
        if self.noted.insert(format!("problem {problem}")) {
            self.problems.push(problem);
        }
    }

    /// Notes a warning once.
    fn warning(&mut self, warning: String) {
        if self.noted.insert(format!("warning {warning}")) {
            self.warnings.push(warning);
        }
    }

    /// The value, or nothing and a noted problem.
    fn keep<T>(&mut self, read: Result<Option<T>, String>) -> Option<T> {
        read.unwrap_or_else(|problem| {
            self.problem(problem);
            None
        })
    }
}

/// Which day to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayChoice {
    /// `0` = planning.
    Number(u32),
    /// The first day that has not shipped.
    Auto,
}

impl DayChoice {
    /// The highest day number that is accepted.
    pub(crate) const LAST: u32 = 9999;
}

/// `PACE_PRODUCT_NAME`, `PACE_PRODUCT_DESCRIPTION`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Product {
    pub name: Option<String>,
    pub description: Option<String>,
}

/// A command of the project under work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CommandChoice {
    /// Unset: look at the repository.
    Detect,
    /// `none`.
    None,
    Run(String),
}

/// `PACE_TEST_COMMAND`, `PACE_SETUP_COMMAND`, `PACE_BUILD_COMMAND` and what belongs to them.
#[derive(Debug, Clone)]
pub(crate) struct Commands {
    pub test: CommandChoice,
    pub setup: CommandChoice,
    pub build: Option<String>,
    /// `PACE_COVERAGE_MIN`, percent.
    pub coverage_min: Option<f64>,
    /// `PACE_SETUP_ENV`: names and values for the first setup only.
    pub setup_env: Vec<(String, Secret)>,
}

/// The wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Anthropic,
    OpenAi,
    /// Plays a recording: `PACE_LLM_BASE_URL` is its path.
    Replay,
}

/// `PACE_LLM_*`, `PACE_MODEL`, `PACE_ANALYSIS_MODEL` and the key.
#[derive(Debug, Clone)]
pub(crate) struct Llm {
    pub provider: Provider,
    /// FORGE and SCRIBE.
    pub model: String,
    /// The other agents.
    pub analysis_model: String,
    /// `…/v1/messages` or `…/chat/completions` is appended; a file path for [`Provider::Replay`].
    pub base_url: String,
    /// Absent for endpoints that need none.
    pub api_key: Option<Secret>,
}

/// A forge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlatformKind {
    GitHub,
    GitLab,
    Local,
}

/// `PACE_PLATFORM`, `PACE_TRACKER` and what the forges need.
#[derive(Debug, Clone)]
pub(crate) struct Platform {
    pub kind: PlatformKind,
    pub tracker: PlatformKind,
    /// `owner/name`, or a GitLab project path or number.
    pub project: Option<String>,
    /// API root without a trailing slash.
    pub api_url: Option<String>,
    /// `https://github.com` or the like.
    pub server_url: Option<String>,
    pub token: Option<Secret>,
    /// Whether the token is GitLab's job token, which has a header of its own.
    pub token_is_job_token: bool,
}

/// `PACE_PUSH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Push {
    Auto,
    Always,
    Never,
}

/// `PACE_BASE_BRANCH`, `PACE_BRANCH`, `PACE_PUSH`, `PACE_GIT_*`.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    pub branch: BranchRules,
    pub push: Push,
    pub identity: Identity,
    /// The token of a job that may not push: the git server is read with it, and nothing else is done.
    pub read_token: Option<Secret>,
}

/// Counts and durations.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// `PACE_MAX_RETRIES`: FORGE reruns inside one run.
    pub max_retries: u32,
    /// `PACE_MAX_ITERATIONS`: model calls in FORGE's loop.
    pub max_iterations: u32,
    /// `PACE_CI_TIMEOUT`.
    pub ci: Duration,
    /// `PACE_COMMAND_TIMEOUT`.
    pub command: Duration,
    /// `PACE_TEST_TIMEOUT`.
    pub test: Duration,
    /// `PACE_MODEL_TIMEOUT`: longest silence of the model.
    pub model: Duration,
    /// `PACE_RUN_TIMEOUT`.
    pub run: Option<Duration>,
}

/// `PACE_TDD`, `PACE_COVERAGE_RULE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    pub tdd: bool,
    pub coverage: bool,
}

/// `PACE_MAX_RUN_COST_USD`, `PACE_DAILY_BUDGET`, `PACE_TIMEZONE`, `PACE_MAX_STORY_*`, `PACE_PRICES`.
#[derive(Debug, Clone)]
pub(crate) struct Money {
    pub max_run_usd: f64,
    /// Whether the cap was set by the user; an unknown model is then refused.
    pub cap_explicit: bool,
    pub daily_budget_usd: Option<f64>,
    pub timezone: jiff::tz::TimeZone,
    pub max_story_ac: Option<u32>,
    pub max_story_usd: Option<f64>,
    pub prices: Option<PathBuf>,
}

/// `PACE_SANDBOX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SandboxMode {
    Enforce,
    Strict,
    Off,
}

/// `PACE_NETWORK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Network {
    Deny,
    Setup,
    Hosts(Vec<String>),
    Allow,
}

/// `PACE_JOURNAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JournalMode {
    Auto,
    Local,
}

/// What the CI says of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct CiContext {
    /// Inside any CI (`CI=true` or a known one).
    pub present: bool,
    /// `$GITHUB_STEP_SUMMARY`.
    pub step_summary: Option<PathBuf>,
    /// `$GITHUB_OUTPUT`.
    pub output: Option<PathBuf>,
    /// `$GITHUB_ACTIONS` or `$GITLAB_CI`: decides on log groups.
    pub log_style: LogStyle,
    /// `$GITHUB_EVENT_NAME` or `$CI_PIPELINE_SOURCE`.
    pub event: Option<String>,
    /// `$GITHUB_EVENT_PATH`.
    pub event_path: Option<PathBuf>,
    /// `$GITHUB_ACTOR` and `$GITHUB_TRIGGERING_ACTOR`.
    pub actors: Vec<String>,
    /// `$GITHUB_RUN_ID` or `$CI_PIPELINE_ID`.
    pub run_id: Option<String>,
    /// Its page: made of the former, or `$CI_JOB_URL`.
    pub run_url: Option<String>,
}

/// How log lines are grouped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum LogStyle {
    #[default]
    Plain,
    GitHub,
    GitLab,
}

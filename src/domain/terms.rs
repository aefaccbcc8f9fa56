//! What a run was told, as far as the day's logic needs it: plain, serialisable, without any secret, so that a
//! journal can carry it and a replay start from it.

use serde::{Deserialize, Serialize};

use super::Agent;
use super::money::Price;

/// The terms of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Terms {
    pub day: u32,
    /// Identity of the sprint: part of every remote marker.
    pub sprint: String,
    /// Run the day again, also one that shipped.
    pub retry: bool,
    /// PRIME only.
    pub dry_run: bool,
    pub product_name: String,
    pub product_description: String,
    /// Where FORGE may write, `/`-separated; `.` for all.
    pub source_dirs: Vec<String>,
    pub docs_dir: Option<String>,
    /// Path of the plan from the repository root.
    pub plan_path: String,
    /// The user's own templates, from the repository root, where they lie in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub templates_dir: Option<String>,
    /// The test command; `None` = the project has none, by the user's word.
    pub test_command: Option<String>,
    pub build_command: Option<String>,
    /// Least line coverage of GATE's run, in percent.
    #[serde(default)]
    pub coverage_min: Option<f64>,
    /// Installs the dependencies; `None`: nothing to install.
    #[serde(default)]
    pub setup_command: Option<String>,
    /// Model of FORGE and SCRIBE.
    pub model: Rated,
    /// Model of the other agents.
    pub analysis_model: Rated,
    pub max_retries: u32,
    pub max_iterations: u32,
    /// Milliseconds.
    pub command_timeout_ms: u64,
    /// Milliseconds.
    pub test_timeout_ms: u64,
    /// Milliseconds for the agents of a run; `None` = as long as they take.
    pub run_timeout_ms: Option<u64>,
    /// The red phase is required.
    pub tdd: bool,
    /// Every changed production file needs a changed test.
    #[serde(default = "yes")]
    pub coverage_rule: bool,
    /// Cap of one run, US dollars.
    pub max_run_usd: f64,
    /// That cap is what was left of the daily budget.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub capped_by_day: bool,
    /// How children are confined, in words.
    pub sandbox: String,
    /// Name of the platform: `github`, `gitlab`, or one that begins with `local`.
    pub platform: String,
    pub advisory_exit_code: u8,
    /// Criteria that today's card may hold; the rest is carried to the next day. `None`: all of them.
    #[serde(default)]
    pub max_criteria: Option<usize>,
    /// Backlogged findings get an issue too.
    #[serde(default)]
    pub push_advisories: bool,
    /// Which half of the day the run was to do.
    #[serde(default, skip_serializing_if = "Stage::is_whole")]
    pub stage: Stage,
}

/// Which half of a day a job runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// Both.
    #[default]
    All,
    /// The agents. The result is handed off: nothing leaves the machine.
    Work,
    /// What was handed off goes out and is decided upon. No model is asked.
    Publish,
}

impl Stage {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
    const fn is_whole(&self) -> bool {
        matches!(self, Self::All)
    }
}

fn yes() -> bool {
    true
}

impl Terms {
    /// Whether `path` is a record that pace itself keeps, and no part of the work that a day is judged by.
    pub(crate) fn is_record(&self, path: &str) -> bool {
        path.starts_with(".pace/") || path == self.plan_path || path == "PROGRESS.md"
    }

    /// Name under which git keeps the checkpoints of the day's run.
    pub(crate) fn checkpoint_name(&self) -> String {
        format!("{}/day-{}", self.sprint.replace('/', "-"), self.day)
    }

    /// The model that answers `agent`.
    pub(crate) const fn rated(&self, agent: Agent) -> &Rated {
        match agent {
            Agent::Forge | Agent::Scribe => &self.model,
            _ => &self.analysis_model,
        }
    }

    /// Has the run keep to `left` US dollars of the daily budget, where that is less than its own cap.
    pub(crate) const fn cap_by_day(&mut self, left: f64, own: f64) {
        self.max_run_usd = left.min(own);
        self.capped_by_day = left < own;
    }

    /// Whether reviews go to a forge, which then may have a CI.
    pub(crate) fn has_forge(&self) -> bool {
        !self.platform.starts_with("local")
    }
}

/// A model and its price.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Rated {
    pub name: String,
    /// `None`: unknown, and shown as unknown.
    pub price: Option<Price>,
}

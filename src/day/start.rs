//! What a run starts from: everything that was settled before the first model call. The journal carries it, and
//! a replay starts from it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, anyhow};
use serde::{Deserialize, Serialize};

use crate::domain::observation::TestRun;
use crate::domain::plan::Plan;
use crate::domain::terms::Terms;
use crate::journal::Record;
use crate::repo::Branch;

/// The state on which the agents begin.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Start {
    /// Version of pace that recorded this.
    pub pace: String,
    pub terms: Terms,
    pub plan: Plan,
    pub branch: Branch,
    /// Number of this run of the day, from 1.
    pub attempt: u32,
    /// The day base: the commit on which the day's first attempt started.
    pub base: String,
    /// Untracked files that were there before.
    pub untracked: BTreeSet<String>,
    /// The test run on the day base; `None` where the project has no test command.
    pub baseline: Option<TestRun>,
    /// Why the last attempt was held, in full.
    pub hold_reason: Option<String>,
    /// Digest of the templates; an earlier recording has none.
    #[serde(default)]
    pub templates: Option<String>,
    /// The plan and `.pace/` as they were: path from the root and text.
    pub files: BTreeMap<String, String>,
}

impl Start {
    /// What the run of `records` started from.
    ///
    /// # Errors
    /// They begin with something else, or with what another version of pace settled.
    pub(crate) fn recorded(records: &[Record]) -> anyhow::Result<Self> {
        let first = records.first().filter(|record| record.kind == "start");
        let value = first.context("does not begin with `start`")?.value.clone();
        serde_json::from_value(value)
            .map_err(|error| anyhow!("recorded by another version of pace ({error})"))
    }
}

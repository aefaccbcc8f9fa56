//! What a day keeps of its runs: `cycle.md` for the one that shipped, `attempts.yaml` for all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::decision::Decision;
use crate::domain::hold::Cause;

/// `cycle.md`: YAML in a file of that name, written when the day ships.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Cycle {
    /// Day number.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// PRIME to CONDUIT of the shipping attempt, US dollars; null where a price is unknown.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub cycle_cost_usd: Option<f64>,
    /// FORGE alone, US dollars.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub forge_cost_usd: Option<f64>,
    /// ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub generated_at: String,
    /// US dollars by agent, SCRIBE included; null where a price is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_by_agent: BTreeMap<String, Option<f64>>,
    /// US dollars by model; null where its price is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_by_model: BTreeMap<String, Option<f64>>,
}

/// How a run ended, as `attempts.yaml` records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Outcome {
    /// The day shipped, ADVISORY days too.
    Ship,
    /// A reviewer held the day.
    Hold,
    /// No verdict was reached.
    Abort,
}

/// One entry of `attempts.yaml`, appended after every run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Attempt {
    /// Attempt number, from 1.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub run: u32,
    /// ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub date: String,
    /// Full model spend of the run, US dollars; null where a price is unknown.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub cost_usd: Option<f64>,
    /// How the run ended.
    pub outcome: Outcome,
    /// The day's decision; absent where none was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// `<AGENT> HOLD: …`, at most 120 characters; only on HOLD and ABORT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(length(max = 120)))]
    pub hold_reason: Option<String>,
    /// `code` or `outside`; only on HOLD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The day base: the commit on which the day's first attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// `cost_usd` by agent, US dollars; null where a price is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_by_agent: BTreeMap<String, Option<f64>>,
    /// `cost_usd` by model, US dollars; null where its price is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cost_by_model: BTreeMap<String, Option<f64>>,
}

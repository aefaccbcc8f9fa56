//! Advisories that shipped days left behind.

use serde::{Deserialize, Serialize};

use super::Agent;
use super::artifact::FindingResult;

/// State of a backlog entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    Open,
    Closed,
    Escalated,
}

/// One judgement of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Judgement {
    pub day: u32,
    pub result: FindingResult,
    pub evidence: String,
}

/// One entry of `advisory-backlog.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Stable fingerprint that survives line moves.
    pub id: String,
    /// Day on which the advisory was first raised.
    pub day: u32,
    pub agent: Agent,
    pub finding: String,
    pub status: Status,
    #[serde(default)]
    pub history: Vec<Judgement>,
}

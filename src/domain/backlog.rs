//! Advisories that shipped days left behind.

use serde::{Deserialize, Serialize};

use super::Agent;
use super::artifact::FindingResult;

/// State of a backlog entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Waits for a clearance day.
    Open,
    /// A reviewer saw it resolved.
    Closed,
    /// Handed to people as an issue.
    Escalated,
}

/// One judgement of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Judgement {
    /// Day on which it was judged.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// `PASS` closes the entry, `FAIL` blocks the day, `ADVISORY` keeps it open.
    pub result: FindingResult,
    /// What the verdict rests on.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub evidence: String,
}

/// One entry of `advisory-backlog.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Stable fingerprint that survives line moves.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub id: String,
    /// Day on which the advisory was first raised.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Who raised it.
    #[cfg_attr(test, schemars(extend("enum" = ["SENTINEL", "CONDUIT"])))]
    pub agent: Agent,
    /// What was found.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub finding: String,
    /// Whether it still waits for an answer.
    pub status: Status,
    /// Judgements since, oldest first.
    #[serde(default)]
    pub history: Vec<Judgement>,
}

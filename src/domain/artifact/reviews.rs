//! The reports of the two who review the commit beside GATE: SENTINEL and CONDUIT.

use serde::{Deserialize, Serialize};

use super::finding::Finding;
use crate::domain::Agent;
use crate::domain::decision::Decision;

/// `sentinel-report.yaml`, by SENTINEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SentinelReport {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `SENTINEL` (filled).
    #[cfg_attr(test, schemars(extend("const" = "SENTINEL")))]
    pub agent: Agent,
    /// One entry per check.
    pub findings: Vec<Finding>,
    /// Non-blocking findings, one per ADVISORY.
    #[serde(default)]
    pub advisories: Vec<String>,
    /// Exploitable vulnerabilities, one per FAIL.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// Computed by the binary (filled).
    pub sentinel_decision: Decision,
    /// Actionable instruction for FORGE when HOLD.
    #[serde(default)]
    pub hold_reason: String,
}

/// `conduit-report.yaml`, by CONDUIT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ConduitReport {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `CONDUIT` (filled).
    #[cfg_attr(test, schemars(extend("const" = "CONDUIT")))]
    pub agent: Agent,
    /// One entry per check.
    pub findings: Vec<Finding>,
    /// Non-blocking findings, one per ADVISORY.
    #[serde(default)]
    pub advisories: Vec<String>,
    /// Broken CI or leaked secrets, one per FAIL.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// Computed by the binary (filled).
    pub conduit_decision: Decision,
    /// Actionable instruction for FORGE when HOLD.
    #[serde(default)]
    pub hold_reason: String,
}

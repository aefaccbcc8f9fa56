//! A finding as SENTINEL and CONDUIT make it. Knows no report.

use serde::{Deserialize, Serialize};

/// What a finding came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum FindingResult {
    /// Nothing wrong.
    Pass,
    /// Not blocking, but worth tracking.
    Advisory,
    /// Blocks the day.
    Fail,
}

/// One security, reliability or pipeline check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    /// What was checked.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub check: String,
    /// Verdict of this check.
    pub result: FindingResult,
    /// File path, line number, job or test name.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub evidence: String,
    /// Path from the repository root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in `file`, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub line: Option<u32>,
    /// Stable id of the finding; answers a backlog entry of the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

//! SCRIBE's report: what of the docs was edited.

use serde::{Deserialize, Serialize};

use crate::domain::Agent;

/// One edit of the docs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DocUpdate {
    /// Path from the repository root.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub file: String,
    /// Heading or place in the file.
    pub section: String,
    /// What changed.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub change: String,
    /// Why.
    pub reason: String,
}

/// `scribe-report.yaml`, by SCRIBE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ScribeReport {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `SCRIBE` (filled).
    #[cfg_attr(test, schemars(extend("const" = "SCRIBE")))]
    pub agent: Agent,
    /// One entry per edited place.
    #[serde(default)]
    pub updates: Vec<DocUpdate>,
    /// What the documents now say that they did not before.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub summary: String,
}

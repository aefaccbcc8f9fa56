//! FORGE's handoff: what was built, and in which commit.

use serde::{Deserialize, Serialize};

use crate::domain::Agent;
use crate::domain::diff::Change;

/// `handoff.yaml`, by FORGE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Handoff {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `FORGE` (filled).
    #[cfg_attr(test, schemars(extend("const" = "FORGE")))]
    pub agent: Agent,
    /// Full SHA of the commit that the binary made (filled).
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub commit: String,
    /// Narrative of the implementation strategy.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub approach: String,
    /// Known risks or trade-offs.
    #[serde(default)]
    pub risk: String,
    /// New packages or services introduced.
    #[serde(default)]
    pub dependencies: String,
    /// Files and public symbols created or modified.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub built: String,
    /// Edge cases explicitly covered by tests.
    #[serde(default)]
    pub edge_cases_tested: Vec<String>,
    /// Acceptance criteria deferred or not fully met.
    #[serde(default)]
    pub known_gaps: Vec<String>,
    /// True only when the red phase was proved; false when the rule is off (filled).
    pub tdd_red_phase_confirmed: bool,
    /// Why the red phase is not confirmed; absent where it is (filled).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub red_phase: String,
    /// Model calls made before `complete_handoff` (filled).
    pub iterations_used: u32,
    /// Every file of the day's change (filled).
    #[serde(default)]
    pub files: Vec<HandoffFile>,
    /// How children were confined (filled).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sandbox: String,
}

/// A file of the handoff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct HandoffFile {
    /// Path from the repository root, `/`-separated.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub path: String,
    /// What happened to it.
    pub change: Change,
}

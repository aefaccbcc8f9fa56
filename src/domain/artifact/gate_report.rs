//! GATE's report.

use serde::{Deserialize, Serialize};

use super::criterion::CriterionVerdict;
use crate::domain::Agent;
use crate::domain::decision::Decision;

/// `gate-report.yaml`, by GATE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct GateReport {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `GATE` (filled).
    #[cfg_attr(test, schemars(extend("const" = "GATE")))]
    pub agent: Agent,
    /// One entry per acceptance criterion.
    pub criteria_results: Vec<CriterionVerdict>,
    /// Human-readable description of each FAIL.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// PARTIAL items mapped to out_of_scope.
    #[serde(default)]
    pub deferred: Vec<String>,
    /// Tests that failed and then passed in a second run of the same commit (filled).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaky: Vec<String>,
    /// `SHIP` or `HOLD`, computed by the binary (filled).
    #[cfg_attr(test, schemars(extend("enum" = ["SHIP", "HOLD"])))]
    pub gate_decision: Decision,
    /// Actionable instruction for FORGE when HOLD.
    #[serde(default)]
    pub hold_reason: String,
    /// What became of the coverage rule; absent where it was kept (filled).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub coverage_rule: String,
}

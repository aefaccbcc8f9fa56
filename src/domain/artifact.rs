//! The YAML artifacts of a day, field for field as users read them. Fields marked *filled* come from the
//! binary; the rest is what an agent submits.

use serde::{Deserialize, Serialize};

use super::Agent;
use super::decision::Decision;

/// `story-card.yaml`, by PRIME.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoryCard {
    /// Day number (filled).
    pub day: u32,
    /// Always `PRIME` (filled).
    pub agent: Agent,
    /// Day theme from the plan, which PRIME may sharpen.
    pub theme: String,
    /// The day's stories; criteria and out_of_scope are the plan's, word for word.
    pub stories: Vec<StoryCardStory>,
}

/// One story of the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoryCardStory {
    pub title: String,
    /// Testable conditions; GATE judges each exactly once.
    pub acceptance_criteria: Vec<String>,
    /// Explicitly deferred items.
    #[serde(default)]
    pub out_of_scope: Vec<String>,
}

impl StoryCard {
    /// All criteria of the card, in order.
    pub(crate) fn criteria(&self) -> impl Iterator<Item = &str> {
        self.stories
            .iter()
            .flat_map(|s| s.acceptance_criteria.iter().map(String::as_str))
    }
}

/// `handoff.yaml`, by FORGE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Handoff {
    /// Day number (filled).
    pub day: u32,
    /// Always `FORGE` (filled).
    pub agent: Agent,
    /// Full SHA of the commit that the binary made (filled).
    pub commit: String,
    /// Narrative of the implementation strategy.
    pub approach: String,
    /// Known risks or trade-offs.
    #[serde(default)]
    pub risk: String,
    /// New packages or services introduced.
    #[serde(default)]
    pub dependencies: String,
    /// Files and public symbols created or modified.
    pub built: String,
    /// Edge cases explicitly covered by tests.
    #[serde(default)]
    pub edge_cases_tested: Vec<String>,
    /// Acceptance criteria deferred or not fully met.
    #[serde(default)]
    pub known_gaps: Vec<String>,
    /// True only when the red phase was proved; false when the rule is off (filled).
    pub tdd_red_phase_confirmed: bool,
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
    pub path: String,
    pub change: super::diff::Change,
}

/// What a criterion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CriterionResult {
    Pass,
    Partial,
    Fail,
}

/// What a finding came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum FindingResult {
    Pass,
    Advisory,
    Fail,
}

/// Kind of a cite: where the evidence can be looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum CiteKind {
    /// A test that passed in this run.
    Test,
    /// A line of the run's output.
    Output,
    /// `path:line` of the commit, or a path.
    File,
    /// A job or URL that was read.
    Ci,
    /// A criterion of the form `` `cmd` exits 0 ``: the binary runs the command.
    Command,
}

/// A piece of evidence that the binary can look up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Cite {
    pub kind: CiteKind,
    #[serde(rename = "ref")]
    pub reference: String,
}

/// One judged criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CriterionVerdict {
    /// Exact criterion text of the story card.
    pub criterion: String,
    pub result: CriterionResult,
    /// Test name, log line, CI URL, or code reference.
    pub evidence: String,
    /// Evidence that the binary looks up; every one must resolve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cites: Vec<Cite>,
}

/// `gate-report.yaml`, by GATE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct GateReport {
    /// Day number (filled).
    pub day: u32,
    /// Always `GATE` (filled).
    pub agent: Agent,
    /// One entry per acceptance criterion.
    pub criteria_results: Vec<CriterionVerdict>,
    /// Human-readable description of each FAIL.
    #[serde(default)]
    pub blockers: Vec<String>,
    /// PARTIAL items mapped to out_of_scope.
    #[serde(default)]
    pub deferred: Vec<String>,
    /// `SHIP` or `HOLD`, computed by the binary (filled).
    pub gate_decision: Decision,
    /// Actionable instruction for FORGE when HOLD.
    #[serde(default)]
    pub hold_reason: String,
}

/// One security, reliability or pipeline check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Finding {
    /// What was checked.
    pub check: String,
    pub result: FindingResult,
    /// File path, line number, job or test name.
    pub evidence: String,
    /// Path from the repository root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in `file`, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Stable id of the finding; answers a backlog entry of the same id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

/// `sentinel-report.yaml`, by SENTINEL.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SentinelReport {
    /// Day number (filled).
    pub day: u32,
    /// Always `SENTINEL` (filled).
    pub agent: Agent,
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
    pub day: u32,
    /// Always `CONDUIT` (filled).
    pub agent: Agent,
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

/// One edit of the docs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DocUpdate {
    pub file: String,
    pub section: String,
    pub change: String,
    pub reason: String,
}

/// `scribe-report.yaml`, by SCRIBE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct ScribeReport {
    /// Day number (filled).
    pub day: u32,
    /// Always `SCRIBE` (filled).
    pub agent: Agent,
    #[serde(default)]
    pub updates: Vec<DocUpdate>,
    pub summary: String,
}

/// `cycle.md`: YAML in a file of that name, written when the day ships.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Cycle {
    pub day: u32,
    /// PRIME to CONDUIT of the shipping attempt, US dollars; null where a price is unknown.
    pub cycle_cost_usd: Option<f64>,
    /// FORGE alone, US dollars.
    pub forge_cost_usd: Option<f64>,
    /// ISO 8601, UTC.
    pub generated_at: String,
}

/// How a run ended, as `attempts.yaml` records it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Outcome {
    /// The day shipped, ADVISORY days too.
    Ship,
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
    pub run: u32,
    /// ISO 8601, UTC.
    pub date: String,
    /// Full model spend of the run, US dollars; null where a price is unknown.
    pub cost_usd: Option<f64>,
    pub outcome: Outcome,
    /// The day's decision; absent where none was reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// `<AGENT> HOLD: …`, at most 120 characters; only on HOLD and ABORT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_reason: Option<String>,
    /// `code` or `outside`; only on HOLD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<super::hold::Cause>,
    /// The day base: the commit on which the day's first attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// The commit that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

//! The YAML artifacts of a day, field for field as users read them. Fields marked *filled* come from the
//! binary; the rest is what an agent submits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Agent;
use super::decision::Decision;

/// `story-card.yaml`, by PRIME.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoryCard {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `PRIME` (filled).
    #[cfg_attr(test, schemars(extend("const" = "PRIME")))]
    pub agent: Agent,
    /// Day theme from the plan, which PRIME may sharpen.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub theme: String,
    /// The day's stories; criteria and out_of_scope are the plan's, word for word.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub stories: Vec<StoryCardStory>,
    /// Criteria of the plan that today's card leaves to the next one, where the day was too large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(inner(regex(pattern = r"\S"))))]
    pub carried: Vec<String>,
}

/// One story of the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoryCardStory {
    /// Story title.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub title: String,
    /// Testable conditions; GATE judges each exactly once.
    #[cfg_attr(test, schemars(length(min = 1), inner(regex(pattern = r"\S"))))]
    pub acceptance_criteria: Vec<String>,
    /// Explicitly deferred items.
    #[serde(default)]
    #[cfg_attr(test, schemars(inner(regex(pattern = r"\S"))))]
    pub out_of_scope: Vec<String>,
}

impl StoryCard {
    /// All criteria of the card, in order.
    pub(crate) fn criteria(&self) -> impl Iterator<Item = &str> {
        self.stories.iter().flat_map(|s| s.acceptance_criteria.iter().map(String::as_str))
    }
}

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
    pub change: super::diff::Change,
}

/// What a criterion came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum CriterionResult {
    /// Met, with evidence.
    Pass,
    /// Not yet done, but an out_of_scope entry defers it.
    Partial,
    /// Not met.
    Fail,
}

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
    /// Where to look.
    pub kind: CiteKind,
    /// What to look for there: a test name, a line of output, `path:line`, a job or URL, a command.
    #[serde(rename = "ref")]
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub reference: String,
}

/// One judged criterion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct CriterionVerdict {
    /// Exact criterion text of the story card.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub criterion: String,
    /// Verdict for this criterion.
    pub result: CriterionResult,
    /// Test name, log line, CI URL, or code reference.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
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
    pub cause: Option<super::hold::Cause>,
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

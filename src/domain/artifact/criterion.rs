//! A criterion as GATE judges it, with the evidence that the binary looks up. Knows no report.

use serde::{Deserialize, Serialize};

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

//! Decisions: pure functions from artifacts and observations. A model's own word can make a verdict worse,
//! never better.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::artifact::criterion::{CriterionResult, CriterionVerdict};
use super::artifact::finding::{Finding, FindingResult};

/// A verdict, ordered from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Decision {
    /// No failure, no advisory.
    Ship,
    /// No failure, but concerns worth tracking: the day ships.
    Advisory,
    /// At least one blocking failure.
    Hold,
}

impl Decision {
    /// The word as artifacts and terminals show it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ship => "SHIP",
            Self::Advisory => "ADVISORY",
            Self::Hold => "HOLD",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// GATE: `SHIP` if the run allows it and every criterion is PASS or a justified PARTIAL, else `HOLD`.
///
/// `results` must already be adjudicated (cites resolved, PARTIAL justified); `run_holds` is true where the
/// observed test run alone forbids shipping. No criterion at all is a HOLD: nothing was judged.
pub(crate) fn gate(results: &[CriterionVerdict], run_holds: bool) -> Decision {
    let failed = results.iter().any(|r| r.result == CriterionResult::Fail);
    if run_holds || failed || results.is_empty() { Decision::Hold } else { Decision::Ship }
}

/// SENTINEL and CONDUIT: any FAIL holds, any ADVISORY is one, else `SHIP`.
pub(crate) fn findings(findings: &[Finding]) -> Decision {
    findings
        .iter()
        .map(|f| match f.result {
            FindingResult::Pass => Decision::Ship,
            FindingResult::Advisory => Decision::Advisory,
            FindingResult::Fail => Decision::Hold,
        })
        .max()
        .unwrap_or(Decision::Ship)
}

/// The worse of what the binary computed and what the model claimed (`None`: it claimed nothing).
pub(crate) fn worse(computed: Decision, claimed: Option<Decision>) -> Decision {
    claimed.map_or(computed, |claimed| computed.max(claimed))
}

/// The day: the worst of its reviewers. Without any reviewer nothing was judged, which is a HOLD.
pub(crate) fn day(reviewers: &[Decision]) -> Decision {
    reviewers.iter().copied().max().unwrap_or(Decision::Hold)
}

#[cfg(test)]
mod tests {
    use super::*;
    use CriterionResult as C;
    use Decision::{Advisory, Hold, Ship};
    use FindingResult as F;

    fn criterion(result: C) -> CriterionVerdict {
        CriterionVerdict { criterion: "c".into(), result, evidence: "e".into(), cites: vec![] }
    }

    fn finding(result: F) -> Finding {
        Finding { check: "c".into(), result, evidence: "e".into(), file: None, line: None, fingerprint: None }
    }

    #[test]
    fn gate_table() {
        let table: &[(&[C], bool, Decision)] = &[
            (&[], false, Hold),
            (&[], true, Hold),
            (&[C::Pass], false, Ship),
            (&[C::Pass], true, Hold),
            (&[C::Partial], false, Ship),
            (&[C::Partial], true, Hold),
            (&[C::Fail], false, Hold),
            (&[C::Fail], true, Hold),
            (&[C::Pass, C::Pass], false, Ship),
            (&[C::Pass, C::Partial], false, Ship),
            (&[C::Partial, C::Fail], false, Hold),
            (&[C::Fail, C::Pass], false, Hold),
            (&[C::Pass, C::Partial, C::Fail], false, Hold),
        ];
        for (results, run_holds, expected) in table {
            let verdicts: Vec<_> = results.iter().copied().map(criterion).collect();
            assert_eq!(gate(&verdicts, *run_holds), *expected, "{results:?} run_holds={run_holds}");
        }
    }

    #[test]
    fn findings_table() {
        let table: &[(&[F], Decision)] = &[
            (&[], Ship),
            (&[F::Pass], Ship),
            (&[F::Advisory], Advisory),
            (&[F::Fail], Hold),
            (&[F::Pass, F::Advisory], Advisory),
            (&[F::Advisory, F::Fail], Hold),
            (&[F::Fail, F::Pass], Hold),
        ];
        for (results, expected) in table {
            let list: Vec<_> = results.iter().copied().map(finding).collect();
            assert_eq!(findings(&list), *expected, "{results:?}");
        }
    }

    #[test]
    fn a_claim_never_raises_a_verdict() {
        for computed in [Ship, Advisory, Hold] {
            assert_eq!(worse(computed, None), computed);
            for claimed in [Ship, Advisory, Hold] {
                assert!(worse(computed, Some(claimed)) >= computed);
                assert!(worse(computed, Some(claimed)) >= claimed);
            }
        }
    }

    #[test]
    fn day_is_the_worst_of_its_reviewers() {
        for (reviewers, expected) in [
            (vec![], Hold),
            (vec![Ship, Ship, Ship], Ship),
            (vec![Ship, Advisory, Ship], Advisory),
            (vec![Ship, Ship, Advisory], Advisory),
            (vec![Hold], Hold),
            (vec![Ship, Advisory, Hold], Hold),
        ] {
            assert_eq!(day(&reviewers), expected, "{reviewers:?}");
        }
    }
}

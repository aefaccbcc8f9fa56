//! The rules on a day's tests, held against the commit that GATE judges: the red phase as it was proved at handoff,
//! and the coverage rule.

use super::{AgentError, Desk, day_change};
use crate::domain::observation::TestRun;
use crate::evidence::coverage_rule;
use crate::evidence::red_phase::RedPhase;
use crate::evidence::waivers::Waivers;

/// What the rules came to.
#[derive(Debug, Clone, Default)]
pub(crate) struct RuleChecks {
    /// The day diff changes production code.
    pub production_changed: bool,
    /// What is broken: each holds the day.
    pub broken: Vec<String>,
    /// What GATE is told.
    pub evidence: Vec<String>,
    /// What the gate report says of the coverage rule.
    pub coverage: String,
}

/// Holds the rules against `commit`. `run`: its tests.
pub(crate) async fn check(
    desk: &Desk<'_>,
    base: &str,
    commit: &str,
    red: Option<&RedPhase>,
    baseline: Option<&TestRun>,
    run: Option<&TestRun>,
) -> Result<RuleChecks, AgentError> {
    let change = day_change::of_commit(desk, base, commit).await?;
    let mut checks =
        RuleChecks { production_changed: change.production().next().is_some(), ..RuleChecks::default() };
    if let Some(red) = red {
        checks.evidence.extend(red.evidence());
        // Failing tests hold by themselves.
        if let RedPhase::Lacking(what) = red
            && run.is_none_or(|run| run.run.exit.ok())
        {
            checks.broken.push(format!("No red phase is proved. {what}"));
        }
    }
    match run {
        _ if !desk.terms.coverage_rule => checks.coverage = "off (PACE_COVERAGE_RULE=false)".into(),
        None => checks.coverage = "off: the project has no test command".into(),
        Some(run) => {
            let waivers = Waivers::of(desk.plan.out_of_scope());
            let plan = super::yaml(desk.plan)?;
            let counts = baseline.map(|baseline| (baseline, run));
            let coverage = coverage_rule::judge(&change, &waivers, counts, &plan);
            checks.coverage = coverage.note();
            checks.evidence.extend(coverage.evidence());
            checks.broken.extend(coverage.broken);
        }
    }
    if !desk.terms.coverage_rule {
        checks.evidence.push("Coverage rule: off (PACE_COVERAGE_RULE=false).".into());
    }
    Ok(checks)
}

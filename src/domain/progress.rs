//! How far a sprint is: days, runs, costs, estimates. Pure arithmetic over what the days recorded.

use super::artifact::FindingResult;
use super::artifact::{Attempt, Outcome};
use super::backlog::{Entry, Status};
use super::decision::Decision;
use super::plan::DayPlan;

/// One day so far.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct DayProgress {
    pub day: u32,
    pub theme: String,
    /// `None` where the day was not judged, or its last run reached no verdict.
    pub decision: Option<Decision>,
    /// Runs so far.
    pub attempts: u32,
    /// The last run ended without a verdict.
    pub aborted: bool,
    /// US dollars by the planning day; `None` where it was not planned or a price is unknown.
    pub estimate: Option<f64>,
    /// US dollars of all runs; `None` where one is unknown. 0 before the first run.
    pub actual: Option<f64>,
    /// US dollars of the runs that another one followed.
    pub wasted: Option<f64>,
    /// Why the day is held.
    pub hold_reason: Option<String>,
    /// Advisories that were open when this day ended; `None` for a day that has not run.
    pub open_advisories: Option<u32>,
    pub human_gate: bool,
    pub clearance: bool,
}

/// Sums over all days.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) struct Totals {
    /// Days in the plan.
    pub days: usize,
    pub shipped: usize,
    /// US dollars of all estimates; `None` where a day has none.
    pub estimate: Option<f64>,
    /// US dollars that the days that have shipped were estimated at.
    pub estimate_of_shipped: Option<f64>,
    /// US dollars of all runs, retries included.
    pub actual: Option<f64>,
    /// US dollars of the runs that another one followed.
    pub wasted: Option<f64>,
}

/// The progress of a day. `estimate` is the planning day's.
pub(crate) fn day(
    plan: &DayPlan,
    attempts: &[Attempt],
    estimate: Option<f64>,
    backlog: &[Entry],
) -> DayProgress {
    let last = attempts.last();
    let earlier = attempts.split_last().map_or(&[][..], |(_, earlier)| earlier);
    let cost = |runs: &[Attempt]| runs.iter().map(|a| a.cost_usd).sum::<Option<f64>>();
    DayProgress {
        day: plan.day,
        theme: plan.theme.clone(),
        decision: match last {
            Some(attempt) => attempt.decision,
            None => plan.shipped.then_some(Decision::Ship),
        },
        attempts: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
        aborted: last.is_some_and(|a| a.outcome == Outcome::Abort),
        estimate,
        actual: cost(attempts),
        wasted: cost(earlier),
        hold_reason: last.filter(|a| a.outcome != Outcome::Ship).and_then(|a| a.hold_reason.clone()),
        open_advisories: last.map(|_| open_after(backlog, plan.day)),
        human_gate: plan.human_gate,
        clearance: plan.clearance,
    }
}

/// The sums over `days`.
pub(crate) fn totals(days: &[DayProgress]) -> Totals {
    let shipped = |day: &&DayProgress| matches!(day.decision, Some(Decision::Ship | Decision::Advisory));
    Totals {
        days: days.len(),
        shipped: days.iter().filter(shipped).count(),
        estimate: days.iter().map(|d| d.estimate).sum(),
        estimate_of_shipped: days.iter().filter(shipped).map(|d| d.estimate).sum(),
        actual: days.iter().map(|d| d.actual).sum(),
        wasted: days.iter().map(|d| d.wasted).sum(),
    }
}

/// Entries that were raised by then and not closed by then.
fn open_after(backlog: &[Entry], day: u32) -> u32 {
    let open = |entry: &&Entry| {
        let mut judged = entry.history.iter().filter(|j| j.day <= day && j.result != FindingResult::Fail);
        match judged.next_back() {
            Some(judgement) => judgement.result == FindingResult::Advisory,
            None => entry.day <= day && entry.status != Status::Closed,
        }
    };
    u32::try_from(backlog.iter().filter(|e| e.day <= day).filter(open).count()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Agent;
    use crate::domain::backlog::Judgement;

    fn plan(day: u32) -> DayPlan {
        DayPlan {
            day,
            theme: format!("Theme {day}"),
            stories: vec![],
            notes: None,
            human_gate: false,
            clearance: false,
            shipped: false,
        }
    }

    fn attempt(run: u32, cost: Option<f64>, outcome: Outcome) -> Attempt {
        Attempt {
            run,
            date: "2026-03-13T04:12:33Z".into(),
            cost_usd: cost,
            outcome,
            decision: match outcome {
                Outcome::Ship => Some(Decision::Ship),
                Outcome::Hold => Some(Decision::Hold),
                Outcome::Abort => None,
            },
            hold_reason: (outcome != Outcome::Ship).then(|| "GATE HOLD: why".to_owned()),
            cause: None,
            base: None,
            commit: None,
            cost_by_agent: Default::default(),
            cost_by_model: Default::default(),
        }
    }

    #[test]
    fn retries_are_counted_and_what_they_wasted_is_told() {
        let runs = [attempt(1, Some(3.5), Outcome::Hold), attempt(2, Some(3.0), Outcome::Ship)];
        let retried = day(&plan(1), &runs, Some(2.0), &[]);
        assert_eq!((retried.attempts, retried.actual, retried.wasted), (2, Some(6.5), Some(3.5)));
        assert_eq!((retried.decision, retried.hold_reason.clone()), (Some(Decision::Ship), None));
        let held = day(&plan(2), &runs[..1], None, &[]);
        assert_eq!((held.decision, held.wasted), (Some(Decision::Hold), Some(0.0)));
        let fresh = day(&plan(3), &[], Some(1.0), &[]);
        assert_eq!((fresh.decision, fresh.actual, fresh.open_advisories), (None, Some(0.0), None));
        let sums = totals(&[retried, held, fresh]);
        assert_eq!((sums.shipped, sums.actual, sums.wasted), (1, Some(10.0), Some(3.5)));
        assert_eq!((sums.estimate, sums.estimate_of_shipped), (None, Some(2.0)));
    }

    #[test]
    fn an_unknown_cost_makes_the_sums_unknown() {
        let unknown = day(&plan(1), &[attempt(1, None, Outcome::Abort)], None, &[]);
        assert!(unknown.aborted && unknown.actual.is_none() && unknown.wasted == Some(0.0));
        assert_eq!(totals(&[unknown]).actual, None);
    }

    #[test]
    fn an_advisory_is_open_from_its_day_to_the_day_that_closes_it() {
        let judged = |day, result| Judgement { day, result, evidence: "e".into() };
        let entry = Entry {
            id: "a".into(),
            day: 1,
            agent: Agent::Sentinel,
            finding: "f".into(),
            status: Status::Closed,
            issue: None,
            history: vec![
                judged(1, FindingResult::Advisory),
                judged(3, FindingResult::Fail),
                judged(3, FindingResult::Pass),
            ],
        };
        let open: Vec<_> = (1..=3).map(|day| open_after(std::slice::from_ref(&entry), day)).collect();
        assert_eq!(open, [1, 1, 0]);
    }
}

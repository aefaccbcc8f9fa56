//! What is left of the daily budget: the attempts of all days that were made today, whoever ran them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::plan::Plan;
use crate::error::Error;
use crate::store::artifacts::Store;

/// US dollars of `budget` that today, in `zone`, has left; 0 or less where it is used up.
///
/// # Errors
/// An attempt of today whose cost is unknown: the budget cannot be kept then.
pub(crate) fn left(store: &Store, plan: &Plan, budget: f64, zone: &TimeZone) -> Result<f64, Error> {
    let today = Timestamp::now().to_zoned(zone.clone()).date();
    let mut spent = 0.0;
    for &day in plan.days.keys() {
        for attempt in store.attempts(day).map_err(Error::Abort)? {
            let made = attempt.date.parse::<Timestamp>().map(|at| at.to_zoned(zone.clone()).date());
            if made.ok() != Some(today) {
                continue;
            }
            spent += attempt.cost_usd.ok_or_else(|| {
                Error::config(format!(
                    "PACE_DAILY_BUDGET: run {} of day {day} has an unknown cost, so the budget cannot be kept: give \
                     the model's price in a PACE_PRICES file, or unset the budget for today",
                    attempt.run
                ))
            })?;
        }
    }
    Ok(budget - spent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::artifact::{Attempt, Outcome};
    use crate::domain::plan::{DayPlan, Sprint};

    fn plan() -> Plan {
        let day = DayPlan {
            day: 1,
            theme: "T".into(),
            stories: vec![],
            notes: None,
            human_gate: false,
            clearance: false,
            shipped: false,
        };
        Plan { sprint: Sprint::default(), days: [(1, day)].into() }
    }

    fn attempt(date: String, cost_usd: Option<f64>) -> Attempt {
        Attempt {
            run: 1,
            date,
            cost_usd,
            outcome: Outcome::Hold,
            decision: None,
            hold_reason: None,
            cause: None,
            base: None,
            commit: None,
            cost_by_agent: Default::default(),
            cost_by_model: Default::default(),
        }
    }

    #[test]
    fn only_todays_attempts_count_and_an_unknown_cost_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().to_path_buf());
        let now = Timestamp::now();
        store.append_attempt(1, &attempt("2020-02-02T10:00:00Z".into(), None)).unwrap();
        store.append_attempt(1, &attempt(now.to_string(), Some(1.5))).unwrap();
        store.append_attempt(1, &attempt(now.to_string(), Some(2.0))).unwrap();
        assert!((left(&store, &plan(), 5.0, &TimeZone::UTC).unwrap() - 1.5).abs() < 1e-9);
        assert!(left(&store, &plan(), 3.0, &TimeZone::UTC).unwrap() < 0.0);
        store.append_attempt(1, &attempt(now.to_string(), None)).unwrap();
        let error = left(&store, &plan(), 5.0, &TimeZone::UTC).unwrap_err();
        assert!(error.to_string().contains("PACE_PRICES"), "{error}");
    }
}

//! Which day a run is about, and whether it may run: from the plan, the attempts and the commits.

use super::site::Site;
use crate::day::sprint::PROGRESS;
use crate::domain::artifact::{Attempt, Outcome};
use crate::domain::decision::Decision;
use crate::domain::plan::Plan;
use crate::error::Error;

/// Refuses a day that the plan does not have.
pub(crate) fn day_in_plan(plan: &Plan, path: &str, day: u32) -> Result<(), Error> {
    if plan.days.contains_key(&day) {
        return Ok(());
    }
    let days: Vec<_> = plan.days.keys().map(u32::to_string).collect();
    Err(Error::plan(format!("{path}: day {day} is not in the plan; it has: {}", days.join(", "))))
}

/// The first day that has not shipped.
pub(crate) fn first_unshipped(site: &Site, plan: &Plan) -> Result<Option<u32>, Error> {
    for &day in plan.days.keys() {
        if shipped(site, plan, day)?.is_none() {
            return Ok(Some(day));
        }
    }
    Ok(None)
}

/// Why the day's last attempt was held, if nothing but pace's own records changed since.
pub(crate) fn unchanged_hold(site: &Site, plan_path: &str, day: u32) -> Result<Option<String>, Error> {
    let attempts = site.store.attempts(day).map_err(Error::Abort)?;
    let Some(Attempt { outcome: Outcome::Hold, commit: Some(commit), hold_reason, .. }) = attempts.last()
    else {
        return Ok(None);
    };
    let head = site.repo.head()?;
    if !site.repo.is_ancestor(commit, &head)? {
        return Ok(None);
    }
    let since = site.repo.day_diff(commit, &head)?;
    let ours = |path: &str| (path.starts_with(".pace/") || path == PROGRESS) && path != plan_path;
    let unchanged = since.files.iter().all(|file| ours(&file.path));
    Ok(unchanged.then(|| hold_reason.clone().unwrap_or_default()))
}

/// The decision of a day that has shipped: its last attempt shipped a commit reachable from HEAD, or the plan
/// says so.
pub(crate) fn shipped(site: &Site, plan: &Plan, day: u32) -> Result<Option<Decision>, Error> {
    let attempts = site.store.attempts(day).map_err(Error::Abort)?;
    if let Some(Attempt { outcome: Outcome::Ship, decision, commit: Some(commit), .. }) = attempts.last() {
        let head = site.repo.head()?;
        if site.repo.is_ancestor(commit, &head)? {
            // An artifact that was read back never raises a verdict: SHIP or ADVISORY, as it was recorded.
            return Ok(Some((*decision).unwrap_or(Decision::Advisory).min(Decision::Advisory)));
        }
    }
    Ok(plan.days.get(&day).filter(|d| d.shipped).map(|_| Decision::Ship))
}

/// Refuses a day whose earlier days have not shipped; names each of them.
pub(crate) fn earlier_days_shipped(site: &Site, plan: &Plan, day: u32) -> Result<(), Error> {
    let mut problems = Vec::new();
    for &earlier in plan.days.keys().filter(|&&d| d < day) {
        if shipped(site, plan, earlier)?.is_some() {
            continue;
        }
        let last = site.store.attempts(earlier).map_err(Error::Abort)?.pop();
        problems.push(match last.filter(|attempt| attempt.outcome == Outcome::Hold) {
            Some(attempt) => format!(
                "day {earlier} is on HOLD ({}), so day {day} cannot run: fix the code or the plan and run DAY={earlier} \
                 again",
                attempt.hold_reason.unwrap_or_default()
            ),
            None => format!(
                "day {earlier} has not shipped, so day {day} cannot run: run it with DAY={earlier}, or set `status: \
                 shipped` on it in the plan if it was done elsewhere"
            ),
        });
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::Plan(problems)) }
}

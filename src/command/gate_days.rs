//! Days at whose end a person has the word: whether those before a day have let it pass.

use super::site::Site;
use crate::domain::plan::Plan;
use crate::error::Error;
use crate::platform::{Line, Platform};
use crate::repo::Branch;

/// Why `day` has to wait for a person; `None` = it need not. `approved` is `PACE_APPROVED`.
///
/// A gate is open once its day is in the base branch, or a review that contains it was merged or approved.
pub(crate) async fn closed_before(
    site: &Site,
    platform: &Platform,
    (plan, branch): (&Plan, &Branch),
    day: u32,
    approved: Option<u32>,
) -> Result<Option<String>, Error> {
    let earlier = plan.days.values().filter(|d| d.human_gate && d.day < day && Some(d.day) > approved);
    let Some(gate) = earlier.map(|gate| gate.day).max() else { return Ok(None) };
    let attempts = site.store.attempts(gate).map_err(Error::Abort)?;
    let Some(commit) = attempts.last().and_then(|attempt| attempt.commit.as_ref()) else {
        // Done elsewhere, by the plan's word.
        return Ok(None);
    };
    let line = Line { branch: branch.name.clone(), base: branch.base.clone() };
    let wait = format!("Day {day} waits: day {gate} is a human gate and nobody has approved it yet");
    let mend = format!(
        "nothing was run; merge {} into {} or approve its review, or set PACE_APPROVED={gate}",
        branch.name, branch.base
    );
    for merged in site.repo.base_tips()? {
        if site.repo.is_ancestor(commit, &merged)? {
            return Ok(None);
        }
    }
    let commits = match platform.review.approved(&line).await {
        Ok(commits) => commits,
        Err(error) => return Ok(Some(format!("{wait}, and {error:#}; {mend}"))),
    };
    for passed in commits {
        if site.repo.is_ancestor(commit, &passed)? {
            return Ok(None);
        }
    }
    Ok(Some(format!("{wait}; {mend}")))
}

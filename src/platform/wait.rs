//! Waiting for the CI of a commit: how often it is asked, when waiting ends. Knows no forge.

use std::future::Future;
use std::time::Duration;

use super::clock::Clock;
use super::http::Failure;
use super::verdict::{self, Job};
use crate::domain::observation::CiState;

/// Without any job after this time there is no CI for the commit.
const NO_RUN: Duration = Duration::from_secs(60);

/// Pauses grow from the first to the last: two or three requests each, some 40 times in a quarter of an hour.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// Asks `jobs` until the CI has said something, at most for `timeout`. Green counts when it was seen twice: jobs of a
/// second workflow may appear a moment after the first one is done.
///
/// CI that cannot be read is no verdict: it needs a human, with the reason and its `mend`.
pub(super) async fn wait<F>(
    clock: &dyn Clock,
    timeout: Duration,
    jobs: impl Fn() -> F,
    mend: impl Fn(&Failure) -> Option<String>,
) -> CiState
where
    F: Future<Output = Result<Vec<Job>, Failure>>,
{
    let mut waited = Duration::ZERO;
    let mut pause = FIRST_PAUSE;
    let mut green = None;
    loop {
        let jobs = match jobs().await {
            Ok(jobs) => jobs,
            Err(failure) => {
                let mend = mend(&failure).map(|mend| format!("; {mend}")).unwrap_or_default();
                let detail = format!("the CI of the commit could not be read: {failure}{mend}");
                return CiState::NeedsHuman { detail };
            }
        };
        let mut end = timeout;
        match verdict::settled(&jobs) {
            Some(now @ CiState::Green { .. }) if green.as_ref() != Some(&now) && waited < timeout => {
                green = Some(now);
            }
            Some(state) => return state,
            None => {
                green = None;
                // No job, or none that says anything.
                if verdict::pending(&jobs).is_empty() {
                    end = NO_RUN.min(timeout);
                    if waited >= end {
                        return CiState::None;
                    }
                }
            }
        }
        if waited >= timeout {
            return CiState::Timeout { pending: verdict::pending(&jobs) };
        }
        let next = pause.min(end.saturating_sub(waited)).max(Duration::from_millis(1));
        clock.sleep(next).await;
        waited += next;
        pause = (pause + pause / 4).min(LAST_PAUSE);
    }
}

//! Hidden markers: HTML comments by which a body of pace's is found again on the forge.

use crate::prompt::markdown;

/// Hidden marker of the sprint's review: the first line of its body, by which it is found again.
pub(crate) fn review(sprint: &str) -> String {
    format!("<!-- pace:{}:review -->", markdown::marker(sprint))
}

/// Hidden marker of the note that shows the last run's summary on the review.
pub(crate) fn summary(sprint: &str) -> String {
    format!("<!-- pace:{}:summary -->", markdown::marker(sprint))
}

/// Hidden marker of a day's hold issue.
pub(crate) fn hold(sprint: &str, day: u32) -> String {
    format!("<!-- pace:{}:day-{day}:hold -->", markdown::marker(sprint))
}

/// Hidden marker of an advisory's issue.
pub(crate) fn advisory(sprint: &str, id: &str) -> String {
    format!("<!-- pace:{}:advisory-{} -->", markdown::marker(sprint), markdown::marker(id))
}

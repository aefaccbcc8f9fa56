//! Bodies and commit messages: which template tells what, and how long a body may be.
//!
//! Knows no platform: limits are the strictest of the forges that a body may go to.

use crate::prompt::Templates;

use super::marker;
use super::view::DayView;

/// Characters that a review or issue body may have; GitHub refuses more than 65,536.
const BODY: usize = 60_000;

/// Bytes that a job summary may have; GitHub drops a larger one than 1 MiB whole.
const SUMMARY: usize = 900_000;

/// Body of the sprint's review. Its first line is [`marker::review`].
pub(crate) fn review(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    let body = templates.render("review-pr.md.j2", view)?;
    Ok(fit(marked(&marker::review(&view.sprint), &body), BODY))
}

/// Title of the sprint's review, one line.
pub(crate) fn review_title(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    title(templates, "review-title.txt.j2", view)
}

/// Body of the day's hold issue. Its first line is [`marker::hold`].
pub(crate) fn escalation(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    let body = templates.render("escalation-issue.md.j2", view)?;
    Ok(fit(marked(&marker::hold(&view.sprint, view.day), &body), BODY))
}

/// Title of the day's hold issue, one line.
pub(crate) fn escalation_title(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    title(templates, "escalation-title.txt.j2", view)
}

/// The job summary, also `pace-summary.md`.
pub(crate) fn summary(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    Ok(fit(templates.render("summary.md.j2", view)?, SUMMARY))
}

/// The same as a note on the review. Its first line is [`marker::summary`].
pub(crate) fn note(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    let summary = templates.render("summary.md.j2", view)?;
    Ok(fit(marked(&marker::summary(&view.sprint), &summary), BODY))
}

/// Message of the commit that records the day's artifacts.
pub(crate) fn artifacts_commit(templates: &Templates, view: &DayView) -> anyhow::Result<String> {
    templates.message("commit-artifacts.txt.j2", view, Some(view.day), &view.sprint)
}

/// `body` below the marker by which it is found again: never a template's business, or ten runs would leave ten of it.
pub(super) fn marked(marker: &str, body: &str) -> String {
    format!("{marker}\n{}", body.trim_start())
}

fn title(templates: &Templates, name: &str, view: &DayView) -> anyhow::Result<String> {
    Ok(templates.render(name, view)?.trim().to_owned())
}

/// Cuts `body` after its last whole line within `max` bytes, and says so. The marker is the first line, and a
/// block or fold that the cut leaves open ends with the text.
fn fit(body: String, max: usize) -> String {
    if body.len() <= max {
        return body;
    }
    let kept = body.floor_char_boundary(max);
    let end = body[..kept].rfind('\n').map_or(kept, |at| at + 1);
    format!(
        "{}\n*The rest is left out: {} bytes are too many here. The day's artifacts hold all of it.*\n",
        &body[..end],
        body.len()
    )
}

#[cfg(test)]
mod tests;

//! The sprint as a whole: `PROGRESS.md`, the sprint summary, the escalation of advisories and the page with charts,
//! all from one picture. Texts stay as they came in: the template engine makes them inert.

pub(super) mod view;

use serde::Serialize;

use super::body::marked;
use super::charts::Charts;
use super::marker;
use crate::domain::backlog::Entry;
use crate::prompt::Templates;
pub(crate) use view::{ChangedFile, SprintDay, SprintView, changed_files};

/// The first and the last line of pace's part of `PROGRESS.md`.
const BEGIN: &str = "<!-- pace:progress -->";
const END: &str = "<!-- /pace:progress -->";

/// `PROGRESS.md` with pace's part renewed. What people wrote around it stays; a file without that part gets it
/// at its end.
pub(crate) fn progress(
    templates: &Templates,
    view: &SprintView,
    there: Option<&str>,
) -> anyhow::Result<String> {
    let rendered = templates.render("progress.md.j2", view)?;
    let part = format!("{BEGIN}\n{}\n{END}\n", rendered.trim());
    let Some(there) = there.filter(|text| !text.trim().is_empty()) else { return Ok(part) };
    let place = there.find(BEGIN).zip(there.find(END)).filter(|(begin, end)| begin < end);
    Ok(match place {
        Some((begin, end)) => {
            let rest = there[end + END.len()..].trim_start_matches('\n');
            let gap = if rest.is_empty() { "" } else { "\n" };
            format!("{}{part}{gap}{rest}", &there[..begin])
        }
        None => format!("{}\n\n{part}", there.trim_end()),
    })
}

/// `.pace/sprint-summary.md`.
pub(crate) fn summary(templates: &Templates, view: &SprintView) -> anyhow::Result<String> {
    templates.render("sprint-summary.md.j2", view)
}

/// The page with charts, one file that needs nothing else.
pub(crate) fn page(templates: &Templates, view: &SprintView) -> anyhow::Result<String> {
    #[derive(Serialize)]
    struct Page<'a> {
        #[serde(flatten)]
        view: &'a SprintView,
        charts: Charts,
    }
    templates.render("report.html.j2", &Page { view, charts: Charts::of(&view.days) })
}

/// An issue about one advisory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AdvisoryView<'a> {
    pub sprint: &'a str,
    pub entry: &'a Entry,
    /// The sprint is over, and nobody has resolved it.
    pub escalated: bool,
}

/// Title and body of the issue about an advisory. The body's first line is [`marker::advisory`].
pub(crate) fn advisory(templates: &Templates, view: &AdvisoryView<'_>) -> anyhow::Result<(String, String)> {
    let title = templates.render("advisory-title.txt.j2", view)?.trim().to_owned();
    let body = templates.render("advisory-issue.md.j2", view)?;
    Ok((title, marked(&marker::advisory(view.sprint, &view.entry.id), &body)))
}

#[cfg(test)]
#[path = "sprint_tests.rs"]
mod tests;

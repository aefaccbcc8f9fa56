//! The sprint as a whole: `PROGRESS.md`, the sprint summary, the escalation of advisories and the page with charts,
//! all from one picture. Texts stay as they came in: the template engine makes them inert.

use serde::Serialize;

use super::body::marked;
use super::view::ProductView;
use crate::domain::artifact::HandoffFile;
use crate::domain::backlog::Entry;
use crate::domain::decision::Decision;
use crate::domain::diff::Change;
use crate::domain::progress::{DayProgress, Totals};
use crate::prompt::figures::cents;
use crate::prompt::{Templates, markdown};

/// The first and the last line of pace's part of `PROGRESS.md`.
const BEGIN: &str = "<!-- pace:progress -->";
const END: &str = "<!-- /pace:progress -->";

/// Everything that the sprint's pages show.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SprintView {
    pub product: ProductView,
    pub sprint: String,
    pub goal: Option<String>,
    pub days: Vec<SprintDay>,
    pub totals: Totals,
    /// The whole backlog, closed entries included.
    pub advisories: Vec<Entry>,
    /// Files changed over all days, by path.
    pub files: Vec<ChangedFile>,
    /// ISO 8601, UTC.
    pub generated_at: String,
}

/// One day of the sprint.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct SprintDay {
    #[serde(flatten)]
    pub progress: DayProgress,
    /// The three reviewers' decisions of the last run.
    pub gate: Option<Decision>,
    pub sentinel: Option<Decision>,
    pub conduit: Option<Decision>,
    /// `SHIP`, `ADVISORY`, `HOLD`, `ABORT`, or `pending`.
    pub status: &'static str,
    /// `$6.59 (2x)`; `–` before the first run.
    pub actual_text: String,
}

/// A file and the days that changed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ChangedFile {
    pub path: String,
    /// Over all days together.
    pub change: Change,
    pub days: Vec<u32>,
}

impl SprintDay {
    /// A day with its reviewers' decisions: GATE's, SENTINEL's, CONDUIT's.
    pub(crate) fn new(progress: DayProgress, [gate, sentinel, conduit]: [Option<Decision>; 3]) -> Self {
        let status = match progress.decision {
            Some(Decision::Ship) => "SHIP",
            Some(Decision::Advisory) => "ADVISORY",
            Some(Decision::Hold) => "HOLD",
            None if progress.aborted => "ABORT",
            None => "pending",
        };
        let actual_text = match progress.attempts {
            0 => "–".to_owned(),
            1 => cents(progress.actual),
            runs => format!("{} ({runs}x)", cents(progress.actual)),
        };
        Self { progress, gate, sentinel, conduit, status, actual_text }
    }
}

/// Folds the handoffs of all days, in order, into one list by path. A file that was added and deleted again is
/// left out.
pub(crate) fn changed_files<'a>(
    handoffs: impl IntoIterator<Item = (u32, &'a [HandoffFile])>,
) -> Vec<ChangedFile> {
    let mut files = std::collections::BTreeMap::<&str, ChangedFile>::new();
    for (day, changes) in handoffs {
        for HandoffFile { path, change } in changes {
            if *change == Change::Deleted
                && files.get(path.as_str()).is_some_and(|f| f.change == Change::Added)
            {
                files.remove(path.as_str());
                continue;
            }
            let file = files.entry(path).or_insert_with(|| ChangedFile {
                path: path.clone(),
                change: *change,
                days: vec![],
            });
            file.days.push(day);
            file.change = match (file.change, change) {
                (Change::Added, Change::Modified | Change::Renamed) => Change::Added,
                (Change::Deleted, Change::Added) => Change::Modified,
                (_, change) => *change,
            };
        }
    }
    files.into_values().collect()
}

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
        charts: super::charts::Charts,
    }
    templates.render("report.html.j2", &Page { view, charts: super::charts::Charts::of(&view.days) })
}

/// An issue about one advisory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct AdvisoryView<'a> {
    pub sprint: &'a str,
    pub entry: &'a Entry,
    /// The sprint is over, and nobody has resolved it.
    pub escalated: bool,
}

/// Title and body of the issue about an advisory. The body's first line is [`advisory_marker`].
pub(crate) fn advisory(templates: &Templates, view: &AdvisoryView<'_>) -> anyhow::Result<(String, String)> {
    let title = templates.render("advisory-title.txt.j2", view)?.trim().to_owned();
    let body = templates.render("advisory-issue.md.j2", view)?;
    Ok((title, marked(&advisory_marker(view.sprint, &view.entry.id), &body)))
}

/// Hidden marker of an advisory's issue.
pub(crate) fn advisory_marker(sprint: &str, id: &str) -> String {
    format!("<!-- pace:{}:advisory-{} -->", markdown::marker(sprint), markdown::marker(id))
}

#[cfg(test)]
#[path = "sprint_tests.rs"]
mod tests;

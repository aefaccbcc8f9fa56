//! The one picture of a sprint that all its pages show. Knows no page.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::artifact::HandoffFile;
use crate::domain::backlog::Entry;
use crate::domain::decision::Decision;
use crate::domain::diff::Change;
use crate::domain::progress::{DayProgress, Totals};
use crate::prompt::figures::cents;
use crate::report::view::ProductView;

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
    pub status: DayStatus,
    /// `$6.59 (2x)`; `–` before the first run.
    pub actual_text: String,
}

/// How a day stands after its last run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum DayStatus {
    Ship,
    Advisory,
    Hold,
    Abort,
    /// No run yet.
    #[serde(rename = "pending")]
    Pending,
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
            Some(Decision::Ship) => DayStatus::Ship,
            Some(Decision::Advisory) => DayStatus::Advisory,
            Some(Decision::Hold) => DayStatus::Hold,
            None if progress.aborted => DayStatus::Abort,
            None => DayStatus::Pending,
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
    let mut files = BTreeMap::<&str, ChangedFile>::new();
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

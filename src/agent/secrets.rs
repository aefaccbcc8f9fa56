//! The scan for secrets and hidden Unicode at its three places: before FORGE's commit, before SCRIBE's, and under
//! SENTINEL's report. Reads the files and the day base's exceptions; what a find means is `evidence::scan`'s.

use serde::{Deserialize, Serialize};

use super::{AgentError, Desk};
use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::diff::{Change, Diff, FileDiff};
use crate::domain::event::{Event, Level};
use crate::evidence::scan::{Allow, ChangedFile, judge};

/// What a scan found, as the journal keeps it: places and fingerprints, no values.
#[derive(Serialize, Deserialize)]
struct Scanned {
    findings: Vec<Finding>,
    /// Exceptions that could not be read.
    problems: Vec<String>,
}

/// Finds in the work tree's side of `diff`; what the day base held counts as there before.
pub(crate) async fn in_work_tree(
    desk: &Desk<'_>,
    base: &str,
    diff: &Diff,
) -> Result<Vec<Finding>, AgentError> {
    scan(desk, "work tree", base, diff, |path| desk.repo.work_file(path)).await
}

/// Finds in `commit`, the other side of `diff`.
pub(crate) async fn in_commit(
    desk: &Desk<'_>,
    base: &str,
    commit: &str,
    diff: &Diff,
) -> Result<Vec<Finding>, AgentError> {
    scan(desk, commit, base, diff, |path| desk.repo.show(commit, path)).await
}

/// Finds in the named files of the work tree, in whole, not in their changes alone.
pub(crate) async fn in_files(
    desk: &Desk<'_>,
    base: &str,
    paths: &[String],
) -> Result<Vec<Finding>, AgentError> {
    let file = |path: &String| FileDiff {
        path: path.clone(),
        old_path: None,
        change: Change::Modified,
        added: vec![],
        patch: String::new(),
        binary: true,
    };
    in_work_tree(desk, base, &Diff { files: paths.iter().map(file).collect() }).await
}

/// The finds that keep a change out of git.
pub(crate) fn blocking(findings: Vec<Finding>) -> Vec<Finding> {
    findings.into_iter().filter(|finding| finding.result == FindingResult::Fail).collect()
}

/// What FORGE is told to do about them.
pub(crate) fn instruction(findings: &[Finding]) -> String {
    let places: Vec<_> = findings.iter().map(|finding| finding.evidence.as_str()).collect();
    format!(
        "{}. Take it out of the change, nothing of it was committed: a secret belongs in the environment, a value for \
         a test is made when the test runs",
        places.join("; ")
    )
}

async fn scan(
    desk: &Desk<'_>,
    what: &str,
    base: &str,
    diff: &Diff,
    read: impl Fn(&str) -> anyhow::Result<Option<Vec<u8>>>,
) -> Result<Vec<Finding>, AgentError> {
    let paths: Vec<_> = diff.files.iter().map(|file| (&file.path, file.change)).collect();
    let act = async {
        let mut changes = Vec::new();
        for file in diff.files.iter().filter(|file| file.change != Change::Deleted) {
            if let Some(now) = read(&file.path)? {
                changes.push(changed(desk, base, file, now)?);
            }
        }
        let allow = allow(desk, base)?;
        let findings = judge(&changes, &allow);
        anyhow::Ok(Scanned { findings, problems: allow.problems })
    };
    let scanned: Scanned = desk.journal.step("scan", &(what, base, paths), act).await?;
    for text in scanned.problems {
        desk.events.emit(Event::Notice { level: Level::Warning, text });
    }
    Ok(scanned.findings)
}

fn changed(desk: &Desk<'_>, base: &str, file: &FileDiff, now: Vec<u8>) -> anyhow::Result<ChangedFile> {
    let mut before = desk.repo.show(base, &file.path)?;
    let is_new = before.is_none();
    if let (None, Some(old)) = (&before, &file.old_path) {
        before = desk.repo.show(base, old)?;
    }
    Ok(ChangedFile {
        path: file.path.clone(),
        is_new,
        base: before,
        now,
        added: (!file.binary).then(|| file.added.clone()),
    })
}

/// The exceptions as they stood at the day base: one that came today excepts nothing.
fn allow(desk: &Desk<'_>, base: &str) -> anyhow::Result<Allow> {
    let mut files = Vec::new();
    for path in Allow::FILES {
        if let Some(text) = desk.repo.show(base, path)? {
            files.push((path.to_owned(), String::from_utf8_lossy(&text).into_owned()));
        }
    }
    Ok(Allow::parse(&files))
}

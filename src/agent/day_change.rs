//! The day's own work, as recorded steps: its diff, and its change with the texts that rules look at.

use std::collections::{BTreeMap, BTreeSet};

use super::{AgentError, Desk};
use crate::domain::diff::Diff;
use crate::evidence::day_change::{DayChange, FileChange};
use crate::evidence::files::{FileKind, kind_of};
use crate::repo::Stored;

/// Longest text that rules look at, in bytes; a longer file is told by its path alone.
const LONGEST: usize = 512 * 1024;

/// Day base → work tree, without the untracked files in `except`.
pub(crate) async fn of_work_tree(
    desk: &Desk<'_>,
    base: &str,
    except: &BTreeSet<String>,
) -> Result<DayChange, AgentError> {
    let change = async {
        let (mut change, _) = raw(desk, base, except)?;
        clean(desk, &mut change);
        anyhow::Ok(change)
    };
    Ok(desk.journal.step("day-work", base, change).await?)
}

/// Day base → `commit`.
pub(crate) async fn of_commit(desk: &Desk<'_>, base: &str, commit: &str) -> Result<DayChange, AgentError> {
    let change = async {
        let diff = desk.repo.day_diff(base, commit)?;
        let (mut change, _) = filled(desk, base, commit, diff, |path| desk.repo.show(commit, path))?;
        clean(desk, &mut change);
        anyhow::Ok(change)
    };
    Ok(desk.journal.step("day-commit", &(base, commit), change).await?)
}

/// The day diff `base` → HEAD at this moment.
pub(crate) async fn diff_since(desk: &Desk<'_>, base: &str) -> Result<Diff, AgentError> {
    let head: String = desk.journal.step("head", "", async { desk.repo.head() }).await?;
    diff_between(desk, base, &head).await
}

/// The day diff `base` → `commit`.
pub(crate) async fn diff_between(desk: &Desk<'_>, base: &str, commit: &str) -> Result<Diff, AgentError> {
    let diff = async {
        let mut diff = desk.repo.day_diff(base, commit)?;
        diff.files.retain(|file| !desk.terms.is_record(&file.path));
        anyhow::Ok(diff)
    };
    Ok(desk.journal.step("day-diff", &(base, commit), diff).await?)
}

/// What the day's work found, by path.
pub(crate) type Before = BTreeMap<String, Option<Stored>>;

/// Day base → work tree as it stands, unrecorded and unmasked, and what was there before.
pub(crate) fn raw(
    desk: &Desk<'_>,
    base: &str,
    except: &BTreeSet<String>,
) -> anyhow::Result<(DayChange, Before)> {
    let diff = desk.repo.day_work_diff(base, except)?;
    let head = desk.repo.head()?;
    filled(desk, base, &head, diff, |path| desk.repo.work_file(path))
}

fn filled(
    desk: &Desk<'_>,
    base: &str,
    commit: &str,
    mut diff: Diff,
    now: impl Fn(&str) -> anyhow::Result<Option<Vec<u8>>>,
) -> anyhow::Result<(DayChange, Before)> {
    diff.files.retain(|file| !desk.terms.is_record(&file.path) && !file.path.ends_with('/'));
    let mut files: Vec<FileChange> = diff.files.iter().map(FileChange::of).collect();
    let code = || files.iter().filter(|file| file.is_code());
    let paths: Vec<String> = code().map(|file| file.path_before().to_owned()).collect();
    let before = desk.repo.day_start(base, commit, &paths)?;
    for file in files.iter_mut().filter(|file| file.is_code()) {
        let was = before.get(file.path_before()).cloned().flatten();
        file.before = was.and_then(|stored| text(file.path_before(), stored.content));
        file.now = now(&file.path)?.and_then(|content| text(&file.path, content));
    }
    Ok((DayChange { files }, before))
}

/// What rules read of a file. Production code in another encoding is left as it is: it may have to be written again.
/// A test is read as far as it goes, so that no byte keeps a rule from it.
fn text(path: &str, content: Vec<u8>) -> Option<String> {
    if content.len() > LONGEST {
        return None;
    }
    match String::from_utf8(content) {
        Ok(text) => Some(text),
        Err(other) if kind_of(path) == FileKind::Test && !other.as_bytes().contains(&0) => {
            Some(String::from_utf8_lossy(other.as_bytes()).into_owned())
        }
        Err(_) => None,
    }
}

fn clean(desk: &Desk<'_>, change: &mut DayChange) {
    for text in change.files.iter_mut().flat_map(|file| [&mut file.before, &mut file.now]).flatten() {
        *text = desk.journal.clean(text);
    }
}

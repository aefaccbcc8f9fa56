//! What a run leaves where git does not look, once it is over: put in order at its end, and by the next run where it came
//! to none. Must not know of verdicts.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

use super::site::Site;
use crate::agent::tampering;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Terms;
use crate::journal::Record;
use crate::repo::Restoring;

/// Paths that a notice names.
const NAMED: usize = 10;

/// Folder below `.pace/.run/removed` of what a run is not believed.
pub(super) fn folder(day: u32, attempt: u32) -> String {
    format!("day-{day}-run-{attempt}")
}

/// Puts in order what the run left that ends now, whose journal is at `journal`. A published verdict does not hang on it: what
/// fails is told.
pub(super) fn end(site: &Site, start: &Start, journal: &Path, events: &dyn Events) {
    if let Err(problem) = put_in_order(site, start, journal, events) {
        let text = format!(
            "What this run left where git does not look could not all be put in order: {problem:#}. Look at \
             `git status --ignored` before the next run: what is there then counts as yours"
        );
        events.emit(Event::Notice { level: Level::Warning, text });
    }
}

fn put_in_order(site: &Site, start: &Start, journal: &Path, events: &dyn Events) -> anyhow::Result<()> {
    // A run that was cut off, e.g. because its time was over, leaves no more behind than one that was judged.
    if let Some(before) = tampering::cut_off(&crate::journal::read(journal)?) {
        let cleared = tampering::end_cut_off((&site.root, site.repo.as_ref()), start.terms.day, &before);
        let aside = site.repo.restore_ignored(Restoring::AtEnd)?;
        tell(events, &format!("Moved ignored files of this run to {}", place(start)), &aside);
        cleared?;
    }
    site.repo.forget_ignored()
}

/// The last moment at which the commands of a dead run can have written, whose journal is at `path`: what was under way at
/// its last record went on no longer than it may.
pub(super) fn last_sign(path: &Path, terms: &Terms, in_flight: bool) -> anyhow::Result<SystemTime> {
    let written = std::fs::metadata(path).and_then(|file| file.modified());
    let written = written.with_context(|| format!("reading {}", path.display()))?;
    let longest = Duration::from_millis(terms.command_timeout_ms.max(terms.test_timeout_ms));
    Ok(if in_flight { written + longest } else { written })
}

/// Puts in order what the run of `start` left, which is dead since `until` and whose journal holds `records`.
pub(super) fn of_dead_run(
    site: &Site,
    (start, records): (&Start, &[Record]),
    until: SystemTime,
    events: &dyn Events,
) -> anyhow::Result<()> {
    let folder = folder(start.terms.day, start.attempt);
    let moved = site.repo.set_left_aside(&folder, until)?;
    let place = place(start);
    tell(events, &format!("Moved ignored files that the interrupted run left to {place}"), &moved);
    if let Some(before) = tampering::cut_off(records) {
        let until = until.duration_since(UNIX_EPOCH).map_or(0, |until| until.as_secs());
        let until = i64::try_from(until).unwrap_or(i64::MAX);
        let tree = (site.root.as_path(), site.repo.as_ref());
        let outputs = tampering::end_dead(tree, start.terms.day, &before, until)?;
        site.repo.put_away(&folder, &outputs)?;
        tell(events, &format!("Moved build outputs that the interrupted run left to {place}"), &outputs);
    }
    Ok(())
}

fn place(start: &Start) -> String {
    format!(".pace/.run/removed/{}", folder(start.terms.day, start.attempt))
}

fn tell(events: &dyn Events, what: &str, paths: &[String]) {
    if paths.is_empty() {
        return;
    }
    let named = paths.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let more = paths.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    events.emit(Event::Notice { level: Level::Info, text: format!("{what}: {named}{more}") });
}

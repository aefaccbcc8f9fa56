//! What a run leaves where git does not look, once it is over: put in order at its end, and by the next run where it came
//! to none. Must not know of verdicts.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;

use super::site::Site;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Terms;
use crate::repo::Restoring;

/// Paths that a notice names.
const NAMED: usize = 10;

/// Folder below `.pace/.run/removed` of what a run is not believed.
pub(super) fn folder(day: u32, attempt: u32) -> String {
    format!("day-{day}-run-{attempt}")
}

/// Puts in order what the run left that ends now.
pub(super) fn end(site: &Site, start: &Start, events: &dyn Events) -> anyhow::Result<()> {
    let aside = site.repo.restore_ignored(Restoring::AtEnd)?;
    let what = format!("Set ignored files of this run aside, in {}", place(start));
    tell(events, &what, &aside);
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

/// Puts in order what the run of `start` left, which is dead since `until`.
pub(super) fn of_dead_run(
    site: &Site,
    start: &Start,
    until: SystemTime,
    events: &dyn Events,
) -> anyhow::Result<()> {
    let moved = site.repo.set_left_aside(&folder(start.terms.day, start.attempt), until)?;
    let what = format!("Set ignored files aside that the interrupted run left, in {}", place(start));
    tell(events, &what, &moved);
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

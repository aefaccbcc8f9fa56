//! Looks for what an interrupted run left, and whether its records can be believed.

use std::path::Path;

use anyhow::Context as _;

use super::Interrupted;
use crate::command::reopened::reopen;
use crate::command::site::{Site, seal};
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::error::Error;
use crate::journal::{self, END, Record, Seal, Trust};
use crate::secret::Redactor;
use crate::settings::{DayChoice, Settings};

/// What looking for an interrupted run came to.
pub(crate) enum Look {
    Nothing,
    /// Another process is at it.
    Running,
    Interrupted(Box<Interrupted>),
}

/// Looks for an interrupted run of the day and, where it can be resumed, takes its uncommitted work out of the tree:
/// the checkpoints have it.
pub(crate) fn look(
    settings: &Settings,
    site: &Site,
    redactor: &Redactor,
    events: &dyn Events,
) -> Result<Look, Error> {
    if settings.dry_run {
        return Ok(Look::Nothing);
    }
    let days = match settings.day {
        Some(DayChoice::Number(day)) => vec![day],
        Some(DayChoice::Auto) | None => site.store.days_run(),
    };
    for day in days {
        for path in site.store.journals(day) {
            if journal::is_held(&path) {
                return Ok(Look::Running);
            }
            match read(&path, &seal(settings)) {
                Ok(None) => continue,
                Ok(Some((mut records, start))) => {
                    if records.last().is_some_and(|last| last.kind == END) && !reopen(&mut records) {
                        break;
                    }
                    let mut found = Interrupted::new(path, records, start, site, redactor.clone())?;
                    return Ok(match found.take_up(site, events)? {
                        None => {
                            found.undo_rewinding(site)?;
                            Look::Interrupted(Box::new(found))
                        }
                        Some(reason) => {
                            found.give_up(site, events, &reason)?;
                            Look::Nothing
                        }
                    });
                }
                Err(problem) => {
                    doubted((&path, problem), site, redactor, events)?;
                    break;
                }
            }
        }
    }
    Ok(Look::Nothing)
}

/// A run that is not resumed because its records cannot be believed, be it that the model's credential is another one now:
/// what it left helps no later run all the same. It is not booked, for its bill cannot be believed either.
fn doubted(
    (path, problem): (&Path, anyhow::Error),
    site: &Site,
    redactor: &Redactor,
    events: &dyn Events,
) -> Result<(), Error> {
    let mut text = format!("Not resuming: {problem:#}");
    if let Some(mut found) = unended(path, site, redactor)? {
        text += &match found.take_up(site, events)? {
            None => ". What it left in the work tree was taken out of it".to_owned(),
            Some(reason) => format!(". What it left in the work tree stays there: {reason}"),
        };
        site.store.settled(found.terms().day)?;
    }
    events.emit(Event::Notice { level: Level::Warning, text });
    Ok(())
}

/// The run of the journal at `path` as far as its records can be read, if they come to no end.
fn unended(path: &Path, site: &Site, redactor: &Redactor) -> Result<Option<Interrupted>, Error> {
    let Ok(mut records) = journal::read(path) else { return Ok(None) };
    let Ok(start) = Start::recorded(&records) else { return Ok(None) };
    let ended = records.last().is_some_and(|last| last.kind == END) && !reopen(&mut records);
    if ended || start.terms.dry_run {
        return Ok(None);
    }
    Interrupted::new(path.to_path_buf(), records, start, site, redactor.clone()).map(Some)
}

/// A journal that may be resumed from; `None` for one that says nothing (killed before its first record, a dry run).
pub(crate) fn read(path: &Path, seal: &Seal) -> anyhow::Result<Option<(Vec<Record>, Start)>> {
    if std::fs::metadata(path).is_ok_and(|file| file.len() == 0) {
        return Ok(None);
    }
    let records = match journal::read(path) {
        // The first record was not finished.
        Err(_) if !std::fs::read(path)?.contains(&b'\n') => return Ok(None),
        records => records?,
    };
    if let Trust::Broken(seq) = journal::trust(&records, seal)? {
        anyhow::bail!(
            "{}: record {seq} was not written by a run with this model credential, or was changed since",
            path.display()
        );
    }
    if records.iter().any(|record| record.seal.starts_with("k:")) && !seal.has_key() {
        anyhow::bail!("{}: it is sealed with a model credential, and there is none now", path.display());
    }
    let start = Start::recorded(&records).with_context(|| path.display().to_string())?;
    Ok((!start.terms.dry_run).then_some((records, start)))
}

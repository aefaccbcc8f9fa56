//! The tests with something else in the place of today's production code: the runs that the red phase is proved by.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::put_back::PutBack;
use crate::agent::tests::ProjectTests;
use crate::agent::{Desk, day_change};
use crate::domain::diff::Change;
use crate::domain::observation::TestRun;
use crate::evidence::code::Language;
use crate::evidence::code::hollowed::Way;
use crate::evidence::day_change::{DayChange, FileChange};
use crate::evidence::files::{FileKind, kind_of};
use crate::repo::Stored;

/// What takes the place of today's production code.
#[derive(Debug, Clone, Copy)]
pub(super) enum Otherwise {
    /// What was there before the day.
    AsBefore,
    /// The same code with the functions of the day emptied.
    Hollow(Way),
}

/// The tests with something else in the place of today's production code. Everything is put back, whatever ends the run.
pub(super) async fn run_otherwise(
    desk: &Desk<'_>,
    tests: &ProjectTests,
    base: &str,
    except: &BTreeSet<String>,
    otherwise: Otherwise,
) -> anyhow::Result<TestRun> {
    let (change, before) = day_change::raw(desk, base, except)?;
    let touched: BTreeSet<String> = desk.repo.work_diff(except)?.paths().cloned().collect();
    let kept: Vec<String> = touched.iter().filter(|path| !path.ends_with('/')).cloned().collect();
    let instead = match otherwise {
        Otherwise::AsBefore => instead(&change, &before),
        Otherwise::Hollow(way) => hollow(&change, way),
    };
    desk.repo.exchange(&instead, &kept)?;
    let exchanged =
        PutBack::owed(desk, |repo| repo.put_back(), "files of today are still in .pace/.run/exchange");
    let run = tests.run_apart().await;
    exchanged.now()?;
    // What the run itself wrote is nobody's work.
    let now = desk.repo.work_diff(except)?;
    let written: BTreeSet<&String> = now.paths().collect();
    let litter = written.into_iter().filter(|path| !touched.contains(*path) && !path.ends_with('/'));
    desk.repo.take_back(&litter.cloned().collect::<Vec<_>>())?;
    run
}

/// Today's production code with its functions emptied, by path.
fn hollow(change: &DayChange, way: Way) -> BTreeMap<String, Option<Stored>> {
    let files = change.production().filter_map(|file| {
        let content = file.hollowed(way)?.text.into_bytes();
        Some((file.path.clone(), Some(Stored { content, mode: 0o100_755 })))
    });
    files.collect()
}

/// What was there before the day, by path.
fn instead(change: &DayChange, before: &day_change::Before) -> BTreeMap<String, Option<Stored>> {
    let mut instead = BTreeMap::new();
    for file in &change.files {
        let was = before.get(file.path_before()).cloned().flatten();
        let imports_paths = Language::of(&file.path).imports_paths();
        match file.change {
            Change::Renamed if is_production(file) => {
                if imports_paths {
                    // Tests may name the new path, other files of before the old one.
                    instead.insert(file.path.clone(), taken_out(file, was.clone()));
                } else if file.changes_production() {
                    instead.insert(file.path.clone(), None);
                }
                if imports_paths || file.changes_production() {
                    instead.insert(file.path_before().to_owned(), was);
                }
            }
            _ if !file.changes_production() => {}
            Change::Added => drop(instead.insert(file.path.clone(), None)),
            Change::Deleted => drop(instead.insert(file.path.clone(), was)),
            Change::Modified | Change::Renamed => {
                drop(instead.insert(file.path.clone(), taken_out(file, was)))
            }
        }
    }
    instead
}

fn is_production(file: &FileChange) -> bool {
    [file.path.as_str(), file.path_before()].iter().any(|path| kind_of(path) == FileKind::Production)
}

/// The file as it was, with today's test part where it has one.
fn taken_out(file: &FileChange, was: Option<Stored>) -> Option<Stored> {
    let stored = was?;
    let content = file.without_production().map_or(stored.content, String::into_bytes);
    Some(Stored { content, mode: stored.mode })
}

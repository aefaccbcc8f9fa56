//! The handoff's proof: tests with the production change and without it, and the coverage rule. Observes; what
//! follows from it is `evidence`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::AGENT;
use super::closing::Closing;
use crate::agent::tests::ProjectTests;
use crate::agent::{AgentError, Desk, day_change};
use crate::domain::diff::Change;
use crate::domain::event::{Event, Level};
use crate::domain::observation::{TestRun, TestStatus};
use crate::evidence::code::Language;
use crate::evidence::coverage_rule::{self, Coverage};
use crate::evidence::day_change::{DayChange, FileChange};
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::red_phase::{self, RedPhase, Runs, some};
use crate::evidence::waivers::Waivers;
use crate::repo::Stored;
use crate::tool::run_tests::Tests as _;

/// What a handoff came to under the rules.
pub(super) struct Checked {
    pub red: RedPhase,
    pub coverage: Coverage,
    /// Whether the tests passed, where they were run for it.
    pub passed: Option<bool>,
}

impl Checked {
    /// What FORGE is told to mend first. Failing tests are GATE's to hold.
    pub(super) fn mendable(&self) -> Vec<String> {
        let red = match &self.red {
            RedPhase::Lacking(what) if self.passed != Some(false) => Some(what.clone()),
            _ => None,
        };
        red.into_iter().chain(self.coverage.broken.clone()).collect()
    }
}

/// Checks the day's work as it stands in the work tree.
pub(super) async fn of(closing: &Closing<'_>) -> Result<Checked, AgentError> {
    let desk = closing.desk;
    let untracked = closing.not_its_own();
    let change = day_change::of_work_tree(desk, closing.inputs.base, &untracked).await?;
    let waivers = Waivers::of(desk.plan.out_of_scope());
    let plan = crate::agent::yaml(desk.plan)?;
    let coverage = |green: Option<&TestRun>| match &closing.tests {
        Some(_) if desk.terms.coverage_rule => {
            coverage_rule::judge(&change, &waivers, closing.inputs.baseline.zip(green), &plan)
        }
        _ => Coverage::default(),
    };
    let checked = |red, green: Option<&TestRun>| {
        let passed = green.map(|run| run.run.exit.ok());
        Checked { red, coverage: coverage(green), passed }
    };
    if !desk.terms.tdd {
        return Ok(checked(RedPhase::NotNeeded("off (PACE_TDD=false)".into()), None));
    }
    let Some(tests) = &closing.tests else {
        return Ok(checked(RedPhase::NotNeeded("the project has no test command".into()), None));
    };
    if let Some(excuse) = red_phase::excuse(&change, &coverage_rule::waived(&change, &waivers)) {
        return Ok(checked(RedPhase::NotNeeded(excuse), None));
    }
    if closing.skipped_red() {
        return Ok(checked(RedPhase::Lacking(SKIPPED.into()), None));
    }
    desk.step(AGENT, format!("Proving the red phase: {} ...", tests.command()));
    let green = desk
        .journal
        .act("green", &change, async { tests.observe_settled(closing.inputs.baseline).await })
        .await?;
    if !green.run.exit.ok() {
        // GATE holds for that; the run without the change would tell nothing.
        let runs = Runs { baseline: closing.inputs.baseline, green: &green, red: &green };
        return Ok(checked(red_phase::prove(&runs, &change, &[]), Some(&green)));
    }
    desk.step(AGENT, format!("Proving the red phase without the production change: {} ...", tests.command()));
    let without = async {
        if let Some(run) = tests.standing.red() {
            return Ok(run);
        }
        let run = run_otherwise(desk, tests, closing.inputs.base, &untracked, instead).await?;
        tests.standing.keep_red(&run);
        anyhow::Ok(run)
    };
    let red = desk.journal.act("without-production", &change, without).await?;
    let runs = Runs { baseline: closing.inputs.baseline, green: &green, red: &red };
    let seen = closing.seen.clone().unwrap_or_default();
    let proved = red_phase::prove(&runs, &change, &seen);
    let proved = match &proved {
        RedPhase::Proved { failing, .. } => {
            let hollow = without_bodies(closing, tests, &change, &untracked).await?;
            hollow.and_then(|run| red_phase::look_at_nothing(&run, failing, &change)).unwrap_or(proved)
        }
        _ => proved,
    };
    Ok(checked(proved, Some(&green)))
}

/// The tests with the functions of the day in place, made to fail; `None` where there are none, or tests may be about
/// something else that the day brought.
async fn without_bodies(
    closing: &Closing<'_>,
    tests: &ProjectTests,
    change: &DayChange,
    untracked: &BTreeSet<String>,
) -> Result<Option<TestRun>, AgentError> {
    let desk = closing.desk;
    if !red_phase::is_about_functions(change) {
        return Ok(None);
    }
    desk.step(
        AGENT,
        format!("Proving that the tests look at the functions of the day: {} ...", tests.command()),
    );
    let run = async {
        if let Some(run) = tests.standing.hollow() {
            return Ok(run);
        }
        let run = run_otherwise(desk, tests, closing.inputs.base, untracked, hollow).await?;
        tests.standing.keep_hollow(&run);
        anyhow::Ok(run)
    };
    Ok(Some(desk.journal.act("without-bodies", change, run).await?))
}

const SKIPPED: &str = "Production code changed without a confirmed red phase: take the production change back, see the \
                       new tests fail, call `confirm_red_phase`, then build.";

/// Why `run` confirms no red phase; `None` where it does. `claimed`: tests and files that FORGE names.
pub(super) fn not_red(
    run: &TestRun,
    baseline: Option<&TestRun>,
    change: &DayChange,
    claimed: &[&str],
) -> Option<String> {
    let failing: Vec<String> = run.names(TestStatus::Failed).map(str::to_owned).collect();
    if run.run.exit.ok() && failing.is_empty() {
        return Some(format!(
            "the tests pass ({}): a red phase needs tests that fail for what is not built yet",
            run.summary()
        ));
    }
    let before: BTreeSet<&str> = baseline.map(|b| b.names(TestStatus::Failed).collect()).unwrap_or_default();
    let written = change.tests().next().is_some();
    let old = !failing.is_empty() && failing.iter().all(|name| before.contains(name.as_str()));
    let mends = |name: &String| claimed.iter().any(|c| name.contains(c) || c.contains(name.as_str()));
    if old && written && !failing.iter().any(mends) {
        return Some(format!(
            "only tests fail that failed before the day ({}); none of the tests that you wrote does. Write a test that \
             fails for what is not built yet, or name the failing test that you are about to mend",
            some(&failing)
        ));
    }
    if !written {
        // Tests that failed before the day are the red phase of their mend.
        return None;
    }
    red_phase::hollow(change)
}

/// What takes the place of files, by path.
type Instead = BTreeMap<String, Option<Stored>>;

/// The tests with other files in the place of some of the day's. Everything is put back, whatever ends the run.
async fn run_otherwise(
    desk: &Desk<'_>,
    tests: &ProjectTests,
    base: &str,
    except: &BTreeSet<String>,
    instead: impl Fn(&DayChange, &day_change::Before) -> Instead,
) -> anyhow::Result<TestRun> {
    let (change, before) = day_change::raw(desk, base, except)?;
    let names = |diff: crate::domain::diff::Diff| -> BTreeSet<String> {
        diff.files.into_iter().flat_map(|f| f.old_path.into_iter().chain([f.path])).collect()
    };
    let touched = names(desk.repo.work_diff(except)?);
    let kept: Vec<String> = touched.iter().filter(|path| !path.ends_with('/')).cloned().collect();
    desk.repo.exchange(&instead(&change, &before), &kept)?;
    let back = PutBack(desk);
    let run = tests.run_apart().await;
    std::mem::forget(back);
    desk.repo.put_back()?;
    // What the run itself wrote is nobody's work.
    let written = names(desk.repo.work_diff(except)?);
    let litter: Vec<String> = written.difference(&touched).filter(|p| !p.ends_with('/')).cloned().collect();
    desk.repo.take_back(&litter)?;
    run
}

/// Today's production code with its functions made to fail.
fn hollow(change: &DayChange, _: &day_change::Before) -> Instead {
    let files = change.production().filter_map(|file| {
        let content = file.hollowed()?.text.into_bytes();
        Some((file.path.clone(), Some(Stored { content, mode: 0o100_755 })))
    });
    files.collect()
}

/// What was there before, in the place of today's production code.
fn instead(change: &DayChange, before: &day_change::Before) -> Instead {
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

/// Puts today's files back also where the run is dropped in the middle: a time-out, a signal, an error.
struct PutBack<'a>(&'a Desk<'a>);

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.repo.put_back() {
            let text = format!("files of today are still in .pace/.run/exchange: {error:#}");
            self.0.events.emit(Event::Notice { level: Level::Error, text });
        }
    }
}

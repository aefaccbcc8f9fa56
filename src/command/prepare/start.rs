//! What the agents of a chosen day begin with: its base, its files, the test run on the base.

use std::collections::BTreeMap;

use super::next_attempt;
use crate::agent::tests::ProjectTests;
use crate::command::leavings;
use crate::command::site::Site;
use crate::day::sprint::PROGRESS;
use crate::day::start::Start;
use crate::domain::observation::TestRun;
use crate::domain::plan::Plan;
use crate::domain::terms::Terms;
use crate::error::Error;
use crate::evidence::runner;
use crate::repo::Branch;
use crate::store::artifacts::Store;

/// `resumed`: what an interrupted run started from, which is started again.
pub(super) async fn start(
    site: &Site,
    terms: Terms,
    plan: Plan,
    branch: Branch,
    resumed: Option<&Start>,
) -> Result<Start, Error> {
    let attempts = site.store.attempts(terms.day).map_err(Error::Abort)?;
    let base = match attempts.first().and_then(|a| a.base.clone()) {
        Some(base) => base,
        // A run that was killed has no attempt to tell of it, but perhaps commits: they are part of the day.
        None => {
            let trailers = [format!("Pace-Day: {}", terms.day), format!("Pace-Sprint: {}", terms.sprint)];
            site.repo.before_first(&trailers)?.unwrap_or_else(|| branch.head.clone())
        }
    };
    let attempt = next_attempt(site, terms.day)?;
    let mut untracked = site.repo.untracked()?;
    // What an earlier run of the day left uncommitted is this run's to record.
    let own = format!("{}/", Store::day_dir(terms.day));
    untracked.retain(|path| !path.starts_with(&own));
    let hold_reason = site.store.last_hold_reason(terms.day).map_err(Error::Abort)?;
    let mut files: BTreeMap<String, String> = site.store.snapshot().map_err(Error::Abort)?;
    for path in [terms.plan_path.as_str(), PROGRESS] {
        if let Some(text) = site.store.read_text(path).map_err(Error::Abort)? {
            files.insert(path.to_owned(), text);
        }
    }
    let baseline = if let Some(resumed) = resumed {
        resumed.baseline.clone()
    } else if terms.dry_run {
        None
    } else {
        baseline(site, &terms, &base, &branch.head).await?
    };
    site.repo.note_ignored(&leavings::folder(terms.day, attempt)).map_err(Error::Abort)?;
    Ok(Start {
        pace: env!("CARGO_PKG_VERSION").into(),
        terms,
        plan,
        branch,
        attempt,
        base,
        untracked,
        baseline,
        hold_reason,
        templates: None,
        files,
    })
}

/// The test run on the day base. A runner that cannot start is a configuration problem; failing tests are fine.
async fn baseline(site: &Site, terms: &Terms, base: &str, head: &str) -> Result<Option<TestRun>, Error> {
    let Some(tests) = ProjectTests::new(&site.root, terms, site.sandbox.clone()) else { return Ok(None) };
    if let Some(known) = site.store.baseline(terms.day, base) {
        return Ok(Some(known));
    }
    let run = tests.observe().await.map_err(Error::Abort)?;
    if runner::is_missing_runner(&run.run) {
        return Err(Error::config(format!(
            "the test command `{}` cannot start ({}): install the runner before pace, or set PACE_TEST_COMMAND\n{}",
            run.run.command,
            run.run.exit,
            run.run.output.text().trim_end()
        )));
    }
    if base == head {
        site.store.keep_baseline(terms.day, base, &run).map_err(Error::Abort)?;
    }
    Ok(Some(run))
}

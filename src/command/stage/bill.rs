//! What a working job spent of the daily budget: it may not write the ledger, so the hand-off carries its bill and the
//! publishing job enters it, whatever becomes of the day.

use std::path::Path;

use crate::command::booking;
use crate::command::budget::ledger;
use crate::command::site::Site;
use crate::day::start::Start;
use crate::domain::budget::Entry;
use crate::domain::event::{Event, Events, Level};
use crate::domain::money::round_usd;
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::journal::{self, Record};
use crate::settings::Settings;
use crate::store::artifacts::Store;
use crate::store::handoff::{Bill, Folder, Manifest, Whose};

/// What the run of `records` spent so far; `None` without a daily budget. What is not known counts with all that it may be.
pub(super) fn of(settings: &Settings, start: &Start, records: &[Record]) -> Option<Bill> {
    settings.money.daily_budget_usd?;
    let usd = booking::bill(records, &start.terms).cost(|_| true);
    Some(Bill {
        usd: usd.map_or(start.terms.max_run_usd, round_usd),
        at: jiff::Timestamp::now().as_second(),
        run: run_of(start, records),
    })
}

/// The same however often a run is gone on with, and no other run's.
fn run_of(start: &Start, records: &[Record]) -> String {
    let began = records.first().map_or("", |record| record.at.as_str());
    let head = &start.branch.head[..start.branch.head.len().min(10)];
    format!("work-{began}-{head}")
}

/// Leaves the bill alone, of a working job that came to no verdict: folder and digest of what is handed over. `None` where
/// nothing is owed: another stage, no budget, nothing recorded.
pub(crate) fn leave_alone(
    settings: &Settings,
    root: &Path,
    day: u32,
) -> anyhow::Result<Option<(String, String)>> {
    if settings.stage != Stage::Work || settings.dry_run {
        return Ok(None);
    }
    let Some(path) = Store::new(root.to_path_buf()).journals(day).into_iter().next() else { return Ok(None) };
    let records = journal::read(&path)?;
    let start = Start::recorded(&records)?;
    let Some(bill) = of(settings, &start, &records).filter(|bill| bill.usd > 0.0) else { return Ok(None) };
    seal(settings, root, &start, bill).map(Some)
}

/// Leaves a bill of all that the working job may spend, before it spends anything: one that is killed outright leaves
/// another one no more. `None` where nothing is owed.
pub(crate) fn leave_beforehand(
    settings: &Settings,
    root: &Path,
    start: &Start,
    journal: &Path,
) -> anyhow::Result<Option<(String, String)>> {
    let owes = settings.stage == Stage::Work && !settings.dry_run;
    if !owes || settings.money.daily_budget_usd.is_none() {
        return Ok(None);
    }
    let (usd, at) = (start.terms.max_run_usd, jiff::Timestamp::now().as_second());
    let bill = Bill { usd, at, run: run_of(start, &journal::read(journal)?) };
    seal(settings, root, start, bill).map(Some)
}

/// A hand-off with nothing but `bill`: its folder and digest.
fn seal(settings: &Settings, root: &Path, start: &Start, bill: Bill) -> anyhow::Result<(String, String)> {
    let folder = Folder::at(root.join(&settings.handoff));
    folder.fresh()?;
    let digest = folder.seal(Manifest {
        handoff: 0,
        pace: String::new(),
        sprint: start.terms.sprint.clone(),
        day: start.terms.day,
        attempt: start.attempt,
        decision: "ABORT".into(),
        branch: start.branch.name.clone(),
        head: start.branch.head.clone(),
        commits: vec![],
        bill: Some(bill),
        files: [].into(),
    })?;
    Ok((settings.handoff.clone(), digest))
}

/// Enters the bill of the hand-off into the ledger, where one was handed over. Comes before the hand-off is judged; a day
/// does not hang on it.
pub(crate) async fn enter(settings: &Settings, site: &Site, events: &dyn Events) {
    let Some(digest) = &settings.handoff_digest else { return };
    let folder = Folder::at(site.root.join(&settings.handoff));
    let (level, text) = match folder.billed(digest) {
        Ok((_, None)) => return,
        Ok((whose, Some(bill))) => {
            let usd = bill.usd;
            match enter_bill(site, &whose, bill).await {
                Ok(()) => (Level::Info, format!("the ledger has the ${usd:.2} that the working job spent")),
                Err(problem) => {
                    let text =
                        format!("the ${usd:.2} that the working job spent are not in the ledger: {problem}");
                    (Level::Warning, text)
                }
            }
        }
        Err(_) if settings.money.daily_budget_usd.is_none() => return,
        Err(_) => {
            let text =
                "what the working job spent is not in the ledger: its hand-off is not the one that was left";
            (Level::Warning, text.to_owned())
        }
    };
    events.emit(Event::Notice { level, text: format!("PACE_DAILY_BUDGET: {text}") });
}

async fn enter_bill(site: &Site, whose: &Whose, bill: Bill) -> Result<(), Error> {
    let refs = site.own_refs.as_ref().ok_or_else(|| Error::config("this job pushes nothing"))?;
    let spent = Entry {
        sprint: whose.sprint.clone(),
        day: whose.day,
        run: whose.attempt,
        owner: bill.run,
        at: bill.at,
        usd: bill.usd,
        open: false,
    };
    ledger::enter(refs, &spent).await
}

//! What runs left on the git server of days that have shipped: of one that was killed between its last record and the moment
//! at which it takes its journal away, nothing else would. A journal that may still be resumed stays. Decides nothing of a run.

use std::collections::BTreeMap;

use super::lock;
use super::selection::shipped;
use super::site::Site;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::domain::plan::Plan;
use crate::journal::Record;
use crate::repo::{Kept, OwnRefs, Swapped, own_names};

/// Takes away what is left of the shipped days of `plan`; a failure is told.
pub(crate) async fn sweep_or_tell(site: &Site, plan: (&Plan, &str), events: &dyn Events) {
    if let Err(problem) = sweep(site, plan).await {
        let text = format!("What earlier runs left on the git server stays there: {problem:#}");
        events.emit(Event::Notice { level: Level::Warning, text });
    }
}

async fn sweep(site: &Site, (plan, sprint): (&Plan, &str)) -> anyhow::Result<()> {
    let Some(refs) = &site.own_refs else { return Ok(()) };
    let names = |kind: &'static str| {
        let of_day = move |day: &u32| own_names(kind, sprint, *day).map(|name| (*day, name));
        plan.days.keys().flat_map(of_day).collect::<Vec<_>>()
    };
    let (journals, locks) = (names("journal"), names("lock"));
    let all: Vec<&str> = journals.iter().chain(&locks).map(|(_, name)| name.as_str()).collect();
    let seen = refs.look(&all).await?;
    for (day, name) in journals.iter().filter(|(_, name)| seen.ids.contains_key(name)) {
        if shipped(site, plan, *day)?.is_some() {
            take_away(site, refs, name, (sprint, *day)).await?;
        }
    }
    for (day, name) in locks.iter().filter(|(_, name)| seen.ids.contains_key(name)) {
        if shipped(site, plan, *day)?.is_some() {
            lock::bury(refs, name, seen.now).await?;
        }
    }
    Ok(())
}

/// Takes the journal at `name` away where its run, or a later one of the day, is on the books.
async fn take_away(site: &Site, refs: &OwnRefs, name: &str, day: (&str, u32)) -> anyhow::Result<()> {
    let Some(kept) = refs.read(name).await? else { return Ok(()) };
    let Some(attempt) = attempt(&kept, day) else { return Ok(()) };
    if !site.store.attempts(day.1)?.iter().any(|known| known.run >= attempt) {
        return Ok(());
    }
    // Whoever changed it since has it.
    if let Swapped::Refused(_) = refs.swap(name, Some(&kept.id), None).await? {
        let empty = refs.seal("pace: the day has shipped\n", &BTreeMap::new(), &[])?;
        refs.swap(name, Some(&kept.id), Some(&empty)).await?;
    }
    Ok(())
}

/// Number of the run whose journal this is, by its first record.
fn attempt(kept: &Kept, (sprint, day): (&str, u32)) -> Option<u32> {
    let bytes = kept.files.values().next()?;
    let all: Vec<u8>;
    let first = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => &bytes[..end],
        // What a run starts from may fill more than one part.
        None => {
            all = kept.files.values().flatten().copied().take_while(|byte| *byte != b'\n').collect();
            &all
        }
    };
    let record: Record = serde_json::from_slice(first).ok()?;
    let start = Start::recorded(&[record]).ok()?;
    ((start.terms.sprint.as_str(), start.terms.day) == (sprint, day)).then_some(start.attempt)
}

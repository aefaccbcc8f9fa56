//! What the journal of a run that came to no verdict tells without being played: where it stopped and what it cost, which is
//! kept as an attempt.

use crate::agent::purse::Lost;
use crate::agent::turns::{MODEL, Said};
use crate::day::start::Start;
use crate::domain::Agent;
use crate::domain::artifact::{Attempt, Outcome};
use crate::domain::money::{Bill, Usage, round_usd};
use crate::domain::terms::{Rated, Terms};
use crate::journal::{self, CLOCK, END, INTENT, RESUME, Record};
use crate::store::artifacts::Store;

/// Writes a run that a signal ended down, from its journal: it may never be resumed.
pub(crate) fn book_signalled(store: &Store, day: u32) -> anyhow::Result<()> {
    let Some(path) = store.journals(day).into_iter().next() else { return Ok(()) };
    let records = journal::read(&path)?;
    if records.last().is_some_and(|last| last.kind == END) {
        return Ok(());
    }
    let start = Start::recorded(&records)?;
    if start.terms.dry_run { Ok(()) } else { book(store, &start, &records) }
}

/// US dollars that the dry run `attempt` of `day` cost, from its journal; `None` where there is none, or a price is unknown.
pub(crate) fn dry_cost(store: &Store, day: u32, attempt: u32) -> Option<f64> {
    let records = journal::read(&store.journals(day).into_iter().next()?).ok()?;
    let start = Start::recorded(&records).ok()?;
    (start.terms.dry_run && start.attempt == attempt)
        .then(|| bill(&records, &start.terms).cost(|_| true))?
        .map(round_usd)
}

/// Why a run that was cut off came to no verdict.
const INTERRUPTED: &str = "ABORT: the run was interrupted";

/// Books a run that came to no verdict with all that it cost, unless it is on the books. Another runner may have had a run
/// under the same number meanwhile: then it takes the next one.
pub(crate) fn book(store: &Store, start: &Start, records: &[Record]) -> anyhow::Result<()> {
    let (day, attempts) = (start.terms.day, store.attempts(start.terms.day)?);
    let mut attempt = unfinished(start, records);
    let cut_off = |known: &Attempt| known.hold_reason == attempt.hold_reason && known.base == attempt.base;
    let namesakes = attempts.iter().filter(|known| known.run == start.attempt);
    let booked = if namesakes.clone().any(|known| !cut_off(known)) {
        attempt.run = attempts.iter().map(|known| known.run).max().unwrap_or(0) + 1;
        has_verdict(&attempts, start, records)
            || attempts.iter().any(|known| cut_off(known) && known.cost_usd == attempt.cost_usd)
    } else {
        // It may have been booked when it was cut off for the first time, and have gone on since.
        namesakes.clone().any(|known| known.cost_usd >= attempt.cost_usd)
    };
    if booked { Ok(()) } else { store.put_attempt(day, &attempt) }
}

/// Whether the verdict of the very run that `records` tell of is on the books, and not another one's under its number.
fn has_verdict(attempts: &[Attempt], start: &Start, records: &[Record]) -> bool {
    let told = |date: &str| records.iter().any(|record| record.kind == CLOCK && record.value == date);
    attempts.iter().any(|attempt| attempt.run == start.attempt && told(&attempt.date))
}

fn unfinished(start: &Start, records: &[Record]) -> Attempt {
    let bill = bill(records, &start.terms);
    Attempt {
        run: start.attempt,
        date: journal::timestamp(),
        cost_usd: bill.cost(|_| true).map(round_usd),
        cost_by_agent: bill.by_agent(),
        cost_by_model: bill.by_model(),
        outcome: Outcome::Abort,
        decision: None,
        hold_reason: Some(INTERRUPTED.into()),
        cause: None,
        base: Some(start.base.clone()),
        commit: None,
    }
}

/// The agent that was at work when the last of `records` was written, and the number of the call it was about to make
/// or made.
pub(crate) fn place(records: &[Record]) -> (&str, usize) {
    let agent =
        records.iter().rev().find_map(|record| record.value.get("agent")?.as_str()).unwrap_or("PRIME");
    let calls = records.iter().filter(|r| r.kind == MODEL && r.value["agent"] == agent).count();
    (agent, calls + 1)
}

/// What `records` cost; a call without a recorded end counts with what was reserved for it.
pub(crate) fn bill(records: &[Record], terms: &Terms) -> Bill {
    let mut bill = Bill::default();
    for lost in lost(records, terms) {
        bill.book(lost.agent, &lost.model, lost.usage, lost.usd);
    }
    bill
}

/// What was paid, or may have been, for the calls among `records`. A call that was begun and has no result counts with
/// what was reserved for it.
pub(crate) fn lost(records: &[Record], terms: &Terms) -> Vec<Lost> {
    let mut lost = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match record.kind.as_str() {
            MODEL => {
                let Ok(said) = serde_json::from_value::<Said>(record.value.clone()) else { continue };
                let Rated { name, price } = terms.rated(said.agent);
                lost.extend(said.paid().map(|usage| {
                    let usd = price.map(|price| price.of(usage));
                    Lost { agent: said.agent, model: name.clone(), usage, usd }
                }));
            }
            INTENT if record.value["kind"] == MODEL && !has_result(records, index) => {
                let agent = serde_json::from_value(record.value["agent"].clone()).unwrap_or(Agent::Prime);
                let (model, usd) = (terms.rated(agent).name.clone(), record.value["usd"].as_f64());
                lost.push(Lost { agent, model, usage: Usage::default(), usd });
            }
            RESUME => lost.extend(
                serde_json::from_value::<Vec<Lost>>(record.value["lost"].clone()).unwrap_or_default(),
            ),
            _ => {}
        }
    }
    lost
}

fn has_result(records: &[Record], intent: usize) -> bool {
    let next = records[intent..].iter().find(|record| record.kind != INTENT);
    next.is_some_and(|next| next.key == records[intent].key)
}

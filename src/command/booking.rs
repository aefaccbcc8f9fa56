//! What the journal of a run that came to no verdict tells without being played: where it stopped and what it cost, which is
//! kept as an attempt.

use crate::agent::purse::Lost;
use crate::agent::turns::{MODEL, Said};
use crate::day::start::Start;
use crate::domain::Agent;
use crate::domain::artifact::{Attempt, Outcome};
use crate::domain::money::{Bill, Usage, round_usd};
use crate::domain::terms::{Rated, Terms};
use crate::journal::{self, END, INTENT, RESUME, Record};
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

/// Books a run that came to no verdict, unless it is on the books.
pub(crate) fn book(store: &Store, start: &Start, records: &[Record]) -> anyhow::Result<()> {
    let day = start.terms.day;
    if store.attempts(day)?.iter().any(|attempt| attempt.run == start.attempt) {
        return Ok(());
    }
    let bill = bill(records, &start.terms);
    let attempt = Attempt {
        run: start.attempt,
        date: journal::timestamp(),
        cost_usd: bill.cost(|_| true).map(round_usd),
        cost_by_agent: bill.by_agent(),
        cost_by_model: bill.by_model(),
        outcome: Outcome::Abort,
        decision: None,
        hold_reason: Some("ABORT: the run was interrupted".into()),
        cause: None,
        base: Some(start.base.clone()),
        commit: None,
    };
    store.append_attempt(day, &attempt)
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

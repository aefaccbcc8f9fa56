//! What the newest journal of a day says of a run that came to no end: where it stopped and what is paid. Reads and
//! tells; whether it can be resumed is decided where it is.

use super::booking::{bill, place};
use super::reopened::may_reopen;
use super::resume;
use crate::day::start::Start;
use crate::journal::{self, END, Seal};
use crate::report::status::Unfinished;
use crate::store::artifacts::Store;

/// The run of `day` that is under way or was interrupted here, if its newest journal is one's.
pub(crate) fn unfinished(store: &Store, day: u32, seal: &Seal) -> Option<Unfinished> {
    let path = store.journals(day).into_iter().next()?;
    let running = journal::is_held(&path);
    let (records, start, problem) = match resume::look::read(&path, seal) {
        Ok(read) => read.map(|(records, start)| (records, start, None))?,
        // It can still be told what was paid, where the file can be read at all.
        Err(problem) => {
            let problem = format!("{problem:#}");
            match journal::read(&path)
                .ok()
                .and_then(|records| Some((Start::recorded(&records).ok()?, records)))
            {
                Some((start, records)) => (records, start, Some(problem)),
                None => return Some(Unfinished::unreadable(day, problem)),
            }
        }
    };
    if start.terms.dry_run || records.last().is_some_and(|last| last.kind == END) && !may_reopen(&records) {
        return None;
    }
    let (agent, call) = place(&records);
    let booked = store.attempts(day).unwrap_or_default().iter().any(|a| a.run == start.attempt);
    Some(Unfinished {
        day,
        attempt: start.attempt,
        running,
        place: format!("{agent}, call {call}"),
        records: records.len(),
        paid: bill(&records, &start.terms).cost(|_| true),
        booked,
        problem,
    })
}

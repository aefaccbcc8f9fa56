//! `pace status`: the sprint as a table, from the plan and `.pace/`; and which of its days was interrupted here.

use super::site::read_plan;
use super::unfinished::unfinished;
use super::{Exit, Invocation};
use crate::domain::artifact::Attempt;
use crate::domain::backlog::Status;
use crate::domain::decision::Decision;
use crate::domain::event::Events as _;
use crate::domain::event::{Event, Level};
use crate::error::Error;
use crate::report::status::{StatusRow, write};
use crate::secret::Redactor;
use crate::store::artifacts::Store;

/// Prints the table.
pub(crate) fn status(invocation: &Invocation) -> Exit {
    let settings = invocation.settings()?;
    let root = crate::repo::discover(&invocation.dir)?;
    let terminal = invocation.terminal(settings.ci.log_style, Redactor::new(&settings.secrets()));
    let notice = |level: Level, text: String| terminal.emit(Event::Notice { level, text });
    let (_, plan) = read_plan(&settings, &root, &notice)?;
    let store = Store::new(root);
    let backlog = store.backlog().map_err(Error::Abort)?;
    let seal = super::site::seal(&settings);
    let rows = plan.days.values().map(|day| {
        let attempts = store.attempts(day.day).map_err(Error::Abort)?;
        let unfinished = unfinished(&store, day.day, &seal);
        // What is on no books yet was paid all the same.
        let unbooked = unfinished.as_ref().filter(|run| !run.booked);
        let paid = attempts.iter().map(|a| a.cost_usd).chain(unbooked.map(|run| run.paid));
        Ok(StatusRow {
            day: day.day,
            story: day.theme.clone(),
            decision: decision(attempts.last(), day.shipped),
            attempts: count(attempts.len() + usize::from(unbooked.is_some())),
            cost: paid.sum(),
            open_advisories: count(
                backlog.iter().filter(|e| e.day == day.day && e.status == Status::Open).count(),
            ),
            unfinished,
        })
    });
    let rows = rows.collect::<Result<Vec<_>, Error>>()?;
    write(&mut std::io::stdout().lock(), &rows).map_err(|e| Error::Abort(e.into()))?;
    Ok(crate::exit::SHIP)
}

/// What the day came to; `None` where no run reached a verdict.
fn decision(last: Option<&Attempt>, shipped: bool) -> Option<Decision> {
    last.and_then(|attempt| attempt.decision).or_else(|| shipped.then_some(Decision::Ship))
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

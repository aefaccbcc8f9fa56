//! `pace status`: the sprint as a table, from the plan and `.pace/`.

use super::prepare::read_plan;
use super::{Exit, Invocation};
use crate::domain::artifact::{Attempt, Outcome};
use crate::domain::backlog::Status;
use crate::domain::event::Events as _;
use crate::domain::event::{Event, Level};
use crate::error::Error;
use crate::report::status::{StatusRow, table};
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
    let rows = plan.days.values().map(|day| {
        let attempts = store.attempts(day.day).map_err(Error::Abort)?;
        Ok(StatusRow {
            day: day.day,
            story: day.theme.clone(),
            decision: decision(attempts.last(), day.shipped),
            attempts: attempts.len(),
            cost: attempts.iter().map(|a| a.cost_usd).sum(),
            open_advisories: backlog.iter().filter(|e| e.day == day.day && e.status == Status::Open).count(),
        })
    });
    let rows = rows.collect::<Result<Vec<_>, Error>>()?;
    super::print(&table(&rows))
}

fn decision(last: Option<&Attempt>, shipped: bool) -> String {
    match last {
        Some(Attempt { decision: Some(decision), .. }) => decision.to_string(),
        Some(Attempt { outcome: Outcome::Abort, .. }) => "ABORT".into(),
        Some(Attempt { outcome: Outcome::Ship, .. }) => "SHIP".into(),
        Some(Attempt { outcome: Outcome::Hold, .. }) => "HOLD".into(),
        None if shipped => "SHIP (plan)".into(),
        None => "—".into(),
    }
}

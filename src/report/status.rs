//! The table of `pace status`: one line a day. Knows no store; the rows come in.

use std::io::{self, Write};

use crate::domain::decision::Decision;
use crate::prompt::figures::usd;
use crate::prompt::plain::{cut, line};

use super::log;
use super::table::{self, Align};

/// One day of the sprint.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StatusRow {
    pub day: u32,
    /// The day's theme or story title.
    pub story: String,
    /// `None` where the day was not judged yet.
    pub decision: Option<Decision>,
    /// Runs so far.
    pub attempts: u32,
    /// US dollars over all attempts; `None` where a price is unknown.
    pub cost: Option<f64>,
    /// Open entries of the backlog that this day raised.
    pub open_advisories: u32,
    /// A run that is under way, or came to no end.
    pub unfinished: Option<Unfinished>,
}

/// A run without an end.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unfinished {
    pub day: u32,
    /// Number of the run, from 1.
    pub attempt: u32,
    /// A process is at it.
    pub running: bool,
    /// `FORGE, call 3`.
    pub place: String,
    /// What its journal holds.
    pub records: usize,
    /// US dollars so far; `None` where a price is unknown.
    pub paid: Option<f64>,
    /// It is among the attempts.
    pub booked: bool,
    /// Why its journal cannot be gone on from.
    pub problem: Option<String>,
}

impl Unfinished {
    /// One whose journal says nothing.
    pub(crate) fn unreadable(day: u32, problem: String) -> Self {
        let (place, problem) = (String::new(), Some(problem));
        Self { day, attempt: 0, running: false, place, records: 0, paid: Some(0.0), booked: true, problem }
    }

    fn state(&self) -> &'static str {
        if self.running { "running" } else { "interrupted" }
    }

    fn line(&self) -> String {
        let day = self.day;
        if self.attempt == 0 {
            let problem = self.problem.as_deref().unwrap_or_default();
            return format!("Day {day} was interrupted, and what it left cannot be read: {problem}");
        }
        let what = format!("{} ({} records, {} paid)", self.place, self.records, usd(self.paid));
        match &self.problem {
            _ if self.running => format!("Day {day}, attempt {} is at work here: at {what}", self.attempt),
            None => format!(
                "Day {day}, attempt {} was interrupted at {what}. `DAY={day} pace` with the same settings goes on \
                 there and pays none of it again; RETRY is not needed",
                self.attempt
            ),
            Some(problem) => format!(
                "Day {day}, attempt {} was interrupted at {what}, and cannot be resumed from here: {problem}. \
                 `DAY={day} pace` begins the day anew; what was paid stays on the books",
                self.attempt
            ),
        }
    }
}

/// Characters of a story that the table shows.
const STORY: usize = 48;

/// Writes the table and a line of totals. Errors are those of `out`.
pub(crate) fn write(out: &mut dyn Write, rows: &[StatusRow]) -> io::Result<()> {
    let head = [
        ("Day", Align::Right),
        ("Story", Align::Left),
        ("Decision", Align::Left),
        ("Attempts", Align::Right),
        ("Cost", Align::Right),
        ("Open advisories", Align::Right),
    ];
    let cells: Vec<_> = rows.iter().map(cells).collect();
    for line in table::lines(head, &cells) {
        writeln!(out, "{line}")?;
    }
    let shipped =
        rows.iter().filter(|r| matches!(r.decision, Some(Decision::Ship | Decision::Advisory))).count();
    let cost = rows.iter().filter(|r| r.attempts > 0).map(|r| r.cost).sum::<Option<f64>>();
    let open: u32 = rows.iter().map(|r| r.open_advisories).sum();
    let advisories = if open == 1 { "advisory" } else { "advisories" };
    writeln!(out, "\n{shipped} of {} days shipped · {} · {open} open {advisories}", rows.len(), usd(cost))?;
    for run in rows.iter().filter_map(|row| row.unfinished.as_ref()) {
        writeln!(out, "\n{}", log::tame(&run.line()))?;
    }
    Ok(())
}

fn cells(row: &StatusRow) -> [String; 6] {
    let none = || "–".to_owned();
    [
        row.day.to_string(),
        log::tame(&cut(&line(&row.story), STORY)),
        match &row.unfinished {
            Some(run) => run.state().to_owned(),
            None => row.decision.map_or_else(none, |d| d.to_string()),
        },
        row.attempts.to_string(),
        if row.attempts == 0 { none() } else { usd(row.cost) },
        row.open_advisories.to_string(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sprint_as_a_table() {
        let row = |day, story: &str, decision, attempts, cost, open_advisories| StatusRow {
            day,
            story: story.into(),
            decision,
            attempts,
            cost,
            open_advisories,
            unfinished: None,
        };
        let mut out = Vec::new();
        write(
            &mut out,
            &[
                row(1, "User model and password hashing", Some(Decision::Advisory), 2, Some(6.5875), 1),
                row(2, "ログイン\n##[error]\x1b[31m endpoint", Some(Decision::Hold), 1, Some(0.15), 0),
                row(3, &"Protected routes ".repeat(9), Some(Decision::Ship), 1, Some(1.0), 0),
                row(10, "Refresh tokens", None, 0, None, 0),
            ],
        )
        .unwrap();
        insta::assert_snapshot!("status", String::from_utf8(out).unwrap());
    }

    #[test]
    fn an_unknown_price_makes_the_total_unknown() {
        let mut out = Vec::new();
        let rows = [StatusRow {
            day: 1,
            story: "s".into(),
            decision: Some(Decision::Ship),
            attempts: 1,
            cost: None,
            open_advisories: 0,
            unfinished: None,
        }];
        write(&mut out, &rows).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.ends_with("1 of 1 days shipped · unknown · 0 open advisories\n"), "{text}");
    }
}

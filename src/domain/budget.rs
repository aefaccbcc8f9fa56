//! What the runs of one calendar day have spent or may still spend. Pure: what a day is, is told by the caller.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

/// Number of a run that is no attempt: a dry one.
pub(crate) const DRY_RUN: u32 = 0;

/// A run's line in the ledger on the git server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub sprint: String,
    pub day: u32,
    /// Number of the run among the day's attempts; [`DRY_RUN`] for one that is none of them.
    pub run: u32,
    /// The run itself; nobody else's word.
    pub owner: String,
    /// When it was written: seconds since 1970.
    pub at: i64,
    /// US dollars that it may spend; what it spent, once it is closed.
    pub usd: f64,
    pub open: bool,
}

/// A run on the books of its day.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Booked {
    pub sprint: String,
    pub day: u32,
    pub run: u32,
    /// When it ended: seconds since 1970.
    pub at: i64,
    /// US dollars; `None` where a price is unknown.
    pub usd: Option<f64>,
}

impl Booked {
    /// Whether it counts today. What a wrong clock dated ahead does.
    pub(crate) fn counts(&self, age: impl Fn(i64) -> i64) -> bool {
        age(self.at) <= 0
    }
}

impl Entry {
    /// Whether it counts today. What is still open may be spent after midnight.
    fn counts(&self, age: impl Fn(i64) -> i64) -> bool {
        age(self.at) <= i64::from(self.open)
    }

    /// Whether it is of any use any more.
    pub(crate) fn is_recent(&self, age: impl Fn(i64) -> i64) -> bool {
        age(self.at) <= 1
    }
}

/// US dollars that today's runs have spent or may still spend. `age`: calendar days from a time to today. A run that is
/// on the books and in the ledger counts once, with the larger of both. Nobody earns by a run: what is below nothing is nothing.
pub(crate) fn spent(ledger: &[Entry], books: &[Booked], age: impl Fn(i64) -> i64 + Copy) -> f64 {
    let mut by_run: BTreeMap<(&str, u32, u32), (f64, f64)> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry.counts(age)) {
        by_run.entry((&entry.sprint, entry.day, entry.run)).or_default().0 += entry.usd.max(0.0);
    }
    for run in books.iter().filter(|run| run.counts(age)) {
        by_run.entry((&run.sprint, run.day, run.run)).or_default().1 += run.usd.unwrap_or_default().max(0.0);
    }
    by_run.values().map(|(ledger, books)| ledger.max(*books)).sum()
}

/// How much of a day's budget is gone. US dollars.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Used {
    pub budget: f64,
    pub spent: f64,
    /// Runs that are at work or were killed: what they were given is theirs.
    pub held: Vec<Entry>,
    /// What the first call of a run may cost; 0 where that is not known.
    pub least: f64,
}

impl Used {
    /// By the ledger and the books.
    pub(crate) fn of(
        budget: f64,
        ledger: &[Entry],
        books: &[Booked],
        age: impl Fn(i64) -> i64 + Copy,
    ) -> Self {
        let held: Vec<Entry> =
            ledger.iter().filter(|entry| entry.open && entry.counts(age)).cloned().collect();
        let sum: f64 = held.iter().map(|entry| entry.usd.max(0.0)).sum();
        let spent = (spent(ledger, books, age) - sum).max(0.0);
        Self { budget, spent, held, least: 0.0 }
    }

    /// 0 or less where nothing is.
    pub(crate) fn left(&self) -> f64 {
        self.budget - self.spent - self.held.iter().map(|entry| entry.usd.max(0.0)).sum::<f64>()
    }

    /// Whether a run can begin with what is left.
    pub(crate) fn suffices(&self) -> bool {
        self.left() > 0.0 && self.left() >= self.least
    }
}

/// Why nothing is run, and the mend.
impl Display for Used {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { budget, spent, held, least } = self;
        if held.is_empty() && self.left() <= 0.0 {
            return write!(
                f,
                "today's ${budget:.2} are used up: raise the budget, or run the day again tomorrow"
            );
        }
        write!(f, "of today's ${budget:.2}, ${spent:.2} are spent")?;
        for Entry { usd, run, day, sprint, .. } in held {
            match *run {
                DRY_RUN => write!(f, ", ${usd:.2} are held by a dry run of day {day} (sprint {sprint})")?,
                run => write!(f, ", ${usd:.2} are held by run {run} of day {day} (sprint {sprint})")?,
            }
        }
        if self.left() > 0.0 {
            write!(f, "; the first model call may cost ${least:.4}, and ${:.4} are left", self.left())?;
        }
        f.write_str(if held.is_empty() {
            ": raise the budget, or run the day again tomorrow"
        } else if held.iter().all(|entry| entry.run == DRY_RUN) {
            ": wait for what is held, or raise the budget"
        } else {
            ": wait for what is held; if its run was killed, run its day again, which goes on with it, or raise the budget"
        })
    }
}

/// Closes what other runs of the day left open: whoever holds the day knows that they are dead. One that is on the books
/// counts with what these say, one that is gone on with belongs to the run that does so, and any other is taken to have
/// spent all that it was given. A dry run holds no day: it tells of nobody's death, and nobody can tell of its.
pub(crate) fn close_dead(ledger: &mut Vec<Entry>, ours: &Entry, resumes: bool, books: &[Booked]) {
    if ours.run == DRY_RUN {
        return ledger.retain(|entry| entry.owner != ours.owner);
    }
    let booked: BTreeSet<(u32, u32)> =
        books.iter().filter(|run| run.sprint == ours.sprint).map(|run| (run.day, run.run)).collect();
    ledger.retain_mut(|entry| {
        if (&entry.sprint, entry.day) != (&ours.sprint, ours.day) || entry.run == DRY_RUN {
            return true;
        }
        if entry.owner == ours.owner {
            return false;
        }
        let dead = std::mem::replace(&mut entry.open, false);
        let gone_on_with = resumes && entry.run == ours.run;
        !(gone_on_with || (dead && booked.contains(&(entry.day, entry.run))))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;

    fn entry(day: u32, run: u32, owner: &str, at: i64, usd: f64, open: bool) -> Entry {
        Entry { sprint: "s".into(), day, run, owner: owner.into(), at, usd, open }
    }

    fn booked(day: u32, run: u32, at: i64, usd: f64) -> Booked {
        Booked { sprint: "s".into(), day, run, at, usd: Some(usd) }
    }

    /// Today is day 10 since 1970, in UTC.
    fn age(at: i64) -> i64 {
        10 - at.div_euclid(DAY)
    }

    #[test]
    fn a_run_counts_once_and_what_is_open_until_the_next_day() {
        let today = 10 * DAY + 5;
        for (ledger, books, expected) in [
            (vec![], vec![], 0.0),
            (vec![entry(1, 1, "a", today, 4.0, true)], vec![], 4.0),
            (vec![entry(1, 1, "a", today, 1.5, false)], vec![booked(1, 1, today, 1.5)], 1.5),
            (vec![], vec![booked(1, 1, today, 1.5), booked(2, 1, today, 1.0)], 2.5),
            // Another run under the same number, whose books were lost.
            (
                vec![entry(1, 1, "a", today, 1.0, false), entry(1, 1, "b", today, 2.0, false)],
                vec![booked(1, 1, today, 2.0)],
                3.0,
            ),
            // Yesterday's is over, unless it may still go on.
            (vec![entry(1, 1, "a", today - DAY, 4.0, false)], vec![booked(1, 2, today - DAY, 9.0)], 0.0),
            (vec![entry(1, 1, "a", today - DAY, 4.0, true)], vec![], 4.0),
            (vec![entry(1, 1, "a", today - 2 * DAY, 4.0, true)], vec![], 0.0),
            // Somebody's slip or forgery frees nothing.
            (vec![entry(1, 1, "a", today, -4.0, false), entry(2, 1, "b", today, -4.0, true)], vec![], 0.0),
            (
                vec![entry(1, 1, "a", today, -4.0, false)],
                vec![booked(3, 1, today, -9.0), booked(3, 2, today, 1.0)],
                1.0,
            ),
            // A clock that ran ahead frees nothing.
            (vec![entry(1, 1, "a", today + DAY, 4.0, false)], vec![booked(2, 1, today + DAY, 1.0)], 5.0),
        ] {
            let spent = spent(&ledger, &books, age);
            assert!((spent - expected).abs() < 1e-9, "{spent} for {ledger:?} and {books:?}");
        }
    }

    #[test]
    fn what_is_gone_is_told_by_whose_it_is() {
        let today = 10 * DAY + 5;
        let killed = || entry(2, 3, "a", today, 0.6, true);
        let spent = || entry(1, 1, "b", today, 0.4, false);
        for (ledger, books, least, suffices, expected) in [
            (vec![], vec![booked(1, 1, today, 1.1)], 0.1, false, "today's $1.00 are used up: raise"),
            (
                vec![spent(), killed()],
                vec![booked(1, 1, today, 0.4)],
                0.1,
                false,
                "of today's $1.00, $0.40 are spent, $0.60 are held by run 3 of day 2 (sprint s): wait",
            ),
            (vec![killed()], vec![booked(2, 3, today, 0.5)], 0.4, true, "$0.00 are spent, $0.60 are held"),
            (
                vec![killed()],
                vec![],
                0.41,
                false,
                "; the first model call may cost $0.4100, and $0.4000 are left: wait",
            ),
            (
                vec![spent()],
                vec![],
                0.61,
                false,
                "$0.40 are spent; the first model call may cost $0.6100, and $0.6000 are left: raise",
            ),
            (
                vec![entry(2, DRY_RUN, "a", today, 0.9, true)],
                vec![],
                0.2,
                false,
                "$0.90 are held by a dry run of day 2 (sprint s); the first model call may cost $0.2000, and $0.1000 are left: wait for what is held, or",
            ),
            (vec![spent()], vec![], 0.0, true, "left"),
        ] {
            let used = Used { least, ..Used::of(1.0, &ledger, &books, age) };
            assert_eq!(used.suffices(), suffices, "{used}");
            assert!(used.to_string().contains(expected), "{used}");
        }
    }

    #[test]
    fn what_the_dead_left_open_is_theirs_the_books_or_the_heirs() {
        let ours = entry(1, 2, "us", 0, 1.0, true);
        let left = || {
            vec![
                entry(1, 1, "on-the-books", 0, 1.0, true),
                entry(1, 2, "dead", 0, 2.0, true),
                entry(1, 1, "closed", 0, 3.0, false),
                entry(1, 2, "us", 0, 4.0, true),
                entry(2, 1, "another-day", 0, 5.0, true),
            ]
        };
        let mut dry = vec![entry(1, DRY_RUN, "us", 0, 1.0, true), entry(1, 1, "alive", 0, 1.0, true)];
        close_dead(&mut dry, &entry(1, DRY_RUN, "us", 0, 1.0, true), false, &[]);
        assert_eq!(dry, [entry(1, 1, "alive", 0, 1.0, true)]);
        let mut alive = vec![entry(1, DRY_RUN, "dry", 0, 1.0, true)];
        close_dead(&mut alive, &ours, false, &[booked(1, DRY_RUN, 0, 0.1)]);
        assert!(alive[0].open, "{alive:?}");
        let names = |ledger: &[Entry]| -> Vec<(String, bool)> {
            ledger.iter().map(|entry| (entry.owner.clone(), entry.open)).collect()
        };
        let books = [booked(1, 1, 0, 0.5)];
        let mut ledger = left();
        close_dead(&mut ledger, &ours, false, &books);
        let expected = [("dead", false), ("closed", false), ("another-day", true)];
        assert_eq!(names(&ledger), expected.map(|(name, open)| (name.to_owned(), open)));
        let mut ledger = left();
        close_dead(&mut ledger, &ours, true, &books);
        let expected = [("closed", false), ("another-day", true)];
        assert_eq!(names(&ledger), expected.map(|(name, open)| (name.to_owned(), open)));
    }
}

//! What the runs of one calendar day have spent or may still spend. Pure: what a day is, is told by the caller.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// A run's line in the ledger on the git server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub sprint: String,
    pub day: u32,
    /// Number of the run among the day's attempts.
    pub run: u32,
    /// The run itself; random.
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
    /// When it ended: seconds since 1970; `None` where the books do not tell.
    pub at: Option<i64>,
    /// US dollars; `None` where a price is unknown.
    pub usd: Option<f64>,
}

impl Booked {
    /// Whether it counts today. What a wrong clock dated ahead does.
    pub(crate) fn counts(&self, age: impl Fn(i64) -> i64) -> bool {
        self.at.is_some_and(|at| age(at) <= 0)
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
/// on the books and in the ledger counts once, with the larger of both.
pub(crate) fn spent(ledger: &[Entry], books: &[Booked], age: impl Fn(i64) -> i64 + Copy) -> f64 {
    let mut by_run: BTreeMap<(&str, u32, u32), (f64, f64)> = BTreeMap::new();
    for entry in ledger.iter().filter(|entry| entry.counts(age)) {
        by_run.entry((&entry.sprint, entry.day, entry.run)).or_default().0 += entry.usd;
    }
    for run in books.iter().filter(|run| run.counts(age)) {
        by_run.entry((&run.sprint, run.day, run.run)).or_default().1 += run.usd.unwrap_or_default();
    }
    by_run.values().map(|(ledger, books)| ledger.max(*books)).sum()
}

/// Closes what other runs of the day left open: whoever holds the day knows that they are dead. One that is on the books
/// counts with what these say, one that is gone on with belongs to the run that does so, and any other is taken to have
/// spent all that it was given.
pub(crate) fn close_dead(ledger: &mut Vec<Entry>, ours: &Entry, resumes: bool, books: &[Booked]) {
    let booked: BTreeSet<(u32, u32)> =
        books.iter().filter(|run| run.sprint == ours.sprint).map(|run| (run.day, run.run)).collect();
    ledger.retain_mut(|entry| {
        if (&entry.sprint, entry.day) != (&ours.sprint, ours.day) {
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
        Booked { sprint: "s".into(), day, run, at: Some(at), usd: Some(usd) }
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
            // A clock that ran ahead frees nothing.
            (vec![entry(1, 1, "a", today + DAY, 4.0, false)], vec![booked(2, 1, today + DAY, 1.0)], 5.0),
        ] {
            let spent = spent(&ledger, &books, age);
            assert!((spent - expected).abs() < 1e-9, "{spent} for {ledger:?} and {books:?}");
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

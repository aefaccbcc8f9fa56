//! What is left of the daily budget: what all runs of today spent, whoever made them, by the books and by the ledger on
//! the git server.

mod allotment;
pub(crate) mod ledger;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::domain::artifact::Attempt;
use crate::domain::budget::{Booked, Entry, Used};
use crate::domain::plan::Plan;
use crate::error::Error;
use crate::repo::OwnRefs;
use crate::store::artifacts::Store;

use ledger::Given;

/// US dollars a calendar day.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget<'a> {
    pub usd: f64,
    /// Where its days begin.
    pub zone: &'a TimeZone,
}

impl Budget<'_> {
    /// Calendar days from `at` (seconds since 1970) to `now`.
    fn age(&self, at: i64, now: Timestamp) -> i64 {
        let date = |time: Timestamp| time.to_zoned(self.zone.clone()).date();
        // What no calendar has lies before all days, or ahead of them.
        let Ok(at) = Timestamp::from_second(at) else { return if at < 0 { i64::MAX } else { i64::MIN } };
        date(at).until(date(now)).map_or(i64::MAX, |span| i64::from(span.get_days()))
    }

    /// What is gone of it by the books.
    ///
    /// # Errors
    /// As [`books`].
    pub(crate) fn used(
        &self,
        store: &Store,
        plan: &Plan,
        sprint: &str,
        now: Timestamp,
    ) -> Result<Used, Error> {
        self.used_with((store, plan, sprint), (&[], now))
    }

    /// Sets aside what `ours` may spend, which begins with a call of up to `least` US dollars; whoever closes it says what
    /// it was.
    ///
    /// # Errors
    /// As [`books`]; or the git server does not take part.
    pub(crate) async fn share(
        &self,
        refs: &OwnRefs,
        (store, plan): (&Store, &Plan),
        (ours, resumes): (Entry, bool),
        least: f64,
    ) -> Result<Given, Error> {
        let books = self.books(store, plan, &ours.sprint, Timestamp::now())?;
        ledger::take(refs, self, (ours, resumes), &books, least).await
    }

    /// What is gone of it by the books and the `ledger` that was read at the time `now`.
    ///
    /// # Errors
    /// As [`books`].
    fn used_with(
        &self,
        (store, plan, sprint): (&Store, &Plan, &str),
        (ledger, now): (&[Entry], Timestamp),
    ) -> Result<Used, Error> {
        let books = self.books(store, plan, sprint, now)?;
        Ok(Used::of(self.usd, ledger, &books, |at| self.age(at, now)))
    }

    /// The runs on the books of the sprint.
    ///
    /// # Errors
    /// One of today's whose cost is unknown, or one of whichever day whose date cannot be read: the budget cannot be kept then.
    fn books(&self, store: &Store, plan: &Plan, sprint: &str, now: Timestamp) -> Result<Vec<Booked>, Error> {
        let mut books = Vec::new();
        for &day in plan.days.keys() {
            for attempt in store.attempts(day).map_err(Error::Abort)? {
                let at = attempt.date.parse::<Timestamp>().map_err(|_| undated(day, &attempt))?.as_second();
                let (sprint, usd) = (sprint.to_owned(), attempt.cost_usd);
                let run = Booked { sprint, day, run: attempt.run, at, usd };
                if run.usd.is_none() && run.counts(|at| self.age(at, now)) {
                    return Err(Error::config(format!(
                        "PACE_DAILY_BUDGET: run {} of day {day} has an unknown cost, so the budget cannot be kept: give \
                         the model's price in a PACE_PRICES file, or unset the budget for today",
                        attempt.run
                    )));
                }
                books.push(run);
            }
        }
        Ok(books)
    }
}

/// A run that nobody can tell the day of could be today's.
fn undated(day: u32, attempt: &Attempt) -> Error {
    Error::config(format!(
        "PACE_DAILY_BUDGET: run {} in {} has the date {:?}, which is none: write it as 2026-01-31T09:30:00Z, or unset the budget",
        attempt.run,
        Store::path_of::<Vec<Attempt>>(day),
        attempt.date
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::artifact::Outcome;
    use crate::domain::plan::{DayPlan, Sprint};

    fn plan() -> Plan {
        let day = DayPlan {
            day: 1,
            theme: "T".into(),
            stories: vec![],
            notes: None,
            human_gate: false,
            clearance: false,
            shipped: false,
        };
        Plan { sprint: Sprint::default(), days: [(1, day)].into() }
    }

    fn attempt(run: u32, date: String, cost_usd: Option<f64>) -> Attempt {
        Attempt {
            run,
            date,
            cost_usd,
            outcome: Outcome::Hold,
            decision: None,
            hold_reason: None,
            cause: None,
            base: None,
            commit: None,
            cost_by_agent: Default::default(),
            cost_by_model: Default::default(),
        }
    }

    #[test]
    fn only_todays_attempts_count_and_an_unknown_cost_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().to_path_buf());
        let now = Timestamp::now();
        store.put_attempt(1, &attempt(1, "2020-02-02T10:00:00Z".into(), None)).unwrap();
        store.put_attempt(1, &attempt(2, now.to_string(), Some(1.5))).unwrap();
        store.put_attempt(1, &attempt(3, now.to_string(), Some(2.0))).unwrap();
        let left = |usd| {
            Budget { usd, zone: &TimeZone::UTC }.used(&store, &plan(), "s", now).map(|used| used.left())
        };
        assert!((left(5.0).unwrap() - 1.5).abs() < 1e-9);
        assert!(left(3.0).unwrap() < 0.0);
        store.put_attempt(1, &attempt(4, now.to_string(), None)).unwrap();
        let error = left(5.0).unwrap_err();
        assert!(error.to_string().contains("PACE_PRICES"), "{error}");
    }

    /// A run that nobody can date is not taken for one of another day.
    #[test]
    fn a_date_that_is_none_is_refused_by_name() {
        let now = Timestamp::now();
        for date in
            ["", "yesterday", "2026-03-01", "2026-03-01T10:00:00", "2026-13-01T10:00:00Z", "1772359200"]
        {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::new(dir.path().to_path_buf());
            store.put_attempt(1, &attempt(1, date.into(), Some(1.5))).unwrap();
            let budget = Budget { usd: 5.0, zone: &TimeZone::UTC };
            let error = budget.used(&store, &plan(), "s", now).unwrap_err().to_string();
            assert!(
                error.contains("run 1 in .pace/day-1/attempts.yaml") && error.contains("unset the budget"),
                "{error}"
            );
        }
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().to_path_buf());
        store.put_attempt(1, &attempt(1, "2026-03-01T10:00:00+02:00".into(), Some(1.5))).unwrap();
        assert!(Budget { usd: 5.0, zone: &TimeZone::UTC }.used(&store, &plan(), "s", now).is_ok());
    }

    /// Midnight is where the zone has it, also on days of 23 and of 25 hours, and a clock that was set wrong frees nothing
    /// that it dated ahead.
    #[test]
    fn a_day_begins_at_midnight_of_its_zone() {
        for (zone, at, now, age) in [
            ("UTC", "2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z", 1),
            ("UTC", "2026-03-02T00:00:00Z", "2026-03-02T23:59:59Z", 0),
            ("Europe/Berlin", "2026-03-01T22:59:59Z", "2026-03-01T23:00:00Z", 1),
            ("Europe/Berlin", "2026-03-01T23:00:00Z", "2026-03-02T22:59:59Z", 0),
            // The clocks go forward: 23 hours.
            ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T21:59:59Z", 0),
            ("Europe/Berlin", "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 1),
            // And back: 25.
            ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T22:59:59Z", 0),
            ("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 1),
            ("Pacific/Auckland", "2026-06-01T11:59:59Z", "2026-06-01T12:00:00Z", 1),
            ("America/Los_Angeles", "2026-06-02T06:59:59Z", "2026-06-02T07:00:00Z", 1),
            // Midnight itself is left out where the clocks go forward at that hour.
            ("Africa/Cairo", "2026-04-23T21:59:59Z", "2026-04-23T22:00:00Z", 1),
            // 25 hours ahead and back.
            ("UTC", "2026-03-03T01:00:00Z", "2026-03-02T00:00:00Z", -1),
            ("UTC", "2026-03-01T00:00:00Z", "2026-03-02T01:00:00Z", 1),
            ("UTC", "2025-12-31T10:00:00Z", "2026-03-01T00:00:00Z", 60),
            // Over the end of a leap February and of a year.
            ("UTC", "2028-02-28T23:59:59Z", "2028-03-01T00:00:00Z", 2),
            ("UTC", "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z", 1),
            // Zones that are not whole hours off, and the two ends of the calendar: 26 hours apart.
            ("Asia/Kolkata", "2026-03-01T18:29:59Z", "2026-03-01T18:30:00Z", 1),
            ("Asia/Kathmandu", "2026-03-01T18:14:59Z", "2026-03-01T18:15:00Z", 1),
            ("Pacific/Kiritimati", "2026-03-01T09:59:59Z", "2026-03-01T10:00:00Z", 1),
            ("Etc/GMT+12", "2026-03-01T11:59:59Z", "2026-03-01T12:00:00Z", 1),
            // Half an hour of summer time.
            ("Australia/Lord_Howe", "2026-04-04T12:59:59Z", "2026-04-04T13:00:00Z", 1),
            ("Australia/Lord_Howe", "2026-04-04T13:00:00Z", "2026-04-05T13:29:59Z", 0),
            // An hour that comes twice is of the same day both times.
            ("America/New_York", "2026-11-01T05:30:00Z", "2026-11-01T06:30:00Z", 0),
            // A whole day that a zone left out.
            ("Pacific/Apia", "2011-12-30T09:59:59Z", "2011-12-30T10:00:00Z", 2),
            // Clocks that were never set, and one that is years ahead.
            ("UTC", "1970-01-01T00:00:00Z", "2026-03-02T00:00:00Z", 20_514),
            ("UTC", "2038-01-19T03:14:08Z", "2026-03-02T00:00:00Z", -4_341),
        ] {
            let zone = TimeZone::get(zone).unwrap();
            let time = |text: &str| text.parse::<Timestamp>().unwrap();
            let is = Budget { usd: 1.0, zone: &zone }.age(time(at).as_second(), time(now));
            assert_eq!(is, age, "{at} and {now}");
        }
        // What no calendar has: ahead of all days it counts today, before them it does not.
        let budget = Budget { usd: 1.0, zone: &TimeZone::UTC };
        for (at, counts) in [(i64::MAX, true), (i64::MIN, false)] {
            assert_eq!(budget.age(at, "2026-03-02T00:00:00Z".parse().unwrap()) <= 0, counts, "{at}");
        }
    }

    #[test]
    fn a_clock_that_jumps_a_day_and_an_hour_frees_nothing_of_today() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().to_path_buf());
        let now: Timestamp = "2026-03-02T12:00:00Z".parse().unwrap();
        store.put_attempt(1, &attempt(5, now.to_string(), Some(1.0))).unwrap();
        let ahead = now + jiff::SignedDuration::from_hours(25);
        store.put_attempt(1, &attempt(6, ahead.to_string(), Some(2.0))).unwrap();
        let left =
            |at| Budget { usd: 5.0, zone: &TimeZone::UTC }.used(&store, &plan(), "s", at).unwrap().left();
        assert!((left(now) - 2.0).abs() < 1e-9, "what a fast clock dated counts already");
        assert!((left(ahead) - 3.0).abs() < 1e-9);
        assert!((left(now - jiff::SignedDuration::from_hours(25)) - 2.0).abs() < 1e-9);
    }
}

//! The ledger of the daily budget on the git server: what every run was given of it and what it spent. A run is given its
//! share before it spends anything, by compare-and-swap, so that runs of different days at the same time stay below the
//! budget together. Times are the server's, but for what is entered later.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;

use super::Budget;
use crate::domain::budget::{Booked, Entry, Used, close_dead};
use crate::error::Error;
use crate::repo::{Kept, OwnRefs, ReadRefs, Swapped};

/// A reference that no clone has and no CI sees, and a branch for a forge that takes nothing else.
const NAMES: [&str; 2] = ["refs/pace/budget", "refs/heads/pace-budget"];
const FILE: &str = "budget.json";
/// Rounds of looking and writing while others write, too.
const ROUNDS: u32 = 40;
/// Longest pause between two of them.
const PAUSE: Duration = Duration::from_millis(300);

/// What a run was given of the day's budget.
#[derive(Debug)]
pub(crate) struct Share {
    refs: OwnRefs,
    entry: Entry,
}

/// What asking for a share came to.
pub(crate) enum Given {
    Share(Share),
    /// What is left of the budget does not suffice: it is spent, or in the hands of other runs.
    Nothing(Used),
}

/// What the ledger says, and where.
struct Page {
    /// Index of its name, and what it holds; a ledger that is not there yet is made under its first name.
    name: usize,
    id: Option<String>,
    entries: Vec<Entry>,
    now: Timestamp,
}

/// What is to become of the ledger after a look at it.
enum Turn<T> {
    /// It is written as it was changed.
    Write(T),
    /// It stays as it is.
    Leave(T),
}

/// Gives `ours` as much as is left of `budget`, at most what it asks for, and nothing where its first call, of up to `least`
/// US dollars, would not fit: it would be held before it judged anything. The day of `ours` must be held, unless it is a
/// dry run's.
///
/// # Errors
/// A server that takes no such reference, or a ledger that cannot be read: the budget cannot be kept then.
pub(super) async fn take(
    refs: &OwnRefs,
    budget: &Budget<'_>,
    (ours, resumes): (Entry, bool),
    books: &[Booked],
    least: f64,
) -> Result<Given, Error> {
    turn(refs, |entries, now| {
        let age = |at| budget.age(at, now);
        close_dead(entries, &ours, resumes, books);
        entries.retain(|entry| entry.is_recent(age));
        let used = Used { least, ..Used::of(budget.usd, entries, books, age) };
        if !used.suffices() {
            return Turn::Leave(Given::Nothing(used));
        }
        let entry = Entry { at: now.as_second(), usd: used.left().min(ours.usd), ..ours.clone() };
        entries.push(entry.clone());
        Turn::Write(Given::Share(Share { refs: refs.clone(), entry }))
    })
    .await
}

/// Enters what a run spent that could not write it down itself. Its entry may be there from an earlier time: then it has
/// the larger of both, once.
///
/// # Errors
/// As [`take`].
pub(crate) async fn enter(refs: &OwnRefs, spent: &Entry) -> Result<(), Error> {
    turn(refs, |entries, _| {
        match entries.iter_mut().find(|entry| entry.owner == spent.owner) {
            Some(there) if there.usd >= spent.usd => return Turn::Leave(()),
            Some(there) => *there = spent.clone(),
            None => entries.push(spent.clone()),
        }
        Turn::Write(())
    })
    .await
}

/// The ledger as it is, for a run that may not write it, and the server's time.
pub(super) async fn look(refs: &ReadRefs) -> Result<(Vec<Entry>, Timestamp), Error> {
    let (kept, now) = refs.first(&NAMES).await?;
    let now = Timestamp::from_second(now).map_err(|error| Error::Abort(error.into()))?;
    Ok((kept.as_ref().map(entries).transpose()?.unwrap_or_default(), now))
}

/// Changes the ledger by compare-and-swap: `turn` is asked again where another run was first.
async fn turn<T>(
    refs: &OwnRefs,
    mut turn: impl FnMut(&mut Vec<Entry>, Timestamp) -> Turn<T>,
) -> Result<T, Error> {
    let mut refused = false;
    for _ in 0..ROUNDS {
        let mut page = read(refs, refused).await?;
        let done = match turn(&mut page.entries, page.now) {
            Turn::Leave(done) => return Ok(done),
            Turn::Write(done) => done,
        };
        match page.write(refs).await? {
            Swapped::Done => return Ok(done),
            Swapped::Moved(_) => pause().await,
            Swapped::Refused(_) if !refused && page.id.is_none() => refused = true,
            Swapped::Refused(said) => {
                return Err(Error::config(format!(
                    "PACE_DAILY_BUDGET cannot be kept between runners: the git server takes neither {} nor {} ({said}); \
                     let the token push one of them, or unset the budget",
                    NAMES[0], NAMES[1]
                )));
            }
        }
    }
    Err(Error::Abort(anyhow!("the ledger of PACE_DAILY_BUDGET keeps changing; run pace again")))
}

impl Share {
    /// US dollars.
    pub(crate) fn usd(&self) -> f64 {
        self.entry.usd
    }

    /// Closes it with what was spent. Until then all of it counts.
    pub(crate) async fn close(&self, usd: f64) -> Result<(), Error> {
        turn(&self.refs, |entries, now| {
            let mine = entries.iter_mut().find(|entry| entry.owner == self.entry.owner);
            // Whoever goes on with the run has it.
            let Some(mine) = mine else { return Turn::Leave(()) };
            (mine.usd, mine.at, mine.open) = (usd, now.as_second(), false);
            Turn::Write(())
        })
        .await
    }
}

async fn read(refs: &OwnRefs, refused: bool) -> Result<Page, Error> {
    let seen = refs.look(&NAMES).await?;
    let now = Timestamp::from_second(seen.now).map_err(|error| Error::Abort(error.into()))?;
    let Some(name) = NAMES.iter().position(|name| seen.ids.contains_key(*name)) else {
        return Ok(Page { name: usize::from(refused), id: None, entries: Vec::new(), now });
    };
    let Some(kept) = refs.read(NAMES[name]).await? else {
        return Ok(Page { name, id: None, entries: Vec::new(), now });
    };
    let entries = entries(&kept)?;
    Ok(Page { name, id: Some(kept.id), entries, now })
}

fn entries(kept: &Kept) -> Result<Vec<Entry>, Error> {
    let file = kept.files.get(FILE).map_or(&[][..], Vec::as_slice);
    let entries = serde_json::from_slice(file).with_context(|| {
        format!("PACE_DAILY_BUDGET: {} or {} of the git server is no ledger; delete it", NAMES[0], NAMES[1])
    });
    entries.map_err(Error::Abort)
}

impl Page {
    async fn write(&self, refs: &OwnRefs) -> Result<Swapped, Error> {
        let text = serde_json::to_vec(&self.entries).map_err(|error| Error::Abort(error.into()))?;
        let files = BTreeMap::from([(FILE.to_owned(), text)]);
        let new = refs.seal("pace: the ledger of the daily budget\n", &files, &[])?;
        let name = NAMES[self.name];
        match refs.swap(name, self.id.as_deref(), Some(&new)).await {
            // Whether it was made is unknown: looking tells.
            Err(error) => match refs.look(&[name]).await?.ids.remove(name) {
                Some(there) if there == new => Ok(Swapped::Done),
                there if there == self.id => Err(error.into()),
                there => Ok(Swapped::Moved(there)),
            },
            Ok(swapped) => Ok(swapped),
        }
    }
}

async fn pause() {
    tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
}

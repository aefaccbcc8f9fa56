//! One run a day: a file lock on the work tree, and on the git server a reference that one run alone can make. Holds
//! them until the run ends, however it ends. Knows nothing of what a run does.

mod alive;
mod moment;
mod server;
mod tree;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::budget::ledger::Share;
use super::remote_journal::RemoteJournal;
use crate::domain::event::{Event, Events, Level};
use crate::domain::lock::Owner;
use crate::exit;
use crate::repo::{OwnRefs, RepoError};
use crate::settings::Settings;

use server::ServerLock;
pub(crate) use server::bury;
pub(crate) use tree::TreeLock;

/// Longest time that a run's end waits for the server to take the lock back.
pub(crate) const AT_END: Duration = Duration::from_secs(20);
/// The same for a run that a signal ends: a CI kills it soon.
pub(crate) const AT_SIGNAL: Duration = Duration::from_millis(1500);

/// What a run holds: shared by the run and by whoever ends it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holding(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    /// What a run that ends must still tell the server.
    journal: Option<Arc<RemoteJournal>>,
    tree: Option<TreeLock>,
    server: Option<(u32, Arc<ServerLock>)>,
    /// The run's part of the daily budget.
    share: Option<Share>,
}

/// Whether a run may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    Ours,
    /// Another run's; which.
    Theirs(String),
}

/// What every lock of a run says of it.
pub(crate) fn owner(settings: &Settings) -> anyhow::Result<Owner> {
    let now = jiff::Timestamp::now().as_second();
    Ok(Owner {
        run: super::random::hex()?,
        host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        url: settings.ci.run_url.clone(),
        day: 0,
        sprint: String::new(),
        since: now,
        at: now,
        released: false,
    })
}

impl Holding {
    /// Keeps other runs out of the work tree from now on.
    pub(crate) fn keep_tree(&self, lock: TreeLock) {
        self.lock().tree = Some(lock);
    }

    /// The day that is held on the server.
    pub(crate) fn day(&self) -> Option<u32> {
        self.lock().server.as_ref().map(|(day, _)| *day)
    }

    /// Takes `day` of `sprint` on the server, unless another run has it. A day that was held before is given back.
    pub(crate) async fn take(
        &self,
        refs: &OwnRefs,
        owner: &Owner,
        (sprint, day): (&str, u32),
    ) -> Result<Turn, RepoError> {
        self.give_back(AT_END).await;
        let owner = Owner { day, sprint: sprint.to_owned(), ..owner.clone() };
        let before = self.lock().tree.as_ref().map(TreeLock::before).unwrap_or_default();
        Ok(match server::take(refs, owner, before).await? {
            Ok(lock) => {
                self.lock().server = Some((day, lock));
                Turn::Ours
            }
            Err(other) => Turn::Theirs(other),
        })
    }

    /// The journal that is pushed once more at the end of the run.
    pub(crate) fn keep_journal(&self, journal: Arc<RemoteJournal>) {
        self.lock().journal = Some(journal);
    }

    /// Keeps what the run was given of the daily budget.
    pub(crate) fn keep_share(&self, share: Share) {
        self.lock().share = Some(share);
    }

    /// Ends with the reason once the day is no longer this run's; never where nothing is held on a server.
    pub(crate) async fn lost(&self) -> String {
        let lock = self.lock().server.as_ref().map(|(_, lock)| Arc::clone(lock));
        match lock {
            Some(lock) => lock.lost().await,
            None => std::future::pending().await,
        }
    }

    /// Ends once nobody may think that this run is dead: at once as a rule, after a long sleep with the next sign of life
    /// that the server takes, and never where the day was lost meanwhile. Whoever is about to pay or to write asks this.
    pub(crate) async fn certain(&self) {
        let lock = self.lock().server.as_ref().map(|(_, lock)| Arc::clone(lock));
        if let Some(lock) = lock {
            lock.certain().await;
        }
    }

    /// Gives everything back within `limit`; what the server could not be told, if so. `spent`: US dollars that the run
    /// cost; where that is not known, all that it was given of the daily budget counts.
    pub(crate) async fn release(&self, limit: Duration, spent: Option<f64>) -> Option<String> {
        let began = Instant::now();
        let journal = self.lock().journal.take();
        if let Some(journal) = journal
            && !matches!(tokio::time::timeout(limit / 2, journal.push()).await, Ok(Ok(())))
        {
            tracing::debug!("the end of the journal did not reach the git server");
        }
        let share = self.lock().share.take();
        if let (Some(share), Some(usd)) = (share, spent)
            && !matches!(tokio::time::timeout(limit / 4, share.close(usd)).await, Ok(Ok(())))
        {
            tracing::debug!("the daily budget was not told what the run cost: all that it was given counts");
        }
        let problem = self.give_back(limit.saturating_sub(began.elapsed())).await;
        self.lock().tree = None;
        problem
    }

    async fn give_back(&self, limit: Duration) -> Option<String> {
        let (_, lock) = self.lock().server.take()?;
        let released = tokio::time::timeout(limit, lock.release()).await;
        match released {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some(format!("it did not answer within {limit:?}")),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells that another run has the day; the exit code.
pub(crate) fn busy(events: &dyn Events, text: String) -> u8 {
    let text = format!("{text}. Nothing was run and nothing was spent");
    events.emit(Event::Notice { level: Level::Warning, text });
    exit::SKIPPED
}

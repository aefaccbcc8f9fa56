//! What comes before the day: a work tree that is free, and everything that the run starts from, settled on the tree as an
//! interrupted run found it where there is one. Spends nothing.

use crate::command::lock::TreeLock;
use crate::command::prepare::{Prepared, Preparing};
use crate::command::results::Results;
use crate::command::resume::{
    Interrupted,
    look::{Look, look},
};
use crate::command::site::Site;
use crate::domain::event::{Event, Events, Level};
use crate::error::Error;
use crate::secret::Redactor;

/// Frees git of the locks that a killed run left in this work tree; those of people stop the run.
pub(super) async fn clear_left_locks(site: &Site, tree: &TreeLock, events: &dyn Events) -> Result<(), Error> {
    let locks = site.repo.clear_left_locks(tree.died()).await?;
    if !locks.removed.is_empty() {
        let text = format!("Removed locks in .git that a killed run left: {}", locks.removed.join(", "));
        events.emit(Event::Notice { level: Level::Info, text });
    }
    if locks.held.is_empty() {
        return Ok(());
    }
    let git = site.root.join(".git");
    let files: Vec<String> = locks.held.iter().map(|name| git.join(name).display().to_string()).collect();
    Err(Error::config(format!(
        "git is locked here by another program, or by one that was killed: {}. Let it end (an editor that is open in \
         `git commit`, perhaps); where no git is at work any more, remove the lock (`rm {}`) and run again",
        files.join(", "),
        files.join(" ")
    )))
}

/// Prepares the run; on the tree as an interrupted one found it, where there is one here or on the git server.
pub(super) async fn prepared(
    preparing: &Preparing<'_>,
    redactor: &Redactor,
    results: &mut Results,
) -> Result<(Prepared, Option<Interrupted>), Error> {
    let Preparing { settings, site, events, .. } = *preparing;
    loop {
        let (prepared, interrupted) = match look(settings, site, redactor, events)? {
            Look::Running => {
                return Ok((Prepared::Busy("Another run of the day is at work here".into()), None));
            }
            Look::Interrupted(found) => {
                // A signal from here on finds it off the books: they go back to where it began.
                results.begin(found.start());
                prepare_again(preparing, *found).await?
            }
            Look::Nothing => (preparing.prepare(&mut None).await?, None),
        };
        if !matches!(prepared, Prepared::Resumable) {
            return Ok((prepared, interrupted));
        }
    }
}

/// Prepares on the tree as the interrupted run found it; where that run does not hold any more, as if it had not been.
async fn prepare_again(
    preparing: &Preparing<'_>,
    found: Interrupted,
) -> Result<(Prepared, Option<Interrupted>), Error> {
    let mut found = Some(found);
    let prepared = preparing.prepare(&mut found).await?;
    let (fresh, interrupted) = match (prepared, found) {
        (Prepared::Go(fresh), Some(interrupted)) => (fresh, interrupted),
        (prepared, _) => return Ok((prepared, None)),
    };
    match interrupted.accept(*fresh) {
        Ok((start, changed)) => {
            if !changed.is_empty() {
                let text = format!(
                    "Changed since attempt {} was interrupted: {}. Calls whose question is another one now are made \
                     again, with all that follows from them",
                    start.attempt,
                    changed.join(", ")
                );
                preparing.events.emit(Event::Notice { level: Level::Info, text });
            }
            Ok((Prepared::Go(Box::new(start)), Some(interrupted)))
        }
        Err(reason) => {
            interrupted.leave(preparing.site, preparing.events, &reason)?;
            Ok((preparing.prepare(&mut None).await?, None))
        }
    }
}

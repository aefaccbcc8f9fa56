//! A day while it is recorded: from the last look at the permissions to the end of its journal, and what is kept for it and
//! given up again. What a day is, is not its business.

use std::path::Path;
use std::sync::Arc;

use crate::agent::purse::Purse;
use crate::command::left_journals;
use crate::command::lock;
use crate::command::prepare::Preparing;
use crate::command::remote_journal::RemoteJournal;
use crate::command::reopened::may_reopen;
use crate::command::results::Results;
use crate::command::resume::{self, Interrupted};
use crate::command::site::seal;
use crate::command::work::{Parts, end, finish, model, preflight, run_day};
use crate::command::{Exit, disk, leavings, stage};
use crate::day::Ended;
use crate::day::stage::HandOff;
use crate::day::start::Start;
use crate::domain::event::{Event, Events, Level};
use crate::error::Error;
use crate::exit;
use crate::journal::{self, Journal};
use crate::secret::Redactor;
use crate::settings::JournalMode;
use crate::tool::Written;

/// The day itself, from the last look at the permissions on.
pub(super) async fn work(
    preparing: &Preparing<'_>,
    (http, redactor): (reqwest::Client, Redactor),
    (start, interrupted): (&Start, Option<Interrupted>),
    results: &mut Results,
) -> Exit {
    let Preparing { settings, site, platform, templates, events, holding, .. } = *preparing;
    preflight(site, platform, &start.branch.name, events).await?;
    results.begin(start);
    let model = model(settings, http).map_err(|e| Error::config(format!("{e:#}")))?;
    let (purse, written) = (Arc::new(Purse::under(&start.terms)), Written::default());
    let remote = remote_journal(preparing, start);
    let keeper = resume::keeper(site, start, &purse, &written, &redactor, remote.clone()).under(holding);
    let seal = seal(settings);
    let journal = match interrupted {
        Some(found) => {
            found.mark_again(site)?;
            found.journal(start, redactor, seal, keeper, events)?
        }
        None => resume::new_journal(site, start, redactor, seal, keeper)?,
    };
    journal.note("start", "", start).map_err(Error::Abort)?;
    results.owe_beforehand(settings, (start, &journal.path()), events);
    let parts = Parts {
        site,
        model: model.as_ref(),
        platform,
        journal: &journal,
        templates,
        events,
        stage: settings.stage,
        handed: None,
        purse,
        written,
    };
    let ended = tokio::select! {
        ended = run_day(&parts, start) => ended,
        // Whatever it would still write or pay is another run's now. Its journal has no end: it may be resumed.
        reason = holding.lost() => {
            return Err(Error::Abort(anyhow::anyhow!("{reason}; this run stopped at once")));
        }
        never = keep_up(remote.as_deref(), events) => never,
    };
    close(preparing, start, (&journal, ended, remote), results).await
}

/// Ends the record of a day and everything that was kept for it; the exit code.
async fn close(
    preparing: &Preparing<'_>,
    start: &Start,
    (journal, ended, remote): (&Journal, Result<Ended, Error>, Option<Arc<RemoteJournal>>),
    results: &mut Results,
) -> Exit {
    let Preparing { settings, site, events, .. } = *preparing;
    if !ended.as_ref().is_err_and(disk::is_at_fault) {
        // Before the end is on record: a run that is killed in between is resumed, and comes here again.
        leavings::end(site, start, &journal.path(), events);
    }
    let code = end(journal, &ended, start.terms.advisory_exit_code)?;
    if ended.is_err() {
        results.owe(settings, events);
    }
    let ended = match ended {
        Err(error) if disk::is_at_fault(&error) || may_reopen(&journal::read(&journal.path())?) => {
            return Err(error);
        }
        ended => ended,
    };
    if let Err(problem) = site.repo.forget_checkpoints(&start.terms.checkpoint_name()) {
        let text = format!("The checkpoints of this run stay in .git until the next one: {problem:#}");
        events.emit(Event::Notice { level: Level::Warning, text });
    }
    if let Some(remote) = remote.filter(|_| ended.is_ok() && code != exit::HOLD) {
        prune(&remote, events).await;
        let sprint = &start.terms.sprint;
        left_journals::sweep_or_tell(site, (&start.plan, sprint), events).await;
    }
    if let Ok(Ended::HandedOff(_, handoff)) = &ended {
        hand_off(preparing, start, (handoff, &journal.path()), results)?;
    }
    finish(results, ended?, code)
}

/// Leaves what the publishing job goes on from.
fn hand_off(
    preparing: &Preparing<'_>,
    start: &Start,
    (handoff, journal): (&HandOff, &Path),
    results: &mut Results,
) -> Result<(), Error> {
    let Preparing { settings, site, events, .. } = *preparing;
    let digest = stage::leave(settings, site, start, handoff, journal).map_err(Error::Abort)?;
    let text = format!(
        "{} for the time being: the publishing job decides. Hand-off in {}, digest {digest}",
        handoff.decision, settings.handoff
    );
    events.emit(Event::Notice { level: Level::Info, text });
    results.handoff = Some((settings.handoff.clone(), digest));
    Ok(())
}

/// The journal on the git server, where the settings want one and the day is held there.
fn remote_journal(preparing: &Preparing<'_>, start: &Start) -> Option<Arc<RemoteJournal>> {
    let Preparing { settings, site, events, holding, .. } = *preparing;
    let wanted = settings.journal == JournalMode::Auto && holding.day() == Some(start.terms.day);
    let refs = site.own_refs.clone().filter(|_| wanted)?;
    if !seal(settings).has_key() {
        let text = "The journal stays on this machine: without a credential of the model's (any value in LLM_API_KEY will do where \
                    the endpoint asks for none) nobody could tell pace's records on the git server from others";
        events.emit(Event::Notice { level: Level::Info, text: text.into() });
        return None;
    }
    let day = (start.terms.sprint.as_str(), start.terms.day);
    let remote = Arc::new(RemoteJournal::new(refs, day, &start.branch.head));
    holding.keep_journal(Arc::clone(&remote));
    Some(remote)
}

/// Keeps the journal on the git server up to date; never ends.
async fn keep_up(remote: Option<&RemoteJournal>, events: &dyn Events) -> Result<Ended, Error> {
    if let Some(remote) = remote {
        remote.keep_up(|text| events.emit(Event::Notice { level: Level::Warning, text })).await;
    }
    std::future::pending().await
}

/// The day has shipped: its journal is of no more use to another runner.
async fn prune(remote: &RemoteJournal, events: &dyn Events) {
    let pruned = tokio::time::timeout(lock::AT_END, remote.prune()).await;
    if !matches!(pruned, Ok(Ok(()))) {
        let text = "The journal of the day could not be taken away from the git server".into();
        events.emit(Event::Notice { level: Level::Warning, text });
    }
}

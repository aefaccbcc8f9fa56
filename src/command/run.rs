//! `pace run`: the day that the environment names.

use std::path::Path;
use std::sync::Arc;

use super::lock::{self, Holding, TreeLock, busy};
use super::prepare::{Prepared, Preparing, spend_problems};
use super::remote_journal::RemoteJournal;
use super::reopened::may_reopen;
use super::results::Results;
use super::resume::{self, Interrupted, Look};
use super::site::{Site, http, seal};
use super::stage::Publishing;
use super::trigger::{Admitted, admit};
use super::work::{Parts, end, finish, model, preflight, run_day, templates};
use super::{Exit, Invocation, leavings, planning};
use crate::agent::purse::Purse;
use crate::day::Ended;
use crate::day::stage::HandOff;
use crate::day::start::Start;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::exit::{self, Outcome};
use crate::journal;
use crate::platform::{self, Platform};
use crate::secret::Redactor;
use crate::settings::{DayChoice, JournalMode, Settings};
use crate::tool::Written;

/// Runs the day; the exit code. What it came to is told to the CI in any case.
pub(crate) async fn run(invocation: &Invocation) -> Exit {
    let (settings, problems) = invocation.read_settings();
    let redactor = super::site::redactor(&settings);
    let terminal = invocation.terminal(settings.ci.log_style, redactor.clone());
    let mut results = Results::new(&settings);
    let work = run_told(&settings, problems, invocation, &terminal, &redactor, &mut results);
    let exit = super::until_signalled(work).await;
    if let Err(Error::Signal(_)) = &exit {
        results.book_signalled(&terminal);
        // A lock that stays behind expires.
        if let Some(problem) = invocation.holding.release(lock::AT_SIGNAL, results.spent()).await {
            tracing::debug!("the day's lock stays on the git server: {problem}");
        }
    }
    results.write(&settings, &redactor, &terminal, &exit);
    exit
}

async fn run_told(
    settings: &Settings,
    mut problems: Vec<String>,
    invocation: &Invocation,
    events: &dyn Events,
    redactor: &Redactor,
    results: &mut Results,
) -> Exit {
    results.root = crate::repo::discover(&invocation.dir).ok();
    if !settings.paused {
        problems.extend(spend_problems(settings));
    }
    if !problems.is_empty() {
        return Err(Error::Config(problems));
    }
    crate::report::trace::init(&settings.log).map_err(|e| Error::config(format!("PACE_LOG: {e:#}")))?;
    for warning in &settings.warnings {
        events.emit(Event::Notice { level: Level::Warning, text: warning.clone() });
    }
    if settings.paused {
        events.emit(Event::Notice { level: Level::Info, text: "PACE_PAUSED is set: nothing was run".into() });
        return Ok(exit::SKIPPED);
    }
    run_in(settings, invocation, events, redactor.clone(), results).await
}

/// Runs the day with settings that are at hand, and gives back whatever it held; `results` is filled in.
pub(crate) async fn run_in(
    settings: &Settings,
    invocation: &Invocation,
    events: &dyn Events,
    redactor: Redactor,
    results: &mut Results,
) -> Exit {
    let exit = run_held(settings, invocation, events, redactor, results).await;
    let exit = exit.map_err(super::disk::explained);
    if let Some(problem) = invocation.holding.release(lock::AT_END, results.spent()).await {
        let text = format!("The day's lock stays on the git server until it expires: {problem}");
        events.emit(Event::Notice { level: Level::Warning, text });
    }
    exit
}

async fn run_held(
    settings: &Settings,
    invocation: &Invocation,
    events: &dyn Events,
    redactor: Redactor,
    results: &mut Results,
) -> Exit {
    let http = http(settings)?;
    let site = if settings.stage == Stage::Publish {
        Site::without_children(settings, &invocation.dir, &http)?
    } else {
        Site::open(settings, &invocation.dir, &http).await?
    };
    let cleaner = redactor.clone();
    let clean = Box::new(move |text: &str| cleaner.redact(text).into_owned());
    let templates = templates(settings)?.redacting(clean);
    // A working job has no token, and needs no forge.
    let platform = match settings.stage {
        Stage::Work => Platform::local(),
        Stage::All | Stage::Publish => platform::connect(settings, http.clone()).map_err(Error::Config)?,
    };
    super::stage::may_leave(settings, &site)?;
    if let Admitted::Skip = admit(settings, &site, &platform, events).await? {
        return Ok(exit::SKIPPED);
    }
    let holding = &invocation.holding;
    let owner = lock::owner(settings)?;
    match TreeLock::take(&site.store, &owner)? {
        Ok(mut tree) => {
            clear_left_locks(&site, &tree, events).await?;
            tree.live(&site.store)?;
            holding.keep_tree(tree);
        }
        Err(other) => return Ok(busy(events, format!("Another run is at work: {other}"))),
    }
    if settings.stage == Stage::Publish {
        let job = Publishing {
            settings,
            site: &site,
            platform: &platform,
            templates: &templates,
            events,
            redactor,
            holding,
            owner: &owner,
        };
        return super::stage::publish(job, results).await;
    }
    if settings.day == Some(DayChoice::Number(0)) {
        return planning::plan(settings, &site, &templates, events).await;
    }
    let preparing = Preparing {
        settings,
        site: &site,
        platform: &platform,
        templates: &templates,
        events,
        holding,
        owner: &owner,
    };
    let (prepared, interrupted) = prepared(&preparing, &redactor, results).await?;
    let start = match prepared {
        Prepared::Go(start) => *start,
        Prepared::Busy(text) => return Ok(busy(events, text)),
        Prepared::Resumable => {
            return Err(anyhow::anyhow!("the journal from the git server was not looked at").into());
        }
        Prepared::Waits(text) => {
            events.emit(Event::Notice { level: Level::Info, text });
            return Ok(exit::SKIPPED);
        }
        Prepared::Shipped(decision) => {
            results.decision = Some(decision);
            return shipped(settings, &site, events, decision).await;
        }
        Prepared::Held { day, reason } => {
            let text = format!("Day {day} is on HOLD and nothing has changed since: {reason}");
            events.emit(Event::Notice { level: Level::Warning, text });
            results.day = Some(day);
            results.decision = Some(Decision::Hold);
            results.hold_reason = Some(reason);
            return Ok(exit::HOLD);
        }
        Prepared::BudgetUsed(used) => {
            let text = format!("PACE_DAILY_BUDGET: {used}. Nothing was run");
            events.emit(Event::Notice { level: Level::Warning, text });
            return Ok(exit::SKIPPED);
        }
        Prepared::Finished => {
            let text = "Every day of the plan has shipped: the sprint is finished".into();
            events.emit(Event::Notice { level: Level::Info, text });
            results.decision = Some(Decision::Ship);
            return Ok(exit::SHIP);
        }
    };
    work(&preparing, (http, redactor), (&start, interrupted), results).await
}

/// The day itself, from the last look at the permissions on.
async fn work(
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
    let remote = remote_journal(settings, site, start, holding);
    let keeper = resume::keeper(site, start, &purse, &written, &redactor, remote.clone());
    let seal = seal(settings);
    let journal = match interrupted {
        Some(found) => {
            found.mark_again(site)?;
            found.journal(start, redactor, seal, keeper, events)?
        }
        None => resume::new_journal(site, start, redactor, seal, keeper)?,
    };
    journal.note("start", "", start).map_err(Error::Abort)?;
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
    if !ended.as_ref().is_err_and(super::disk::is_at_fault) {
        // Before the end is on record: a run that is killed in between is resumed, and comes here again.
        leavings::end(site, start, &journal.path(), events);
    }
    let code = end(&journal, &ended, start.terms.advisory_exit_code)?;
    let ended = match ended {
        Err(error) if super::disk::is_at_fault(&error) || may_reopen(&journal::read(&journal.path())?) => {
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
    let digest = super::stage::leave(settings, site, start, handoff, journal).map_err(Error::Abort)?;
    let text = format!(
        "{} for the time being: the publishing job decides. Hand-off in {}, digest {digest}",
        handoff.decision, settings.handoff
    );
    events.emit(Event::Notice { level: Level::Info, text });
    results.handoff = Some((settings.handoff.clone(), digest));
    Ok(())
}

/// The journal on the git server, where the settings want one and the day is held there.
fn remote_journal(
    settings: &Settings,
    site: &Site,
    start: &Start,
    holding: &Holding,
) -> Option<Arc<RemoteJournal>> {
    let wanted = settings.journal == JournalMode::Auto && holding.day() == Some(start.terms.day);
    let refs = site.own_refs.clone().filter(|_| wanted)?;
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

/// Frees git of the locks that a killed run left in this work tree; those of people stop the run.
async fn clear_left_locks(site: &Site, tree: &TreeLock, events: &dyn Events) -> Result<(), Error> {
    let locks = site.repo.clear_left_locks(tree.died()).await?;
    if !locks.removed.is_empty() {
        let text = format!("Removed locks in .git that a killed run left: {}", locks.removed.join(", "));
        events.emit(Event::Notice { level: Level::Info, text });
    }
    if locks.held.is_empty() {
        return Ok(());
    }
    Err(Error::config(format!(
        "another program holds a lock in the .git of {}: {}. Let it end (an editor that is open in `git commit`, perhaps), \
         or remove the file where nothing is at work, and run again",
        site.root.display(),
        locks.held.join(", ")
    )))
}

/// Prepares the run; on the tree as an interrupted one found it, where there is one here or on the git server.
async fn prepared(
    preparing: &Preparing<'_>,
    redactor: &Redactor,
    results: &mut Results,
) -> Result<(Prepared, Option<Interrupted>), Error> {
    let Preparing { settings, site, events, .. } = *preparing;
    loop {
        let (prepared, interrupted) = match resume::look(settings, site, redactor, events)? {
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

/// A day that had shipped: nothing to do but to make sure that it is pushed.
async fn shipped(settings: &Settings, site: &Site, events: &dyn Events, decision: Decision) -> Exit {
    let head = site.repo.prepare_branch().await?;
    site.repo.push(&head.name).await?;
    let text = format!("The day had shipped with {decision}: nothing to do. RETRY=true runs it again.");
    events.emit(Event::Notice { level: Level::Info, text });
    Ok(exit::of_outcome(&Outcome::Decided(decision), settings.advisory_exit_code))
}

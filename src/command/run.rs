//! `pace run`: the day that the environment names.

mod before;
mod recorded;

use super::lock::{self, TreeLock, busy};
use super::prepare::{Prepared, Preparing, spend_problems};
use super::results::Results;
use super::site::{Site, http};
use super::stage::publish::{Publishing, publish};
use super::stage::{self, bill};
use super::trigger::{Admitted, admit};
use super::work::templates;
use super::{Exit, Invocation, planning};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::exit::{self, Outcome};
use crate::platform::{self, Platform};
use crate::prompt::Templates;
use crate::secret::Redactor;
use crate::settings::{DayChoice, Settings};

/// Runs the day; the exit code. What it came to is told to the CI in any case.
pub(crate) async fn run(invocation: &Invocation) -> Exit {
    let (settings, problems) = invocation.read_settings();
    let redactor = super::site::redactor(&settings);
    let terminal = invocation.terminal(settings.ci.log_style, redactor.clone());
    let mut results = Results::new(&settings);
    let work = run_told(&settings, problems, invocation, &terminal, &redactor, &mut results);
    let mut exit = super::until_signalled(work).await;
    if let Err(Error::Signal(_)) = exit {
        if let Some(code) = results.finished {
            // It came to its end first: one word for the outputs, the summary and the exit code.
            exit = Ok(code);
        } else {
            results.book_signalled(&terminal);
            results.owe(&settings, &terminal);
        }
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
    // Told beside problems too: a misspelt name is often why another one is missing.
    for warning in &settings.warnings {
        events.emit(Event::Notice { level: Level::Warning, text: warning.clone() });
    }
    if !problems.is_empty() {
        return Err(Error::Config(problems));
    }
    crate::report::trace::init(&settings.log).map_err(|e| Error::config(format!("PACE_LOG: {e:#}")))?;
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
    let site = match settings.stage {
        Stage::Publish => Site::without_children(settings, &invocation.dir, &http)?,
        Stage::All | Stage::Work => Site::open(settings, &invocation.dir, &http).await?,
    };
    // A working job has no token to write with, and needs no forge.
    let platform = match settings.stage {
        Stage::Work => Platform::local(),
        Stage::All | Stage::Publish => platform::connect(settings, http.clone()).map_err(Error::Config)?,
    };
    stage::may_leave(settings, &site)?;
    if let Admitted::Skip = admit(settings, &site, &platform, events).await? {
        return Ok(exit::SKIPPED);
    }
    if settings.stage == Stage::Publish {
        bill::enter(settings, &site, events).await;
    }
    let templates = cleaning_templates(settings, &redactor)?;
    let (holding, owner) = (&invocation.holding, lock::owner(settings)?);
    match TreeLock::take(&site.store, &owner)? {
        Ok(mut tree) => {
            before::clear_left_locks(&site, &tree, events).await?;
            tree.live(&site.store)?;
            holding.keep_tree(tree);
        }
        Err(other) => return Ok(busy(events, format!("Another run is at work: {other}"))),
    }
    let (site, platform, templates, owner) = (&site, &platform, &templates, &owner);
    if settings.stage == Stage::Publish {
        let job = Publishing { settings, site, platform, templates, events, redactor, holding, owner };
        return publish(job, results).await;
    }
    if settings.day == Some(DayChoice::Number(0)) {
        return planning::plan(settings, site, templates, events).await;
    }
    let preparing = Preparing { settings, site, platform, templates, events, holding, owner };
    let (prepared, interrupted) = before::prepared(&preparing, &redactor, results).await?;
    match prepared {
        Prepared::Go(start) => {
            recorded::work(&preparing, (http, redactor), (&start, interrupted), results).await
        }
        other => without_a_day(other, settings, site, events, results).await,
    }
}

/// The templates of the run; whatever is put into one passes the redactor.
fn cleaning_templates(settings: &Settings, redactor: &Redactor) -> Result<Templates, Error> {
    let cleaner = redactor.clone();
    let clean = Box::new(move |text: &str| cleaner.redact(text).into_owned());
    Ok(templates(settings)?.redacting(clean))
}

/// Tells why there is no day to run, and fills in the results; the exit code.
async fn without_a_day(
    prepared: Prepared,
    settings: &Settings,
    site: &Site,
    events: &dyn Events,
    results: &mut Results,
) -> Exit {
    let notice = |level, text: String| events.emit(Event::Notice { level, text });
    match prepared {
        Prepared::Go(_) | Prepared::Resumable => {
            Err(anyhow::anyhow!("the journal from the git server was not looked at").into())
        }
        Prepared::Busy(text) => Ok(busy(events, text)),
        Prepared::Waits(text) => {
            notice(Level::Info, text);
            Ok(exit::SKIPPED)
        }
        Prepared::Shipped(decision) => {
            results.decision = Some(decision);
            shipped(settings, site, events, decision).await
        }
        Prepared::Held { day, reason } => {
            let text = format!("Day {day} is on HOLD and nothing has changed since: {reason}");
            notice(Level::Warning, text);
            results.day = Some(day);
            results.decision = Some(Decision::Hold);
            results.hold_reason = Some(reason);
            Ok(exit::HOLD)
        }
        Prepared::BudgetUsed(used) => {
            notice(Level::Warning, format!("PACE_DAILY_BUDGET: {used}. Nothing was run"));
            Ok(exit::SKIPPED)
        }
        Prepared::Finished => {
            notice(Level::Info, "Every day of the plan has shipped: the sprint is finished".into());
            results.decision = Some(Decision::Ship);
            Ok(exit::SHIP)
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

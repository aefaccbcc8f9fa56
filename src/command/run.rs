//! `pace run`: the day that the environment names.

use std::path::Path;

use anyhow::Context as _;

use super::prepare::{Prepared, Site, http, prepare, spend_problems};
use super::results::Results;
use super::stage::Publishing;
use super::trigger::{Admitted, admit};
use super::{Exit, Invocation, planning};
use crate::agent::turns::{MODEL, Said};
use crate::agent::{ContextDoc, Desk, head, purse::Purse};
use crate::day::stage::Handed;
use crate::day::start::Start;
use crate::day::{self, Day, Ended};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::evidence::scan;
use crate::exit::{self, Outcome};
use crate::journal::{self, END, Journal};
use crate::llm::Model;
use crate::llm::client::connect;
use crate::llm::recorded::Recorded;
use crate::platform::{self, Platform};
use crate::prompt::Templates;
use crate::secret::Redactor;
use crate::settings::{DayChoice, Network, Provider, Settings};
use crate::store::artifacts::Store;

/// Bytes of each context document that go into a prompt; the rest is there to be read with a tool.
const CONTEXT_LIMIT: usize = 16 * 1024;

/// Runs the day; the exit code. What it came to is told to the CI in any case.
pub(crate) async fn run(invocation: &Invocation) -> Exit {
    let (settings, problems) = invocation.read_settings();
    let redactor = Redactor::new(&settings.secrets()).with_patterns(scan::redact);
    let terminal = invocation.terminal(settings.ci.log_style, redactor.clone());
    let mut results = Results::new(&settings);
    let exit = run_told(&settings, problems, invocation, &terminal, &redactor, &mut results).await;
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
    if matches!(settings.network, Network::Hosts(_)) {
        let text =
            "PACE_NETWORK: single hosts are not opened by this version, commands reach none of them".into();
        events.emit(Event::Notice { level: Level::Warning, text });
    }
    if settings.paused {
        events.emit(Event::Notice { level: Level::Info, text: "PACE_PAUSED is set: nothing was run".into() });
        return Ok(exit::SKIPPED);
    }
    run_in(settings, invocation, events, redactor.clone(), results).await
}

/// Runs the day with settings that are at hand; `results` is filled in.
pub(crate) async fn run_in(
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
    if let Admitted::Skip = admit(settings, &site, &platform, events).await? {
        return Ok(exit::SKIPPED);
    }
    if settings.stage == Stage::Publish {
        let job = Publishing {
            settings,
            site: &site,
            platform: &platform,
            templates: &templates,
            events,
            redactor,
        };
        return super::stage::publish(job, results).await;
    }
    if settings.day == Some(DayChoice::Number(0)) {
        return planning::plan(settings, &site, &templates, events).await;
    }
    let start = match prepare(settings, &site, &platform, &templates, events).await? {
        Prepared::Go(start) => *start,
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
        Prepared::BudgetUsed { budget } => {
            let text = format!("PACE_DAILY_BUDGET: today's ${budget:.2} are used up; nothing was run");
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
    preflight(&site, &platform, events).await?;
    results.begin(&start);
    let model = model(settings, http).map_err(|e| Error::config(format!("{e:#}")))?;
    let path = site.store.journal_path(start.terms.day, start.attempt).map_err(Error::Abort)?;
    let journal = Journal::create(&path, redactor).map_err(Error::Abort)?;
    journal.note("start", "", &start).map_err(Error::Abort)?;
    let parts = Parts {
        site: &site,
        model: model.as_ref(),
        platform: &platform,
        journal: &journal,
        templates: &templates,
        events,
        stage: settings.stage,
        handed: None,
    };
    let ended = run_day(&parts, &start).await;
    let handoff = match &ended {
        Ok(Ended::HandedOff(_, handoff)) => Some(handoff.clone()),
        _ => None,
    };
    let code = conclude(&journal, results, ended, start.terms.advisory_exit_code)?;
    if let Some(handoff) = handoff {
        let digest = super::stage::leave(settings, &site, &start, &handoff, &path).map_err(Error::Abort)?;
        let text = format!(
            "{} for the time being: the publishing job decides. Hand-off in {}, digest {digest}",
            handoff.decision, settings.handoff
        );
        events.emit(Event::Notice { level: Level::Info, text });
        results.handoff = Some((settings.handoff.clone(), digest));
    }
    Ok(code)
}

/// Closes the record of a day and fills in its results; the exit code.
pub(crate) fn conclude(
    journal: &Journal,
    results: &mut Results,
    ended: Result<Ended, Error>,
    advisory: u8,
) -> Exit {
    let code = match &ended {
        Ok(ended) => code_of(ended, advisory),
        Err(error) => exit::of_error(error),
    };
    let error = ended.as_ref().err().map(ToString::to_string);
    let end = serde_json::json!({"exit": code, "error": error});
    match journal.note(END, "", &end) {
        // A record that was not even played to its end keeps the error that says why.
        Err(problem) if ended.is_ok() => return Err(Error::Abort(problem)),
        _ => {}
    }
    finish(results, ended?, code)
}

/// The model of the settings. A journal is a recording too: its replies are played again, agent by agent.
fn model(settings: &Settings, http: reqwest::Client) -> anyhow::Result<Box<dyn Model>> {
    let path = Path::new(&settings.llm.base_url);
    if settings.llm.provider != Provider::Replay || path.extension().is_none_or(|e| e != "jsonl") {
        return connect(&settings.llm, http);
    }
    let mut replies = Vec::new();
    for record in journal::read(path)?.into_iter().filter(|record| record.kind == MODEL) {
        let said: Said = serde_json::from_value(record.value)
            .with_context(|| format!("{}: record {} is no model call", path.display(), record.seq))?;
        replies.extend(said.reply.ok().map(|reply| (said.agent, reply)));
    }
    Ok(Box::new(Recorded::from_replies(replies)))
}

/// Asks git and forge whether they would take what the day is going to give them: a push that cannot succeed ends the
/// run before it costs anything; any other missing permission is told, as the verdict stands without it.
pub(crate) async fn preflight(site: &Site, platform: &Platform, events: &dyn Events) -> Result<(), Error> {
    site.repo.may_push().await?;
    for probe in platform.access.probe().await {
        if let Some(problem) = probe.problem {
            let text = format!("{}: the token may not {}: {problem}", platform.name, probe.what);
            events.emit(Event::Notice { level: Level::Warning, text });
        }
    }
    Ok(())
}

/// What a day is put together from.
pub(crate) struct Parts<'a> {
    pub site: &'a Site,
    pub model: &'a dyn Model,
    pub platform: &'a Platform,
    pub journal: &'a Journal,
    pub templates: &'a Templates,
    pub events: &'a dyn Events,
    pub stage: Stage,
    /// What a publishing job was given.
    pub handed: Option<&'a Handed>,
}

/// Puts the day together and runs it.
pub(crate) async fn run_day(parts: &Parts<'_>, start: &Start) -> Result<Ended, Error> {
    let plan =
        start.plan.days.get(&start.terms.day).ok_or_else(|| Error::plan("the day is not in the plan"))?;
    let desk = Desk {
        root: parts.site.root.clone(),
        terms: &start.terms,
        plan,
        model: parts.model,
        repo: parts.site.repo.clone(),
        sandbox: parts.site.sandbox.clone(),
        journal: parts.journal,
        templates: parts.templates,
        events: parts.events,
        purse: Purse::new(start.terms.max_run_usd),
        context: context(&parts.site.store)?,
    };
    let day = Day {
        start,
        desk,
        store: &parts.site.store,
        platform: parts.platform,
        stage: parts.stage,
        handed: parts.handed,
    };
    day::run(&day).await
}

/// Exit code of a day that ended without an error.
pub(crate) fn code_of(ended: &Ended, advisory: u8) -> u8 {
    match ended {
        Ended::Card(_) => exit::of_outcome(&Outcome::Done, advisory),
        // A day that ended without an error has a decision.
        Ended::Decided(view) | Ended::HandedOff(view, _) => {
            exit::of_outcome(&Outcome::Decided(view.decision.unwrap_or(Decision::Hold)), advisory)
        }
    }
}

fn context(store: &Store) -> Result<Vec<ContextDoc>, Error> {
    let docs = store.context_docs().map_err(Error::Abort)?;
    Ok(docs
        .into_iter()
        .map(|doc| ContextDoc {
            path: doc.path,
            cut: doc.text.len() > CONTEXT_LIMIT,
            text: head(&doc.text, CONTEXT_LIMIT),
        })
        .collect())
}

pub(crate) fn templates(settings: &Settings) -> Result<Templates, Error> {
    Templates::new(settings.templates_dir.as_deref())
        .map_err(|e| Error::config(format!("PACE_TEMPLATES_DIR: {e:#}")))
}

/// A day that had shipped: nothing to do but to make sure that it is pushed.
async fn shipped(settings: &Settings, site: &Site, events: &dyn Events, decision: Decision) -> Exit {
    let head = site.repo.prepare_branch().await?;
    site.repo.push(&head.name).await?;
    let text = format!("The day had shipped with {decision}: nothing to do. RETRY=true runs it again.");
    events.emit(Event::Notice { level: Level::Info, text });
    Ok(exit::of_outcome(&Outcome::Decided(decision), settings.advisory_exit_code))
}

fn finish(results: &mut Results, ended: Ended, code: u8) -> Exit {
    match ended {
        Ended::Card(card) => {
            crate::report::story_card::write(&mut std::io::stdout().lock(), &card).map_err(Error::Abort)?;
        }
        Ended::Decided(view) | Ended::HandedOff(view, _) => results.view = Some(view),
    }
    Ok(code)
}

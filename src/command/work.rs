//! The day itself: put together from its parts, run, and its record closed. Where the parts come from differs between a run, a
//! publishing job and a replay.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::Exit;
use super::results::Results;
use super::site::Site;
use crate::agent::turns::{MODEL, Said};
use crate::agent::{ContextDoc, Desk, head, purse::Purse};
use crate::day::stage::Handed;
use crate::day::start::Start;
use crate::day::{self, Day, Ended};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::exit::{self, Outcome};
use crate::journal::{self, END, Journal};
use crate::llm::Model;
use crate::llm::client::connect;
use crate::llm::recorded::Recorded;
use crate::platform::{Obstacle, Platform};
use crate::prompt::Templates;
use crate::settings::{Provider, Settings};
use crate::store::artifacts::Store;
use crate::tool::Written;

/// Bytes of each context document that go into a prompt; the rest is there to be read with a tool.
const CONTEXT_LIMIT: usize = 16 * 1024;

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
    pub purse: Arc<Purse>,
    /// What agents wrote with their tools.
    pub written: Written,
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
        setup: parts.site.setup.get().cloned(),
        dependencies: parts.site.dependencies.clone(),
        journal: parts.journal,
        templates: parts.templates,
        events: parts.events,
        purse: Arc::clone(&parts.purse),
        until: start.terms.run_timeout_ms.map(|limit| Instant::now() + Duration::from_millis(limit)),
        written: parts.written.clone(),
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

/// Closes the record of a day; the exit code.
pub(crate) fn end(journal: &Journal, ended: &Result<Ended, Error>, advisory: u8) -> Exit {
    let code = match ended {
        Ok(ended) => code_of(ended, advisory),
        Err(error) => exit::of_error(error),
    };
    if ended.as_ref().is_err_and(super::disk::is_at_fault) {
        // Without an end it can be resumed.
        return Ok(code);
    }
    let error = ended.as_ref().err().map(ToString::to_string);
    match journal.note(END, "", &serde_json::json!({"exit": code, "error": error})) {
        // A record that was not even played to its end keeps the error that says why.
        Err(problem) if ended.is_ok() => Err(Error::Abort(problem)),
        _ => Ok(code),
    }
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

/// Fills in the results of a day; the exit code.
pub(crate) fn finish(results: &mut Results, ended: Ended, code: u8) -> Exit {
    match ended {
        Ended::Card(card) => {
            crate::report::story_card::write(&mut std::io::stdout().lock(), &card).map_err(Error::Abort)?;
        }
        Ended::Decided(view) | Ended::HandedOff(view, _) => results.view = Some(view),
    }
    results.finished = Some(code);
    Ok(code)
}

/// Asks git and forge whether they would take what the day is going to give them: a push that cannot succeed ends the
/// run before it costs anything; any other missing permission is told, as the verdict stands without it.
pub(crate) async fn preflight(
    site: &Site,
    platform: &Platform,
    branch: &str,
    events: &dyn Events,
) -> Result<(), Error> {
    site.repo.may_push().await?;
    match obstacle(site, platform, branch).await {
        Some(Obstacle { text, certain: true }) => return Err(Error::config(text)),
        Some(Obstacle { text, certain: false }) => {
            events.emit(Event::Notice { level: Level::Warning, text });
        }
        None => {}
    }
    for probe in platform.access.probe().await {
        if let Some(problem) = probe.problem {
            let text = format!("{}: the token may not {}: {problem}", platform.name, probe.what);
            events.emit(Event::Notice { level: Level::Warning, text });
        }
    }
    Ok(())
}

/// The forge's rules that the push of `branch` would meet, where one goes out.
pub(crate) async fn obstacle(site: &Site, platform: &Platform, branch: &str) -> Option<Obstacle> {
    site.own_refs.as_ref()?;
    platform.access.obstacle(branch).await
}

/// The model of the settings. A journal is a recording too: its replies are played again, agent by agent.
pub(crate) fn model(settings: &Settings, http: reqwest::Client) -> anyhow::Result<Box<dyn Model>> {
    let path = Path::new(&settings.llm.base_url);
    if settings.llm.provider != Provider::Replay || path.extension().is_none_or(|e| e != "jsonl") {
        return connect(&settings.llm, http, settings.limits.model);
    }
    let mut replies = Vec::new();
    for record in journal::read(path)?.into_iter().filter(|record| record.kind == MODEL) {
        let said: Said = serde_json::from_value(record.value)
            .with_context(|| format!("{}: record {} is no model call", path.display(), record.seq))?;
        replies.extend(said.reply.ok().map(|reply| (said.agent, reply)));
    }
    Ok(Box::new(Recorded::from_replies(replies)))
}

/// The templates of bodies and prompts: the user's above the embedded ones.
pub(crate) fn templates(settings: &Settings) -> Result<Templates, Error> {
    let refused = |what: String| Error::config(format!("PACE_TEMPLATES_DIR: {what}"));
    let templates =
        Templates::new(settings.templates_dir.as_deref()).map_err(|error| refused(format!("{error:#}")))?;
    let problems = crate::report::rehearsal::problems(&templates);
    if problems.is_empty() { Ok(templates) } else { Err(refused(problems.join("\n"))) }
}

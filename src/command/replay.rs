//! `pace replay`: a recorded day again, from its journal alone. Every observation comes from the record; the
//! decisions and artifacts are computed anew and must be the recorded ones, byte for byte.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;

use super::explain::explain;
use super::keeper::Bookkeeper;
use super::lock::Holding;
use super::site::Site;
use super::work::{Parts, code_of, run_day};
use super::{Exit, Invocation};
use crate::agent::purse::Purse;
use crate::day::stage;
use crate::day::start::Start;
use crate::domain::dependencies::Dependencies;
use crate::domain::event::{Event, Events, Level};
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::evidence::scan;
use crate::exit;
use crate::journal::{self, END, Journal};
use crate::llm::recorded::Recorded;
use crate::platform::Platform;
use crate::repo::absent::Absent;
use crate::sandbox::open::Open;
use crate::secret::Redactor;
use crate::settings::{LogStyle, Settings};
use crate::store::artifacts::Store;
use crate::tool::Written;

/// Replays the journal at `path`: a file, or a folder whose newest journal is taken.
pub(crate) async fn replay(invocation: &Invocation, path: &Path, explained: bool) -> Exit {
    let path = newest(&invocation.dir.join(path)).map_err(|e| Error::config(format!("{e:#}")))?;
    let start = start_of(&path).map_err(|e| Error::config(format!("{e:#}")))?;
    // A replay needs no setting, so what is wrong with them is no matter here.
    let (settings, _) = invocation.read_settings();
    let redactor = Redactor::default().with_patterns(scan::redact);
    let records = journal::read(&path).map_err(Error::Abort)?;
    let (level, seals) = super::audit::seals(&records, &super::site::seal(&settings))?;
    let terminal = invocation.terminal(LogStyle::Plain, redactor.clone());
    // An explanation is the only thing on its page.
    let events: &dyn Events = if explained { &Unheard } else { &terminal };
    events.emit(Event::Notice { level, text: seals.clone() });
    let root = fresh_root(&path, &start)?;
    let code = play((&path, &root), &start, &settings, (&redactor, events)).await?;
    if explained {
        let day = explain(&start, &records)?;
        let text = crate::report::explain::text(&crate::report::explain::Explained { seals, ..day });
        super::print(&redactor.redact(&text))?;
        return Ok(code);
    }
    let text = format!(
        "Replayed {}: every artifact is the recorded one, byte for byte. They are in {}",
        path.display(),
        root.display()
    );
    events.emit(Event::Notice { level: Level::Info, text });
    Ok(code)
}

/// Plays the journal at `path` in the folder `root`; the exit code that it yields.
async fn play(
    (path, root): (&Path, &Path),
    start: &Start,
    settings: &Settings,
    (redactor, events): (&Redactor, &dyn Events),
) -> Exit {
    let purse = Arc::new(Purse::under(&start.terms));
    let keeper = Box::new(Bookkeeper { purse: Arc::clone(&purse), holding: Holding::default() });
    let journal = Journal::play(path, redactor.clone(), keeper).map_err(Error::Abort)?;
    journal.note("start", "", start).map_err(Error::Abort)?;
    let templates = super::work::templates(settings)?;
    super::stage::rendered_alike(start, &templates)?;
    let parts = Parts {
        site: &site(root, redactor),
        model: &Recorded::from_replies(vec![]),
        platform: &Platform::local(),
        journal: &journal,
        templates: &templates,
        events,
        stage: stage_of(path).map_err(Error::Abort)?,
        handed: None,
        purse,
        written: Written::default(),
    };
    let ended = run_day(&parts, start).await;
    let (code, error) = match &ended {
        Ok(ended) => (code_of(ended, start.terms.advisory_exit_code), None),
        Err(error) => (exit::of_error(error), Some(error.to_string())),
    };
    if journal.unplayed() > 0 || error.is_some() {
        journal.note(END, "", &serde_json::json!({"exit": code, "error": error})).map_err(|mismatch| {
            let cause = error.unwrap_or_default();
            Error::Abort(anyhow::anyhow!("{mismatch:#} {cause}"))
        })?;
    }
    Ok(code)
}

/// A folder in which nothing is run, and no repository.
fn site(root: &Path, redactor: &Redactor) -> Site {
    Site {
        store: Store::new(root.to_path_buf()),
        repo: Arc::new(Absent),
        sandbox: Arc::new(Open {
            env: vec![],
            dependencies: Dependencies::default(),
            redactor: redactor.clone(),
        }),
        root: root.to_path_buf(),
        dependencies: Dependencies::default(),
        setup: OnceLock::new(),
        own_refs: None,
        read_refs: None,
    }
}

/// Events that nobody looks at.
struct Unheard;

impl Events for Unheard {
    fn emit(&self, _event: Event) {}
}

/// The journal itself, or the newest one of a folder (the one with the highest run number).
fn newest(path: &Path) -> anyhow::Result<PathBuf> {
    if !path.is_dir() {
        return Ok(path.to_path_buf());
    }
    let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let number = |path: &Path| -> Option<u32> {
        path.file_name()?.to_str()?.strip_prefix("run-")?.strip_suffix(".jsonl")?.parse().ok()
    };
    entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter_map(|path| Some((number(&path)?, path)))
        .max()
        .map(|(_, path)| path)
        .with_context(|| format!("{} holds no journal (run-N.jsonl)", path.display()))
}

fn start_of(path: &Path) -> anyhow::Result<Start> {
    Start::recorded(&journal::read(path)?).with_context(|| path.display().to_string())
}

/// Which half of a day the recorded run did: a publishing job's record begins with the working job's.
fn stage_of(path: &Path) -> anyhow::Result<Stage> {
    let records = journal::read(path)?;
    let has = |kind: &str| records.iter().any(|record| record.kind == kind);
    Ok(match (has(stage::HANDED_OFF), has(stage::TAKEN)) {
        (_, true) => Stage::Publish,
        (true, false) => Stage::Work,
        (false, false) => start_of(path)?.terms.stage,
    })
}

/// A folder beside the journal with the files that the recorded run started from.
fn fresh_root(journal: &Path, start: &Start) -> Result<PathBuf, Error> {
    let root = journal.with_extension("replay");
    if root.exists() {
        std::fs::remove_dir_all(&root).map_err(|e| Error::config(format!("{}: {e}", root.display())))?;
    }
    std::fs::create_dir_all(&root).map_err(|e| Error::config(format!("{}: {e}", root.display())))?;
    let store = Store::new(root.clone());
    for (path, text) in &start.files {
        store.write_text(path, text).map_err(Error::Abort)?;
    }
    Ok(root)
}

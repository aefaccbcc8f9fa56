//! The composition root: the only room that names concrete adapters. One file a verb.

mod audit;
mod booking;
mod budget;
mod check;
mod demo;
mod disk;
mod explain;
mod gate_days;
mod keeper;
mod leavings;
mod left_journals;
mod lock;
mod planning;
mod prepare;
mod prices;
mod random;
mod remote_journal;
mod reopened;
mod replay;
mod results;
mod resume;
mod run;
mod selection;
mod setup;
mod site;
mod sprint;
mod stage;
mod status;
mod terms;
mod trigger;
mod unfinished;
mod work;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::cli::{self, Verb};
use crate::error::Error;
use crate::exit;
use crate::report::terminal::{Style, Terminal};
use crate::secret::Redactor;
use crate::settings::{LogStyle, Settings};
use lock::Holding;

/// What a verb has to work with.
pub(crate) struct Invocation {
    pub environment: Vec<(OsString, OsString)>,
    /// Where pace was started.
    pub dir: PathBuf,
    started: Instant,
    /// What the run keeps from others; given back also where a signal ends it.
    holding: Holding,
}

/// How long a run that was signalled waits for git work that was begun.
const PARTING: Duration = Duration::from_millis(1000);

/// A verb's own exit code, or the error that has one.
type Exit = Result<u8, Error>;

/// Parses, runs, and turns whatever happened into an exit code.
pub(crate) fn main(arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>) -> u8 {
    let started = Instant::now();
    let outcome = cli::parse(arguments).map_err(Error::config).and_then(|verb| {
        let dir = std::env::current_dir()
            .map_err(|e| Error::config(format!("the current folder cannot be read: {e}")))?;
        dispatch(verb, Invocation { environment, dir, started, holding: Holding::default() })
    });
    outcome.unwrap_or_else(|error| {
        // Nothing better to do if stderr is gone: the exit code still tells.
        let _ = crate::report::error(&mut std::io::stderr().lock(), &error.to_string());
        exit::of_error(&error)
    })
}

fn dispatch(verb: Verb, invocation: Invocation) -> Exit {
    match verb {
        Verb::Help => print(cli::HELP),
        Verb::Version => print(&format!("pace {}\n", env!("CARGO_PKG_VERSION"))),
        Verb::Schema { name } => schema(name.as_deref()),
        Verb::Status => status::status(&invocation),
        Verb::Run => block_on(run::run(&invocation)),
        Verb::Check => block_on(until_signalled(check::check(&invocation))),
        Verb::Demo => block_on(until_signalled(demo::demo(&invocation))),
        Verb::Replay { journal, explain } => {
            block_on(until_signalled(replay::replay(&invocation, &journal, explain)))
        }
    }
}

fn print(text: &str) -> Exit {
    std::io::stdout().lock().write_all(text.as_bytes()).map_err(|e| Error::Abort(e.into()))?;
    Ok(exit::SHIP)
}

fn schema(name: Option<&str>) -> Exit {
    let names = || crate::schema::names().collect::<Vec<_>>();
    match name {
        None => print(&format!("{}\n", names().join("\n"))),
        Some(name) => match crate::schema::get(name) {
            Some(text) => print(text),
            None => {
                Err(Error::config(format!("there is no schema `{name}`; there are: {}", names().join(", "))))
            }
        },
    }
}

/// Runs a verb on a runtime of its own.
fn block_on(verb: impl Future<Output = Exit>) -> Exit {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|e| Error::Abort(anyhow::Error::from(e).context("cannot start the async runtime")))?;
    let outcome = runtime.block_on(verb);
    // A git transfer may still block its thread. One into a folder would leave that folder locked; none is waited for
    // longer than a CI waits after its signal.
    runtime.shutdown_timeout(PARTING);
    outcome
}

/// Works until it ends or a signal comes; a signal drops the work, which ends its children.
async fn until_signalled(work: impl Future<Output = Exit>) -> Exit {
    disk::outlive_size_limit();
    tokio::select! {
        // First, so that no signal comes before there is somebody to take it.
        biased;
        signal = signal() => Err(Error::Signal(signal)),
        outcome = work => outcome,
    }
}

async fn signal() -> u8 {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => exit::INTERRUPTED,
        _ = terminate.recv() => exit::TERMINATED,
    }
}

impl Invocation {
    fn settings(&self) -> Result<Settings, Error> {
        Settings::from_env(self.environment.iter().cloned(), &self.dir).map_err(Error::Config)
    }

    /// Settings with every problem beside them, for a verb that goes on looking.
    fn read_settings(&self) -> (Settings, Vec<String>) {
        Settings::read(self.environment.iter().cloned(), &self.dir)
    }

    /// A variable that a verb reads before there are settings.
    fn variable(&self, name: &str) -> Option<String> {
        let found = self.environment.iter().find(|(n, v)| n == name && !v.is_empty());
        found.map(|(_, value)| value.to_string_lossy().into_owned())
    }

    /// The terminal that shows a run, without secrets.
    fn terminal(&self, log: LogStyle, redactor: Redactor) -> Terminal<std::io::Stdout> {
        let started = self.started;
        let colour = std::io::stdout().is_terminal()
            && !self.environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
        Terminal::new(
            std::io::stdout(),
            Style { colour, log },
            Box::new(move |line| redactor.redact(line).into_owned()),
            Box::new(move || started.elapsed()),
        )
    }
}

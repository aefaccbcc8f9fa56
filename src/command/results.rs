//! What a run leaves for other programs, whatever it came to: step outputs, dotenv, annotations, job summary.
//! Each fails alone and is told: a verdict never falls because a file could not be written.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::Exit;
use crate::day::start::Start;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::error::Error;
use crate::exit;
use crate::report::clean::Clean;
use crate::report::outputs::Outputs;
use crate::report::view::DayView;
use crate::report::{annotations, dotenv, outputs};
use crate::secret::Redactor;
use crate::settings::{DayChoice, LogStyle, Settings};
use crate::store::artifacts::Store;

/// GitHub drops a job summary beyond 1 MiB whole.
const SUMMARY: u64 = 1024 * 1024;

/// What is known of a run, filled in as it becomes known.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// The repository, once it was found.
    pub root: Option<PathBuf>,
    pub day: Option<u32>,
    /// Number of this run of the day.
    pub attempt: Option<u32>,
    pub branch: Option<String>,
    /// A decision that stands from an earlier run.
    pub decision: Option<Decision>,
    pub hold_reason: Option<String>,
    /// Folder and digest of what a working job left.
    pub handoff: Option<(String, String)>,
    /// The day, once it was judged and published.
    pub view: Option<Box<DayView>>,
    /// The exit code, once nothing is left to do but to give the lock back.
    pub finished: Option<u8>,
}

impl Results {
    /// What the settings alone tell.
    pub(crate) fn new(settings: &Settings) -> Self {
        let day = match settings.day {
            Some(DayChoice::Number(day)) => Some(day),
            Some(DayChoice::Auto) | None => None,
        };
        Self { day, ..Self::default() }
    }

    /// The run goes to the agents.
    pub(crate) fn begin(&mut self, start: &Start) {
        self.day = Some(start.terms.day);
        self.attempt = Some(start.attempt);
        self.branch = Some(start.branch.name.clone());
    }

    /// Writes a run that a signal ended down.
    pub(crate) fn book_signalled(&self, events: &dyn Events) {
        let (Some(root), Some(day), Some(_)) = (&self.root, self.day, self.attempt) else { return };
        if let Err(problem) = super::booking::book_signalled(&Store::new(root.clone()), day) {
            let text = format!("attempts.yaml could not be written: {problem:#}");
            events.emit(Event::Notice { level: Level::Error, text });
        }
    }

    /// Leaves the bill of a working job that came to no verdict, for the publishing job to enter.
    pub(crate) fn owe(&mut self, settings: &Settings, events: &dyn Events) {
        let (Some(root), Some(day), Some(_)) = (&self.root, self.day, self.attempt) else { return };
        match super::stage::bill::leave_alone(settings, root, day) {
            Ok(left) => self.handoff = left,
            Err(problem) => {
                let text = format!("What this run spent could not be handed over: {problem:#}");
                events.emit(Event::Notice { level: Level::Warning, text });
            }
        }
    }

    /// Leaves the bill of all that a working job may spend, and tells the CI of it at once: nobody else does where the run
    /// is killed outright. Whatever it comes to is told later, and counts.
    pub(crate) fn owe_beforehand(
        &mut self,
        settings: &Settings,
        (start, journal): (&Start, &Path),
        events: &dyn Events,
    ) {
        let Some(root) = self.root.clone() else { return };
        let left = super::stage::bill::leave_beforehand(settings, &root, start, journal);
        let told = left.and_then(|left| {
            self.handoff = left;
            if self.handoff.is_none() {
                return Ok(());
            }
            let outputs = self.outputs(&Err(Error::Abort(anyhow::anyhow!("the run was killed"))));
            if let Some(path) = &settings.ci.output {
                write_outputs(path, &outputs)?;
            }
            if settings.ci.log_style == LogStyle::GitLab { self.write_dotenv(&outputs) } else { Ok(()) }
        });
        if let Err(problem) = told {
            let text = format!("Were this run killed outright, nobody would know what it spent: {problem:#}");
            events.emit(Event::Notice { level: Level::Warning, text });
        }
    }

    /// Writes all that the CI around the run takes.
    pub(crate) fn write(&self, settings: &Settings, redactor: &Redactor, events: &dyn Events, exit: &Exit) {
        let redact = |text: &str| redactor.redact(text).into_owned();
        let clean = Clean::new(&redact);
        let outputs = self.outputs(exit).clean(&clean);
        let ci = &settings.ci;
        let tell = |what: &str, written: anyhow::Result<()>| {
            if let Err(problem) = written {
                let text = format!("{what} could not be written, the verdict stands: {problem:#}");
                events.emit(Event::Notice { level: Level::Warning, text });
            }
        };
        if let Some(path) = &ci.output {
            tell("the step's outputs", write_outputs(path, &outputs));
        }
        if ci.log_style == LogStyle::GitLab {
            tell(dotenv::FILE, self.write_dotenv(&outputs));
        }
        let Some(view) = &self.view else {
            if let (Some(path), Err(error @ (Error::Abort(_) | Error::Signal(_)))) = (&ci.step_summary, exit)
            {
                let text = crate::report::ended(self.day, &error.to_string(), outputs.cost_usd);
                tell("the job summary", crate::report::append(path, &redact(&text)));
            }
            return;
        };
        if ci.log_style == LogStyle::GitHub {
            let lines = annotations::lines(view, &clean).join("\n") + "\n";
            tell("annotations", print(lines.trim_start()));
        }
        if let Some(path) = &ci.step_summary {
            tell("the job summary", self.write_summary(path));
        }
    }

    fn outputs(&self, exit: &Exit) -> Outputs {
        let code = exit.as_ref().map_or_else(exit::of_error, |code| *code);
        match (&self.view, exit) {
            (Some(view), Ok(_)) => {
                let report_file = Some(crate::day::bodies::SUMMARY.to_owned());
                let (handoff, handoff_digest) = self.handoff.clone().unzip();
                Outputs { exit_code: code, report_file, handoff, handoff_digest, ..Outputs::of(view) }
            }
            _ => Outputs {
                handoff: self.handoff.clone().map(|(folder, _)| folder),
                handoff_digest: self.handoff.clone().map(|(_, digest)| digest),
                decision: self.word(exit).to_owned(),
                exit_code: code,
                day: self.day,
                hold_reason: self.hold_reason.clone().filter(|_| exit.is_ok()),
                branch: self.branch.clone(),
                cost_usd: if matches!(exit, Ok(exit::SKIPPED)) { Some(0.0) } else { self.recorded_cost() },
                ..Outputs::default()
            },
        }
    }

    /// The word for a run that judged nothing.
    fn word(&self, exit: &Exit) -> &'static str {
        match exit {
            Ok(exit::SKIPPED) => "SKIPPED",
            Ok(_) => self.decision.map_or("", Decision::name),
            Err(Error::Config(_)) => "CONFIG",
            Err(Error::Plan(_)) => "PLAN",
            Err(Error::Abort(_) | Error::Signal(_)) => "ABORT",
        }
    }

    /// US dollars that the run cost as far as it came; `None` where that is not known.
    pub(crate) fn spent(&self) -> Option<f64> {
        match (&self.view, self.attempt) {
            (Some(view), _) => view.bill.cost,
            (None, Some(_)) => self.recorded_cost(),
            (None, None) => Some(0.0),
        }
    }

    /// What a run without verdict cost, by the books; a dry run is in none, and has its journal.
    fn recorded_cost(&self) -> Option<f64> {
        let (root, day, attempt) = (self.root.clone()?, self.day?, self.attempt?);
        let store = Store::new(root);
        match store.attempts(day).ok()?.iter().find(|recorded| recorded.run == attempt) {
            Some(recorded) => recorded.cost_usd,
            None => super::booking::dry_cost(&store, day, attempt),
        }
    }

    fn write_dotenv(&self, outputs: &Outputs) -> anyhow::Result<()> {
        let root = self.root.clone().context("the repository was not found")?;
        Store::new(root).write_text(dotenv::FILE, &dotenv::text(outputs)?)
    }

    fn write_summary(&self, path: &Path) -> anyhow::Result<()> {
        let Some(root) = self.root.clone() else { return Ok(()) };
        let file = crate::day::bodies::SUMMARY;
        let Some(text) = Store::new(root).read_text(file)? else { return Ok(()) };
        let there = std::fs::metadata(path).map_or(0, |file| file.len());
        let fits = there + text.len() as u64 <= SUMMARY;
        let instead = format!("\nThe summary of the day does not fit here: it is in `{file}`.\n");
        crate::report::append(path, if fits { &text } else { &instead })
    }
}

fn write_outputs(path: &Path, outputs: &Outputs) -> anyhow::Result<()> {
    crate::report::append(path, &outputs::github(outputs, delimiter)?)
}

fn delimiter() -> anyhow::Result<String> {
    Ok(format!("pace-{}", super::random::hex()?))
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::variables::{RESULTS, VARIABLES};

    #[test]
    fn no_result_is_a_setting_of_a_later_run() {
        assert_eq!(dotenv::KEYS.map(|(_, key)| key), RESULTS);
        for variable in VARIABLES {
            for name in [Some(variable.name), variable.alias].into_iter().flatten() {
                assert!(!RESULTS.contains(&name), "{name} is a setting");
            }
        }
    }

    #[test]
    fn a_delimiter_is_never_the_same() {
        let (one, other) = (delimiter().unwrap(), delimiter().unwrap());
        assert_eq!(one.len(), "pace-".len() + 32);
        assert_ne!(one, other);
    }

    #[test]
    fn runs_without_a_verdict_have_a_word() {
        let held = Results {
            day: Some(2),
            decision: Some(Decision::Hold),
            hold_reason: Some("GATE HOLD: x".into()),
            ..Results::default()
        };
        let plain = Results { day: Some(2), ..Results::default() };
        for (results, exit, word, code) in [
            (&held, Ok(exit::HOLD), "HOLD", exit::HOLD),
            (&plain, Ok(exit::SHIP), "", exit::SHIP),
            (&plain, Ok(exit::SKIPPED), "SKIPPED", exit::SKIPPED),
            (&plain, Err(Error::config("x")), "CONFIG", exit::CONFIG),
            (&plain, Err(Error::plan("x")), "PLAN", exit::PLAN),
            (&plain, Err(Error::Abort(anyhow::anyhow!("x"))), "ABORT", exit::ABORT),
            (&held, Err(Error::Abort(anyhow::anyhow!("x"))), "ABORT", exit::ABORT),
        ] {
            let outputs = results.outputs(&exit);
            assert_eq!((outputs.decision.as_str(), outputs.exit_code, outputs.day), (word, code, Some(2)));
            assert_eq!(outputs.hold_reason.is_some(), word == "HOLD");
        }
    }
}

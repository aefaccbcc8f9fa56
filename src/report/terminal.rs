//! Events as lines of a terminal or CI log: grouped by agent, with time, tokens and cost, and a table at the end.
//!
//! The lines of the product's documents appear as they stand: `[FORGE] Writing … ...`, `[PACE] GATE: HOLD`,
//! `[PACE] hold_reason: …`. Every line goes through one [`door`]. Decides nothing.

mod door;
mod paint;
mod tally;

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use self::door::Door;
use self::paint::Paint;
use self::tally::Tally;
use super::log;
use crate::domain::Agent;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::hold::{Cause, Hold};
use crate::domain::money::Usage;
use crate::prompt::Redact;
use crate::prompt::figures::span;
use crate::settings::LogStyle;

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether to colour; true only where somebody looks at a terminal that can.
    pub colour: bool,
    pub log: LogStyle,
}

/// Time since the start of the run.
pub(crate) type Clock = Box<dyn Fn() -> Duration + Send + Sync>;

/// Writes events to `W` as they come. A `W` that cannot be written to (a closed pipe) never ends a run.
pub(crate) struct Terminal<W>(Mutex<State<W>>);

impl<W: Write + Send> Terminal<W> {
    /// `redact` is applied to every line.
    pub(crate) fn new(out: W, style: Style, redact: Redact, clock: Clock) -> Self {
        Self(Mutex::new(State {
            door: Door::new(out, style.colour, redact),
            log: style.log,
            clock,
            day: 0,
            tally: Tally::new(),
            group: None,
            told: None,
        }))
    }
}

impl<W: Write + Send> Events for Terminal<W> {
    fn emit(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).tell(event);
    }
}

struct State<W> {
    door: Door<W>,
    log: LogStyle,
    clock: Clock,
    day: u32,
    tally: Tally,
    /// Name of the open group.
    group: Option<String>,
    /// The hold that was shown last.
    told: Option<Hold>,
}

/// Characters of a step and of a reason that a line shows.
const STEP: usize = 300;
const REASON: usize = 4_000;

impl<W: Write> State<W> {
    fn tell(&mut self, event: Event) {
        match event {
            Event::DayStarted { day, theme, attempt, branch } => {
                self.day = day;
                let (theme, branch) = (self.door.short(&theme, STEP), self.door.short(&branch, STEP));
                self.door.put(
                    Paint::Bold,
                    &format!("[PACE] day {day}: {theme} · attempt {attempt} · branch {branch}"),
                );
            }
            Event::Notice { level, text } => self.notice(level, &text),
            Event::AgentStarted { agent, round } => self.started(agent, round),
            Event::Step { agent, text } => {
                let text = self.door.short(&text, STEP);
                self.door.put(Paint::None, &format!("[{agent}] {text}"));
            }
            Event::Called { agent, usage, cost } => self.called(agent, usage, cost),
            Event::AgentFinished { agent, decision, summary } => self.finished(agent, decision, &summary),
            Event::Held { hold, retries_left } => {
                self.close_group();
                self.hold(&hold);
                if retries_left > 0 && hold.cause == Cause::Code {
                    let word = if retries_left == 1 { "retry" } else { "retries" };
                    self.door.put(Paint::None, &format!("[PACE] back to FORGE, {retries_left} {word} left"));
                }
            }
            Event::Decided { decision, hold } => self.decided(decision, hold.as_ref()),
            Event::Aborted => self.close_group(),
        }
    }

    fn notice(&mut self, level: Level, text: &str) {
        if self.log == LogStyle::GitHub && level != Level::Info {
            self.door.annotate(level, None, text);
            return;
        }
        let (prefix, paint) = match level {
            Level::Info => ("", Paint::None),
            Level::Warning => ("warning: ", Paint::Yellow),
            Level::Error => ("error: ", Paint::Red),
        };
        for part in self.door.clean(text).lines().filter(|l| !l.trim().is_empty()) {
            self.door.put(paint, &format!("[PACE] {prefix}{part}"));
        }
    }

    fn started(&mut self, agent: Agent, round: u32) {
        self.close_group();
        let now = (self.clock)();
        self.tally.row(agent, &self.clock).begin(now);
        let name = if round > 1 { format!("{agent}, round {round}") } else { agent.to_string() };
        match log::open(self.log, &name, now) {
            Some(marker) => self.door.raw(&marker),
            None => {
                self.door.raw("");
                self.door.put(Paint::Bold, &format!("▸ {name}"));
            }
        }
        self.group = Some(name);
    }

    /// One line a call: the step of an agent that costs time and money.
    fn called(&mut self, agent: Agent, usage: Usage, cost: Option<f64>) {
        let call = self.tally.called(agent, usage, cost, &self.clock).calls_of_round();
        let text =
            format!("[{agent}] call {call} · so far {} · {}", span((self.clock)()), self.tally.spent());
        self.door.put(Paint::Dim, &text);
    }

    fn finished(&mut self, agent: Agent, decision: Option<Decision>, summary: &str) {
        let now = (self.clock)();
        let round = self.tally.row(agent, &self.clock).end(decision, now);
        self.close_group();
        let summary = self.door.short(summary, STEP);
        if !summary.is_empty() {
            self.door.put(Paint::None, &format!("[{agent}] {summary}"));
        }
        // A HOLD is told with its reason once the round is over.
        if let Some(decision) = decision.filter(|decision| *decision != Decision::Hold) {
            self.door.put(Paint::from(decision), &format!("[PACE] {agent}: {decision}"));
        }
        let plural = if round.calls == 1 { "" } else { "s" };
        let (time, calls) = (span(round.time), round.calls);
        self.door.put(
            Paint::Dim,
            &format!("[{agent}] done in {time}, {calls} call{plural} · so far {}", self.tally.spent()),
        );
    }

    fn hold(&mut self, hold: &Hold) {
        self.door.put(Paint::Red, &format!("[PACE] {}: HOLD", hold.agent));
        let reason = self.door.short(&hold.reason, REASON);
        self.door.put(Paint::None, &format!("[PACE] hold_reason: {reason}"));
        self.told = Some(hold.clone());
    }

    fn decided(&mut self, decision: Decision, hold: Option<&Hold>) {
        self.close_group();
        self.door.raw("");
        for (paint, line) in self.tally.table(decision, (self.clock)()) {
            self.door.put(paint, &line);
        }
        self.door.raw("");
        self.door.put(
            Paint::from(decision),
            &format!(
                "[PACE] day {}: {decision} · {} · {}",
                self.day,
                span((self.clock)()),
                self.tally.spent()
            ),
        );
        if let Some(hold) = hold
            && self.told.as_ref() != Some(hold)
        {
            self.hold(hold);
        }
        if self.log == LogStyle::GitHub {
            let title = format!("pace: day {}: {decision}", self.day);
            match (decision, hold) {
                (Decision::Ship, _) => {}
                (Decision::Hold, Some(hold)) => {
                    self.door.annotate(Level::Error, Some(&title), &hold.to_string())
                }
                (Decision::Hold, None) => self.door.annotate(Level::Error, Some(&title), "the day is held"),
                (Decision::Advisory, _) => {
                    self.door.annotate(
                        Level::Warning,
                        Some(&title),
                        "the day ships; concerns went to the backlog",
                    );
                }
            }
        }
    }

    fn close_group(&mut self) {
        if let Some(name) = self.group.take()
            && let Some(marker) = log::close(self.log, &name, (self.clock)())
        {
            self.door.raw(&marker);
        }
    }
}

#[cfg(test)]
mod tests;

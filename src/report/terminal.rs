//! Events as lines of a terminal or CI log: grouped by agent, with time, tokens and cost, and a table at the end.
//!
//! The lines of the product's documents appear as they stand: `[FORGE] Writing … ...`, `[PACE] GATE: HOLD`,
//! `[PACE] hold_reason: …`. Every line goes through one door that takes out terminal codes and hidden
//! characters, redacts, and breaks what a CI log would read as a command. Decides nothing.

use std::io::Write;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::domain::Agent;
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Events, Level};
use crate::domain::hold::{Cause, Hold};
use crate::domain::money::Usage;
use crate::prompt::Redact;
use crate::prompt::figures::{span, tokens, usd};
use crate::prompt::plain::{cut, line, visible};
use crate::settings::LogStyle;

use super::log;
use super::table::{self, Align};

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
            out,
            style,
            redact,
            clock,
            day: 0,
            rows: Vec::new(),
            group: None,
            usage: Usage::default(),
            cost: Some(0.0),
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
    out: W,
    style: Style,
    redact: Redact,
    clock: Clock,
    day: u32,
    /// Agents that began, in order.
    rows: Vec<Row>,
    /// Name of the open group.
    group: Option<String>,
    /// Totals of the run, as the last [`Event::Called`] gave them.
    usage: Usage,
    cost: Option<f64>,
    /// The hold that was shown last.
    told: Option<Hold>,
}

/// What the final table says of an agent.
struct Row {
    agent: Agent,
    verdict: Verdict,
    calls: u32,
    tokens: u64,
    cost: Option<f64>,
    time: Duration,
    /// Start and calls of the round that runs.
    since: (Duration, u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Unfinished,
    Done,
    Decided(Decision),
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Unfinished => "unfinished",
            Self::Done => "done",
            Self::Decided(decision) => decision.name(),
        }
    }
}

/// How a line is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    None,
    Bold,
    Dim,
    Green,
    Yellow,
    Red,
}

impl Paint {
    const fn code(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Green => "32",
            Self::Yellow => "33",
            Self::Red => "31",
        }
    }
}

impl From<Decision> for Paint {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::Ship => Self::Green,
            Decision::Advisory => Self::Yellow,
            Decision::Hold => Self::Red,
        }
    }
}

/// Characters of a step and of a reason that a line shows.
const STEP: usize = 300;
const REASON: usize = 4_000;

impl<W: Write> State<W> {
    fn tell(&mut self, event: Event) {
        match event {
            Event::DayStarted { day, theme, attempt, branch } => {
                self.day = day;
                let (theme, branch) = (self.short(&theme, STEP), self.short(&branch, STEP));
                self.put(
                    Paint::Bold,
                    &format!("[PACE] day {day}: {theme} · attempt {attempt} · branch {branch}"),
                );
            }
            Event::Notice { level, text } => self.notice(level, &text),
            Event::AgentStarted { agent, round } => self.started(agent, round),
            Event::Step { agent, text } => {
                let text = self.short(&text, STEP);
                self.put(Paint::None, &format!("[{agent}] {text}"));
            }
            Event::Called { agent, usage, cost } => self.called(agent, usage, cost),
            Event::AgentFinished { agent, decision, summary } => self.finished(agent, decision, &summary),
            Event::Held { hold, retries_left } => {
                self.close_group();
                self.hold(&hold);
                if retries_left > 0 && hold.cause == Cause::Code {
                    let word = if retries_left == 1 { "retry" } else { "retries" };
                    self.put(Paint::None, &format!("[PACE] back to FORGE, {retries_left} {word} left"));
                }
            }
            Event::Decided { decision, hold } => self.decided(decision, hold.as_ref()),
            Event::Aborted => self.close_group(),
        }
    }

    fn notice(&mut self, level: Level, text: &str) {
        let (command, paint) = match level {
            Level::Info => ("", Paint::None),
            Level::Warning => ("warning", Paint::Yellow),
            Level::Error => ("error", Paint::Red),
        };
        if self.style.log == LogStyle::GitHub && level != Level::Info {
            self.annotate(command, None, text);
            return;
        }
        let prefix = if command.is_empty() { String::new() } else { format!("{command}: ") };
        for part in (self.redact)(&visible(text)).lines().filter(|l| !l.trim().is_empty()) {
            self.put(paint, &format!("[PACE] {prefix}{part}"));
        }
    }

    fn started(&mut self, agent: Agent, round: u32) {
        self.close_group();
        let now = (self.clock)();
        let row = self.row(agent);
        row.verdict = Verdict::Unfinished;
        row.since = (now, row.calls);
        let name = if round > 1 { format!("{agent}, round {round}") } else { agent.to_string() };
        match log::open(self.style.log, &name, now) {
            Some(marker) => self.raw(&marker),
            None => {
                self.raw("");
                self.put(Paint::Bold, &format!("▸ {name}"));
            }
        }
        self.group = Some(name);
    }

    /// One line a call: the step of an agent that costs time and money.
    fn called(&mut self, agent: Agent, usage: Usage, cost: Option<f64>) {
        let spent = usage.total().saturating_sub(self.usage.total());
        let paid = cost.zip(self.cost).map(|(now, before)| (now - before).max(0.0));
        (self.usage, self.cost) = (usage, cost);
        let row = self.row(agent);
        row.calls += 1;
        row.tokens += spent;
        row.cost = row.cost.zip(paid).map(|(a, b)| a + b);
        let call = row.calls - row.since.1;
        let text = format!("[{agent}] call {call} · {} · {}", span((self.clock)()), self.so_far());
        self.put(Paint::Dim, &text);
    }

    fn finished(&mut self, agent: Agent, decision: Option<Decision>, summary: &str) {
        let now = (self.clock)();
        let row = self.row(agent);
        let (start, calls_before) = row.since;
        let (time, calls) = (now.saturating_sub(start), row.calls - calls_before);
        row.time += time;
        row.verdict = decision.map_or(Verdict::Done, Verdict::Decided);
        row.since = (now, row.calls);
        let word = if decision.is_some() { "done" } else { row.verdict.word() };
        self.close_group();
        let summary = self.short(summary, STEP);
        if !summary.is_empty() {
            self.put(Paint::None, &format!("[{agent}] {summary}"));
        }
        // A HOLD is told with its reason once the round is over.
        if let Some(decision) = decision.filter(|decision| *decision != Decision::Hold) {
            self.put(Paint::from(decision), &format!("[PACE] {agent}: {decision}"));
        }
        let plural = if calls == 1 { "" } else { "s" };
        self.put(
            Paint::Dim,
            &format!("[{agent}] {word} in {} · {calls} call{plural} · {}", span(time), self.so_far()),
        );
    }

    fn hold(&mut self, hold: &Hold) {
        self.put(Paint::Red, &format!("[PACE] {}: HOLD", hold.agent));
        let reason = self.short(&hold.reason, REASON);
        self.put(Paint::None, &format!("[PACE] hold_reason: {reason}"));
        self.told = Some(hold.clone());
    }

    fn decided(&mut self, decision: Decision, hold: Option<&Hold>) {
        self.close_group();
        self.raw("");
        self.table(decision);
        self.raw("");
        self.put(
            Paint::from(decision),
            &format!("[PACE] day {}: {decision} · {} · {}", self.day, span((self.clock)()), self.so_far()),
        );
        if let Some(hold) = hold
            && self.told.as_ref() != Some(hold)
        {
            self.hold(hold);
        }
        if self.style.log == LogStyle::GitHub {
            let title = format!("pace: day {}: {decision}", self.day);
            match (decision, hold) {
                (Decision::Ship, _) => {}
                (Decision::Hold, Some(hold)) => self.annotate("error", Some(&title), &hold.to_string()),
                (Decision::Hold, None) => self.annotate("error", Some(&title), "the day is held"),
                (Decision::Advisory, _) => {
                    self.annotate("warning", Some(&title), "the day ships; concerns went to the backlog");
                }
            }
        }
    }

    fn table(&mut self, decision: Decision) {
        let mut paints = vec![Paint::Bold, Paint::Dim];
        let mut rows = Vec::new();
        for row in &self.rows {
            paints.push(match row.verdict {
                Verdict::Decided(decision) => Paint::from(decision),
                Verdict::Done | Verdict::Unfinished => Paint::None,
            });
            rows.push([
                row.agent.to_string(),
                row.verdict.word().to_owned(),
                row.calls.to_string(),
                tokens(row.tokens),
                usd(row.cost),
                span(row.time),
            ]);
        }
        paints.push(Paint::from(decision));
        rows.push([
            "day".to_owned(),
            decision.to_string(),
            self.rows.iter().map(|r| r.calls).sum::<u32>().to_string(),
            tokens(self.usage.total()),
            usd(self.cost),
            span((self.clock)()),
        ]);
        let head = [
            ("Agent", Align::Left),
            ("Verdict", Align::Left),
            ("Calls", Align::Right),
            ("Tokens", Align::Right),
            ("Cost", Align::Right),
            ("Time", Align::Right),
        ];
        for (line, paint) in table::lines(head, &rows).into_iter().zip(paints) {
            self.put(paint, &line);
        }
    }

    fn so_far(&self) -> String {
        format!("{} tokens · {} so far", tokens(self.usage.total()), usd(self.cost))
    }

    fn row(&mut self, agent: Agent) -> &mut Row {
        let at = self.rows.iter().position(|r| r.agent == agent).unwrap_or_else(|| {
            self.rows.push(Row {
                agent,
                verdict: Verdict::Unfinished,
                calls: 0,
                tokens: 0,
                cost: Some(0.0),
                time: Duration::ZERO,
                since: ((self.clock)(), 0),
            });
            self.rows.len() - 1
        });
        &mut self.rows[at]
    }

    fn close_group(&mut self) {
        if let Some(name) = self.group.take()
            && let Some(marker) = log::close(self.style.log, &name, (self.clock)())
        {
            self.raw(&marker);
        }
    }

    /// `text` on one line of at most `max` characters. Redacted before it is folded, which would hide a secret
    /// of several lines, and before it is cut: half a secret is one, too.
    fn short(&self, text: &str, max: usize) -> String {
        let text = (self.redact)(&visible(text));
        cut(&(self.redact)(&line(&text)), max)
    }

    /// The door for text: one line, visible, redacted, and a command in no log.
    fn put(&mut self, paint: Paint, text: &str) {
        let text = visible(text).replace('\n', " ");
        let text = log::tame(&(self.redact)(&text));
        let code = if self.style.colour { paint.code() } else { "" };
        if code.is_empty() {
            self.raw(&text);
        } else {
            self.raw(&format!("\x1b[{code}m{text}\x1b[0m"));
        }
    }

    /// The door for annotations, which keep their line ends.
    fn annotate(&mut self, command: &str, title: Option<&str>, text: &str) {
        let text = cut((self.redact)(&visible(text)).trim(), REASON);
        let text = text.lines().map(log::tame).collect::<Vec<_>>().join("\n");
        self.raw(&log::annotation(command, title, &text));
    }

    /// Writes a line that pace itself made.
    fn raw(&mut self, line: &str) {
        // Nobody reads any more: the run goes on, its artifacts tell all.
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }
}

#[cfg(test)]
mod tests;

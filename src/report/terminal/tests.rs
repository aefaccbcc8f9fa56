//! Whole days as lines, per log style.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

/// A sink that the test can read while the terminal owns the other end.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What `events` look like; every look at the clock takes 1.3 seconds.
fn told(style: Style, events: Vec<Event>) -> String {
    let sink = Sink::default();
    let ticks = AtomicU64::new(0);
    let terminal = Terminal::new(
        sink.clone(),
        style,
        Box::new(|text| text.replace("sk-very-secret", "***")),
        Box::new(move || Duration::from_millis(1_300 * ticks.fetch_add(1, Ordering::Relaxed))),
    );
    for event in events {
        terminal.emit(event);
    }
    String::from_utf8(sink.0.lock().unwrap().clone()).unwrap()
}

const PLAIN: Style = Style { colour: false, log: LogStyle::Plain };
const GITHUB: Style = Style { colour: false, log: LogStyle::GitHub };
const GITLAB: Style = Style { colour: true, log: LogStyle::GitLab };

/// Collects a day's events with running totals.
#[derive(Default)]
struct Day {
    events: Vec<Event>,
    usage: Usage,
    cost: f64,
}

impl Day {
    fn start(theme: &str) -> Self {
        let mut day = Self::default();
        day.events.push(Event::DayStarted {
            day: 2,
            theme: theme.into(),
            attempt: 1,
            branch: "sprint/auth".into(),
        });
        day
    }

    fn agent(mut self, agent: Agent, round: u32, steps: &[&str], decision: Option<Decision>) -> Self {
        self.events.push(Event::AgentStarted { agent, round });
        for step in steps {
            self.usage += Usage { input: 4_000, output: 150, ..Usage::default() };
            self.cost += 0.0142;
            self.events.push(Event::Called { agent, usage: self.usage, cost: Some(self.cost) });
            self.events.push(Event::Step { agent, text: (*step).into() });
        }
        self.events.push(Event::AgentFinished { agent, decision, summary: String::new() });
        self
    }

    fn held(mut self, agent: Agent, reason: &str, retries_left: u32) -> Self {
        self.events.push(Event::Held { hold: hold(agent, reason), retries_left });
        self
    }

    fn notice(mut self, level: Level, text: &str) -> Self {
        self.events.push(Event::Notice { level, text: text.into() });
        self
    }

    fn decided(mut self, decision: Decision, hold: Option<Hold>) -> Vec<Event> {
        self.events.push(Event::Decided { decision, hold });
        self.events
    }
}

fn hold(agent: Agent, reason: &str) -> Hold {
    Hold { agent, cause: Cause::Code, reason: reason.into() }
}

const FORGE_STEPS: &[&str] = &[
    "Writing src/models/user.py ...",
    "Running tests: pytest tests/test_user_model.py -v ...",
    "All tests pass. Calling complete_handoff.",
];

fn ship() -> Vec<Event> {
    Day::start("Core auth models")
        .notice(Level::Info, "test command: pytest -v --tb=short (detected)")
        .agent(Agent::Prime, 1, &["Writing the story card ..."], None)
        .agent(Agent::Forge, 1, FORGE_STEPS, None)
        .agent(Agent::Gate, 1, &["Running tests: pytest -v --tb=short ..."], Some(Decision::Ship))
        .agent(Agent::Sentinel, 1, &[], Some(Decision::Ship))
        .agent(Agent::Conduit, 1, &[], Some(Decision::Ship))
        .agent(Agent::Scribe, 1, &["Writing .pace/context/engineering.md ..."], None)
        .decided(Decision::Ship, None)
}

fn advisory() -> Vec<Event> {
    Day::start("Core auth models")
        .notice(Level::Warning, "the price of the model is unknown\nthe cap counts calls only")
        .agent(Agent::Forge, 1, FORGE_STEPS, None)
        .agent(Agent::Gate, 1, &[], Some(Decision::Hold))
        .held(Agent::Gate, "exit code 1:\ntest_create failed", 1)
        .agent(Agent::Forge, 2, FORGE_STEPS, None)
        .agent(Agent::Gate, 2, &[], Some(Decision::Ship))
        .agent(Agent::Sentinel, 2, &[], Some(Decision::Advisory))
        .decided(Decision::Advisory, None)
}

const REASON_TEXT: &str = "3 of 5 acceptance criteria failed. Criterion 3 (\"POST /users returns 201\") failed — test \
    UserCreationTest::test_create_user not found in test output. FORGE must add the missing test before this \
    story can ship.";

fn held() -> Vec<Event> {
    Day::start("Core auth models")
        .agent(Agent::Forge, 1, FORGE_STEPS, None)
        .agent(Agent::Gate, 1, &[], Some(Decision::Hold))
        .held(Agent::Gate, REASON_TEXT, 0)
        .decided(Decision::Hold, Some(hold(Agent::Gate, REASON_TEXT)))
}

const ATTACK: &str = "\n::error::x\r::stop-commands::y\n##[error]z \x1b[31m\x1b]0;t\x07 \u{202e} \
    \x1b[0Ksection_start:1:a\r\x1b[0Kb ##\u{200b}[group]c section_\u{200b}end:1:a key sk-very-\u{200b}secret 100%";

fn hostile() -> Vec<Event> {
    Day::start(ATTACK)
        .notice(Level::Info, ATTACK)
        .notice(Level::Warning, ATTACK)
        .notice(Level::Error, ATTACK)
        .agent(Agent::Forge, 1, &[ATTACK], None)
        .agent(Agent::Gate, 1, &[], Some(Decision::Hold))
        .held(Agent::Gate, ATTACK, 2)
        .decided(Decision::Hold, Some(hold(Agent::Sentinel, ATTACK)))
}

#[test]
fn days_as_lines() {
    for (name, events) in
        [("ship", ship as fn() -> Vec<Event>), ("advisory", advisory), ("hold", held), ("hostile", hostile)]
    {
        insta::assert_snapshot!(format!("plain_{name}"), told(PLAIN, events()));
        insta::assert_snapshot!(format!("github_{name}"), told(GITHUB, events()));
    }
    insta::assert_snapshot!(
        "gitlab_colour_hold",
        told(GITLAB, held()).replace('\x1b', "␛").replace('\r', "␍")
    );
}

#[test]
fn the_documented_lines_stand_as_they_are() {
    let expected = format!("[PACE] hold_reason: {REASON_TEXT}");
    for style in [PLAIN, GITHUB] {
        let text = told(style, held());
        let lines: Vec<_> = text.lines().collect();
        for line in [
            "[FORGE] Writing src/models/user.py ...",
            "[FORGE] Running tests: pytest tests/test_user_model.py -v ...",
            "[FORGE] All tests pass. Calling complete_handoff.",
            "[PACE] GATE: HOLD",
            &expected,
        ] {
            assert_eq!(lines.iter().filter(|l| **l == line).count(), 1, "{line}\n{text}");
        }
    }
}

#[test]
fn no_text_becomes_a_command_a_code_or_a_secret() {
    for style in [PLAIN, GITHUB, Style { log: LogStyle::GitLab, ..PLAIN }] {
        let text = told(style, hostile());
        assert!(
            !text.contains("sk-very-secret") && !text.contains('\u{202e}') && !text.contains("##["),
            "{text}"
        );
        assert!(text.contains("key ***"));
        for line in text.split(['\n', '\r']) {
            // Without pace's own section markers nothing of the sort is left.
            let own = ["\x1b[0Ksection_start:", "\x1b[0Ksection_end:"];
            let rest = line.trim_start_matches("\x1b[0K");
            if own.iter().any(|o| line.starts_with(o)) {
                assert!(rest.contains(":pace_"), "{line:?}");
            } else {
                assert!(!rest.contains(['\x1b', '\x07']) && !rest.contains("section_start:"), "{line:?}");
            }
            let command = line.trim_start().starts_with("::");
            let ours = [
                "::group::FORGE",
                "::group::GATE",
                "::endgroup::",
                "::warning::",
                "::error::",
                "::error title=",
            ];
            assert!(
                !command || style.log == LogStyle::GitHub && ours.iter().any(|o| line.starts_with(o)),
                "{line:?}"
            );
        }
    }
    // Four of the commands carry text, each on one line with its percent sign escaped.
    let text = told(GITHUB, hostile());
    let annotations: Vec<_> =
        text.lines().filter(|l| l.starts_with("::warning") || l.starts_with("::error")).collect();
    assert_eq!(annotations.len(), 3);
    assert!(annotations.iter().all(|l| l.contains("100%25") && l.contains("%0A: :stop-commands::y")));
}

#[test]
fn a_secret_of_several_lines_is_taken_out_whole() {
    let sink = Sink::default();
    let terminal = Terminal::new(
        sink.clone(),
        PLAIN,
        Box::new(|text| text.replace("BEGIN\nkey\nEND", "***")),
        Box::new(|| Duration::ZERO),
    );
    let text = "BEGIN\r\nk\u{200b}ey\nEND".to_owned();
    terminal.emit(Event::Step { agent: Agent::Forge, text: text.clone() });
    terminal.emit(Event::Notice { level: Level::Error, text });
    let told = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert_eq!(told, "[FORGE] ***\n[PACE] error: ***\n");
}

#[test]
fn an_unknown_price_is_never_shown_as_free() {
    let mut events = Day::start("t").agent(Agent::Prime, 1, &["a"], None).events;
    events.push(Event::Called {
        agent: Agent::Forge,
        usage: Usage { input: 9_000, ..Usage::default() },
        cost: None,
    });
    events.push(Event::Decided { decision: Decision::Ship, hold: None });
    let text = told(PLAIN, events);
    assert!(text.contains("[FORGE] call 1 · so far 7.8 s · 9.0k tokens · unknown"), "{text}");
    let row = |agent: &str| text.lines().rfind(|l| l.starts_with(agent)).unwrap();
    assert!(row("PRIME").contains("$0.0142") && row("PRIME").contains("4.2k"));
    assert!(
        row("FORGE").contains("unknown")
            && row("FORGE").contains("unfinished")
            && row("FORGE").contains("4.8k")
    );
    assert!(row("day").contains("unknown"));
}

#[test]
fn a_closed_pipe_ends_nothing() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let terminal = Terminal::new(Closed, PLAIN, Box::new(str::to_owned), Box::new(|| Duration::ZERO));
    for event in ship() {
        terminal.emit(event);
    }
}

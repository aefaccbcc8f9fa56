//! Everything that can go wrong between a day and its model, for each agent, once and for good: the day ships in
//! spite of it, holds, or ends without a verdict, says which and why, pays for no reply twice, and books at least what
//! the model's provider may bill. Real binary, model on loopback.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::binary::{Finished, Pace};
use crate::model_server::ModelServer;
use crate::model_server::script::{Call, Fault, Reply, Script, Stop};
use crate::model_server::wire::Protocol;
use crate::project::Project;

/// Days at once. Most of them wait for something.
const THREADS: usize = 6;

const AGENTS: [&str; 6] = ["PRIME", "FORGE", "GATE", "SENTINEL", "CONDUIT", "SCRIBE"];

/// US dollars of one reply of the script: 1,000 tokens in at $3 and 100 out at $15 a million.
const REPLY: f64 = 0.0045;
/// Of its input alone, which is billed once a reply has begun.
const BEGUN: f64 = 0.003;
/// The least that pace sets aside for a reply: 8,192 tokens of output.
const RESERVED: f64 = 0.122;

/// What a fault is to the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Passes, and nothing was billed; asked again until patience ends.
    Transient,
    /// The same where the provider had the request and may bill what nobody saw.
    Unseen,
    /// The same after the reply began: each further try is paid, so there are three.
    Begun,
    /// Sending it again cannot help.
    Final,
    /// The model's own doing, of which it is told.
    Mendable,
    /// The model's own doing, and its last word.
    LastWord,
    /// Nothing that matters.
    Harmless,
}

struct Case {
    name: &'static str,
    kind: Kind,
    /// Part of the reason with which it ends.
    reason: &'static str,
    fault: Fault,
    reply: fn(&str) -> Option<Reply>,
}

impl Case {
    /// The agent comes to no artifact.
    fn ends(&self, for_good: bool) -> bool {
        match self.kind {
            Kind::Harmless => false,
            Kind::Transient | Kind::Unseen | Kind::Begun | Kind::Mendable => for_good,
            Kind::Final | Kind::LastWord => true,
        }
    }

    /// The days on which every agent meets it. One that passes is met by all of them on the same day.
    fn trials(&self, for_good: bool) -> Vec<Trial<'_>> {
        let together = if self.ends(for_good) { 1 } else { AGENTS.len() };
        AGENTS
            .chunks(together)
            .map(|agents| Trial { case: self, agents: agents.to_vec(), for_good })
            .collect()
    }
}

fn status(status: u16, retry_after: Option<&str>) -> Fault {
    Fault { status: Some(status), retry_after: retry_after.map(str::to_owned), ..Fault::default() }
}

fn wire(name: &'static str, kind: Kind, reason: &'static str, fault: Fault) -> Case {
    Case { name, kind, reason, fault, reply: |_| None }
}

fn said(name: &'static str, kind: Kind, reason: &'static str, reply: fn(&str) -> Option<Reply>) -> Case {
    Case { name, kind, reason, fault: Fault::default(), reply }
}

fn cases() -> Vec<Case> {
    use Kind::{Begun, Final, Harmless, LastWord, Mendable, Transient, Unseen};
    let with = |set: fn(&mut Fault)| {
        let mut fault = Fault::default();
        set(&mut fault);
        fault
    };
    let spend_limit = Fault {
        message: Some("You have reached your specified API usage limits.".into()),
        ..status(429, None)
    };
    vec![
        wire("400", Final, "rejected the request (400)", status(400, None)),
        wire("401", Final, "refused the credential (401)", status(401, None)),
        wire("403", Final, "refused the credential (403)", status(403, None)),
        wire("413", LastWord, "no longer fits the model's context", status(413, None)),
        wire("429", Transient, "status 429", status(429, None)),
        wire("429 with retry-after", Transient, "it asks to wait 9999 s", status(429, Some("0"))),
        wire("429 at the spend limit", Final, "rejected the request (429)", spend_limit),
        wire("500", Transient, "status 500", status(500, None)),
        wire("502", Transient, "status 502", status(502, None)),
        wire("529", Transient, "status 529", status(529, None)),
        wire("silence", Unseen, "no byte for 2 s", with(|f| f.hang = true)),
        wire("reset", Unseen, "could not be reached", with(|f| f.reset = true)),
        wire("half a stream", Begun, ": the reply broke off", with(|f| f.cut = true)),
        wire("error after 200", Begun, "(3 tries in ", with(|f| f.error_event = true)),
        wire("no JSON", Begun, "answer is unusable", with(|f| f.garbage = true)),
        said("wrong tool input", Mendable, "", |agent| {
            let name = if agent == "FORGE" { "complete_handoff" } else { "submit_report" };
            let call = Call { name: name.into(), input: json!({"nonsense": [1]}) };
            Some(Reply { calls: vec![call], ..silent(agent) })
        }),
        said("refusal", LastWord, "the model refused: I will not.", |agent| {
            Some(Reply { text: "I will not.".into(), stop: Some(Stop::Refusal), ..silent(agent) })
        }),
        said("cut off at max_tokens", Mendable, "ended its turn without a final tool", |agent| {
            Some(Reply { text: "So I".into(), stop: Some(Stop::Length), ..silent(agent) })
        }),
        said("nothing", Mendable, "ended its turn without a final tool", |agent| Some(silent(agent))),
        said("another model", Harmless, "", |_| None),
    ]
}

fn silent(agent: &str) -> Reply {
    Reply { agent: agent.into(), text: String::new(), calls: vec![], stop: None, usage: None, fault: None }
}

/// A day with a fault at the first call of each of these agents.
struct Trial<'a> {
    case: &'a Case,
    agents: Vec<&'a str>,
    for_good: bool,
}

impl Trial<'_> {
    fn name(&self) -> String {
        format!(
            "{}, {}, {}",
            self.case.name,
            self.agents.join(" and "),
            if self.for_good { "for good" } else { "once" }
        )
    }

    fn ends(&self) -> bool {
        self.case.ends(self.for_good)
    }

    /// Exit code of the day, and the outcome on its books.
    fn outcome(&self) -> (i32, &'static str) {
        match (self.ends(), self.agents[0], self.case.kind) {
            // What SCRIBE cannot do never unships a day.
            (false, ..) | (_, "SCRIBE", _) => (0, "SHIP"),
            // FORGE's own end is a HOLD from outside: its work is kept and the next run goes on.
            (_, "FORGE", Kind::Mendable | Kind::LastWord) => (1, "HOLD"),
            _ if self.case.reason.contains("credential") => (2, "ABORT"),
            _ => (4, "ABORT"),
        }
    }

    /// Requests without a reply at least and at most; the upper bound is patience's where waits are drawn.
    fn failures(&self) -> (usize, usize) {
        let told_to_wait = self.case.fault.retry_after.is_some();
        match (self.case.kind, self.for_good) {
            (Kind::Harmless | Kind::Mendable, _) => (0, 0),
            (_, false) if !self.ends() => (self.agents.len(), self.agents.len()),
            (Kind::LastWord, _) => (usize::from(self.case.fault.status.is_some()), 2),
            (Kind::Begun, true) => (3, 3),
            (Kind::Transient, true) if !told_to_wait => (1, 100),
            (Kind::Unseen, true) => (1, 100),
            _ => (1, 1),
        }
    }

    /// A day that ships, and the fault at the first word of the agents.
    fn script(&self) -> Script {
        let mut script = Script::default();
        for part in ["prime", "forge", "gate", "sentinel", "conduit", "scribe"] {
            let text = std::fs::read_to_string(data("_parts").join(format!("{part}.yaml"))).unwrap();
            script.replies.extend(Script::parse(&text).unwrap().replies);
        }
        if self.case.kind == Kind::Harmless {
            script.model = Some("a-model-that-nobody-asked-for".into());
            return script;
        }
        for agent in &self.agents {
            self.strike(agent, &mut script);
        }
        script
    }

    fn strike(&self, agent: &str, script: &mut Script) {
        let at = script.replies.iter().position(|reply| reply.agent == agent).unwrap();
        if let Some(reply) = (self.case.reply)(agent) {
            let times = if self.for_good { 6 } else { 1 };
            script.replies.splice(at..at, std::iter::repeat_n(reply, times));
            return;
        }
        let mut fault = self.case.fault.clone();
        if self.for_good {
            fault.times = Some(u32::MAX);
            // Longer than anybody waits.
            fault.retry_after = fault.retry_after.map(|_| "9999".to_owned());
        }
        script.replies[at].fault = Some(fault);
    }

    /// One day with the fault; an error in words.
    fn run(&self) -> Result<(), String> {
        let project = Project::new(&[data("_trees/shell"), data("_trees/ci")]);
        let server = ModelServer::start(&self.script());
        let mut pace = Pace::new(&project.dir, &project.home).env(server.env(Protocol::Anthropic)).env([
            ("DAY", "1"),
            ("PACE_TEST_COMMAND", "sh test.sh"),
            ("PACE_SANDBOX", "off"),
            ("PACE_PLATFORM", "local"),
            ("PACE_MAX_RETRIES", "0"),
        ]);
        // Five minutes of silence, and ten of trying, are too long for a test.
        if self.case.fault.hang || (self.for_good && matches!(self.case.kind, Kind::Transient | Kind::Unseen))
        {
            pace = pace.env([("PACE_MODEL_TIMEOUT", "2s")]);
        }
        let run = pace.run();
        let books = project.read(".pace/day-1/attempts.yaml").unwrap_or_default();
        self.judge(&run, &books, &server)
            .map_err(|problem| format!("{}: {problem}\n{}\n{books}", self.name(), run.transcript()))
    }

    fn judge(&self, run: &Finished, books: &str, server: &ModelServer) -> Result<(), String> {
        let (exit, outcome) = self.outcome();
        let told = format!("{}{}", run.stdout, run.stderr);
        demand(run.code == exit, || format!("exit {} instead of {exit}", run.code))?;
        demand(books.contains(&format!("outcome: {outcome}")), || "another outcome is on the books".into())?;
        if self.ends() {
            demand(told.contains(self.case.reason), || format!("`{}` is not said", self.case.reason))?;
            demand(exit != 0 || told.contains("SCRIBE did not finish"), || {
                "SCRIBE's end is not said".into()
            })?;
        } else {
            let left = server.left_over();
            demand(left.is_empty(), || format!("replies that nobody asked for: {left:?}"))?;
        }
        let problems = server.problems();
        demand(problems.is_empty(), || format!("needless requests: {problems:?}"))?;
        self.judge_the_bill(books, server)
    }

    /// Every reply is paid once, and what may have been billed beside it is booked.
    fn judge_the_bill(&self, books: &str, server: &ModelServer) -> Result<(), String> {
        let exchanges = server.exchanges();
        let (failed, replies) = exchanges.iter().partition::<Vec<_>, _>(|exchange| !exchange.answered);
        let (least, most) = self.failures();
        demand((least..=most).contains(&failed.len()), || format!("{} requests failed", failed.len()))?;
        let booked: serde_json::Value = serde_yaml::from_str(books).map_err(|error| error.to_string())?;
        let booked = booked[0]["cost_usd"].as_f64().ok_or("no cost is on the books")?;
        let (replies, failures) = (count(replies.len()) * REPLY, count(failed.len()));
        let (least, most) = match self.case.kind {
            Kind::Unseen => (replies + failures * RESERVED, replies + failures * 4.0 * RESERVED),
            Kind::Begun => (replies + failures * BEGUN, replies + failures * RESERVED),
            _ => (replies, replies),
        };
        demand(booked > least - 1e-4 && booked < most + 1e-4, || {
            format!("${booked} is booked, which is not from ${least:.4} to ${most:.4}")
        })
    }
}

fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap())
}

fn demand(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

#[test]
fn every_fault_of_a_model_ends_as_it_should() {
    let cases = cases();
    let trials: Vec<Trial<'_>> =
        cases.iter().flat_map(|case| [false, true].map(|for_good| case.trials(for_good))).flatten().collect();
    let faults: usize = trials.iter().map(|trial| trial.agents.len()).sum();
    assert_eq!(faults, 240);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(trial) = trials.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // Before the lock is taken: days run side by side.
                    let problem = trial.run().err();
                    wrong.lock().unwrap().extend(problem);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), trials.len(), wrong.join("\n"));
    println!("{faults} model faults ended as they should, on {} days", trials.len());
}

/// The call that `PACE_RUN_TIMEOUT` cuts off may be billed; and a replay ends as the run did.
#[test]
fn what_the_runs_time_cuts_off_is_on_the_bill() {
    let project = Project::new(&[data("_trees/shell")]);
    let case = wire("silence", Kind::Unseen, "PACE_RUN_TIMEOUT", Fault { hang: true, ..Fault::default() });
    let server = ModelServer::start(&Trial { case: &case, agents: vec!["PRIME"], for_good: true }.script());
    let pace = Pace::new(&project.dir, &project.home).env(server.env(Protocol::Anthropic)).env([
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "none"),
        ("PACE_SANDBOX", "off"),
        ("PACE_PLATFORM", "local"),
        ("PACE_RUN_TIMEOUT", "10s"),
    ]);
    let run = pace.run();
    assert_eq!((run.code, server.exchanges().len()), (4, 1), "{}", run.transcript());
    assert!(run.stderr.contains("PACE_RUN_TIMEOUT: the run's time was over"), "{}", run.transcript());
    let books: serde_json::Value =
        serde_yaml::from_str(&project.read(".pace/day-1/attempts.yaml").unwrap()).unwrap();
    assert!(books[0]["cost_usd"].as_f64().unwrap() > RESERVED, "{books}");
    let replay = Pace::new(&project.dir, &project.home).args(["replay", ".pace/.run/day-1"]).run();
    assert_eq!(replay.code, 4, "{}", replay.transcript());
    assert!(replay.stdout.contains("every artifact is the recorded one"), "{}", replay.transcript());
}

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(path)
}

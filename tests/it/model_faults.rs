//! Everything that can go wrong between a day and its model, for each agent, once and for good: the day ships in
//! spite of it, holds, or ends without a verdict, and says which. Real binary, model on loopback.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::binary::Pace;
use crate::model_server::ModelServer;
use crate::model_server::script::{Call, Fault, Reply, Script, Stop};
use crate::model_server::wire::Protocol;
use crate::project::Project;

const AGENTS: [&str; 6] = ["PRIME", "FORGE", "GATE", "SENTINEL", "CONDUIT", "SCRIBE"];

/// What a fault is to the one who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Passes; asked again until patience ends.
    Transient,
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
    /// A word of the message in which it ends.
    word: &'static str,
    fault: Fault,
    reply: fn(&str) -> Option<Reply>,
}

fn status(status: u16, retry_after: Option<&str>) -> Fault {
    Fault { status: Some(status), retry_after: retry_after.map(str::to_owned), ..Fault::default() }
}

fn wire(name: &'static str, kind: Kind, word: &'static str, fault: Fault) -> Case {
    Case { name, kind, word, fault, reply: |_| None }
}

fn said(name: &'static str, kind: Kind, word: &'static str, reply: fn(&str) -> Option<Reply>) -> Case {
    Case { name, kind, word, fault: Fault::default(), reply }
}

fn cases() -> Vec<Case> {
    use Kind::{Final, Harmless, LastWord, Mendable, Transient};
    let broken = |set: fn(&mut Fault)| {
        let mut fault = Fault::default();
        set(&mut fault);
        fault
    };
    vec![
        wire("400", Final, "400", status(400, None)),
        wire("401", Final, "401", status(401, None)),
        wire("403", Final, "403", status(403, None)),
        wire("413", LastWord, "no longer fits", status(413, None)),
        wire("429", Transient, "429", status(429, None)),
        wire("429 with retry-after", Transient, "429", status(429, Some("0"))),
        wire("500", Transient, "500", status(500, None)),
        wire("502", Transient, "502", status(502, None)),
        wire("529", Transient, "529", status(529, None)),
        wire("silence", Transient, "PACE_RUN_TIMEOUT", broken(|f| f.hang = true)),
        wire("reset", Transient, "PACE_RUN_TIMEOUT", broken(|f| f.reset = true)),
        wire("half a stream", Transient, "could not be reached", broken(|f| f.cut = true)),
        wire("error after 200", Transient, "could not be reached", broken(|f| f.error_event = true)),
        wire("no JSON", Transient, "", broken(|f| f.garbage = true)),
        said("wrong tool input", Mendable, "", |agent| {
            let name = if agent == "FORGE" { "complete_handoff" } else { "submit_report" };
            let call = Call { name: name.into(), input: json!({"nonsense": [1]}) };
            Some(Reply { calls: vec![call], ..silent(agent) })
        }),
        said("refusal", LastWord, "refused", |agent| {
            Some(Reply { text: "I will not.".into(), stop: Some(Stop::Refusal), ..silent(agent) })
        }),
        said("cut off at max_tokens", Mendable, "without a final tool", |agent| {
            Some(Reply { text: "So I".into(), stop: Some(Stop::Length), ..silent(agent) })
        }),
        said("nothing", Mendable, "without a final tool", |agent| Some(silent(agent))),
        said("another model", Harmless, "", |_| None),
    ]
}

fn silent(agent: &str) -> Reply {
    Reply { agent: agent.into(), text: String::new(), calls: vec![], stop: None, usage: None, fault: None }
}

/// Exit code of the day.
fn expected(kind: Kind, agent: &str, for_good: bool) -> i32 {
    let ends = match kind {
        Kind::Harmless => false,
        Kind::Transient | Kind::Mendable => for_good,
        Kind::Final | Kind::LastWord => true,
    };
    match (ends, agent, kind) {
        // What SCRIBE cannot do never unships a day.
        (false, ..) | (_, "SCRIBE", _) => 0,
        // FORGE's own end is a HOLD from outside: its work is kept and the next run goes on.
        (true, "FORGE", Kind::Mendable | Kind::LastWord) => 1,
        (true, ..) => 4,
    }
}

#[test]
fn every_fault_of_a_model_ends_as_it_should() {
    let cases = cases();
    let all: Vec<(&Case, &str, bool)> = cases
        .iter()
        .flat_map(|case| AGENTS.iter().flat_map(move |agent| [(case, *agent, false), (case, *agent, true)]))
        .collect();
    assert_eq!(all.len(), 228);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((case, agent, for_good)) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                    wrong.lock().unwrap().extend(run(case, agent, *for_good).err());
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    println!("{} model faults ended as they should", all.len());
}

/// One day with one fault; an error in words.
fn run(case: &Case, agent: &str, for_good: bool) -> Result<(), String> {
    let project = Project::new(&[data("_trees/shell"), data("_trees/ci")]);
    let server = ModelServer::start(&script(case, agent, for_good));
    let mut pace = Pace::new(&project.dir, &project.home).env(server.env(Protocol::Anthropic)).env([
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
        ("PACE_SANDBOX", "off"),
        ("PACE_PLATFORM", "local"),
        ("PACE_MAX_RETRIES", "0"),
    ]);
    // A server that is silent, or never lets a request through, is waited for; here the run's own time ends it.
    if case.word == "PACE_RUN_TIMEOUT" && (for_good || case.fault.hang) {
        pace = pace.env([("PACE_RUN_TIMEOUT", "4s")]);
    }
    let run = pace.run();
    let waited_for = case.fault.hang && !for_good;
    let exit = expected(case.kind, agent, for_good || waited_for);
    let (name, mode) = (case.name, if for_good { "for good" } else { "once" });
    let told = run.transcript();
    if run.code != exit {
        return Err(format!("{name}, {agent}, {mode}: exit {} instead of {exit}\n{told}", run.code));
    }
    if exit != 0 && !told.contains(case.word) {
        return Err(format!("{name}, {agent}, {mode}: «{}» is not said\n{told}", case.word));
    }
    if project.read(".pace/day-1/attempts.yaml").is_none() {
        return Err(format!("{name}, {agent}, {mode}: the attempt is on no record\n{told}"));
    }
    Ok(())
}

/// A day that ships, and the fault at the first word of `agent`.
fn script(case: &Case, agent: &str, for_good: bool) -> Script {
    let mut script = Script::default();
    for part in ["prime", "forge", "gate", "sentinel", "conduit", "scribe"] {
        let text = std::fs::read_to_string(data("_parts").join(format!("{part}.yaml"))).unwrap();
        script.replies.extend(Script::parse(&text).unwrap().replies);
    }
    if case.kind == Kind::Harmless {
        script.model = Some("a-model-that-nobody-asked-for".into());
    }
    let at = script.replies.iter().position(|reply| reply.agent == agent).unwrap();
    match (case.reply)(agent) {
        Some(reply) => {
            let times = if for_good { 6 } else { 1 };
            script.replies.splice(at..at, std::iter::repeat_n(reply, times));
        }
        None if case.kind == Kind::Harmless => {}
        None => {
            let mut fault = case.fault.clone();
            if for_good {
                fault.times = Some(99);
                // Longer than anybody waits: the run ends at once instead of after ten minutes.
                fault.retry_after = (case.kind == Kind::Transient).then(|| "9999".to_owned());
            }
            script.replies[at].fault = Some(fault);
        }
    }
    script
}

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios").join(path)
}

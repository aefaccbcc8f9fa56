//! What `pace` costs, measured from outside against a scripted model on loopback: start, memory, time per tool
//! turn and per child, what the journal and the day's lock cost, CPU of a day, bytes and tokens sent, size. Every figure is a median; the expectation stands beside it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench prints its table, and one that fails panics"
)]
#![expect(dead_code, unused_imports, reason = "the harness is shared with the tests, which use all of it")]

mod action;
#[path = "../../tests/it/binary.rs"]
mod binary;
mod caching;
#[path = "../../tests/it/forge/fixture.rs"]
mod fixture;
#[expect(clippy::expect_used, reason = "shared with the crate's own tests")]
#[path = "../../src/repo/tests/server.rs"]
mod git_bridge;
#[path = "../../tests/it/forge/git_server.rs"]
mod git_server;
mod journal;
mod measure;
#[path = "../../tests/it/model_server/mod.rs"]
mod model_server;
#[path = "../../tests/it/project.rs"]
mod project;
#[path = "../../tests/it/runners/web.rs"]
mod web;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use action::{Phases, Way};
use binary::{PACE, Pace};
use measure::{Cost, run};
use model_server::ModelServer;
use model_server::script::{Call, Reply, Script};
use model_server::wire::Protocol;
use project::Project;
use serde_json::json;

/// Tool turns of the long loop.
const TURNS: usize = 30;

fn main() {
    println!("{PACE}\n");
    println!("{:<46} {:>12} {:>12} {:>6}", "measure", "median", "expected", "runs");
    // `cargo bench --bench cost -- children` measures that alone.
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let parts: [(&str, fn()); 6] = [
        ("starts", starts),
        ("loops", loops),
        ("days", days),
        ("caching", caching::costs),
        ("children", children),
        ("journal", journal::costs),
    ];
    for (name, measure) in parts {
        if named.is_empty() || named.iter().any(|wanted| wanted == name) {
            measure();
        }
    }
    let size = std::fs::metadata(PACE).unwrap().len();
    row("binary size", &bytes(size), "≤ 15 MB", 1);
}

/// From the start of the process to the first request at the model, without a test run before it.
fn starts() {
    let script = parts(&["prime"]);
    let samples: Vec<Duration> = (0..21)
        .map(|_| {
            let (project, server) = (project(), ModelServer::start(&script));
            let started = Instant::now();
            let pace = pace(&project, &server).env([("DRY_RUN", "true"), ("PACE_TEST_COMMAND", "none")]);
            run(&pace, 0);
            server.exchanges()[0].arrived - started
        })
        .collect();
    row("cold start to first request", &time(median(samples)), "≤ 20 ms", 21);
    // Both ways by turns, so that the machine's mood is the same for both.
    let (mut fetched, mut given) = (Vec::new(), Vec::new());
    for _ in 0..11 {
        fetched.push(action::cold_start(&project(), &script, Way::Download));
        given.push(action::cold_start(&project(), &script, Way::Given));
    }
    let part =
        |of: &[Phases], part: fn(Phases) -> Duration| time(median(of.iter().copied().map(part).collect()));
    row("the action: download, checksum, first request", &part(&fetched, Phases::whole), "≤ 300 ms", 11);
    row("  who started it", &part(&fetched, |p| p.guard), "", 11);
    row("  download and checksum, over loopback", &part(&fetched, |p| p.fetch), "", 11);
    row("  from there to the first request", &part(&fetched, |p| p.start), "", 11);
    row("the same with the input `binary`", &part(&given, Phases::whole), "", 11);
    row("  its check instead of the download", &part(&given, |p| p.fetch), "", 11);
}

/// A FORGE that reads a file thirty times before it hands off.
fn loops() {
    let mut script = parts(&["prime"]);
    script
        .replies
        .extend((0..TURNS).map(|i| call("read_file", json!({"path": "greet.sh", "limit": 100 + i}))));
    let rest = ["forge", "gate", "sentinel", "scribe"];
    script.replies.extend(parts(&rest).replies);
    let mut turns = Vec::new();
    let mut sent = Vec::new();
    let mut peaks = Vec::new();
    for _ in 0..5 {
        let (project, server) = (project(), ModelServer::start(&script));
        let limit = (TURNS + 20).to_string();
        let pace = pace(&project, &server).env([("PACE_MAX_ITERATIONS", limit)]);
        peaks.push(run(&pace, 0).peak_bytes);
        let exchanges = server.exchanges();
        let forge: Vec<_> = exchanges.iter().filter(|e| e.agent == "FORGE").take(TURNS + 1).collect();
        turns.extend(forge.windows(2).map(|pair| pair[1].arrived - pair[0].left.unwrap()));
        sent.push(forge.iter().map(|e| e.bytes as u64).sum::<u64>());
    }
    row("time per tool turn, wire included", &time(median(turns)), "≤ 1 ms", 5);
    row(&format!("bytes sent in {TURNS} turns"), &bytes(median(sent)), "", 5);
    row("peak memory of that day", &bytes(median(peaks)), "≤ 30 MB", 5);
}

/// A whole day that ships; its children's time is not counted.
fn days() {
    let script = parts(&["prime", "forge", "gate", "sentinel", "scribe"]);
    let costs: Vec<Cost> = (0..11)
        .map(|_| {
            let (project, server) = (project(), ModelServer::start(&script));
            run(&pace(&project, &server), 0)
        })
        .collect();
    let cpu = costs.iter().map(|c| c.cpu).collect();
    row("CPU of a day without its tests", &time(median(cpu)), "≤ 500 ms", 11);
    let peak = costs.iter().map(|c| c.peak_bytes).collect();
    row("peak memory of a day", &bytes(median(peak)), "≤ 30 MB", 11);
    let took = costs.iter().map(|c| c.took).collect();
    row("wall time of a day, tests included", &time(median(took)), "", 11);
}

/// A child in the sandbox: from the request that a reply answers to the next request, less the same turn without a
/// child.
fn children() {
    let mut script = parts(&["prime"]);
    for i in 0..TURNS {
        script.replies.push(call("read_file", json!({"path": "greet.sh", "limit": 100 + i})));
        script.replies.push(call("run_bash", json!({"command": format!(": {i}")})));
    }
    script.replies.extend(parts(&["forge", "gate", "sentinel", "scribe"]).replies);
    let (project, server) = (project(), ModelServer::start(&script));
    let env = [("PACE_MAX_ITERATIONS", (2 * TURNS + 20).to_string()), ("PACE_SANDBOX", "enforce".into())];
    run(&pace(&project, &server).env(env), 0);
    let exchanges = server.exchanges();
    let forge: Vec<_> = exchanges.iter().filter(|e| e.agent == "FORGE").take(2 * TURNS + 1).collect();
    let took: Vec<_> = forge.windows(2).map(|pair| pair[1].arrived - pair[0].left.unwrap()).collect();
    let bare = median(took.iter().copied().step_by(2).collect());
    let mut started: Vec<_> = took.iter().skip(1).step_by(2).map(|turn| turn.saturating_sub(bare)).collect();
    started.sort_unstable();
    // On a machine that others use too, this is the one that is pace's own.
    row("sandboxed command, fastest", &time(started[0]), "", TURNS);
    row("sandboxed command, median", &time(median(started.clone())), "≤ 10 ms", TURNS);
    row("sandboxed command, 95 of 100", &time(started[TURNS * 95 / 100]), "≤ 10 ms", TURNS);
}

fn call(name: &str, input: serde_json::Value) -> Reply {
    Reply {
        agent: "FORGE".into(),
        text: String::new(),
        calls: vec![Call { name: name.into(), input }],
        stop: None,
        usage: None,
        fault: None,
    }
}

fn scenarios() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn project() -> Project {
    Project::new(&[scenarios().join("_trees/shell")])
}

fn parts(names: &[&str]) -> Script {
    let mut whole = Script::default();
    for name in names {
        let path = scenarios().join("_parts").join(format!("{name}.yaml"));
        let text = std::fs::read_to_string(path).unwrap();
        whole.replies.extend(Script::parse(&text).unwrap().replies);
    }
    whole
}

fn pace(project: &Project, server: &ModelServer) -> Pace {
    Pace::new(&project.dir, &project.home)
        .env([
            ("DAY", "1"),
            ("PACE_TEST_COMMAND", "sh test.sh"),
            ("PACE_SANDBOX", "off"),
            ("PACE_PLATFORM", "local"),
        ])
        .env(server.env(Protocol::Anthropic))
}

fn median<T: Ord + Copy>(mut samples: Vec<T>) -> T {
    samples.sort_unstable();
    samples[samples.len() / 2]
}

fn row(name: &str, value: &str, expected: &str, runs: usize) {
    println!("{name:<46} {value:>12} {expected:>12} {runs:>6}");
}

fn time(value: Duration) -> String {
    format!("{:.2} ms", value.as_secs_f64() * 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "two decimals are shown")]
fn bytes(value: u64) -> String {
    format!("{:.2} MB", value as f64 / 1e6)
}

fn count(value: f64) -> String {
    format!("{value:.0}")
}

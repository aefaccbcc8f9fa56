//! What it costs never to pay twice: a record that is synced, resuming a long day, the journal's size here and on the
//! git server, the day's lock. Each stands beside the same without it, measured in the same run.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::binary::Pace;
use crate::fixture::git;
use crate::git_server::GitServer;
use crate::model_server::ModelServer;
use crate::model_server::script::{Fault, Script};
use crate::project::{Project, copy};
use crate::{bytes, call, median, pace, parts, project, row, scenarios, time};

/// Model calls of FORGE in the day that is resumed.
const CALLS: usize = 35;
const JOURNAL: &str = ".pace/.run/day-1/run-1.jsonl";

pub(crate) fn costs() {
    let (project, server) = (project(), ModelServer::start(&long()));
    let killed = at_work(&pace(&project, &server), &server);
    assert_eq!(killed, -9);
    let lines = std::fs::read(project.dir.join(JOURNAL)).unwrap();
    let records = lines.iter().filter(|byte| **byte == b'\n').count();
    synced(&project.home, &lines, records);
    resumed(&project, &server);
    let size = lines.len() as u64;
    row(&format!("journal of {CALLS} calls, {records} records"), &bytes(size), "≤ 1 MB", 1);
    remote();
    locked();
}

/// A day of many turns, at the end of which the model does not answer.
fn long() -> Script {
    let mut script = parts(&["prime"]);
    let turns = (0..CALLS).map(|i| call("read_file", json!({"path": "greet.sh", "limit": 100 + i})));
    script.replies.extend(turns);
    let mut hangs = call("read_file", json!({}));
    hangs.fault = Some(Fault { hang: true, ..Fault::default() });
    script.replies.push(hangs);
    script
}

/// Runs until the model does not answer, and kills it there; the exit code.
fn at_work(pace: &Pace, server: &ModelServer) -> i32 {
    let limit = (CALLS + 20).to_string();
    let pace = pace.clone().env([("PACE_MAX_ITERATIONS", limit)]);
    pace.run_until(Signal::KILL, || server.is_hanging()).code
}

/// The same bytes appended and synced by hand, and what a turn of three records takes on a disk and in memory.
fn synced(place: &Path, lines: &[u8], records: usize) {
    let mut file = std::fs::File::create(place.join("by-hand")).unwrap();
    let started = Instant::now();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        file.write_all(line).unwrap();
        file.sync_data().unwrap();
    }
    let each = started.elapsed() / u32::try_from(records).unwrap();
    row("a record's bytes appended and synced by hand", &time(each), "", records);
    let turn = |place: &Path| {
        let tree = place.join("greeter");
        copy(&scenarios().join("_trees/shell"), &tree);
        for command in ["init -q -b main", "add .", "commit -q -m start"] {
            git(&tree, command);
        }
        let server = ModelServer::start(&long());
        let pace = pace_in(&tree, place, &server);
        assert_eq!(at_work(&pace, &server), -9);
        let exchanges = server.exchanges();
        let turns = exchanges[1..].windows(2).map(|pair| pair[1].arrived - pair[0].left.unwrap());
        median(turns.collect())
    };
    let (disk, memory) = (tempfile::tempdir().unwrap(), tempfile::tempdir_in("/dev/shm"));
    let on_disk = turn(disk.path());
    row("a tool turn, its 3 records on a disk", &time(on_disk), "", CALLS);
    if let Ok(memory) = memory {
        let in_memory = turn(memory.path());
        row("the same turn, its records in memory", &time(in_memory), "≤ 1 ms", CALLS);
        let sync = on_disk.saturating_sub(in_memory) / 3;
        row("what keeping a record costs", &time(sync), "its sync", CALLS);
    }
}

fn pace_in(tree: &Path, home: &Path, server: &ModelServer) -> Pace {
    Pace::new(tree, home)
        .env([
            ("DAY", "1"),
            ("PACE_TEST_COMMAND", "sh test.sh"),
            ("PACE_SANDBOX", "off"),
            ("PACE_PLATFORM", "local"),
        ])
        .env(server.env(crate::model_server::wire::Protocol::Anthropic))
}

/// From the start of a run that resumes to the one call that it repeats.
fn resumed(project: &Project, first: &ModelServer) {
    assert_eq!(first.exchanges().len(), CALLS + 2);
    let samples: Vec<Duration> = (0..7)
        .map(|_| {
            let mut script = long();
            script.replies.drain(..=CALLS);
            let server = ModelServer::start(&script);
            let started = Instant::now();
            assert_eq!(at_work(&pace(project, &server), &server), -9);
            assert_eq!(server.exchanges().len(), 1, "paid twice");
            server.exchanges()[0].arrived - started
        })
        .collect();
    row(&format!("resuming after {CALLS} calls, to the next one"), &time(median(samples)), "≤ 150 ms", 7);
    let samples = (0..7).map(|_| to_first_request(Remote::Path, &[])).collect();
    row("the same day begun anew, to its first call", &time(median(samples)), "", 7);
}

/// A run with a bare repository for a remote, killed while the model is waited for, once the journal is kept there.
fn remote() {
    let (project, server) = (project(), ModelServer::start(&long()));
    let bare = with_remote(&project);
    let limit = (CALLS + 20).to_string();
    let pace = pace(&project, &server).env([("PACE_PUSH", "true"), ("PACE_MAX_ITERATIONS", &limit)]);
    let kept = || {
        let text = git(&bare, "for-each-ref --format=%(refname) refs/pace/journal");
        let Some(name) = text.lines().next() else { return 0 };
        git(&bare, &format!("show {name}:journal-00000")).lines().count()
    };
    let run = pace.run_until(Signal::KILL, || {
        let local = || std::fs::read_to_string(project.dir.join(JOURNAL)).unwrap_or_default().lines().count();
        server.is_hanging() && kept() >= local()
    });
    assert_eq!(run.code, -9, "{}", run.transcript());
    let usage = "rev-list --objects --disk-usage --glob=refs/pace/journal --not --branches";
    let size = git(&bare, usage).parse().unwrap();
    row("the same journal on the git server, packed", &bytes(size), "≤ 0.2 MB", 1);
}

/// Where the day is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remote {
    Path,
    Http,
}

/// The day's lock taken on a remote, and without one.
fn locked() {
    for (remote, name, expected) in
        [(Remote::Path, "on a path", "≤ 50 ms"), (Remote::Http, "over HTTP", "≤ 300 ms")]
    {
        // In turns, so that what else the machine does falls on both.
        let first = |push: &str| to_first_request(remote, &[("PACE_PUSH", push)]);
        let (with, without): (Vec<_>, Vec<_>) = (0..7).map(|_| (first("true"), first("false"))).unzip();
        let (with, without) = (median(with), median(without));
        row(&format!("to the first call, the day locked {name}"), &time(with), "", 7);
        row("the same without a remote to lock it on", &time(without), "", 7);
        row("what looking and locking there costs", &time(with.saturating_sub(without)), expected, 7);
    }
}

fn to_first_request(remote: Remote, env: &[(&str, &str)]) -> Duration {
    let (project, server) = (project(), ModelServer::start(&parts(&["prime"])));
    let bare = with_remote(&project);
    let git_server = (remote == Remote::Http).then(|| GitServer::start(&project.home));
    if let Some(git_server) = &git_server {
        git(&bare, "config http.receivepack true");
        git(&project.dir, &format!("remote set-url origin {}", git_server.url("bare")));
    }
    let pace = pace(&project, &server).env([("PACE_PUSH", "false"), ("PACE_TEST_COMMAND", "none")]);
    let started = Instant::now();
    // It ends where the script does.
    pace.env(env.iter().copied()).run();
    server.exchanges()[0].arrived - started
}

fn with_remote(project: &Project) -> std::path::PathBuf {
    let bare = project.home.join("bare");
    git(&project.home, &format!("clone -q --bare {} bare", project.dir.display()));
    git(&project.dir, &format!("remote add origin {}", bare.display()));
    bare
}

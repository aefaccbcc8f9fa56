//! Fresh runners: what a run did and paid is kept on the git server, and goes on wherever the next one starts.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::Finished;
use crate::forge::fixture::git;
use crate::model_server::ModelServer;
use crate::model_server::script::{Fault, Script};
use crate::scenario::shared_script;
use crate::team::{Over, Runner, Team};

const WHOLE: [&str; 5] = ["prime", "forge", "gate", "sentinel", "scribe"];

/// What is said from the reply number `from` on, and nothing at `hang`.
fn script(from: usize, hang: Option<usize>) -> Script {
    let mut script = shared_script(&WHOLE);
    if let Some(hang) = hang {
        script.replies[hang].fault = Some(Fault { hang: true, ..Fault::default() });
    }
    script.replies.drain(..from);
    script
}

fn journal(team: &Team) -> Option<String> {
    team.own_refs().into_iter().find(|name| name.contains("journal"))
}

/// Model calls that the server's journal has.
fn kept_calls(team: &Team) -> usize {
    let Some(name) = journal(team) else { return 0 };
    let text = git(&team.remote(), &format!("show {name}:journal-00000"));
    text.lines().filter(|line| line.contains("\"kind\":\"model\",\"key\"")).count()
}

/// Runs until the reply number `hang` is awaited and the server has what came before, and ends the run there.
fn interrupted(team: &Team, runner: &Runner, hang: usize, signal: Signal) -> Finished {
    let server = ModelServer::start(&script(0, Some(hang)));
    let started = Instant::now();
    let (child, streams) = runner.pace(&server).start();
    while !(server.is_hanging() && kept_calls(team) == hang) {
        assert!(started.elapsed() < Duration::from_secs(240), "{} of {hang} calls kept", kept_calls(team));
        std::thread::sleep(Duration::from_millis(20));
    }
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, signal).unwrap();
    let finished = streams.finish(child, started);
    assert_eq!(server.exchanges().iter().filter(|e| e.answered).count(), hang);
    finished
}

/// Everything that is committed but what tells the time.
fn shipped_files(team: &Team) -> String {
    let tree = git(&team.remote(), "ls-tree -r pace/sprint");
    let timeless =
        |line: &&str| ![".pace/", "PROGRESS.md", "plan.yaml"].iter().any(|path| line.contains(path));
    tree.lines().filter(timeless).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_fresh_runner_goes_on_where_a_killed_one_was() {
    let whole = shared_script(&WHOLE).replies.len();
    let uninterrupted = Team::new(Over::Path);
    let server = ModelServer::start(&script(0, None));
    assert_eq!(uninterrupted.runner("runner").pace(&server).run().code, 0);

    for (over, hang) in [(Over::Http, 4), (Over::Path, whole - 2)] {
        let team = Team::new(over);
        let first = team.runner("first");
        interrupted(&team, &first, hang, Signal::KILL);
        team.grow_old(301);
        let server = ModelServer::start(&script(hang, None));
        let second = team.runner("second");
        let finished = second.pace(&server).run();
        let transcript = finished.transcript();
        assert_eq!(finished.code, 0, "{transcript}");
        assert!(finished.stdout.contains("Resuming attempt 1 at "), "{transcript}");
        // The call that was in flight is the only one that was sent twice.
        assert_eq!(server.exchanges().len(), whole - hang, "{transcript}");
        assert_eq!(shipped_files(&team), shipped_files(&uninterrupted));
        assert_eq!(team.own_refs(), Vec::<String>::new(), "taken away once the day has shipped");
        let branches = git(&team.remote(), "for-each-ref --format=%(refname)");
        assert_eq!(branches, "refs/heads/main\nrefs/heads/pace/sprint");
        let attempts = git(&team.remote(), "show pace/sprint:.pace/day-1/attempts.yaml");
        assert_eq!(attempts.matches("outcome: SHIP").count(), 1, "{attempts}");
        let count = |team: &Team| git(&team.remote(), "rev-list --count pace/sprint");
        assert_eq!(count(&team), count(&uninterrupted), "no commit more than an uninterrupted run makes");
    }
}

#[test]
fn a_cancelled_run_leaves_its_journal_and_frees_the_day() {
    let team = Team::new(Over::Http);
    git(&team.remote(), "config receive.hideRefs refs/pace");
    let cancelled = interrupted(&team, &team.runner("first"), 3, Signal::TERM);
    assert_eq!(cancelled.code, 143, "{}", cancelled.transcript());
    assert!(cancelled.took < Duration::from_secs(200));
    let names = team.own_refs();
    assert!(names.len() == 1 && names[0].starts_with("refs/heads/pace-journal/"), "{names:?}");
    // What a CI would look for in a branch that is pushed.
    let files = git(&team.remote(), &format!("ls-tree --name-only {}", names[0]));
    assert_eq!(files, "journal-00000");

    let server = ModelServer::start(&script(3, None));
    let finished = team.runner("second").pace(&server).run();
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    assert!(finished.stdout.contains("Resuming attempt 1"), "{}", finished.transcript());
    assert_eq!(team.own_refs(), Vec::<String>::new());
}

#[test]
fn a_journal_of_another_key_is_never_resumed_from() {
    let team = Team::new(Over::Path);
    interrupted(&team, &team.runner("first"), 3, Signal::TERM);
    let name = journal(&team).unwrap();
    // A forger may push, but has no model key: one record is changed.
    let (text, parent) = (
        git(&team.remote(), &format!("show {name}:journal-00000")),
        git(&team.remote(), &format!("rev-parse {name}^")),
    );
    assert!(text.contains("Hello") && text.contains("\"kind\":\"model\""));
    let forger = team.runner("forger");
    forger.git(&format!("fetch -q origin {name}"));
    forger.git("checkout -q --orphan forged FETCH_HEAD");
    std::fs::write(forger.dir.join("journal-00000"), text.replacen("Hello", "Yello", 1) + "\n").unwrap();
    forger.git("add journal-00000");
    let tree = forger.git("write-tree");
    let commit = forger.git(&format!("commit-tree {tree} -p {parent} -m forged"));
    forger.git(&format!("push -q -f origin {commit}:{name}"));

    let server = ModelServer::start(&script(0, None));
    let finished = team.runner("second").pace(&server).run();
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    assert!(finished.stdout.contains("Not resuming: refs/pace/journal/"), "{}", finished.transcript());
    assert!(
        finished.stdout.contains("was not written by a run with this model credential"),
        "{}",
        finished.transcript()
    );
    assert!(!finished.stdout.contains("Resuming attempt"), "{}", finished.transcript());
    assert_eq!(team.own_refs(), Vec::<String>::new());
}

#[test]
fn a_local_journal_stays_on_the_runner() {
    let team = Team::new(Over::Path);
    let server = ModelServer::start(&script(0, Some(4)));
    let finished = team
        .runner("first")
        .pace(&server)
        .env([("PACE_JOURNAL", "local")])
        .run_until(Signal::TERM, || server.is_hanging());
    assert_eq!((finished.code, team.own_refs()), (143, vec![]), "{}", finished.transcript());
    // It is found by nobody else.
    let server = ModelServer::start(&script(0, None));
    let finished = team.runner("second").pace(&server).env([("PACE_JOURNAL", "local")]).run();
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    assert!(!finished.stdout.contains("Resuming"), "{}", finished.transcript());
}

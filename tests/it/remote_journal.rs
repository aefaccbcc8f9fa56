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

/// Whatever a run paid for, a fresh runner knows of: the intent of a call is on the server before the call is made.
#[test]
fn a_killed_run_repeats_the_call_in_flight_alone_and_its_bill_has_both() {
    let whole = shared_script(&WHOLE).replies.len();
    for (over, hang) in [(Over::Http, 1), (Over::Path, 2), (Over::Http, 5)] {
        let team = Team::new(over);
        let server = ModelServer::start(&script(0, Some(hang)));
        // Killed in the moment in which the call arrives.
        let killed = team.runner("first").pace(&server).run_until(Signal::KILL, || server.is_hanging());
        let kept = git(&team.remote(), &format!("show {}:journal-00000", journal(&team).expect("a journal")));
        let last: serde_json::Value = serde_json::from_str(kept.lines().last().unwrap()).unwrap();
        assert_eq!(
            (last["kind"].as_str(), last["value"]["kind"].as_str()),
            (Some("intent"), Some("model")),
            "{last}"
        );
        assert_eq!(kept_calls(&team), hang, "{over:?}: {}", killed.transcript());
        let reserved = last["value"]["usd"].as_f64().unwrap();

        team.grow_old(301);
        let server = ModelServer::start(&script(hang, None));
        let second = team.runner("second");
        let finished = second.pace(&server).run();
        assert_eq!((finished.code, server.exchanges().len()), (0, whole - hang), "{}", finished.transcript());
        let cost: f64 = second.told("cost-usd").unwrap().parse().unwrap();
        let plain = uninterrupted_cost();
        assert!((cost - plain - reserved).abs() < 2e-4, "{cost} is not {plain} and {reserved}");
    }
}

/// US dollars of the day in one run.
fn uninterrupted_cost() -> f64 {
    let team = Team::new(Over::Path);
    let runner = team.runner("whole");
    let finished = runner.pace(&ModelServer::start(&script(0, None))).run();
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    runner.told("cost-usd").unwrap().parse().unwrap()
}

/// A run that was killed between its last record and the moment in which it takes its journal away.
#[test]
fn what_is_left_of_a_shipped_day_is_taken_away_by_the_next_run() {
    let team = Team::new(Over::Http);
    let hook = team.remote().join("hooks/post-receive");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    let keep = "while read old new name; do case $name in refs/pace/*/day-1) kind=${name#refs/pace/}; \
                [ \"${new#0000000}\" = \"$new\" ] && git update-ref refs/kept/${kind%%/*} $new;; esac; done";
    std::fs::write(&hook, format!("#!/bin/sh\n{keep}\nexit 0\n")).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = ModelServer::start(&script(0, None));
    let mut names = Vec::new();
    let first = team.runner("first");
    let (child, streams) = first.pace(&server).start();
    let started = Instant::now();
    let shipped = loop {
        let there = team.own_refs();
        names = if there.len() > names.len() { there } else { names };
        assert!(started.elapsed() < Duration::from_secs(240), "{names:?}");
        if names.len() == 2 {
            break streams.finish(child, started);
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!((shipped.code, team.own_refs()), (0, vec![]), "{}", shipped.transcript());
    std::fs::remove_file(&hook).unwrap();

    let left = || {
        for kind in ["journal", "lock"] {
            let message = git(&team.remote(), &format!("log -1 --format=%B refs/kept/{kind}"));
            assert!(message.starts_with("pace: "), "{message}");
            let name = names.iter().find(|name| name.contains(kind)).unwrap();
            git(&team.remote(), &format!("update-ref {name} refs/kept/{kind}"));
        }
        assert_eq!(team.own_refs().len(), 2);
    };
    left();
    // Its owner may be alive for all that anybody knows.
    let again = team.runner("second").pace(&server).run();
    assert_eq!(again.code, 0, "{}", again.transcript());
    assert_eq!(team.own_refs(), team.locks(), "{}", again.transcript());
    left();
    team.grow_old(301);
    let again = team.runner("third").pace(&server).run();
    assert_eq!((again.code, team.own_refs()), (0, vec![]), "{}", again.transcript());

    // The same on the way to the next day.
    left();
    team.grow_old(301);
    let next = ModelServer::start(&shared_script(&["day-2"]));
    let finished = team.runner("fourth").pace(&next).env([("DAY", "auto")]).run();
    assert_eq!((finished.code, team.own_refs()), (0, vec![]), "{}", finished.transcript());
}

/// A journal of a run that is under way again stays.
#[test]
fn a_shipped_day_that_is_run_again_keeps_its_journal() {
    let team = Team::new(Over::Path);
    let shipped = team.runner("first").pace(&ModelServer::start(&script(0, None))).run();
    assert_eq!(shipped.code, 0, "{}", shipped.transcript());
    let server = ModelServer::start(&script(0, Some(2)));
    let retried = team.runner("second").pace(&server).env([("RETRY", "true")]);
    let cut = retried.run_until(Signal::TERM, || server.is_hanging());
    assert_eq!((cut.code, team.own_refs().len()), (143, 1), "{}", cut.transcript());
    let late = team.runner("third").pace(&server).run();
    assert_eq!((late.code, team.own_refs().len()), (0, 1), "{}", late.transcript());
}

/// Without a credential nobody could tell pace's records from others.
#[test]
fn a_run_without_a_credential_keeps_no_journal_on_the_server() {
    let team = Team::new(Over::Path);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let mut asked = Vec::new();
    let nobody = ModelServer::start(&Script::default());
    let run = team.runner("first").pace(&nobody).without("ANTHROPIC_API_KEY").env([
        ("PACE_LLM_PROVIDER", "openai".to_owned()),
        ("PACE_LLM_BASE_URL", format!("http://{address}/v1")),
        ("PACE_MODEL", "qwen3-coder".to_owned()),
    ]);
    let cut = run.run_until(Signal::TERM, || {
        asked.extend(listener.accept().ok());
        !asked.is_empty()
    });
    assert_eq!((cut.code, team.own_refs()), (143, vec![]), "{}", cut.transcript());
    assert!(cut.stdout.contains("The journal stays on this machine"), "{}", cut.transcript());
}

/// The same credential, sprint and day in another repository.
#[test]
fn a_journal_of_another_repository_is_never_resumed_from() {
    let (here, there) = (Team::new(Over::Path), Team::new(Over::Path));
    let person = here.runner("person");
    std::fs::write(person.dir.join("notes.txt"), "ours\n").unwrap();
    person.git("add notes.txt");
    git(&person.dir, "-c user.name=Ada -c user.email=ada@example.org commit -q -m ours");
    person.git("push -q origin main");
    let runner = there.runner("first");
    interrupted(&there, &runner, 3, Signal::TERM);
    let name = journal(&there).unwrap();
    git(&there.remote(), &format!("push -q {} {name}:{name}", here.remote().display()));
    let server = ModelServer::start(&script(0, None));
    let finished = here.runner("second").pace(&server).run();
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    assert!(finished.stdout.contains("Not resuming"), "{}", finished.transcript());
    assert!(!finished.stdout.contains("Resuming attempt"), "{}", finished.transcript());
    assert_eq!(server.exchanges().len(), shared_script(&WHOLE).replies.len());
}

/// What the guide has people put around a run whose journal is in their CI's cache.
#[test]
#[expect(clippy::disallowed_methods, reason = "the guide's own words in a shell")]
fn a_journal_and_its_checkpoints_go_to_a_fresh_runner_as_the_guide_says() {
    let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/self-hosted.md")).unwrap();
    let save = "git bundle create -q .pace/.run/checkpoints --glob='refs/pace/run/*' --not --remotes || rm -f .pace/.run/checkpoints";
    let restore = "git fetch -q .pace/.run/checkpoints 'refs/pace/run/*:refs/pace/run/*' || true";
    for words in [save, restore] {
        assert_eq!(guide.matches(words).count(), 2, "once for each CI: {words}");
    }
    let shell = |runner: &Runner, words: &str| {
        let told =
            std::process::Command::new("sh").args(["-c", words]).current_dir(&runner.dir).output().unwrap();
        assert!(told.status.success(), "{told:?}");
    };
    let whole = shared_script(&WHOLE).replies.len();
    let team = Team::new(Over::Path);
    let (first, second) = (team.runner("first"), team.runner("second"));
    let server = ModelServer::start(&script(0, Some(whole - 2)));
    let local = |runner: &Runner, server: &ModelServer| runner.pace(server).env([("PACE_JOURNAL", "local")]);
    // Nothing is there yet.
    shell(&first, restore);
    shell(&first, save);
    let killed = local(&first, &server).run_until(Signal::KILL, || server.is_hanging());
    assert_eq!(journal(&team), None, "{}", killed.transcript());
    shell(&first, save);
    shell(&second, "mkdir -p .pace");
    shell(&second, &format!("cp -r {}/.pace/.run .pace/.run", first.dir.display()));
    shell(&second, restore);
    team.grow_old(301);
    let server = ModelServer::start(&script(whole - 2, None));
    let finished = local(&second, &server).run();
    assert_eq!((finished.code, server.exchanges().len()), (0, 2), "{}", finished.transcript());
    assert!(finished.stdout.contains("Resuming attempt 1"), "{}", finished.transcript());
}

//! One daily budget for runs of different days at the same time, on different runners, however they end: what the
//! models' servers bill together never passes it.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::binary::Finished;
use crate::forge::fixture::git;
use crate::model_server::ModelServer;
use crate::model_server::script::{Fault, Script, Usage};
use crate::scenario::shared_script;
use crate::team::{Over, Runner, Team};

/// US dollars of one reply: 1,000 tokens in at $3 and 8,000 out at $15 a million.
pub(crate) const REPLY: f64 = 0.123;

/// A team whose first story had shipped: its day may be run again while the next one runs.
pub(crate) fn team(over: Over) -> Team {
    let team = Team::new(over);
    let person = team.runner("person");
    let plan = std::fs::read_to_string(person.dir.join("plan.yaml")).unwrap();
    std::fs::write(person.dir.join("plan.yaml"), plan.replacen("status: pending", "status: shipped", 1))
        .unwrap();
    person.git("add plan.yaml");
    git(&person.dir, "-c user.name=Ada -c user.email=ada@example.org commit -q -m shipped");
    person.git(&format!("push -q {} main", team.remote().display()));
    team
}

pub(crate) fn dear(parts: &[&str]) -> Script {
    let mut script = shared_script(parts);
    for reply in &mut script.replies {
        reply.usage = Some(Usage { input: 1_000, cache_write: 0, cache_read: 0, output: 8_000 });
    }
    script
}

pub(crate) fn day_1() -> Script {
    dear(&["prime", "forge", "gate", "sentinel", "scribe"])
}

pub(crate) fn hanging() -> ModelServer {
    let mut script = day_1();
    script.replies[0].fault = Some(Fault { hang: true, ..Fault::default() });
    ModelServer::start(&script)
}

pub(crate) fn billed(server: &ModelServer) -> f64 {
    let replies = server.exchanges().iter().filter(|exchange| exchange.answered).count();
    f64::from(u32::try_from(replies).unwrap()) * REPLY
}

/// A run of `day`, perhaps once more, under a daily budget in US dollars.
pub(crate) fn pace(runner: &Runner, server: &ModelServer, day: &str, budget: &str) -> crate::binary::Pace {
    runner.pace(server).env([
        ("DAY", day),
        ("RETRY", "true"),
        ("PACE_DAILY_BUDGET", budget),
        ("PACE_MAX_RUN_COST_USD", "1"),
    ])
}

pub(crate) fn ledger(team: &Team, name: &str) -> Vec<Value> {
    serde_json::from_str(&git(&team.remote(), &format!("show {name}:budget.json"))).unwrap()
}

fn wait_for(server: &ModelServer) {
    let started = Instant::now();
    while !server.is_hanging() {
        assert!(started.elapsed() < Duration::from_secs(240), "the run never asked its model");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn refused(runner: &Runner, finished: &Finished, server: &ModelServer) {
    let transcript = finished.transcript();
    assert_eq!((finished.code, server.exchanges().len()), (11, 0), "{transcript}");
    assert!(finished.stdout.contains("PACE_DAILY_BUDGET: "), "{transcript}");
    assert_eq!(runner.told("cost-usd").as_deref(), Some("0.0"), "{transcript}");
}

#[test]
fn two_days_at_once_stay_below_the_budget_together() {
    for over in [Over::Http, Over::Path] {
        let team = team(over);
        let (first, second) = (team.runner("first"), team.runner("second"));
        let servers = [ModelServer::start(&day_1()), ModelServer::start(&dear(&["day-2"]))];
        let started = Instant::now();
        // Each on its own branch: neither is to fail for the other's commits.
        let runs = [
            pace(&first, &servers[0], "1", "1.3").env([("PACE_BRANCH", "pace/one")]).start(),
            pace(&second, &servers[1], "2", "1.3").env([("PACE_BRANCH", "pace/two")]).start(),
        ];
        let ended = runs.map(|(child, streams)| streams.finish(child, started));
        let transcripts = format!("{}\n{}", ended[0].transcript(), ended[1].transcript());
        // Whoever came first was given $1 and the other $0.30; neither is enough for its day.
        assert_eq!([ended[0].code, ended[1].code], [1, 1], "{transcripts}");
        for name in ["PACE_MAX_RUN_COST_USD=1.00 could be passed", "PACE_DAILY_BUDGET could be passed"] {
            assert!(transcripts.contains(name), "{name}: {transcripts}");
        }
        let bill: f64 = servers.iter().map(billed).sum();
        assert!(bill > 0.7 && bill <= 1.3, "{bill}: {transcripts}");
        let entries = ledger(&team, "refs/pace/budget");
        assert_eq!(entries.len(), 2, "{entries:?}");
        assert!(entries.iter().all(|entry| entry["open"] == false), "{entries:?}");
        let told: f64 = entries.iter().map(|entry| entry["usd"].as_f64().unwrap()).sum();
        assert!((told - bill).abs() < 1e-3, "{told} in the ledger, {bill} billed");
    }
}

/// Nothing of a run without verdict is pushed, and a killed one cannot say what it cost.
#[test]
fn what_was_never_pushed_counts_too() {
    for (over, name) in [
        (Over::Http, "refs/pace/budget"),
        (Over::Path, "refs/pace/budget"),
        (Over::Http, "refs/heads/pace-budget"),
    ] {
        let team = team(over);
        if name.starts_with("refs/heads") {
            git(&team.remote(), "config receive.hideRefs refs/pace");
        }
        let (first, second) = (team.runner("first"), team.runner("second"));
        let unusable = "{agent: PRIME, usage: {input: 1000, output: 8000}, calls: [{name: submit_report, input: {theme: 1}}]}";
        let script = format!("replies: [{unusable}, {unusable}, {unusable}]");
        let server = ModelServer::start(&Script::parse(&script).unwrap());
        let abort = pace(&first, &server, "1", "1").run();
        assert_eq!((abort.code, server.exchanges().len()), (4, 3), "{}", abort.transcript());
        assert!((ledger(&team, name)[0]["usd"].as_f64().unwrap() - 0.369).abs() < 1e-3);
        let server = ModelServer::start(&dear(&["day-2"]));
        refused(&second, &pace(&second, &server, "2", "0.369").run(), &server);

        // All that the killed run was given counts, until somebody goes on with it.
        let stuck = hanging();
        let (child, streams) = pace(&first, &stuck, "1", "1").start();
        wait_for(&stuck);
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        streams.finish(child, Instant::now());
        let late = pace(&second, &server, "2", "1").run();
        refused(&second, &late, &server);
        let transcript = late.transcript();
        assert!(late.stdout.contains("$0.37 are spent, $0.63 are held by run 2 of day 1"), "{transcript}");
        assert!(late.stdout.contains("run its day again") && !transcript.contains("used up"), "{transcript}");
        let server = ModelServer::start(&day_1());
        let heir = pace(&first, &server, "1", "1").run();
        assert!(heir.stdout.contains("Resuming attempt"), "{}", heir.transcript());
        assert_eq!(heir.code, 1, "{}", heir.transcript());
        assert!(heir.stdout.contains("PACE_DAILY_BUDGET could be passed"), "{}", heir.transcript());
        let told: f64 = ledger(&team, name).iter().map(|entry| entry["usd"].as_f64().unwrap()).sum();
        let bill = 0.369 + billed(&server);
        assert!(bill <= told + 1e-3 && told <= 1.0 + 1e-3, "{told} in the ledger, {bill} billed");
    }
}

/// What a run that the budget stopped left over does not pay for one more first call: nothing is run, pushed or opened.
#[test]
fn what_does_not_cover_a_first_call_is_as_good_as_nothing() {
    for alone in [false, true] {
        let team = team(Over::Http);
        let runner = team.runner("runner");
        if alone {
            runner.git("remote remove origin");
        }
        // PRIME fits, what comes after it does not.
        let server = ModelServer::start(&day_1());
        let held = pace(&runner, &server, "1", "0.2").run();
        assert_eq!((held.code, server.exchanges().len()), (1, 1), "{}", held.transcript());
        let heads = || (runner.git("rev-parse HEAD"), git(&team.remote(), "for-each-ref refs/heads"));
        let before = heads();
        let server = ModelServer::start(&day_1());
        // Neither setup nor tests: either would fail.
        let late = pace(&runner, &server, "1", "0.2").env([("PACE_SETUP_COMMAND", "exit 9")]).run();
        refused(&runner, &late, &server);
        let told = "of today's $0.20, $0.12 are spent; the first model call may cost $0.1";
        assert!(late.stdout.contains(told), "{}", late.transcript());
        assert_eq!(heads(), before, "{}", late.transcript());
    }
}

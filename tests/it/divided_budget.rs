//! One daily budget for days on two jobs and for dry runs: whoever may not write the ledger reads it, keeps to what is left,
//! and what a working job spent is entered by the publishing one, whatever becomes of the day.

use std::path::Path;

use rustix::process::Signal;
use serde_json::Value;

use crate::binary::{Finished, Pace};
use crate::daily_budget::{REPLY, billed, day_1, dear, hanging, ledger, pace, refused, team};
use crate::forge::fixture::git;
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::team::{Over, Runner, Team};

/// PRIME's report, which is no report, three times: no verdict.
fn unusable() -> Script {
    let reply = "{agent: PRIME, usage: {input: 1000, output: 8000}, calls: [{name: submit_report, input: {theme: 1}}]}";
    Script::parse(&format!("replies: [{reply}, {reply}, {reply}]")).unwrap()
}

/// A working job, on a server that takes no push from it.
fn work(team: &Team, runner: &Runner, server: &ModelServer, day: &str, budget: &str) -> Finished {
    git(&team.remote(), "config http.receivepack false");
    let finished = pace(runner, server, day, budget).env([("PACE_STAGE", "work")]).run();
    git(&team.remote(), "config http.receivepack true");
    finished
}

fn digest(runner: &Runner) -> String {
    runner.told("handoff-digest").unwrap_or_default().trim_matches('"').to_owned()
}

/// The publishing job on another runner, with the hand-off of `worker`.
fn publishing(worker: &Runner, publisher: &Runner) -> Pace {
    let nobody = ModelServer::start(&Script::default());
    carry(&worker.dir.join(".pace/handoff"), &publisher.dir.join(".pace/handoff"));
    let digest = digest(worker);
    publisher.pace(&nobody).without("DAY").without("ANTHROPIC_API_KEY").env([
        ("PACE_STAGE", "publish"),
        ("PACE_HANDOFF_DIGEST", digest.as_str()),
        ("PACE_CI_TIMEOUT", "1s"),
    ])
}

fn carry(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            carry(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn entries(team: &Team) -> Vec<(u64, f64, bool)> {
    let line = |entry: &Value| {
        (entry["run"].as_u64().unwrap(), entry["usd"].as_f64().unwrap(), entry["open"].as_bool().unwrap())
    };
    ledger(team, "refs/pace/budget").iter().map(line).collect()
}

#[test]
fn a_working_job_keeps_to_the_ledger_and_its_bill_is_entered_before_the_hand_off_is_judged() {
    let team = team(Over::Http);
    let (other, worker) = (team.runner("other"), team.runner("worker"));
    // Nothing of this is on a branch.
    let abort = pace(&other, &ModelServer::start(&unusable()), "2", "2").run();
    assert_eq!(abort.code, 4, "{}", abort.transcript());
    assert_eq!(entries(&team), [(1, 0.369, false)]);

    let idle = ModelServer::start(&day_1());
    let late = work(&team, &worker, &idle, "1", "0.369");
    refused(&worker, &late, &idle);
    assert_eq!(digest(&worker), "null");

    let server = ModelServer::start(&day_1());
    let held = work(&team, &worker, &server, "1", "1");
    let transcript = held.transcript();
    assert_eq!(held.code, 1, "{transcript}");
    assert!(held.stdout.contains("PACE_DAILY_BUDGET could be passed"), "{transcript}");
    assert!(
        held.stdout.contains("$0.63 are left by the ledger, which this job may read and not write"),
        "{transcript}"
    );
    let bill = billed(&server);
    assert!(bill > REPLY && bill <= 1.0 - 0.369, "{bill}: {transcript}");
    assert_eq!(entries(&team), [(1, 0.369, false)], "a working job wrote");

    // Refused for its day: what it cost is entered all the same.
    let publisher = team.runner("publisher");
    let wrong = publishing(&worker, &publisher).env([("DAY", "3")]).run();
    assert_eq!(wrong.code, 2, "{}", wrong.transcript());
    assert!(wrong.stderr.contains("the hand-off is of day 1"), "{}", wrong.transcript());
    let told = format!("PACE_DAILY_BUDGET: the ledger has the ${bill:.2} that the working job spent");
    assert!(wrong.stdout.contains(&told), "{}", wrong.transcript());
    let entered = entries(&team);
    assert_eq!((entered.len(), entered[1].0, entered[1].2), (2, 1, false), "{entered:?}");
    assert!((entered[1].1 - bill).abs() < 1e-3, "{entered:?}, {bill} billed");

    // A changed file, and then the hand-off as it was left: entered once, and on the books as well.
    let changed = team.runner("changed");
    let job = publishing(&worker, &changed);
    std::fs::write(changed.dir.join(".pace/handoff/journal.jsonl"), "").unwrap();
    let changed = job.run();
    assert_eq!(changed.code, 4, "{}", changed.transcript());
    let published = publishing(&worker, &publisher).run();
    assert_eq!(published.code, 1, "{}", published.transcript());
    assert_eq!(entries(&team), entered);
    let next = team.runner("next");
    let rest = format!("{:.3}", 0.369 + bill);
    let idle = ModelServer::start(&dear(&["day-2"]));
    refused(&next, &pace(&next, &idle, "2", &rest).run(), &idle);
}

/// A manifest that is not the one that was left says nothing.
#[test]
fn the_bill_of_a_forged_manifest_is_not_entered() {
    let team = team(Over::Path);
    let (worker, publisher) = (team.runner("worker"), team.runner("publisher"));
    let held = work(&team, &worker, &ModelServer::start(&day_1()), "1", "0.5");
    assert_eq!(held.code, 1, "{}", held.transcript());
    let job = publishing(&worker, &publisher).env([("PACE_DAILY_BUDGET", "0.5")]);
    let path = publisher.dir.join(".pace/handoff/manifest.json");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"usd\": 0."), "{text}");
    std::fs::write(&path, text.replace("\"usd\": 0.", "\"usd\": 9.")).unwrap();
    let forged = job.run();
    let transcript = forged.transcript();
    assert_eq!(forged.code, 4, "{transcript}");
    assert!(
        forged.stdout.contains("is not in the ledger: its hand-off is not the one that was left"),
        "{transcript}"
    );
    assert_eq!(git(&team.remote(), "for-each-ref refs/pace/budget"), "");
}

/// No verdict, and nothing to publish: the bill goes over alone.
#[test]
fn a_working_job_without_a_verdict_hands_its_bill_over() {
    for over in [Over::Http, Over::Path] {
        let team = team(over);
        let (worker, publisher) = (team.runner("worker"), team.runner("publisher"));
        let abort = work(&team, &worker, &ModelServer::start(&unusable()), "1", "1");
        assert_eq!(abort.code, 4, "{}", abort.transcript());
        let heads = git(&team.remote(), "for-each-ref refs/heads");
        let published = publishing(&worker, &publisher).run();
        let transcript = published.transcript();
        assert_eq!(published.code, 11, "{transcript}");
        assert!(published.stdout.contains("there is nothing to publish but its costs"), "{transcript}");
        assert_eq!(entries(&team), [(1, 0.369, false)], "{transcript}");
        assert_eq!(git(&team.remote(), "for-each-ref refs/heads"), heads, "{transcript}");
        // Without a budget nothing is owed, and nothing is handed over.
        let free = team.runner("free");
        let server = ModelServer::start(&unusable());
        let abort = free.pace(&server).env([("PACE_STAGE", "work"), ("RETRY", "true")]).run();
        assert_eq!((abort.code, digest(&free).as_str()), (4, "null"), "{}", abort.transcript());
    }
}

/// The call in flight counts with what was reserved for it.
#[test]
fn a_working_job_that_was_cancelled_hands_its_bill_over() {
    let team = team(Over::Http);
    let (worker, publisher) = (team.runner("worker"), team.runner("publisher"));
    let server = hanging();
    let job = pace(&worker, &server, "1", "1").env([("PACE_STAGE", "work")]);
    let cancelled = job.run_until(Signal::TERM, || server.is_hanging());
    assert_eq!(cancelled.code, 143, "{}", cancelled.transcript());
    let published = publishing(&worker, &publisher).run();
    assert_eq!(published.code, 11, "{}", published.transcript());
    let entered = entries(&team);
    assert_eq!(entered.len(), 1, "{}", published.transcript());
    assert!(entered[0].1 > 0.05 && entered[0].1 < 1.0 && !entered[0].2, "{entered:?}");
}

/// Nothing is told at such an end: all that it might have spent counts.
#[test]
fn a_working_job_that_was_killed_outright_leaves_a_bill_of_all_that_it_might_spend() {
    let team = team(Over::Http);
    let (worker, publisher) = (team.runner("worker"), team.runner("publisher"));
    let server = hanging();
    let job = pace(&worker, &server, "1", "0.7").env([("PACE_STAGE", "work")]);
    let killed = job.run_until(Signal::KILL, || server.is_hanging());
    assert_eq!(digest(&worker).len(), 64, "{}", killed.transcript());
    assert_eq!(worker.told("decision").as_deref(), Some("\"ABORT\""));
    let published = publishing(&worker, &publisher).run();
    assert_eq!(published.code, 11, "{}", published.transcript());
    assert_eq!(entries(&team), [(1, 0.7, false)], "{}", published.transcript());
    // Nothing is left of the day for another run.
    let idle = ModelServer::start(&day_1());
    let other = team.runner("other");
    refused(&other, &pace(&other, &idle, "2", "0.7").run(), &idle);
}

#[test]
fn a_dry_run_takes_its_part_or_says_that_it_cannot() {
    let team = team(Over::Http);
    let (runner, reader) = (team.runner("runner"), team.runner("reader"));
    let prime = || ModelServer::start(&dear(&["prime"]));
    let dry = |runner: &Runner, server: &ModelServer, budget: &str| {
        pace(runner, server, "1", budget).env([("DRY_RUN", "true")])
    };
    let server = prime();
    let first = dry(&runner, &server, "0.3").run();
    assert_eq!((first.code, server.exchanges().len()), (0, 1), "{}", first.transcript());
    assert_eq!(runner.told("cost-usd").as_deref(), Some("0.123"), "{}", first.transcript());
    assert_eq!(entries(&team), [(0, 0.123, false)], "{}", first.transcript());

    let told = "PACE_DAILY_BUDGET: $0.18 are left by the ledger, which this job may read and not write: what this dry run spends is in nobody's books";
    let second = dry(&reader, &prime(), "0.3").env([("PACE_PUSH", "false")]).run();
    assert_eq!(second.code, 0, "{}", second.transcript());
    assert!(second.stdout.contains(told), "{}", second.transcript());
    assert_eq!(entries(&team), [(0, 0.123, false)]);

    // A server that takes neither name, and one that has nothing left.
    git(&team.remote(), "config receive.hideRefs refs/pace");
    let third = dry(&runner, &prime(), "0.3").run();
    assert_eq!(third.code, 0, "{}", third.transcript());
    git(&team.remote(), "config --unset receive.hideRefs");
    for push in ["true", "false"] {
        let server = prime();
        let spent = dry(&runner, &server, "0.12").env([("PACE_PUSH", push)]).run();
        refused(&runner, &spent, &server);
    }
}

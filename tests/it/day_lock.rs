//! One run a day: many runners start the real binary at once against one git server, and exactly one goes to work.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::binary::{Finished, Streams, own_variable};
use crate::forge::fixture::git;
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::scenario::shared_script;
use crate::team::{Over, Runner, Team};

/// A run that is under way.
struct Running {
    child: Child,
    streams: Streams,
    started: Instant,
}

impl Running {
    fn start(runner: &Runner, server: &ModelServer) -> Self {
        let (child, streams) = runner.pace(server).env([("PACE_TEST_COMMAND", "none")]).start();
        Self { child, streams, started: Instant::now() }
    }

    fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    fn end(self, signal: Signal) -> Finished {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap();
        kill_process(pid, signal).unwrap();
        self.finish()
    }

    fn finish(self) -> Finished {
        self.streams.finish(self.child, self.started)
    }
}

/// A model that never answers its first request.
fn hanging() -> ModelServer {
    ModelServer::start(&Script::parse("replies: [{agent: PRIME, fault: {hang: true}}]").unwrap())
}

/// Starts a run that stays in its first model call.
fn occupied(runner: &Runner) -> (Running, ModelServer) {
    let server = hanging();
    let run = Running::start(runner, &server);
    wait(|| server.is_hanging());
    (run, server)
}

fn wait(mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(240), "waited in vain");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a run that came second must have said: who has the day, and that it cost nothing.
fn left_at_once(runner: &Runner, finished: &Finished) {
    let transcript = finished.transcript();
    assert_eq!(finished.code, 11, "{transcript}");
    assert!(finished.stdout.contains("Day 1 is another run's: run "), "{transcript}");
    assert!(finished.stdout.contains("nothing was spent"), "{transcript}");
    assert_eq!(runner.told("cost-usd").as_deref(), Some("0.0"), "{transcript}");
    assert_eq!(runner.told("decision").as_deref(), Some("\"SKIPPED\""));
}

/// Starts everybody in a random order and rhythm; how long it took until all but one had left.
fn one_of(runners: &[Runner], team: &Team, seed: u64) -> Duration {
    let mut random = fastrand::Rng::with_seed(seed);
    let server = hanging();
    let mut order: Vec<&Runner> = runners.iter().collect();
    random.shuffle(&mut order);
    let began = Instant::now();
    let mut running: Vec<(&Runner, Running)> = Vec::new();
    for runner in order {
        running.push((runner, Running::start(runner, &server)));
        if random.bool() {
            std::thread::sleep(Duration::from_micros(random.u64(0..5_000)));
        }
    }
    let mut losers = 0;
    wait(|| {
        let mut at = 0;
        while at < running.len() {
            if running[at].1.is_over() {
                let (runner, run) = running.swap_remove(at);
                left_at_once(runner, &run.finish());
                losers += 1;
            } else {
                at += 1;
            }
        }
        running.len() == 1 && server.is_hanging()
    });
    let took = began.elapsed();
    assert_eq!((losers, server.exchanges().len()), (runners.len() - 1, 1), "seed {seed}");
    assert_eq!(team.locks().len(), 1, "{:?}", team.locks());
    let (_, winner) = running.pop().unwrap();
    let finished = winner.end(Signal::TERM);
    assert_eq!(finished.code, 143, "{}", finished.transcript());
    assert_eq!(team.locks(), Vec::<String>::new(), "seed {seed}");
    took
}

/// `SEEDS=20` makes it that many with 50 runners each, on both ways.
#[test]
fn exactly_one_of_many_runs() {
    let many = own_variable("SEEDS").and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    for (over, crowd, seeds) in
        [(Over::Http, 50, 0..many), (Over::Path, 50, 200..200 + many), (Over::Http, 8, 100..116)]
    {
        let team = Team::new(over);
        let runners: Vec<_> = (0..crowd).map(|n| team.runner(&format!("runner-{n}"))).collect();
        let mut times: Vec<Duration> = seeds.map(|seed| one_of(&runners, &team, seed)).collect();
        times.sort_unstable();
        let (most, middle) = (times[times.len() - 1], times[times.len() / 2]);
        println!(
            "{crowd} runners over {over:?}, {} seeds: one winner each; all others had left with 11 and $0 after {middle:?}, \
             at most {most:?}",
            times.len()
        );
    }
}

/// However a run ends, the next one may begin at once, on whatever runner it is.
#[test]
fn the_day_is_given_back_at_every_end() {
    for over in [Over::Http, Over::Path] {
        let team = Team::new(over);
        let (first, second) = (team.runner("first"), team.runner("second"));
        for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
            let (run, _server) = occupied(&first);
            assert_eq!(team.locks().len(), 1);
            let finished = run.end(signal);
            assert_eq!(finished.code, code, "{}", finished.transcript());
            assert_eq!(team.locks(), Vec::<String>::new());
        }
        let all = ["prime", "forge-broken", "gate", "sentinel", "scribe"];
        let server = ModelServer::start(&shared_script(&all));
        let held = second.pace(&server).env([("PACE_MAX_RETRIES", "0")]).run();
        assert_eq!((held.code, team.locks().len()), (1, 0), "{}", held.transcript());
        let unusable = "{agent: PRIME, calls: [{name: submit_report, input: {theme: 1}}]}";
        let script = format!("replies: [{unusable}, {unusable}, {unusable}]");
        let server = ModelServer::start(&Script::parse(&script).unwrap());
        let abort = first.pace(&server).run();
        assert_eq!((abort.code, team.locks().len()), (4, 0), "{}", abort.transcript());
        let wrong = team.runner("third").pace(&server).env([("ANTHROPIC_API_KEY", "sk-wrong")]).run();
        assert_eq!((wrong.code, team.locks().len()), (2, 0), "{}", wrong.transcript());

        let team = Team::new(over);
        let (first, second) = (team.runner("first"), team.runner("second"));
        let all = ["prime", "forge", "gate", "sentinel", "scribe"];
        let server = ModelServer::start(&shared_script(&all));
        let shipped = first.pace(&server).run();
        assert_eq!((shipped.code, team.locks().len()), (0, 0), "{}", shipped.transcript());
        let asked = server.exchanges().len();
        let late = second.pace(&server).run();
        assert_eq!((late.code, server.exchanges().len()), (0, asked), "{}", late.transcript());
        assert!(late.stdout.contains("The day had shipped"), "{}", late.transcript());
    }
}

/// A run that is killed leaves its lock: the same work tree knows that it is dead, another one waits for its expiry.
#[test]
fn the_lock_of_a_killed_run_is_taken_over() {
    for over in [Over::Http, Over::Path] {
        let team = Team::new(over);
        let (first, second) = (team.runner("first"), team.runner("second"));
        let (run, _server) = occupied(&first);
        run.end(Signal::KILL);
        assert_eq!(team.locks().len(), 1);
        let server = hanging();
        left_at_once(&second, &Running::start(&second, &server).finish());
        let (run, _server) = occupied(&first);
        run.end(Signal::KILL);

        team.grow_old(301);
        let (run, _server) = occupied(&second);
        left_at_once(&first, &Running::start(&first, &server).finish());
        assert_eq!(server.exchanges().len(), 0);
        assert_eq!(run.end(Signal::TERM).code, 143);
        assert_eq!(team.locks(), Vec::<String>::new());
    }
}

/// A forge that takes branches only, and one that takes no reference away.
#[test]
fn a_forge_that_refuses_other_references_gets_a_branch() {
    let team = Team::new(Over::Http);
    git(&team.remote(), "config receive.hideRefs refs/pace");
    git(&team.remote(), "config receive.denyDeletes true");
    let (first, second) = (team.runner("first"), team.runner("second"));
    for _ in 0..2 {
        let (run, _server) = occupied(&first);
        let names = team.locks();
        assert!(names.len() == 1 && names[0].starts_with("refs/heads/pace-lock/"), "{names:?}");
        left_at_once(&second, &Running::start(&second, &hanging()).finish());
        assert_eq!(run.end(Signal::TERM).code, 143);
        // It stays, and says that it is over.
        assert!(
            git(&team.remote(), &format!("log -1 --format=%B {}", names[0])).contains("\"released\": true")
        );
    }
    let (run, _server) = occupied(&second);
    assert_eq!(run.end(Signal::TERM).code, 143);
}

/// A server that lets nobody lock the day: nothing is paid for.
#[test]
fn a_day_that_cannot_be_locked_is_not_run() {
    let team = Team::new(Over::Http);
    let hook = team.remote().join("hooks/update");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, "#!/bin/sh\ncase $1 in *pace-lock*|refs/pace/*) exit 1;; esac\n").unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let server = hanging();
    let finished = team.runner("runner").pace(&server).run();
    assert_eq!((finished.code, server.exchanges().len()), (2, 0), "{}", finished.transcript());
    assert!(finished.stderr.contains("cannot be locked on the git server"), "{}", finished.transcript());
}

/// Two runs in one work tree, without any remote to push to.
#[test]
fn a_work_tree_is_one_runs() {
    let team = Team::new(Over::Path);
    let runner = team.runner("runner");
    runner.git("remote remove origin");
    let (run, _server) = occupied(&runner);
    let server = hanging();
    let late = Running::start(&runner, &server).finish();
    assert_eq!((late.code, server.exchanges().len()), (11, 0), "{}", late.transcript());
    assert!(late.stdout.contains("Another run is at work: run "), "{}", late.transcript());
    assert_eq!(runner.told("cost-usd").as_deref(), Some("0.0"));
    run.end(Signal::KILL);
    let (run, _server) = occupied(&runner);
    assert_eq!(run.end(Signal::TERM).code, 143);
}

/// What other runners spent today counts, wherever they pushed it from.
#[test]
fn the_daily_budget_knows_what_other_runners_spent() {
    let team = Team::new(Over::Http);
    let (first, second) = (team.runner("first"), team.runner("second"));
    let all = ["prime", "forge-broken", "gate", "sentinel", "scribe"];
    let server = ModelServer::start(&shared_script(&all));
    let held = first.pace(&server).env([("PACE_MAX_RETRIES", "0")]).run();
    assert_eq!(held.code, 1, "{}", held.transcript());
    let spent: f64 = first.told("cost-usd").unwrap().parse().unwrap();
    assert!(spent > 0.02, "{spent}");
    // The other clone has never seen that attempt.
    assert_eq!(second.git("for-each-ref refs/remotes/origin/pace/sprint"), "");
    let server = ModelServer::start(&shared_script(&all));
    let late = second.pace(&server).env([("PACE_DAILY_BUDGET", "0.02")]).run();
    assert_eq!((late.code, server.exchanges().len()), (11, 0), "{}", late.transcript());
    assert!(late.stdout.contains("PACE_DAILY_BUDGET: today's $0.02 are used up"), "{}", late.transcript());
}

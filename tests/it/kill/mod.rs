//! The binary is killed at every boundary of a day, and started again: what comes out is what an uninterrupted run
//! leaves, nothing is done twice, and no cent is forgotten. A GitHub and a bare git remote watch.
//!
//! A boundary is a record of the journal, seen from both sides: when what it tells of has been done and is not
//! written down yet, and when it is written and nothing has come of it. `traced` ends the process at the very system
//! call, so no case depends on time.

mod site;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use crate::binary::{Finished, own_variable};
use crate::traced::{self, Call, Then};
use site::{Left, Site, Try};

/// What one call of the scripted model costs at least, US dollars.
const CALL: f64 = 0.0045;
const SIGNALS: [Signal; 3] = [Signal::KILL, Signal::TERM, Signal::INT];

/// Where a run gets its signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    /// Record K is about to be written: what it tells of was done.
    Unwritten(usize),
    /// Record K is written, and nothing has followed from it.
    Written(usize),
    /// The N-th change of a file, whatever file it is.
    Change(usize),
}

/// Calls that change files; the journal writes with the first and syncs with the second.
const CHANGES: [i64; 14] = [
    libc::SYS_write,
    libc::SYS_fdatasync,
    libc::SYS_fsync,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
];

/// Counts what a run does up to the moment.
struct Watch {
    at: At,
    /// Known from the first record on.
    journal: Option<u64>,
    synced: usize,
    changes: usize,
}

impl Watch {
    const fn new(at: At) -> Self {
        Self { at, journal: None, synced: 0, changes: 0 }
    }

    fn is_now(&mut self, call: &Call) -> bool {
        self.changes += 1;
        match (call.number, self.at) {
            (_, At::Change(number)) => self.changes == number,
            (libc::SYS_write, At::Unwritten(record)) => {
                self.journal == Some(call.descriptor()) && self.synced + 1 == record
            }
            (libc::SYS_fdatasync, at) => {
                self.journal = Some(call.descriptor());
                self.synced += 1;
                at == At::Written(self.synced)
            }
            _ => false,
        }
    }
}

/// One run that gets `signal` at `at`; whether it came so far.
fn interrupted(site: &Site, signal: Signal, at: At) -> (Finished, bool) {
    let (mut watch, mut sent) = (Watch::new(at), false);
    let calls = if matches!(at, At::Change(_)) { &CHANGES[..] } else { &CHANGES[..2] };
    let run = traced::run(&site.pace(), calls, |call| {
        if sent || !watch.is_now(call) {
            return Then::Go;
        }
        sent = true;
        Then::Signal(signal)
    });
    (run, sent)
}

/// The day without interruption: what it leaves, its calls, its records, its cost.
struct Whole {
    left: Left,
    calls: usize,
    records: Vec<Value>,
    cost: f64,
}

fn whole(which: Try) -> Whole {
    let site = Site::new(which);
    let run = site.pace().run();
    assert_eq!(run.code, which.code(), "{}", run.transcript());
    let left = site.left();
    let (issues, commits) = match which {
        Try::First => ((0, 0), 2),
        Try::Held => ((1, 1), 2),
        Try::Retry => ((1, 0), 4),
    };
    assert_eq!((left.pulls, left.issues), (usize::from(which != Try::Held), issues), "{which:?}");
    assert_eq!(left.commits.lines().count(), commits, "{}", left.commits);
    Whole { left, calls: site.calls(), records: site.records(), cost: site.recorded_cost() }
}

/// A day that is interrupted, once or several times.
#[derive(Debug, Clone)]
struct Case {
    which: Try,
    signal: Signal,
    /// One for every run.
    moments: Vec<At>,
    /// What is recorded there.
    what: String,
}

/// Runs the case to the end of the day; what is not as in `whole`.
fn broken(whole: &Whole, case: &Case) -> Vec<String> {
    let (which, signal) = (case.which, case.signal);
    let site = Site::new(which);
    let mut log = String::new();
    let mut hits = 0;
    let mut ended = false;
    let mut told = true;
    for &at in &case.moments {
        let (run, sent) = interrupted(&site, signal, at);
        log.push_str(&run.transcript());
        // A HOLD that is on record stands, and the next run would be another attempt.
        let on_record = which == Try::Held && site.has_ended();
        told = !on_record || run.code == which.code();
        ended = run.code == which.code() || on_record;
        if ended {
            break;
        }
        if !sent {
            return vec![format!("exit {} without a signal", run.code), log];
        }
        hits += 1;
        if signal == Signal::KILL {
            // Where the remote is a folder the pushing process is its server too, and SIGKILL leaves its lock behind.
            drop(std::fs::remove_file(site.bare.join("refs/heads/pace/sprint.lock")));
        }
        let problems = left_at_once(&site, signal, &run);
        if !problems.is_empty() {
            return problems.into_iter().chain([log]).collect();
        }
    }
    // A day that is on HOLD would be tried once more.
    if !ended || which != Try::Held {
        let last = site.pace().run();
        log.push_str(&last.transcript());
        if last.code != which.code() {
            return vec![format!("exit {}", last.code), log];
        }
    }
    let mut problems = compared(whole, &site, which, hits);
    if told {
        problems.extend(untold(&site, which));
    }
    if !problems.is_empty() {
        problems.push(log);
    }
    problems
}

/// What the day left that an uninterrupted one would not have left.
fn compared(whole: &Whole, site: &Site, which: Try, hits: usize) -> Vec<String> {
    let mut problems = Vec::new();
    let left = site.left();
    for (path, text) in &whole.left.files {
        if left.files.get(path) != Some(text) {
            problems
                .push(format!("{path} differs:\n{text}\n--- after {hits} kills\n{:?}", left.files.get(path)));
        }
    }
    let beside = |left: &Left| {
        let counts = (left.pulls, left.issues, left.comments);
        (left.files.len(), left.commits.clone(), counts, left.state.clone())
    };
    if beside(&left) != beside(&whole.left) {
        problems.push(format!("{:?} instead of {:?}", beside(&left), beside(&whole.left)));
    }
    let repeated = site.calls().saturating_sub(whole.calls);
    if repeated > hits {
        problems.push(format!("{repeated} calls were made again after {hits} kills"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
    let billed = whole.cost + repeated as f64 * CALL;
    if site.recorded_cost() < billed - 1e-9 {
        problems.push(format!("${} recorded, ${billed} billed", site.recorded_cost()));
    }
    if site.attempts().matches("run:").count() != which.attempt() {
        problems.push(format!("attempts:\n{}", site.attempts()));
    }
    if site.project.read("notes.txt").as_deref() != Some("mine\n") {
        problems.push("a person's file was touched".into());
    }
    problems.extend(site.model.problems());
    problems
}

/// What the CI was not told of the day's verdict.
fn untold(site: &Site, which: Try) -> Option<String> {
    let verdict = if which == Try::Held { "HOLD" } else { "SHIP" };
    let told = site.outputs().lines().rev().take(40).any(|line| line.contains(verdict));
    (!told).then(|| format!("outputs do not say {verdict}: {}", site.outputs()))
}

/// What a run that `signal` ended must show.
fn left_at_once(site: &Site, signal: Signal, run: &Finished) -> Vec<String> {
    let code = 128 + signal.as_raw();
    // A signal in the first milliseconds finds a process that does not listen yet, and has done nothing.
    let at_once = run.code == -signal.as_raw() && run.stdout.is_empty();
    if signal == Signal::KILL || at_once {
        return if run.code < 0 { vec![] } else { vec![format!("exit {} after SIGKILL", run.code)] };
    }
    if run.code != code {
        return vec![format!("exit {} instead of {code}", run.code)];
    }
    site.farewell(run)
}

/// Runs `cases` on as many threads as there are cores; how many there were, and what was not as it should be.
fn all(cases: &[Case], until: Duration) -> (usize, Vec<String>) {
    let (next, started) = (AtomicUsize::new(0), Instant::now());
    let wholes: BTreeMap<Try, Whole> =
        Try::ALL.iter().filter(|t| cases.iter().any(|c| c.which == **t)).map(|t| (*t, whole(*t))).collect();
    let failures = Mutex::new(Vec::new());
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst))
                    && started.elapsed() < until
                {
                    let problems = broken(&wholes[&case.which], case);
                    done.fetch_add(1, Ordering::SeqCst);
                    if !problems.is_empty() {
                        let title = format!(
                            "\n===== {:?}, {:?} at {:?}: {}",
                            case.which, case.signal, case.moments, case.what
                        );
                        failures.lock().unwrap().push(format!("{title}\n{}", problems.join("\n")));
                    }
                }
            });
        }
    });
    (done.into_inner(), failures.into_inner().unwrap())
}

/// The boundaries of a day that matter most, with what they lie between: once around everything that changes files,
/// costs money or is seen by others, for each agent that does it, and around every record of a file that decides.
fn boundaries(records: &[Value]) -> Vec<(At, String)> {
    let mut found: Vec<(At, String)> = vec![(At::Written(1), "start".into())];
    let mut intent = None;
    for (index, record) in records.iter().enumerate() {
        let (number, kind) = (index + 1, record["kind"].as_str().unwrap());
        let acted = intent.take();
        match kind {
            "intent" => intent = Some(&record["value"]["agent"]),
            "artifact" => {
                let file = record["key"].as_str().unwrap().rsplit('/').next().unwrap();
                if ["story-card.yaml", "handoff.yaml", "gate-report.yaml", "plan.yaml", "attempts.yaml"]
                    .contains(&file)
                {
                    found.push((At::Unwritten(number), format!("{file} before its record")));
                }
            }
            "end" => {
                found.push((At::Unwritten(number), "before the end".into()));
                found.push((At::Written(number), "after the end".into()));
            }
            _ => {
                if let Some(agent) = acted {
                    let agent = agent.as_str().unwrap_or_default();
                    found.push((At::Unwritten(number), format!("{kind} {agent} done, not recorded")));
                }
            }
        }
    }
    let mut names: Vec<String> = Vec::new();
    // What happens twice in a day, as a push does, counts twice: in the agents' part and in the publishing.
    found.retain(|(_, name)| {
        names.push(name.clone());
        let times = names.iter().filter(|known| *known == name).count();
        times == 1 || (times == 2 && ["commit", "push", "attempts"].iter().any(|word| name.starts_with(word)))
    });
    found
}

/// Every signal at every boundary of the first try and of the retry; SIGKILL at those of a day that is held, which opens
/// its issue.
fn matrix() -> Vec<Case> {
    let mut cases = Vec::new();
    for which in Try::ALL {
        let found = boundaries(&whole(which).records);
        let signals = if which == Try::Held { &SIGNALS[..1] } else { &SIGNALS[..] };
        for (at, what) in found {
            // A day whose HOLD is written down would be tried once more.
            if which == Try::Held && what == "after the end" {
                continue;
            }
            cases.extend(signals.iter().map(|&signal| Case {
                which,
                signal,
                moments: vec![at],
                what: what.clone(),
            }));
        }
    }
    cases
}

#[test]
fn a_day_killed_at_any_boundary_ends_as_if_it_had_not_been() {
    let cases = matrix();
    let started = Instant::now();
    let (done, failures) = all(&cases, Duration::MAX);
    let per_try =
        Try::ALL.map(|which| format!("{which:?} {}", cases.iter().filter(|c| c.which == which).count()));
    println!("{done} cases of signal, boundary and try in {:?}: {}", started.elapsed(), per_try.join(", "));
    assert!(failures.is_empty(), "{} of {done}:{}", failures.len(), failures.concat());
    assert!(done >= 170, "only {done} boundaries were found");
}

/// Every record of every try from both sides, with every signal: `just soak`.
#[test]
fn every_record_is_a_boundary_too() {
    let Some(share) = own_variable("EVERY_RECORD") else { return };
    let share: usize = share.parse().unwrap();
    let mut cases = Vec::new();
    for which in Try::ALL {
        let records = whole(which).records;
        for (index, record) in records.iter().enumerate() {
            let what = record["kind"].as_str().unwrap().to_owned();
            for at in [At::Unwritten(index + 1), At::Written(index + 1)] {
                let beyond = which == Try::Held && at == At::Written(records.len());
                // Before the first record the journal is not known yet.
                if at == At::Unwritten(1) || beyond {
                    continue;
                }
                cases.extend(SIGNALS.map(|signal| Case {
                    which,
                    signal,
                    moments: vec![at],
                    what: what.clone(),
                }));
            }
        }
    }
    let cases: Vec<Case> = cases.into_iter().step_by(share.max(1)).collect();
    let (done, failures) = all(&cases, Duration::MAX);
    println!("{done} cases of signal, record and try");
    assert!(failures.is_empty(), "{} of {done}:{}", failures.len(), failures.concat());
}

/// A run that was killed late is killed once more at a change of a file with which it is resumed, or plays what is
/// recorded. `RESUMED=1` has every change, and `just soak` every third.
#[test]
fn a_run_is_killed_again_wherever_it_is_resumed() {
    let share: usize = own_variable("RESUMED").map_or(97, |share| share.parse().unwrap());
    let mut cases = Vec::new();
    for which in Try::ALL {
        let records = whole(which).records;
        let last = |kind: &str| records.iter().rposition(|record| record["kind"] == kind).unwrap() + 1;
        for (first, what) in [
            (At::Unwritten(records.len()), "the end"),
            (At::Unwritten(last("push")), "push"),
            (At::Written(last("commit")), "commit"),
        ] {
            let again = (1..=BEGINNING).map(At::Change);
            cases.extend(again.map(|second| Case {
                which,
                signal: Signal::KILL,
                moments: vec![first, second],
                what: format!("{what}, and at the resumption"),
            }));
        }
    }
    let cases: Vec<Case> = cases.into_iter().step_by(share.max(1)).collect();
    let (done, failures) = all(&cases, Duration::MAX);
    println!("{done} cases of a resumed run that is killed again");
    assert!(failures.is_empty(), "{} of {done}:{}", failures.len(), failures.concat());
}

/// Changes of files until a resumed run has played its records and stands where it was killed, and a little more.
const BEGINNING: usize = 300;

/// Changes of files in the longest of the days; a little more, so that some cases are not reached.
const FILE_CHANGES: usize = 1300;

/// 100 kills; `SOAK=1000` makes it that many.
#[test]
fn random_kills_one_after_another_lose_nothing() {
    let kills = own_variable("SOAK").map_or(100, |count| count.parse().unwrap());
    let seed = own_variable("SEED").map_or(0x5eed, |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut cases: Vec<Case> = Vec::new();
    let mut planned = 0;
    while planned < kills {
        let signal = [Signal::KILL, Signal::KILL, Signal::TERM, Signal::INT][random.usize(..4)];
        // Half of them in the long part of a resumed run, half at its start.
        let later = |random: &mut fastrand::Rng| {
            let range = [60, FILE_CHANGES][random.usize(..2)];
            At::Change(1 + random.usize(..range))
        };
        let first = At::Change(1 + random.usize(..FILE_CHANGES));
        let others = random.usize(..4);
        let moments: Vec<At> =
            std::iter::once(first).chain((0..others).map(|_| later(&mut random))).collect();
        planned += moments.len();
        let which = Try::ALL[random.usize(..3)];
        cases.push(Case { which, signal, moments, what: "random".into() });
    }
    let started = Instant::now();
    let (done, failures) = all(&cases, Duration::MAX);
    println!("{planned} kills planned in {done} days, seed {seed}, {:?}", started.elapsed());
    assert!(failures.is_empty(), "{} of {done}:{}", failures.len(), failures.concat());
}

//! The binary is killed wherever its journal has a record, and started again: what comes out is what an uninterrupted
//! run leaves, nothing is done twice, and no cent is forgotten. A GitHub and a bare git remote watch.
//!
//! The signal goes out as soon as the journal has its K-th line, so it lands at that record or a little behind it;
//! what is asserted holds wherever it lands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use regex::Regex;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::binary::{Finished, Pace, own_variable};
use crate::forge::fixture::git;
use crate::forge::{github, server::Server};
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::{scenarios_dir, shared_script};

/// What one call of the scripted model costs at least, US dollars.
const CALL: f64 = 0.0045;

/// A project whose origin is a bare repository, a GitHub, and a model that answers a repeated question again.
struct Site {
    project: Project,
    bare: PathBuf,
    api: Server<github::GitHub>,
    model: ModelServer,
}

/// What a day leaves, without the accidents of a run.
#[derive(Debug, PartialEq)]
struct Left {
    files: BTreeMap<String, String>,
    commits: String,
    pulls: usize,
    issues: usize,
    comments: usize,
    state: Value,
}

impl Site {
    fn new() -> Self {
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        let bare = project.home.join("bare");
        git(&project.home, &format!("clone -q --bare {} bare", project.dir.display()));
        git(&project.dir, &format!("remote add origin {}", bare.display()));
        // A person's own file, which no run may touch.
        project.write("notes.txt", "mine\n");
        let check = json!({
            "name": "test", "status": "completed", "conclusion": "success", "html_url": null, "details_url": null,
            "check_suite": {"id": 1}, "id": 1, "output": {"annotations_count": 0}, "pull_requests": [],
        });
        let forge = github::GitHub { check_runs: vec![check], ..Default::default() };
        let script = shared_script(&["prime", "forge", "gate", "sentinel", "scribe"]);
        Self { project, bare, api: Server::start(forge, ""), model: ModelServer::start_repeating(&script) }
    }

    fn pace(&self) -> Pace {
        Pace::new(&self.project.dir, &self.project.home).env(self.model.env(Protocol::Anthropic)).env([
            ("CI", "true"),
            ("DAY", "1"),
            ("PACE_TEST_COMMAND", "sh test.sh"),
            ("PACE_SANDBOX", "off"),
            ("PACE_MAX_RETRIES", "0"),
            ("PACE_CI_TIMEOUT", "1s"),
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_TOKEN", github::TOKEN),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_API_URL", self.api.url.as_str()),
            ("GITHUB_SERVER_URL", "https://github.example"),
            ("GITHUB_EVENT_NAME", "workflow_dispatch"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_OUTPUT", &self.project.home.join("output").display().to_string()),
            ("GITHUB_STEP_SUMMARY", &self.project.home.join("summary").display().to_string()),
        ])
    }

    /// Lines of the journal that is being written.
    fn records(&self) -> usize {
        let path = self.project.dir.join(".pace/.run/day-1/run-1.jsonl");
        std::fs::read(path).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count())
    }

    fn left(&self) -> Left {
        let branch = "pace/sprint";
        let mut files = BTreeMap::new();
        for path in git(&self.bare, &format!("ls-tree -r --name-only {branch}")).lines() {
            // The page with charts draws the costs.
            if path != ".pace/report.html" {
                files.insert(path.to_owned(), normal(&git(&self.bare, &format!("show {branch}:{path}"))));
            }
        }
        let head = git(&self.bare, &format!("rev-parse {branch}"));
        let forge = self.api.forge.lock().unwrap();
        let status = forge.statuses.iter().rev().find(|status| status["sha"] == head.as_str());
        Left {
            files,
            commits: git(&self.bare, &format!("log --format=%s main..{branch}")),
            pulls: forge.pulls.len(),
            issues: forge.issues.len(),
            comments: forge.comments.len(),
            state: status.map_or(Value::Null, |status| status["state"].clone()),
        }
    }

    fn attempts(&self) -> String {
        git(&self.bare, "show pace/sprint:.pace/day-1/attempts.yaml")
    }

    fn recorded_cost(&self) -> f64 {
        let attempts = self.attempts();
        let cost = Regex::new(r"cost_usd: ([0-9.]+)").unwrap();
        cost.captures_iter(&attempts).map(|found| found[1].parse::<f64>().unwrap()).sum()
    }

    fn calls(&self) -> usize {
        self.model.calls().values().sum()
    }
}

/// `text` without times, commits and amounts: a repeated call costs.
fn normal(text: &str) -> String {
    let rules = [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)?", "<time>"),
        (r"\b[0-9a-f]{7,40}\b", "<sha>"),
        (r"\$?\b\d+\.\d+x?\b ?(k|M|s|ms)?", "<amount>"),
        (r"\b\d+ model calls", "<amount> model calls"),
        (r"\| \d+ \| [\d.]+k? \| <amount>", "| <calls> | <tokens> | <amount>"),
        (r"127\.0\.0\.1:\d+", "<server>"),
    ];
    rules.iter().fold(text.to_owned(), |text, (pattern, word)| {
        Regex::new(pattern).unwrap().replace_all(&text, *word).into_owned()
    })
}

/// The day without interruption: what it leaves, its calls, its records, its cost.
struct Whole {
    left: Left,
    calls: usize,
    records: usize,
    cost: f64,
}

fn whole() -> Whole {
    let site = Site::new();
    let run = site.pace().run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    let left = site.left();
    assert_eq!((left.pulls, left.issues, &left.state), (1, 0, &json!("success")));
    assert_eq!(left.commits.lines().count(), 2, "{}", left.commits);
    Whole { left, calls: site.calls(), records: site.records(), cost: site.recorded_cost() }
}

/// Sends `signal` when the journal has grown by a `moment` of the list, a run each, then lets the day come to its end; what is not
/// as in `whole`.
fn broken(whole: &Whole, signal: Signal, moments: &[usize]) -> Vec<String> {
    let site = Site::new();
    let mut log = String::new();
    let mut hit = 0;
    for &moment in moments {
        let before = site.records();
        let run = site.pace().run_until(signal, || site.records() >= before + moment);
        log.push_str(&run.transcript());
        if run.code == 0 {
            break;
        }
        hit += 1;
        let problem = interrupted(&site, signal, &run);
        if !problem.is_empty() {
            return problem.into_iter().chain([log]).collect();
        }
    }
    let last = site.pace().run();
    log.push_str(&last.transcript());
    let mut problems = Vec::new();
    if last.code != 0 {
        return vec![format!("exit {}", last.code), log];
    }
    let left = site.left();
    for (path, text) in &whole.left.files {
        if left.files.get(path) != Some(text) {
            problems
                .push(format!("{path} differs:\n{text}\n--- after {hit} kills\n{:?}", left.files.get(path)));
        }
    }
    let beside =
        |left: &Left| (left.files.len(), left.commits.clone(), left.pulls, left.issues, left.comments);
    if beside(&left) != beside(&whole.left) || left.state != whole.left.state {
        problems.push(format!("{:?} instead of {:?}", beside(&left), beside(&whole.left)));
    }
    let repeated = site.calls().saturating_sub(whole.calls);
    if repeated > hit {
        problems.push(format!("{repeated} calls were made again after {hit} kills"));
    }
    #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
    let billed = whole.cost + repeated as f64 * CALL;
    if site.recorded_cost() < billed - 1e-9 {
        problems.push(format!("${} recorded, ${billed} billed", site.recorded_cost()));
    }
    if site.attempts().matches("run:").count() != 1 {
        problems.push(format!("attempts:\n{}", site.attempts()));
    }
    if site.project.read("notes.txt").as_deref() != Some("mine\n") {
        problems.push("a person's file was touched".into());
    }
    problems.extend(site.model.problems());
    if !problems.is_empty() {
        problems.push(log);
    }
    problems
}

/// What a run that `signal` ended must show.
fn interrupted(site: &Site, signal: Signal, run: &Finished) -> Vec<String> {
    let code = 128 + signal.as_raw();
    // A signal in the first milliseconds finds a process that does not listen yet, and has done nothing.
    let at_once = run.code == -signal.as_raw() && run.stdout.is_empty();
    if signal == Signal::KILL || at_once {
        return if run.code < 0 { vec![] } else { vec![format!("exit {} after SIGKILL", run.code)] };
    }
    if run.code != code {
        return vec![format!("exit {} instead of {code}", run.code)];
    }
    let outputs = std::fs::read_to_string(site.project.home.join("output")).unwrap_or_default();
    let mut problems = Vec::new();
    if !outputs.contains("ABORT") {
        problems.push(format!("outputs: {outputs:?}"));
    }
    let summary = std::fs::read_to_string(site.project.home.join("summary")).unwrap_or_default();
    if !summary.contains("no verdict") {
        problems.push(format!("summary: {summary:?}"));
    }
    let attempts = site.project.read(".pace/day-1/attempts.yaml").unwrap_or_default();
    if site.records() > 0 && !attempts.contains("interrupted") && !attempts.contains("outcome: SHIP") {
        problems.push(format!("attempts: {attempts:?}"));
    }
    problems
}

/// Runs `cases` on as many threads as there are cores.
fn all(cases: &[(Signal, Vec<usize>)], until: Duration) -> (usize, Vec<String>) {
    let (whole, next, started) = (whole(), AtomicUsize::new(0), Instant::now());
    let failures = Mutex::new(Vec::new());
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((signal, moments)) = cases.get(next.fetch_add(1, Ordering::SeqCst))
                    && started.elapsed() < until
                {
                    let problems = broken(&whole, *signal, moments);
                    done.fetch_add(1, Ordering::SeqCst);
                    if !problems.is_empty() {
                        let title = format!("\n===== {signal:?} at {moments:?} of {}", whole.records);
                        failures.lock().unwrap().push(format!("{title}\n{}", problems.join("\n")));
                    }
                }
            });
        }
    });
    (done.into_inner(), failures.into_inner().unwrap())
}

/// Records of the day that is killed here; more than the longest journal has.
const RECORDS: usize = 110;

#[test]
fn a_day_killed_at_any_record_ends_as_if_it_had_not_been() {
    // Every fifth boundary, with one of the signals; `just soak` gives every one of them every signal.
    let signals = [Signal::KILL, Signal::TERM, Signal::KILL, Signal::INT];
    let step = 5;
    let cases: Vec<_> =
        (1..RECORDS).step_by(step).map(|at| (signals[at / step % signals.len()], vec![at])).collect();
    let (_, failures) = all(&cases, Duration::MAX);
    assert!(failures.is_empty(), "{} of {}:{}", failures.len(), cases.len(), failures.concat());
}

/// `SOAK=1000` makes it that many; without it, as many of 20 as 30 seconds allow.
#[test]
fn random_kills_one_after_another_lose_nothing() {
    let (count, until) = match own_variable("SOAK") {
        Some(count) => (count.parse().unwrap(), Duration::MAX),
        None => (20, Duration::from_secs(30)),
    };
    let mut random = numbers(0x5eed);
    let mut cases: Vec<(Signal, Vec<usize>)> = Vec::new();
    let mut kills = 0;
    while kills < count {
        let signal = [Signal::KILL, Signal::KILL, Signal::TERM, Signal::INT][random(4)];
        let first = 1 + random(RECORDS);
        // The later ones, at the start of a run that resumes too.
        let moments: Vec<_> = std::iter::once(first).chain((0..random(4)).map(|_| random(30))).collect();
        kills += moments.len();
        cases.push((signal, moments));
    }
    if own_variable("SOAK").is_some() {
        for signal in [Signal::KILL, Signal::TERM, Signal::INT] {
            cases.extend((1..RECORDS).map(|at| (signal, vec![at])));
        }
    }
    let (done, failures) = all(&cases, until);
    assert!(failures.is_empty(), "{} of {done}:{}", failures.len(), failures.concat());
    assert!(done > 0);
}

/// The same numbers from the same seed, below the bound that is asked for.
fn numbers(mut state: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

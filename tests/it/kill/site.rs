//! What is killed: a project whose origin is a bare repository, a GitHub, and a model. Knows the three days that are
//! killed, and what a day leaves; not when it is killed.

use std::collections::BTreeMap;
use std::path::PathBuf;

use regex::Regex;
use serde_json::{Value, json};

use crate::binary::{Finished, Pace};
use crate::forge::fixture::git;
use crate::forge::{github, server::Server};
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::normal::apart_from_cost;
use crate::scenario::{scenarios_dir, shared_script};

const SHIPS: [&str; 5] = ["prime", "forge", "gate", "sentinel", "scribe"];
const HOLDS: [&str; 3] = ["prime", "forge-broken", "gate"];
const MENDS: [&str; 5] = ["prime", "forge-mend", "gate", "sentinel", "scribe"];

/// The day that is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Try {
    /// The first attempt, which ships.
    First,
    /// The first attempt, which is held: an issue is opened.
    Held,
    /// The second attempt, which ships after one that was held: the issue is closed.
    Retry,
}

impl Try {
    pub(super) const ALL: [Self; 3] = [Self::First, Self::Held, Self::Retry];

    pub(super) const fn code(self) -> i32 {
        if matches!(self, Self::Held) { 1 } else { 0 }
    }

    pub(super) const fn attempt(self) -> usize {
        if matches!(self, Self::Retry) { 2 } else { 1 }
    }
}

/// Everything around the runs of one case.
pub(super) struct Site {
    pub(super) project: Project,
    pub(super) bare: PathBuf,
    api: Server<github::GitHub>,
    pub(super) model: ModelServer,
    which: Try,
}

/// What a day leaves, without the accidents of a run.
#[derive(Debug, PartialEq)]
pub(super) struct Left {
    pub(super) files: BTreeMap<String, String>,
    pub(super) commits: String,
    pub(super) pulls: usize,
    /// Number of issues, and of those that are open.
    pub(super) issues: (usize, usize),
    pub(super) comments: usize,
    pub(super) state: Value,
}

impl Site {
    /// On the eve of the day.
    pub(super) fn new(which: Try) -> Self {
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        let bare = project.home.join("bare");
        git(&project.home, &format!("clone -q --bare {} bare", project.dir.display()));
        git(&project.dir, &format!("remote add origin {}", bare.display()));
        // A person's own file, which no run may touch.
        project.write("notes.txt", "mine\n");
        // A CI that waits for a person has its say at once; a green one is asked twice, a second apart.
        let conclusion = if which == Try::Retry { "success" } else { "action_required" };
        let check = json!({
            "name": "test", "status": "completed", "conclusion": conclusion, "html_url": null, "details_url": null,
            "check_suite": {"id": 1}, "id": 1, "output": {"annotations_count": 0}, "pull_requests": [],
        });
        let forge = github::GitHub { check_runs: vec![check], ..Default::default() };
        let script = shared_script(if which == Try::First { &SHIPS } else { &HOLDS });
        let model = ModelServer::start_repeating(&script);
        let site = Self { project, bare, api: Server::start(forge, ""), model, which };
        if which != Try::Retry {
            return site;
        }
        let held = site.pace().run();
        assert_eq!(held.code, 1, "{}", held.transcript());
        Self { model: ModelServer::start_repeating(&shared_script(&MENDS)), ..site }
    }

    pub(super) fn pace(&self) -> Pace {
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

    /// The journal of the attempt that is killed, as far as its lines are whole.
    pub(super) fn records(&self) -> Vec<Value> {
        let path = self.project.dir.join(format!(".pace/.run/day-1/run-{}.jsonl", self.which.attempt()));
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The end of that attempt is on record.
    pub(super) fn has_ended(&self) -> bool {
        self.records().last().is_some_and(|last| last["kind"] == "end")
    }

    pub(super) fn left(&self) -> Left {
        let branch = "pace/sprint";
        let mut files = BTreeMap::new();
        for path in git(&self.bare, &format!("ls-tree -r --name-only {branch}")).lines() {
            // The page with charts draws the costs.
            if path != ".pace/report.html" {
                files.insert(
                    path.to_owned(),
                    apart_from_cost(&git(&self.bare, &format!("show {branch}:{path}"))),
                );
            }
        }
        let head = git(&self.bare, &format!("rev-parse {branch}"));
        let forge = self.api.forge.lock().unwrap();
        let status = forge.statuses.iter().rev().find(|status| status["sha"] == head.as_str());
        Left {
            files,
            commits: git(&self.bare, &format!("log --format=%s main..{branch}")),
            pulls: forge.pulls.len(),
            issues: (
                forge.issues.len(),
                forge.issues.iter().filter(|issue| issue["state"] == "open").count(),
            ),
            comments: forge.comments.len(),
            state: status.map_or(Value::Null, |status| status["state"].clone()),
        }
    }

    pub(super) fn attempts(&self) -> String {
        git(&self.bare, "show pace/sprint:.pace/day-1/attempts.yaml")
    }

    pub(super) fn recorded_cost(&self) -> f64 {
        let attempts = self.attempts();
        let cost = Regex::new(r"cost_usd: ([0-9.]+)").unwrap();
        cost.captures_iter(&attempts).map(|found| found[1].parse::<f64>().unwrap()).sum()
    }

    /// Calls that the model answered on this day.
    pub(super) fn calls(&self) -> usize {
        self.model.calls().values().sum()
    }

    /// What the CI was told last.
    pub(super) fn outputs(&self) -> String {
        std::fs::read_to_string(self.project.home.join("output")).unwrap_or_default()
    }

    /// What a run that `signal` ended must have said.
    pub(super) fn farewell(&self, run: &Finished) -> Vec<String> {
        let mut problems = Vec::new();
        let outputs = self.outputs();
        if !outputs.contains("ABORT") {
            problems.push(format!("outputs: {outputs:?}"));
        }
        let summary = std::fs::read_to_string(self.project.home.join("summary")).unwrap_or_default();
        if !summary.contains("no verdict") {
            problems.push(format!("summary: {summary:?}"));
        }
        let attempts = self.project.read(".pace/day-1/attempts.yaml").unwrap_or_default();
        let booked = attempts.matches("run:").count() == self.which.attempt();
        if !self.records().is_empty() && !booked {
            problems.push(format!("attempts: {attempts:?}"));
        }
        if run.took > std::time::Duration::from_secs(60) {
            problems.push(format!("it took {:?} to leave", run.took));
        }
        problems
    }
}

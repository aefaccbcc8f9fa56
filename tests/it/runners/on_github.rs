//! The action and the reusable workflow under `act` against a GitHub on loopback: its API with its state behind the
//! validating proxy, and a real smart-HTTP git server with authentication. What a reviewer finds afterwards.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};

use super::act::{Act, job};
use super::{model_url, root, shipped};
use crate::binary::{Finished, PACE};
use crate::forge::fixture::git;
use crate::forge::{AGAIN, GitHubSite, SHIP, SHIP_OVER_BROKEN, github, held};
use crate::model_server::script::Script;
use crate::model_server::{KEY, ModelServer};
use crate::scenario::shared_script;

/// A day by hand or by the clock. Each run is a fresh runner: the engine copies the checkout, which stays on `main`.
const WORKFLOW: &str = r#"
on:
  schedule: [{cron: "17 6 * * 1-5"}]
  workflow_dispatch:
    inputs: {day: {required: true}, retry: {type: boolean, default: false}}
jobs:
  day:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - id: pace
        uses: acme/pace-action@v1
        with:
          day: ${{ inputs.day || 'auto' }}
          retry: ${{ inputs.retry }}
          binary: ${{ vars.BINARY }}
          llm-base-url: ${{ vars.MODEL }}
          anthropic-api-key: ${{ secrets.ANTHROPIC_API_KEY }}
          test-command: sh test.sh
          sandbox: "off"
          max-retries: 0
          ci-timeout: 1s
      - if: always()
        env:
          RESULTS: ${{ toJSON(steps.pace.outputs) }}
        run: |
          echo "outcome=${{ steps.pace.outcome }}"
          echo "results=$(printf %s "$RESULTS" | base64 -w0)."
"#;

#[test]
fn a_held_an_advisory_and_eight_shipped_runs_leave_one_review_and_one_closed_issue() {
    let site = site(WORKFLOW);
    let main = git(&site.bare, "rev-parse main");

    let day = play(&site, &held(), "workflow_dispatch", &dispatch("1", false));
    assert_eq!((day.code == 0, day.outcome()), (false, "failure"), "{}", day.finished.transcript());
    day.told(&[
        ("decision", "HOLD"),
        ("exit-code", "1"),
        ("day", "1"),
        ("pr-url", ""),
        ("branch", "pace/sprint"),
    ]);
    day.told(&[("issue-url", "https://github.example/o/r/issues/1")]);
    assert!(day.output("hold-reason").starts_with("GATE HOLD: exit code 1"), "{}", day.output("hold-reason"));
    assert!(day.summary.contains("HOLD") && day.summary.contains("```mermaid"), "{}", day.summary);
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 1));
        assert_eq!(
            (&forge.issues[0]["state"], &forge.issues[0]["labels"]),
            (&json!("open"), &json!(["pace-hold", "day-1"]))
        );
        assert_eq!(forge.statuses[0]["state"], "failure");
    });

    let mut advisory = SHIP_OVER_BROKEN;
    advisory[3] = "advisory-sentinel";
    let day = play(&site, &shared_script(&advisory), "workflow_dispatch", &dispatch("1", false));
    assert_eq!((day.code, day.outcome()), (0, "success"), "{}", day.finished.transcript());
    day.told(&[("decision", "ADVISORY"), ("exit-code", "10"), ("issue-url", ""), ("hold-reason", "")]);
    day.told(&[("pr-url", "https://github.example/o/r/pull/2"), ("report-file", ".pace/pace-summary.md")]);
    assert!(day.finished.stdout.contains("the day ships with concerns"), "{}", day.finished.transcript());
    assert!(day.summary.contains("advisory backlog"), "{}", day.summary);

    for _ in 0..8 {
        let day = play(&site, &shared_script(&AGAIN), "workflow_dispatch", &dispatch("1", true));
        assert_eq!((day.code, day.outcome()), (0, "success"), "{}", day.finished.transcript());
        day.told(&[
            ("decision", "SHIP"),
            ("exit-code", "0"),
            ("pr-url", "https://github.example/o/r/pull/2"),
        ]);
        assert!(day.output("tokens").parse::<u64>().unwrap() > 0 && day.output("cost-usd").starts_with("0."));
        let json: Value = serde_json::from_str(&day.output("json")).unwrap();
        assert_eq!((&json["decision"], &json["exit-code"]), (&json!("SHIP"), &json!(0)));
    }
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len(), forge.comments.len()), (1, 1, 0));
        assert_eq!(forge.issues[0]["state"], "closed");
        assert!(forge.pulls[0]["body"].as_str().unwrap().starts_with("<!-- pace:"));
        let head = git(&site.bare, "rev-parse pace/sprint");
        let set = |status: &&Value| status["sha"] == head.as_str() && status["state"] == "success";
        assert!(forge.statuses.iter().find(set).is_some());
    });
    assert_eq!(git(&site.bare, "rev-parse main"), main, "nothing was pushed to main");
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

#[test]
fn the_clock_runs_the_first_day_that_has_not_shipped() {
    let site = site(WORKFLOW);
    for (script, day, exit) in [(shared_script(&SHIP), "1", "0"), (shared_script(&["day-2"]), "2", "0")] {
        let ran = play(&site, &script, "schedule", "{}");
        assert_eq!((ran.code, ran.outcome()), (0, "success"), "{}", ran.finished.transcript());
        ran.told(&[("decision", "SHIP"), ("exit-code", exit), ("day", day)]);
    }
    site.with(|forge| assert_eq!((forge.pulls.len(), forge.issues.len()), (1, 0)));
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

/// The workflow as it ships: a day is held, and the label on its issue has it run again.
#[test]
fn the_label_on_a_held_days_issue_runs_it_again() {
    let text = std::fs::read_to_string(root().join(".github/workflows/pace.yml")).unwrap();
    // `act` knows no self-repository, and keeps no artifacts here.
    let (text, _) = text.split_once("      - name: Keep the records").unwrap();
    let text = text.replace(
        "uses: $/\n        with:\n",
        "uses: acme/pace-action@v1\n        with:\n          binary: ${{ vars.BINARY }}\n",
    );
    let (_, shown) = WORKFLOW.split_once("      - if: always()").unwrap();
    let site = site(&format!("{text}      - if: always(){shown}"));
    let first = play(&site, &held(), "workflow_dispatch", &dispatch("auto", false));
    first.told(&[("decision", "HOLD"), ("day", "1")]);
    let label = |name: &str, sender: &str| {
        let labels: Vec<_> = ["pace-hold", "day-1", name].map(|name| json!({"name": name})).into();
        json!({
            "action": "labeled", "label": {"name": name}, "issue": {"number": 1, "labels": labels},
            "repository": {"full_name": "o/r"}, "sender": {"login": sender, "type": "User"},
        })
        .to_string()
    };
    // A person who may not write starts nothing: neither the guard nor pace asks the model.
    let stranger = play(&site, &Script::default(), "issues", &label("pace-retry", "ada"));
    assert_ne!(stranger.code, 0, "{}", stranger.finished.transcript());
    site.with(|forge| forge.writers = vec!["ada".into()]);
    let again = play(&site, &shared_script(&SHIP_OVER_BROKEN), "issues", &label("pace-retry", "ada"));
    assert_eq!((again.code, again.outcome()), (0, "success"), "{}", again.finished.transcript());
    again.told(&[("decision", "SHIP"), ("day", "1"), ("pr-url", "https://github.example/o/r/pull/2")]);
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (1, 1));
        assert_eq!(forge.issues[0]["state"], "closed");
    });
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

fn site(workflow: &str) -> GitHubSite {
    GitHubSite::new(&[(".github/workflows/day.yml", workflow)])
}

fn dispatch(day: &str, retry: bool) -> String {
    json!({"inputs": {"day": day, "retry": retry.to_string()}}).to_string()
}

/// What a job showed.
struct Played {
    code: i32,
    finished: Finished,
    outputs: Value,
    /// The job summary.
    summary: String,
}

impl Played {
    fn outcome(&self) -> &str {
        self.finished
            .stdout
            .split("| outcome=")
            .nth(1)
            .map_or("", |rest| rest.lines().next().unwrap_or(""))
            .trim()
    }

    fn output(&self, name: &str) -> String {
        self.outputs[name].as_str().unwrap_or("absent").to_owned()
    }

    /// Asserts outputs of the step.
    fn told(&self, wanted: &[(&str, &str)]) {
        for (name, value) in wanted {
            assert_eq!(self.output(name), *value, "{name}: {}", self.finished.transcript());
        }
    }
}

/// What stands in base64 between `name` and a full stop.
fn decoded(text: &str, name: &str) -> String {
    use base64::Engine as _;
    let found = text.split(name).nth(1).and_then(|rest| rest.split('.').next()).unwrap_or_default();
    String::from_utf8(base64::engine::general_purpose::STANDARD.decode(found).unwrap_or_default()).unwrap()
}

/// Plays `event` with a model that says `script`.
fn play(site: &GitHubSite, script: &Script, event: &str, payload: &str) -> Played {
    let mut script = script.clone();
    // The project has a workflow, which CONDUIT looks at.
    script.replies.extend(shared_script(&["conduit"]).replies);
    let model = ModelServer::start(&script);
    // The runner takes a step's summary away when the step ends, and this engine shows it nowhere.
    let (program, summary) = (site.project.home.join("pace"), site.project.home.join("summary.md"));
    std::fs::write(
        &program,
        format!(
            "#!/bin/sh\n{PACE} \"$@\"\ncode=$?\ncp \"$GITHUB_STEP_SUMMARY\" {}\nexit $code\n",
            summary.display()
        ),
    )
    .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::write(&summary, "").unwrap();
    let [mut vars, env] = job(site, &program, &model);
    vars.push(("MODEL", model_url(&model)));
    let act = Act { token: github::TOKEN, vars: &vars, env: &env, ..Act::new(&site.project) };
    let finished = act.run(shipped().path(), event, payload);
    assert_eq!(model.problems(), [] as [&str; 0], "{}", finished.transcript());
    for secret in [KEY, github::TOKEN] {
        assert!(!finished.transcript().contains(secret), "a secret is in the log");
    }
    let outputs = serde_json::from_str(&decoded(&finished.stdout, "| results=")).unwrap_or_default();
    Played { code: finished.code, outputs, finished, summary: std::fs::read_to_string(summary).unwrap() }
}

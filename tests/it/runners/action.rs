//! `action.yml` and the reusable workflow under `act`, as `uses: acme/pace-action@v1`: whole days with the binary
//! under test, the download and its checksum, and what is green.

use std::fmt::Write as _;

use super::act::Act;
use super::web::Web;
use super::{greeter, model_url, root, seal, sha256, shipped};
use crate::binary::PACE;
use crate::model_server::{KEY, ModelServer, invariants};
use crate::project::Project;
use crate::scenario::shared_script;

pub(super) const CHECKOUT: &str = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1";

/// A day by hand, with the records shown afterwards.
const DISPATCH: &str = r#"
on:
  workflow_dispatch:
    inputs: {day: {required: true}}
jobs:
  day:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1
      - id: pace
        uses: acme/pace-action@v1
        with:
          day: ${{ inputs.day }}
          binary: ${{ vars.BINARY }}
          mirror: ${{ vars.MIRROR }}
          llm-base-url: ${{ vars.MODEL }}
          anthropic-api-key: ${{ secrets.ANTHROPIC_API_KEY }}
          test-command: sh test.sh
          sandbox: "off"
          platform: local
          push: "false"
      - if: always()
        env:
          RESULTS: ${{ toJSON(steps.pace.outputs) }}
        run: |
          echo "outcome=${{ steps.pace.outcome }}"
          echo "results=$RESULTS" | tr -d ' \n'
          ! test -e .pace/day-1/gate-report.yaml || cat .pace/day-1/gate-report.yaml
"#;

/// A program in the place of pace that tells what it was given and leaves what the test says.
pub(super) const STAND_IN: &str = r#"#!/bin/sh
echo "told: verb=$1 DAY=$DAY RETRY=$RETRY PACE_MODEL=$PACE_MODEL parent=$(cat /proc/$PPID/comm)"
[ -z "$LEAVES" ] || printf 'exit-code=%s\ndecision=%s\n' "$LEAVES" "$DECISION" >>"$GITHUB_OUTPUT"
exit "${CODE:-0}"
"#;

#[test]
fn a_dispatched_day_ships_with_a_binary_of_the_runner() {
    let model =
        ModelServer::start(&shared_script(&["prime", "forge", "gate", "sentinel", "conduit", "scribe"]));
    let project = greeter("github.invalid", &[workflow(DISPATCH)]);
    let vars = [("BINARY", PACE.to_owned()), ("MODEL", model_url(&model))];
    let act = Act { vars: &vars, ..Act::new(&project) };
    let finished = act.run(shipped().path(), "workflow_dispatch", r#"{"inputs": {"day": "1"}}"#);
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    for text in ["outcome=success", "gate_decision: SHIP", "[PACE] day 1: SHIP"] {
        assert!(finished.stdout.contains(text), "no {text}: {}", finished.transcript());
    }
    // As the binary left them, by the names under which the action hands them on.
    for output in [
        r#""decision":"SHIP""#,
        r#""exit-code":"0""#,
        r#""day":"1""#,
        r#""hold-reason":"""#,
        r#""branch":"pace/sprint""#,
        r#""report-file":".pace/pace-summary.md""#,
    ] {
        assert!(finished.stdout.contains(output), "no {output}: {}", finished.transcript());
    }
    assert_eq!(model.problems(), [] as [&str; 0]);
    assert_eq!(invariants::breaches(&model.exchanges(), &[KEY.to_owned()]), [] as [&str; 0]);
    assert!(!finished.transcript().contains(KEY), "the key is in the log");
}

#[test]
fn a_held_day_is_a_red_step() {
    let model = ModelServer::start(&shared_script(&["prime", "forge", "gate", "hold-sentinel"]));
    let project = greeter(
        "github.invalid",
        &[workflow(&DISPATCH.replace("push: \"false\"", "push: \"false\"\n          max-retries: 0"))],
    );
    let vars = [("BINARY", PACE.to_owned()), ("MODEL", model_url(&model))];
    let finished = Act { vars: &vars, ..Act::new(&project) }.run(
        shipped().path(),
        "workflow_dispatch",
        r#"{"inputs": {"day": "1"}}"#,
    );
    assert_ne!(finished.code, 0, "{}", finished.transcript());
    let outputs = [r#""decision":"HOLD""#, r#""exit-code":"1""#, r#""hold-reason":"SENTINELHOLD:"#];
    for text in ["outcome=failure", "gate_decision: SHIP", "[PACE] SENTINEL: HOLD"].into_iter().chain(outputs)
    {
        assert!(finished.stdout.contains(text), "no {text}: {}", finished.transcript());
    }
}

/// Prints how long a runner waits from the first byte that is asked for until the model is asked.
#[test]
fn a_download_runs_when_its_checksum_is_right() {
    let binary = std::fs::read(PACE).unwrap();
    let action = shipped();
    let name = seal(action.path(), &sha256(&binary));
    let mirror = Web::start([(format!("/v9.9.9/{name}"), binary)]);
    let model =
        ModelServer::start(&shared_script(&["prime", "forge", "gate", "sentinel", "conduit", "scribe"]));
    let project = greeter("github.invalid", &[workflow(DISPATCH)]);
    let vars = [("MIRROR", mirror.url()), ("MODEL", model_url(&model))];
    let act = Act { vars: &vars, ..Act::new(&project) };
    let finished = act.run(action.path(), "workflow_dispatch", r#"{"inputs": {"day": "1"}}"#);
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    assert!(finished.stdout.contains("gate_decision: SHIP"), "{}", finished.transcript());
    let (asked, first) = (mirror.asked(), model.exchanges());
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].authorization, "", "a mirror gets no credential");
    let cold = first[0].arrived.duration_since(asked[0].at);
    eprintln!("cold start of the action: {cold:?} from the download's request to the model's first");
}

#[test]
fn a_download_with_another_checksum_is_not_run() {
    let action = shipped();
    let name = seal(action.path(), &sha256(b"what was released"));
    let mirror = Web::start([(format!("/v9.9.9/{name}"), STAND_IN.into())]);
    let project = greeter("github.invalid", &[workflow(DISPATCH)]);
    let vars = [("MIRROR", mirror.url())];
    let act = Act { vars: &vars, ..Act::new(&project) };
    let day = r#"{"inputs": {"day": "1"}}"#;
    let finished = act.run_until_said("it is not run", action.path(), "workflow_dispatch", day);
    assert_ne!(finished.code, 0, "{}", finished.transcript());
    assert!(finished.stdout.contains(&sha256(STAND_IN.as_bytes())), "{}", finished.transcript());
    assert!(finished.stdout.contains("it is not run"), "{}", finished.transcript());
    assert!(!finished.stdout.contains("told:"), "{}", finished.transcript());
    assert!(!mirror.asked().is_empty());
}

#[test]
fn what_is_no_release_downloads_nothing() {
    let project = greeter("github.invalid", &[workflow(DISPATCH)]);
    let action = shipped();
    let none = "version none\nfrom none\n";
    std::fs::write(action.path().join("scripts/checksums.txt"), none).unwrap();
    let (said, day) = ("this commit is no release", r#"{"inputs": {"day": "1"}}"#);
    let finished = Act::new(&project).run_until_said(said, action.path(), "workflow_dispatch", day);
    assert_ne!(finished.code, 0);
    assert!(finished.stdout.contains(said), "{}", finished.transcript());
}

/// The last step alone decides on green; one job for each case.
#[test]
fn exit_codes_become_green_or_red() {
    // exit code, the output exit-code, the decision, fail-on, green?
    let cases = [
        ("0", "0", "SHIP", "hold", true),
        ("0", "", "", "hold", true),
        ("1", "1", "HOLD", "hold", false),
        ("2", "2", "", "hold", false),
        ("4", "4", "ADVISORY", "hold", false),
        ("10", "10", "ADVISORY", "hold", true),
        ("10", "10", "ADVISORY", "advisory", false),
        ("42", "42", "ADVISORY", "hold", true),
        ("11", "11", "", "hold", true),
        ("11", "11", "", "advisory", false),
        ("3", "", "", "hold", false),
        ("3", "0", "SHIP", "hold", false),
        ("0", "0", "SHIP", "sometimes", false),
    ];
    let mut jobs = String::from("on: workflow_dispatch\nenv: {PACE_MODEL: of-the-workflow}\njobs:\n");
    for (i, (code, leaves, decision, fail_on, _)) in cases.iter().enumerate() {
        write!(
            jobs,
            "  case-{i}:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: {CHECKOUT}\n      - uses: acme/pace-action@v1\n        env: {{CODE: \"{code}\", LEAVES: \"{leaves}\", DECISION: \"{decision}\"}}\n        with: {{binary: stand-in, day: 3, fail-on: {fail_on}}}\n",
        )
        .unwrap();
    }
    let project = greeter("github.invalid", &[workflow(&jobs), ("stand-in", STAND_IN)]);
    executable(&project, "stand-in");
    let finished = Act::new(&project).run(shipped().path(), "workflow_dispatch", "{}");
    for (i, (.., green)) in cases.iter().enumerate() {
        let verdict = if *green { "Job succeeded" } else { "Job failed" };
        let said = finished.stdout.lines().any(|l| l.contains(&format!("/case-{i}")) && l.contains(verdict));
        assert!(said, "{:?}: no {verdict}: {}", cases[i], finished.transcript());
    }
    // The shell has become pace: its parent is the runner, whose signals reach it. What an input leaves out comes
    // from the workflow's environment.
    let told = "told: verb=run DAY=3 RETRY= PACE_MODEL=of-the-workflow parent=act";
    assert!(finished.stdout.contains(told), "{}", finished.transcript());
}

/// The reusable workflow as it ships, by hand and by label, with a stand-in for pace.
#[test]
fn the_workflow_takes_its_day_from_the_dispatch_or_from_the_labels() {
    let text = std::fs::read_to_string(root().join(".github/workflows/pace.yml")).unwrap();
    // `act` knows no self-repository, and keeps no artifacts here.
    let text = text.replace(
        "uses: $/\n        with:\n",
        "uses: acme/pace-action@v1\n        with:\n          binary: stand-in\n",
    );
    let (text, _) = text.split_once("      - name: Keep the records").unwrap();
    assert!(text.contains("acme/pace-action@v1"));
    let project = greeter("github.invalid", &[(".github/workflows/day.yml", text), ("stand-in", STAND_IN)]);
    executable(&project, "stand-in");
    let permission = "/repos/acme/greeter/collaborators/ada/permission".to_owned();
    let forge = Web::start([(permission, br#"{"permission": "admin"}"#.to_vec())]);
    let labelled = |name: &str, labels: &str| {
        format!(
            r#"{{"action": "labeled", "label": {{"name": "{name}"}}, "issue": {{"number": 4, "labels": [{labels}]}}}}"#
        )
    };
    let held = r#"{"name": "pace-hold"}, {"name": "day-12"}, {"name": "pace-retry"}"#;
    let cases = [
        (
            "workflow_dispatch",
            r#"{"inputs": {"day": "3", "retry": "false"}}"#.to_owned(),
            Some("DAY=3 RETRY=false"),
        ),
        (
            "workflow_dispatch",
            r#"{"inputs": {"day": "auto", "retry": "true"}}"#.to_owned(),
            Some("DAY=auto RETRY=true"),
        ),
        ("issues", labelled("pace-retry", held), Some("DAY=12 RETRY=true")),
        ("issues", labelled("bug", held), None),
        ("issues", labelled("pace-retry", r#"{"name": "pace-retry"}"#), None),
        ("schedule", "{}".to_owned(), None),
    ];
    let action = shipped();
    for (event, payload, told) in cases {
        let env = [("GITHUB_API_URL", forge.url())];
        let act = Act { env: &env, ..Act::new(&project) };
        let finished = act.run_until_said(told.unwrap_or_default(), action.path(), event, &payload);
        let case = format!("{event} {payload}: {}", finished.transcript());
        assert_eq!(finished.code, 0, "{case}");
        match told {
            Some(told) => assert!(finished.stdout.contains(told), "{case}"),
            None => assert!(!finished.stdout.contains("told:"), "{case}"),
        }
    }
}

pub(super) fn workflow(text: &str) -> (&'static str, &str) {
    (".github/workflows/day.yml", text)
}

pub(super) fn executable(project: &Project, path: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.dir.join(path), mode).unwrap();
    project.commit_all("Make it a program");
}

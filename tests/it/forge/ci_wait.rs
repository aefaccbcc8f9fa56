//! The CI's word as whole days: a job that failed, one that does not end, one that is green; and test jobs that the branch
//! does not ask for.

use serde_json::json;

use super::{AGAIN, GitHubSite, GitLabSite, SHIP};
use crate::scenario::shared_script;

/// PRIME to GATE: what follows is not asked on a day that is held.
const HELD: [&str; 3] = ["prime", "forge", "gate"];
const HELD_AGAIN: [&str; 3] = ["prime", "forge-nothing", "gate"];

const WORKFLOW: &str = "name: ci\non: [push]\npermissions: {}\njobs:\n  test:\n    runs-on: ubuntu-24.04\n    steps:\n      \
                        - uses: actions/checkout@v4.2.2\n      - run: sh test.sh\n";

#[test]
fn a_red_job_holds_the_day_a_slow_one_waits_outside_and_a_green_one_ships() {
    let site = GitHubSite::new(&[]);
    site.with(|forge| forge.check_runs[0]["conclusion"] = json!("failure"));
    let red = site.run(&shared_script(&HELD), &[]);
    assert_eq!(red.code, 1, "{}", red.transcript());
    assert!(
        red.stdout.contains("[PACE] hold_reason: CI job test failed on the commit"),
        "{}",
        red.transcript()
    );
    let report = site.project.read(".pace/day-1/gate-report.yaml").unwrap();
    assert!(report.contains("gate_decision: HOLD") && report.contains("CI job test failed"), "{report}");
    let attempts = site.project.read(".pace/day-1/attempts.yaml").unwrap();
    assert!(attempts.contains("cause: code"), "{attempts}");

    site.with(|forge| {
        forge.check_runs[0]["status"] = json!("in_progress");
        forge.check_runs[0]["conclusion"] = json!(null);
    });
    let slow = site.run(&shared_script(&HELD_AGAIN), &[("PACE_MAX_RETRIES", "2")]);
    assert_eq!(slow.code, 1, "{}", slow.transcript());
    assert!(slow.stdout.contains("hold_reason: CI timed out waiting for test"), "{}", slow.transcript());
    let attempts = site.project.read(".pace/day-1/attempts.yaml").unwrap();
    assert!(attempts.contains("GATE HOLD: CI timed out waiting for") && attempts.contains("cause: outside"));
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 1));
        assert_eq!(forge.issues[0]["state"], "open");
    });

    site.with(|forge| {
        forge.check_runs[0]["status"] = json!("completed");
        forge.check_runs[0]["conclusion"] = json!("success");
    });
    let green = site.run(&shared_script(&AGAIN), &[]);
    assert_eq!(green.code, 0, "{}", green.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (1, 1));
        assert_eq!(forge.issues[0]["state"], "closed");
    });
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

#[test]
fn a_red_pipeline_on_gitlab_holds_the_day() {
    let site = GitLabSite::new(&[]);
    site.with(|forge| forge.pipelines[0]["status"] = json!("failed"));
    let red = site.run(&shared_script(&HELD), &[]);
    assert_eq!(red.code, 1, "{}", red.transcript());
    assert!(red.stdout.contains("[PACE] hold_reason: CI job "), "{}", red.transcript());
    site.with(|forge| forge.pipelines[0]["status"] = json!("success"));
    let green = site.run(&shared_script(&AGAIN), &[]);
    assert_eq!(green.code, 0, "{}", green.transcript());
    site.with(|forge| assert_eq!(forge.violations, Vec::<String>::new()));
}

#[test]
fn a_test_job_that_the_branch_does_not_require_is_a_concern() {
    let protected = |checks: &[&str]| {
        let checks = json!({"enforcement_level": "everyone", "contexts": checks, "checks": []});
        json!({"name": "main", "protected": true, "protection": {"enabled": true, "required_status_checks": checks}})
    };
    let files = [(".github/workflows/ci.yml", WORKFLOW)];
    let reviewed: Vec<&str> = SHIP.into_iter().chain(["conduit"]).collect();
    for (required, code) in [(&["lint"][..], 10), (&["lint", "test"], 0)] {
        let site = GitHubSite::new(&files);
        site.with(|forge| {
            forge.branch = protected(required);
            forge.rules = json!([]);
        });
        let ran = site.run(&shared_script(&reviewed), &[]);
        assert_eq!(ran.code, code, "{required:?}: {}", ran.transcript());
        let report = site.project.read(".pace/day-1/conduit-report.yaml").unwrap();
        assert_eq!(report.contains("result: ADVISORY"), code == 10, "{report}");
        let backlog = site.project.read(".pace/advisory-backlog.yaml").unwrap_or_default();
        assert_eq!(backlog.contains("agent: CONDUIT"), code == 10, "{backlog}");
        assert_eq!(site.prism.violations(), Vec::<String>::new());
    }
}

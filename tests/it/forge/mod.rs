//! The binary against forges with state: whole days that open and update one review, one hold issue, one status.
//! GitHub's side passes through a validating proxy, its pushes go to a real smart-HTTP git server with authentication.

mod ci_wait;
mod endpoints;
pub(crate) mod fixture;
#[expect(dead_code, clippy::expect_used, reason = "the crate's own tests use the rest")]
#[path = "../../../src/repo/tests/server.rs"]
mod git_bridge;
pub(crate) mod git_server;
pub(crate) mod github;
pub(crate) mod gitlab;
mod prism;
mod pushes;
mod sample;
#[expect(dead_code, reason = "the crate's own tests use the rest")]
pub(crate) mod server;
mod site;
mod stages;

use serde_json::json;

use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::scenario::shared_script;
use fixture::git;
pub(crate) use site::{GitHubSite, GitLabSite};

pub(crate) const SHIP: [&str; 5] = ["prime", "forge", "gate", "sentinel", "scribe"];
pub(crate) const AGAIN: [&str; 5] = ["prime", "forge-nothing", "gate", "sentinel", "scribe"];

#[test]
fn ten_days_on_github_leave_one_of_each_and_no_violation() {
    let site = GitHubSite::new(&[]);
    let held = site.run(&held(), &[]);
    assert_eq!(held.code, 1, "{}", held.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len(), forge.statuses.len()), (0, 1, 1));
        assert_eq!(
            (&forge.statuses[0]["state"], &forge.issues[0]["state"]),
            (&json!("failure"), &json!("open"))
        );
        assert_eq!(forge.issues[0]["labels"], json!(["pace-hold", "day-1"]));
        assert!(forge.issues[0]["body"].as_str().unwrap().contains("exit code 1"));
    });
    let issue = site.project.read(".pace/day-1/escalation-issue.md").unwrap();
    assert!(issue.starts_with("https://github.example/o/r/issues/1"), "{issue}");
    let shipped = site.run(&shared_script(&SHIP_OVER_BROKEN), &[]);
    assert_eq!(shipped.code, 0, "{}", shipped.transcript());
    for _ in 0..8 {
        let again = site.run(&shared_script(&AGAIN), &[("RETRY", "true")]);
        assert_eq!(again.code, 0, "{}", again.transcript());
        assert!(!again.stdout.contains("not everything was published"), "{}", again.transcript());
    }
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len(), forge.comments.len()), (1, 1, 0));
        assert_eq!(forge.issues[0]["state"], "closed");
        assert_eq!(
            (&forge.pulls[0]["draft"], &forge.pulls[0]["base"]["ref"]),
            (&json!(true), &json!("main"))
        );
        let head = git(&site.bare, "rev-parse pace/sprint");
        assert!(
            forge
                .statuses
                .iter()
                .any(|status| status["sha"] == head.as_str() && status["state"] == "success")
        );
    });
    let review = site.project.read(".pace/day-1/review-pr.md").unwrap();
    assert!(review.starts_with("https://github.example/o/r/pull/2\n"), "{review}");
    assert_eq!(site.prism.violations(), Vec::<String>::new());
    assert!(site.prism.requests() > 100, "{} requests", site.prism.requests());
}

#[test]
fn an_outage_of_the_api_leaves_the_verdict_and_a_compare_link() {
    let site = GitHubSite::new(&[]);
    let no = server::Reply::says(403, "Resource not accessible by integration");
    site.api.fail("POST", "/pulls", server::Harm::Answer(no.clone()), usize::MAX);
    site.api.fail("POST", "/labels", server::Harm::Answer(no), usize::MAX);
    let finished = site.run(&shared_script(&SHIP), &[]);
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    let last = finished.stdout.lines().find(|line| line.contains("SHIP stands")).unwrap();
    assert!(last.contains("pull-requests: write"), "{last}");
    let review = site.project.read(".pace/day-1/review-pr.md").unwrap();
    assert!(review.starts_with("Not opened yet. Open it here: http"), "{review}");
    assert!(review.contains("/o/r/compare/main...pace%2Fsprint?expand=1"), "{review}");
    assert!(git(&site.bare, "log -1 --format=%B pace/sprint").contains("Pace-Day: 1"));
}

#[test]
fn strangers_and_own_pushes_cost_nothing() {
    let site = GitHubSite::new(&[]);
    let event = site.project.home.join("event.json");
    let payload = json!({"repository": {"full_name": "o/r"}, "sender": {"login": "eve", "type": "User"}});
    std::fs::write(&event, payload.to_string()).unwrap();
    let labelled = [
        ("GITHUB_EVENT_NAME", "issues"),
        ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
        ("GITHUB_ACTOR", "eve"),
    ];
    let refused = site.run(&Script::default(), &labelled);
    assert_eq!(refused.code, 2, "{}", refused.transcript());
    assert!(refused.stderr.contains("eve, who has no write access"), "{}", refused.transcript());
    site.with(|forge| forge.writers = vec!["eve".into()]);
    let admitted = site.run(&shared_script(&SHIP), &labelled);
    assert_eq!(admitted.code, 0, "{}", admitted.transcript());
    let own = site.run(
        &Script::default(),
        &[
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_REF", "refs/heads/pace/sprint"),
            ("GITHUB_REF_NAME", "pace/sprint"),
        ],
    );
    assert_eq!(own.code, 11, "{}", own.transcript());
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

#[test]
fn a_person_who_pushes_meanwhile_is_merged_and_judged() {
    let site = GitHubSite::new(&[]);
    let first = site.run(&shared_script(&SHIP), &[]);
    assert_eq!(first.code, 0, "{}", first.transcript());
    // The person's commit arrives while the run waits for the CI, after its own fetch.
    let clone = site.project.home.join("clone");
    git(&site.project.home, &format!("clone -q -b pace/sprint {} clone", site.bare.display()));
    std::fs::write(clone.join("NOTES.md"), "A person's note\n").unwrap();
    git(&clone, "add NOTES.md");
    git(&clone, "commit -qm note");
    let (bare, pushed) = (site.bare.clone(), std::sync::atomic::AtomicBool::new(false));
    let hook = move || {
        if !pushed.swap(true, std::sync::atomic::Ordering::SeqCst) {
            git(&clone, &format!("push -q {} pace/sprint", bare.display()));
        }
    };
    site.with(|forge| forge.on_checks = Some(Box::new(hook)));
    let mut script = shared_script(&AGAIN);
    script.replies.extend(shared_script(&["gate", "sentinel"]).replies);
    let second = site.run(&script, &[("RETRY", "true")]);
    assert_eq!(second.code, 0, "{}", second.transcript());
    assert!(
        second.stdout.contains("Others pushed to pace/sprint meanwhile: merged as"),
        "{}",
        second.transcript()
    );
    let paths = git(&site.bare, "ls-tree --name-only pace/sprint");
    assert!(paths.contains("NOTES.md"), "{paths}");
    assert_eq!(git(&site.bare, "log --merges --format=%s pace/sprint").lines().count(), 1);
}

#[test]
fn check_names_what_the_token_may_not() {
    let site = GitHubSite::new(&[]);
    let good = site.pace(&ModelServer::start(&Script::default()), &[]).args(["check"]).run();
    assert!(good.stdout.contains("may open pull requests"), "{}", good.transcript());
    let no = server::Reply::says(403, "Resource not accessible by integration");
    site.api.fail("POST", "/issues", server::Harm::Answer(no), usize::MAX);
    let bad = site.pace(&ModelServer::start(&Script::default()), &[]).args(["check"]).run();
    assert_eq!(bad.code, 2, "{}", bad.transcript());
    assert!(bad.stdout.contains("issues: write"), "{}", bad.transcript());
    assert_eq!(site.prism.violations(), Vec::<String>::new());
    let wrong = site.pace(&ModelServer::start(&Script::default()), &[("GITHUB_TOKEN", "ghs_wrong")]);
    let wrong = wrong.args(["check"]).run();
    assert!(wrong.stdout.contains("GITHUB_TOKEN is invalid"), "{}", wrong.transcript());
}

#[test]
fn days_on_gitlab_leave_one_of_each_and_no_violation() {
    let site = GitLabSite::new(&[]);
    let first = site.run(&held(), &[]);
    assert_eq!(first.code, 1, "{}", first.transcript());
    let second = site.run(&shared_script(&SHIP_OVER_BROKEN), &[]);
    assert_eq!(second.code, 0, "{}", second.transcript());
    for _ in 0..3 {
        let again = site.run(&shared_script(&AGAIN), &[("RETRY", "true")]);
        assert_eq!(again.code, 0, "{}", again.transcript());
        assert!(!again.stdout.contains("not everything was published"), "{}", again.transcript());
    }
    site.with(|forge| {
        assert_eq!((forge.merge_requests.len(), forge.issues.len(), forge.notes.len()), (1, 1, 1));
        assert_eq!(forge.issues[0]["state"], "closed");
        assert!(forge.merge_requests[0]["title"].as_str().unwrap().starts_with("Draft: "));
        let note = forge.notes[0]["body"].as_str().unwrap();
        assert!(note.contains(":summary sha256:") && note.contains("Attempt 5"), "{note}");
        assert_eq!(forge.violations, Vec::<String>::new());
    });
}

/// FORGE finds the broken tree of [`held`] and writes the good one over it.
pub(crate) const SHIP_OVER_BROKEN: [&str; 5] = ["prime", "forge-mend", "gate", "sentinel", "scribe"];

/// A day that GATE holds, for its tests fail.
pub(crate) fn held() -> Script {
    let mut script = shared_script(&["prime", "forge-broken"]);
    let gate = "
replies:
  - agent: GATE
    calls:
      - name: submit_report
        input:
          criteria_results:
            - {criterion: \"greet NAME prints Hello, NAME\", result: FAIL, evidence: \"not ok 1 - greets by name\"}
            - {criterion: \"greet without a name still prints Hello\", result: FAIL, evidence: \"not ok 2\"}
          blockers: [\"greet forgets the comma\"]
          deferred: []
          hold_reason: \"greet.sh must print a comma between Hello and the name.\"
";
    script.replies.extend(Script::parse(gate).unwrap().replies);
    script
}

//! Every endpoint that the binary asks, from whole runs, with nothing that the forges' descriptions do not allow.

use std::collections::BTreeSet;

use serde_json::json;

use super::{AGAIN, GitHubSite, GitLabSite, SHIP_OVER_BROKEN, held};
use crate::binary::Finished;
use crate::model_server::script::Script;
use crate::scenario::shared_script;

/// What the binary asks GitHub, by the names that GitHub's description gives the parts of a path.
const GITHUB: [&str; 21] = [
    "DELETE /repos/o/r/issues/N/labels/pace-hold",
    "GET /repos/o/r",
    "GET /repos/o/r/actions/runs",
    "GET /repos/o/r/branches/pace/sprint",
    "GET /repos/o/r/collaborators/eve/permission",
    "GET /repos/o/r/commits/REF/check-runs",
    "GET /repos/o/r/commits/REF/status",
    "GET /repos/o/r/issues",
    "GET /repos/o/r/issues/N/comments",
    "GET /repos/o/r/labels/NAME",
    "GET /repos/o/r/pulls",
    "GET /repos/o/r/pulls/N/reviews",
    "GET /repos/o/r/rules/branches/pace/sprint",
    "PATCH /repos/o/r/issues/N",
    "PATCH /repos/o/r/issues/comments/N",
    "PATCH /repos/o/r/pulls/N",
    "POST /repos/o/r/issues",
    "POST /repos/o/r/issues/N/comments",
    "POST /repos/o/r/issues/N/labels",
    "POST /repos/o/r/labels",
    "POST /repos/o/r/pulls",
];

/// The same of GitLab.
const GITLAB: [&str; 20] = [
    "GET /projects/7",
    "GET /projects/7/issues",
    "GET /projects/7/issues/N/notes",
    "GET /projects/7/labels",
    "GET /projects/7/merge_requests",
    "GET /projects/7/merge_requests/N/approvals",
    "GET /projects/7/merge_requests/N/notes",
    "GET /projects/7/pipelines",
    "GET /projects/7/repository/branches/pace/sprint",
    "GET /projects/7/repository/commits/REF",
    "GET /projects/7/repository/commits/REF/statuses",
    "POST /projects/7/issues",
    "POST /projects/7/issues/N/notes",
    "POST /projects/7/labels",
    "POST /projects/7/merge_requests",
    "POST /projects/7/merge_requests/N/notes",
    "PUT /projects/7/issues/N",
    "PUT /projects/7/issues/N/notes/N",
    "PUT /projects/7/merge_requests/N",
    "PUT /projects/7/merge_requests/N/notes/N",
];

/// A day that is let go only by a person, so that reviews are read.
fn plan() -> String {
    let plan =
        std::fs::read_to_string(crate::scenario::scenarios_dir().join("_trees/shell/plan.yaml")).unwrap();
    plan.replacen("    status: pending\n", "    status: pending\n    human_gate: true\n", 1)
}

#[test]
fn every_endpoint_of_github_is_asked_within_its_description() {
    let site = GitHubSite::new(&[("plan.yaml", &plan())]);
    let rewrite = |pulls: bool| {
        site.with(|forge| {
            let item = if pulls { &mut forge.pulls[0] } else { &mut forge.issues[0] };
            item["body"] = json!(item["body"].as_str().unwrap().replace('#', "A person's #"));
        });
    };
    life(|script, more| site.run(script, more), rewrite);
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len(), forge.comments.len()), (1, 1, 2));
        assert_eq!((&forge.issues[0]["state"], &forge.pulls[0]["labels"]), (&json!("closed"), &json!([])));
        forge.writers = vec!["eve".into()];
        forge.reviews = vec![json!({
            "number": forge.pulls[0]["number"], "state": "APPROVED", "commit_id": "a".repeat(40),
            "author_association": "MEMBER", "user": {"id": 1},
        })];
    });
    let event = site.project.home.join("event.json");
    let payload = json!({"repository": {"full_name": "o/r"}, "sender": {"login": "eve", "type": "User"}});
    std::fs::write(&event, payload.to_string()).unwrap();
    let waits = site.run(
        &Script::default(),
        &[
            ("DAY", "2"),
            ("GITHUB_EVENT_NAME", "issues"),
            ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
            ("GITHUB_ACTOR", "eve"),
        ],
    );
    assert_eq!(waits.code, 11, "{}", waits.transcript());
    let mut wanted: BTreeSet<String> = GITHUB.map(str::to_owned).into();
    wanted.insert("POST /repos/o/r/statuses/REF".into());
    assert_eq!(asked(&site.api.log()), wanted);
    assert_eq!(site.prism.violations(), Vec::<String>::new());
    eprintln!("{} requests of {} kinds passed GitHub's description", site.prism.requests(), wanted.len());
}

#[test]
fn every_endpoint_of_gitlab_is_asked_within_its_descriptions() {
    let site = GitLabSite::new(&[("plan.yaml", &plan())]);
    let rewrite = |reviews: bool| {
        site.with(|forge| {
            let item = if reviews { &mut forge.merge_requests[0] } else { &mut forge.issues[0] };
            item["description"] = json!(item["description"].as_str().unwrap().replace('#', "A person's #"));
        });
    };
    life(|script, more| site.run(script, more), rewrite);
    site.with(|forge| {
        // The day's note, and one each for the two texts that a person took over.
        assert_eq!((forge.merge_requests.len(), forge.issues.len(), forge.notes.len()), (1, 1, 3));
        assert_eq!(forge.issues[0]["state"], "closed");
        assert_eq!(forge.merge_requests[0]["labels"], json!([]));
        forge.approved_by = vec![json!({"approved_at": "2026-01-01T00:00:00Z"})];
    });
    let waits = site.run(&Script::default(), &[("DAY", "2")]);
    assert_eq!(waits.code, 11, "{}", waits.transcript());
    let mut wanted: BTreeSet<String> = GITLAB.map(str::to_owned).into();
    wanted.insert("POST /projects/7/statuses/REF".into());
    assert_eq!(asked(&site.api.log()), wanted);
    site.with(|forge| assert_eq!(forge.violations, Vec::<String>::new()));
}

/// A day is held, ships, is rewritten by people, held again with the review open, and ships once more.
fn life(run: impl Fn(&Script, &[(&str, &str)]) -> Finished, rewrite: impl Fn(bool)) {
    let again = [("RETRY", "true")];
    let day = |script: Script, more: &[(&str, &str)], code: i32| {
        let finished = run(&script, more);
        assert_eq!(finished.code, code, "{}", finished.transcript());
        assert!(!finished.stdout.contains("not everything was published"), "{}", finished.transcript());
    };
    day(held(), &[], 1);
    day(shared_script(&SHIP_OVER_BROKEN), &[], 0);
    day(shared_script(&AGAIN), &again, 0);
    rewrite(true);
    day(shared_script(&AGAIN), &again, 0);
    rewrite(false);
    day(shared_script(&["prime", "forge-nothing", "gate", "hold-sentinel"]), &again, 1);
    day(shared_script(&["prime", "forge-nothing", "gate", "hold-sentinel"]), &again, 1);
    day(shared_script(&AGAIN), &again, 0);
}

/// Kinds of requests: numbers and names of commits as one word each.
fn asked(log: &[String]) -> BTreeSet<String> {
    let kind = |line: &String| {
        let (call, _) = line.rsplit_once(' ').unwrap();
        let parts = call.split('/').enumerate().map(|(at, part)| match part {
            "7" if at == 2 => "7",
            part if part.len() == 40 || part == "main" => "REF",
            part if part.bytes().all(|b| b.is_ascii_digit()) && !part.is_empty() => "N",
            part => part,
        });
        let kind = parts.collect::<Vec<_>>().join("/");
        kind.split_once("/labels/")
            .filter(|_| kind.starts_with("GET"))
            .map_or(kind.clone(), |(to, _)| format!("{to}/labels/NAME"))
    };
    log.iter().map(kind).collect()
}

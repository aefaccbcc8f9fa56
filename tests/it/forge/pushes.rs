//! Pushes that the forge does not take, seen from outside: what the run says, what it costs, what it leaves.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use serde_json::json;

use super::fixture::git;
use super::{AGAIN, GitHubSite, GitLabSite, SHIP};
use crate::binary::Pace;
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::scenario::shared_script;

#[test]
fn a_token_that_may_only_read_costs_nothing() {
    let (github, gitlab) = (GitHubSite::new(&[]), GitLabSite::new(&[]));
    git(&github.bare, "config http.receivepack false");
    git(&gitlab.bare, "config http.receivepack false");
    let job = [("GITLAB_TOKEN", super::gitlab::JOB_TOKEN), ("CI_JOB_TOKEN", super::gitlab::JOB_TOKEN)];
    for (run, mend) in [
        (github.run(&Script::default(), &[]), "needs write access to the repository's contents"),
        (gitlab.run(&Script::default(), &[]), "needs write access to the repository's contents"),
        (gitlab.run(&Script::default(), &job), "CI_JOB_TOKEN may push only where the project allows it"),
    ] {
        assert_eq!(run.code, 2, "{}", run.transcript());
        assert!(run.stderr.contains(mend) && run.stderr.contains("HTTP 403"), "{}", run.transcript());
    }
    github.with(|forge| assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 0)));
}

/// The verdict is taken back, the rule and its mend are named, and what was done stays on this machine.
#[test]
fn a_rule_of_the_branch_is_named_and_takes_the_verdict_back() {
    for (said, mend) in [
        (
            "error: GH013: Repository rule violations found for refs/heads/pace/sprint. - Commits must have verified signatures.",
            "the branch requires signed commits",
        ),
        (
            "GitLab: You are not allowed to push code to protected branches on this project.",
            "the branch is protected: let pace's token push to it, or set PACE_BRANCH",
        ),
    ] {
        let site = GitHubSite::new(&[]);
        // A rule for branches: references of pace's own are none.
        let rule = format!(
            "while read old new ref; do case $ref in refs/heads/pace/*) echo '{said}' >&2; exit 1;; esac; done"
        );
        hook(&site.bare, &rule);
        let run = site.run(&shared_script(&SHIP[..2]), &[]);
        assert_eq!(run.code, 4, "{}", run.transcript());
        assert!(run.stderr.contains(said) && run.stderr.contains(mend), "{}", run.transcript());
        assert!(!run.transcript().contains(super::github::TOKEN), "{}", run.transcript());
        assert_eq!(git(&site.bare, "for-each-ref --format=%(refname) refs/heads"), "refs/heads/main");
        assert!(site.project.log().contains("Pace-Day: 1"), "FORGE's commit stays");
        site.with(|forge| assert_eq!((forge.pulls.len(), forge.statuses.len()), (0, 0)));
    }
}

/// What the forge shows is said before anything is paid for, and by `check` without a run.
#[test]
fn rules_that_can_be_read_are_named_beforehand() {
    let github = GitHubSite::new(&[]);
    github.with(|forge| {
        forge.other_rules = json!([
            {"type": "required_signatures", "ruleset_id": 7, "ruleset_source": "o/r", "ruleset_source_type": "Repository"},
        ]);
    });
    let signed = "rules of pace/sprint may refuse the push: it takes signed commits only";
    let check = |pace: Pace| pace.args(["check"]).run();
    let none = ModelServer::start(&Script::default());
    let checked = check(github.pace(&none, &[]));
    assert!(checked.stdout.contains(signed), "{}", checked.transcript());
    assert_eq!(checked.code, 0, "the token may be exempt: {}", checked.transcript());
    // So the run goes on, and the push decides.
    let ran = github.run(&shared_script(&SHIP), &[]);
    assert_eq!(ran.code, 0, "{}", ran.transcript());
    assert!(ran.stdout.contains(signed), "{}", ran.transcript());
    assert_eq!(github.prism.violations(), Vec::<String>::new());

    let gitlab = GitLabSite::new(&[]);
    gitlab.with(|forge| forge.branch = json!({"name": "pace/sprint", "protected": true, "can_push": false}));
    let refused = "pace/sprint is protected and GITLAB_TOKEN's role may not push to it";
    let checked = check(gitlab.pace(&none, &[]));
    assert_eq!(checked.code, 2, "{}", checked.transcript());
    assert!(checked.stdout.contains(refused), "{}", checked.transcript());
    let ran = gitlab.run(&Script::default(), &[]);
    assert_eq!(ran.code, 2, "{}", ran.transcript());
    assert!(ran.stderr.contains(refused), "{}", ran.transcript());
    // Nothing is asked where nothing is pushed.
    let kept = gitlab.run(&shared_script(&SHIP), &[("PACE_PUSH", "false")]);
    assert_eq!(kept.code, 0, "{}", kept.transcript());
    gitlab.with(|forge| assert_eq!(forge.violations, Vec::<String>::new()));
}

#[test]
fn check_names_a_token_that_may_only_read_and_a_shallow_clone() {
    let site = GitHubSite::new(&[]);
    git(&site.bare, "config http.receivepack false");
    git(&site.project.dir, "commit -q --allow-empty -m second");
    git(&site.project.dir, &format!("push -q {} main", site.bare.display()));
    let from = format!("file://{}", site.bare.display());
    git(&site.project.home, &format!("clone -q --depth 1 -b main {from} shallow"));
    let shallow = site.project.home.join("shallow");
    git(&shallow, &format!("remote set-url origin {}/o/r", site.git_url()));
    let none = ModelServer::start(&Script::default());
    let checked = site.pace(&none, &[]).at(&shallow).args(["check"]).run();
    assert_eq!(checked.code, 2, "{}", checked.transcript());
    for said in [
        "needs write access to the repository's contents",
        "this is a shallow clone",
        "pace/sprint, reviewed against main",
    ] {
        assert!(checked.stdout.contains(said), "no {said}: {}", checked.transcript());
    }
}

#[test]
fn a_branch_that_moves_on_and_on_ends_the_run_after_three_merges() {
    let site = GitHubSite::new(&[]);
    let first = site.run(&shared_script(&SHIP), &[]);
    assert_eq!(first.code, 0, "{}", first.transcript());
    let home = site.project.home.clone();
    git(&home, &format!("clone -q -b pace/sprint {} clone", site.bare.display()));
    let (bare, pushed) = (site.bare.clone(), Mutex::new(0));
    // Whenever the run looks at the CI of what it pushed, a person has pushed again.
    let hook = move || {
        let clone = home.join("clone");
        let mut pushed = pushed.lock().unwrap();
        *pushed += 1;
        git(&clone, "pull -q --no-rebase");
        std::fs::write(clone.join("NOTES.md"), format!("note {pushed}\n")).unwrap();
        git(&clone, "add NOTES.md");
        git(&clone, "commit -qm note");
        git(&clone, &format!("push -q {} pace/sprint", bare.display()));
    };
    site.with(|forge| forge.on_checks = Some(Box::new(hook)));
    let mut script = shared_script(&AGAIN);
    for _ in 0..3 {
        script.replies.extend(shared_script(&["gate", "sentinel"]).replies);
    }
    let model = ModelServer::start(&script);
    let run = site.pace(&model, &[("RETRY", "true")]).run();
    assert_eq!(run.code, 4, "{}", run.transcript());
    assert!(run.stderr.contains("moved on more than 3 times"), "{}", run.transcript());
    assert_eq!(model.problems(), Vec::<String>::new(), "{}", run.transcript());
    assert_eq!(model.calls()["GATE"], 4, "judged once, and again after each of three merges");
    assert!(git(&site.bare, "log -1 --format=%s pace/sprint") == "note", "nothing was forced");
}

#[test]
fn a_review_that_pace_itself_updated_is_not_answered() {
    let site = GitHubSite::new(&[]);
    let first = site.run(&shared_script(&SHIP), &[]);
    assert_eq!(first.code, 0, "{}", first.transcript());
    // As CI checks a pull request out: a trial merge, HEAD detached.
    git(&site.project.dir, "checkout -q --force --detach main");
    git(&site.project.dir, "merge -q --no-ff -m trial pace/sprint");
    let event = site.project.home.join("event.json");
    let told = |action: &str| {
        let pull = json!({"number": 2, "head": {"repo": {"full_name": "o/r"}}});
        let payload = json!({
            "action": action, "repository": {"full_name": "o/r"}, "sender": {"login": "ada", "type": "User"},
            "pull_request": pull,
        });
        std::fs::write(&event, payload.to_string()).unwrap();
        site.run(
            &Script::default(),
            &[
                ("GITHUB_EVENT_NAME", "pull_request"),
                ("GITHUB_EVENT_PATH", event.to_str().unwrap()),
                ("GITHUB_ACTOR", "ada"),
                ("GITHUB_REF", "refs/pull/2/merge"),
                ("GITHUB_HEAD_REF", "pace/sprint"),
            ],
        )
    };
    let own = told("synchronize");
    assert_eq!(own.code, 11, "{}", own.transcript());
    assert!(own.stdout.contains("started by pace's own push"), "{}", own.transcript());
    // A person who labels it is asked for, and ada may not write here.
    let labelled = told("labeled");
    assert_eq!(labelled.code, 2, "{}", labelled.transcript());
}

/// The git server refuses the day once: the next run pushes what is there, and asks no model for what was done.
#[test]
fn a_refused_push_is_made_again_and_nothing_else() {
    let site = GitHubSite::new(&[]);
    hook(&site.bare, "while read old new ref; do case $ref in refs/heads/*) exit 1;; esac; done");
    let whole = shared_script(&SHIP);
    let mut first = whole.clone();
    first.replies.truncate(8);
    let refused = site.run(&first, &[]);
    assert_eq!(refused.code, 4, "{}", refused.transcript());
    std::fs::remove_file(site.bare.join("hooks/pre-receive")).unwrap();
    let mut rest = whole;
    rest.replies.drain(..8);
    let run = site.run(&rest, &[]);
    assert_eq!(run.code, 0, "{}", run.transcript());
    assert!(run.stdout.contains("Resuming attempt 1 at"), "{}", run.transcript());
    assert!(git(&site.bare, "log -1 --format=%B pace/sprint").contains("Pace-Day: 1"));
}

fn hook(bare: &Path, script: &str) {
    let path = bare.join("hooks/pre-receive");
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

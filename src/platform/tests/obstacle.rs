//! Rules that a push would meet, in the forges' own shapes; what may not be read is no obstacle.

use serde_json::{Value, json};

use super::{Bench, described, fake_github, fake_gitlab, sample, server};
use crate::platform::Obstacle;

async fn github(branch: Value, rules: Value) -> Option<Obstacle> {
    let description = Some(sample::Description(described("github-rest.openapi")));
    let forge =
        fake_github::GitHub { description, other_branch: branch, other_rules: rules, ..Default::default() };
    Bench::github_with(forge).platform.access.obstacle("pace/sprint").await
}

fn rules(kinds: &[&str]) -> Value {
    kinds.iter().map(|kind| json!({"type": kind, "ruleset_id": 7})).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn github_names_every_rule_that_pace_cannot_keep() {
    let there = json!({"name": "pace/sprint", "protected": false});
    for (kind, is_there, said) in [
        ("required_signatures", true, Some("signed commits only")),
        ("pull_request", true, Some("through pull requests only")),
        ("merge_queue", true, Some("merge queue")),
        ("update", true, Some("nobody may push")),
        ("creation", false, Some("nobody may make it")),
        ("creation", true, None),
        ("required_linear_history", true, Some("no merge commits")),
        ("required_status_checks", true, Some("after their checks have passed")),
        ("commit_message_pattern", true, Some("PACE_TEMPLATES_DIR")),
        ("commit_author_email_pattern", true, Some("PACE_GIT_EMAIL")),
        ("committer_email_pattern", true, Some("PACE_GIT_EMAIL")),
        ("branch_name_pattern", false, Some("names of branches")),
        ("deletion", true, None),
        ("non_fast_forward", true, None),
    ] {
        let branch = if is_there { there.clone() } else { Value::Null };
        let found = github(branch, rules(&[kind])).await;
        assert_eq!(found.is_some(), said.is_some(), "{kind}: {found:?}");
        if let (Some(found), Some(said)) = (found, said) {
            assert!(found.text.contains(said) && found.text.contains("set PACE_BRANCH"), "{}", found.text);
            assert!(!found.certain, "the token may be one that bypasses the rule");
        }
    }
    let both = github(there, rules(&["required_signatures", "pull_request"])).await.unwrap();
    assert!(both.text.contains("signed") && both.text.contains("pull requests"), "{}", both.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_classic_protection_is_named_as_far_as_it_is_shown() {
    let checks = json!({"required_status_checks": {"contexts": ["test"]}});
    for (branch, said) in [
        (json!({"protected": false}), None),
        (json!({"protected": true}), Some("it is protected")),
        (json!({"protected": true, "protection": checks}), Some("(test)")),
    ] {
        let found = github(branch.clone(), Value::Null).await;
        assert_eq!(found.is_some(), said.is_some(), "{branch}: {found:?}");
        assert!(found.is_none_or(|found| found.text.contains(said.unwrap())), "{branch}");
    }
    assert_eq!(github(Value::Null, Value::Null).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_tells_whether_this_very_token_may_push() {
    for (branch, said) in [
        (Value::Null, None),
        (json!({"protected": true, "can_push": true}), None),
        (json!({"protected": true}), None),
        (json!({"protected": true, "can_push": false}), Some("is protected and GITLAB_TOKEN's role may not")),
        (json!({"protected": false, "can_push": false}), Some("needs the role Developer")),
    ] {
        let contract =
            fake_gitlab::Contract::new(described("gitlab-rest.openapi"), described("gitlab-request-attrs"));
        let mut forge = fake_gitlab::GitLab::new(Some(contract));
        forge.branch = branch.clone();
        let bench = Bench::gitlab_with(forge, fake_gitlab::TOKEN);
        let found = bench.platform.access.obstacle("pace/sprint").await;
        assert_eq!(found.is_some(), said.is_some(), "{branch}: {found:?}");
        if let (Some(found), Some(said)) = (found, said) {
            assert!(found.certain && found.text.contains(said), "{}", found.text);
        }
    }
    // The answer would be about a person.
    let mut forge = fake_gitlab::GitLab::new(None);
    forge.branch = json!({"protected": true, "can_push": false});
    let job = Bench::gitlab_with(forge, fake_gitlab::JOB_TOKEN);
    assert_eq!(job.platform.access.obstacle("pace/sprint").await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_no_obstacle() {
    for bench in Bench::both() {
        let no = server::Reply::says(403, "Forbidden");
        bench.fail("GET", "/branches/", server::Harm::Answer(no), usize::MAX);
        assert_eq!(bench.platform.access.obstacle("pace/sprint").await, None);
    }
}

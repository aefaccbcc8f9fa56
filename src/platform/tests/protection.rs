//! What a branch asks of a review, in the forges' own shapes; what may not be read leaves nothing known.

use serde_json::{Value, json};

use super::{Bench, fake_github, fake_gitlab};
use crate::domain::observation::Protection;

async fn github(branch: Value, rules: Value) -> Option<Protection> {
    let bench = Bench::github_with(fake_github::GitHub { branch, rules, ..Default::default() });
    bench.platform.access.protection("main").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn github_asks_by_protection_and_by_rulesets() {
    let checks = |names: &[&str]| Some(Protection::Checks(names.iter().map(|n| (*n).to_owned()).collect()));
    let classic = json!({
        "name": "main", "protected": true,
        "protection": {"enabled": true, "required_status_checks": {"enforcement_level": "everyone", "contexts": ["test"]}},
    });
    let bare = json!({"name": "main", "protected": true});
    let rules = json!([
        {"type": "deletion"},
        {"type": "required_status_checks", "parameters": {"required_status_checks": [{"context": "lint"}]}},
    ]);
    assert_eq!(github(json!({"name": "main", "protected": false}), Value::Null).await, checks(&[]));
    assert_eq!(github(classic.clone(), json!([])).await, checks(&["test"]));
    assert_eq!(github(classic.clone(), rules.clone()).await, checks(&["test", "lint"]));
    assert_eq!(github(bare.clone(), rules).await, checks(&["lint"]));
    assert_eq!(github(bare, json!([])).await, None);
    assert_eq!(github(classic, Value::Null).await, None);
    assert_eq!(github(Value::Null, Value::Null).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn gitlab_asks_by_one_switch() {
    for (shown, expected) in [
        (json!(true), Some(Protection::Pipeline(true))),
        (json!(false), Some(Protection::Pipeline(false))),
        (Value::Null, None),
    ] {
        let mut forge = fake_gitlab::GitLab::new(None);
        forge.must_succeed = shown;
        let bench = Bench::gitlab_with(forge, fake_gitlab::TOKEN);
        assert_eq!(bench.platform.access.protection("main").await.unwrap(), expected);
    }
    let job = Bench::gitlab_with(fake_gitlab::GitLab::new(None), fake_gitlab::JOB_TOKEN);
    assert_eq!(job.platform.access.protection("main").await.unwrap(), None);
}

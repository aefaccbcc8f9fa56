//! Answers that no forge should give: every act ends, with a word where it failed, and never with the token in it.

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};
use serde_json::Value;

use super::faults::act;
use super::server::{Harm, Reply};
use super::{Bench, fake_github, fake_gitlab};
use crate::tests::bent::{bent, cases};

const ANSWERS: &[&str] = &[
    r#"[{"number": 1, "iid": 1, "id": 7, "body": "<!-- pace:s:review -->\n# Day 1", "description": "<!-- pace:s:review -->", "state": "open", "html_url": "http://x/1", "web_url": "http://x/1", "draft": false, "head": {"ref": "pace/sprint", "sha": "abc"}, "user": {"login": "a", "type": "Bot"}, "labels": [{"name": "pace-hold"}]}]"#,
    r#"{"total_count": 1, "check_runs": [{"id": 1, "name": "t", "status": "completed", "conclusion": "success", "app": {"slug": "x"}, "html_url": "u"}], "statuses": [], "state": "success"}"#,
    r#"{"message": "Validation Failed", "errors": [{"message": "a pull request already exists"}], "error": {"a": ["b"]}}"#,
    r#"[{"id": 1, "status": "success", "sha": "abc", "ref": "pace/sprint", "name": "a", "allow_failure": false, "web_url": "u"}]"#,
];
const PIECES: &[&str] = &[
    "null",
    "[]",
    "{}",
    "-1",
    "18446744073709551615",
    "\"\"",
    "1e300",
    "true",
    "\"\\u0000\"",
    "\"<!-- pace:s:review -->\"",
    ",",
    "[",
    "{",
    "\"id\":",
    "\"number\":",
];
const HEADERS: &[(&str, &str)] = &[
    ("retry-after", "18446744073709551615"),
    ("retry-after", "-1"),
    ("x-ratelimit-remaining", "0"),
    ("x-ratelimit-reset", "18446744073709551615"),
    ("ratelimit-reset", "1"),
    ("link", "<http://127.0.0.1:1/x>; rel=\"next\""),
    ("x-accepted-github-permissions", "a=b,;"),
    ("location", "/x"),
];
const PLACES: &[(&str, &str, &str)] = &[
    ("review", "GET", "/pulls"),
    ("review", "POST", "/pulls"),
    ("second review", "PATCH", "/pulls/1"),
    ("issue", "GET", "/issues"),
    ("issue", "POST", "/labels"),
    ("ci", "GET", "/commits/abc/check-runs"),
    ("ci", "GET", "/commits/abc/status"),
    ("status", "POST", "/statuses/abc"),
    ("review", "GET", "/merge_requests"),
    ("review", "POST", "/merge_requests"),
    ("second review", "PUT", "/merge_requests/1"),
    ("ci", "GET", "/pipelines"),
    ("ci", "GET", "/repository/commits/abc/statuses"),
];

#[test]
fn any_answer_of_a_forge_ends_in_a_result_or_a_word() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let answers = bent(ANSWERS.iter().map(|answer| (*answer).to_owned()).collect(), PIECES);
    let statuses = prop::sample::select(vec![200_u16, 200, 200, 201, 204, 304, 403, 422, 429, 500]);
    let strategy = (answers, statuses, 0..PLACES.len(), prop::option::of(0..HEADERS.len()));
    let mut runner = TestRunner::new(cases(48));
    let run = runner.run(&strategy, |(text, status, place, header)| {
        let (name, method, path) = PLACES[place];
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        let body = if status == 204 || status == 304 { Value::Null } else { body };
        let headers = header.map(|at| (HEADERS[at].0.to_owned(), HEADERS[at].1.to_owned()));
        runtime.block_on(async {
            let bench = if path.contains("merge") || path.contains("pipelines") || path.contains("repository")
            {
                Bench::gitlab_with(fake_gitlab::GitLab::new(None), fake_gitlab::TOKEN)
            } else {
                Bench::github_with(fake_github::GitHub::default())
            };
            if name.starts_with("second") {
                act(&bench, "review").await.unwrap();
            }
            bench.fail(
                method,
                path,
                Harm::Answer(Reply { status, headers: headers.into_iter().collect(), body }),
                usize::MAX,
            );
            if let Err(said) = act(&bench, name).await {
                prop_assert!(
                    !said.is_empty()
                        && !said.contains(fake_github::TOKEN)
                        && !said.contains(fake_gitlab::TOKEN),
                    "{}",
                    said
                );
                prop_assert!(said.chars().all(|c| !c.is_control() || c == '\n'), "{:?}", said);
            }
            prop_assert!(bench.log().len() < 200, "{} calls", bench.log().len());
            Ok(())
        })
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}: {case:?}"),
        Err(other) => panic!("{other}"),
    }
}

//! What any number of runs leaves on a forge, and what stays a person's.

use serde_json::json;

use super::{Bench, Fake, MARKER, fake_github, issue, line, review};
use crate::platform::StatusText;

#[tokio::test(flavor = "multi_thread")]
async fn ten_runs_leave_one_of_each() {
    for bench in Bench::both() {
        let mut urls = std::collections::BTreeSet::new();
        for day in 1..=10 {
            urls.insert(bench.platform.review.publish(&review(day)).await.unwrap().url);
            urls.insert(bench.platform.tracker.raise(&issue(&format!("reason {day}"))).await.unwrap().url);
            let status = StatusText { good: day == 10, description: "d".into(), url: None };
            bench.platform.status.set("abc", &status).await.unwrap();
            bench.platform.review.label(&line(), "pace-hold", day < 10).await.unwrap();
        }
        assert_eq!(bench.left(), (1, 1, 0), "{:?}", bench.log());
        assert_eq!(urls.len(), 2);
        bench.with_review(|review, body| {
            assert!(review[body].as_str().unwrap().contains("# Day 10"));
            assert_eq!((&review["title"], &review["labels"]), (&json!("Sprint, day 10"), &json!([])));
        });
        bench.with_issue(|issue, body| {
            assert!(issue[body].as_str().unwrap().contains("reason 10"));
            assert_eq!(issue["labels"], json!(["pace-hold", "day-1"]));
        });
    }
}

/// An Enterprise Server has its API below `/api/v3`.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_ones_own_is_asked_below_its_root() {
    let description = Some(super::sample::Description(super::described("github-rest.openapi")));
    let forge = fake_github::GitHub { description, ..Default::default() };
    let bench = Bench::github_below(forge, "/api/v3");
    for day in 1..=2 {
        bench.platform.review.publish(&review(day)).await.unwrap();
        bench.platform.tracker.raise(&issue("reason")).await.unwrap();
    }
    assert_eq!(bench.left(), (1, 1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_says_nothing_new_writes_nothing() {
    for bench in Bench::both() {
        for _ in 0..2 {
            bench.platform.review.publish(&review(1)).await.unwrap();
            bench.platform.tracker.raise(&issue("same")).await.unwrap();
        }
        let writes = bench.log().into_iter().filter(|line| !line.starts_with("GET ")).count();
        assert_eq!(writes, 4, "two labels, a review and an issue: {:?}", bench.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_rewrote_stays_and_one_comment_carries_the_report() {
    for bench in Bench::both() {
        bench.platform.review.publish(&review(1)).await.unwrap();
        bench.platform.tracker.raise(&issue("one")).await.unwrap();
        let rewrite = |item: &mut serde_json::Value, body: &str| {
            let text = item[body].as_str().unwrap().replace('#', "A person's #");
            item[body] = json!(text);
            item["title"] = json!("A person's title");
        };
        bench.with_review(rewrite);
        bench.with_issue(rewrite);
        for day in 2..=4 {
            let published = bench.platform.review.publish(&review(day)).await.unwrap();
            assert!(published.notes[0].contains("a person wrote"), "{published:?}");
            let raised = bench.platform.tracker.raise(&issue(&format!("reason {day}"))).await.unwrap();
            assert!(raised.notes[0].contains("a person wrote"), "{raised:?}");
        }
        assert_eq!(bench.left(), (1, 1, 2), "one comment on each");
        let kept = |item: &mut serde_json::Value, body: &str| {
            assert!(item[body].as_str().unwrap().contains("A person's #"));
        };
        bench.with_review(kept);
        bench.with_issue(kept);
        bench.with_issue(|issue, _| assert_eq!(issue["title"], "A person's title"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn text_around_the_seal_survives_updates() {
    for bench in Bench::both() {
        bench.platform.review.publish(&review(1)).await.unwrap();
        bench.with_review(|review, body| {
            review[body] = json!(format!("Mine\r\n{}\r\n- [x] checked", review[body].as_str().unwrap()));
        });
        assert!(bench.platform.review.publish(&review(2)).await.unwrap().notes.is_empty());
        bench.with_review(|review, body| {
            let text = review[body].as_str().unwrap();
            assert!(
                text.starts_with("Mine\r\n") && text.ends_with("- [x] checked") && text.contains("Day 2")
            );
        });
        assert_eq!(bench.left(), (1, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hold_issue_follows_the_day() {
    for bench in Bench::both() {
        bench.platform.tracker.close(MARKER, "pace-hold").await.unwrap();
        bench.platform.tracker.raise(&issue("one")).await.unwrap();
        bench.platform.tracker.close(MARKER, "pace-hold").await.unwrap();
        bench.with_issue(|issue, _| assert_eq!(issue["state"], "closed"));
        let writes = bench.log().len();
        bench.platform.tracker.close(MARKER, "pace-hold").await.unwrap();
        assert!(bench.log()[writes..].iter().all(|line| line.starts_with("GET ")));
        bench.platform.tracker.raise(&issue("again")).await.unwrap();
        bench.with_issue(|issue, _| assert!(issue["state"].as_str().unwrap().starts_with("open")));
        // Found also where a person took the labels off, and marked again.
        bench.with_issue(|issue, _| issue["labels"] = json!(["triage"]));
        bench.platform.tracker.raise(&issue("once more")).await.unwrap();
        bench.with_issue(|issue, _| assert_eq!(issue["labels"], json!(["triage", "pace-hold", "day-1"])));
        assert_eq!(bench.left().1, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_where_the_plan_has_them() {
    let mut text = review(1);
    text.draft = true;
    for bench in Bench::both() {
        bench.platform.review.publish(&text).await.unwrap();
        bench.with_review(|review, _| {
            assert!(review["draft"] == true || review["title"].as_str().unwrap().starts_with("Draft: "));
        });
        text.draft = false;
        let published = bench.platform.review.publish(&text).await.unwrap();
        text.draft = true;
        match bench.fake {
            Fake::GitHub(_) => assert!(published.notes[0].contains("still a draft")),
            Fake::GitLab(_) => bench.with_review(|review, _| assert_eq!(review["title"], "Sprint, day 1")),
        }
    }
    let bench = Bench::github_with(fake_github::GitHub { no_drafts: true, ..Default::default() });
    assert!(bench.platform.review.publish(&text).await.unwrap().url.is_some());
    bench.with_review(|review, _| assert_eq!(review["draft"], false));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_branch_without_news_is_no_failure() {
    let bench = Bench::github();
    let mut text = review(1);
    text.line.branch = "main".into();
    let published = bench.platform.review.publish(&text).await.unwrap();
    assert!(published.url.is_none() && published.notes[0].contains("no commit"), "{published:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn issues_that_are_switched_off_are_named() {
    let bench = Bench::github_with(fake_github::GitHub { no_issues: true, ..Default::default() });
    let error = bench.platform.tracker.raise(&issue("one")).await.unwrap_err().to_string();
    assert!(error.contains("PACE_TRACKER=local"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn merged_and_approved_commits_open_a_gate() {
    for bench in Bench::both() {
        assert!(bench.platform.review.approved(&line()).await.unwrap().is_empty());
        bench.platform.review.publish(&review(1)).await.unwrap();
        assert!(bench.platform.review.approved(&line()).await.unwrap().is_empty());
        match &bench.fake {
            Fake::GitHub(server) => {
                let said = |id, state, commit, who| json!({"number": 1, "state": state, "commit_id": commit, "author_association": who, "user": {"id": id}});
                server.forge.lock().unwrap().reviews = vec![
                    said(1, "APPROVED", "aaa", "MEMBER"),
                    said(2, "APPROVED", "bbb", "NONE"),
                    said(3, "APPROVED", "ccc", "OWNER"),
                    said(3, "CHANGES_REQUESTED", "ccc", "OWNER"),
                    said(1, "COMMENTED", "ddd", "MEMBER"),
                ];
            }
            Fake::GitLab(server) => {
                server.forge.lock().unwrap().approved_by =
                    vec![json!({"approved_at": "2026-01-01T00:00:00Z"})];
                assert!(
                    bench.platform.review.approved(&line()).await.unwrap().is_empty(),
                    "older than the head"
                );
                server.forge.lock().unwrap().approved_by =
                    vec![json!({"approved_at": "2026-01-03T00:00:00Z"})];
            }
        }
        assert_eq!(bench.platform.review.approved(&line()).await.unwrap().len(), 1);
        bench.with_review(|review, _| {
            review["state"] = json!(if review["merged_at"].is_null() && review["iid"].is_null() {
                "closed"
            } else {
                "merged"
            });
            review["merged_at"] = json!("2026-01-04T00:00:00Z");
        });
        assert_eq!(bench.platform.review.approved(&line()).await.unwrap(), ["f".repeat(40)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_name_what_is_missing_and_write_nothing() {
    for bench in Bench::both() {
        let probes = bench.platform.access.probe().await;
        assert!(probes.len() >= 3 && probes.iter().all(|probe| probe.problem.is_none()), "{probes:?}");
        assert_eq!(bench.left(), (0, 0, 0));
    }
    let bench = Bench::github();
    let no = super::server::Reply::says(403, "Resource not accessible by integration");
    bench.fail("POST", "/pulls", super::server::Harm::Answer(no), usize::MAX);
    let probes = bench.platform.access.probe().await;
    let problems: Vec<_> = probes.iter().filter_map(|probe| probe.problem.as_deref()).collect();
    assert!(problems.len() == 1 && problems[0].contains("pull-requests: write"), "{problems:?}");
    let bench = Bench::gitlab();
    if let Fake::GitLab(server) = &bench.fake {
        server.forge.lock().unwrap().access_level = 20;
    }
    let probes = bench.platform.access.probe().await;
    let problems: Vec<_> = probes.iter().filter_map(|probe| probe.problem.as_deref()).collect();
    assert!(problems.len() == 1 && problems[0].contains("Developer"), "{problems:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_writers_may() {
    for bench in Bench::both() {
        if let Fake::GitHub(server) = &bench.fake {
            server.forge.lock().unwrap().writers = vec!["ann".into()];
        }
        assert!(bench.platform.access.may_write("ann").await.unwrap());
        assert!(!bench.platform.access.may_write("eve").await.unwrap());
    }
}

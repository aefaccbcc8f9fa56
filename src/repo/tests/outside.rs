//! Git servers that answer anything, and bundles that anybody bent: an error by name, and no ref of the clone moves.

use std::io::Write as _;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::test_runner::{TestError, TestRunner};

use super::fixture::Fixture;
use super::server::{listen, request};
use crate::repo::Repository as _;
use crate::tests::bent::{bent, cases};

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

/// Advertisements and answers of a smart-HTTP server.
fn answers() -> Vec<String> {
    let sha = "1f5e2f0c9c1d8f3b6a7e4d2c0b9a8f7e6d5c4b3a";
    let refs =
        format!("{sha} HEAD\0multi_ack side-band-64k ofs-delta symref=HEAD:refs/heads/main agent=git/2\n");
    vec![
        format!(
            "{}0000{}{}0000",
            line("# service=git-upload-pack\n"),
            line(&refs),
            line(&format!("{sha} refs/heads/main\n"))
        ),
        format!(
            "{}0000{}0000",
            line("# service=git-receive-pack\n"),
            line(&format!("{} capabilities^{{}}\0report-status delete-refs\n", "0".repeat(40)))
        ),
        format!("{}{}0000", line("NAK\n"), line("\u{1}PACK\0\0\0\u{2}\0\0\0\u{1}")),
    ]
}

#[test]
fn any_answer_of_a_git_server_ends_in_a_result_or_a_word() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let fixture = Fixture::with_remote();
    let head = fixture.head();
    let answer = Arc::new(Mutex::new(String::new()));
    let told = Arc::clone(&answer);
    let url = listen(move |mut stream| {
        let (asked, _) = request(&stream);
        let kind = match (asked.starts_with("GET"), asked.contains("receive-pack")) {
            (true, true) => "git-receive-pack-advertisement",
            (true, false) => "git-upload-pack-advertisement",
            (false, true) => "git-receive-pack-result",
            (false, false) => "git-upload-pack-result",
        };
        let body = told.lock().unwrap().clone();
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-{kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
    });
    let pieces = [
        "0000",
        "0001",
        "0004",
        "0003",
        "ffff",
        "fff0",
        "\0",
        "\n",
        "ERR no\n",
        "shallow ",
        "refs/heads/../../x\n",
        "ng refs/heads/main no\n",
        "unpack ok\n",
        "PACK",
        "\u{2}",
        "symref=HEAD:",
    ];
    let mut runner = TestRunner::new(cases(48));
    let run = runner.run(&bent(answers(), &pieces), |text| {
        *answer.lock().unwrap() = text;
        let repo = fixture.with(|options| options.remote = Some(format!("{url}/remote.git")));
        runtime.block_on(async {
            if let Err(error) = repo.prepare_branch().await {
                prop_assert!(!error.to_string().is_empty());
            }
            if let Err(error) = repo.push("main").await {
                prop_assert!(!error.to_string().is_empty());
            }
            Ok(())
        })?;
        prop_assert_eq!(fixture.git("rev-parse main"), head.as_str());
        Ok(())
    });
    match run {
        Ok(()) => {}
        Err(TestError::Fail(why, case)) => panic!("{why}: {case:?}"),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_bundle_that_was_cut_or_changed_is_refused_or_holds_the_same_commits() {
    let fixture = Fixture::with_remote();
    fixture.git("checkout -q -b pace/sprint");
    fixture.commit("new.txt", "new");
    let path = fixture.dir.path().join("day.bundle");
    let bundled = fixture.open().bundle("pace/sprint", &path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let mut refused = 0;
    let places = (0..good.len()).step_by((good.len() / 24).max(1));
    for (nth, at) in places.enumerate() {
        let mut bytes = good.clone();
        if nth % 2 == 0 {
            bytes.truncate(at)
        } else {
            bytes[at] ^= 1 << (nth % 8)
        }
        std::fs::write(&path, &bytes).unwrap();
        let other = fixture.colleague();
        match other.open().take_over("pace/sprint", &bundled, &path).await {
            Err(error) => {
                refused += 1;
                assert!(!error.to_string().is_empty());
            }
            Ok(new) => {
                assert_eq!(new.len(), bundled.commits.len());
                assert_eq!(other.git("rev-parse pace/sprint"), bundled.head);
            }
        }
    }
    assert!(refused > 12, "{refused}");
}

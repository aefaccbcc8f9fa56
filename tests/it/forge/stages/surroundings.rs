//! What both jobs find around them: a token that only reads, templates, a work tree that was used before.

use std::path::Path;

use serde_json::json;

use crate::forge::fixture::git;
use crate::forge::github::TOKEN;
use crate::forge::{GitHubSite, SHIP};
use crate::scenario::shared_script;

/// The repository is private: without a token nothing but the clone is known, and one that may read is enough.
#[test]
fn a_working_job_reads_the_ledger_with_what_it_was_given() {
    let site = GitHubSite::new(&[]);
    let entry = json!([{"sprint": "pace/sprint", "day": 9, "run": 1, "owner": "o", "at": jiff::Timestamp::now().as_second(),
        "usd": 0.25, "open": false}]);
    let (dir, file) = (&site.bare, site.project.home.join("budget.json"));
    std::fs::write(&file, entry.to_string()).unwrap();
    let blob = git(dir, &format!("hash-object -w {}", file.display()));
    git(dir, &format!("update-index --add --cacheinfo 100644,{blob},budget.json"));
    let tree = git(dir, "write-tree");
    let commit = git(dir, &format!("-c user.name=A -c user.email=a@b.c commit-tree -m ledger {tree}"));
    git(dir, &format!("update-ref refs/pace/budget {commit}"));
    let budget = ("PACE_DAILY_BUDGET", "5");
    for (token, told) in [
        (None, "the ledger on the git server cannot be read"),
        (Some(TOKEN), "$4.75 are left by the ledger, which this job may read and not write"),
    ] {
        let more: Vec<_> = token.map(|token| ("GITHUB_TOKEN", token)).into_iter().chain([budget]).collect();
        let left = site.work_with(&shared_script(&SHIP), &more);
        let transcript = left.finished.transcript();
        assert_eq!(left.finished.code, 0, "{transcript}");
        assert!(left.finished.stdout.contains(told), "{transcript}");
        assert_eq!(left.finished.stdout.contains("did not fetch: "), token.is_none(), "{transcript}");
        assert_eq!(
            transcript.contains("a token that may read the repository is enough"),
            token.is_none(),
            "{transcript}"
        );
        assert!(!transcript.contains("give pace a token"), "{transcript}");
        git(&site.project.dir, "clean -ffdxq");
        git(&site.project.dir, "checkout -q --force main");
        git(&site.project.dir, "branch -qD pace/sprint");
    }
}

/// What is rendered again must come out the same, so other templates are refused before anything is pushed.
#[test]
fn other_templates_are_refused_by_the_publishing_job_and_by_a_replay() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&shared_script(&SHIP));
    let own = site.project.home.join("templates");
    std::fs::create_dir_all(&own).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/review-pr.md.j2");
    let text = std::fs::read_to_string(shipped).unwrap() + "\nKindly, the team.\n";
    std::fs::write(own.join("review-pr.md.j2"), text).unwrap();
    let templates = [("PACE_TEMPLATES_DIR", own.to_str().unwrap())];
    let clone = site.second_clone("publish");
    let secrets = [("GITHUB_TOKEN", TOKEN), ("PACE_HANDOFF_DIGEST", left.digest.as_str())];
    let refused = site.job(&clone, "publish").env(secrets).env(templates).run();
    let replayed =
        site.job(&site.project.dir, "all").env(templates).args(["replay", ".pace/.run/day-1"]).run();
    for ended in [refused, replayed] {
        assert_eq!(ended.code, 2, "{}", ended.transcript());
        let told = "PACE_TEMPLATES_DIR: the day was recorded with other templates than these";
        assert!(ended.stderr.contains(told), "{}", ended.transcript());
    }
    assert!(!git(&site.bare, "for-each-ref").contains("pace/sprint"), "something was pushed");
    site.with(|forge| assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 0)));
    let done = site.publish(&clone, &left.digest);
    assert_eq!(done.code, 0, "{}", done.transcript());
}

/// A person's commits that were on no server, in the work tree that the publishing job uses.
#[test]
fn what_a_local_branch_had_of_its_own_is_kept() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&shared_script(&SHIP));
    let clone = site.second_clone("publish");
    git(&clone, "checkout -q -b pace/sprint");
    std::fs::write(clone.join("NOTES.md"), "A person's note\n").unwrap();
    git(&clone, "add NOTES.md");
    git(&clone, "-c user.name=Ada -c user.email=ada@example.org commit -qm note");
    let own = git(&clone, "rev-parse HEAD");
    git(&clone, "checkout -q main");
    let done = site.publish(&clone, &left.digest);
    assert_eq!(done.code, 0, "{}", done.transcript());
    let kept = format!("refs/pace/left/pace/sprint/{}", &own[..10]);
    assert_eq!(git(&clone, &format!("rev-parse {kept}")), own, "{}", done.transcript());
    assert!(done.transcript().contains(&kept), "{}", done.transcript());
    assert!(!git(&site.bare, "ls-tree -r --name-only pace/sprint").contains("NOTES.md"));
}

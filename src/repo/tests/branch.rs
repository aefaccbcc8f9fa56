//! Which branch a run stands on afterwards, and what is refused at start.

use std::fs;

use super::fixture::{Fixture, ci, git};
use crate::repo::{Branch, CiRef, GitRepo, Pushed, RepoError, Repository, discover};

async fn prepared(repo: &GitRepo) -> Branch {
    repo.prepare_branch().await.unwrap()
}

async fn refusal(repo: &GitRepo) -> String {
    match repo.prepare_branch().await {
        Err(RepoError::Unusable(text)) => text,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn on_the_base_branch_the_sprint_branch_is_made() {
    let fixture = Fixture::new();
    let branch = prepared(&fixture.open()).await;
    assert_eq!((branch.name.as_str(), branch.base.as_str()), ("pace/sprint", "main"));
    assert_eq!(branch.head, fixture.head());
    assert_eq!(branch.actions, ["created pace/sprint from main", "checked out pace/sprint"]);
    assert_eq!(fixture.git("symbolic-ref HEAD"), "refs/heads/pace/sprint");
    assert_eq!(fixture.git("status --porcelain"), "");
    // A second run stays there.
    let again = prepared(&fixture.open()).await;
    assert_eq!((again.name.as_str(), again.actions.len()), ("pace/sprint", 0));
}

#[tokio::test]
async fn a_feature_branch_is_taken_as_it_is() {
    let fixture = Fixture::new();
    fixture.git("checkout -q -b feature");
    assert_eq!(prepared(&fixture.open()).await.name, "feature");
    let wanted = fixture.with(|options| options.rules.wanted = Some("work/day".into()));
    assert_eq!(prepared(&wanted).await.name, "work/day");
    let trunk = fixture.with(|options| options.rules.base = Some("work/day".into()));
    assert_eq!(prepared(&trunk).await.name, "pace/sprint");
}

#[tokio::test]
async fn a_detached_head_is_attached_to_the_branch_that_ci_names() {
    let fixture = Fixture::with_remote();
    fixture.git("checkout -q -b feature");
    let tip = fixture.commit("f.txt", "x");
    fixture.git("push -q origin feature");
    fixture.git("checkout -q --detach");
    fixture.git("branch -D -q feature");
    let branch = prepared(&fixture.with(|options| options.rules = ci("feature"))).await;
    assert_eq!((branch.name.as_str(), branch.base.as_str(), branch.head), ("feature", "main", tip));
    assert_eq!(fixture.git("symbolic-ref HEAD"), "refs/heads/feature");
}

#[tokio::test]
async fn the_trial_merge_of_a_review_is_left_for_the_branch() {
    let fixture = Fixture::with_remote();
    fixture.git("checkout -q -b feature");
    let tip = fixture.commit("f.txt", "x");
    fixture.git("push -q origin feature");
    fixture.git("checkout -q main");
    fixture.commit("m.txt", "y");
    fixture.git("checkout -q --detach");
    fixture.git("merge -q --no-ff -m trial feature");
    fixture.git("branch -D -q feature");
    let branch = prepared(&fixture.with(|options| options.rules = ci("feature"))).await;
    assert_eq!(branch.head, tip);
    assert!(!fixture.root.join("m.txt").exists());
}

#[tokio::test]
async fn a_newer_remote_branch_is_taken_over() {
    let fixture = Fixture::with_remote();
    let colleague = fixture.colleague();
    let newer = colleague.commit("c.txt", "x");
    colleague.git("push -q origin HEAD:feature");
    fixture.git("checkout -q --detach");
    let branch = prepared(&fixture.with(|options| options.rules = ci("feature"))).await;
    assert_eq!(branch.head, newer);
    assert_eq!(fixture.read("c.txt"), "x");
}

/// The remote's sprint branch has a commit; main has another one since.
fn moved_on(main: (&str, &str), sprint: (&str, &str)) -> (Fixture, String) {
    let fixture = Fixture::with_remote();
    let colleague = fixture.colleague();
    colleague.git("checkout -q -b pace/sprint");
    let tip = colleague.commit(sprint.0, sprint.1);
    colleague.git("push -q origin pace/sprint");
    fixture.commit(main.0, main.1);
    fixture.git("push -q origin main");
    (fixture, tip)
}

#[tokio::test]
async fn the_base_branch_is_merged_into_the_sprint_branch() {
    for detached in [false, true] {
        let (fixture, tip) = moved_on(("plan.yaml", "days: []\n"), ("s.txt", "s"));
        let main = fixture.head();
        if detached {
            fixture.git("checkout -q --detach");
        }
        fixture.write("notes.txt", "mine");
        let branch = prepared(&fixture.with(|options| options.rules = ci("main"))).await;
        assert_eq!(branch.actions, ["merged main", "checked out pace/sprint"]);
        assert_eq!(fixture.git("log -1 --format=%P"), format!("{tip} {main}"));
        assert_eq!(
            fixture.git("log -1 --format=%an,%ce,%s"),
            "Pace,pace@example.org,Merge main into pace/sprint"
        );
        assert_eq!(fixture.read("plan.yaml"), "days: []\n");
        assert_eq!(fixture.read("notes.txt"), "mine");
        assert_eq!(fixture.git("status --porcelain"), "?? notes.txt");
    }
}

#[tokio::test]
async fn a_conflict_names_the_files_and_changes_nothing() {
    let (fixture, _) = moved_on(("README.md", "main\n"), ("README.md", "sprint\n"));
    let before = (fixture.head(), fixture.git("symbolic-ref HEAD"));
    match fixture.open().prepare_branch().await {
        Err(RepoError::Conflict { base, branch, files }) => {
            assert_eq!((base.as_str(), branch.as_str()), ("main", "pace/sprint"));
            assert_eq!(files, ["README.md"]);
        }
        other => panic!("{other:?}"),
    }
    assert_eq!((fixture.head(), fixture.git("symbolic-ref HEAD")), before);
    assert_eq!(fixture.read("README.md"), "main\n");
    assert_eq!(fixture.git("status --porcelain"), "");
}

#[tokio::test]
async fn a_sprint_branch_behind_main_is_fast_forwarded() {
    let fixture = Fixture::with_remote();
    fixture.git("push -q origin main:pace/sprint");
    let new = fixture.commit("x", "x");
    let branch = prepared(&fixture.open()).await;
    assert_eq!(branch.head, new);
    assert_eq!(branch.actions[0], "fast-forwarded pace/sprint to main");
}

#[tokio::test]
async fn a_leftover_branch_of_a_reused_checkout_is_kept_under_another_name() {
    let (fixture, tip) = moved_on(("m", "m"), ("s", "s"));
    fixture.git("checkout -q -b pace/sprint");
    let leftover = fixture.commit("left", "x");
    fixture.git("checkout -q --detach main");
    let branch = prepared(&fixture.with(|options| options.rules = ci("main"))).await;
    assert_eq!(fixture.git("log -1 --format=%P").split(' ').next(), Some(tip.as_str()));
    assert!(branch.actions[0].contains("refs/pace/left/pace/sprint/"), "{branch:?}");
    assert_eq!(fixture.git("for-each-ref --format=%(objectname) refs/pace/left"), leftover);
    // A person decides on their own machine.
    fixture.git("checkout -q main");
    fixture.git(&format!("branch -q -f pace/sprint {leftover}"));
    assert!(refusal(&fixture.open()).await.contains("both moved on"));
}

#[tokio::test]
async fn what_cannot_be_worked_on_is_refused_with_the_mend() {
    let fixture = Fixture::new();
    for (ci_ref, part) in [
        (CiRef::Tag("v1".into()), "tag v1"),
        (CiRef::Fork("them/fork".into()), "them/fork"),
        (CiRef::Branch("develop".into()), "PACE_BRANCH=main"),
    ] {
        let text = refusal(&fixture.with(|options| options.rules.ci_ref = Some(ci_ref))).await;
        assert!(text.contains(part), "{text}");
    }
    fixture.git("checkout -q --detach");
    assert!(refusal(&fixture.open()).await.contains("PACE_BRANCH"));
    let unborn = Fixture::unborn();
    assert!(refusal(&unborn.open()).await.contains("first commit"));
    let ssh = Fixture::new();
    ssh.git("remote add origin git@example.org:o/r.git");
    assert!(refusal(&ssh.open()).await.contains("HTTPS URL"));
    assert!(
        prepared(&ssh.with(|options| options.push.never = Some("no".into()))).await.name == "pace/sprint"
    );
    let clash = Fixture::new();
    clash.git("branch pace");
    assert!(refusal(&clash.open()).await.contains("PACE_BRANCH"));
}

#[tokio::test]
async fn an_unfinished_merge_is_refused() {
    let (fixture, _) = moved_on(("README.md", "a\n"), ("README.md", "b\n"));
    fixture.git("fetch -q origin");
    super::fixture::try_git(&fixture.root, "merge -q origin/pace/sprint");
    assert!(refusal(&fixture.open()).await.contains("merge is in progress"));
}

#[tokio::test]
async fn modified_tracked_files_are_named() {
    let fixture = Fixture::new();
    fixture.commit(".pace/day-1/attempts.yaml", "[]\n");
    fixture.write("src/a.txt", "changed");
    fs::remove_file(fixture.root.join("README.md")).unwrap();
    fixture.write("staged.txt", "new");
    fixture.git("add staged.txt");
    fixture.write("loose.txt", "new");
    let text = refusal(&fixture.open()).await;
    assert!(text.contains("README.md, src/a.txt, staged.txt;") && !text.contains("loose"), "{text}");
    fixture.git("reset -q --hard");
    fixture.write(".pace/day-1/attempts.yaml", "- run: 1\n");
    assert_eq!(prepared(&fixture.open()).await.name, "pace/sprint");
}

#[tokio::test]
async fn an_untracked_file_is_never_overwritten() {
    let (fixture, _) = moved_on(("m", "m"), ("s.txt", "theirs"));
    fixture.write("s.txt", "mine");
    let text = refusal(&fixture.open()).await;
    assert!(text.contains("would overwrite s.txt"), "{text}");
    assert_eq!(fixture.read("s.txt"), "mine");
    fixture.write(".git/info/exclude", "s.txt\n");
    assert!(refusal(&fixture.open()).await.contains("s.txt"));
    assert_eq!(fixture.git("symbolic-ref HEAD"), "refs/heads/main");
}

#[tokio::test]
async fn discover_finds_the_root_and_refuses_what_has_none() {
    let fixture = Fixture::with_remote();
    let found = discover(&fixture.root.join("src")).unwrap();
    assert_eq!(found.canonicalize().unwrap(), fixture.root.canonicalize().unwrap());
    let bare = discover(&fixture.remote()).unwrap_err().to_string();
    assert!(bare.contains("bare repository"), "{bare}");
    let outside = tempfile::TempDir::new().unwrap();
    let none = discover(outside.path()).unwrap_err().to_string();
    assert!(none.contains("not in a git repository"), "{none}");
    git(&fixture.root, "config core.sparseCheckout true");
    let sparse = GitRepo::open(&fixture.root, super::fixture::options()).unwrap_err().to_string();
    assert!(sparse.contains("sparse"), "{sparse}");
}

#[tokio::test]
async fn a_linked_work_tree_is_a_checkout_like_any_other() {
    let fixture = Fixture::new();
    let linked = fixture.dir.path().join("linked");
    fixture.git(&format!("worktree add -q -b topic {}", linked.display()));
    let repo = GitRepo::open(&linked, super::fixture::options()).unwrap();
    assert_eq!(prepared(&repo).await.name, "topic");
    fs::write(linked.join("x"), "x").unwrap();
    let sha = repo.commit(&["x".into()], "x").unwrap();
    assert_eq!(fixture.git("rev-parse topic"), sha);
}

#[tokio::test]
async fn a_remote_that_is_a_path_is_pushed_to_and_never_forced() {
    let fixture = Fixture::with_remote();
    let repo = fixture.open();
    let name = prepared(&repo).await.name;
    fixture.write("a", "a");
    let sha = repo.commit(&["a".into()], "a").unwrap();
    assert_eq!(repo.push(&name).await.unwrap(), Pushed::To(fixture.remote().display().to_string()));
    assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), sha);
    let colleague = fixture.colleague();
    colleague.git("checkout -q pace/sprint");
    let theirs = colleague.commit("b", "b");
    colleague.git("push -q origin pace/sprint");
    fixture.write("c", "c");
    repo.commit(&["c".into()], "c").unwrap();
    let reason = repo.push(&name).await.unwrap_err().to_string();
    assert!(
        reason.contains("push of pace/sprint failed: ") && reason.contains("non-fast-forward"),
        "{reason}"
    );
    assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), theirs);
    let alone = Fixture::new();
    assert!(matches!(alone.open().push("main").await.unwrap(), Pushed::Skipped(_)));
}

#[tokio::test]
async fn a_checkout_of_another_user_is_worked_on() {
    let fixture = Fixture::new();
    // Only root can give files away; elsewhere the owner is this user and nothing is shown.
    for path in [fixture.root.clone(), fixture.root.join(".git")] {
        let _ = std::os::unix::fs::chown(path, Some(4242), None);
    }
    assert_eq!(prepared(&fixture.open()).await.name, "pace/sprint");
}

/// What a run that was cut off left uncommitted gives way to what another runner pushed of the day, and is kept.
#[tokio::test]
async fn left_records_of_a_day_do_not_stand_in_the_way() {
    let fixture = Fixture::with_remote();
    let colleague = fixture.colleague();
    colleague.git("checkout -q -b pace/sprint");
    colleague.commit(".pace/day-1/attempts.yaml", "theirs\n");
    colleague.git("push -q origin pace/sprint");
    fixture.write(".pace/day-1/attempts.yaml", "ours\n");
    let repo = fixture.with(|options| options.rules = ci("main"));
    repo.prepare_branch().await.unwrap();
    assert_eq!(fixture.read(".pace/day-1/attempts.yaml"), "theirs\n");
    assert_eq!(fixture.read(".pace/.run/left/.pace/day-1/attempts.yaml"), "ours\n");
}

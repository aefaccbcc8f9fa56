//! Clones without their whole history, as CI makes them.

use super::fixture::{Fixture, ci, credential, git};
use super::server::{Server, TOKEN};
use crate::repo::{GitRepo, Repository};

/// A remote with some history, its server, and a clone of depth one with HEAD detached, as CI makes it.
fn shallow(branch: &str, prepare: impl Fn(&Fixture)) -> (Fixture, Fixture, Server) {
    let origin = Fixture::with_remote();
    for number in 0..5 {
        origin.commit("n.txt", &format!("{number}\n"));
    }
    origin.git("push -q origin main");
    prepare(&origin);
    git(&origin.remote(), "config http.receivepack true");
    let server = Server::start(origin.dir.path());
    let runner = Fixture::unborn();
    runner.git(&format!("remote add origin file://{}", origin.remote().display()));
    runner.git(&format!("fetch -q --depth=1 origin +refs/heads/{branch}:refs/remotes/origin/{branch}"));
    runner.git(&format!("checkout -q --detach origin/{branch}"));
    runner.git(&format!("remote set-url origin {}/remote.git", server.url));
    assert_eq!(runner.git("rev-parse --is-shallow-repository"), "true");
    (origin, runner, server)
}

fn opened(runner: &Fixture, server: &Server, branch: &str) -> GitRepo {
    runner.with(|options| {
        options.rules = ci(branch);
        options.rules.base = Some("main".into());
        options.push.credential = credential(TOKEN, &server.url);
    })
}

async fn commits_and_pushes(repo: &GitRepo, origin: &Fixture, runner: &Fixture, branch: &str) {
    for number in 0..2 {
        runner.write("work.txt", &format!("{number}"));
        let base = repo.head().unwrap();
        let sha = repo.commit(&["work.txt".into()], "work").unwrap();
        assert_eq!(repo.day_diff(&base, &sha).unwrap().files.len(), 1);
        repo.push(branch).await.unwrap();
        assert_eq!(git(&origin.remote(), &format!("rev-parse {branch}")), sha);
    }
    git(&origin.remote(), "fsck --strict");
    assert_eq!(git(&origin.remote(), &format!("rev-list --count {branch}")), "8");
}

#[tokio::test]
async fn a_new_branch_is_pushed() {
    let (origin, runner, server) = shallow("main", |_| ());
    let repo = opened(&runner, &server, "main");
    let branch = repo.prepare_branch().await.unwrap();
    assert_eq!(branch.name, "pace/sprint");
    commits_and_pushes(&repo, &origin, &runner, "pace/sprint").await;
    assert_eq!(runner.git("rev-parse --is-shallow-repository"), "true");
    let error = format!("{:#}", repo.day_diff(&origin.git("rev-parse main~3"), &branch.head).unwrap_err());
    assert!(error.contains("fetch-depth: 0") && error.contains("GIT_DEPTH: 0"), "{error}");
}

#[tokio::test]
async fn a_new_branch_is_pushed_while_main_moves_on() {
    let (origin, runner, server) = shallow("main", |_| ());
    let repo = opened(&runner, &server, "main");
    repo.prepare_branch().await.unwrap();
    origin.commit("later.txt", "x");
    origin.git("push -q origin main");
    commits_and_pushes(&repo, &origin, &runner, "pace/sprint").await;
}

#[tokio::test]
async fn the_boundary_commits_own_branch_is_updated() {
    let (origin, runner, server) = shallow("feature", |origin| {
        origin.git("push -q origin main:feature");
    });
    let repo = opened(&runner, &server, "feature");
    assert_eq!(repo.prepare_branch().await.unwrap().name, "feature");
    commits_and_pushes(&repo, &origin, &runner, "feature").await;
}

#[tokio::test]
async fn a_sprint_branch_that_contains_the_boundary_goes_on() {
    let (origin, runner, server) = shallow("main", |origin| {
        origin.git("checkout -q -b pace/sprint");
        origin.commit("day1.txt", "x");
        origin.git("push -q origin pace/sprint");
        origin.git("checkout -q main");
    });
    let repo = opened(&runner, &server, "main");
    let branch = repo.prepare_branch().await.unwrap();
    assert_eq!(branch.head, origin.git("rev-parse pace/sprint"));
    assert_eq!(runner.read("day1.txt"), "x");
    runner.write("work.txt", "x");
    let sha = repo.commit(&["work.txt".into()], "work").unwrap();
    repo.push("pace/sprint").await.unwrap();
    assert_eq!(git(&origin.remote(), "rev-parse pace/sprint"), sha);
}

#[tokio::test]
async fn a_merge_without_the_history_is_refused_with_the_mend() {
    let (_origin, runner, server) = shallow("main", |origin| {
        origin.git("checkout -q -b pace/sprint");
        origin.commit("day1.txt", "x");
        origin.git("push -q origin pace/sprint");
        origin.git("checkout -q main");
        origin.commit("plan.yaml", "x");
        origin.git("push -q origin main");
    });
    let before = runner.head();
    let error = opened(&runner, &server, "main").prepare_branch().await.unwrap_err().to_string();
    assert!(error.contains("fetch-depth: 0") && error.contains("GIT_DEPTH: 0"), "{error}");
    assert_eq!(runner.head(), before);
    assert_eq!(runner.git("status --porcelain"), "");
}

#[tokio::test]
async fn a_push_to_a_place_without_the_history_names_the_mend() {
    let (origin, runner, server) = shallow("main", |_| ());
    git(origin.dir.path(), "init -q --bare empty.git");
    git(&origin.dir.path().join("empty.git"), "config http.receivepack true");
    runner.git(&format!("remote set-url origin {}/empty.git", server.url));
    let repo = opened(&runner, &server, "main");
    let branch = repo.prepare_branch().await.unwrap();
    let error = repo.push(&branch.name).await.unwrap_err().to_string();
    assert!(error.contains("fetch-depth: 0") && error.contains("GIT_DEPTH: 0"), "{error}");
}

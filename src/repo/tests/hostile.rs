//! A repository whose configuration wants commands run and pushes led elsewhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::fixture::{Fixture, ci, credential, git};
use super::server::{Server, TOKEN};
use crate::repo::{Pushed, Repository};

const HOOKS: [&str; 12] = [
    "pre-commit",
    "prepare-commit-msg",
    "commit-msg",
    "post-commit",
    "pre-push",
    "post-checkout",
    "post-merge",
    "pre-merge-commit",
    "reference-transaction",
    "post-index-change",
    "pre-auto-gc",
    "fsmonitor-watchman",
];

/// A script that leaves a file in `marks`.
fn trap(folder: &Path, name: &str, marks: &Path) -> String {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, format!("#!/bin/sh\n: > {}/{name}\ncat\n", marks.display())).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

#[tokio::test]
async fn no_configured_command_runs_and_no_push_is_led_away() {
    let fixture = Fixture::with_remote();
    let server = Server::start(fixture.dir.path());
    let evil = Server::bridge(fixture.dir.path());
    let marks = fixture.dir.path().join("marks");
    fs::create_dir(&marks).unwrap();
    let traps = fixture.dir.path().join("traps");
    git(&fixture.remote(), "config http.receivepack true");
    fixture.commit(".gitattributes", "*.x filter=x diff=x merge=x\n*.y diff=x merge=x\n");
    fixture.commit("file.y", "1\n");
    for hook in HOOKS {
        trap(&fixture.root.join(".git/hooks"), hook, &marks);
        trap(&traps.join("hooks"), hook, &marks);
    }
    let command = trap(&traps, "command", &marks);
    let url = format!("{}/remote.git", server.url);
    let mut config = format!("[core]\n\thooksPath = {}/hooks\n", traps.display());
    for key in ["fsmonitor", "editor", "pager", "sshCommand", "gitProxy", "askPass", "alternateRefsCommand"] {
        config += &format!("\t{key} = {command}\n");
    }
    config += &format!(
        "[filter \"x\"]\n\tclean = {command}\n\tsmudge = {command}\n\tprocess = {command}\n\trequired = true\n\
         [diff]\n\texternal = {command}\n[diff \"x\"]\n\tcommand = {command}\n\ttextconv = {command}\n\
         [merge \"x\"]\n\tdriver = {command} %A\n[credential]\n\thelper = {command}\n\
         [gpg]\n\tprogram = {command}\n[commit]\n\tgpgSign = true\n[uploadpack]\n\tpackObjectsHook = {command}\n\
         [remote \"origin\"]\n\turl = {url}\n\tpushurl = {evil}/remote.git\n\treceivepack = {command}\n\
         \tproxy = {evil}\n[http]\n\tproxy = {evil}\n\textraHeader = X-Evil: 1\n\
         [url \"{evil}/\"]\n\tinsteadOf = {server}/\n\tpushInsteadOf = {server}/\n[push]\n\tgpgSign = true\n",
        evil = evil.url,
        server = server.url
    );
    let path = fixture.root.join(".git/config");
    let before = fs::read_to_string(&path).unwrap();
    fs::write(&path, before.replace("[remote \"origin\"]", "[remote \"old\"]") + &config).unwrap();

    let repo = fixture.with(|options| {
        options.rules = ci("main");
        options.push.credential = credential(TOKEN, &server.url);
    });
    assert_eq!(repo.remote_url(), Some(url.clone()));
    repo.prepare_branch().await.unwrap();
    fixture.write("file.y", "2\n");
    fixture.write("stray.txt", "x");
    repo.work_diff(&Default::default()).unwrap();
    let sha = repo.commit(&["file.y".into()], "work").unwrap();
    assert!(repo.commit(&["new.x".into()], "nothing").is_ok());
    repo.day_diff(&sha, &sha).unwrap();
    repo.set_untracked_aside().unwrap();
    repo.restore_untracked().unwrap();
    fixture.write("file.y", "3\n");
    repo.reset_paths(&["file.y".into()]).unwrap();
    assert_eq!(repo.push("pace/sprint").await.unwrap(), Pushed::To(url));

    let left: Vec<_> = fs::read_dir(&marks).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(evil.requests.lock().unwrap().is_empty());
    assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), sha);
    // The traps work: git itself falls into them.
    super::fixture::try_git(&fixture.root, "status");
    assert!(fs::read_dir(&marks).unwrap().count() > 0);
}

#[tokio::test]
async fn a_work_tree_elsewhere_is_refused() {
    let fixture = Fixture::new();
    let other = tempfile::TempDir::new().unwrap();
    fixture.git(&format!("config core.worktree {}", other.path().display()));
    let error = crate::repo::GitRepo::open(&fixture.root, super::fixture::options()).unwrap_err().to_string();
    assert!(error.contains("core.worktree"), "{error}");
}

#[tokio::test]
async fn the_kept_keys_still_count() {
    let fixture = Fixture::new();
    fixture.git("config core.autocrlf true");
    fixture.git("config core.fileMode false");
    fs::set_permissions(fixture.root.join("README.md"), fs::Permissions::from_mode(0o755)).unwrap();
    let repo = fixture.open();
    repo.prepare_branch().await.unwrap();
    fixture.write("w.txt", "1\r\n");
    repo.commit(&["w.txt".into()], "x").unwrap();
    assert_eq!(fixture.git("cat-file -p HEAD:w.txt"), "1");
}

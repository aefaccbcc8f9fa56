//! Untracked files out of the way and back.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use super::fixture::Fixture;
use crate::repo::Repository;

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn littered() -> Fixture {
    let fixture = Fixture::new();
    fixture.write(".git/info/exclude", "ignored\n");
    for path in
        ["note.txt", "deep/er/x.txt", "ignored", "node_modules/m/index.js", ".pace/day-1/handoff.yaml"]
    {
        fixture.write(path, path);
    }
    fixture.git("init -q nested");
    fixture.write("nested/x", "x");
    fixture
}

#[tokio::test]
async fn files_go_and_come_back() {
    let fixture = littered();
    let repo = fixture.with(|options| options.kept.add(["node_modules/".into()]));
    let all = set(&[".pace/day-1/handoff.yaml", "deep/er/x.txt", "nested/", "note.txt"]);
    assert_eq!(repo.untracked().unwrap(), all);
    let moved = repo.set_untracked_aside().unwrap();
    assert_eq!(moved, set(&["deep/er/x.txt", "nested/", "note.txt"]));
    assert!(!fixture.root.join("deep").exists() && !fixture.root.join("nested").exists());
    assert_eq!(repo.untracked().unwrap(), set(&[".pace/day-1/handoff.yaml"]));
    assert!(fixture.root.join("node_modules/m/index.js").exists());
    assert_eq!(fixture.read("ignored"), "ignored");
    // A test run leaves its own file at the same place.
    fixture.write("note.txt", "by the test run");
    repo.restore_untracked().unwrap();
    assert_eq!(fixture.read("note.txt"), "note.txt");
    assert_eq!(fixture.read("deep/er/x.txt"), "deep/er/x.txt");
    assert_eq!(fixture.git("-C nested status --porcelain"), "?? x");
    assert_eq!(repo.untracked().unwrap(), all);
    repo.restore_untracked().unwrap();
    assert_eq!(fixture.git("status --porcelain -- .pace/.run"), "");
}

#[tokio::test]
async fn an_interrupted_run_gives_them_back_at_the_next_start() {
    let fixture = littered();
    fixture.open().set_untracked_aside().unwrap();
    let next = fixture.open();
    next.prepare_branch().await.unwrap();
    assert_eq!(fixture.read("note.txt"), "note.txt");
    next.set_untracked_aside().unwrap();
    fixture.write("second.txt", "s");
    assert!(next.set_untracked_aside().unwrap().contains("note.txt"));
    next.restore_untracked().unwrap();
    assert_eq!(fixture.read("second.txt"), "s");
}

#[tokio::test]
async fn a_link_leads_nothing_out_of_the_work_tree() {
    let fixture = littered();
    let repo = fixture.open();
    repo.set_untracked_aside().unwrap();
    let outside = fixture.dir.path().join("outside");
    fs::create_dir_all(outside.join("er")).unwrap();
    symlink(&outside, fixture.root.join("deep")).unwrap();
    let error = format!("{:#}", repo.restore_untracked().unwrap_err());
    assert!(error.contains("deep is a symbolic link"), "{error}");
    assert!(!outside.join("er/x.txt").exists());
    fs::remove_file(fixture.root.join("deep")).unwrap();
    repo.restore_untracked().unwrap();
    assert_eq!(fixture.read("deep/er/x.txt"), "deep/er/x.txt");
}

#[tokio::test]
async fn a_linked_aside_folder_is_refused() {
    let fixture = littered();
    let outside = fixture.dir.path().join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(fixture.root.join(".pace/.run")).unwrap();
    symlink(&outside, fixture.root.join(".pace/.run/aside")).unwrap();
    let repo = fixture.open();
    assert!(repo.set_untracked_aside().is_err());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
    assert_eq!(fixture.read("note.txt"), "note.txt");
}

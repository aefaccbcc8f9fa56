//! Ignored files come back where they were, wherever links lead by then.

use std::fs;
use std::os::unix::fs::symlink;

use super::fixture::Fixture;
use crate::repo::{Repository, Restoring};

#[tokio::test]
async fn a_file_is_not_put_back_through_a_link() {
    for pattern in ["local", "local/"] {
        let fixture = Fixture::new();
        fixture.write(".git/info/exclude", &format!("{pattern}\n"));
        fixture.write("local/pre-commit", "a person's");
        let repo = fixture.open();
        repo.note_ignored("day-1-run-1").unwrap();
        let hooks = fixture.dir.path().join("outside");
        fs::create_dir(&hooks).unwrap();
        fs::rename(fixture.root.join("local"), fixture.root.join("moved")).unwrap();
        symlink(&hooks, fixture.root.join("local")).unwrap();
        repo.restore_ignored(Restoring::AtEnd).unwrap();
        assert_eq!(fs::read_dir(&hooks).unwrap().count(), 0, "{pattern}");
        assert!(!fixture.root.join("local").is_symlink());
        assert_eq!(fixture.read("local/pre-commit"), "a person's");
    }
}

#[tokio::test]
async fn what_tools_keep_is_emptied_in_the_work_tree_alone() {
    let fixture = Fixture::new();
    fixture.write(".git/info/exclude", "node_modules\n");
    let repo = fixture.with(|options| options.kept.add(["node_modules/".into(), "app/node_modules/".into()]));
    let outside = fixture.dir.path().join("outside");
    fs::create_dir_all(outside.join(".cache")).unwrap();
    fs::write(outside.join(".cache/x"), "somebody's").unwrap();
    fixture.write("app/node_modules/.cache/x", "of a command");
    symlink(&outside, fixture.root.join("node_modules")).unwrap();
    repo.note_ignored("day-1-run-1").unwrap();
    repo.restore_ignored(Restoring::ForTests).unwrap();
    assert_eq!(fs::read_to_string(outside.join(".cache/x")).unwrap(), "somebody's");
    assert!(!fixture.root.join("app/node_modules/.cache/x").exists());
}

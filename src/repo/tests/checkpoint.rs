//! Checkpoints keep what a run did and bring it back, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::fixture::Fixture;
use crate::repo::checkpoint::{Point, Spared};
use crate::repo::{GitRepo, Repository};

const NAME: &str = "sprint one/day-1";

fn sparing<T>(work: impl FnOnce(&Spared<'_>) -> T) -> T {
    let untracked = BTreeSet::from(["mine.txt".to_owned()]);
    let mask = |text: &str| text.replace("hunter2", "***");
    work(&Spared { untracked: &untracked, others: &|path| path.starts_with(".pace/"), mask: &mask })
}

fn keep(repo: &GitRepo) -> String {
    sparing(|spared| repo.checkpoint(NAME, spared)).unwrap()
}

/// A work tree with every kind of change.
fn changed() -> Fixture {
    let fixture = Fixture::new();
    fixture.write("mine.txt", "a person's");
    fixture.write("README.md", "# two\r\n");
    fixture.write("new/deep.sh", "#!/bin/sh\n");
    fs::set_permissions(fixture.root.join("new/deep.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("README.md", fixture.root.join("link")).unwrap();
    fs::remove_file(fixture.root.join("src/a.txt")).unwrap();
    fixture.write(".pace/day-1/a.yaml", "record");
    fixture
}

#[tokio::test]
async fn what_a_run_did_comes_back_and_a_persons_files_stay() {
    let fixture = changed();
    let repo = fixture.open();
    let (head, index) = (fixture.head(), fs::read(fixture.root.join(".git/index")).unwrap());
    let kept = keep(&repo);
    assert_eq!(fs::read(fixture.root.join(".git/index")).unwrap(), index, "the index is a person's");
    assert_eq!(keep(&repo), kept, "nothing changed, nothing is kept");
    assert_eq!(fixture.git("rev-parse refs/pace/run/sprint-one/day-1"), kept);
    assert_eq!(fixture.git(&format!("show --format= --name-only {kept}:")).matches("mine").count(), 0);

    fixture.write("later.txt", "of another commit");
    fixture.git("add later.txt");
    fixture.git("commit -q -m later later.txt");
    let later = fixture.head();
    fixture.write("README.md", "# three\n");
    fixture.write("litter.txt", "x");
    fixture.write("mine.txt", "changed by the person");
    sparing(|spared| repo.restore(Point::Checkpoint(&kept), spared)).unwrap();
    assert_eq!(fixture.head(), head);
    assert_eq!(fixture.read("README.md"), "# two\r\n");
    assert_eq!(fixture.read("mine.txt"), "changed by the person");
    assert_eq!(fixture.read(".pace/day-1/a.yaml"), "record");
    assert_eq!(fs::read_link(fixture.root.join("link")).unwrap().to_str(), Some("README.md"));
    assert_eq!(fs::metadata(fixture.root.join("new/deep.sh")).unwrap().permissions().mode() & 0o777, 0o755);
    for gone in ["src/a.txt", "later.txt", "litter.txt"] {
        assert!(!fixture.root.join(gone).exists(), "{gone}");
    }
    assert!(sparing(|spared| repo.differences(Point::Checkpoint(&kept), spared)).unwrap().is_empty());

    sparing(|spared| repo.restore(Point::Head(&later), spared)).unwrap();
    assert_eq!((fixture.read("later.txt").as_str(), fixture.head()), ("of another commit", later));
    repo.forget_checkpoints(NAME).unwrap();
    repo.forget_checkpoints(NAME).unwrap();
    assert_eq!(fixture.git("for-each-ref refs/pace"), "");
}

#[tokio::test]
async fn an_earlier_checkpoint_is_reached_through_the_later() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.write("a.txt", "one");
    let first = keep(&repo);
    fixture.write("a.txt", "two");
    let second = keep(&repo);
    fixture.git("gc -q --prune=now");
    assert_eq!(fixture.git(&format!("rev-parse {second}^2")), first);
    sparing(|spared| repo.restore(Point::Checkpoint(&first), spared)).unwrap();
    assert_eq!(fixture.read("a.txt"), "one");
}

#[tokio::test]
async fn a_new_secret_is_not_kept_and_one_that_git_has_stays() {
    let fixture = Fixture::new();
    fixture.commit("old.txt", "key: hunter2\n");
    let repo = fixture.open();
    fixture.write("old.txt", "key: hunter2\nmore\n");
    fixture.write("new.txt", "key = hunter2\n");
    let kept = keep(&repo);
    assert_eq!(fixture.git(&format!("show {kept}:old.txt")), "key: hunter2\nmore");
    assert_eq!(fixture.git(&format!("show {kept}:new.txt")), "key = ***");
}

#[tokio::test]
async fn a_point_that_is_not_here_is_told() {
    let repo = Fixture::new().open();
    assert_eq!(repo.head_of(Point::Checkpoint(&"1".repeat(40))).ok().flatten(), None);
}

#[tokio::test]
async fn a_file_whose_name_is_a_secret_is_not_kept() {
    let fixture = changed();
    let repo = fixture.open();
    fixture.write("new/key-hunter2", "x");
    let kept = keep(&repo);
    let files = fixture.git(&format!("ls-tree -r --name-only {kept}"));
    assert!(files.contains("new/deep.sh") && !files.contains("hunter2"), "{files}");
}

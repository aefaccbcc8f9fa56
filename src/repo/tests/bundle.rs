//! A branch as a file.

use std::fs;

use super::fixture::Fixture;
use crate::repo::Repository as _;

/// Bytes that a bundle may have.
const LARGEST: u64 = 4 << 30;

#[tokio::test]
async fn a_bundle_names_each_commit_that_it_stands_on_once() {
    let fixture = Fixture::with_remote();
    let base = fixture.head();
    for side in ["one", "two", "three"] {
        fixture.git(&format!("checkout -q -b {side} {base}"));
        fixture.commit(&format!("{side}.txt"), side);
    }
    fixture.git("checkout -q -b day one");
    fixture.git("merge -q --no-ff -m merge two");
    fixture.git("merge -q --no-ff -m merge three");
    let path = fixture.dir.path().join("day.bundle");
    let bundled = fixture.open().bundle("day", &path).unwrap();
    assert_eq!((bundled.commits.len(), &bundled.head), (5, &fixture.head()));
    let bytes = fs::read(&path).unwrap();
    let end = bytes.windows(2).position(|two| two == b"\n\n").unwrap();
    let header = String::from_utf8(bytes[..end].to_vec()).unwrap();
    assert_eq!(header, format!("# v2 git bundle\n-{base}\n{} refs/heads/day", bundled.head));
    fixture.git(&format!("bundle verify -q {}", path.display()));
}

/// Not cut off, and not read into memory: the file is sparse.
#[tokio::test]
async fn a_bundle_that_is_too_large_is_refused_by_its_size() {
    let fixture = Fixture::with_remote();
    fixture.git("checkout -q -b pace/sprint");
    fixture.commit("new.txt", "new");
    let path = fixture.dir.path().join("day.bundle");
    let bundled = fixture.open().bundle("pace/sprint", &path).unwrap();
    let other = fixture.colleague();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(LARGEST + 1).unwrap();
    let refused = other.open().take_over("pace/sprint", &bundled, &path).await.unwrap_err().to_string();
    assert!(refused.contains(&format!("{} bytes", LARGEST + 1)), "{refused}");
    assert!(refused.contains(&LARGEST.to_string()) && refused.contains("PACE_STAGE=all"), "{refused}");
}

#[tokio::test]
async fn a_local_branch_that_has_more_is_kept_and_one_that_has_less_is_not() {
    let fixture = Fixture::with_remote();
    fixture.git("checkout -q -b pace/sprint");
    fixture.commit("new.txt", "new");
    let path = fixture.dir.path().join("day.bundle");
    let bundled = fixture.open().bundle("pace/sprint", &path).unwrap();
    for (own, kept) in [(false, 0), (true, 1)] {
        let other = fixture.colleague();
        other.git("checkout -q -b pace/sprint");
        if own {
            other.commit("mine.txt", "mine");
        }
        let tip = other.head();
        other.git("checkout -q main");
        other.open().take_over("pace/sprint", &bundled, &path).await.unwrap();
        let left = other.git("for-each-ref --format=%(objectname) refs/pace/left");
        assert_eq!(left.lines().count(), kept, "{left}");
        assert!(!own || left == tip, "{left}");
        assert_eq!(other.head(), bundled.head);
    }
}

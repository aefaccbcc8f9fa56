//! Bundles that anybody bent: an error by name, or the same commits.

use super::fixture::Fixture;
use crate::repo::Repository as _;

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

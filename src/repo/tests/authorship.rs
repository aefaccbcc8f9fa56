//! Whose a line is.

use super::fixture::Fixture;
use crate::repo::Repository as _;

#[tokio::test]
async fn a_line_belongs_to_the_commit_that_brought_it_last() {
    let fixture = Fixture::new();
    let own = |text: &str| {
        fixture.write("README.md", text);
        fixture.open().commit(&["README.md".to_owned()], "pace: day 1\n\nPace-Day: 1").unwrap();
    };
    fixture.commit("README.md", "by a person\nstays\n");
    own("by a person\nby pace\nstays\ntaken over\n");
    fixture.commit("README.md", "by a person\nby pace\nstays\n");
    fixture.commit("README.md", "by a person\nby pace\nstays\ntaken over\n");
    fixture.commit("other.txt", "x\n");
    own("by a person\nby pace\nby pace too\nstays\ntaken over\n");
    let lines = |path| fixture.open().lines_by("Pace-Day:", path).unwrap().into_iter().collect::<Vec<_>>();
    assert_eq!(lines("README.md"), ["by pace", "by pace too"]);
    assert!(lines("other.txt").is_empty() && lines("absent.md").is_empty());
}

/// A forge that squashes a review lists what it squashed: people's documents and pace's commits.
#[tokio::test]
async fn a_squash_that_quotes_paces_commits_is_nobodys() {
    let fixture = Fixture::new();
    let commit = |text: &str, message: &str| {
        fixture.write("README.md", text);
        fixture.open().commit(&["README.md".to_owned()], message).unwrap();
    };
    commit("ann's\n", "Sprint (#7)\n\n* docs: ann's\n\n* pace: day 1\n\nPace-Day: 1\nPace-Sprint: s");
    commit("ann's\nbob's\n", "docs: trailers\n\nPace-Day: 1\nis a trailer.\n\nSigned-off-by: bob");
    commit("ann's\nbob's\npace's\n", "pace: day 2\n\nPace-Day: 2\nPace-Sprint: s");
    let lines = fixture.open().lines_by("Pace-Day:", "README.md").unwrap();
    assert_eq!(lines.into_iter().collect::<Vec<_>>(), ["pace's"]);
}

//! Work and day diffs.

use std::collections::BTreeSet;
use std::fs;

use super::fixture::{Fixture, ci};
use crate::domain::diff::Change;
use crate::repo::{GitRepo, Repository};

#[tokio::test]
async fn the_work_tree_is_compared_with_head() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.write("src/a.txt", "1\n2\nnew\n3\n4\n5\n6\n7\n8\n9\n10\n11\n");
    fs::remove_file(fixture.root.join("README.md")).unwrap();
    fixture.write("b.txt", "one\ntwo\n");
    fixture.write("before.txt", "was here");
    fixture.write("bin", "\0\x01");
    fixture.write(".gitignore", "ignored\n");
    fixture.write("ignored", "x");
    fixture.write(".pace/.run/journal", "x");
    let objects = || fixture.git("count-objects");
    let stored = objects();
    let diff = repo.work_diff(&BTreeSet::from(["before.txt".into(), ".gitignore".into()])).unwrap();
    assert_eq!(objects(), stored, "nothing is stored for a diff");
    assert_eq!(fixture.git("diff --cached --name-only"), "");
    let names: Vec<_> = diff.files.iter().map(|f| (f.path.as_str(), f.change, f.binary)).collect();
    assert_eq!(
        names,
        [
            ("README.md", Change::Deleted, false),
            ("b.txt", Change::Added, false),
            ("bin", Change::Added, true),
            ("src/a.txt", Change::Modified, false),
        ]
    );
    let modified = diff.file("src/a.txt").unwrap();
    assert_eq!(modified.added, [(3, 4), (11, 13)]);
    assert!(modified.adds_line(3) && modified.adds_line(12) && !modified.adds_line(4));
    assert_eq!(
        modified.patch,
        "diff --git a/src/a.txt b/src/a.txt\n--- a/src/a.txt\n+++ b/src/a.txt\n\
        @@ -1,5 +1,6 @@\n 1\n 2\n+new\n 3\n 4\n 5\n@@ -7,3 +8,5 @@\n 7\n 8\n 9\n+10\n+11\n"
    );
    assert_eq!(
        diff.file("b.txt").unwrap().patch,
        "diff --git a/b.txt b/b.txt\nnew file mode 100644\n\
        --- /dev/null\n+++ b/b.txt\n@@ -0,0 +1,2 @@\n+one\n+two\n"
    );
    assert_eq!(
        diff.file("README.md").unwrap().patch,
        "diff --git a/README.md b/README.md\n\
        deleted file mode 100644\n--- a/README.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-# one\n"
    );
    assert_eq!(diff.file("bin").unwrap().patch, "");
}

#[tokio::test]
async fn patches_can_be_applied_by_git() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.git("mv src/a.txt moved.txt");
    fixture.write("moved.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9 changed");
    fixture.write("README.md", "no newline");
    let diff = repo.work_diff(&BTreeSet::new()).unwrap();
    let moved = diff.file("moved.txt").unwrap();
    assert_eq!((moved.change, moved.old_path.as_deref()), (Change::Renamed, Some("src/a.txt")));
    fs::write(fixture.dir.path().join("p"), diff.patch()).unwrap();
    fixture.git("reset -q --hard");
    fixture.git("apply ../p");
    assert_eq!(fixture.read("moved.txt"), "1\n2\n3\n4\n5\n6\n7\n8\n9 changed");
    assert_eq!(fixture.read("README.md"), "no newline");
}

#[tokio::test]
async fn attributes_hide_nothing() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.write(".gitattributes", "*.py -diff\n*.sh binary\n*.rs diff=evil\n");
    for name in ["a.py", "a.sh", "a.rs"] {
        fixture.write(name, "evil()\n");
    }
    fixture.write("a.js", "/*\u{1}\u{2}\u{3}\u{4}\u{5}\u{6}*/ evil()\n");
    let diff = repo.work_diff(&BTreeSet::new()).unwrap();
    assert!(diff.file("a.js").unwrap().patch.ends_with("evil()\n"));
    for name in ["a.py", "a.sh", "a.rs"] {
        let file = diff.file(name).unwrap();
        assert!(!file.binary && file.patch.ends_with("+evil()\n") && file.added == [(1, 2)], "{file:?}");
    }
}

#[tokio::test]
async fn a_nested_repository_and_a_mode_are_seen() {
    let fixture = Fixture::new();
    fixture.git("init -q nested");
    fixture.write("nested/evil", "x");
    fixture.git("update-index --chmod=+x src/a.txt");
    fixture.git("checkout-index -f src/a.txt");
    let diff = fixture.open().work_diff(&BTreeSet::new()).unwrap();
    assert!(diff.file("nested/").unwrap().binary);
    let patch = &diff.file("src/a.txt").unwrap().patch;
    assert!(patch.ends_with("old mode 100644\nnew mode 100755\n"), "{patch}");
}

#[tokio::test]
async fn large_patches_and_files_are_cut() {
    let fixture = Fixture::new();
    fixture.write("long.txt", &"some line of text\n".repeat(60_000));
    let huge = fs::File::create(fixture.root.join("huge.txt")).unwrap();
    huge.set_len(17 * 1024 * 1024).unwrap();
    let diff = fixture.open().work_diff(&BTreeSet::new()).unwrap();
    let long = diff.file("long.txt").unwrap();
    assert_eq!(long.added, [(1, 60_001)]);
    assert!(long.patch.len() < 300 && long.patch.contains("bytes not shown"), "{}", long.patch);
    assert!(diff.file("huge.txt").unwrap().binary);
}

fn names(repo: &GitRepo, base: &str, commit: &str) -> Vec<String> {
    repo.day_diff(base, commit).unwrap().files.into_iter().map(|f| f.path).collect()
}

#[tokio::test]
async fn a_day_holds_all_commits_but_the_base_branchs() {
    let fixture = Fixture::with_remote();
    fixture.git("checkout -q -b pace/sprint");
    let base = fixture.commit("yesterday.txt", "y");
    fixture.commit("forge.txt", "f");
    fixture.commit("person.txt", "p");
    // Main moves: a new file, a change of a file that the day changes too, and a rename.
    fixture.git("checkout -q main");
    fixture.commit("main.txt", "m");
    fixture.commit("src/a.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\nfrom main\n");
    fixture.git("mv README.md INTRO.md");
    fixture.commit_all("rename");
    fixture.git("push -q origin main");
    fixture.git("fetch -q origin");
    fixture.git("checkout -q pace/sprint");
    fixture.git("merge -q --no-edit main");
    fixture.write("src/a.txt", "from the day\n1\n2\n3\n4\n5\n6\n7\n8\n9\nfrom main\n");
    let end = fixture.commit_all("day");
    let repo = fixture.with(|options| options.rules = ci("main"));
    assert_eq!(names(&repo, &base, &end), ["forge.txt", "person.txt", "src/a.txt"]);
    let diff = repo.day_diff(&base, &end).unwrap();
    assert_eq!(diff.file("src/a.txt").unwrap().added, [(1, 2)]);
    // What the person took from another branch is the day's.
    fixture.git("checkout -q -b topic main");
    fixture.commit("topic.txt", "t");
    fixture.git("checkout -q pace/sprint");
    fixture.git("merge -q --no-edit topic");
    assert_eq!(names(&repo, &base, &fixture.head()), ["forge.txt", "person.txt", "src/a.txt", "topic.txt"]);
    // Nothing merged at all.
    assert_eq!(names(&repo, &base, &base), Vec::<String>::new());
}

#[tokio::test]
async fn a_conflict_that_a_person_resolved_is_shown() {
    let fixture = Fixture::new();
    fixture.git("checkout -q -b pace/sprint");
    let base = fixture.commit("README.md", "sprint\n");
    fixture.git("checkout -q main");
    fixture.commit("README.md", "main\n");
    fixture.git("checkout -q pace/sprint");
    super::fixture::try_git(&fixture.root, "merge -q main");
    fixture.write("README.md", "resolved\n");
    let end = fixture.commit_all("merge");
    let diff = fixture.open().day_diff(&base, &end).unwrap();
    assert!(diff.patch().contains("-sprint\n+resolved\n"), "{}", diff.patch());
}

#[tokio::test]
async fn on_the_base_branch_itself_nothing_is_excluded() {
    let fixture = Fixture::new();
    let base = fixture.head();
    let repo = fixture.with(|options| options.rules.wanted = Some("main".into()));
    assert_eq!(repo.prepare_branch().await.unwrap().name, "main");
    let end = fixture.commit("x.txt", "x");
    assert_eq!(names(&repo, &base, &end), ["x.txt"]);
}

#[tokio::test]
async fn a_submodule_and_a_rename_are_named() {
    let fixture = Fixture::new();
    let base = fixture.head();
    fixture.git(&format!("update-index --add --cacheinfo 160000,{base},sub"));
    fixture.git("mv src/a.txt b.txt");
    fixture.git("commit -q -m x");
    let diff = fixture.open().day_diff(&base, &fixture.head()).unwrap();
    assert!(diff.file("sub").unwrap().patch.ends_with(&format!("+Subproject commit {base}\n")));
    let renamed = diff.file("b.txt").unwrap();
    assert_eq!((renamed.change, renamed.added.len()), (Change::Renamed, 0));
    assert!(renamed.patch.ends_with("rename from src/a.txt\nrename to b.txt\n"));
}

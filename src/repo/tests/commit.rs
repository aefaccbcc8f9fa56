//! What a commit holds and what it refuses.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use sha2::{Digest, Sha256};

use super::fixture::{Fixture, git};
use crate::repo::{GitRepo, Repository};

fn paths(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn refused(repo: &GitRepo, names: &[&str]) -> String {
    format!("{:#}", repo.commit(&paths(names), "no").unwrap_err())
}

#[tokio::test]
async fn exactly_the_given_paths_are_committed() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    let parent = fixture.head();
    fixture.write("run.sh", "#!/bin/sh\n");
    fs::set_permissions(fixture.root.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", fixture.root.join("link")).unwrap();
    fs::remove_file(fixture.root.join("src/a.txt")).unwrap();
    fixture.write("other.txt", "stays");
    fixture.write("README.md", "stays modified");
    fixture.write(".gitignore", "*.log\n");
    fixture.write("kept.log", "named, so committed");
    let sha = repo
        .commit(&paths(&["run.sh", "link", "src/a.txt", "gone.txt", "kept.log"]), "work\n\nPace-Day: 1")
        .unwrap();
    assert_eq!(sha, fixture.head());
    assert_eq!(fixture.git("log -1 --format=%P"), parent);
    assert_eq!(fixture.git("log -1 --format=%an%ae%cn%ce"), "Pacepace@example.orgPacepace@example.org");
    assert_eq!(fixture.git("log -1 --format=%(trailers:key=Pace-Day,valueonly)"), "1");
    assert_eq!(fixture.git("log -1 --format=%G?"), "N");
    let tree = fixture.git("ls-tree -r --format=%(objectmode)%x20%(path) HEAD");
    assert_eq!(tree, "100644 README.md\n100644 kept.log\n120000 link\n100755 run.sh");
    assert_eq!(fixture.git("cat-file -p HEAD:link"), "/etc/passwd");
    assert_eq!(fixture.git("status --porcelain"), " M README.md\n?? .gitignore\n?? other.txt");
    assert_eq!(repo.commit(&paths(&["run.sh", "gone.txt"]), "again").unwrap(), sha);
    let age = fixture.git("log -1 --format=%ct").parse::<u64>().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(now - age < 3600);
}

#[tokio::test]
async fn staged_changes_of_others_stay_out() {
    let fixture = Fixture::new();
    fixture.write("README.md", "staged");
    fixture.git("add README.md");
    fixture.write("new.txt", "x");
    fixture.open().commit(&paths(&["new.txt"]), "x").unwrap();
    assert_eq!(fixture.git("show HEAD:README.md"), "# one");
    assert_eq!(fixture.git("status --porcelain"), "M  README.md");
}

#[tokio::test]
async fn a_folder_may_take_the_place_of_a_file_and_back() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fs::remove_file(fixture.root.join("README.md")).unwrap();
    fixture.write("README.md/a", "x");
    repo.commit(&paths(&["README.md", "README.md/a"]), "x").unwrap();
    assert_eq!(fixture.git("ls-tree -r --name-only HEAD"), "README.md/a\nsrc/a.txt");
    fs::remove_dir_all(fixture.root.join("README.md")).unwrap();
    fixture.write("README.md", "x");
    repo.commit(&paths(&["README.md/a", "README.md"]), "x").unwrap();
    assert_eq!(fixture.git("ls-tree -r --name-only HEAD"), "README.md\nsrc/a.txt");
    fs::remove_dir_all(fixture.root.join("src")).unwrap();
    symlink("/etc", fixture.root.join("src")).unwrap();
    repo.commit(&paths(&["src/a.txt", "src"]), "x").unwrap();
    assert_eq!(fixture.git("ls-tree -r --name-only HEAD"), "README.md\nsrc");
    assert_eq!(fixture.git("status --porcelain"), "");
}

#[tokio::test]
async fn paths_outside_are_refused_all_at_once() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    symlink("/etc", fixture.root.join("etc")).unwrap();
    git(&fixture.root, "init -q nested");
    fixture.write("nested/x", "x");
    fixture.write("good", "x");
    let text = refused(
        &repo,
        &[
            "good",
            "../x",
            "/etc/passwd",
            ".git/config",
            "sub/.GIT/x",
            "etc/passwd",
            "src",
            "nested/x",
            "a//b",
            "./good",
            "",
            ".pace/.run/journal",
        ],
    );
    for part in [
        "../x: ",
        "/etc/passwd: ",
        ".git/config: it is never",
        "sub/.GIT/x: it is never",
        "etc is a symbolic link",
        "src: it is a folder",
        "nested is a repository of its own",
        "a//b: ",
        "./good: ",
        ".pace/.run/journal: it is never",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("good: it is") || text.contains("./good: it is"));
    assert_eq!(fixture.git("diff --cached --name-only"), "");
}

#[tokio::test]
async fn submodules_are_left_alone() {
    let fixture = Fixture::new();
    let other = Fixture::new();
    fixture.git(&format!("-c protocol.file.allow=always submodule --quiet add {} sub", other.root.display()));
    fixture.commit_all("module");
    let pinned = fixture.git("rev-parse HEAD:sub");
    fixture.write("sub/src/a.txt", "dirty");
    fixture.write("sub/new.txt", "dirty");
    let repo = fixture.open();
    let branch = repo.prepare_branch().await.unwrap();
    assert_eq!(branch.name, "pace/sprint");
    assert!(repo.untracked().unwrap().is_empty());
    assert!(repo.work_diff(&Default::default()).unwrap().files.is_empty());
    let text = refused(&repo, &["sub/new.txt", "sub"]);
    assert_eq!(text.matches("the submodule sub").count(), 2, "{text}");
    fixture.write("x", "x");
    let sha = repo.commit(&paths(&["x"]), "x").unwrap();
    assert_eq!(fixture.git("rev-parse HEAD:sub"), pinned);
    assert!(!repo.paths(&sha).unwrap().contains(&"sub".to_owned()));
    assert_eq!(repo.show(&sha, "sub").unwrap(), None);
}

fn lfs(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes()).iter().map(|b| format!("{b:02x}")).collect::<String>();
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {}\n", content.len())
}

#[tokio::test]
async fn filtered_files_are_neither_modified_nor_written() {
    let fixture = Fixture::new();
    fixture.write("data.bin", &lfs("payload"));
    fixture.commit(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    fixture.write("data.bin", "payload");
    let repo = fixture.open();
    repo.prepare_branch().await.unwrap();
    assert!(repo.work_diff(&Default::default()).unwrap().files.is_empty());
    let head = fixture.head();
    assert_eq!(repo.commit(&paths(&["data.bin"]), "x").unwrap(), head);

    fixture.write("data.bin", "tampered");
    fixture.write("more.bin", "x");
    let text = refused(&repo, &["data.bin", "more.bin"]);
    assert_eq!(text.matches("filter `lfs`").count(), 2, "{text}");
    let text = format!("{:#}", repo.reset_paths(&paths(&["data.bin"])).unwrap_err());
    assert!(text.contains("data.bin: the filter `lfs`"), "{text}");
    assert_eq!(fixture.read("data.bin"), "tampered");
    assert!(repo.work_diff(&Default::default()).unwrap().file("data.bin").is_some());
    let text = repo.prepare_branch().await.unwrap_err().to_string();
    assert!(text.contains("data.bin"), "{text}");
}

#[tokio::test]
async fn a_checkout_that_a_filter_must_write_is_refused_by_name() {
    let fixture = Fixture::new();
    fixture.git("checkout -q -b pace/sprint");
    fixture.write("data.bin", &lfs("payload"));
    fixture.commit(".gitattributes", "*.bin filter=lfs\n");
    fixture.git("checkout -q main");
    let text = fixture.open().prepare_branch().await.unwrap_err().to_string();
    assert!(text.contains("data.bin") && text.contains("filter"), "{text}");
    assert_eq!(fixture.git("symbolic-ref HEAD"), "refs/heads/main");
    assert!(!fixture.root.join("data.bin").exists());
}

#[tokio::test]
async fn line_ends_follow_the_attributes() {
    let fixture = Fixture::new();
    fixture.commit(".gitattributes", "*.txt text eol=crlf\n");
    fixture.write("w.txt", "1\r\n2\r\n");
    let repo = fixture.open();
    let diff = repo.work_diff(&Default::default()).unwrap();
    assert_eq!(diff.file("w.txt").unwrap().added, [(1, 3)]);
    repo.commit(&paths(&["w.txt"]), "x").unwrap();
    assert_eq!(fixture.git("cat-file -p HEAD:w.txt"), "1\n2");
    assert_eq!(fixture.git("status --porcelain -- w.txt"), "");
}

#[tokio::test]
async fn changes_are_taken_back() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    fixture.write("README.md", "bad");
    fs::remove_file(fixture.root.join("src/a.txt")).unwrap();
    fixture.write("new[1].txt", "untracked");
    fixture.write("other.txt", "stays");
    repo.reset_paths(&paths(&["README.md", "src/a.txt", "new[1].txt", "absent"])).unwrap();
    assert_eq!(fixture.read("README.md"), "# one\n");
    assert_eq!(fixture.git("status --porcelain"), "?? new[1].txt\n?? other.txt");
}

#[tokio::test]
async fn a_commit_is_read_back() {
    let fixture = Fixture::new();
    let repo = fixture.open();
    let first = repo.head().unwrap();
    let second = fixture.commit("src/b.txt", "b");
    assert_eq!(repo.show(&second, "src/b.txt").unwrap().as_deref(), Some(&b"b"[..]));
    assert_eq!(repo.show(&first, "src/b.txt").unwrap(), None);
    assert_eq!(repo.show(&first, "src").unwrap(), None);
    assert_eq!(repo.paths(&second).unwrap(), ["README.md", "src/a.txt", "src/b.txt"]);
    assert!(repo.is_ancestor(&first, &second).unwrap() && repo.is_ancestor(&first, &first).unwrap());
    assert!(!repo.is_ancestor(&second, &first).unwrap());
    assert!(!repo.is_ancestor("0123456789012345678901234567890123456789", &first).unwrap());
    assert!(!repo.is_ancestor("--upload-pack", &first).unwrap());
    assert!(repo.show("HEAD", "README.md").is_err());
}

//! Files exchanged for one run and put back.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;

use super::fixture::Fixture;
use crate::repo::{Repository, Stored};

fn file(text: &str) -> Option<Stored> {
    Some(Stored { content: text.into(), mode: 0o100_644 })
}

fn exchanged(fixture: &Fixture) {
    fixture.write("src/new.py", "new");
    fixture.write("src/changed.py", "now");
    fixture.write("src/deep/only.py", "only");
    fixture.write("tests/kept.snap", "kept");
    let instead: BTreeMap<_, _> = [
        ("src/changed.py", file("then")),
        ("src/deep/only.py", None),
        ("src/new.py", None),
        ("src/gone.py", file("gone")),
    ]
    .map(|(path, stored)| (path.to_owned(), stored))
    .into();
    fixture.open().exchange(&instead, &["tests/kept.snap".into(), "tests/absent.snap".into()]).unwrap();
}

fn all_is_back(fixture: &Fixture) {
    assert_eq!(fixture.read("src/changed.py"), "now");
    assert_eq!(fixture.read("src/new.py"), "new");
    assert_eq!(fixture.read("src/deep/only.py"), "only");
    assert_eq!(fixture.read("tests/kept.snap"), "kept");
    assert!(!fixture.root.join("src/gone.py").exists() && !fixture.root.join("tests/absent.snap").exists());
    assert!(!fixture.root.join(".pace/.run/exchange").exists());
}

#[tokio::test]
async fn files_are_exchanged_and_put_back_with_times_that_differ() {
    let fixture = Fixture::new();
    let time = |path: &str| fs::metadata(fixture.root.join(path)).unwrap().modified().unwrap();
    exchanged(&fixture);
    assert_eq!(fixture.read("src/changed.py"), "then");
    assert_eq!(fixture.read("src/gone.py"), "gone");
    assert!(!fixture.root.join("src/new.py").exists() && !fixture.root.join("src/deep").exists());
    let between = time("src/changed.py");
    fixture.write("tests/kept.snap", "by the run");
    fixture.write("tests/absent.snap", "by the run");
    fixture.open().put_back().unwrap();
    all_is_back(&fixture);
    assert!(time("src/changed.py").duration_since(between).unwrap().as_millis() >= 1000);
    fixture.open().put_back().unwrap();
    assert_eq!(fixture.git("status --porcelain -- .pace/.run"), "");
}

#[tokio::test]
async fn an_interrupted_run_gives_them_back_at_the_next_start() {
    let fixture = Fixture::new();
    exchanged(&fixture);
    fixture.open().prepare_branch().await.unwrap();
    all_is_back(&fixture);
}

#[tokio::test]
async fn no_link_leads_the_exchange_out_of_the_tree() {
    let fixture = Fixture::new();
    let outside = tempfile::tempdir().unwrap();
    symlink(outside.path(), fixture.root.join("elsewhere")).unwrap();
    for path in ["elsewhere/a.py", "../a.py", ".pace/.run/x"] {
        let instead = [(path.to_owned(), file("x"))].into();
        assert!(fixture.open().exchange(&instead, &[]).is_err(), "{path}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn the_start_of_a_day_is_read_with_its_modes() {
    let fixture = Fixture::new();
    fixture.write("run.sh", "base");
    fs::set_permissions(fixture.root.join("run.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    fixture.git("add run.sh");
    fixture.git("commit -qm base");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _guard = runtime.enter();
    let repo = fixture.open();
    let base = repo.head().unwrap();
    fixture.write("run.sh", "now");
    fixture.write("new.sh", "new");
    let paths = ["run.sh".to_owned(), "new.sh".to_owned()];
    let start = repo.day_start(&base, &base, &paths).unwrap();
    assert_eq!(start["run.sh"], Some(Stored { content: b"base".into(), mode: 0o100_755 }));
    assert_eq!(start["new.sh"], None);
    let diff = repo.day_work_diff(&base, &Default::default()).unwrap();
    let names: Vec<_> = diff.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(names, ["new.sh", "run.sh"]);
}

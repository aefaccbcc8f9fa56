//! The corpus of pipelines (`tests/data/pipelines`): what the checks must find in it and what they must leave alone;
//! and what the day's change makes of a flaw.

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::domain::artifact::FindingResult;
use crate::domain::diff::{Change, FileDiff};
use FindingResult::{Advisory, Fail, Pass};

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pipelines")
}

/// The cases below `faulty` or `clean`: name and content.
fn cases(kind: &str) -> BTreeMap<String, Commit> {
    let mut cases = BTreeMap::new();
    for entry in std::fs::read_dir(corpus().join(kind)).unwrap().flatten().filter(|e| e.path().is_dir()) {
        let mut commit = Commit::default();
        gather(&entry.path(), &entry.path(), &mut commit);
        cases.insert(entry.file_name().into_string().unwrap(), commit);
    }
    cases
}

fn gather(root: &Path, folder: &Path, commit: &mut Commit) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(root, &path, commit);
            continue;
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        if is_wanted(&name) {
            commit.files.insert(name.clone(), std::fs::read_to_string(&path).unwrap());
        }
        commit.paths.insert(name);
    }
}

/// The flaws of a commit that no day changed: `check file:line`.
fn flaws(commit: &Commit) -> Vec<String> {
    let findings = check(commit, &Diff::default());
    let flaw = |f: &Finding| {
        let place = f.evidence.split(" — ").next().unwrap_or_default();
        (f.result != Pass).then(|| format!("{} {place}", f.check))
    };
    let mut flaws: Vec<String> = findings.iter().filter_map(flaw).collect();
    flaws.sort();
    flaws
}

#[test]
fn known_faults_are_found() {
    let text = std::fs::read_to_string(corpus().join("faulty/expected.yaml")).unwrap();
    let expected: BTreeMap<String, Vec<String>> = serde_yaml::from_str(&text).unwrap();
    let cases = cases("faulty");
    assert!(cases.len() >= 40, "{} faulty pipelines", cases.len());
    assert_eq!(cases.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let found: BTreeMap<_, _> = cases.iter().map(|(name, commit)| (name.clone(), flaws(commit))).collect();
    let wrong: Vec<_> = found.iter().filter(|(name, flaws)| expected[*name] != **flaws).collect();
    assert!(wrong.is_empty(), "found otherwise than expected: {wrong:#?}");
}

#[test]
fn clean_pipelines_are_left_alone() {
    let cases = cases("clean");
    assert!(cases.len() >= 40, "{} clean pipelines", cases.len());
    let wrong: Vec<_> =
        cases.iter().map(|(name, c)| (name, flaws(c))).filter(|(_, f)| !f.is_empty()).collect();
    assert!(wrong.is_empty(), "flaws in clean pipelines: {wrong:#?}");
    // A case that nothing looks at would prove nothing.
    let idle: Vec<_> =
        cases.iter().filter(|(_, c)| check(c, &Diff::default()).is_empty()).map(|(n, _)| n).collect();
    assert!(idle.is_empty(), "{idle:?}");
}

/// Prints `case TAB check file:line` of the whole corpus; `just pipeline-figures` sets it beside other tools.
#[test]
#[ignore = "prints for `just pipeline-figures`"]
fn figures() {
    for kind in ["faulty", "clean"] {
        for (name, commit) in cases(kind) {
            for flaw in flaws(&commit) {
                println!("FOUND\t{kind}/{name}\t{flaw}");
            }
        }
    }
}

fn commit(files: &[(&str, &str)]) -> Commit {
    let files: BTreeMap<String, String> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Commit { paths: files.keys().cloned().collect(), files }
}

fn file(path: &str, change: Change, added: &[(u32, u32)], patch: &str) -> FileDiff {
    FileDiff {
        path: path.into(),
        old_path: None,
        change,
        added: added.to_vec(),
        patch: patch.into(),
        binary: false,
    }
}

const CI: &str = ".github/workflows/ci.yml";
const LOOSE: &str = "on: push\njobs:\n  test:\n    runs-on: x\n    steps:\n      - uses: a/b@v1\n      - uses: a/c@main\n      - run: make test\n";

fn results(commit: &Commit, diff: Vec<FileDiff>) -> Vec<(String, FindingResult, Option<String>)> {
    let findings = check(commit, &Diff { files: diff }).into_iter().filter(|f| f.result != Pass);
    findings.map(|f| (f.check, f.result, f.file)).collect()
}

#[test]
fn only_what_the_day_did_fails_it() {
    let tree = commit(&[(CI, LOOSE), ("Makefile", "lint:\n\ttrue\n")]);
    let at = |file: &str| Some(file.to_owned());
    let found = |pin, target, place: &str| {
        vec![("Action pinning".to_owned(), pin, at(CI)), ("Make targets".to_owned(), target, at(place))]
    };
    let modified = |added: &[(u32, u32)]| file(CI, Change::Modified, added, "");
    assert_eq!(results(&tree, vec![]), found(Advisory, Advisory, CI));
    assert_eq!(results(&tree, vec![modified(&[(1, 2)])]), found(Advisory, Advisory, CI));
    assert_eq!(results(&tree, vec![modified(&[(7, 8)])]), found(Fail, Advisory, CI));
    assert_eq!(results(&tree, vec![modified(&[(1, 9)])]), found(Fail, Fail, CI));
    // The target went away today: that is mended in the Makefile.
    let gone = file(
        "Makefile",
        Change::Modified,
        &[],
        "--- a/Makefile\n+++ b/Makefile\n@@\n-test:\n-\tpytest\n lint:\n",
    );
    assert_eq!(results(&tree, vec![gone]), found(Advisory, Fail, "Makefile"));
}

#[test]
fn drift_of_today_fails_the_day() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\nserde = \"1\"\n";
    let lock = "version = 4\n[[package]]\nname = \"x\"\nversion = \"0.1.0\"\n";
    let tree = commit(&[("Cargo.toml", manifest), ("Cargo.lock", lock)]);
    let result = |tree: &Commit, diff| results(tree, diff).into_iter().map(|(_, r, _)| r).collect::<Vec<_>>();
    assert_eq!(result(&tree, vec![]), [Advisory]);
    assert_eq!(result(&tree, vec![file("Cargo.toml", Change::Modified, &[(4, 5)], "")]), [Fail]);
    let removed = file("Cargo.lock", Change::Modified, &[], "-[[package]]\n-name = \"serde\"\n");
    assert_eq!(result(&tree, vec![removed]), [Fail]);
    let bare = commit(&[("Cargo.toml", manifest), ("Makefile", "x:\n")]);
    assert_eq!(result(&bare, vec![]), []);
    assert_eq!(result(&bare, vec![file("Cargo.lock", Change::Deleted, &[], "-x\n")]), [Fail]);
}

#[test]
fn a_clean_family_names_what_was_looked_at() {
    let tree = commit(&[(CI, "on: push\njobs: {t: {runs-on: x, steps: [{uses: a/b@v1}]}}\n")]);
    let findings = check(&tree, &Diff::default());
    let pins: Vec<_> = findings.iter().filter(|f| f.check == "Action pinning").collect();
    assert_eq!(
        (pins.len(), pins[0].result, pins[0].evidence.as_str()),
        (1, Pass, "checked .github/workflows/ci.yml")
    );
    assert_eq!(check(&Commit::default(), &Diff::default()), []);
}

#[test]
fn hostile_files_are_survived() {
    let bomb = format!(
        "a: &a [x]\nb: &b [{0}]\nc: &c [{1}]\nd: [{2}]\n",
        "*a,".repeat(400),
        "*b,".repeat(400),
        "*c,".repeat(99)
    );
    let loops = ".a:\n  extends: .b\n.b:\n  extends: .a\n  needs: [.a]\nx: {extends: .a, needs: [x], script: npm publish}\n";
    for text in [
        bomb.as_str(),
        loops,
        &"[".repeat(9000),
        &"a".repeat(2 << 20),
        "\0",
        "",
        "---\n---\n",
        "jobs: 1\non: 2",
        "include: 7\nstages: x",
    ] {
        for path in [CI, "action.yml", ".gitlab-ci.yml", "compose.yml", "templates/x.yml"] {
            check(&commit(&[(path, text)]), &Diff::default());
        }
    }
    let make = "A = $(A)$(A)\nB = $(A) $(B)\n$(B): x\ninclude Makefile\ninclude *.mk\ninclude [\n";
    check(&commit(&[("Makefile", make), ("x.mk", "include x.mk\n"), (CI, LOOSE)]), &Diff::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_survived(text in "(?s)([a-z:{}\\[\\]'\"|&;$(#\\\\ \n\t-]|FROM |run: |uses: |\\$\\{|include |ż){0,200}") {
        let paths = [CI, ".gitlab-ci.yml", "Makefile", "justfile", "Dockerfile", "compose.yml", "Cargo.toml", "Cargo.lock",
            "go.mod", "go.sum", "Gemfile", "Gemfile.lock", "package.json", "yarn.lock", "pnpm-lock.yaml", "pyproject.toml", "uv.lock"];
        let files: Vec<(&str, &str)> = paths.iter().map(|path| (*path, text.as_str())).collect();
        check(&commit(&files), &Diff::default());
        let workflow = format!("on: push\njobs:\n  test:\n    runs-on: x\n    steps:\n      - run: |\n          {}\n", text.replace('\n', "\n          "));
        check(&commit(&[(CI, &workflow), ("Makefile", &text)]), &Diff::default());
    }
}

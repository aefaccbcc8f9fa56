//! A release: version, file names, checksums, action and component belong together, in this commit and after the
//! scripts of `scripts/release` have sealed one.

use std::collections::BTreeSet;
use std::path::Path;

use super::{root, run, sha256};
use crate::project::copy;

/// Every file of a release that can be run, by what comes after its version.
pub(super) const ASSETS: [&str; 4] = ["aarch64-linux", "aarch64-macos", "x86_64-linux", "x86_64-macos"];

pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

#[test]
fn this_commit_is_no_release_or_a_whole_one() {
    let table = read(&root(), "scripts/checksums.txt");
    match field(&table, "version") {
        "none" => assert_eq!(field(&table, "from"), "none"),
        version => {
            assert_eq!(version, VERSION, "checksums.txt and Cargo.toml are of different versions");
            assert!(field(&table, "from").starts_with("https://"));
            assert_eq!(named(&table, version), whole(version));
        }
    }
}

#[test]
fn the_release_workflow_builds_exactly_the_files_that_are_summed() {
    let workflow = read(&root(), ".github/workflows/release.yml");
    let built: BTreeSet<&str> =
        workflow.lines().filter_map(|line| line.split("asset: ").nth(1)?.split(',').next()).collect();
    assert_eq!(built, ASSETS.into());
    let seal = read(&root(), "scripts/release/seal");
    assert!(seal.contains(&format!("for asset in {}; do", ASSETS.join(" "))));
    // What install.sh can ask for is a file of a release.
    let install = read(&root(), "scripts/install.sh");
    for asset in ASSETS {
        let (machine, system) = asset.split_once('-').unwrap();
        assert!(
            install.contains(&format!("machine={machine} ;;"))
                && install.contains(&format!("system={system} ;;"))
        );
    }
}

#[test]
fn a_sealed_release_is_whole_and_keeps_the_ones_before() {
    let scratch = tempfile::tempdir().unwrap();
    let (repository, built) = (scratch.path().join("repository"), scratch.path().join("built"));
    copy(&root().join("scripts"), &repository.join("scripts"));
    std::fs::create_dir_all(repository.join("templates")).unwrap();
    for file in ["templates/pace.yml", "Cargo.toml"] {
        std::fs::copy(root().join(file), repository.join(file)).unwrap();
    }
    let before = format!(
        "# about\nversion 0.0.1\nfrom https://old.example\n{}  pace-0.0.1-x86_64-linux\n",
        sha256(b"old")
    );
    std::fs::write(repository.join("scripts/checksums.txt"), &before).unwrap();
    std::fs::create_dir(&built).unwrap();
    for asset in ASSETS {
        std::fs::write(built.join(format!("pace-{VERSION}-{asset}")), asset).unwrap();
    }
    let args = [built.to_string_lossy().into_owned(), "https://releases.example/download".to_owned()];
    for _ in 0..2 {
        let sealed =
            run(&repository.join("scripts/release/seal"), &args, scratch.path(), scratch.path(), &[]);
        assert_eq!(sealed.code, 0, "{}", sealed.transcript());
    }
    let table = read(&repository, "scripts/checksums.txt");
    assert_eq!(
        (field(&table, "version"), field(&table, "from")),
        (VERSION, "https://releases.example/download")
    );
    assert_eq!(named(&table, VERSION), whole(VERSION));
    assert!(table.starts_with("# about\n"));
    assert!(
        table.contains(&format!("{}  pace-{VERSION}-x86_64-linux\n", sha256(b"x86_64-linux"))),
        "{table}"
    );
    assert!(table.contains("  pace-0.0.1-x86_64-linux\n"), "{table}");
    assert_eq!(table.matches("version ").count(), 1, "{table}");

    let component = read(&repository, "templates/pace.yml");
    let (_, rest) = component.split_once("table='").unwrap();
    let (inside, after) = rest.split_once('\'').unwrap();
    let inside: Vec<&str> = inside.lines().map(str::trim_start).collect();
    assert_eq!(inside.join("\n"), table.trim_end());
    let shipped = read(&root(), "templates/pace.yml");
    assert!(shipped.ends_with(after), "nothing but the table changed");

    // A file that is missing is no release.
    std::fs::remove_file(built.join(format!("pace-{VERSION}-aarch64-linux"))).unwrap();
    let unsealed = run(&repository.join("scripts/release/seal"), &args, scratch.path(), scratch.path(), &[]);
    assert_ne!(unsealed.code, 0);
    assert_eq!(read(&repository, "scripts/checksums.txt"), table);
}

/// A linter that is not there finds nothing, which must not pass for nothing to find.
#[test]
fn the_linters_of_what_ships_do_not_pass_without_themselves() {
    let scratch = tempfile::tempdir().unwrap();
    copy(&root().join("scripts"), &scratch.path().join("scripts"));
    let linted = run(&scratch.path().join("scripts/lint-ci"), &[], scratch.path(), scratch.path(), &[]);
    assert_eq!(linted.code, 1, "{}", linted.transcript());
    assert!(linted.stderr.contains("is missing; scripts/setup installs it"), "{}", linted.transcript());
    assert!(read(&root(), "justfile").contains("\ncheck: fmt lint lint-ci "), "CI runs the linters");
}

/// What runs with a token runs the code that was read, not what a tag came to mean.
#[test]
fn every_action_that_is_used_is_pinned_to_a_commit() {
    for entry in std::fs::read_dir(root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("\npermissions: {}\n"), "{}", path.display());
        assert!(text.contains("\nconcurrency:\n"), "{}", path.display());
        for line in text.lines() {
            let Some(used) = line.trim_start_matches([' ', '-']).strip_prefix("uses: ") else { continue };
            let commit = used.split_once('@').map_or("", |(_, at)| at.split(' ').next().unwrap_or_default());
            let pinned =
                commit.len() == 40 && commit.bytes().all(|b| b.is_ascii_hexdigit()) && used.contains(" # v");
            assert!(pinned || used == "$/", "{}: {line}", path.display());
        }
    }
}

pub(super) fn read(root: &Path, path: &str) -> String {
    std::fs::read_to_string(root.join(path)).unwrap()
}

pub(super) fn field<'a>(table: &'a str, name: &str) -> &'a str {
    let mut lines = table.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')).unwrap()
}

/// Files of `version` that have a checksum.
pub(super) fn named(table: &str, version: &str) -> BTreeSet<String> {
    let prefix = format!("pace-{version}-");
    let rows = table.lines().filter_map(|line| line.split_once("  "));
    let files = rows.filter(|(sum, _)| sum.len() == 64 && sum.bytes().all(|b| b.is_ascii_hexdigit()));
    files.map(|(_, file)| file.to_owned()).filter(|file| file.starts_with(&prefix)).collect()
}

pub(super) fn whole(version: &str) -> BTreeSet<String> {
    ASSETS.iter().map(|asset| format!("pace-{version}-{asset}")).collect()
}

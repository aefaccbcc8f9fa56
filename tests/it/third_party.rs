//! A day on a project by other people: a crate from the registry with its own test suite, built and tested by the
//! toolchain that it is meant for. Nothing about its commands is told to `pace`, which must find them itself.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::binary::{Pace, own_variable};
use crate::model_server::script::Script;
use crate::model_server::wire::Protocol;
use crate::model_server::{KEY, ModelServer, invariants};
use crate::project::Project;

const CRATE: &str = "shlex";
const VERSION: &str = "1.3.0";

/// Tests of the crate's own suite, none of which the day touches.
const OWN_TESTS: &[&str] = &["test_split", "test_lineno", "test_quote", "test_join", "test_invalid_utf8"];

const PLAN: &str = r#"stories:
  - id: story-1
    title: "Count words without keeping them"
    status: pending
    acceptance_criteria:
      - "word_count gives the number of words, and nothing for an open quote"
    out_of_scope: []
  - id: story-2
    title: "Something else"
    status: pending
    acceptance_criteria: ["to be found out"]
"#;

#[test]
fn a_day_on_a_crate_from_the_registry_ships_and_runs_its_whole_suite() {
    let scratch = tempfile::tempdir().unwrap();
    let project = Project::new(&[fetch(scratch.path())]);
    // Registry bookkeeping is no part of the project.
    for path in [".cargo-ok", ".cargo_vcs_info.json", "Cargo.toml.orig"] {
        project.delete(path);
    }
    project.write("plan.yaml", PLAN);
    project.write(".gitignore", "/target\n");
    cargo(&project.dir, &["generate-lockfile", "--offline"]);
    project.commit_all("Adopt the crate");

    let script = Script::parse(include_str!("../third_party/shlex.yaml")).unwrap();
    let server = ModelServer::start(&script);
    let finished = Pace::new(&project.dir, &project.home)
        .env([("DAY", "1"), ("PACE_SANDBOX", "off"), ("PACE_PLATFORM", "local")])
        .env(toolchain())
        .env(server.env(Protocol::Anthropic))
        .run();

    assert_eq!(finished.code, 0, "{}", finished.transcript());
    assert_eq!(server.problems(), [] as [&str; 0]);
    let breaches = invariants::breaches(&server.exchanges(), &[KEY.to_owned()]);
    assert_eq!(breaches, [] as [&str; 0]);
    let report = project.read(".pace/day-1/gate-report.yaml").unwrap();
    assert!(report.contains("gate_decision: SHIP"), "{report}");
    assert!(project.read("src/lib.rs").unwrap().contains("pub fn word_count"));

    let told: String =
        server.exchanges().iter().filter(|e| e.agent == "GATE").map(|e| e.body.to_string()).collect();
    for name in OWN_TESTS.iter().chain(&["counts_words"]) {
        assert!(told.contains(name), "GATE saw no {name}: {told}");
    }
    let count = told.split(" tests collected").next().and_then(|head| {
        let digits = head.rsplit(|c: char| !c.is_ascii_digit()).next();
        digits.and_then(|d| d.parse::<usize>().ok())
    });
    let own = listed(&project.dir);
    assert!(own > OWN_TESTS.len(), "the suite has {own} tests");
    assert_eq!(count, Some(own), "collected by pace, listed by cargo: {told}");
}

/// Brings the crate's published source onto this machine and says where it is.
fn fetch(scratch: &Path) -> PathBuf {
    let manifest = format!(
        "[package]\nname = \"fetch\"\nversion = \"0.0.0\"\nedition = \"2021\"\n\n[dependencies]\n{CRATE} = \"={VERSION}\"\n"
    );
    std::fs::create_dir(scratch.join("src")).unwrap();
    std::fs::write(scratch.join("Cargo.toml"), manifest).unwrap();
    std::fs::write(scratch.join("src/lib.rs"), "").unwrap();
    let metadata = cargo(scratch, &["metadata", "--format-version", "1"]);
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let found = packages.iter().find(|p| p["name"] == CRATE).unwrap();
    let manifest = Path::new(found["manifest_path"].as_str().unwrap());
    manifest.parent().unwrap().to_owned()
}

/// How many tests cargo itself lists, doc tests included.
fn listed(dir: &Path) -> usize {
    let list = cargo(dir, &["test", "--offline", "--quiet", "--", "--list"]);
    list.lines().filter(|line| line.ends_with(": test")).count()
}

/// Where the toolchain keeps its things, since the run has another home directory.
fn toolchain() -> Vec<(String, String)> {
    let home = own_variable("HOME").unwrap_or_else(|| "/root".to_owned());
    let or = |name: &str, folder: &str| {
        let value = own_variable(name).unwrap_or_else(|| format!("{home}/{folder}"));
        (name.to_owned(), value)
    };
    let mut variables = vec![or("CARGO_HOME", ".cargo"), or("RUSTUP_HOME", ".rustup")];
    if let Some(version) = own_variable("RUSTUP_TOOLCHAIN") {
        variables.push(("RUSTUP_TOOLCHAIN".to_owned(), version));
    }
    variables
}

#[expect(clippy::disallowed_methods, reason = "the test itself calls cargo")]
fn cargo(dir: &Path, args: &[&str]) -> String {
    let output = std::process::Command::new(own_variable("CARGO").unwrap_or_else(|| "cargo".to_owned()))
        .args(args)
        .current_dir(dir)
        .env_remove("RUSTFLAGS")
        .env("CARGO_TARGET_DIR", dir.join("target"))
        .output()
        .unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

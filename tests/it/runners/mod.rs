//! What ships for CI, run by engines of other people: the action by `act`, the component by `gitlab-ci-local`, both
//! without containers and against loopback. Knows how to start them and what stands on loopback, and no case.

mod act;
mod action;
mod component;
mod gitlab_ci_local;
mod guard;
mod guides;
mod machines;
mod on_github;
mod on_gitlab;
mod on_two_jobs;
mod release;
mod released;
mod web;

use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::binary::{Finished, own_variable};
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::{Project, copy};
use crate::scenario::scenarios_dir;

/// The repository's root.
fn root() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}

/// A program that `scripts/setup` installs below `tests/runners`.
fn tool(path: &str) -> PathBuf {
    let program = root().join("tests/runners").join(path);
    assert!(program.exists(), "{} is missing; scripts/setup installs it", program.display());
    program
}

/// A project that tests itself with `sh` and whose `origin` is `acme/greeter` on `host`, plus `files`.
fn greeter(host: &str, files: &[(&str, &str)]) -> Project {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    for (path, content) in files {
        project.write(path, content);
    }
    // What the engines leave in the work tree is nobody's source.
    project.write(".gitignore", ".gitlab-ci-local/\n");
    project.commit_all("Add pace");
    let repository = git2::Repository::open(&project.dir).unwrap();
    repository.remote("origin", &format!("https://{host}/acme/greeter.git")).unwrap();
    project
}

/// A copy of what a release of the action holds, to be altered by a test.
fn shipped() -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("pace-action-").tempdir().unwrap();
    std::fs::copy(root().join("action.yml"), folder.path().join("action.yml")).unwrap();
    copy(&root().join("scripts"), &folder.path().join("scripts"));
    folder
}

/// Writes a checksum table as a release has it, with `sum` for this machine's file of version 9.9.9.
fn seal(shipped: &Path, sum: &str) -> String {
    let name = format!("pace-9.9.9-{}-linux", std::env::consts::ARCH);
    let table = format!("version 9.9.9\nfrom https://releases.invalid/download\n{sum}  {name}\n");
    std::fs::write(shipped.join("scripts/checksums.txt"), table).unwrap();
    name
}

/// Where the model is, as the setting says it.
fn model_url(model: &ModelServer) -> String {
    let variables = model.env(Protocol::Anthropic);
    variables.into_iter().find(|(name, _)| name == "PACE_LLM_BASE_URL").unwrap().1
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Runs a program to its end in `dir`, with `home` for its caches and nothing else but `PATH` and `variables`.
#[expect(clippy::disallowed_methods, reason = "the tests start the engines themselves")]
fn run(program: &Path, args: &[String], dir: &Path, home: &Path, variables: &[(&str, &str)]) -> Finished {
    let started = Instant::now();
    let output = std::process::Command::new(program)
        .args(args)
        .current_dir(dir)
        .env_clear()
        .env("PATH", own_variable("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home.join("config"))
        .envs(variables.iter().copied())
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    Finished {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: started.elapsed(),
    }
}

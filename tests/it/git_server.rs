//! A git server for the binary: the smart-HTTP one of the library's own tests, without a second copy of it.

use std::path::Path;
use std::process::Command;

#[expect(dead_code, reason = "the library's tests use all of it")]
#[path = "../../src/repo/tests/server.rs"]
mod server;

/// What `server` is built upon.
mod fixture {
    pub(super) use super::git;
}

/// Serves the bare repositories of a folder over HTTP until the test ends.
pub(crate) struct GitServer(server::Server);

impl GitServer {
    pub(crate) fn start(folder: &Path) -> Self {
        Self(server::Server::bridge(folder))
    }

    /// The URL of a repository, with the credential in it.
    pub(crate) fn url(&self, repository: &str) -> String {
        let login = format!("http://{}:{}@", server::USER, server::TOKEN);
        format!("{}/{repository}", self.0.url.replace("http://", &login))
    }
}

/// Runs git with words split at spaces, and returns what it printed.
#[expect(clippy::disallowed_methods, reason = "remotes are built and inspected by the real git")]
pub(crate) fn git(at: &Path, arguments: &str) -> String {
    let mut command = Command::new("git");
    command.current_dir(at).args(arguments.split(' ')).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", at).env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments}: {error}");
    String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
}

//! One repository on a git server and many runners, each with a clone of its own. Knows how runs are started, not
//! what they must come to.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::binary::Pace;
use crate::forge::fixture::git;
use crate::forge::git_server::GitServer;
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::scenarios_dir;

/// How runners reach the remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    Http,
    Path,
}

/// The remote and the folder of everything.
pub(crate) struct Team {
    dir: TempDir,
    url: String,
    _server: Option<GitServer>,
}

/// A runner's clone.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    pub(crate) dir: PathBuf,
    home: PathBuf,
}

impl Team {
    /// A remote with the project of `tests/scenarios/_trees/shell` on `main`.
    pub(crate) fn new(over: Over) -> Self {
        let dir = tempfile::Builder::new().prefix("pace-team-").tempdir().unwrap();
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        let remote = dir.path().join("remote.git");
        git(dir.path(), &format!("clone -q --bare {} {}", project.dir.display(), remote.display()));
        git(&remote, "config http.receivepack true");
        // A repack in mid-test would only cost time.
        git(&remote, "config receive.autogc false");
        let server = (over == Over::Http).then(|| GitServer::start(dir.path()));
        let url = server.as_ref().map_or_else(|| remote.display().to_string(), |s| s.url("remote.git"));
        Self { dir, url, _server: server }
    }

    /// The bare repository on the server.
    pub(crate) fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    /// References of pace's own on the server.
    pub(crate) fn own_refs(&self) -> Vec<String> {
        let names = git(
            &self.remote(),
            "for-each-ref --format=%(refname) refs/pace refs/heads/pace-lock refs/heads/pace-journal",
        );
        names.lines().map(str::to_owned).collect()
    }

    /// Those of them that lock a day.
    pub(crate) fn locks(&self) -> Vec<String> {
        self.own_refs().into_iter().filter(|name| name.contains("lock/")).collect()
    }

    /// Makes the lock as old as if its owner had been silent for `seconds`.
    pub(crate) fn grow_old(&self, seconds: i64) {
        let remote = self.remote();
        let name = self.locks().pop().unwrap();
        let message = git(&remote, &format!("log -1 --format=%B {name}"));
        let (title, body) = message.split_once("\n\n").unwrap();
        let mut owner: serde_json::Value = serde_json::from_str(body).unwrap();
        owner["at"] = (owner["at"].as_i64().unwrap() - seconds).into();
        let file = remote.join("message");
        std::fs::write(&file, format!("{title}\n\n{owner}")).unwrap();
        let tree = git(&remote, &format!("log -1 --format=%T {name}"));
        let commit = git(&remote, &format!("commit-tree {tree} -F {}", file.display()));
        git(&remote, &format!("update-ref {name} {commit}"));
    }

    /// A fresh runner: a clone of `main`.
    pub(crate) fn runner(&self, name: &str) -> Runner {
        // The folder names the product, which is the same on every runner.
        let (dir, home) =
            (self.dir.path().join(name).join("greeter"), self.dir.path().join(name).join("home"));
        std::fs::create_dir_all(&home).unwrap();
        git(
            self.dir.path(),
            &format!("clone -q --no-local -b main {} {}", self.remote().display(), dir.display()),
        );
        git(&dir, &format!("remote set-url origin {}", self.url));
        Runner { dir, home }
    }
}

impl Runner {
    /// A run of day 1 with the model at `server`.
    pub(crate) fn pace(&self, server: &ModelServer) -> Pace {
        Pace::new(&self.dir, &self.home)
            .env([
                ("DAY", "1"),
                ("PACE_TEST_COMMAND", "sh test.sh"),
                ("PACE_SANDBOX", "off"),
                ("PACE_PLATFORM", "local"),
                ("PACE_PUSH", "true"),
            ])
            .env([("GITHUB_OUTPUT", self.output().display().to_string())])
            .env(server.env(Protocol::Anthropic))
    }

    /// The last value of a step output.
    pub(crate) fn told(&self, name: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.output()).ok()?;
        let json = text.lines().rev().find(|line| line.starts_with("{\"decision\""))?;
        let outputs: serde_json::Value = serde_json::from_str(json).unwrap();
        Some(outputs[name].to_string())
    }

    pub(crate) fn git(&self, arguments: &str) -> String {
        git(&self.dir, arguments)
    }

    fn output(&self) -> PathBuf {
        Path::new(&self.home).join("output")
    }
}

//! Repositories in temporary folders, and a `GitRepo` on them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::domain::dependencies::Dependencies;
use crate::repo::{BranchRules, CiRef, GitRepo, Identity, Options, PushRules};
use crate::secret::Secret;

/// A folder with a work tree `work` and, on demand, a bare remote `remote.git`.
pub(super) struct Fixture {
    pub dir: TempDir,
    pub root: PathBuf,
}

impl Fixture {
    /// A repository on `main` with one commit: `README.md` and `src/a.txt`.
    pub(super) fn new() -> Self {
        let fixture = Self::unborn();
        fixture.write("README.md", "# one\n");
        fixture.write("src/a.txt", "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
        fixture.commit_all("first");
        fixture
    }

    /// A repository without a commit.
    pub(super) fn unborn() -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("work");
        fs::create_dir(&root).unwrap();
        let fixture = Self { dir, root };
        fixture.git("init -q -b main");
        fixture
    }

    /// As [`Fixture::new`], with a bare remote called `origin` that has `main`.
    pub(super) fn with_remote() -> Self {
        let fixture = Self::new();
        let remote = fixture.remote();
        git(fixture.dir.path(), &format!("clone -q --bare work {}", remote.display()));
        fixture.git(&format!("remote add origin {}", remote.display()));
        fixture.git("fetch -q origin");
        fixture
    }

    pub(super) fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    /// Another clone of the remote, for what other people do.
    pub(super) fn colleague(&self) -> Self {
        let dir = TempDir::new().unwrap();
        let root = dir.path().join("work");
        git(dir.path(), &format!("clone -q {} {}", self.remote().display(), root.display()));
        Self { dir, root }
    }

    pub(super) fn git(&self, arguments: &str) -> String {
        git(&self.root, arguments)
    }

    pub(super) fn write(&self, path: &str, content: &str) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(super) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap()
    }

    pub(super) fn commit_all(&self, message: &str) -> String {
        self.git("add -A");
        self.git(&format!("commit -q -m {message}"));
        self.head()
    }

    /// Writes one file and commits it.
    pub(super) fn commit(&self, path: &str, content: &str) -> String {
        self.write(path, content);
        self.commit_all("change")
    }

    pub(super) fn head(&self) -> String {
        self.git("rev-parse HEAD")
    }

    pub(super) fn open(&self) -> GitRepo {
        self.with(|_| ())
    }

    /// Opens with changed options.
    pub(super) fn with(&self, change: impl FnOnce(&mut Options)) -> GitRepo {
        let mut options = options();
        change(&mut options);
        GitRepo::open(&self.root, options).unwrap()
    }
}

pub(super) fn options() -> Options {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Options {
        rules: BranchRules::default(),
        identity: Identity { name: "Pace".into(), email: "pace@example.org".into() },
        push: PushRules { never: None, credential: None },
        remote: None,
        kept: Dependencies::default(),
        http: reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap(),
        runtime: tokio::runtime::Handle::current(),
    }
}

pub(super) fn ci(branch: &str) -> BranchRules {
    BranchRules { ci_ref: Some(CiRef::Branch(branch.into())), ..BranchRules::default() }
}

pub(super) fn credential(token: &str, scope: &str) -> Option<(String, Secret, String)> {
    Some(("x-access-token".into(), Secret::new(token), scope.into()))
}

/// Runs git with words split at spaces, and returns what it printed.
pub(super) fn git(at: &Path, arguments: &str) -> String {
    let output = try_git(at, arguments);
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "fixtures are built and inspected by the real git")]
pub(super) fn try_git(at: &Path, arguments: &str) -> Output {
    let mut command = Command::new("git");
    command.current_dir(at).args(arguments.split(' ')).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", at).env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
    }
    command.output().unwrap()
}

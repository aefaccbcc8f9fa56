//! The project's dependencies, installed inside the sandbox: once before the first test run, and again whenever a
//! file that decides about them changed. Knows no setting and no role.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::domain::dependencies::{Dependencies, is_dependency_folder, is_output, is_transient};
use crate::domain::hex::hex;
use crate::domain::observation::CommandRun;
use crate::evidence::setup::{is_manifest, runs_project_code};
use crate::repo::Repository;
use crate::sandbox::{Command, Sandbox};

/// Files beside git that decide too, at the root.
const IGNORED_MANIFESTS: &[&str] = &[".npmrc", ".yarnrc.yml", "pip.conf", ".bundle/config"];
/// Where a runner of the project's own scripts finds them.
const SCRIPTS: &[&str] = &["Makefile", "makefile", "GNUmakefile", "justfile", "Taskfile.yml", "Rakefile"];

/// The setup of a run.
pub(crate) struct ProjectSetup {
    pub root: PathBuf,
    /// For `sh -c`: what the lockfile says.
    pub command: String,
    /// The same after a manifest changed.
    pub update: String,
    pub timeout: Duration,
    pub repo: Arc<dyn Repository>,
    pub sandbox: Arc<dyn Sandbox>,
    pub dependencies: Dependencies,
    /// Digest of what the dependencies were last installed from.
    pub installed: Mutex<Option<String>>,
}

/// Which run of the setup it is. What the first one leaves beside git is all of its making; later on, FORGE has made
/// files too, and only new folders are taken for dependencies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    First,
    Again,
}

impl ProjectSetup {
    /// The day's first run; `env` goes to it alone.
    pub(crate) async fn first(&self, env: Vec<(String, String)>) -> anyhow::Result<CommandRun> {
        self.run(&self.command, env, Pass::First).await
    }

    /// Runs the setup again where a manifest or lockfile is not what it was; `None` where nothing had to be done.
    pub(crate) async fn refresh(&self) -> anyhow::Result<Option<CommandRun>> {
        if *self.installed() == Some(self.digest()?) {
            return Ok(None);
        }
        tracing::info!("a manifest or lockfile changed, so the setup runs again: {}", self.update);
        self.run(&self.update, vec![], Pass::Again).await.map(Some)
    }

    /// Why the variables of a private registry must not be handed out: something that the setup reads is not what
    /// the base branch has. `None` where they may.
    pub(crate) fn differs_from_base(&self) -> anyhow::Result<Option<String>> {
        let head = self.repo.head()?;
        let tips = self.repo.base_tips()?;
        let Some(tip) = tips.iter().find(|tip| self.repo.is_ancestor(tip, &head).unwrap_or(false)) else {
            return Ok(Some("the base branch is not known here, or not merged".into()));
        };
        let everything = runs_project_code(&self.command, |path| self.exists(path), |path| self.text(path));
        let counts = |path: &str| (everything && !path.starts_with(".pace/")) || self.decides(path);
        if let Some(file) = self
            .repo
            .day_diff(tip, &head)?
            .files
            .into_iter()
            .find(|file| counts(&file.path) || file.old_path.as_deref().is_some_and(counts))
        {
            return Ok(Some(format!("{} differs from the base branch", file.path)));
        }
        let beside = self.repo.beside_git()?.into_iter().find(|path| self.decides(path));
        Ok(beside.map(|path| format!("{path} is in no commit")))
    }

    async fn run(&self, script: &str, env: Vec<(String, String)>, pass: Pass) -> anyhow::Result<CommandRun> {
        let before = self.repo.beside_git()?;
        let command = Command {
            script: script.to_owned(),
            dir: self.root.clone(),
            env,
            timeout: self.timeout,
            spool: None,
        };
        let run = self.sandbox.set_up(&command).await?;
        self.take_in(&before, pass)?;
        let digest = if run.exit.ok() { Some(self.digest()?) } else { None };
        *self.installed() = digest;
        Ok(run)
    }

    /// Notes what is there now and was not before, and whatever else is known to be dependencies.
    fn take_in(&self, before: &BTreeSet<String>, pass: Pass) -> anyhow::Result<()> {
        let made = self.repo.beside_git()?.into_iter().filter(|path| {
            let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            let folder = path.ends_with('/');
            let new = !before.contains(path) && !is_output(name) && !is_transient(name);
            (folder && is_dependency_folder(name)) || (new && (folder || pass == Pass::First))
        });
        self.dependencies.add(made);
        note(&self.root, &self.dependencies);
        let programs = self.root.join(".venv/bin");
        if self.dependencies.hold(".venv") && programs.is_dir() {
            self.dependencies.set_programs(programs);
        }
        Ok(())
    }

    /// Digest of every file that decides what is installed.
    fn digest(&self) -> anyhow::Result<String> {
        let mut paths: BTreeSet<String> = self.repo.paths(&self.repo.head()?)?.into_iter().collect();
        paths.extend(self.repo.untracked()?);
        paths.retain(|path| self.decides(path));
        paths.extend(IGNORED_MANIFESTS.iter().map(|&path| path.to_owned()));
        let mut digest = Sha256::new();
        for path in paths {
            if let Some(content) = self.repo.work_file(&path)? {
                digest.update(format!("{path}\0{}\0", content.len()));
                digest.update(content);
            }
        }
        Ok(hex(&digest.finalize()))
    }

    /// Whether the file at `path` has a say in what the setup does.
    fn decides(&self, path: &str) -> bool {
        let words = || self.command.split(|c: char| c.is_whitespace() || "&|;()<>\"'`=".contains(c));
        let named = words().any(|word| word.strip_prefix("./").unwrap_or(word) == path);
        is_manifest(path) || named || (SCRIPTS.contains(&path) && self.runs_scripts())
    }

    fn runs_scripts(&self) -> bool {
        ["make", "just", "task", "rake"]
            .iter()
            .any(|tool| self.command.split_whitespace().any(|w| w == *tool))
    }

    fn exists(&self, path: &str) -> bool {
        !path.is_empty() && path != "." && self.root.join(path).is_file()
    }

    fn text(&self, path: &str) -> Option<String> {
        let bytes = self.repo.work_file(path).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn installed(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.installed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Notes the dependency folders that are there without a setup of pace's: the job made them.
pub(crate) fn note_present(
    root: &Path,
    repo: &dyn Repository,
    dependencies: &Dependencies,
) -> anyhow::Result<()> {
    let folder = |path: &String| {
        let name = path.strip_suffix('/').and_then(|path| path.rsplit('/').next());
        name.is_some_and(is_dependency_folder)
    };
    dependencies.add(repo.beside_git()?.into_iter().filter(folder));
    note(root, dependencies);
    Ok(())
}

/// Makes the folders inside that tools write to while they run: a read-only folder would not let them.
fn note(root: &Path, dependencies: &Dependencies) {
    for path in dependencies.scratch() {
        let path = root.join(path);
        let real =
            path.parent().is_some_and(|parent| parent.symlink_metadata().is_ok_and(|meta| meta.is_dir()));
        if real {
            // Only a convenience: a tool without it says so itself.
            let _ = std::fs::create_dir(&path);
        }
    }
}

//! How `act`, the engine of GitHub's workflows by other people, is started: without containers, with nothing remote.
//! Knows no case.

use std::path::{Path, PathBuf};

use super::{model_url, run, tool};
use crate::binary::{Finished, own_variable};
use crate::forge::GitHubSite;
use crate::model_server::{KEY, ModelServer};
use crate::project::Project;

/// A run of `act` on a project.
#[derive(Clone, Copy)]
pub(super) struct Act<'a> {
    pub(super) project: &'a Project,
    pub(super) actor: &'a str,
    /// The job's own token.
    pub(super) token: &'a str,
    pub(super) vars: &'a [(&'a str, String)],
    pub(super) env: &'a [(&'a str, String)],
    /// Beside the job's token and the model's key.
    pub(super) secrets: &'a [(&'a str, &'a str)],
    /// Actions of other people (`owner/name@ref`) and the folders that stand for them.
    pub(super) stand_ins: &'a [(String, PathBuf)],
    /// A folder of programs that are found before the machine's.
    pub(super) programs: Option<&'a Path>,
}

/// Variables and environment of a job on `site` that runs `binary` with the model at `model`.
pub(super) fn job(site: &GitHubSite, binary: &Path, model: &ModelServer) -> [Vec<(&'static str, String)>; 2] {
    let vars = [
        ("BINARY", binary.display().to_string()),
        ("PACE_LLM_BASE_URL", model_url(model)),
        ("PACE_TEST_COMMAND", "sh test.sh".to_owned()),
        ("PACE_SANDBOX", "off".to_owned()),
    ];
    let env = [
        ("GITHUB_API_URL", site.prism.url.clone()),
        ("GITHUB_SERVER_URL", site.git_url().to_owned()),
        ("GITHUB_REPOSITORY", "o/r".to_owned()),
        ("PACE_MAX_RETRIES", "0".to_owned()),
        ("PACE_CI_TIMEOUT", "1s".to_owned()),
    ];
    [vars.into(), env.into()]
}

impl<'a> Act<'a> {
    pub(super) fn new(project: &'a Project) -> Self {
        Self {
            project,
            actor: "ada",
            token: "job-token",
            vars: &[],
            env: &[],
            secrets: &[],
            stand_ins: &[],
            programs: None,
        }
    }

    /// Plays it until the log has `text`, five times at most: this engine now and then drops what a step said that
    /// ended at once. How the job ended it never mistakes.
    pub(super) fn run_until_said(&self, text: &str, action: &Path, event: &str, payload: &str) -> Finished {
        let runs = (0..5).map(|_| self.run(action, event, payload));
        let mut last = None;
        for finished in runs {
            let said = finished.stdout.contains(text);
            last = Some(finished);
            if said {
                break;
            }
        }
        last.unwrap()
    }

    /// Plays `event` with `payload`; `action` is the folder that `acme/pace-action@v1` stands for.
    pub(super) fn run(&self, action: &Path, event: &str, payload: &str) -> Finished {
        let home = &self.project.home;
        // Without this file act asks which container images it may use.
        std::fs::create_dir_all(home.join("config/act")).unwrap();
        std::fs::write(home.join("config/act/actrc"), "").unwrap();
        let payload_file = home.join("event.json");
        std::fs::write(&payload_file, payload).unwrap();
        // Where the engine would look for actions.
        let given = self.env.iter().find(|(name, _)| *name == "GITHUB_SERVER_URL");
        let server = given.map_or("https://github.invalid", |(_, url)| url.as_str());
        let mut args: Vec<String> = [
            event,
            "--eventpath",
            &payload_file.to_string_lossy(),
            "--actor",
            self.actor,
            "--platform",
            "ubuntu-latest=-self-hosted",
            "--no-cache-server",
            "--local-repository",
            &format!("{server}/acme/pace-action@v1={}", action.display()),
            // A server that nobody reaches by mistake.
            "--github-instance",
            "github.invalid",
            "--secret",
            &format!("GITHUB_TOKEN={}", self.token),
            "--secret",
            &format!("ANTHROPIC_API_KEY={KEY}"),
        ]
        .map(str::to_owned)
        .into();
        for (name, value) in self.vars {
            args.extend(["--var".to_owned(), format!("{name}={value}")]);
        }
        for (name, value) in self.env {
            args.extend(["--env".to_owned(), format!("{name}={value}")]);
        }
        for (name, value) in self.secrets {
            args.extend(["--secret".to_owned(), format!("{name}={value}")]);
        }
        for (name, folder) in self.stand_ins {
            args.extend(["--local-repository".to_owned(), format!("{server}/{name}={}", folder.display())]);
        }
        let path = own_variable("PATH").unwrap_or_default();
        let path = self.programs.map_or(path.clone(), |first| format!("{}:{path}", first.display()));
        run(&tool("venv/bin/act"), &args, &self.project.dir, home, &[("PATH", &path)])
    }
}

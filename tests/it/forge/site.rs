//! A checkout and the forge that it came from: the API with its state, and a real smart-HTTP git server with
//! authentication. Runs the binary there as the forge's CI would.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::fixture::git;
use super::prism::Prism;
use super::sample::Description;
use super::server::Server;
use super::{git_bridge, github, gitlab};
use crate::binary::{Finished, Pace};
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::scenarios_dir;

pub(super) const BASE: [(&str, &str); 6] = [
    ("CI", "true"),
    ("DAY", "1"),
    ("PACE_TEST_COMMAND", "sh test.sh"),
    ("PACE_SANDBOX", "off"),
    ("PACE_MAX_RETRIES", "0"),
    ("PACE_CI_TIMEOUT", "1s"),
];

/// A project on `main` that also holds `files`, and the bare repository `name` below `forge` that it came from.
fn project(name: &str, files: &[(&str, &str)]) -> (Project, PathBuf) {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    if !files.is_empty() {
        for (path, content) in files {
            project.write(path, content);
        }
        project.commit_all("Add what the CI runs");
    }
    let bare = project.home.join("forge").join(name);
    std::fs::create_dir_all(bare.parent().unwrap()).unwrap();
    git(&project.home, &format!("clone -q --bare {} forge/{name}", project.dir.display()));
    git(&bare, "config http.receivepack true");
    (project, bare)
}

fn described(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(api_file(name)).unwrap()).unwrap()
}

fn api_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/forge/api/{name}.json"))
}

/// What the model's last answer to a run was held against; the transcript where it should not have been asked.
fn finished(pace: &Pace, model: &ModelServer) -> Finished {
    let finished = pace.run();
    let last = model.exchanges().last().map(|exchange| exchange.body["messages"].clone());
    let last = last.and_then(|messages| messages.as_array()?.last().cloned());
    assert_eq!(model.problems(), Vec::<String>::new(), "{}\n{last:?}", finished.transcript());
    finished
}

/// A repository on a forge: what is worked on, what was pushed, and what the API knows.
pub(crate) struct Site<F, P> {
    pub(crate) project: Project,
    pub(crate) bare: PathBuf,
    git: git_bridge::Server,
    pub(crate) api: Server<F>,
    /// What stands in front of the API.
    pub(crate) prism: P,
    /// What the CI tells every job.
    ci: Vec<(&'static str, String)>,
}

/// `o/r` on GitHub, its API behind the validating proxy.
pub(crate) type GitHubSite = Site<github::GitHub, Prism>;

/// `group/name` on GitLab; every request to its API is held against two descriptions.
pub(crate) type GitLabSite = Site<gitlab::GitLab, ()>;

impl<F, P> Site<F, P> {
    /// Where the repository is, without its path.
    pub(crate) fn git_url(&self) -> &str {
        &self.git.url
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut F) -> T) -> T {
        look(&mut self.api.forge.lock().unwrap())
    }

    pub(crate) fn pace(&self, model: &ModelServer, more: &[(&str, &str)]) -> Pace {
        Pace::new(&self.project.dir, &self.project.home)
            .env(model.env(Protocol::Anthropic))
            .env(BASE)
            .env(self.ci.iter().cloned())
            .env(more.iter().copied())
    }

    pub(crate) fn run(&self, script: &Script, more: &[(&str, &str)]) -> Finished {
        let model = ModelServer::start(script);
        finished(&self.pace(&model, more), &model)
    }
}

impl GitHubSite {
    /// With a project that also holds `files`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let (project, bare) = project("o/r", files);
        let git_server = git_bridge::Server::start(&project.home.join("forge"));
        git(&project.dir, &format!("remote add origin {}/o/r", git_server.url));
        let url = "https://github.example/o/r/actions/runs/7/job/7";
        let check = json!({
            "name": "test", "status": "completed", "conclusion": "success", "html_url": url, "details_url": url,
            "check_suite": {"id": 1},
        });
        let forge = github::GitHub {
            description: Some(Description(described("github-rest.openapi"))),
            check_runs: vec![check],
            ..Default::default()
        };
        let api = Server::start(forge, "");
        let prism = Prism::start(&api_file("github-rest.openapi"), &api.url);
        let ci = vec![
            ("GITHUB_ACTIONS", "true".to_owned()),
            ("GITHUB_TOKEN", github::TOKEN.to_owned()),
            ("GITHUB_REPOSITORY", "o/r".to_owned()),
            ("GITHUB_API_URL", prism.url.clone()),
            ("GITHUB_SERVER_URL", git_server.url.clone()),
            ("GITHUB_EVENT_NAME", "workflow_dispatch".to_owned()),
            ("GITHUB_REF", "refs/heads/main".to_owned()),
            ("GITHUB_REF_NAME", "main".to_owned()),
            ("GITHUB_RUN_ID", "42".to_owned()),
        ];
        Self { project, bare, git: git_server, api, prism, ci }
    }
}

impl GitLabSite {
    /// With a project that also holds `files`.
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let contract =
            gitlab::Contract::new(described("gitlab-rest.openapi"), described("gitlab-request-attrs"));
        let mut forge = gitlab::GitLab::new(Some(contract));
        forge.pipelines = vec![json!({"id": 5, "status": "success", "source": "push", "web_url": null})];
        let api = Server::start(forge, "/api/v4");
        let (project, bare) = project(gitlab::PROJECT, files);
        let git_server = git_bridge::Server::start(&project.home.join("forge"));
        git(&project.dir, &format!("remote add origin {}/{}.git", git_server.url, gitlab::PROJECT));
        std::os::unix::fs::symlink("name", project.home.join("forge/group/name.git")).unwrap();
        let ci = vec![
            ("GITLAB_CI", "true".to_owned()),
            ("GITLAB_TOKEN", gitlab::TOKEN.to_owned()),
            ("CI_API_V4_URL", api.url.clone()),
            ("CI_SERVER_URL", git_server.url.clone()),
            ("CI_PROJECT_ID", "7".to_owned()),
            ("CI_PROJECT_PATH", gitlab::PROJECT.to_owned()),
            ("CI_COMMIT_BRANCH", "main".to_owned()),
            ("CI_DEFAULT_BRANCH", "main".to_owned()),
            ("CI_PIPELINE_ID", "42".to_owned()),
            ("CI_PIPELINE_SOURCE", "web".to_owned()),
        ];
        Self { project, bare, git: git_server, api, prism: (), ci }
    }
}

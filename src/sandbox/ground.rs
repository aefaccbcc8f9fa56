//! What a run says about its children, and the choice of how far they are confined. Must not know how walls are
//! built.

use std::path::PathBuf;
use std::sync::Arc;

use super::Sandbox;
use super::open::Open;
use crate::domain::dependencies::Dependencies;
use crate::domain::own;
use crate::secret::Redactor;
use crate::settings::{Network, SandboxMode, Settings};

/// Closed like pace's own files unless the operator names them among the source folders.
const NAMED_ONLY: &[&str] = &[
    ".github/workflows",
    ".github/actions",
    ".gitlab-ci.yml",
    ".gitlab/ci",
    "Jenkinsfile",
    "bitbucket-pipelines.yml",
    ".circleci",
    "azure-pipelines.yml",
    "azure-pipelines.yaml",
    "pace",
];

/// What the rooms of children are made from.
#[derive(Debug, Clone)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "walls are built on Linux only"))]
pub(crate) struct Ground {
    /// Root of the work tree.
    pub root: PathBuf,
    /// Paths from the root that children must not change, `/`-separated, whether they exist or not.
    pub protected: Vec<String>,
    /// Absolute paths that children must not see.
    pub hidden: Vec<PathBuf>,
    /// The environment of children.
    pub env: Vec<(String, String)>,
    /// What the setup made: only the setup itself writes it.
    pub dependencies: Dependencies,
    /// Of what children say.
    pub redactor: Redactor,
}

/// Whom the network is open to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "walls are built on Linux only"))]
pub(crate) struct Reach {
    /// All children reach whatever the machine reaches.
    pub all: bool,
    /// The setup does.
    pub setup: bool,
    /// All children reach these, `host:port` each.
    pub hosts: Vec<String>,
}

impl Reach {
    fn of(network: &Network) -> Self {
        let hosts = if let Network::Hosts(hosts) = network { hosts.clone() } else { vec![] };
        Self { all: *network == Network::Allow, setup: *network != Network::Deny, hosts }
    }
}

impl Ground {
    /// The ground of a run in the work tree at `root` whose plan is at `plan`, from the root.
    pub(crate) fn new(
        settings: &Settings,
        root: PathBuf,
        plan: Option<String>,
        dependencies: Dependencies,
        redactor: Redactor,
    ) -> Self {
        let named = |path: &str| {
            settings.source_dirs.iter().any(|dir| {
                let dir = dir.trim_end_matches('/');
                path == dir || path.starts_with(&format!("{dir}/")) || dir.starts_with(&format!("{path}/"))
            })
        };
        let mut protected: Vec<String> = own::closed().map(str::to_owned).collect();
        protected.extend(NAMED_ONLY.iter().filter(|path| !named(path)).map(|&path| path.to_owned()));
        protected.extend(plan);
        if let Some(path) = settings.templates_dir.as_ref().and_then(|dir| dir.strip_prefix(&root).ok()) {
            protected.extend(path.to_str().map(str::to_owned));
        }
        Self {
            root,
            protected,
            hidden: settings.runner_places.clone(),
            env: settings.child_env.clone(),
            dependencies,
            redactor,
        }
    }
}

/// How children of this run are confined, as `PACE_SANDBOX` and the machine have it. An `Err` says what is missing
/// and what to do.
pub(crate) async fn choose(settings: &Settings, ground: Ground) -> anyhow::Result<Arc<dyn Sandbox>> {
    if settings.sandbox == SandboxMode::Off {
        let Ground { env, dependencies, redactor, .. } = ground;
        return Ok(Arc::new(Open { env, dependencies, redactor }));
    }
    confine(ground, Reach::of(&settings.network), settings.sandbox == SandboxMode::Strict).await
}

#[cfg(target_os = "linux")]
async fn confine(ground: Ground, reach: Reach, strict: bool) -> anyhow::Result<Arc<dyn Sandbox>> {
    let least = if strict { "tier 1, as PACE_SANDBOX=strict wants it" } else { "tier 1 or 2" };
    match super::confined::Confined::establish(ground, &reach, strict).await {
        Ok(confined) => Ok(Arc::new(confined)),
        Err(error) => anyhow::bail!(
            "sandbox refused: this machine offers no {least}, so what the model runs could not be confined ({error:#}). \
             Use a runner with Linux 6.2 or newer that allows Landlock, or say that you accept the risk with PACE_SANDBOX=off"
        ),
    }
}

#[cfg(not(target_os = "linux"))]
async fn confine(_ground: Ground, _reach: Reach, _strict: bool) -> anyhow::Result<Arc<dyn Sandbox>> {
    anyhow::bail!(
        "sandbox refused: children can be confined on Linux only; say that you accept the risk with PACE_SANDBOX=off"
    )
}

//! What child processes may see of the environment, and which values are secrets. Starts no process.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::Findings;
use super::environment::Environment;
use super::given::{Given, Inputs};
use super::variables::{self, VARIABLES};
use crate::secret::Secret;

/// Shorter values are too common to say that a variable holds a credential.
const SHORTEST_CREDENTIAL: usize = 6;

/// The environment that every child inherits, by exact name: path, home, locale, time zone, `CI`, and the
/// toolchains' own. Nothing that is known to carry credentials (package indexes, proxies) is in it.
const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "LC_MESSAGES",
    "LC_NUMERIC",
    "LC_TIME",
    "TZ",
    "CI",
    "TERM",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    // Java
    "JAVA_HOME",
    "JDK_HOME",
    "JAVA_OPTS",
    "MAVEN_HOME",
    "M2_HOME",
    "MAVEN_OPTS",
    "GRADLE_HOME",
    "GRADLE_USER_HOME",
    "GRADLE_OPTS",
    // Go
    "GOROOT",
    "GOPATH",
    "GOBIN",
    "GOCACHE",
    "GOMODCACHE",
    "GOFLAGS",
    "GOTOOLCHAIN",
    "GOOS",
    "GOARCH",
    "CGO_ENABLED",
    // Rust
    "CARGO_HOME",
    "CARGO_TARGET_DIR",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUST_BACKTRACE",
    "CARGO_INCREMENTAL",
    "CARGO_TERM_COLOR",
    // Python
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONUNBUFFERED",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUTF8",
    "UV_PYTHON",
    "REQUESTS_CA_BUNDLE",
    "PYENV_ROOT",
    "CONDA_PREFIX",
    "UV_CACHE_DIR",
    "PIP_CACHE_DIR",
    "pythonLocation",
    "Python_ROOT_DIR",
    "LD_LIBRARY_PATH",
    "PKG_CONFIG_PATH",
    // Node
    "NODE_PATH",
    "NODE_OPTIONS",
    "NVM_DIR",
    "NVM_BIN",
    "npm_config_cache",
    "COREPACK_HOME",
    "YARN_CACHE_FOLDER",
    "PNPM_HOME",
    "NODE_ENV",
    "NODE_EXTRA_CA_CERTS",
    // .NET
    "DOTNET_ROOT",
    "DOTNET_CLI_HOME",
    "DOTNET_CLI_TELEMETRY_OPTOUT",
    "DOTNET_NOLOGO",
    "NUGET_PACKAGES",
];

/// Files through which a child would command the runner, and the runner's credential for its services.
const RUNNERS_OWN: &[&str] = &[
    "GITHUB_ENV",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "ACTIONS_RUNTIME_URL",
    "ACTIONS_ID_TOKEN_REQUEST_URL",
];

/// Variables that name the runner's own files: commands, credentials of the checkout, file variables.
const RUNNERS_FILES: &[&str] = &[
    "GITHUB_ENV",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
    "GITHUB_EVENT_PATH",
    "RUNNER_TEMP",
    "GIT_ASKPASS",
    "SSH_AUTH_SOCK",
    "DOCKER_CONFIG",
    "KUBECONFIG",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "NETRC",
];

/// Where the runner keeps what children must not see.
fn runner_places(environment: &Environment) -> Vec<PathBuf> {
    let named = RUNNERS_FILES.iter().filter_map(|name| environment.all.get(*name)).map(PathBuf::from);
    // GitLab puts file variables, and its own scripts, into a folder beside the project's.
    let beside = environment.all.get("CI_PROJECT_DIR").map(|dir| PathBuf::from(format!("{dir}.tmp")));
    named.chain(beside).filter(|path| path.is_absolute()).collect()
}

/// What children see.
pub(super) struct Children {
    /// Every child.
    pub(super) env: Vec<(String, String)>,
    /// The day's first setup.
    pub(super) setup_env: Vec<(String, Secret)>,
    /// Everything that no sink may show.
    pub(super) secrets: Vec<Secret>,
    /// The runner's own files and folders.
    pub(super) runner_places: Vec<PathBuf>,
}

/// Sorts the environment into what children see and what nobody sees.
pub(super) fn children(environment: &Environment, inputs: &Inputs, findings: &mut Findings) -> Children {
    let credentials = credentials(environment);
    let mut env = inherited(environment, &credentials, findings);
    for (name, value) in listed(&inputs.pace_child_env(), environment, &credentials, false, findings) {
        env.insert(name, value);
    }
    let setup_env: Vec<(String, Secret)> =
        listed(&inputs.pace_setup_env(), environment, &credentials, true, findings)
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
    let secrets = credentials.values().map(|value| Secret::new(*value));
    let secrets = secrets.chain(setup_env.iter().map(|(_, secret)| secret.clone())).collect();
    Children { env: env.into_iter().collect(), setup_env, secrets, runner_places: runner_places(environment) }
}

/// pace's own credentials and the runner's, by variable.
fn credentials(environment: &Environment) -> BTreeMap<&'static str, &str> {
    VARIABLES
        .iter()
        .filter(|variable| variable.is_secret())
        .filter_map(|variable| Some((variable.name, environment.own.get(variable.name)?.as_str())))
        .collect()
}

fn inherited(
    environment: &Environment,
    credentials: &BTreeMap<&'static str, &str>,
    findings: &mut Findings,
) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    for name in INHERITED {
        if environment.unreadable.iter().any(|unreadable| unreadable == name) {
            findings.warning(format!("{name} is not UTF-8 text and is not handed to commands"));
        }
        let Some(value) = environment.all.get(*name) else {
            continue;
        };
        if let Some(credential) = held(value, credentials) {
            findings.warning(format!("{name} holds the value of {credential} and is not handed to commands"));
            continue;
        }
        env.insert((*name).to_owned(), value.clone());
    }
    env
}

/// The variables that `given` lists, with their values.
fn listed(
    given: &Given<'_>,
    environment: &Environment,
    credentials: &BTreeMap<&'static str, &str>,
    for_setup: bool,
    findings: &mut Findings,
) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for name in findings.keep(given.names()).unwrap_or_default() {
        let label = given.label();
        if let Some(why) = refusal(&name, for_setup) {
            findings.problem(format!("{label} names {name}, {why}; remove it from the list"));
        } else if environment.unreadable.contains(&name) {
            findings
                .problem(format!("{label} names {name}, which is not UTF-8 text; set it again or remove it"));
        } else if let Some(value) = environment.all.get(&name) {
            match held(value, credentials) {
                // A job token may install from the job's own registry, unless pace itself works with it.
                Some("CI_JOB_TOKEN") if for_setup && !is_token_of_pace(environment) => {
                    pairs.push((name, value.clone()));
                }
                Some(credential) => findings.problem(format!(
                    "{label} names {name}, which holds the value of {credential}; children never see pace's own credentials, remove it from the list"
                )),
                None => pairs.push((name, value.clone())),
            }
        } else {
            findings.warning(format!("{label} names {name}, which is not set"));
        }
    }
    pairs
}

/// Why a variable of this name is never handed on, whatever its value.
fn refusal(name: &str, for_setup: bool) -> Option<&'static str> {
    let credential = variables::find(name).is_some_and(variables::Variable::is_secret);
    if credential && !(for_setup && name == "CI_JOB_TOKEN") {
        return Some("which is one of pace's own credentials");
    }
    RUNNERS_OWN.contains(&name).then_some("which commands the CI's runner")
}

/// The credential that `value` holds, if any.
fn held<'a>(value: &str, credentials: &BTreeMap<&'a str, &str>) -> Option<&'a str> {
    credentials
        .iter()
        .find(|(_, credential)| credential.len() >= SHORTEST_CREDENTIAL && value.contains(**credential))
        .map(|(name, _)| *name)
}

/// Whether pace itself works with the job token.
fn is_token_of_pace(environment: &Environment) -> bool {
    let own = |name: &str| environment.own.get(name);
    own("GITLAB_TOKEN").is_none_or(|token| Some(token) == own("CI_JOB_TOKEN"))
}

//! What a runner waits for: the steps of `action.yml` from their first shell to the first request at the model, with a
//! release that comes from a server on loopback and is held against its checksum.

use std::path::Path;
use std::time::{Duration, Instant};

use sha2::Digest as _;

use crate::binary::{PACE, own_variable};
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::model_server::wire::Protocol;
use crate::project::{Project, copy};
use crate::web::Web;

/// How long the parts of a start took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases {
    /// Who started this.
    pub(crate) guard: Duration,
    /// The binary is there and is the right one.
    pub(crate) fetch: Duration,
    /// From there to the model's first request.
    pub(crate) start: Duration,
}

impl Phases {
    /// From the first step's start to the model's first request.
    pub(crate) fn whole(self) -> Duration {
        self.guard + self.fetch + self.start
    }
}

/// How the runner comes by the binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Downloaded and held against its checksum.
    Download,
    /// The input `binary`.
    Given,
}

/// A fresh runner's start.
pub(crate) fn cold_start(project: &Project, script: &Script, way: Way) -> Phases {
    let server = ModelServer::start(script);
    let binary = std::fs::read(PACE).unwrap();
    let name = format!("pace-9.9.9-{}-linux", std::env::consts::ARCH);
    let sum: String = sha2::Sha256::digest(&binary).iter().map(|byte| format!("{byte:02x}")).collect();
    let mirror = Web::start([(format!("/v9.9.9/{name}"), binary)]);
    let action = project.home.join("action");
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts"), &action.join("scripts"));
    let table = format!("version 9.9.9\nfrom {}\n{sum}  {name}\n", mirror.url());
    std::fs::write(action.join("scripts/checksums.txt"), table).unwrap();
    let output = project.home.join("output");
    let step =
        |script: String, more: &[(&str, &str)]| shell(project, &server, &action, &output, &script, more);

    let given = if way == Way::Given { PACE } else { "" };
    let started = Instant::now();
    step(format!("exec sh {}/scripts/action/guard.sh", action.display()), &[]);
    let guarded = Instant::now();
    step(format!("exec sh {}/scripts/action/fetch.sh", action.display()), &[("want_binary", given)]);
    let fetched = Instant::now();
    let outputs = std::fs::read_to_string(&output).unwrap();
    let binary = outputs.trim().strip_prefix("pace=").unwrap();
    step("exec \"$BINARY\" run".to_owned(), &[("BINARY", binary)]);
    assert_eq!(mirror.asked().len(), usize::from(way == Way::Download));
    Phases {
        guard: guarded - started,
        fetch: fetched - guarded,
        start: server.exchanges()[0].arrived - fetched,
    }
}

/// A step of the action, with its variables.
#[expect(clippy::disallowed_methods, reason = "the bench is the runner")]
fn shell(
    project: &Project,
    server: &ModelServer,
    action: &Path,
    output: &Path,
    script: &str,
    more: &[(&str, &str)],
) {
    let ran = std::process::Command::new("sh")
        .args(["-e", "-c", script])
        .current_dir(&project.dir)
        .env_clear()
        .env("PATH", own_variable("PATH").unwrap_or_default())
        .env("HOME", &project.home)
        .env("GITHUB_ACTION_PATH", action)
        .env("GITHUB_EVENT_NAME", "workflow_dispatch")
        .env("GITHUB_OUTPUT", output)
        .env("RUNNER_TEMP", project.home.join("temp"))
        .envs([("HEAD_REPOSITORY", ""), ("FAIL_ON", "hold"), ("VERB", "run"), ("STAGE", "")])
        .envs([("want_binary", ""), ("want_mirror", ""), ("want_version", ""), ("SANDBOX", "off")])
        .envs([("DAY", "1"), ("DRY_RUN", "true"), ("PACE_TEST_COMMAND", "none")])
        .envs([("PACE_SANDBOX", "off"), ("PACE_PLATFORM", "local")])
        .envs(server.env(Protocol::Anthropic))
        .envs(more.iter().copied())
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

//! `templates/pace.yml` under `gitlab-ci-local`, included as a component: a whole day with the binary under test, the
//! download and its checksum, inputs that are refused, when the job starts, and which exit codes are green.

use super::gitlab_ci_local::{ended, local};
use super::web::Web;
use super::{greeter, model_url, root, run, sha256, tool};
use crate::binary::{Finished, PACE};
use crate::model_server::{KEY, ModelServer, invariants};
use crate::project::Project;
use crate::scenario::shared_script;

const STAND_IN: &str = r#"#!/bin/sh
echo "told: verb=$1 DAY=$DAY RETRY=$RETRY PACE_MODEL=$PACE_MODEL"
exit "${CODE:-0}"
"#;

#[test]
fn a_day_ships_and_leaves_its_records_as_artifacts() {
    let model =
        ModelServer::start(&shared_script(&["prime", "forge", "gate", "sentinel", "conduit", "scribe"]));
    let url = model_url(&model);
    let project = project(
        &format!(
            "binary: {PACE}, platform: local, push: \"false\", sandbox: \"off\", test-command: sh test.sh, llm-base-url: \"{url}\""
        ),
        &template(),
    );
    // This engine says that it is not GitLab.
    let finished = job(
        &project,
        &["CI_PIPELINE_SOURCE=web", "DAY=1", "GITLAB_CI=true", &format!("ANTHROPIC_API_KEY={KEY}")],
    );
    assert_eq!(ended(&finished), "PASS", "{}", finished.transcript());
    assert!(finished.stdout.contains("[PACE] day 1: SHIP"), "{}", finished.transcript());
    let report = project.read(".gitlab-ci-local/artifacts/pace-day/.pace/day-1/gate-report.yaml");
    assert!(report.is_some_and(|text| text.contains("gate_decision: SHIP")), "{}", finished.transcript());
    let dotenv = project.read(".gitlab-ci-local/artifacts/pace-day/.gitlab-ci-reports/dotenv/pace-env.env");
    assert!(dotenv.is_some_and(|text| text.contains("PACE_DECISION=SHIP")), "{}", finished.transcript());
    assert_eq!(model.problems(), [] as [&str; 0]);
    assert_eq!(invariants::breaches(&model.exchanges(), &[KEY.to_owned()]), [] as [&str; 0]);
    assert!(!finished.transcript().contains(KEY), "the key is in the log");
}

#[test]
fn a_download_runs_only_when_its_checksum_is_right() {
    let name = format!("pace-9.9.9-{}-linux", std::env::consts::ARCH);
    for (sum, right) in [(sha256(STAND_IN.as_bytes()), true), (sha256(b"what was released"), false)] {
        let mirror = Web::start([(format!("/v9.9.9/{name}"), STAND_IN.into())]);
        let table =
            format!("version 9.9.9\n      from https://releases.invalid/download\n      {sum}  {name}'\n");
        let shipped = template();
        let (head, rest) = shipped.split_once("table='").unwrap();
        let (_, tail) = rest.split_once("'\n").unwrap();
        let sealed = format!("{head}table='{table}{tail}");
        // The job's own folder: other tests fill the machine's.
        let project = project(&format!("mirror: \"{}\"", mirror.url()), &sealed);
        let into = format!("TMPDIR={}", project.home.display());
        let finished = job(&project, &["CI_PIPELINE_SOURCE=web", "DAY=1", &into]);
        assert_eq!(ended(&finished), if right { "PASS" } else { "FAIL" }, "{}", finished.transcript());
        assert_eq!(finished.stdout.contains("told: verb=run DAY=1"), right, "{}", finished.transcript());
        assert_eq!(finished.transcript().contains("it is not run"), !right, "{}", finished.transcript());
        assert_eq!(mirror.asked().len(), 1);
    }
}

#[test]
fn inputs_that_cannot_be_meant_are_refused_before_a_job_starts() {
    // inputs, what the refusal names
    let cases = [
        ("day: tomorrow", "day"),
        ("retry: maybe", "retry"),
        ("when: never", "when"),
        ("max-run-cost-usd: cheap", "max-run-cost-usd"),
        ("test-timeout: soon", "test-timeout"),
        ("version: newest", "version"),
        ("green-exit-codes: ten", "green-exit-codes"),
        ("mirror: ftp:host", "mirror"),
    ];
    for (inputs, named) in cases {
        let finished =
            job(&project(&format!("binary: stand-in, {inputs}"), &template()), &["CI_PIPELINE_SOURCE=web"]);
        let case = format!("{inputs}: {}", finished.transcript());
        assert_ne!(finished.code, 0, "{case}");
        assert!(finished.transcript().contains(named), "{case}");
        assert!(!finished.stdout.contains("told:"), "{case}");
    }
    // An input without a default.
    let project =
        greeter("gitlab.invalid", &[("templates/pace.yml", &template()), (".gitlab-ci.yml", INCLUDE)]);
    let finished = job(&project, &["CI_PIPELINE_SOURCE=web"]);
    assert!(finished.code != 0 && finished.transcript().contains("image"), "{}", finished.transcript());
}

#[test]
fn the_job_starts_by_hand_by_api_and_by_schedule() {
    // what started the pipeline, how the job starts, what it is told
    let cases = [
        ("web", Some("manual"), "DAY=7 RETRY=false"),
        ("api", Some("on_success"), "DAY=7 RETRY=false"),
        ("schedule", Some("on_success"), "DAY=auto RETRY=false"),
        ("push", None, ""),
        ("merge_request_event", None, ""),
    ];
    for (source, when, told) in cases {
        let project = project("binary: stand-in, day: \"7\", model: of-the-input", &template());
        let source = format!("CI_PIPELINE_SOURCE={source}");
        let listed = local(&project, &["--list-csv", "--variable", &source]);
        let row = listed.stdout.lines().find(|line| line.starts_with("pace-day;"));
        assert_eq!(row.and_then(|row| row.split(';').nth(2)), when, "{source}: {}", listed.transcript());
        if when.is_some() {
            let finished = job(&project, &[&source]);
            let told = format!("told: verb=run {told} PACE_MODEL=of-the-input");
            assert!(finished.stdout.contains(&told), "{source}: {}", finished.transcript());
        }
    }
}

#[test]
fn exit_codes_become_green_with_a_warning_or_red() {
    // exit code, inputs, how the job ends
    let cases = [
        (0, "", "PASS"),
        (1, "", "FAIL"),
        (4, "", "FAIL"),
        (10, "", "WARN"),
        (11, "", "WARN"),
        (10, ", green-exit-codes: [11]", "FAIL"),
    ];
    for (code, inputs, word) in cases {
        let project = project(&format!("binary: stand-in{inputs}"), &template());
        let finished = job(&project, &["CI_PIPELINE_SOURCE=web", &format!("CODE={code}")]);
        assert_eq!(ended(&finished), word, "{code}{inputs}: {}", finished.transcript());
    }
}

#[test]
fn what_the_component_becomes_fits_gitlabs_schema() {
    let project = project("binary: stand-in, stage: build, job-name: sprint", &template());
    let preview = local(&project, &["--preview"]);
    assert!(preview.stdout.contains("\nsprint:\n  stage: build\n"), "{}", preview.transcript());
    let file = project.home.join("preview.yml");
    std::fs::write(&file, &preview.stdout).unwrap();
    let args =
        ["--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci", &file.to_string_lossy()];
    let checked =
        run(&tool("venv/bin/check-jsonschema"), &args.map(str::to_owned), &project.dir, &project.home, &[]);
    assert_eq!(checked.code, 0, "{}", checked.transcript());
}

pub(super) const INCLUDE: &str =
    "include:\n  - component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/pace@$CI_COMMIT_SHA\n";

pub(super) fn template() -> String {
    std::fs::read_to_string(root().join("templates/pace.yml")).unwrap()
}

/// A project that holds the component as `template` and includes it with `inputs`.
fn project(inputs: &str, template: &str) -> Project {
    use std::os::unix::fs::PermissionsExt as _;
    let include = format!("{INCLUDE}    inputs: {{image: \"python:3.12-slim\", {inputs}}}\n");
    let files =
        [(".gitlab-ci.yml", include.as_str()), ("templates/pace.yml", template), ("stand-in", STAND_IN)];
    let project = greeter("gitlab.invalid", &files);
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(project.dir.join("stand-in"), mode).unwrap();
    project.commit_all("Make it a program");
    project
}

/// Plays the component's job with `variables`, as if it had been started by hand.
fn job(project: &Project, variables: &[&str]) -> Finished {
    let mut args = vec!["--force-shell-executor", "pace-day"];
    for variable in variables {
        args.extend(["--variable", variable]);
    }
    local(project, &args)
}

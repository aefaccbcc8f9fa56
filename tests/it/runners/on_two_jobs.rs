//! A day on two jobs as it ships: the reusable workflow under `act`, called as the guide shows it, and the guide's
//! pipeline under `gitlab-ci-local`. Which secret is where, what binds the artifact, and the matrix that starts many
//! repositories.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::act::{Act, job};
use super::component::template;
use super::gitlab_ci_local::local;
use super::{greeter, model_url, root, shipped};
use crate::binary::{Finished, PACE};
use crate::forge::fixture::git;
use crate::forge::{GitHubSite, GitLabSite, SHIP, github, gitlab, held};
use crate::model_server::script::Script;
use crate::model_server::{KEY, ModelServer};
use crate::project::Project;
use crate::scenario::shared_script;

/// The job's own token, which no server here lets in.
const JOBS_TOKEN: &str = "job-token-that-may-only-read";

/// As the guide calls the shipped workflow.
const CALLER: &str = r#"
on: {workflow_dispatch: {inputs: {day: {default: auto}}}}
permissions: {}
jobs:
  pace:
    uses: ./.github/workflows/pace-stages.yml
    permissions: {contents: write, pull-requests: write, issues: write, checks: read, statuses: write}
    with: {day: "${{ inputs.day }}"}
    secrets:
      ANTHROPIC_API_KEY: "${{ secrets.ANTHROPIC_API_KEY }}"
      PACE_TOKEN: "${{ secrets.PACE_TOKEN }}"
"#;

const UPLOAD: &str = r#"
name: upload
inputs: {name: {required: true}, path: {required: true}, include-hidden-files: {}, if-no-files-found: {}, retention-days: {}}
runs:
  using: composite
  steps:
    - shell: sh
      env: {NAME: "${{ inputs.name }}", FOLDER: "${{ inputs.path }}"}
      run: |
        case "$NAME" in pace-handoff-*) mkdir -p "$ARTIFACTS/$NAME" && cp -R "$FOLDER." "$ARTIFACTS/$NAME/" ;; esac
"#;

const DOWNLOAD: &str = r#"
name: download
inputs: {name: {required: true}, path: {required: true}}
runs:
  using: composite
  steps:
    - shell: sh
      env: {NAME: "${{ inputs.name }}", FOLDER: "${{ inputs.path }}"}
      run: |
        mkdir -p "$FOLDER" && cp -R "$ARTIFACTS/$NAME/." "$FOLDER"
        # Somebody else's artifact in the place of ours.
        [ -z "$FORGED" ] || printf ' ' >>"$FOLDER/manifest.json"
"#;

#[test]
fn each_job_has_one_secret_and_the_day_ships() {
    let site = site();
    let played = play(&site, &shared_script(&SHIP), "");
    assert_eq!(played.code, 0, "{}", played.transcript());
    assert_eq!(
        seen(&site.project),
        [format!("work key={KEY} token={JOBS_TOKEN}"), format!("publish key= token={}", github::TOKEN)]
    );
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (1, 0));
        let head = git(&site.bare, "rev-parse pace/sprint");
        assert!(forge.statuses.iter().any(|s| s["sha"] == head.as_str() && s["state"] == "success"));
    });
    let paths = git(&site.bare, "ls-tree -r --name-only pace/sprint");
    assert!(paths.contains(".pace/day-1/gate-report.yaml") && !paths.contains(".pace/handoff"), "{paths}");
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

#[test]
fn a_held_day_is_handed_over_and_published_red() {
    let site = site();
    let played = play(&site, &held(), "");
    assert_ne!(played.code, 0, "{}", played.transcript());
    assert_eq!(seen(&site.project).len(), 2, "{}", played.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 1));
        assert!(forge.issues[0]["body"].as_str().unwrap().contains("exit code 1"));
    });
}

#[test]
fn an_artifact_that_the_working_job_did_not_leave_is_refused() {
    let site = site();
    let played = play(&site, &shared_script(&SHIP), "yes");
    assert_ne!(played.code, 0, "{}", played.transcript());
    assert!(played.stdout.contains("and PACE_HANDOFF_DIGEST is"), "{}", played.transcript());
    assert_eq!(seen(&site.project).len(), 2);
    assert!(!git(&site.bare, "for-each-ref").contains("pace/sprint"), "something was pushed");
    site.with(|forge| assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 0)));
}

/// The guide's own lines, with a program in the place of `gh`.
#[test]
fn a_matrix_starts_the_day_of_every_repository() {
    let guide = std::fs::read_to_string(root().join("docs/stages.md")).unwrap();
    let (_, section) = guide.split_once("## Many repositories").unwrap();
    let text = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let project = greeter("github.invalid", &[(".github/workflows/days.yml", text)]);
    let programs = project.home.join("programs");
    let told = project.home.join("told");
    std::fs::create_dir_all(&programs).unwrap();
    program(&programs.join("gh"), &format!("echo \"$GH_TOKEN $*\" >>{}", told.display()));
    let secrets = [("DISPATCH_TOKEN", "starts-workflows-only")];
    let act = Act { secrets: &secrets, programs: Some(&programs), ..Act::new(&project) };
    let played = act.run(shipped().path(), "schedule", "{}");
    assert_eq!(played.code, 0, "{}", played.transcript());
    let mut started: Vec<_> = std::fs::read_to_string(told).unwrap().lines().map(str::to_owned).collect();
    started.sort();
    let wanted = ["acme/billing", "acme/search", "acme/shop"].map(|repository| {
        format!("starts-workflows-only workflow run pace-stages.yml --repo {repository} --field day=auto")
    });
    assert_eq!(started, wanted);
}

/// The guide's pipeline, its variables scoped to environments as the guide says.
#[test]
fn the_two_jobs_of_a_gitlab_pipeline_have_one_secret_each() {
    let (site, played) = pipeline(&shared_script(&SHIP), false);
    assert_eq!(ended(&played), ["PASS pace-publish", "PASS pace-work"], "{}", played.transcript());
    assert_eq!(
        seen(&site.project),
        [format!("work key={KEY} token="), format!("publish key= token={}", gitlab::TOKEN)]
    );
    site.with(|forge| {
        assert_eq!((forge.merge_requests.len(), forge.issues.len()), (1, 0));
        assert_eq!(forge.violations, Vec::<String>::new());
    });
    let paths = git(&site.bare, "ls-tree -r --name-only pace/sprint");
    assert!(paths.contains(".pace/day-1/gate-report.yaml") && !paths.contains(".pace/handoff"), "{paths}");
}

#[test]
fn a_held_day_of_two_gitlab_jobs_is_red_in_the_second() {
    let (site, played) = pipeline(&held(), false);
    assert_eq!(ended(&played), ["FAIL pace-publish", "WARN pace-work"], "{}", played.transcript());
    site.with(|forge| assert_eq!((forge.merge_requests.len(), forge.issues.len()), (0, 1)));
}

#[test]
fn another_hand_off_than_the_working_jobs_is_refused_on_gitlab() {
    let (site, played) = pipeline(&shared_script(&SHIP), true);
    assert_eq!(ended(&played), ["FAIL pace-publish", "PASS pace-work"], "{}", played.transcript());
    assert!(played.transcript().contains("and PACE_HANDOFF_DIGEST is"), "{}", played.transcript());
    assert!(!git(&site.bare, "for-each-ref").contains("pace/sprint"), "something was pushed");
}

fn pipeline(script: &Script, forged: bool) -> (GitLabSite, Finished) {
    let mut script = script.clone();
    script.replies.extend(shared_script(&["conduit"]).replies);
    let model = ModelServer::start(&script);
    let guide = std::fs::read_to_string(root().join("docs/stages.md")).unwrap();
    let (_, section) = guide.split_once("## GitLab").unwrap();
    let text = section.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let component = "component: $CI_SERVER_FQDN/GROUP/pace-action/pace@1";
    let image = "      image: python:3.12-slim\n";
    assert_eq!((text.matches(component).count(), text.matches(image).count()), (2, 2), "{text}");
    // The binary lies outside of the project, which becomes a folder of its own for each job.
    let home = tempfile::tempdir().unwrap();
    let binary = home.path().join("pace");
    let here = format!(
        "{image}      binary: {}\n      sandbox: \"off\"\n      max-retries: \"0\"\n      ci-timeout: 1s\n      gitlab-project: {}\n",
        binary.display(),
        gitlab::PROJECT
    );
    let text = text
        .replace(component, "component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/pace@$CI_COMMIT_SHA")
        .replace(image, &here)
        .replace("pytest -v --tb=short", "sh test.sh");
    let site = GitLabSite::new(&[
        (".gitlab-ci.yml", &text),
        ("templates/pace.yml", &template()),
        (".gitignore", ".gitlab-ci-local/\n.gitlab-ci-local-variables.yml\n"),
    ]);
    git(&site.project.dir, &format!("fetch -q {} +refs/heads/*:refs/remotes/origin/*", site.bare.display()));
    site.project.write(
        ".gitlab-ci-local-variables.yml",
        &format!(
            "ANTHROPIC_API_KEY: {{type: variable, values: {{pace/work: {KEY}}}}}\nGITLAB_TOKEN: {{type: variable, values: {{pace/publish: {}}}}}\n",
            gitlab::TOKEN
        ),
    );
    let seen = site.project.home.join("seen");
    let forge =
        if forged { "[ $PACE_STAGE = work ] || printf ' ' >>.pace/handoff/manifest.json\n" } else { "" };
    program(
        &binary,
        &format!(
            "{forge}echo \"$PACE_STAGE key=$ANTHROPIC_API_KEY token=$GITLAB_TOKEN\" >>{}\nexec {PACE} \"$@\"",
            seen.display()
        ),
    );
    let url = model_url(&model);
    let given = [
        ("CI_PIPELINE_SOURCE", "api"),
        // This engine says that it is not GitLab.
        ("GITLAB_CI", "true"),
        ("CI_API_V4_URL", &site.api.url),
        ("CI_SERVER_URL", site.git_url()),
        ("PACE_LLM_BASE_URL", &url),
    ];
    let pairs = given.map(|(name, value)| format!("{name}={value}"));
    let mut args = vec!["--force-shell-executor", "--shell-isolation"];
    for pair in &pairs {
        args.extend(["--variable", pair]);
    }
    let finished = local(&site.project, &args);
    assert_eq!(model.problems(), [] as [&str; 0], "{}", finished.transcript());
    for secret in [KEY, gitlab::TOKEN] {
        assert!(!finished.transcript().contains(secret), "a secret is in the log");
    }
    (site, finished)
}

/// How the engine sums each job up.
fn ended(finished: &Finished) -> Vec<String> {
    let lines = finished.stdout.lines().map(str::trim);
    let word =
        |line: &&str| ["PASS  pace-", "WARN  pace-", "FAIL  pace-"].iter().any(|w| line.starts_with(w));
    // A warning ends with the part of the job that it is about.
    let short = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    let mut found: Vec<_> = lines.filter(word).map(short).collect();
    found.sort_by(|a, b| a[5..].cmp(&b[5..]));
    found
}

/// A repository that holds the workflow as it ships, but for the binary that is run.
fn site() -> GitHubSite {
    let text = std::fs::read_to_string(root().join(".github/workflows/pace-stages.yml")).unwrap();
    let own = "uses: $/\n        with:\n";
    assert_eq!(text.matches(own).count(), 2, "act knows no self-repository");
    let text =
        text.replace(own, "uses: acme/pace-action@v1\n        with:\n          binary: ${{ vars.BINARY }}\n");
    // Only the caller starts it here.
    let (head, rest) = text.split_once("  workflow_dispatch:\n").unwrap();
    let (_, jobs) = rest.split_once("\npermissions: {}\n").unwrap();
    let called = format!("{head}\npermissions: {{}}\n{jobs}");
    GitHubSite::new(&[(".github/workflows/day.yml", CALLER), (".github/workflows/pace-stages.yml", &called)])
}

fn play(site: &GitHubSite, script: &Script, forged: &str) -> Finished {
    let mut script = script.clone();
    // The project has workflows, which CONDUIT looks at.
    script.replies.extend(shared_script(&["conduit"]).replies);
    let model = ModelServer::start(&script);
    let home = &site.project.home;
    // As a checkout leaves it.
    git(&site.project.dir, &format!("fetch -q {} +refs/heads/*:refs/remotes/origin/*", site.bare.display()));
    let binary = home.join("pace");
    let noting = format!(
        "echo \"$PACE_STAGE key=$ANTHROPIC_API_KEY token=$GITHUB_TOKEN\" >>{}\nexec {PACE} \"$@\"",
        home.join("seen").display()
    );
    program(&binary, &noting);
    let [vars, mut env] = job(site, &binary, &model);
    env.extend([("ARTIFACTS", home.join("artifacts").display().to_string()), ("FORGED", forged.to_owned())]);
    let stand_ins = artifacts(home);
    let act = Act {
        token: JOBS_TOKEN,
        vars: &vars,
        env: &env,
        secrets: &[("PACE_TOKEN", github::TOKEN)],
        stand_ins: &stand_ins,
        ..Act::new(&site.project)
    };
    let finished = act.run(shipped().path(), "workflow_dispatch", r#"{"inputs": {"day": "1"}}"#);
    assert_eq!(model.problems(), [] as [&str; 0], "{}", finished.transcript());
    for secret in [KEY, github::TOKEN] {
        assert!(!finished.transcript().contains(secret), "a secret is in the log");
    }
    finished
}

/// Folders for the actions that carry artifacts, at the commits that the workflow names.
fn artifacts(home: &Path) -> [(String, PathBuf); 2] {
    let text = std::fs::read_to_string(root().join(".github/workflows/pace-stages.yml")).unwrap();
    [("upload", UPLOAD), ("download", DOWNLOAD)].map(|(way, action)| {
        let name = format!("actions/{way}-artifact@");
        let at = text.split(&name).nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
        let folder = home.join(way);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("action.yml"), action).unwrap();
        (format!("{name}{at}"), folder)
    })
}

/// What each job's pace was given.
fn seen(project: &Project) -> Vec<String> {
    let text = std::fs::read_to_string(project.home.join("seen")).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn program(path: &Path, script: &str) {
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

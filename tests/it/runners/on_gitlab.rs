//! The component under `gitlab-ci-local` against a GitLab on loopback: its API with its state, every request held against
//! two descriptions, and a real smart-HTTP git server with authentication. What a reviewer finds afterwards.

use serde_json::{Value, json};

use super::component::{INCLUDE, template};
use super::gitlab_ci_local::{ended, local};
use super::model_url;
use crate::binary::{Finished, PACE};
use crate::forge::fixture::git;
use crate::forge::{AGAIN, GitLabSite, SHIP, SHIP_OVER_BROKEN, gitlab, held};
use crate::model_server::script::Script;
use crate::model_server::{KEY, ModelServer};
use crate::scenario::shared_script;

#[test]
fn a_held_an_advisory_and_shipped_runs_leave_one_review_one_note_and_one_closed_issue() {
    let site = site("");
    let main = git(&site.bare, "rev-parse main");

    let day = play(&site, &held(), &[("DAY", "1")]);
    assert_eq!(day.ended(), "FAIL", "{}", day.finished.transcript());
    let url = format!("https://gitlab.example/{}/-/issues/1", gitlab::PROJECT);
    day.told(&[("PACE_DECISION", "HOLD"), ("PACE_EXIT_CODE", "1"), ("PACE_DECISION_DAY", "1")]);
    day.told(&[("PACE_ISSUE_URL", &url), ("PACE_PR_URL", ""), ("PACE_SPRINT_BRANCH", "pace/sprint")]);
    assert!(day.variable("PACE_HOLD_REASON").starts_with("GATE HOLD: exit code 1"));
    assert_eq!(day.junit().matches("<failure").count(), 2, "{}", day.junit());
    assert_eq!(day.code_quality(), json!([]));
    site.with(|forge| {
        assert_eq!((forge.merge_requests.len(), forge.issues.len(), forge.notes.len()), (0, 1, 0));
        assert_eq!(forge.issues[0]["labels"], json!(["pace-hold", "day-1"]));
        assert_eq!(forge.statuses[0]["state"], "failed");
    });

    let mut advisory = SHIP_OVER_BROKEN;
    advisory[3] = "advisory-sentinel";
    let day = play(&site, &shared_script(&advisory), &[("DAY", "1")]);
    assert_eq!(day.ended(), "WARN", "exit 10 is allowed to fail: {}", day.finished.transcript());
    day.told(&[("PACE_DECISION", "ADVISORY"), ("PACE_EXIT_CODE", "10"), ("PACE_ISSUE_URL", "")]);
    let url = format!("https://gitlab.example/{}/-/merge_requests/2", gitlab::PROJECT);
    day.told(&[("PACE_PR_URL", &url), ("PACE_HOLD_REASON", "")]);
    assert!(!day.junit().contains("<failure") && day.junit().contains("tests=\"2\""), "{}", day.junit());
    let found = day.code_quality();
    assert_eq!((&found[0]["severity"], &found[0]["location"]["path"]), (&json!("minor"), &json!("greet.sh")));
    site.with(|forge| {
        let note = forge.notes[0]["body"].as_str().unwrap();
        assert!(note.contains("ADVISORY") && note.contains("```mermaid") && note.contains(&url), "{note}");
    });

    for _ in 0..2 {
        let day = play(&site, &shared_script(&AGAIN), &[("DAY", "1"), ("RETRY", "true")]);
        assert_eq!(day.ended(), "PASS", "{}", day.finished.transcript());
        day.told(&[("PACE_DECISION", "SHIP"), ("PACE_EXIT_CODE", "0"), ("PACE_PR_URL", &url)]);
    }
    site.with(|forge| {
        assert_eq!((forge.merge_requests.len(), forge.issues.len(), forge.notes.len()), (1, 1, 1));
        assert_eq!(forge.issues[0]["state"], "closed");
        assert!(forge.notes[0]["body"].as_str().unwrap().contains("Attempt 4"));
        let head = git(&site.bare, "rev-parse pace/sprint");
        let set = |status: &&Value| status["sha"] == head.as_str() && status["state"] == "success";
        assert!(forge.statuses.iter().find(set).is_some());
        assert_eq!(forge.violations, Vec::<String>::new());
    });
    assert_eq!(git(&site.bare, "rev-parse main"), main, "nothing was pushed to main");
}

#[test]
fn a_schedule_runs_the_first_day_that_has_not_shipped() {
    let site = site("");
    for (script, day) in [(shared_script(&SHIP), "1"), (shared_script(&["day-2"]), "2")] {
        let ran = play(&site, &script, &[("CI_PIPELINE_SOURCE", "schedule")]);
        assert_eq!(ran.ended(), "PASS", "{}", ran.finished.transcript());
        ran.told(&[("PACE_DECISION", "SHIP"), ("PACE_DECISION_DAY", day)]);
    }
    site.with(|forge| assert_eq!((forge.merge_requests.len(), forge.issues.len()), (1, 0)));
}

/// What is wrong is told before a model is asked, and the job's results say which kind it is.
#[test]
fn bad_settings_and_tokens_are_red_and_cost_nothing() {
    let job = [("GITLAB_TOKEN", gitlab::JOB_TOKEN), ("CI_JOB_TOKEN", gitlab::JOB_TOKEN), ("DAY", "1")];
    let site = site("plan: missing.yaml, ");
    let lost = play(&site, &Script::default(), &[("DAY", "1")]);
    assert_eq!(
        (lost.ended(), lost.variable("PACE_DECISION").as_str()),
        ("FAIL", "PLAN"),
        "{}",
        lost.finished.transcript()
    );
    assert_eq!(lost.variable("PACE_EXIT_CODE"), "3");
    let site = self::site("");
    for (variables, exit, word, said) in [
        (&[("DAY", "first")][..], "2", "CONFIG", "DAY"),
        (&[("DAY", "9")][..], "3", "PLAN", "day 9"),
        (&[("DAY", "1"), ("GITLAB_TOKEN", "glpat-wrong")][..], "2", "CONFIG", "refused the credential"),
        (&job[..], "2", "CONFIG", "CI_JOB_TOKEN"),
    ] {
        if variables == job {
            // GitLab refuses the push of a job whose project does not allow it.
            git(&site.bare, "config http.receivepack false");
        }
        let day = play(&site, &Script::default(), variables);
        let case = format!("{variables:?}: {}", day.finished.transcript());
        assert_eq!(day.ended(), "FAIL", "{case}");
        assert!(day.finished.transcript().contains(said), "{case}");
        assert_eq!(day.variable("PACE_EXIT_CODE"), exit, "{case}");
        assert_eq!(day.variable("PACE_DECISION"), word, "{case}");
    }
    site.with(|forge| assert_eq!((forge.merge_requests.len(), forge.issues.len()), (0, 0)));
}

/// A project that includes the component with `inputs`, on a GitLab.
fn site(inputs: &str) -> GitLabSite {
    let inputs = format!(
        "{{image: \"python:3.12-slim\", binary: {PACE}, {inputs}test-command: sh test.sh, sandbox: \"off\", max-retries: \"0\", ci-timeout: 1s, gitlab-project: {}}}",
        gitlab::PROJECT
    );
    let pipeline = format!("{INCLUDE}    inputs: {inputs}\n");
    let template = template();
    GitLabSite::new(&[
        (".gitlab-ci.yml", &pipeline),
        ("templates/pace.yml", &template),
        // What the engine leaves in the work tree is nobody's source.
        (".gitignore", ".gitlab-ci-local/\n"),
    ])
}

/// What a job left.
struct Played {
    finished: Finished,
    dotenv: String,
    reports: Vec<(String, String)>,
}

impl Played {
    fn ended(&self) -> &str {
        ended(&self.finished)
    }

    fn variable(&self, name: &str) -> String {
        let line = self.dotenv.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or("absent").to_owned()
    }

    /// Asserts variables that later jobs get.
    fn told(&self, wanted: &[(&str, &str)]) {
        for (name, value) in wanted {
            assert_eq!(self.variable(name), *value, "{name}: {}", self.finished.transcript());
        }
    }

    fn report(&self, end: &str) -> &str {
        let found = self.reports.iter().find(|(path, _)| path.ends_with(end));
        found.map_or_else(|| panic!("no {end} in {:?}", self.finished.transcript()), |(_, text)| text)
    }

    fn junit(&self) -> &str {
        self.report("day-1/gate-report.junit.xml")
    }

    fn code_quality(&self) -> Value {
        serde_json::from_str(self.report("day-1/gl-code-quality.json")).unwrap()
    }
}

/// Plays the component's job with a model that says `script`, on a fresh checkout of `main`.
fn play(site: &GitLabSite, script: &Script, variables: &[(&str, &str)]) -> Played {
    let mut script = script.clone();
    // The project has a pipeline, which CONDUIT looks at.
    script.replies.extend(shared_script(&["conduit"]).replies);
    let model = ModelServer::start(&script);
    let dir = &site.project.dir;
    git(dir, "checkout -q --force -B main main");
    git(dir, "clean -qfdx");
    let mut given = vec![
        ("CI_PIPELINE_SOURCE", "web"),
        // This engine says that it is not GitLab.
        ("GITLAB_CI", "true"),
        ("CI_API_V4_URL", &site.api.url),
        ("CI_SERVER_URL", site.git_url()),
        ("GITLAB_TOKEN", gitlab::TOKEN),
        ("ANTHROPIC_API_KEY", KEY),
    ];
    let url = model_url(&model);
    given.push(("PACE_LLM_BASE_URL", &url));
    given.retain(|(name, _)| variables.iter().all(|(other, _)| other != name));
    let pairs: Vec<_> =
        given.iter().chain(variables).map(|(name, value)| format!("{name}={value}")).collect();
    let mut args = vec!["--force-shell-executor", "pace-day"];
    for pair in &pairs {
        args.extend(["--variable", pair]);
    }
    let finished = local(&site.project, &args);
    assert_eq!(model.problems(), [] as [&str; 0], "{}", finished.transcript());
    for secret in [KEY, gitlab::TOKEN, gitlab::JOB_TOKEN] {
        assert!(!finished.transcript().contains(secret), "a secret is in the log");
    }
    let kept = site.project.files_below(".gitlab-ci-local/artifacts/pace-day");
    let read = |path: &String| site.project.read(path).unwrap();
    let dotenv = kept.iter().find(|path| path.ends_with("pace-env.env")).map(read).unwrap_or_default();
    let reports = kept.iter().map(|path| (path.clone(), read(path))).collect();
    Played { finished, dotenv, reports }
}

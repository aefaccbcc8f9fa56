//! A day on two jobs: the agents without a write token, the publishing in another clone without a model key.

mod surroundings;

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::fixture::git;
use super::site::BASE;
use super::{AGAIN, GitHubSite, SHIP, SHIP_OVER_BROKEN, held, server};
use crate::binary::{Finished, Pace};
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::model_server::wire::Protocol;
use crate::scenario::shared_script;

/// What a working job left.
struct Left {
    finished: Finished,
    digest: String,
}

impl GitHubSite {
    /// The CI around both jobs, without any credential.
    fn job(&self, dir: &Path, stage: &str) -> Pace {
        Pace::new(dir, &self.project.home).env(BASE).env([
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_API_URL", self.prism.url.as_str()),
            ("GITHUB_SERVER_URL", self.git_url()),
            ("GITHUB_EVENT_NAME", "workflow_dispatch"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_REF_NAME", "main"),
            ("GITHUB_RUN_ID", "42"),
            ("PACE_STAGE", stage),
        ])
    }

    fn work(&self, script: &Script) -> Left {
        self.work_with(script, &[])
    }

    fn work_with(&self, script: &Script, more: &[(&str, &str)]) -> Left {
        let model = ModelServer::start(script);
        let output = self.project.home.join("work-output");
        std::fs::write(&output, "").unwrap();
        git(
            &self.project.dir,
            &format!("fetch -q {} +refs/heads/*:refs/remotes/origin/*", self.bare.display()),
        );
        let before = git(&self.bare, "for-each-ref");
        let finished = self
            .job(&self.project.dir, "work")
            .env(model.env(Protocol::Anthropic))
            .env([("GITHUB_OUTPUT", output.to_str().unwrap())])
            .env(more.iter().copied())
            .run();
        assert_eq!(model.problems(), Vec::<String>::new(), "{}", finished.transcript());
        assert_eq!(git(&self.bare, "for-each-ref"), before, "a working job pushed");
        let text = std::fs::read_to_string(&output).unwrap();
        let digest = text.lines().skip_while(|line| !line.starts_with("handoff-digest<<")).nth(1);
        Left { digest: digest.unwrap_or_default().to_owned(), finished }
    }

    /// A fresh clone with the hand-off in it, as an artifact would bring it.
    fn second_clone(&self, name: &str) -> PathBuf {
        let clone = self.project.home.join(name);
        git(&self.project.home, &format!("clone -q {} {name}", self.bare.display()));
        git(&clone, &format!("remote set-url origin {}/o/r", self.git_url()));
        copy(&self.project.dir.join(".pace/handoff"), &clone.join(".pace/handoff"));
        clone
    }

    fn publish(&self, clone: &Path, digest: &str) -> Finished {
        let secrets = [("GITHUB_TOKEN", super::github::TOKEN), ("PACE_HANDOFF_DIGEST", digest)];
        self.job(clone, "publish").env(secrets).run()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

fn last_attempt(clone: &Path) -> String {
    std::fs::read_to_string(clone.join(".pace/day-1/attempts.yaml")).unwrap()
}

#[test]
fn a_day_on_two_jobs_opens_one_review() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&shared_script(&SHIP));
    assert_eq!(left.finished.code, 0, "{}", left.finished.transcript());
    assert_eq!(left.digest.len(), 64, "{}", left.finished.transcript());
    site.with(|forge| assert_eq!((forge.pulls.len(), forge.statuses.len()), (0, 0)));
    let bundle = site.project.dir.join(".pace/handoff/commits.bundle");
    let heads = git(&site.project.dir, &format!("bundle list-heads {}", bundle.display()));
    assert!(heads.ends_with("refs/heads/pace/sprint"), "{heads}");
    let work_replay = site.job(&site.project.dir, "all").args(["replay", ".pace/.run/day-1"]).run();
    assert_eq!(work_replay.code, 0, "{}", work_replay.transcript());

    let clone = site.second_clone("publish");
    let done = site.publish(&clone, &left.digest);
    assert_eq!(done.code, 0, "{}", done.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (1, 0));
        let head = git(&site.bare, "rev-parse pace/sprint");
        assert!(forge.statuses.iter().any(|s| s["sha"] == head.as_str() && s["state"] == "success"));
    });
    let attempts = last_attempt(&clone);
    assert!(attempts.contains("outcome: SHIP") && attempts.contains("cost_by_model"), "{attempts}");
    let paths = git(&site.bare, "ls-tree -r --name-only pace/sprint");
    assert!(paths.contains(".pace/context/engineering.md") && !paths.contains(".pace/handoff"), "{paths}");
    let replayed = site.job(&clone, "all").args(["replay", ".pace/.run/day-1"]).run();
    assert_eq!(replayed.code, 0, "{}", replayed.transcript());
    assert!(replayed.stdout.contains("byte for byte"), "{}", replayed.transcript());

    // The same hand-off once more no longer fits.
    let again = site.publish(&site.second_clone("again"), &left.digest);
    assert_eq!(again.code, 4, "{}", again.transcript());
    assert!(again.stderr.contains("run the working job again"), "{}", again.transcript());
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

/// GitLab's artifact carries all of `.pace/`, also what git tracks since the day before.
#[test]
fn an_artifact_of_the_whole_folder_is_no_change() {
    let site = GitHubSite::new(&[]);
    let auto = [("DAY", "auto")];
    for (day, script) in [("1", shared_script(&SHIP)), ("2", shared_script(&["day-2"]))] {
        let left = site.work_with(&script, &auto);
        assert_eq!(left.finished.code, 0, "{}", left.finished.transcript());
        let clone = site.second_clone(day);
        copy(&site.project.dir.join(".pace"), &clone.join(".pace"));
        std::fs::remove_dir_all(clone.join(".pace/.run")).unwrap();
        let digest = ("PACE_HANDOFF_DIGEST", left.digest.as_str());
        let done =
            site.job(&clone, "publish").env(auto).env([("GITHUB_TOKEN", super::github::TOKEN), digest]);
        let done = done.run();
        assert_eq!(done.code, 0, "day {day}: {}", done.transcript());
        git(&site.project.dir, "clean -ffdxq");
        git(&site.project.dir, "checkout -q --force main");
        git(&site.project.dir, "branch -qD pace/sprint");
    }
    let paths = git(&site.bare, "ls-tree -r --name-only pace/sprint");
    assert!(paths.contains(".pace/day-2/gate-report.yaml"), "{paths}");
}

#[test]
fn a_held_day_on_two_jobs_opens_one_issue_and_the_next_one_closes_it() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&held());
    assert_eq!(left.finished.code, 1, "{}", left.finished.transcript());
    let clone = site.second_clone("publish");
    let done = site.publish(&clone, &left.digest);
    assert_eq!(done.code, 1, "{}", done.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 1));
        assert_eq!(forge.statuses[0]["state"], "failure");
    });
    // The next working job starts where the publishing one ended, in a work tree that the CI has cleaned.
    git(&site.project.dir, "clean -ffdxq");
    git(&site.project.dir, "checkout -q main");
    git(&site.project.dir, "branch -qD pace/sprint");
    let left = site.work(&shared_script(&SHIP_OVER_BROKEN));
    assert_eq!(left.finished.code, 0, "{}", left.finished.transcript());
    let done = site.publish(&site.second_clone("next"), &left.digest);
    assert_eq!(done.code, 0, "{}", done.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (1, 1));
        assert_eq!(forge.issues[0]["state"], "closed");
    });
    assert_eq!(site.prism.violations(), Vec::<String>::new());
}

#[test]
fn a_red_ci_holds_what_the_working_job_let_pass() {
    let site = GitHubSite::new(&[]);
    site.with(|forge| forge.check_runs[0]["conclusion"] = json!("failure"));
    let left = site.work(&shared_script(&SHIP));
    assert_eq!(left.finished.code, 0, "{}", left.finished.transcript());
    let clone = site.second_clone("publish");
    let done = site.publish(&clone, &left.digest);
    assert_eq!(done.code, 1, "{}", done.transcript());
    assert!(done.stdout.contains("[PACE] GATE: HOLD"), "{}", done.transcript());
    site.with(|forge| {
        assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 1));
        assert!(forge.issues[0]["body"].as_str().unwrap().contains("CI job test failed on the commit"));
    });
    let report = git(&site.bare, "show pace/sprint:.pace/day-1/gate-report.yaml");
    assert!(report.contains("gate_decision: HOLD"), "{report}");
    assert!(last_attempt(&clone).contains("outcome: HOLD"));
    let paths = git(&site.bare, "ls-tree -r --name-only pace/sprint");
    assert!(!paths.contains("scribe-report") && !paths.contains(".pace/context"), "{paths}");
    let plan = git(&site.bare, "show pace/sprint:plan.yaml");
    assert!(!plan.contains("status: shipped"), "{plan}");
    let replayed = site.job(&clone, "all").args(["replay", ".pace/.run/day-1"]).run();
    assert_eq!(replayed.code, 1, "{}", replayed.transcript());
}

/// The tip that was held is there already: the second working job adds nothing, and the CI's word on it still counts.
#[test]
fn a_red_ci_holds_a_tip_that_was_pushed_before() {
    let site = GitHubSite::new(&[]);
    site.with(|forge| forge.check_runs[0]["conclusion"] = json!("failure"));
    let left = site.work(&shared_script(&SHIP));
    let held = site.publish(&site.second_clone("first"), &left.digest);
    assert_eq!(held.code, 1, "{}", held.transcript());
    git(
        &site.project.dir,
        &format!("fetch -q {} +refs/heads/pace/sprint:refs/remotes/origin/pace/sprint", site.bare.display()),
    );
    git(&site.project.dir, "checkout -q --force -B pace/sprint refs/remotes/origin/pace/sprint");
    let left = site.work(&shared_script(&AGAIN));
    let again = site.publish(&site.second_clone("second"), &left.digest);
    assert_eq!(again.code, 1, "{}{}", left.finished.transcript(), again.transcript());
}

#[test]
fn what_was_changed_on_the_way_is_refused_by_name() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&shared_script(&SHIP));
    type Harm = fn(&Path);
    let harms: [(&str, Harm, &str); 4] = [
        ("a", |at| flip(&at.join("commits.bundle")), "commits.bundle has the SHA-256"),
        ("b", |at| flip(&at.join("files/.pace/day-1/gate-report.yaml")), "gate-report.yaml has the SHA-256"),
        ("c", |at| flip(&at.join("journal.jsonl")), "journal.jsonl has the SHA-256"),
        ("d", |at| flip(&at.join("manifest.json")), "and PACE_HANDOFF_DIGEST is"),
    ];
    for (name, harm, told) in harms {
        let clone = site.second_clone(name);
        harm(&clone.join(".pace/handoff"));
        let refused = site.publish(&clone, &left.digest);
        assert_eq!(refused.code, 4, "{}", refused.transcript());
        assert!(refused.stderr.contains(told), "{}", refused.transcript());
    }
    let clone = site.second_clone("e");
    let none = site.publish(&clone, "");
    assert_eq!(none.code, 2, "{}", none.transcript());
    assert!(none.stderr.contains("PACE_HANDOFF_DIGEST is not set"), "{}", none.transcript());
    // Sums that fit do not help: the verdict is computed from the record.
    let digest = reseal(&clone.join(".pace/handoff"), |at| {
        let path = at.join("files/.pace/day-1/gate-report.yaml");
        let text = std::fs::read_to_string(&path).unwrap().replace("SHIP", "HOLD");
        std::fs::write(path, text).unwrap();
    });
    let refused = site.publish(&clone, &digest);
    assert_eq!(refused.code, 4, "{}", refused.transcript());
    assert!(
        refused.stderr.contains("gate-report.yaml is not what its record yields"),
        "{}",
        refused.transcript()
    );
    assert!(!git(&site.bare, "for-each-ref").contains("pace/sprint"), "something was pushed");
    site.with(|forge| assert_eq!((forge.pulls.len(), forge.issues.len()), (0, 0)));
}

#[test]
fn a_secret_that_slipped_into_the_commits_is_not_pushed() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&shared_script(&SHIP));
    assert_eq!(left.finished.code, 0, "{}", left.finished.transcript());
    let clone = site.second_clone("publish");
    // Whoever can write the hand-off puts a commit under the judged one's successor and renames it in the record.
    let dir = &site.project.dir;
    let judged = git(dir, "rev-parse pace/sprint");
    git(dir, "checkout -q --detach pace/sprint");
    std::fs::write(dir.join("deploy.sh"), ["TOKEN=ghp", "_q3ZkT9vXw2Rb7NcLm5Yd8HfJ1sPg4UaE6oKi\n"].concat())
        .unwrap();
    git(dir, "add deploy.sh");
    git(dir, "commit -qm deploy");
    let planted = git(dir, "rev-parse HEAD");
    git(dir, "update-ref refs/heads/pace/sprint HEAD");
    let base = git(dir, "rev-parse main");
    let bundle = clone.join(".pace/handoff/commits.bundle");
    git(dir, &format!("bundle create -q --version=2 {} {base}..pace/sprint", bundle.display()));
    let digest = reseal(&clone.join(".pace/handoff"), |at| {
        let journal = at.join("journal.jsonl");
        let text = std::fs::read_to_string(&journal).unwrap();
        let lines: Vec<_> = text
            .lines()
            .map(|line| {
                let mut record: Value = serde_json::from_str(line).unwrap();
                if record["kind"] == "head" || record["kind"] == "handed-off" {
                    record = serde_json::from_str(&line.replace(&judged, &planted)).unwrap();
                }
                record.to_string() + "\n"
            })
            .collect();
        std::fs::write(journal, lines.concat()).unwrap();
        let path = at.join("manifest.json");
        let mut manifest: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        manifest["head"] = json!(planted);
        manifest["commits"].as_array_mut().unwrap().push(json!(planted));
        std::fs::write(path, manifest.to_string()).unwrap();
    });
    let refused = site.publish(&clone, &digest);
    assert_eq!(refused.code, 4, "{}", refused.transcript());
    assert!(
        refused.stderr.contains("deploy.sh") && refused.stderr.contains("must not be pushed"),
        "{}",
        refused.transcript()
    );
    assert!(!refused.stderr.contains("q3ZkT9vXw2"), "{}", refused.transcript());
    assert!(!git(&site.bare, "for-each-ref").contains("pace/sprint"), "something was pushed");
}

#[test]
fn a_branch_that_moved_on_is_not_published() {
    let site = GitHubSite::new(&[]);
    assert_eq!(site.run(&shared_script(&SHIP), &[]).code, 0);
    let script = shared_script(&AGAIN);
    let model = ModelServer::start(&script);
    let output = site.project.home.join("work-output");
    let work = site
        .job(&site.project.dir, "work")
        .env(model.env(Protocol::Anthropic))
        .env([("RETRY", "true"), ("GITHUB_OUTPUT", output.to_str().unwrap())])
        .run();
    assert_eq!(work.code, 0, "{}", work.transcript());
    let text = std::fs::read_to_string(&output).unwrap();
    let digest =
        text.lines().skip_while(|line| !line.starts_with("handoff-digest<<")).nth(1).unwrap().to_owned();
    let clone = site.second_clone("publish");
    let person = site.project.home.join("person");
    git(&site.project.home, &format!("clone -q -b pace/sprint {} person", site.bare.display()));
    std::fs::write(person.join("NOTES.md"), "A person's note\n").unwrap();
    git(&person, "add NOTES.md");
    git(&person, "commit -qm note");
    git(&person, "push -q origin pace/sprint");
    let refused = site.publish(&clone, &digest);
    assert_eq!(refused.code, 4, "{}", refused.transcript());
    assert!(refused.stderr.contains("which the working job has not seen"), "{}", refused.transcript());
}

#[test]
fn the_halves_do_without_each_others_credentials() {
    let site = GitHubSite::new(&[]);
    let left = site.work(&shared_script(&SHIP));
    let clone = site.second_clone("publish");
    let without = site.job(&clone, "publish").env([("PACE_HANDOFF_DIGEST", left.digest.as_str())]).run();
    assert_eq!(without.code, 2, "{}", without.transcript());
    assert!(without.stderr.contains("GITHUB_TOKEN is not set"), "{}", without.transcript());
    let no = server::Reply::says(403, "Resource not accessible by integration");
    site.api.fail("POST", "/pulls", server::Harm::Answer(no), usize::MAX);
    let warned = site
        .job(&clone, "publish")
        .env([
            ("GITHUB_TOKEN", super::github::TOKEN),
            ("PACE_HANDOFF_DIGEST", left.digest.as_str()),
            ("ANTHROPIC_API_KEY", "sk-ant-not-needed"),
        ])
        .run();
    assert_eq!(warned.code, 0, "{}", warned.transcript());
    assert!(warned.stdout.contains("a model key is set"), "{}", warned.transcript());
    let zero = site.job(&site.project.dir, "work").env([("DAY", "0")]).run();
    assert_eq!(zero.code, 2, "{}", zero.transcript());
}

/// Changes a byte in the middle of a file.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// Changes a hand-off and makes its sums fit again; the new digest.
fn reseal(at: &Path, harm: impl FnOnce(&Path)) -> String {
    harm(at);
    let path = at.join("manifest.json");
    let mut manifest: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    for (name, sum) in manifest["files"].as_object_mut().unwrap() {
        *sum = json!(sha256(&std::fs::read(at.join(name)).unwrap()));
    }
    let text = manifest.to_string();
    std::fs::write(&path, &text).unwrap();
    sha256(text.as_bytes())
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

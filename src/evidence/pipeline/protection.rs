//! Test jobs that a branch does not ask for: they can fail, and the change is merged all the same.
//!
//! What the branch asks for comes from the platform; where it could not be read nothing is said.

use super::flaw::{Family, Flaw, Found};
use super::kinds::Kind;
use super::script::has_test;
use super::source::{Source, entries, get, line, text, text_at, texts};
use super::{Commit, github, gitlab};
use crate::domain::artifact::Finding;
use crate::domain::diff::Diff;
use crate::domain::observation::Protection;
use crate::schema::yaml::{Entry, Node, Tree};

/// Whether the commit has test jobs that a branch could ask for.
pub(crate) fn has_test_jobs(commit: &Commit) -> bool {
    commit
        .files
        .iter()
        .filter_map(|(path, text)| Source::read(path, text))
        .any(|source| !test_jobs(&source).is_empty())
}

/// An ADVISORY for each test job that `branch` does not require. Nobody introduced that today: settings are no file.
pub(crate) fn check_protection(commit: &Commit, branch: &str, protection: &Protection) -> Vec<Finding> {
    let mut found = Found::default();
    for source in commit.files.iter().filter_map(|(path, text)| Source::read(path, text)) {
        for job in test_jobs(&source) {
            found.look(Family::Protection, source.path);
            let what = match protection {
                Protection::Checks(required) if is_required(&job, required) => continue,
                Protection::Checks(_) => format!(
                    "test job `{}` is not required on branch {branch}: a review can be merged while it fails. Add it to \
                     the required status checks of the branch",
                    job.name
                ),
                Protection::Pipeline(true) => continue,
                Protection::Pipeline(false) => format!(
                    "test job `{}` does not block: merge requests can be merged while the pipeline fails. Switch on \
                     \"Pipelines must succeed\" (Settings, Merge requests)",
                    job.name
                ),
            };
            found.add(Flaw::new(Family::Protection, source.path, job.line, what));
        }
    }
    found.findings(&Diff::default())
}

struct TestJob {
    /// As the forge shows it.
    name: String,
    line: u32,
}

fn test_jobs(source: &Source<'_>) -> Vec<TestJob> {
    let Some(root) = &source.yaml else { return vec![] };
    let of_github =
        |job: &&&Entry| github::steps(&job.node).iter().any(|step| step.run().is_some_and(has_test));
    match source.kind {
        Kind::Workflow if is_for_reviews(root) => {
            let jobs = github::jobs(root);
            jobs.iter().filter(of_github).map(|job| of(job, text_at(&job.node, "name"))).collect()
        }
        Kind::GitLab => {
            let jobs = gitlab::jobs(root);
            let tests = jobs
                .iter()
                .filter(|job| !job.key.starts_with('.') && has_test(&gitlab::script(root, &job.node)));
            // One word for the project suffices: all jobs are of one pipeline.
            tests.take(1).map(|job| of(job, None)).collect()
        }
        _ => vec![],
    }
}

fn of(job: &Entry, name: Option<&str>) -> TestJob {
    TestJob { name: name.unwrap_or(&job.key).to_owned(), line: line(job.line) }
}

/// Only what runs on a push or a review can be asked for.
fn is_for_reviews(root: &Node) -> bool {
    let Some(on) = get(root, "on") else { return false };
    let events: Vec<&str> = match &on.tree {
        Tree::Map(_) => entries(on).iter().map(|entry| entry.key.as_str()).collect(),
        _ => texts(on).into_iter().filter_map(text).collect(),
    };
    events.iter().any(|event| matches!(*event, "push" | "pull_request" | "merge_group"))
}

/// A job of a matrix is shown as `test (3.12)`, one of a called workflow as `ci / test`; a name that holds an
/// expression is any name.
fn is_required(job: &TestJob, required: &[String]) -> bool {
    let head = job.name.split("${{").next().unwrap_or(&job.name).trim_end_matches(['(', ' ']);
    required.iter().any(|check| {
        let last = check.rsplit(" / ").next().unwrap_or(check);
        last == job.name
            || last.strip_prefix(head).is_some_and(|rest| rest.starts_with(" (") || job.name.contains("${{"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKFLOW: &str = "on: [push]\njobs:\n  unit:\n    name: Unit tests\n    runs-on: x\n    steps:\n      - run: pytest\n  lint:\n    runs-on: x\n    steps:\n      - run: ruff check\n  matrix:\n    runs-on: x\n    steps:\n      - run: cargo test\n";

    fn commit(path: &str, text: &str) -> Commit {
        Commit { paths: [path.to_owned()].into(), files: [(path.to_owned(), text.to_owned())].into() }
    }

    #[test]
    fn test_jobs_that_nothing_asks_for() {
        let commit = commit(".github/workflows/ci.yml", WORKFLOW);
        assert!(has_test_jobs(&commit));
        let lines = |required: &[&str]| -> Vec<_> {
            let required = Protection::Checks(required.iter().map(|r| (*r).to_owned()).collect());
            let found = check_protection(&commit, "main", &required);
            found
                .iter()
                .filter(|f| f.result != crate::domain::artifact::FindingResult::Pass)
                .filter_map(|f| f.line)
                .collect()
        };
        assert_eq!(lines(&[]), [3, 12]);
        assert_eq!(lines(&["Unit tests"]), [12]);
        assert_eq!(lines(&["ci / Unit tests", "matrix (stable)"]), [] as [u32; 0]);
        assert_eq!(lines(&["unit", "lint"]), [3, 12]);
    }

    #[test]
    fn gitlab_has_one_switch() {
        let commit = commit(".gitlab-ci.yml", "unit:\n  script: [pytest]\nmore:\n  script: [cargo test]\n");
        let found = |on| check_protection(&commit, "main", &Protection::Pipeline(on));
        assert_eq!(found(false).len(), 1);
        assert!(found(false)[0].evidence.contains("Pipelines must succeed"));
        assert!(found(true).iter().all(|f| f.result == crate::domain::artifact::FindingResult::Pass));
    }

    #[test]
    fn a_workflow_by_hand_cannot_be_asked_for() {
        let by_hand = commit(".github/workflows/x.yml", &WORKFLOW.replace("[push]", "workflow_dispatch"));
        assert!(!has_test_jobs(&by_hand));
    }
}

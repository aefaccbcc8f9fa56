//! GitHub workflows: tests that cannot fail their job, and deployments that do not wait for tests.
//!
//! Judges only what stands in one file literally; expressions are left alone.

use std::collections::BTreeSet;

use super::deploys::{deploys, is_deploying_action, is_experiment};
use super::flaw::{Family, Flaw, Found};
use super::github::{Step, jobs, steps};
use super::kinds::Kind;
use super::script::{Shell, has_test, swallowed};
use super::source::{Source, entries, entry, get, is_true, line, text, text_at, texts, words};
use crate::schema::yaml::{Entry, Node, Tree};

/// Checks the test steps and the deployments of a workflow or a composite action.
pub(super) fn check(source: &Source<'_>, found: &mut Found) {
    let Some(root) = &source.yaml else { return };
    if source.kind == Kind::Action {
        if let Some(runs) = get(root, "runs") {
            test_steps(source, root, runs, found);
        }
        return;
    }
    for job in jobs(root) {
        test_job(source, root, job, found);
    }
    deployments(source, root, found);
}

fn test_job(source: &Source<'_>, root: &Node, job: &Entry, found: &mut Found) {
    let name = format!("{} {}", job.key, text_at(&job.node, "name").unwrap_or_default());
    if !runs_tests(&job.node) || is_experiment(&name) || reports_tests(&job.node) {
        return;
    }
    found.look(Family::Tests, source.path);
    if let Some(flag) =
        entry(&job.node, "continue-on-error").filter(|_| is_true(&job.node, "continue-on-error"))
    {
        let what = format!(
            "`continue-on-error: true` keeps the run green when the tests of job `{}` fail. Remove it",
            job.key
        );
        found.add(Flaw::new(Family::Tests, source.path, line(flag.line), what));
    }
    if let Some(condition) = entry(&job.node, "if").filter(|e| is_never(&e.node)) {
        let what = format!("job `{}` runs the tests, but `if` is never true. Remove the condition", job.key);
        found.add(Flaw::new(Family::Tests, source.path, line(condition.line), what));
    }
    test_steps(source, root, &job.node, found);
}

fn test_steps(source: &Source<'_>, root: &Node, owner: &Node, found: &mut Found) {
    for step in steps(owner) {
        let Some((run, script)) = entry(step.node, "run").and_then(|e| Some((e, text(&e.node)?))) else {
            continue;
        };
        if !has_test(script) || is_looked_at(source, &step) {
            continue;
        }
        found.look(Family::Tests, source.path);
        if let Some(flag) =
            entry(step.node, "continue-on-error").filter(|_| is_true(step.node, "continue-on-error"))
        {
            let what = "`continue-on-error: true` lets the job pass when this test step fails. Remove it";
            found.add(Flaw::new(Family::Tests, source.path, line(flag.line), what));
        }
        if let Some(condition) = entry(step.node, "if").filter(|e| is_never(&e.node)) {
            let what = "the test step never runs: its `if` is never true. Remove the condition";
            found.add(Flaw::new(Family::Tests, source.path, line(condition.line), what));
        }
        let Some(shell) = shell_of(root, owner, &step) else { continue };
        for lost in swallowed(script, shell) {
            let at = source.line_of(lost.command.lines().next().unwrap_or_default(), line(run.line));
            let what =
                format!("`{}` cannot fail the job: {}. Let its exit code count", lost.shown(), lost.how);
            found.add(Flaw::new(Family::Tests, source.path, at, what));
        }
    }
}

/// Whether a later step reads how this one ended.
fn is_looked_at(source: &Source<'_>, step: &Step<'_>) -> bool {
    text_at(step.node, "id").is_some_and(|id| {
        source.text.contains(&format!("steps.{id}.outcome"))
            || source.text.contains(&format!("steps.{id}.conclusion"))
    })
}

/// Whether a step publishes test results, which as a rule fails the job by itself.
fn reports_tests(job: &Node) -> bool {
    steps(job).iter().filter_map(Step::uses).any(|uses| {
        ["test-report", "unit-test-result", "junit", "test-summary"].iter().any(|word| uses.contains(word))
    })
}

/// `if: false`, also as an expression.
fn is_never(node: &Node) -> bool {
    match &node.tree {
        Tree::Bool(flag) => !flag,
        Tree::Text(text) => text.trim_start_matches("${{").trim_end_matches("}}").trim() == "false",
        _ => false,
    }
}

/// How the step's shell treats failures (GitHub's documented defaults); `None` for shells that are not read.
fn shell_of(root: &Node, owner: &Node, step: &Step<'_>) -> Option<Shell> {
    let default = |node| get(node, "defaults").and_then(|d| get(d, "run")).and_then(|r| text_at(r, "shell"));
    let shell = text_at(step.node, "shell").or_else(|| default(owner)).or_else(|| default(root));
    let windows = text_at(owner, "runs-on").is_some_and(|on| on.starts_with("windows"));
    match shell {
        None if windows => None,
        None | Some("sh") => Some(Shell { errexit: true, pipefail: false }),
        Some("bash") => Some(Shell { errexit: true, pipefail: true }),
        Some(custom) if custom.starts_with("bash") || custom.starts_with("sh ") => Some(Shell {
            errexit: custom
                .split_whitespace()
                .any(|w| w.starts_with('-') && !w.starts_with("--") && w.contains('e')),
            pipefail: custom.contains("pipefail"),
        }),
        Some(_) => None,
    }
}

fn runs_tests(job: &Node) -> bool {
    steps(job).iter().any(|step| step.run().is_some_and(has_test))
}

/// Whether a job calls a workflow whose name says that it tests.
fn calls_tests(job: &Entry) -> bool {
    let name = |text: &str| {
        text.split(|c: char| !c.is_alphanumeric()).any(|w| matches!(w, "test" | "tests" | "ci" | "check"))
    };
    text_at(&job.node, "uses").is_some_and(|uses| name(uses) || name(&job.key))
}

fn is_deploying(step: &Step<'_>) -> bool {
    let push = get(step.node, "with").is_some_and(|with| is_true(with, "push"));
    step.run().is_some_and(deploys)
        || step
            .uses()
            .is_some_and(|u| is_deploying_action(u) || push && u.starts_with("docker/build-push-action@"))
}

fn deployments(source: &Source<'_>, root: &Node, found: &mut Found) {
    let jobs = jobs(root);
    let tests: Vec<&&Entry> = jobs.iter().filter(|j| runs_tests(&j.node) || calls_tests(j)).collect();
    for job in &jobs {
        if !steps(&job.node).iter().any(is_deploying) {
            continue;
        }
        found.look(Family::Deployments, source.path);
        after_failed_run(source, root, job, found);
        if runs_tests(&job.node) {
            always_after_tests(source, job, found);
            continue;
        }
        let waits = ancestors(&jobs, job);
        let gate = tests.iter().any(|t| waits.contains(t.key.as_str()));
        if gate {
            let condition = entry(&job.node, "if")
                .filter(|e| text(&e.node).is_some_and(|c| ignores_failure(c, "needs.")));
            if let Some(condition) = condition {
                let what = format!(
                    "job `{}` deploys even where the tests failed: its `if` drops `success()`. Remove `always()`",
                    job.key
                );
                found.add(Flaw::new(Family::Deployments, source.path, line(condition.line), what));
            }
            continue;
        }
        // A test job with a condition may belong to another event.
        if let Some(test) = tests.iter().find(|t| entry(&t.node, "if").is_none()) {
            let what = format!(
                "job `{}` deploys without waiting for job `{}`. Add it to `needs`",
                job.key, test.key
            );
            let flaw = Flaw::new(Family::Deployments, source.path, line(job.line), what)
                .or_added(source.path, line(test.line))
                .or_removed(source.path, "needs");
            found.add(flaw);
        }
    }
}

/// A step that deploys after a test step of the same job, whatever that came to.
fn always_after_tests(source: &Source<'_>, job: &Entry, found: &mut Found) {
    let steps = steps(&job.node);
    let Some(first) = steps.iter().position(|s| s.run().is_some_and(has_test)) else { return };
    for step in steps[first + 1..].iter().filter(|s| is_deploying(s)) {
        if let Some(condition) =
            entry(step.node, "if").filter(|e| text(&e.node).is_some_and(|c| ignores_failure(c, "steps.")))
        {
            let what = "the step deploys even where the tests before it failed. Remove `always()`";
            found.add(Flaw::new(Family::Deployments, source.path, line(condition.line), what));
        }
    }
}

/// A workflow that another one starts runs also after a failed run, unless it looks.
fn after_failed_run(source: &Source<'_>, root: &Node, job: &Entry, found: &mut Found) {
    let Some(on) = get(root, "on") else { return };
    let triggers: Vec<&str> = match &on.tree {
        Tree::Map(map) => map.iter().map(|e| e.key.as_str()).collect(),
        _ => texts(on).into_iter().filter_map(text).collect(),
    };
    if triggers == ["workflow_run"] && !source.text.contains("workflow_run.conclusion") {
        let what = format!(
            "job `{}` deploys after every run of the other workflow, failed ones too. Ask for \
             `github.event.workflow_run.conclusion == 'success'`",
            job.key
        );
        found.add(Flaw::new(Family::Deployments, source.path, line(job.line), what));
    }
}

/// Whether a condition holds also after a failure, without asking how `whose` jobs or steps ended.
fn ignores_failure(condition: &str, whose: &str) -> bool {
    let drops = condition.contains("always()")
        || condition.contains("!cancelled()")
        || condition.contains("! cancelled()");
    drops
        && !condition.contains("success()")
        && !condition.contains(whose)
        && !condition.contains("failure()")
}

/// The jobs that `job` waits for, directly or not.
fn ancestors<'n>(jobs: &[&'n Entry], job: &'n Entry) -> BTreeSet<&'n str> {
    let mut seen = BTreeSet::new();
    let mut open = words(&job.node, "needs");
    while let Some(id) = open.pop() {
        if seen.insert(id)
            && let Some(next) = jobs.iter().find(|j| j.key == id)
        {
            open.extend(words(&next.node, "needs"));
        }
    }
    seen
}

/// Whether a workflow is well-formed enough to run at all; what is wrong goes into `found`.
pub(super) fn structure(source: &Source<'_>, root: &Node, found: &mut Found) {
    let mut flaw = |at: u32, what: String| found.add(Flaw::new(Family::Syntax, source.path, at, what));
    if get(root, "on").is_none() {
        flaw(1, "the workflow has no `on`: nothing starts it".to_owned());
    }
    let jobs = get(root, "jobs").map(entries).unwrap_or_default();
    if jobs.is_empty() {
        flaw(1, "the workflow has no jobs".to_owned());
    }
    for job in jobs {
        let has = |key: &str| entry(&job.node, key).is_some();
        if !has("uses") && !has("runs-on") {
            flaw(line(job.line), format!("job `{}` names no `runs-on`", job.key));
        }
        if !has("uses") && !has("steps") {
            flaw(line(job.line), format!("job `{}` has no steps", job.key));
        }
        for step in steps(&job.node) {
            match (entry(step.node, "uses"), entry(step.node, "run")) {
                (None, None) => {
                    flaw(line(step.node.line), "the step has neither `uses` nor `run`".to_owned())
                }
                (Some(_), Some(run)) => flaw(line(run.line), "the step has both `uses` and `run`".to_owned()),
                _ => {}
            }
        }
        for need in words(&job.node, "needs") {
            if !need.contains("${{") && !jobs.iter().any(|j| j.key == need) {
                let at = source.line_of(need, line(entry(&job.node, "needs").map_or(job.line, |e| e.line)));
                flaw(at, format!("job `{}` needs `{need}`, which does not exist", job.key));
            }
        }
    }
}

//! GitLab CI: tests that cannot fail the pipeline, deployments that do not wait for them, and jobs that name what
//! does not exist.
//!
//! Judges one file at a time; where includes could change the answer, it does not answer.

use std::collections::BTreeSet;

use super::deploys::{deploys, is_experiment};
use super::flaw::{Family, Flaw, Found};
use super::gitlab::{has_includes, inherited, jobs, script};
use super::script::{Shell, has_test, swallowed};
use super::source::{Source, entries, entry, get, is_true, items, line, text, text_at, words};
use crate::schema::yaml::{Entry, Node};

/// The runner starts scripts with `errexit`, and with `pipefail` where the image has bash; that is presumed.
const RUNNER: Shell = Shell { errexit: true, pipefail: true };

/// Checks test jobs and deployments.
pub(super) fn check(source: &Source<'_>, found: &mut Found) {
    let Some(root) = &source.yaml else { return };
    let jobs = jobs(root);
    for job in &jobs {
        test_job(source, root, job, found);
    }
    let visible: Vec<&&Entry> = jobs.iter().filter(|job| !job.key.starts_with('.')).collect();
    let tests: Vec<&Entry> =
        visible.iter().filter(|j| has_test(&script(root, &j.node))).map(|j| **j).collect();
    for job in visible {
        let script = script(root, &job.node);
        if deploys(&script) && !has_test(&script) {
            deployment(source, root, job, &tests, found);
        }
    }
}

fn test_job(source: &Source<'_>, root: &Node, job: &Entry, found: &mut Found) {
    let script = script(root, &job.node);
    if !has_test(&script) {
        return;
    }
    found.look(Family::Tests, source.path);
    let manual = inherited(root, &job.node, "when").is_some_and(|e| text(&e.node) == Some("manual"));
    if let Some(flag) = entry(&job.node, "allow_failure").filter(|_| is_true(&job.node, "allow_failure"))
        && !manual
        && !is_experiment(&job.key)
    {
        let what = format!(
            "`allow_failure: true` keeps the pipeline green when the tests of job `{}` fail. Remove it",
            job.key
        );
        found.add(Flaw::new(Family::Tests, source.path, line(flag.line), what));
    }
    // What is inherited is reported where it stands.
    if let Some(own) = entry(&job.node, "script") {
        for lost in swallowed(&script, RUNNER) {
            let at = source.line_of(lost.command.lines().next().unwrap_or_default(), line(own.line));
            let what =
                format!("`{}` cannot fail the job: {}. Let its exit code count", lost.shown(), lost.how);
            found.add(Flaw::new(Family::Tests, source.path, at, what));
        }
    }
}

fn deployment(source: &Source<'_>, root: &Node, job: &Entry, tests: &[&Entry], found: &mut Found) {
    found.look(Family::Deployments, source.path);
    let Some(test) = tests
        .iter()
        .find(|t| inherited(root, &t.node, "rules").is_none() && inherited(root, &t.node, "only").is_none())
    else {
        return;
    };
    let always = |node: &Node| text_at(node, "when") == Some("always");
    let rule = get(&job.node, "rules").map(items).unwrap_or_default().iter().find(|r| always(r));
    let place = rule.or_else(|| always(&job.node).then_some(&job.node)).and_then(|n| entry(n, "when"));
    if let Some(when) = place {
        let what = format!(
            "job `{}` deploys even where the tests failed: `when: always`. Use `on_success`",
            job.key
        );
        found.add(Flaw::new(Family::Deployments, source.path, line(when.line), what));
        return;
    }
    let waits = if get(&job.node, "needs").is_some() {
        let mut names = BTreeSet::new();
        needed(root, &job.node, &mut names);
        tests.iter().any(|t| names.contains(&t.key))
    } else if inherited(root, &job.node, "needs").is_some() {
        true
    } else {
        by_stage(root, test, job)
    };
    if !waits {
        let what = format!(
            "job `{}` deploys without waiting for job `{}`. Put it in a later stage or add it to `needs`",
            job.key, test.key
        );
        let at = entry(&job.node, "needs").map_or(job.line, |e| e.line);
        let flaw = Flaw::new(Family::Deployments, source.path, line(at), what)
            .or_added(source.path, line(test.line))
            .or_removed(source.path, "needs")
            .or_removed(source.path, "stage");
        found.add(flaw);
    }
}

/// The jobs that `job` waits for by `needs`, directly or not.
fn needed(root: &Node, job: &Node, names: &mut BTreeSet<String>) {
    for need in get(job, "needs").map(items).unwrap_or_default() {
        let Some(name) = text(need).or_else(|| text_at(need, "job")) else { continue };
        if names.insert(name.to_owned())
            && let Some(next) = get(root, name)
        {
            needed(root, next, names);
        }
    }
}

/// Whether the stage order makes `job` wait for `test`; true where the order is unknown.
fn by_stage(root: &Node, test: &Entry, job: &Entry) -> bool {
    let declared = words(root, "stages");
    if declared.is_empty() && has_includes(root) {
        return true;
    }
    let order = if declared.is_empty() { vec!["build", "test", "deploy"] } else { declared };
    let place = |job: &Entry| {
        let stage = inherited(root, &job.node, "stage").and_then(|e| text(&e.node)).unwrap_or("test");
        match stage {
            ".pre" => Some(0),
            ".post" => Some(usize::MAX),
            _ => order.iter().position(|s| *s == stage).map(|at| at + 1),
        }
    };
    match (place(test), place(job)) {
        (Some(test), Some(job)) => test < job,
        _ => true,
    }
}

/// What keeps GitLab from accepting the file: stages, needs and templates that do not exist.
pub(super) fn structure(source: &Source<'_>, root: &Node, found: &mut Found) {
    // A part of a pipeline, or one that others add to, cannot be judged alone.
    if source.path != ".gitlab-ci.yml" || has_includes(root) {
        return;
    }
    let mut flaw = |at: u32, what: String| found.add(Flaw::new(Family::Syntax, source.path, at, what));
    let declared = words(root, "stages");
    let stages = if declared.is_empty() { vec!["build", "test", "deploy"] } else { declared };
    let exists = |name: &str| name.contains('$') || entries(root).iter().any(|e| e.key == name);
    for job in jobs(root) {
        if let Some(stage) = entry(&job.node, "stage")
            && let Some(name) = text(&stage.node)
            && !name.contains('$')
            && !matches!(name, ".pre" | ".post")
            && !stages.contains(&name)
        {
            flaw(
                line(stage.line),
                format!("job `{}` is in stage `{name}`, which `stages` does not name", job.key),
            );
        }
        for parent in words(&job.node, "extends").into_iter().filter(|p| !exists(p)) {
            flaw(line(job.line), format!("job `{}` extends `{parent}`, which does not exist", job.key));
        }
        for need in get(&job.node, "needs").map(items).unwrap_or_default() {
            let optional = is_true(need, "optional")
                || entry(need, "project").is_some()
                || entry(need, "pipeline").is_some();
            if let Some(name) = text(need).or_else(|| text_at(need, "job"))
                && !optional
                && !exists(name)
            {
                flaw(line(need.line), format!("job `{}` needs `{name}`, which does not exist", job.key));
            }
        }
    }
}

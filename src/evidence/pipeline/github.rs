//! GitHub workflows and actions: the walk through their jobs and steps, and what they use.
//!
//! Knows nothing of what a failing test means; that is `github_gates`.

use super::deploys::runs_pace;
use super::flaw::{Family, Flaw, Found};
use super::kinds::Kind;
use super::references::{loose_action, loose_image};
use super::source::{Source, entries, entry, get, items, line, text, text_at};
use crate::schema::yaml::{Entry, Node};

/// A step of a job or of a composite action.
pub(super) struct Step<'n> {
    pub node: &'n Node,
}

impl<'n> Step<'n> {
    /// The action that the step uses.
    pub(super) fn uses(&self) -> Option<&'n str> {
        text_at(self.node, "uses")
    }

    /// The script that the step runs.
    pub(super) fn run(&self) -> Option<&'n str> {
        text_at(self.node, "run")
    }
}

/// The jobs of a workflow that are judged: pace's own are not.
pub(super) fn jobs(root: &Node) -> Vec<&Entry> {
    let jobs = get(root, "jobs").map(entries).unwrap_or_default();
    jobs.iter().filter(|job| !is_paces_own(&job.node)).collect()
}

/// The steps of a job.
pub(super) fn steps(job: &Node) -> Vec<Step<'_>> {
    get(job, "steps").map(items).unwrap_or_default().iter().map(|node| Step { node }).collect()
}

/// Whether a job runs pace itself.
fn is_paces_own(job: &Node) -> bool {
    let action = |uses: &str| uses.split(['/', '@']).any(|part| part == "pace-action");
    text_at(job, "uses").is_some_and(action)
        || steps(job).iter().any(|s| s.uses().is_some_and(action) || s.run().is_some_and(runs_pace))
}

/// Checks what a workflow or an action uses: actions, reusable workflows and images.
pub(super) fn check(source: &Source<'_>, found: &mut Found) {
    let Some(root) = &source.yaml else { return };
    let mut check = Pins { source, found };
    if source.kind == Kind::Action {
        let Some(runs) = get(root, "runs") else { return };
        check.steps(runs);
        if let Some(image) =
            entry(runs, "image").filter(|e| text(&e.node).is_some_and(|i| i.starts_with("docker://")))
        {
            check.image(image);
        }
        return;
    }
    for job in jobs(root) {
        if let Some(uses) = entry(&job.node, "uses") {
            check.action(uses);
        }
        check.steps(&job.node);
        if let Some(container) = entry(&job.node, "container") {
            check.image(entry(&container.node, "image").unwrap_or(container));
        }
        for service in get(&job.node, "services").map(entries).unwrap_or_default() {
            if let Some(image) = entry(&service.node, "image") {
                check.image(image);
            }
        }
    }
}

struct Pins<'s, 'f> {
    source: &'s Source<'s>,
    found: &'f mut Found,
}

impl Pins<'_, '_> {
    fn steps(&mut self, owner: &Node) {
        for step in steps(owner) {
            if let Some(uses) = entry(step.node, "uses") {
                self.action(uses);
            }
        }
    }

    fn action(&mut self, uses: &Entry) {
        let Some(name) = text(&uses.node) else { return };
        self.found.look(Family::Actions, self.source.path);
        if let Some(why) = loose_action(name) {
            let what =
                format!("`uses: {name}` is not pinned: {why}. Pin it to a version tag or a commit SHA");
            self.found.add(Flaw::new(Family::Actions, self.source.path, line(uses.line), what));
        }
    }

    fn image(&mut self, image: &Entry) {
        let Some(name) = text(&image.node) else { return };
        self.found.look(Family::Images, self.source.path);
        if let Some(why) = loose_image(name.trim_start_matches("docker://")) {
            let what = format!("image `{name}` is not pinned: {why}. Name a version tag or a digest");
            self.found.add(Flaw::new(Family::Images, self.source.path, line(image.line), what));
        }
    }
}

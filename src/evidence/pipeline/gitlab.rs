//! GitLab CI: the walk through its jobs, what they include and which images they run in.
//!
//! Judges one file at a time: what an include brings is unknown here.

use super::deploys::runs_pace;
use super::flaw::{Family, Flaw, Found};
use super::references::{loose_image, loose_ref};
use super::source::{Source, entries, entry, get, items, line, text, text_at, texts};
use crate::schema::yaml::{Entry, Node, Tree};

/// Keys of a GitLab file that are no jobs.
const GLOBAL: &[&str] = &[
    "default",
    "include",
    "stages",
    "variables",
    "workflow",
    "image",
    "services",
    "before_script",
    "after_script",
    "cache",
    "spec",
];

/// The jobs of a file, hidden ones included, pace's own left out.
pub(super) fn jobs(root: &Node) -> Vec<&Entry> {
    let is_job = |e: &&Entry| !GLOBAL.contains(&e.key.as_str()) && matches!(e.node.tree, Tree::Map(_));
    entries(root).iter().filter(is_job).filter(|job| !runs_pace(&script(root, &job.node))).collect()
}

/// The value of `key` in `job` or in what it extends in this file.
pub(super) fn inherited<'n>(root: &'n Node, job: &'n Node, key: &str) -> Option<&'n Entry> {
    fn find<'n>(root: &'n Node, job: &'n Node, key: &str, depth: u32) -> Option<&'n Entry> {
        if let Some(found) = entry(job, key) {
            return Some(found);
        }
        let parents = get(job, "extends").map(texts).unwrap_or_default();
        let mut parents = parents.into_iter().filter_map(text).rev();
        if depth == 0 { None } else { parents.find_map(|p| find(root, get(root, p)?, key, depth - 1)) }
    }
    find(root, job, key, 8)
}

/// The script of `job` as one text.
pub(super) fn script(root: &Node, job: &Node) -> String {
    let script = inherited(root, job, "script").map(|e| texts(&e.node)).unwrap_or_default();
    script.into_iter().filter_map(text).collect::<Vec<_>>().join("\n")
}

/// Whether other files add to this one.
pub(super) fn has_includes(root: &Node) -> bool {
    entry(root, "include").is_some()
}

/// Checks includes and images.
pub(super) fn check(source: &Source<'_>, found: &mut Found) {
    let Some(root) = &source.yaml else { return };
    if let Some(include) = get(root, "include") {
        found.look(Family::Includes, source.path);
        let list: &[Node] = match &include.tree {
            Tree::List(items) => items,
            _ => std::slice::from_ref(include),
        };
        for item in list {
            if let Some(what) = loose_include(item) {
                found.add(Flaw::new(Family::Includes, source.path, line(item.line), what));
            }
        }
    }
    images(source, root, found);
    if let Some(default) = get(root, "default") {
        images(source, default, found);
    }
    for job in jobs(root) {
        images(source, &job.node, found);
        // A job can trigger a pipeline that it includes.
        for item in get(&job.node, "trigger").and_then(|t| get(t, "include")).map(items).unwrap_or_default() {
            found.look(Family::Includes, source.path);
            if let Some(what) = loose_include(item) {
                found.add(Flaw::new(Family::Includes, source.path, line(item.line), what));
            }
        }
    }
}

/// What is wrong with one item of `include`.
fn loose_include(item: &Node) -> Option<String> {
    if let Some(component) = text_at(item, "component") {
        let (path, version) = component.rsplit_once('@').unwrap_or((component, ""));
        if path.ends_with("/pace") {
            return None;
        }
        let why = loose_ref(version)?;
        return Some(format!("component `{component}` is not pinned: {why}. Name a version or a commit SHA"));
    }
    if let Some(project) = text_at(item, "project") {
        let why = loose_ref(text_at(item, "ref").unwrap_or_default())
            .filter(|_| get(item, "ref").is_none_or(|r| text(r).is_some()))?;
        return Some(format!(
            "the include from project `{project}` is not pinned: {why}. Set `ref` to a tag or a commit SHA"
        ));
    }
    let remote = text_at(item, "remote").or_else(|| text(item)).filter(|url| url.starts_with("http"))?;
    if entry(item, "integrity").is_some() || remote.contains('$') {
        return None;
    }
    let path = remote
        .split_once("://")
        .map_or(remote, |(_, rest)| rest)
        .split(['?', '#'])
        .next()
        .unwrap_or_default();
    let pinned = path
        .split('/')
        .skip(1)
        .any(|part| part.chars().any(|c| c.is_ascii_digit()) && loose_ref(part).is_none());
    (!pinned).then(|| {
        format!(
            "the remote include `{remote}` names no version. Include a tag or a commit, or set `integrity`"
        )
    })
}

fn images(source: &Source<'_>, owner: &Node, found: &mut Found) {
    let image = entry(owner, "image").map(|e| (e.line, &e.node));
    let services = get(owner, "services").map(items).unwrap_or_default().iter().map(|node| (node.line, node));
    for (at, node) in image.into_iter().chain(services) {
        let named = entry(node, "name");
        let at = named.map_or(at, |e| e.line);
        let Some(name) = named.map_or(Some(node), |e| Some(&e.node)).and_then(text) else { continue };
        found.look(Family::Images, source.path);
        if let Some(why) = loose_image(name) {
            let what = format!("image `{name}` is not pinned: {why}. Name a version tag or a digest");
            found.add(Flaw::new(Family::Images, source.path, line(at), what));
        }
    }
}

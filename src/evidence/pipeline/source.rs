//! A file of the pipeline as the checks read it: its text, its YAML, and the way back to a line.
//!
//! Knows no check.

use super::kinds::{Kind, kind_of};
use crate::schema::yaml::{self, Entry, Node, Tree};

/// Larger files are not read.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// One file, read once.
pub(super) struct Source<'a> {
    pub path: &'a str,
    pub text: &'a str,
    pub kind: Kind,
    /// `None` where the file is no YAML or cannot be read.
    pub yaml: Option<Node>,
    /// Why YAML could not be read: line and words.
    pub broken: Option<(u32, String)>,
}

impl<'a> Source<'a> {
    /// Reads `text`; `None` for what is no part of the pipeline, binary or too large.
    pub(super) fn read(path: &'a str, text: &'a str) -> Option<Self> {
        let kind = kind_of(path)?;
        if text.len() > MAX_BYTES || text.contains('\0') {
            return None;
        }
        let mut source = Self { path, text, kind, yaml: None, broken: None };
        let is_yaml = match kind {
            Kind::Workflow | Kind::Action | Kind::GitLab | Kind::Compose => true,
            Kind::Component => text.lines().any(|line| line.starts_with("spec:")),
            // Others repeat keys or documents by design.
            Kind::OtherCi => {
                ["bitbucket-", "azure-", ".circleci/", ".travis."].iter().any(|p| path.starts_with(p))
            }
            _ => false,
        };
        if is_yaml {
            match document(text, kind) {
                Ok(node) => source.yaml = Some(node),
                // A limit of the reader is no fault of the file.
                Err((_, why)) if why.starts_with("budget") => {}
                Err(why) => source.broken = Some(why),
            }
        }
        Some(source)
    }

    /// First line at or after `from` (1-based) that contains `needle`, or as many of its first words as stand on one
    /// line; `from` where there is none.
    pub(super) fn line_of(&self, needle: &str, from: u32) -> u32 {
        let start = from.max(1);
        let mut part = needle.trim();
        while !part.is_empty() {
            let mut lines = self.text.lines().skip(start as usize - 1);
            if let Some(at) = lines.position(|line| line.contains(part)) {
                return start + u32::try_from(at).unwrap_or(0);
            }
            part = part.rsplit_once(char::is_whitespace).map_or("", |(rest, _)| rest.trim_end());
        }
        start
    }
}

/// The YAML document that holds the jobs. GitLab files may open with a header document (`spec:`); its lines are
/// blanked, so that line numbers stay.
fn document(text: &str, kind: Kind) -> Result<Node, (u32, String)> {
    let parsed = match (kind, header(text)) {
        (Kind::GitLab | Kind::Component, Some(lines)) => {
            let body = text.split_inclusive('\n').skip(lines).collect::<String>();
            yaml::parse(&format!("{}{body}", "\n".repeat(lines)))
        }
        _ => yaml::parse(text),
    };
    parsed.map_err(|error| {
        let mut parts = error.splitn(3, ':');
        let line = parts.next().and_then(|line| line.parse().ok()).unwrap_or(1);
        (line, parts.nth(1).unwrap_or(&error).trim().to_owned())
    })
}

/// Lines up to and with the `---` that ends a `spec:` header.
fn header(text: &str) -> Option<usize> {
    let mut spec = false;
    for (index, line) in text.lines().enumerate() {
        spec |= line.starts_with("spec:");
        if spec && line.trim_end() == "---" {
            return Some(index + 1);
        }
    }
    None
}

/// A node's line as findings carry it.
pub(super) fn line(at: u64) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// The entry of `key`.
pub(super) fn entry<'n>(node: &'n Node, key: &str) -> Option<&'n Entry> {
    entries(node).iter().find(|e| e.key == key)
}

/// The value of `key`.
pub(super) fn get<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    entry(node, key).map(|e| &e.node)
}

/// The entries of a mapping; none of anything else.
pub(super) fn entries(node: &Node) -> &[Entry] {
    match &node.tree {
        Tree::Map(entries) => entries,
        _ => &[],
    }
}

/// The items of a list; none of anything else.
pub(super) fn items(node: &Node) -> &[Node] {
    match &node.tree {
        Tree::List(items) => items,
        _ => &[],
    }
}

/// The text of a scalar that is one.
pub(super) fn text(node: &Node) -> Option<&str> {
    match &node.tree {
        Tree::Text(text) => Some(text),
        _ => None,
    }
}

/// The text under `key`.
pub(super) fn text_at<'n>(node: &'n Node, key: &str) -> Option<&'n str> {
    get(node, key).and_then(text)
}

/// Whether the value under `key` is the literal `true`.
pub(super) fn is_true(node: &Node, key: &str) -> bool {
    get(node, key).is_some_and(|n| n.tree == Tree::Bool(true))
}

/// Every scalar text in `node`, nested lists and mappings included.
pub(super) fn texts(node: &Node) -> Vec<&Node> {
    match &node.tree {
        Tree::Text(_) => vec![node],
        Tree::List(items) => items.iter().flat_map(texts).collect(),
        Tree::Map(entries) => entries.iter().flat_map(|e| texts(&e.node)).collect(),
        _ => vec![],
    }
}

/// The words under `key`: a text or a list of texts.
pub(super) fn words<'n>(node: &'n Node, key: &str) -> Vec<&'n str> {
    get(node, key).map(texts).unwrap_or_default().into_iter().filter_map(text).collect()
}

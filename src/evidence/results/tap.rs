//! Test Anything Protocol, versions 12 to 14, with the subtests of node and of vitest.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use super::text::indent;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^(?:TAP version 1\d|1\.\.\d+(?: *#.*)?)\s*$"));
static LINE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(not )?ok\b(?: +(\d+))?(?: +-)?(?: +(.*?))?\s*$"));
static DIRECTIVE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)(?:^|[^\\])#\s*(skip\S*|todo)\b.*$"));
static TIMING: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s*# time=\S+\s*$"));

/// Whether the output is TAP.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads test points; a parent of subtests is left out unless it alone failed.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut reader = Reader::default();
    for line in lines {
        reader.line(line);
        if reader.found.is_overfull() {
            break;
        }
    }
    reader.found
}

#[derive(Default)]
struct Reader {
    found: Found,
    /// Open parents: indent, title, whether a child was seen, whether one failed.
    parents: Vec<Parent>,
    /// How often a name was seen: points are numbered, their titles may repeat.
    names: HashMap<String, usize>,
    /// Number of the last point, and of the last one that is planned.
    last: usize,
    planned: usize,
    /// Indent of the YAML block that is being passed over.
    block: Option<usize>,
}

struct Parent {
    indent: usize,
    title: String,
    children: bool,
    failed: bool,
}

impl Reader {
    fn line(&mut self, line: &str) {
        let depth = indent(line);
        let text = line.trim();
        if let Some(block) = self.block {
            if text == "..." && depth == block {
                self.block = None;
            }
            return;
        }
        if text == "---" {
            self.block = Some(depth);
        } else if text == "}" {
            self.close(depth);
        } else if let Some(title) = text.strip_prefix("# Subtest: ") {
            self.close(depth);
            self.open(depth, &unescape(title));
        } else if let Some(why) = text.strip_prefix("Bail out!") {
            self.found.add(&format!("Bail out!{why}"), TestStatus::Failed);
        } else if let Some(end) = line.strip_prefix("1..") {
            self.planned = end.split_whitespace().next().and_then(|end| end.parse().ok()).unwrap_or(0);
        } else if text.starts_with("ok") || text.starts_with("not ok") {
            self.point(depth, line);
        }
    }

    fn open(&mut self, depth: usize, title: &str) {
        self.parents.push(Parent { indent: depth, title: title.to_owned(), children: false, failed: false });
    }

    /// Drops parents that are at `depth` or deeper.
    fn close(&mut self, depth: usize) {
        while self.parents.last().is_some_and(|p| p.indent >= depth) {
            self.parents.pop();
        }
    }

    fn point(&mut self, depth: usize, line: &str) {
        let Some(c) = LINE.captures(line) else { return };
        let failed = c.get(1).is_some();
        let number = c.get(2).map_or("", |m| m.as_str());
        let rest = c.get(3).map_or("", |m| m.as_str());
        if number.is_empty() && rest.is_empty() && depth == 0 && self.planned > 0 && self.last == self.planned
        {
            // What `prove` says of a whole file, behind its last point.
            return;
        }
        if depth == 0 {
            self.last = number.parse().unwrap_or(self.last + 1);
        }
        let (rest, opens) = rest.strip_suffix('{').map_or((rest, false), |r| (r.trim_end(), true));
        let rest = TIMING.replace(rest, "");
        let directive = DIRECTIVE.find(&rest);
        let title = directive.map_or(&*rest, |d| rest.get(..d.start() + 1).unwrap_or_default());
        let title = unescape(title.trim().trim_end_matches('#').trim());
        let title = if title.is_empty() { format!("test {number}") } else { title };
        let status = match (directive.is_some(), failed) {
            (true, _) => TestStatus::Skipped,
            (false, true) => TestStatus::Failed,
            (false, false) => TestStatus::Passed,
        };
        // The closing line of a parent stands at the parent's own indent, after its children.
        while self.parents.last().is_some_and(|p| p.indent > depth) {
            self.parents.pop();
        }
        let closes = self.parents.last().is_some_and(|p| p.indent == depth);
        let parent = if closes { self.parents.pop() } else { None };
        let leaf = parent.is_none_or(|p| !p.children || (status == TestStatus::Failed && !p.failed));
        if opens {
            self.mark(status);
            self.open(depth, &title);
        } else if leaf {
            let mut path: Vec<&str> = self.parents.iter().map(|p| p.title.as_str()).collect();
            path.push(&title);
            let mut name = path.join(" > ");
            let nth = self.names.entry(name.clone()).and_modify(|n| *n += 1).or_insert(1);
            if *nth > 1 {
                name = format!("{name} #{nth}");
            }
            self.found.add(&name, status);
            self.mark(status);
        } else {
            self.mark(status);
        }
    }

    fn mark(&mut self, status: TestStatus) {
        for parent in &mut self.parents {
            parent.children = true;
            parent.failed |= status == TestStatus::Failed;
        }
    }
}

fn unescape(title: &str) -> String {
    title.replace("\\#", "#").replace("\\\\", "\\")
}

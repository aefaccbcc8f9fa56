//! Console output of JavaScript runners: jest, vitest, mocha, `node --test` (spec reporter).
//!
//! All of them draw a tree of titles; a test's name is its path through the tree, joined by ` > `.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use super::text::indent;
use crate::domain::observation::TestStatus::{self, Failed, Passed, Skipped};
use crate::evidence::pattern;

const JOINT: &str = " > ";

static JEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^Test Suites: +\d"));
static VITEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^\s*Test Files +\d|^\s*RUN +v\d+\.\d+"));
static MOCHA: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^\s+\d+ passing(?: \(\S+\))?\s*$"));
static NODE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^ℹ tests \d+\s*$"));

/// A verdict's glyph and title.
static GLYPH: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(✓|✔|√|✕|✗|✘|✖|×|○(?: skipped)?|↓|□|﹣|✎(?: todo)?|-|\d+\))\s+(.+?)\s*$"));
/// What runners put after a title: a duration, a repeat count.
static TIMING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?: \(\d[\d.]* ?(?:ms|s|m)\)| \d[\d.]*ms|\s\(retry x\d+\))+$"));
static JEST_FILE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^ ?(PASS|FAIL) +(?:\S.*? )?(\S+\.[cm]?[jt]sx?)(?: \([\d.]+ m?s\))?\s*$"));
static VITEST_FILE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^ (?:\S+) (?:\|\S+\| )?(\S.*?) \(\d+ tests?(?: \|.*)?\)(?: \d[\d.]*m?s)?\s*$")
});
static VITEST_SUITE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(.*?) \(\d+\)(?: \d[\d.]*m?s)?$"));

/// Whether the output is jest's.
pub(super) fn jest_marks(output: &str) -> bool {
    JEST.is_match(output)
}

/// Whether the output is vitest's.
pub(super) fn vitest_marks(output: &str) -> bool {
    VITEST.is_match(output)
}

/// Whether the output is that of mocha's spec reporter.
pub(super) fn mocha_marks(output: &str) -> bool {
    MOCHA.is_match(output)
}

/// Whether the output is that of node's spec reporter.
pub(super) fn node_marks(output: &str) -> bool {
    NODE.is_match(output)
}

/// jest: below `PASS file` the tree with `--verbose`, else nothing; then the file itself is what passed.
pub(super) fn jest(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut file = String::new();
    let mut tree: Option<Tree> = None;
    for (i, line) in lines.iter().enumerate() {
        if line.starts_with("Test Suites:") || found.is_overfull() {
            break;
        }
        if let Some(c) = JEST_FILE.captures(line) {
            file = c[2].to_owned();
            let next = lines.get(i + 1).map_or("", |l| l.trim_end());
            let drawn = next.starts_with("  ") && !next.trim_start().starts_with('●');
            if !drawn {
                found.add(&file, if &c[1] == "PASS" { Passed } else { Failed });
            }
            tree = drawn.then(Tree::default);
        } else if line.trim().is_empty() {
            tree = None;
        } else if let Some(tree) = &mut tree {
            match verdict(line) {
                Some((status, title)) => {
                    found.add_from(&file, JOINT, &tree.name(indent(line), &title), status)
                }
                None if indent(line) >= 2 => tree.open(indent(line), line.trim()),
                // The rest of a title that holds a line break.
                None => {}
            }
        } else if let Some(title) = line.strip_prefix("  ● ")
            && title.contains(" › ")
        {
            // Failures are named in full even where the tree is not drawn.
            found.add_from(&file, JOINT, &title.trim().replace(" › ", JOINT), Failed);
        }
    }
    found
}

/// vitest: verbose lines carry file and path; the default and tree reporters draw files with their tests below.
pub(super) fn vitest(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut tree = Tree::default();
    let mut file: Option<(String, TestStatus, bool)> = None;
    for line in lines {
        let ends = line.contains("⎯⎯ Failed ") || line.trim_start().starts_with("Test Files ");
        if ends || found.is_overfull() {
            break;
        }
        if !line.starts_with(' ') {
            continue;
        }
        if let Some(c) = VITEST_FILE.captures(line) {
            close_file(file.take(), &mut found);
            let status = if line.starts_with(" ✓") { Passed } else { Failed };
            file = Some((c[1].to_owned(), status, false));
            tree = Tree::default();
            continue;
        }
        let Some((status, title)) = verdict(line) else {
            if let Some(title) = line.trim_start().strip_prefix("❯ ") {
                tree.open(
                    indent(line),
                    VITEST_SUITE.captures(title).map_or(title, |c| c.get(1).map_or("", |m| m.as_str())),
                );
            }
            continue;
        };
        // What stands at two is the rest of a message.
        let in_file = file.is_some() && indent(line) > 2;
        if let Some(c) = in_file.then(|| VITEST_SUITE.captures(&title)).flatten() {
            tree.open(indent(line), &c[1]);
        } else if let (true, Some((name, _, seen))) = (in_file, &mut file) {
            *seen = true;
            found.add_from(name, JOINT, &tree.name(indent(line), &title), status);
        } else if indent(line) == 1 {
            found.add(&title, status);
        }
    }
    close_file(file, &mut found);
    found
}

/// A file whose tests are not drawn stands for them.
fn close_file(file: Option<(String, TestStatus, bool)>, found: &mut Found) {
    if let Some((name, status, false)) = file {
        found.add(&name, status);
    }
}

/// mocha's spec reporter: everything before `N passing`.
pub(super) fn mocha(lines: &[&str]) -> Found {
    let end = lines.iter().position(|l| MOCHA.is_match(l)).unwrap_or(lines.len());
    drawn(&lines[..end])
}

/// node's spec reporter: everything before the counts.
pub(super) fn node(lines: &[&str]) -> Found {
    let end = lines.iter().position(|l| l.starts_with("ℹ tests ")).unwrap_or(lines.len());
    drawn(&lines[..end])
}

/// A tree of suites and tests that is indented by two for each level.
fn drawn(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut tree = Tree::default();
    for (i, line) in lines.iter().enumerate() {
        if found.is_overfull() {
            break;
        }
        let depth = indent(line);
        if let Some((status, title)) = verdict(line) {
            let closes = tree.closes(depth, &title);
            if !closes || (status == Failed && !tree.failed_below) {
                found.add(&tree.name(depth, &title), status);
            }
            tree.failed_below = (tree.failed_below && !closes) || (status == Failed && depth > 0);
        } else if let Some(title) = line.trim_start().strip_prefix("▶ ") {
            tree.open(depth, title.trim_end());
        } else if depth >= 2 && !line.trim().is_empty() {
            // A line that a test printed is no suite: nothing is drawn below it before the next blank line.
            let mut below = lines[i + 1..].iter().take_while(|l| !l.trim().is_empty());
            if below.any(|l| indent(l) == depth + 2) {
                tree.open(depth, line.trim());
            }
        }
    }
    found
}

/// Titles that are open, with their indents.
#[derive(Default)]
struct Tree {
    open: Vec<(usize, String)>,
    failed_below: bool,
}

impl Tree {
    fn open(&mut self, depth: usize, title: &str) {
        self.open.retain(|(d, _)| *d < depth);
        self.open.push((depth, title.to_owned()));
    }

    fn name(&self, depth: usize, title: &str) -> String {
        let above = self.open.iter().filter(|(d, _)| *d < depth).map(|(_, t)| t.as_str());
        above.chain([title]).collect::<Vec<_>>().join(JOINT)
    }

    /// Whether this verdict is that of an open title itself, which node gives after the title's tests.
    fn closes(&mut self, depth: usize, title: &str) -> bool {
        let found = self.open.iter().position(|(d, t)| *d == depth && t == title);
        if let Some(place) = found {
            self.open.truncate(place);
        }
        found.is_some()
    }
}

fn verdict(line: &str) -> Option<(TestStatus, String)> {
    let c = GLYPH.captures(line)?;
    let title = &c[2];
    let (title, directive) = match title.rsplit_once(" # ") {
        // node: `﹣ name (0.1ms) # later`, `✔ name (1ms) # TODO`
        Some((before, after)) if TIMING.is_match(before) => (before, after),
        _ => (title, ""),
    };
    let status = match &c[1] {
        _ if directive.starts_with("TODO") => Skipped,
        "✓" | "✔" | "√" => Passed,
        "✕" | "✗" | "✘" | "✖" | "×" => Failed,
        number if number.ends_with(')') => Failed,
        _ => Skipped,
    };
    Some((status, TIMING.replace(title, "").trim().to_owned()))
}

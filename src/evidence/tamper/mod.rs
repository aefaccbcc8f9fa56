//! The tripwire: what a change does to the tests that were there and to what runs them.
//!
//! Pure: the files of the change come with their text before and after. A FAIL holds the day, an ADVISORY goes to the
//! backlog, a PASS is something that would have held the day if the plan did not ask for it.

mod each;
mod gone;
mod helpers;
mod items;
mod named;
mod patterns;
mod reached;
mod rows;
mod runner_files;
mod shadows;
mod skips;
mod strength;
mod stubs;
mod tables;
mod under_test;
mod vanished;

#[cfg(test)]
mod tests;

use crate::domain::artifact::{Finding, FindingResult};
use crate::evidence::files::{FileKind, kind_of};
use items::Item;
pub(crate) use named::Named;
pub(crate) use stubs::{in_dependencies, stands_for_runner};

/// A file of the change; a rename is one that is gone and one that is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// `/`-separated from the root.
    pub path: String,
    /// Text at the day base; `None` where the file was absent or binary.
    pub before: Option<String>,
    /// Text now; `None` where the file is gone or binary.
    pub after: Option<String>,
}

/// What the tripwire looks at.
pub(crate) struct Look<'a> {
    pub changed: &'a [Changed],
    /// What the plan says of files and tests.
    pub named: &'a Named,
    /// All paths of the day base.
    pub base_paths: &'a [String],
    /// What GATE runs: the test command, and commands that criteria ask for.
    pub commands: &'a [String],
}

/// Everything that was seen, in the order of the rules, each once.
pub(crate) fn look(look: &Look<'_>) -> Vec<Finding> {
    let before = all_items(look, |file| file.before.as_deref());
    let after = all_items(look, |file| file.after.as_deref());
    let gone = gone::Gone::of(look.changed, look.named);
    let pairs = vanished::pair(&before, &after);
    let mut signs = vanished::signs(look.changed, &before, &after, &pairs, &gone);
    signs.extend(strength::signs(look.changed, &before, &after, &pairs, &gone));
    let (helped, helpers): (Vec<Placed>, Vec<Placed>) = helpers::pairs(look.changed).into_iter().unzip();
    let same: Vec<_> = (0..helped.len()).map(Some).collect();
    let now: Vec<Placed> = helpers.into_iter().chain(after.iter().cloned()).collect();
    signs.extend(vanished::signs(look.changed, &helped, &now, &same, &gone));
    signs.extend(strength::signs(look.changed, &helped, &now, &same, &gone));
    signs.extend(rows::signs(&before, &after, &pairs, &gone));
    signs.extend(rows::beside(look.changed, &before, &after, &gone));
    signs.extend(shadows::signs(look.changed));
    signs.extend(skips::signs(look));
    signs.extend(runner_files::signs(look));
    signs.extend(stubs::signs(look));
    signs.extend(under_test::signs(look));
    let mut findings: Vec<Finding> = Vec::new();
    for sign in signs {
        let finding = sign.judge(look.named);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

/// Tests of before that are rows of a test's table now, by the last part of their names. `files`: path, text before,
/// text now.
pub(crate) fn became_rows(files: &[(&str, &str, &str)]) -> std::collections::BTreeSet<String> {
    vanished::became_rows(files)
}

/// How many rows the tables of a test file have.
pub(crate) fn table_rows(path: &str, text: &str) -> usize {
    let items = items::items(path, text);
    let besides = items::besides(path, text, &items);
    items.iter().chain(&besides).map(|item| tables::rows(item).len()).sum()
}

/// The findings that hold the day.
pub(crate) fn holding(findings: &[Finding]) -> Vec<Finding> {
    findings.iter().filter(|f| f.result == FindingResult::Fail).cloned().collect()
}

/// How [`instruction`] begins.
pub(crate) const MUST_STAY: &str = "the tests that were there must stay as strong as they were";

/// What to do about them, in one line.
pub(crate) fn instruction(holding: &[Finding]) -> String {
    let said: Vec<_> =
        holding.iter().map(|f| format!("{} — {}", f.check.to_lowercase(), f.evidence)).collect();
    format!(
        "{MUST_STAY}: {}. Undo it, or have a person say in a criterion \
         or note of the plan what is to become of that file or test",
        said.join("; ")
    )
}

/// One rule's word on one place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sign {
    check: &'static str,
    path: String,
    line: Option<u32>,
    /// The test that is meant, where it is one.
    test: Option<String>,
    what: String,
    /// `false`: worth knowing, no more.
    holds: bool,
}

impl Sign {
    fn judge(self, named: &Named) -> Finding {
        let asked_for = named.allows(&self.path, self.test.as_deref());
        let place = self.line.map_or_else(|| self.path.clone(), |line| format!("{}:{line}", self.path));
        let (result, suffix) = match (self.holds, asked_for) {
            (true, false) => (FindingResult::Fail, ""),
            (true, true) => (FindingResult::Pass, " (the plan asks for it)"),
            (false, false) => (FindingResult::Advisory, ""),
            (false, true) => (FindingResult::Pass, " (the plan asks for it)"),
        };
        Finding {
            check: self.check.to_owned(),
            result,
            evidence: format!("{place}: {}{suffix}", self.what),
            file: Some(self.path),
            line: self.line,
            fingerprint: None,
        }
    }
}

/// A test and where it stands.
#[derive(Debug, Clone)]
struct Placed {
    path: String,
    item: Item,
}

fn all_items<'a>(look: &Look<'a>, text: impl Fn(&'a Changed) -> Option<&'a str>) -> Vec<Placed> {
    let mut all = Vec::new();
    for file in look.changed.iter().filter(|file| !runner_files::is_script_of(look.commands, &file.path)) {
        let Some(text) = text(file) else { continue };
        all.extend(
            items::items(&file.path, text).into_iter().map(|item| Placed { path: file.path.clone(), item }),
        );
    }
    all
}

/// Whether the file holds tests or what they need, and is written in a language.
fn is_test_code(path: &str) -> bool {
    kind_of(path) == FileKind::Test && items::is_code(path)
}

/// Whether tests may stand in the file: Rust keeps them beside the code.
fn may_hold_tests(path: &str) -> bool {
    is_test_code(path) || path.ends_with(".rs")
}

/// Lines of `after` that `before` does not have as often, with their numbers; blank ones left out.
fn added<'a>(before: Option<&str>, after: &'a str) -> Vec<(u32, &'a str)> {
    let mut old: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for line in before.unwrap_or_default().lines() {
        *old.entry(line.trim()).or_default() += 1;
    }
    let mut new = Vec::new();
    for (number, line) in (1..).zip(after.lines()) {
        let trimmed = line.trim();
        match old.get_mut(trimmed) {
            Some(left) if *left > 0 => *left -= 1,
            _ if trimmed.is_empty() => {}
            _ => new.push((number, line)),
        }
    }
    new
}

/// A line as evidence shows it.
fn quoted(line: &str) -> String {
    let line = line.trim();
    let short: String = line.chars().take(80).collect();
    if short.len() < line.len() { format!("`{short}…`") } else { format!("`{short}`") }
}

//! Entries of the plan's out_of_scope that defer tests, and the files that they excuse.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::code;
use super::day_change::FileChange;
use super::pattern;

/// The plan's entries that speak of tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waivers {
    entries: Vec<String>,
}

static TESTS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\b(?:unit[- ]?)?tests?\b|\btesting\b|\btest coverage\b|\buntested\b"));

/// Words of an entry that name no part of the project.
const GENERAL: &[&str] = &[
    "test",
    "tests",
    "testing",
    "unit",
    "new",
    "coverage",
    "untested",
    "deferred",
    "defer",
    "later",
    "follow",
    "story",
    "day",
    "sprint",
    "next",
    "this",
    "for",
    "the",
    "of",
    "and",
    "are",
    "is",
    "to",
    "in",
    "no",
    "not",
    "any",
    "all",
    "added",
    "add",
    "written",
    "write",
    "refactor",
    "refactoring",
    "refactored",
    "rename",
    "renaming",
    "renamed",
    "move",
    "moved",
    "behaviour",
    "behavior",
    "unchanged",
    "existing",
    "cover",
    "covers",
    "covered",
    "suffice",
    "need",
    "needs",
    "needed",
    "required",
    "by",
    "on",
    "with",
    "its",
    "it",
    "code",
    "because",
    "only",
    "pure",
    "other",
    "more",
    "changes",
    "change",
    "come",
    "comes",
    "follows",
    "part",
    "tested",
    "same",
    "they",
    "stay",
    "today",
    "beyond",
    "leaves",
    "leave",
    "keeps",
    "keep",
    "already",
];

impl Waivers {
    /// Those among the plan's entries.
    pub(crate) fn of<'a>(out_of_scope: impl Iterator<Item = &'a str>) -> Self {
        Self { entries: out_of_scope.filter(|entry| TESTS.is_match(entry)).map(str::to_owned).collect() }
    }

    /// None at all.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// The entry that excuses `file` from new tests: one that names it, its module or something it defines, or one
    /// that speaks of the day's tests and names nothing.
    pub(crate) fn entry_for(&self, file: &FileChange) -> Option<&str> {
        let text = file.production_text();
        let mut own: BTreeSet<String> = code::definitions(&file.path, &text);
        own.extend(code::words(&file.path).into_iter().map(str::to_owned));
        let own: BTreeSet<String> = own.iter().flat_map(|name| parts(name)).collect();
        let names = |entry: &&String| {
            if entry.contains(file.path.as_str()) {
                return true;
            }
            let said: Vec<String> = code::words(entry).into_iter().flat_map(parts).collect();
            let mut telling =
                said.iter().filter(|w| w.len() > 2 && !GENERAL.contains(&w.as_str())).peekable();
            telling.peek().is_none() || telling.any(|word| own.contains(word))
        };
        self.entries.iter().find(names).map(String::as_str)
    }
}

/// `UserService` and `user_service` → the whole, `user`, `service`; lower case.
fn parts(name: &str) -> Vec<String> {
    let mut parts: Vec<String> = PART.find_iter(name).map(|m| m.as_str().to_lowercase()).collect();
    parts.push(name.to_lowercase());
    parts.retain(|part| part.len() > 2 && !matches!(part.as_str(), "src" | "lib" | "app"));
    parts
}

static PART: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Z]?[a-z\d]+|[A-Z]+"));

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::day_change::tests::change;

    #[test]
    fn entries_excuse_what_they_name() {
        let file = change("src/user_service.py", None, Some("class Registry:\n    pass\n"));
        for (entry, excused) in [
            ("Tests for src/user_service.py", true),
            ("Unit tests of the user service — deferred to story-3", true),
            ("Tests of Registry", true),
            ("New tests: the refactoring leaves behaviour unchanged", true),
            ("Tests — deferred to day 4", true),
            ("Tests for the billing module", false),
            ("Load tests", false),
            ("Integration tests against staging", false),
            ("The user service's cache", false),
            ("OAuth / social login", false),
        ] {
            assert_eq!(Waivers::of([entry].into_iter()).entry_for(&file).is_some(), excused, "{entry}");
        }
    }
}

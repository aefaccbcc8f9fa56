//! Which tests go with which production file, by the names that they share.
//!
//! Lenient on purpose: a test that mentions the file's module or something it defines goes with it, whatever it is
//! called. So does a file that a tested one uses.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::code::test_text::TestText;
use super::code::worth::Worth;
use super::code::{self, Language, mask};
use super::day_change::{DayChange, FileChange};
use super::pattern;
use crate::domain::diff::Change;

/// A production file and the names by which others mention it.
pub(crate) struct Subject<'a> {
    pub path: &'a str,
    pub change: Change,
    file: &'a FileChange,
    /// Lower-case, without `_` and `-`.
    stem: String,
    defined: BTreeSet<String>,
    /// Words of its code, folded like the stem.
    mentions: BTreeSet<String>,
    /// Texts like `/users` in it.
    routes: BTreeSet<String>,
}

impl<'a> Subject<'a> {
    pub(crate) fn of(file: &'a FileChange) -> Self {
        let text = file.production_text();
        let routes = ROUTE.find_iter(&text).map(|m| m.as_str().to_owned()).collect();
        Self {
            path: &file.path,
            change: file.change,
            file,
            stem: stem(&file.path),
            defined: code::definitions(&file.path, &text),
            mentions: folded(&text),
            routes,
        }
    }

    /// What it defines, for a message.
    pub(crate) fn shown(&self) -> String {
        self.defined.iter().take(4).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    }

    fn is_mentioned(&self, words: &BTreeSet<String>) -> bool {
        let telling = |name: &str| name.len() > 2 && !COMMON.contains(&name);
        let by_stem =
            self.stem.len() > 1 && !COMMON.contains(&self.stem.as_str()) && words.contains(&self.stem);
        by_stem
            || self.defined.iter().map(|name| fold(name)).any(|name| telling(&name) && words.contains(&name))
    }
}

static ROUTE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"/[a-z][\w-]{2,}\b"#));

/// Names that tell nothing of a file.
const COMMON: &[&str] = &[
    "index", "main", "mod", "lib", "init", "app", "test", "tests", "run", "new", "get", "set", "name",
    "value", "data", "self", "this", "from", "into", "default", "equal", "true", "false", "none", "null",
    "src", "setup", "result", "error", "handler", "fmt", "string", "type", "path", "file", "args", "console",
    "assert", "expect", "describe", "import", "export", "const", "class", "return", "def", "function",
];

/// Paths of `subjects` that a test of the day goes with, directly or through another of them.
/// `mended`: tests that failed before the day and pass now.
pub(crate) fn covered<'a>(
    subjects: &[Subject<'a>],
    change: &DayChange,
    mended: &[&str],
) -> BTreeSet<&'a str> {
    let tests: Vec<&FileChange> = change.tests().collect();
    let mut covered: BTreeSet<&str> = subjects
        .iter()
        .filter(|subject| {
            let mends = |name: &&str| subjects.len() == 1 || subject.is_mentioned(&folded(name));
            tests.iter().any(|test| goes_with(test, subject, subjects.len()) && !is_hollow(test))
                || mended.iter().any(mends)
        })
        .map(|subject| subject.path)
        .collect();
    loop {
        let more: Vec<&str> = subjects
            .iter()
            .filter(|subject| !covered.contains(subject.path))
            .filter(|subject| {
                let tested = || subjects.iter().filter(|other| covered.contains(other.path));
                // What a tested file uses is exercised with it; so is what only wires tested files up.
                tested().any(|other| subject.is_mentioned(&other.mentions))
                    || subject.file.only_wires() && (tested().next().is_some() || subjects.len() == 1)
            })
            .map(|subject| subject.path)
            .collect();
        if more.is_empty() {
            return covered;
        }
        covered.extend(more);
    }
}

/// Test files that would go with `subject` if they asserted anything.
pub(crate) fn hollow(subject: &Subject<'_>, change: &DayChange) -> Vec<String> {
    let related = change.tests().filter(|test| goes_with(test, subject, 2) && is_hollow(test));
    related.map(|test| test.path.clone()).collect()
}

/// Whether `test`, a test file of the day, goes with `subject`, one of `count` production files of it.
fn goes_with(test: &FileChange, subject: &Subject<'_>, count: usize) -> bool {
    if test.path == subject.path {
        return true;
    }
    if test.change == Change::Deleted && !subject.file.only_removes() {
        return false;
    }
    let Some(text) = test.test_text().or_else(|| test.now.clone()).or_else(|| test.before.clone()) else {
        // A fixture that is no text shows in the outcome of the tests alone.
        return count == 1;
    };
    // What a comment says exercises nothing.
    let text = match test.test_text() {
        Some(_) => mask::without_comments(Language::of(&test.path), &text),
        None => text,
    };
    let name = stem(&test.path);
    let by_stem =
        subject.stem.len() > 2 && !COMMON.contains(&subject.stem.as_str()) && name.contains(&subject.stem)
            || name.len() > 2 && !COMMON.contains(&name.as_str()) && subject.stem.contains(&name);
    let same_package =
        Language::of(subject.path) == Language::Go && folder(&test.path) == folder(subject.path);
    let fixture = test.test_text().is_none() && count == 1;
    let entry = COMMON.contains(&subject.stem.as_str())
        && text.lines().any(|line| line.contains("import") && folded(line).contains(&subject.stem));
    by_stem
        || same_package
        || fixture
        || entry
        || subject.is_mentioned(&folded(&text))
        || subject.routes.iter().any(|route| text.contains(route.as_str()))
}

/// Whether a test file asserts, but never on something computed.
fn is_hollow(test: &FileChange) -> bool {
    let Some(text) = test.test_text().filter(|_| Language::of(&test.path) != Language::Other) else {
        return false;
    };
    let all = TestText::new(&test.path, &text).assertions();
    !all.is_empty() && all.iter().all(|a| a.worth != Worth::Computed)
}

/// The name by which others import the file at `path`, folded: `src/user_service.py` → `userservice`,
/// `tests/test_user.py` → `user`, `cart/index.ts` → `cart`.
pub(crate) fn stem(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut name = name.split('.').next().unwrap_or(name);
    if matches!(name, "index" | "mod" | "__init__") {
        name = path.rsplit('/').nth(1).unwrap_or(name);
    }
    let bare = TEST_AFFIX.replace_all(name, "");
    fold(if bare.is_empty() { name } else { &bare })
}

static TEST_AFFIX: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^tests?_|_(?:test|tests|spec)$|^Test(?:[A-Z])??|(?:Tests?|TestCase|Spec|IT)$")
});

fn fold(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn folded(text: &str) -> BTreeSet<String> {
    code::words(text).into_iter().map(fold).collect()
}

fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn stems() {
        for (path, expected) in [
            ("src/user_service.py", "userservice"),
            ("tests/test_user.py", "user"),
            ("pkg/user_test.go", "user"),
            ("web/cart.test.ts", "cart"),
            ("web/cart/index.ts", "cart"),
            ("src/UserServiceTest.java", "userservice"),
            ("src/cart/mod.rs", "cart"),
            ("tests/test.py", "test"),
        ] {
            assert_eq!(stem(path), expected, "{path}");
        }
    }
}

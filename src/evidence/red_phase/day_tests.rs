//! The day's test files as the red phase sees them: where each test stands, and what it asserts. Knows no run.

use std::collections::BTreeSet;

use crate::evidence::code::Language;
use crate::evidence::code::assertions::Assertion;
use crate::evidence::code::bodies;
use crate::evidence::code::test_text::TestText;
use crate::evidence::code::worth::Worth;
use crate::evidence::day_change::DayChange;
use crate::evidence::{some, tamper};

/// All test files that the day created or modified.
pub(super) struct DayTests<'a> {
    /// Those with text of tests.
    files: Vec<TestFile<'a>>,
    /// Others are among them: fixtures, snapshots and the like.
    with_data: bool,
}

/// What is known of a test by its name.
pub(super) struct Found {
    /// It asserts something computed.
    pub(super) asserts: bool,
    /// The day changed its lines.
    pub(super) touched: bool,
    /// Or added an assertion to its file that it may share.
    pub(super) today: bool,
}

impl<'a> DayTests<'a> {
    pub(super) fn of(change: &'a DayChange) -> Self {
        let files = change.tests().filter_map(|file| {
            let text = file.test_text()?;
            let all = TestText::new(&file.path, &text).assertions();
            let in_added = |a: &&Assertion| file.added.iter().any(|&(from, to)| (from..to).contains(&a.line));
            let added = all.iter().filter(in_added).cloned().collect();
            let language = Language::of(&file.path);
            Some(TestFile { path: &file.path, language, text, lines: &file.added, all, added })
        });
        let with_data = change.tests().any(|file| file.test_text().is_none());
        Self { files: files.collect(), with_data }
    }

    /// Whether the day left all tests as they were.
    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && !self.with_data
    }

    /// Whether fixtures, snapshots and the like are among them.
    pub(super) fn with_data(&self) -> bool {
        self.with_data
    }

    /// The test of that name; `None` where it is in none of the files.
    pub(super) fn find(&self, name: &str) -> Option<Found> {
        self.files.iter().find_map(|file| file.find(name))
    }

    /// What ends the test process, and what to do about it.
    pub(super) fn quits(&self) -> Option<String> {
        self.files.iter().find_map(TestFile::quits)
    }

    /// Whether they assert something computed, taken as a whole. Given the benefit of the doubt: code in a language that
    /// is not read, and data alone.
    pub(super) fn assert_something(&self) -> bool {
        let unknown = self.files.iter().any(|file| file.language == Language::Other);
        let only_data = self.files.is_empty() && self.with_data;
        let computed = |file: &TestFile<'_>| file.all.iter().any(|a| a.worth == Worth::Computed);
        unknown || only_data || self.files.iter().any(computed)
    }

    /// Keys of the computed assertions that the day added.
    pub(super) fn added_keys(&self) -> BTreeSet<String> {
        let added = self.files.iter().flat_map(|file| &file.added);
        added.filter(|a| a.worth == Worth::Computed).map(|a| a.key.clone()).collect()
    }

    /// How many rows their tables have.
    pub(super) fn rows(&self) -> usize {
        self.files.iter().map(|file| tamper::table_rows(file.path, &file.text)).sum()
    }

    /// Those of the assertions `seen` that are no longer there, each in backticks.
    pub(super) fn without(&self, seen: &[String]) -> Vec<String> {
        let now: BTreeSet<&str> =
            self.files.iter().flat_map(|file| file.all.iter().map(|a| a.key.as_str())).collect();
        seen.iter().filter(|key| !now.contains(key.as_str())).map(|key| format!("`{key}`")).collect()
    }

    /// Says that they assert nothing that can fail; `names`: those of the tests that do not, where they are known.
    pub(super) fn nothing_computed(&self, names: &[String]) -> String {
        let worthless: Vec<String> = self.files.iter().flat_map(TestFile::worthless).collect();
        let which = if names.is_empty() { String::new() } else { format!(" ({})", some(names)) };
        let seen = if worthless.is_empty() { String::new() } else { format!(" Seen: {}.", some(&worthless)) };
        format!(
            "The new tests{which} assert nothing that the production code computes, so they cannot fail once it loads.{seen} \
             Assert on a result of the code under test."
        )
    }
}

/// A test file of the day with its assertions.
struct TestFile<'a> {
    path: &'a str,
    language: Language,
    text: String,
    /// Line ranges that the day added or changed, half-open and counted from 1.
    lines: &'a [(u32, u32)],
    all: Vec<Assertion>,
    /// Those that the day added.
    added: Vec<Assertion>,
}

impl TestFile<'_> {
    fn find(&self, name: &str) -> Option<Found> {
        let test = TestText::new(self.path, &self.text);
        let lines = bodies::of_test(&test, name)?;
        let touched = self.lines.iter().any(|&(from, to)| from < lines.end && lines.start < to);
        Some(Found {
            asserts: bodies::asserts(&test, &self.all, &lines),
            touched,
            today: touched || self.added.iter().any(|a| a.worth == Worth::Computed),
        })
    }

    /// Assertions of the day that cannot fail, as `path:line` and text.
    fn worthless(&self) -> impl Iterator<Item = String> {
        self.added.iter().filter(|a| a.worth != Worth::Computed).map(|a| {
            let why = if a.worth == Worth::Swallowed { ", whose failure is caught" } else { "" };
            format!("{}:{} `{}`{why}", self.path, a.line, a.text)
        })
    }

    fn quits(&self) -> Option<String> {
        let test = TestText::new(self.path, &self.text);
        let (line, said) = bodies::quits(&test)?;
        let today = self.lines.iter().any(|&(from, to)| (from..to).contains(&line));
        today.then(|| {
            format!(
                "{}:{line} ends the test process (`{said}`), so what comes after it is never seen to fail. Take it out.",
                self.path
            )
        })
    }
}

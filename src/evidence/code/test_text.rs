//! A test file made ready for questions: its masked text, its lines, functions and brackets. Knows no rule.

use std::ops::Range;
use std::sync::OnceLock;

use super::Language;
use super::index::Index;
use super::mask::masked;

/// A test file made ready for questions.
pub(crate) struct TestText<'a> {
    pub language: Language,
    pub text: &'a str,
    pub masked: String,
    index: OnceLock<Index>,
}

impl<'a> TestText<'a> {
    /// `text` is the test part of the file at `path`.
    pub(crate) fn new(path: &str, text: &'a str) -> Self {
        let language = Language::of(path);
        Self { language, text, masked: masked(language, text), index: OnceLock::new() }
    }

    /// Line of a byte, counted from 1.
    pub(super) fn line_of(&self, at: usize) -> u32 {
        self.index().line_of(at)
    }

    /// The bracket that closes the one at `open`.
    pub(super) fn closing(&self, open: usize) -> Option<usize> {
        self.index().closing(open)
    }

    /// A line as it stands, counted from 1.
    pub(super) fn line(&self, line: u32) -> &str {
        let (from, to) = (self.index().start_of(line), self.index().start_of(line + 1));
        self.text.get(from..to).unwrap_or_default()
    }

    /// The masked text of `lines`, counted from 1.
    pub(super) fn masked_lines(&self, lines: &Range<u32>) -> &str {
        let (from, to) = (self.index().start_of(lines.start), self.index().start_of(lines.end));
        self.masked.get(from..to).unwrap_or_default()
    }

    /// `expected(2)` as `double(2)`, where all that `expected` does is to hand what it is given on to `double`.
    pub(super) fn behind(&self, call: &str) -> String {
        let handed_on = || {
            let (name, given) = call.split_once('(')?;
            let lines = self.function(name)?;
            if lines.len() > 8 {
                return None;
            }
            let body: Vec<&str> =
                lines.map(|n| self.line(n).trim()).filter(|line| !line.is_empty()).collect();
            let [head, done, ..] = body[..] else { return None };
            let parameters = head.split_once('(')?.1.split_once(')')?.0;
            let (other, passed) = done.strip_prefix("return ")?.split_once('(')?;
            let same = passed.trim_end_matches(';') == format!("{parameters})");
            (same && !parameters.contains(':')).then(|| format!("{other}({given}"))
        };
        handed_on().unwrap_or_else(|| call.to_owned())
    }

    /// Lines of the function of that name, half-open and counted from 1. Types are none: a whole class says little of one
    /// test.
    pub(crate) fn function(&self, name: &str) -> Option<Range<u32>> {
        self.index().function(name)
    }

    /// Made at the first question.
    fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(self.language, &self.masked))
    }
}

/// Where an assertion stands, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub start: usize,
    pub end: usize,
    /// The word that makes it one: `assertEqual`, `expect`, `[`, `t.Errorf`.
    pub word: String,
    /// What is compared, as ranges of bytes.
    pub parts: Vec<(usize, usize)>,
}

/// The end of what stands before `at` on its line, which may be endless.
pub(super) fn line_before(masked: &str, at: usize) -> &str {
    let from = masked.floor_char_boundary(at.saturating_sub(200));
    masked[from..at].rsplit('\n').next().unwrap_or_default()
}

/// The beginning of what stands behind `at`.
pub(super) fn line_after(masked: &str, at: usize) -> &str {
    &masked[at..masked.floor_char_boundary(at.saturating_add(1_000))]
}

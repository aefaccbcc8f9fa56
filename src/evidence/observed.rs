//! What the binary saw of a commit, made ready for questions: tests by their names, lines of the output.
//!
//! Knows neither cites nor claims; says what is lacking where a question has no good answer.

use std::fmt;

use super::names::{Lookup, Names};
use super::results::{fold, lines, strip_ansi};
use crate::domain::observation::{CiState, Exit, TestCase, TestRun, TestStatus};

/// What the binary saw of a commit.
#[derive(Clone, Copy)]
pub(crate) struct Observed<'a> {
    /// The run of the test command; `None` where the project has no tests.
    pub run: Option<&'a TestRun>,
    /// The run's complete output.
    pub output: &'a str,
    /// Path of the plan.
    pub plan: &'a str,
    /// Paths that the day changed.
    pub day: &'a [String],
    /// Content of a path in the commit; `None` where it is absent.
    pub show: &'a dyn Fn(&str) -> Option<String>,
    pub ci: &'a CiState,
    /// Commands that criteria name ([`command_of`]) and how they ended.
    pub commands: &'a [(String, Exit)],
}

/// [`Observed`], prepared so that each cite is looked up quickly. Built once for a report.
pub(crate) struct Evidence<'a> {
    pub(super) observed: Observed<'a>,
    pub(super) names: Names<'a>,
    /// The output without ANSI, each line folded.
    pub(super) output: String,
}

/// Why a cite does not support a PASS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lack {
    /// No observed test has this name; observed ones that are like it.
    NotFound { name: String, similar: Vec<String> },
    /// The test was observed, but it did not pass.
    NotPassed { name: String, status: TestStatus },
    /// Anything else, in words.
    Unseen(String),
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound { name, similar } if similar.is_empty() => {
                write!(f, "test not found in output: {name}")
            }
            Self::NotFound { name, similar } => {
                write!(f, "test not found in output: {name} (observed: {})", similar.join(", "))
            }
            Self::NotPassed { name, status: TestStatus::Skipped } => write!(f, "test {name} was skipped"),
            Self::NotPassed { name, .. } => write!(f, "test {name} failed"),
            Self::Unseen(why) => f.write_str(why),
        }
    }
}

impl<'a> Evidence<'a> {
    /// Prepares what was observed; linear in the output.
    pub(crate) fn new(observed: Observed<'a>) -> Self {
        let cases: &[TestCase] = observed.run.map_or(&[], |run| &run.cases);
        let plain = strip_ansi(observed.output);
        let mut output = String::with_capacity(plain.len() + 2);
        output.push('\n');
        for line in lines(&plain) {
            output.push_str(&fold(line));
            output.push('\n');
        }
        Self { observed, names: Names::new(cases), output }
    }

    /// A test that passed in this run.
    pub(super) fn test(&self, name: &str) -> Result<(), Lack> {
        match self.names.look_up(name) {
            Lookup::One { status: TestStatus::Passed, .. } => Ok(()),
            Lookup::One { name, status } => Err(Lack::NotPassed { name: name.to_owned(), status }),
            Lookup::Ambiguous(all) => {
                let some = all.iter().take(3).copied().collect::<Vec<_>>().join(", ");
                Err(Lack::Unseen(format!("{name} names {} tests ({some}); give the whole name", all.len())))
            }
            Lookup::Missing => Err(Lack::NotFound {
                name: fold(&strip_ansi(name)),
                similar: self.names.similar(name).into_iter().map(str::to_owned).collect(),
            }),
        }
    }

    /// Lines of the output that contain `text` between word boundaries.
    pub(super) fn places<'t>(&'t self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
        self.output.match_indices(text).filter_map(move |(at, _)| {
            let (before, after) = (&self.output[..at], &self.output[at + text.len()..]);
            let (previous, next) = (before.chars().next_back(), after.chars().next());
            let inside = (word(previous) && word(text.chars().next()))
                || (word(next) && word(text.chars().next_back()))
                || (previous == Some('.') && text.starts_with(|c: char| c.is_ascii_digit()));
            let start = before.rfind('\n').map_or(0, |n| n + 1);
            let end = at + text.len() + after.find('\n').unwrap_or(after.len());
            (!inside).then(|| &self.output[start..end])
        })
    }

    /// Whether `text` stands in the output between word boundaries.
    pub(super) fn output_says(&self, text: &str) -> bool {
        self.places(text).next().is_some()
    }
}

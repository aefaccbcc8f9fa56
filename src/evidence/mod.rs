//! What the binary observes by itself: test runs, cites that resolve, which command tests the project.
//!
//! Knows neither models nor platforms.

mod cites;
mod claims;
pub(crate) mod code;
mod collected;
pub(crate) mod command;
pub(crate) mod coverage;
pub(crate) mod coverage_rule;
pub(crate) mod day_change;
pub(crate) mod documents;
pub(crate) mod files;
pub(crate) mod findings;
pub(crate) mod flaky;
pub(crate) mod gate;
pub(crate) mod leftovers;
mod names;
pub(crate) mod observed;
pub(crate) mod pipeline;
pub(crate) mod place;
pub(crate) mod red_phase;
pub(crate) mod related;
pub(crate) mod reports;
pub(crate) mod results;
pub(crate) mod run_tests;
pub(crate) mod runner;
pub(crate) mod scan;
pub(crate) mod setup;
pub(crate) mod strays;
pub(crate) mod tamper;
pub(crate) mod waivers;

#[cfg(test)]
mod outside_tests;

use crate::domain::list::shown;

/// Names as a sentence of evidence tells them: the first six, and how many more there are.
pub(crate) fn some(names: &[String]) -> String {
    shown(names, 6)
}

/// Compiles a pattern that stands in the source.
#[expect(clippy::expect_used, reason = "the patterns are constants, and the tests use every one of them")]
fn pattern(source: &str) -> regex::Regex {
    regex::Regex::new(source).expect("a constant pattern")
}

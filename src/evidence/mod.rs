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

/// Compiles a pattern that stands in the source. Its `\w` is a name character of XML 1.0 (§2.3) without the punctuation:
/// Unicode's exact list, in some two hundred patterns, takes 25 MB more. Under `(?i)` it is written `(?-i:\w)`, as both
/// cases are in it anyway and looking for them takes a millisecond.
#[expect(clippy::expect_used, reason = "the patterns are constants, and the tests use every one of them")]
fn pattern(source: &str) -> regex::Regex {
    let source = source.replace(r"\w", &format!("[{NAME}]")).replace(r"\W", &format!("[^{NAME}]"));
    regex::Regex::new(&source).expect("a constant pattern")
}

const NAME: &str = concat!(
    r"0-9A-Z_a-z\xB7\xC0-\xD6\xD8-\xF6\xF8-\u{37D}\u{37F}-\u{1FFF}\u{200C}\u{200D}\u{203F}\u{2040}",
    r"\u{2070}-\u{218F}\u{2C00}-\u{2FEF}\u{3001}-\u{D7FF}\u{F900}-\u{FDCF}\u{FDF0}-\u{FFFD}\u{10000}-\u{EFFFF}"
);

#[cfg(test)]
mod tests {
    use super::pattern;

    #[test]
    fn names_of_every_script_are_words_and_punctuation_is_none() {
        let (word, within, other) = (pattern(r"^\w+$"), pattern(r"(?i)^[\w.]+$"), pattern(r"^\W+$"));
        for name in ["test_1", "größe", "ЁЖ", "名前", "이름", "שם", "नाम", "e\u{301}", "𝓍"]
        {
            assert!(word.is_match(name) && within.is_match(name) && !other.is_match(name), "{name}");
        }
        for text in ["-", "«»", "—", "→", "…", "✓", "×", "\u{a0}", "\u{37e}"] {
            assert!(!word.is_match(text) && !within.is_match(text) && other.is_match(text), "{text}");
        }
    }
}

//! What GATE's free-text evidence says of the run, where it gives no cites: names of tests, exit code, counts.
//!
//! Every statement that can be checked must be true, and at least one must show that a test passed.

use std::sync::LazyLock;

use regex::Regex;

use super::names::Lookup;
use super::observed::{Evidence, Lack};
use super::pattern;
use super::results::{fold, passed_by_summary, strip_ansi};
use crate::domain::observation::{Exit, TestStatus};

/// What is lacking for `evidence` to support a PASS.
pub(super) fn lacking(evidence: &str, observed: &Evidence<'_>) -> Vec<Lack> {
    let text = fold(&strip_ansi(evidence));
    let mut lacks = Vec::new();
    let mut shown = false;
    for name in test_like(evidence) {
        match observed.test(name) {
            Ok(()) => shown = true,
            Err(lack) => lacks.push(lack),
        }
    }
    shown |= titles(&text, observed, &mut lacks);
    if let Some(run) = observed.observed.run {
        for claim in EXIT.captures_iter(&text) {
            let claimed = claim[1].parse::<i32>().ok();
            if claimed.is_none_or(|code| run.run.exit != Exit::Code(code)) {
                lacks.push(Lack::Unseen(format!(
                    "{} was claimed, the run's was: {}",
                    &claim[0], run.run.exit
                )));
            }
        }
        for claim in COUNT.captures_iter(&text) {
            let count = claim[1].parse::<u64>().unwrap_or(u64::MAX);
            match count_holds(count, &claim[2].to_lowercase(), observed) {
                true => shown |= count > 0 && PASSED.is_match(&claim[2]),
                false => lacks.push(Lack::Unseen(format!("“{}” was not observed", &claim[0]))),
            }
        }
    }
    if !shown && lacks.is_empty() {
        lacks.push(Lack::Unseen("the evidence names no observed test".into()));
    }
    lacks
}

/// Words of `text` that can only be names of tests.
pub(super) fn test_like(text: &str) -> impl Iterator<Item = &str> {
    TEST_LIKE.find_iter(text).map(|m| m.as_str()).filter(|word| !FILE.is_match(word))
}

/// Identifiers in the manner of Python, Go, Rust and Java; parameters may hold blanks.
static TEST_LIKE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x) [\w./\\-]+\.py(?:::\w+)+(?:\[[^\]]*\])?
             | (?:\w+(?:::|\.))*(?:Test\w*(?:::|\.|\#)\w+|tests?::[\w:]+)(?:\[[^\]]*\])?
             | (?:[\w-]+(?:::|\.|/))*\b(?:test_\w+|Test[A-Z]\w*(?:/[\w/]+)?)(?:\[[^\]]*\])?",
    )
});
/// A file or package of that name.
static FILE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\.(?:py|go|rs|js|ts|java|cs|rb|sh|ya?ml|txt|md|json|xml)$|/$"));
static EXIT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)\bexit(?:s|ed)?(?: with)?(?: code| status)?[ :=]+(\d+)\b"));
static COUNT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(\d+)(?: unit| new)?(?: tests?| test cases?| specs?| items?)?(?: were| was| have| has| all)? (collected|ran|run|passed|passing|pass|failed|failing|fail|skipped|errors?)\b",
    )
});
static PASSED: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)^pass"));

/// Looks for whole names with blanks, as JavaScript and plain runners have them. True where one of them passed.
fn titles(text: &str, observed: &Evidence<'_>, lacks: &mut Vec<Lack>) -> bool {
    let lower = text.to_lowercase().replace(" › ", " > ");
    let mut shown = false;
    for case in observed.names.cases() {
        let name = case.name.to_lowercase();
        if name.contains(' ') && name.chars().count() >= 8 && lower.contains(&name) {
            match case.status {
                TestStatus::Passed => shown |= !says_contrary(&lower, &name),
                status => lacks.push(Lack::NotPassed { name: case.name.clone(), status }),
            }
        }
    }
    if !shown && lacks.is_empty() {
        // A line as the runner wrote it.
        shown = matches!(observed.names.look_up(text), Lookup::One { status: TestStatus::Passed, .. });
    }
    shown
}

/// Whether a part of a longer word, or followed by the word that it failed.
fn says_contrary(text: &str, name: &str) -> bool {
    text.match_indices(name).all(|(at, _)| {
        let before = text[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let rest = &text[at + name.len()..];
        let after = rest.chars().next().is_some_and(char::is_alphanumeric);
        let verdict = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
        before || after || ["fail", "skip", "error"].iter().any(|w| verdict.starts_with(w))
    })
}

/// Whether the run had `count` tests that `word`, by its named tests or by its own closing line.
fn count_holds(count: u64, word: &str, observed: &Evidence<'_>) -> bool {
    let Some(run) = observed.observed.run else {
        return false;
    };
    let of = |status| run.count(status) as u64;
    let all = run.cases.len() as u64;
    let said = |forms: &[&str]| {
        forms.iter().any(|form| observed.output_says(&form.replace('#', &count.to_string())))
    };
    match word {
        "collected" => count == all || said(&["collected # items", "collected # item"]),
        "ran" | "run" => {
            count == all || said(&["Ran # tests", "Ran # test", "# tests run", "running # tests"])
        }
        "passed" | "passing" | "pass" => {
            let by_name = of(TestStatus::Passed);
            count == by_name
                || said(&["# passed", "# passing"])
                || passed_by_summary(observed.observed.output) == count
        }
        "failed" | "failing" | "fail" => count == of(TestStatus::Failed),
        "skipped" => count == of(TestStatus::Skipped) || said(&["# skipped"]),
        _ => count == 0 && run.run.exit.ok() || said(&["# errors", "# error"]),
    }
}

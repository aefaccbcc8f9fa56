//! From GATE's report and what was observed to results that count: each criterion once, each PASS and PARTIAL
//! justified; why the run itself forbids shipping; and the hold reason.
//!
//! Pure. The decision itself is `domain::decision::gate`'s.

use std::collections::BTreeSet;

use super::observed::{Evidence, Lack};
use super::results::{fold, passed_by_summary};
use crate::domain::artifact::{CriterionResult, CriterionVerdict};
use crate::domain::observation::{Exit, TestRun, TestStatus};

/// A report after adjudication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Adjudicated {
    /// One result for each criterion of the card, in its order. What is not justified is FAIL here; these count once
    /// the model has had its chance to mend `unresolved`.
    pub results: Vec<CriterionVerdict>,
    /// Criteria that are missing, invented or judged twice: the report is unusable until they are mended.
    pub malformed: Vec<String>,
    /// Verdicts whose evidence was not observed: to be asked for once more, then FAIL.
    pub unresolved: Vec<String>,
}

impl Adjudicated {
    /// Everything to ask the model to mend.
    pub(crate) fn problems(&self) -> Vec<String> {
        self.malformed.iter().chain(&self.unresolved).cloned().collect()
    }

    /// A human-readable line for each FAIL (`blockers` of the report).
    pub(crate) fn blockers(&self) -> Vec<String> {
        self.lines(CriterionResult::Fail)
    }

    /// A line for each PARTIAL (`deferred` of the report).
    pub(crate) fn deferred(&self) -> Vec<String> {
        self.lines(CriterionResult::Partial)
    }

    fn lines(&self, result: CriterionResult) -> Vec<String> {
        let of = self.results.iter().filter(|r| r.result == result);
        of.map(|r| format!("{}: {}", r.criterion, r.evidence)).collect()
    }
}

/// Judges the judgement: `submitted` against the card's `criteria` and what was observed.
pub(crate) fn adjudicate(
    submitted: &[CriterionVerdict],
    criteria: &[String],
    plan_out_of_scope: &[String],
    evidence: &Evidence<'_>,
) -> Adjudicated {
    let mut adjudicated = Adjudicated::default();
    let known: BTreeSet<String> = criteria.iter().map(|c| fold(c)).collect();
    for verdict in submitted.iter().filter(|v| !known.contains(&fold(&v.criterion))) {
        adjudicated.malformed.push(format!("criterion not on the story card: \"{}\"", verdict.criterion));
    }
    for (i, criterion) in criteria.iter().enumerate() {
        let number = i + 1;
        let judged: Vec<_> = submitted.iter().filter(|v| fold(&v.criterion) == fold(criterion)).collect();
        let result = match judged[..] {
            [] => {
                adjudicated.malformed.push(format!("criterion {number} is not judged: \"{criterion}\""));
                failed(criterion, no_evidence(number, "GATE did not judge it"))
            }
            [verdict] => {
                let (result, problems) = judge(verdict, criterion, number, plan_out_of_scope, evidence);
                adjudicated.unresolved.extend(problems);
                result
            }
            _ => {
                let times = judged.len();
                adjudicated
                    .malformed
                    .push(format!("criterion {number} is judged {times} times: \"{criterion}\""));
                failed(criterion, no_evidence(number, "GATE judged it more than once"))
            }
        };
        adjudicated.results.push(result);
    }
    adjudicated
}

/// Why the observed run alone forbids shipping; `None` where it does not. `production_changed`: the day diff
/// changes production code.
pub(crate) fn run_verdict(run: Option<&TestRun>, production_changed: bool) -> Option<String> {
    let run = run?;
    let command = &run.run.command;
    let failing = names(run.names(TestStatus::Failed));
    match run.run.exit {
        Exit::TimedOut => {
            Some(format!("timed out: `{command}` did not end within PACE_TEST_TIMEOUT{}", after(&failing)))
        }
        // A pipe or a wrapper hid the exit code.
        Exit::Code(0) if run.count(TestStatus::Failed) > 0 => {
            Some(format!("exit code 0 of `{command}`, although tests failed{}", after(&failing)))
        }
        Exit::Code(0) => {
            let nothing =
                run.count(TestStatus::Passed) == 0 && passed_by_summary(&run.run.output.text()) == 0;
            (nothing && production_changed)
                .then(|| format!("exit code 0, but no test was seen to pass in `{command}`"))
        }
        exit => {
            let by_pace =
                run.run.excess().map(|reason| format!(", which pace ended: {reason}")).unwrap_or_default();
            let setup = if run.setup_failed() { "the setup " } else { "" };
            Some(format!("{exit} of {setup}`{command}`{by_pace}{}", after(&failing)))
        }
    }
}

/// The hold reason: what failed, and what FORGE must do. `run` is [`run_verdict`]'s; `advice` is the model's own
/// instruction, or empty.
pub(crate) fn hold_reason(results: &[CriterionVerdict], run: Option<&str>, advice: &str) -> String {
    let mut parts = Vec::new();
    if let Some(run) = run {
        parts.push(format!("{}.", run.trim_end_matches('.')));
    }
    let failed: Vec<_> =
        (results.iter().enumerate()).filter(|(_, r)| r.result == CriterionResult::Fail).collect();
    if !failed.is_empty() {
        let verb = if results.len() == 1 { "criterion" } else { "criteria" };
        parts.push(format!("{} of {} acceptance {verb} failed.", failed.len(), results.len()));
    }
    for (i, result) in failed.iter().take(SHOWN) {
        let why = reason(&result.evidence, i + 1);
        parts.push(format!(
            "Criterion {} (\"{}\") failed — {}.",
            i + 1,
            result.criterion,
            why.trim_end_matches('.')
        ));
    }
    if failed.len() > SHOWN {
        let rest: Vec<String> = failed.iter().skip(SHOWN).map(|(i, _)| (i + 1).to_string()).collect();
        parts.push(format!("Also failed: criteria {}.", rest.join(", ")));
    }
    if let Some(patterns) = patterns(&failed) {
        parts.push(patterns);
    }
    let advice = fold(advice);
    if advice.is_empty() {
        parts.push(instruction(&failed, run).to_owned());
    } else {
        parts.push(advice);
    }
    parts.join(" ")
}

/// Criteria that a hold reason spells out.
const SHOWN: usize = 3;
const NOT_FOUND: &str = "test not found in output: ";
const NO_EVIDENCE: &str = "failed — no evidence";

/// The words under which people look a failed criterion up (seed 003); those of a failed run begin the hold reason.
fn patterns(failed: &[(usize, &CriterionVerdict)]) -> Option<String> {
    let mut found = BTreeSet::new();
    for (i, result) in failed {
        if result.evidence.starts_with(NOT_FOUND) {
            found.insert(NOT_FOUND.trim_end_matches(": ").to_owned());
        } else if result.evidence.starts_with(&no_evidence(i + 1, "")) {
            found.insert(format!("criterion {} {NO_EVIDENCE}", i + 1));
        }
    }
    let shown: Vec<String> = found.into_iter().take(SHOWN).collect();
    (!shown.is_empty()).then(|| format!("GATE HOLD pattern: {}.", shown.join(", ")))
}

fn judge(
    verdict: &CriterionVerdict,
    criterion: &str,
    number: usize,
    plan_out_of_scope: &[String],
    evidence: &Evidence<'_>,
) -> (CriterionVerdict, Option<String>) {
    let kept = CriterionVerdict { criterion: criterion.to_owned(), ..verdict.clone() };
    match verdict.result {
        CriterionResult::Fail => (kept, None),
        CriterionResult::Pass => {
            let lacks = evidence.resolve(&kept);
            if lacks.is_empty() {
                return (kept, None);
            }
            let told: Vec<String> = lacks.iter().map(ToString::to_string).collect();
            let problem = format!("criterion {number} (\"{criterion}\"): {}", told.join("; "));
            (with(kept, failure(number, &lacks)), Some(problem))
        }
        CriterionResult::Partial => match unjustified(&kept, plan_out_of_scope, evidence) {
            None => (kept, None),
            Some(why) => {
                let problem = format!("criterion {number} (\"{criterion}\"): {why}");
                (with(kept, no_evidence(number, &why)), Some(problem))
            }
        },
    }
}

/// Why a PARTIAL does not stand.
fn unjustified(
    verdict: &CriterionVerdict,
    plan_out_of_scope: &[String],
    evidence: &Evidence<'_>,
) -> Option<String> {
    if evidence.names_failed_test(verdict) {
        return Some("a criterion whose test fails is never PARTIAL".into());
    }
    let said = words(&verdict.evidence);
    let repeated: Vec<_> = plan_out_of_scope.iter().filter(|entry| contains(&said, &words(entry))).collect();
    if repeated.is_empty() {
        return Some(
            "PARTIAL needs evidence that repeats an out_of_scope entry of the plan word for word".into(),
        );
    }
    let of_criterion: BTreeSet<String> = words(&verdict.criterion).into_iter().filter(|w| tells(w)).collect();
    let related = repeated.iter().any(|entry| words(entry).iter().any(|w| of_criterion.contains(w)));
    (!related)
        .then(|| format!("the out_of_scope entry \"{}\" has nothing to do with the criterion", repeated[0]))
}

/// Lower-case words, so that quotes, dashes and white space do not matter.
fn words(text: &str) -> Vec<String> {
    let split = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    split.map(str::to_lowercase).collect()
}

fn contains(text: &[String], part: &[String]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|w| w == part)
}

/// Whether sharing the word relates two sentences: four letters or more, and not one that any sentence has.
fn tells(word: &str) -> bool {
    const COMMON: &[&str] = &[
        "with", "from", "that", "this", "when", "then", "than", "into", "only", "must", "shall", "should",
        "will", "have", "been", "deferred", "later", "story", "also", "each", "their", "there", "which",
        "where", "while", "without", "within", "does", "after", "before", "other", "some", "such", "they",
        "what", "yet", "scope",
    ];
    word.chars().filter(|c| c.is_alphabetic()).count() >= 4 && !COMMON.contains(&word)
}

/// The evidence of an unresolved PASS, in the words of the four patterns that users look for.
fn failure(number: usize, lacks: &[Lack]) -> String {
    let missing = lacks.iter().find_map(|lack| match lack {
        Lack::NotFound { name, .. } => Some(format!("{NOT_FOUND}{name}")),
        _ => None,
    });
    let broken = lacks.iter().find_map(|lack| match lack {
        Lack::NotPassed { status: TestStatus::Failed, .. } => {
            Some(format!("criterion {number} failed — {lack}"))
        }
        _ => None,
    });
    let first = lacks.first().map(ToString::to_string).unwrap_or_default();
    broken.or(missing).unwrap_or_else(|| no_evidence(number, &first))
}

fn no_evidence(number: usize, why: &str) -> String {
    format!("criterion {number} {NO_EVIDENCE}: {why}")
}

fn failed(criterion: &str, evidence: String) -> CriterionVerdict {
    CriterionVerdict {
        criterion: criterion.to_owned(),
        result: CriterionResult::Fail,
        evidence,
        cites: Vec::new(),
    }
}

/// The verdict as FAIL; what the model had said stays readable behind the reason.
fn with(verdict: CriterionVerdict, reason: String) -> CriterionVerdict {
    let said = fold(&verdict.evidence);
    let evidence = if said.is_empty() { reason } else { format!("{reason} (GATE had said: {said})") };
    CriterionVerdict { result: CriterionResult::Fail, evidence, ..verdict }
}

/// The evidence of a FAIL as the end of a sentence.
fn reason(evidence: &str, number: usize) -> String {
    let text = evidence.split(" (GATE had said: ").next().unwrap_or(evidence);
    if let Some(name) = text.strip_prefix(NOT_FOUND) {
        return format!("test {name} not found in test output");
    }
    fold(text.strip_prefix(&format!("criterion {number} failed — ")).unwrap_or(text))
}

/// What FORGE must do, by what is most urgent.
fn instruction(failed: &[(usize, &CriterionVerdict)], run: Option<&str>) -> &'static str {
    let any = |text: &str| failed.iter().any(|(_, r)| r.evidence.contains(text));
    match run {
        Some(run) if run.starts_with(super::coverage::NO_REPORT) => "FORGE cannot fix that.",
        Some(run) if run.starts_with(super::tamper::MUST_STAY) => {
            "FORGE must undo that before this story can ship."
        }
        Some(run) if run.starts_with("coverage below threshold") => {
            "FORGE must add tests until coverage meets the threshold."
        }
        Some(run) if run.starts_with("exit code 0") => {
            "FORGE must add tests that run and pass before this story can ship."
        }
        Some(run) if run.starts_with("timed out") => {
            "FORGE must make the tests end in time before this story can ship."
        }
        Some(_) => "FORGE must make the test command pass: fix the code or the assertion.",
        None if any(NOT_FOUND) => "FORGE must add the missing test before this story can ship.",
        None if any("no evidence") => {
            "FORGE must strengthen the tests so that they assert the criterion before this story can ship."
        }
        None => "FORGE must fix the code or the tests before this story can ship.",
    }
}

fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    let all: Vec<&str> = all.collect();
    let mut text = all.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    if all.len() > 5 {
        text.push_str(&format!(" and {} more", all.len() - 5));
    }
    text
}

fn after(failing: &str) -> String {
    if failing.is_empty() { String::new() } else { format!(": {failing} failed") }
}

#[cfg(test)]
mod tests;

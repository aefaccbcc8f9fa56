//! Whether what GATE cites was really observed: tests, lines of output, files of the commit, CI jobs, commands.
//!
//! Pure: everything observed comes in as a value. Decides nothing; `gate` draws the consequences.

use std::sync::LazyLock;

use regex::Regex;

use super::claims;
use super::code::Language;
use super::code::mask::without_comments;
use super::command::command_of;
use super::files::{FileKind, kind_of};
use super::names::Lookup;
use super::observed::{Evidence, Lack};
use super::pattern;
use super::place::{Place, unquoted};
use super::results::{fold, lines, strip_ansi};
use crate::domain::artifact::{Cite, CiteKind, CriterionVerdict};
use crate::domain::observation::{CiState, Exit, TestStatus};

impl Evidence<'_> {
    /// What is lacking for a PASS of `verdict`; empty where at least one piece of evidence is given and all of it was
    /// observed.
    pub(crate) fn resolve(&self, verdict: &CriterionVerdict) -> Vec<Lack> {
        let mut lacks = Vec::new();
        let by_command = self.command_of_criterion(&verdict.criterion);
        if let Some((command, exit)) = &by_command
            && !exit.ok()
        {
            lacks.push(Lack::Unseen(format!("`{command}`: {exit}")));
        }
        let ran = by_command.is_some_and(|(_, exit)| exit.ok());
        if verdict.cites.is_empty() {
            if !ran {
                lacks.extend(claims::lacking(&verdict.evidence, self));
            }
            return lacks;
        }
        lacks.extend(verdict.cites.iter().filter_map(|cite| self.cite(cite, &verdict.criterion).err()));
        if lacks.is_empty() && !ran {
            let shown: Result<(), &str> = verdict
                .cites
                .iter()
                .map(|cite| self.shows(cite, &verdict.criterion))
                .reduce(Result::or)
                .unwrap_or(Ok(()));
            lacks.extend(shown.err().map(|why| Lack::Unseen(why.into())));
        }
        lacks
    }

    /// Whether what was found by `cite` can show that the criterion is met, and why not.
    fn shows(&self, cite: &Cite, criterion: &str) -> Result<(), &'static str> {
        let path = Place::parse(&cite.reference).path;
        match (cite.kind, kind_of(&path)) {
            (CiteKind::File, FileKind::Production) => {
                Err("production code alone shows no behaviour; cite a test that passed")
            }
            (CiteKind::File, FileKind::Other) if is_prose(&path) => {
                let code = self.observed.day.iter().any(|path| kind_of(path) == FileKind::Production);
                let asked = asks_for_text(criterion, &path) || !code && speaks_of_text(criterion);
                asked
                    .then_some(())
                    .ok_or("documentation says what should be, not what is; cite a test that passed")
            }
            (CiteKind::File, FileKind::Other) => {
                let asked = self.observed.day.contains(&path) || is_about(criterion, &path);
                asked.then_some(()).ok_or(
                    "a file that the day left alone and the criterion does not speak of shows nothing; cite a test that passed",
                )
            }
            _ => Ok(()),
        }
    }

    /// Whether the verdict names a test that was observed to fail, in a cite or in its evidence.
    pub(crate) fn names_failed_test(&self, verdict: &CriterionVerdict) -> bool {
        let failed =
            |text: &str| matches!(self.names.look_up(text), Lookup::One { status: TestStatus::Failed, .. });
        verdict.cites.iter().any(|c| c.kind == CiteKind::Test && failed(&c.reference))
            || claims::test_like(&verdict.evidence).any(failed)
    }

    /// The command that the criterion asks for, as the binary saw it end.
    fn command_of_criterion(&self, criterion: &str) -> Option<(String, Exit)> {
        let command = command_of(criterion)?;
        let own = self.observed.commands.iter().find(|(c, _)| *c == command).map(|(_, exit)| *exit);
        let exit =
            own.or_else(|| self.observed.run.filter(|r| r.run.command == command).map(|r| r.run.exit))?;
        Some((command, exit))
    }

    fn cite(&self, cite: &Cite, criterion: &str) -> Result<(), Lack> {
        let reference = cite.reference.trim();
        if reference.is_empty() {
            return Err(Lack::Unseen("a cite without ref".into()));
        }
        match cite.kind {
            CiteKind::Test => self.test(reference),
            CiteKind::Output => self.output_lines(reference),
            CiteKind::File => self.file(reference, criterion),
            CiteKind::Ci => self.ci_job(reference),
            CiteKind::Command => self.command(reference, criterion),
        }
    }

    /// Every line of `reference` stands in the output and does not speak of a test that did not pass.
    fn output_lines(&self, reference: &str) -> Result<(), Lack> {
        let plain = strip_ansi(reference);
        let wanted: Vec<String> = lines(&plain).into_iter().map(bare).filter(|l| !l.is_empty()).collect();
        if wanted.is_empty() {
            return Err(Lack::Unseen("an output cite without text".into()));
        }
        for line in &wanted {
            let significant = line.chars().filter(|c| c.is_alphanumeric()).count();
            if significant < 8 && !COUNT.is_match(line) {
                return Err(Lack::Unseen(format!("output cite too short to show anything: {line}")));
            }
            if BANNER.is_match(line) {
                return Err(Lack::Unseen(format!("the line shows no behaviour: {line}")));
            }
            let mut places = self.places(line).peekable();
            if places.peek().is_none() {
                return Err(Lack::Unseen(format!("line not found in output: {line}")));
            }
            if let Some(contrary) = places.take(1000).find(|found| self.is_contrary(found)) {
                return Err(Lack::Unseen(format!("the line shows no pass: {contrary}")));
            }
        }
        Ok(())
    }

    /// Whether a line of the output tells of a test that failed or was skipped.
    fn is_contrary(&self, line: &str) -> bool {
        NOT_PASSED.is_match(line)
            || (self.names.cases().iter())
                .filter(|c| c.status != TestStatus::Passed)
                .any(|c| line.contains(&c.name) && !self.names_passed_too(line, &c.name))
    }

    /// Whether a longer name of a passed test explains the mention of a shorter one.
    fn names_passed_too(&self, line: &str, name: &str) -> bool {
        (self.names.cases().iter())
            .any(|c| c.status == TestStatus::Passed && c.name.contains(name) && line.contains(&c.name))
    }

    /// A path of the commit, and a line that it has.
    fn file(&self, reference: &str, criterion: &str) -> Result<(), Lack> {
        let place = Place::parse(reference);
        if place.path == self.observed.plan {
            return Err(Lack::Unseen(format!("{} says what is asked for, not what is", place.path)));
        }
        let outside = place.path.starts_with('/') || place.path.split('/').any(|p| p == "..");
        let Some(text) = (!outside).then(|| (self.observed.show)(&place.path)).flatten() else {
            return Err(Lack::Unseen(format!("file not found in the commit: {}", place.path)));
        };
        let count = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        match place.line {
            Some(line) if line == 0 || line > count => {
                Err(Lack::Unseen(format!("{} has {count} lines, not line {line}", place.path)))
            }
            Some(line)
                if says_nothing(&place.path, &text, line) && !asks_for_text(criterion, &place.path) =>
            {
                Err(Lack::Unseen(format!("{}:{line} is a comment or empty", place.path)))
            }
            _ => Ok(()),
        }
    }

    /// A job that was read and is green.
    fn ci_job(&self, reference: &str) -> Result<(), Lack> {
        let unseen = |why: String| Err(Lack::Unseen(why));
        let wanted = JOB_STATUS.replace_all(&fold(reference).to_lowercase(), "").trim().to_owned();
        match self.observed.ci {
            CiState::Green { jobs } if jobs.iter().any(|j| fold(j).to_lowercase() == wanted) => Ok(()),
            CiState::Green { jobs } => {
                unseen(format!("CI job not among those that were read ({}): {reference}", jobs.join(", ")))
            }
            CiState::None => unseen(format!("no CI run on the commit was read: {reference}")),
            CiState::Red { job, .. } => unseen(format!("CI is red ({job}): {reference}")),
            CiState::Timeout { .. } => unseen(format!("CI did not end in time: {reference}")),
            CiState::NeedsHuman { detail } => {
                unseen(format!("CI waits for a person ({detail}): {reference}"))
            }
        }
    }

    /// The command that the criterion itself asks for, run by the binary.
    fn command(&self, reference: &str, criterion: &str) -> Result<(), Lack> {
        let Some((command, exit)) = self.command_of_criterion(criterion) else {
            return Err(Lack::Unseen(format!("the criterion names no command that was run: {reference}")));
        };
        let named = command_of(reference).unwrap_or_else(|| unquoted(reference));
        if named != command {
            return Err(Lack::Unseen(format!("`{named}` is not the criterion's command `{command}`")));
        }
        // A failed command is reported for the criterion as a whole.
        if exit.ok() { Ok(()) } else { Err(Lack::Unseen(format!("`{command}`: {exit}"))) }
    }
}

/// A summary that is short but says a number.
static COUNT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)^[1-9]\d* (?:tests? )?(?:passed|passing|ok)\b"));
/// Lines that every run prints, or that say that nothing ran.
static BANNER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?ix)^(?: test\ session\ starts | platform\ .*python | rootdir: | configfile: | plugins: | collect(?:ed|ing)\b
            | running\ \d+\ tests?$ | compiling\ | finished\ .*profile | ===\ run | no\ tests? | 0\ (?:tests?|passed)\b
            | .*\bno\ test(?:s|\ files)\b.* | ran\ 0\ tests )",
    )
});
/// Lines by which runners tell of a test that did not pass.
static NOT_PASSED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)
          ^(?:FAILED|FAIL|SKIPPED|SKIP|XFAIL|SUBFAIL\w*|not\ ok)\b | ^ERROR\ \S+(?:::|\.\w) | ^[✗✕✘✖×○↓□﹣]\ | ^\d+\)\ \S
        | (?:^|[^\d]\ )(?:FAILED|SKIPPED|XFAIL|ERROR|RERUN)(?:\ \(.*\))?(?:\ \[\ ?\d+%\])?$
        | \ \.\.\.\ (?:FAILED|FAIL|ERROR|ignored|skipped|expected\ failure) | ---\ (?:FAIL|SKIP):\  | \#\ (?i:skip|todo)\b
        | <<<\ (?:FAILURE|ERROR)! | \ (?:FAIL|SKIP)\]$",
    )
});
static JOB_STATUS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:ci |job |check )+|(?:[: ]+(?:is |was )?(?:green|passed|passes|success|succeeded|successful|ok|✓|✅))+\.?$",
    )
});

/// Folded, without the rules that runners draw around a line and without an ellipsis at the end.
fn bare(line: &str) -> String {
    let line = fold(line);
    let line = line.trim_matches(|c| matches!(c, '=' | '─' | '-' | '`' | '"' | ' '));
    line.trim_end_matches(['…']).trim_end_matches("...").trim().to_owned()
}

/// Whether a line of code does nothing.
fn says_nothing(path: &str, text: &str, line: u32) -> bool {
    let language = Language::of(path);
    let bare = without_comments(language, text);
    language != Language::Other
        && bare.lines().nth(line as usize - 1).is_none_or(|line| line.trim().is_empty())
}

/// Texts for people.
fn is_prose(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase();
    [".md", ".rst", ".txt", ".adoc", ".mdx"].iter().any(|end| name.ends_with(end))
        && kind_of(path) == FileKind::Other
}

/// Whether a criterion asks for a text: it names the file, or says what only texts are.
fn asks_for_text(criterion: &str, path: &str) -> bool {
    const WORDS: &[&str] = &[
        "doc",
        "docs",
        "documentation",
        "documented",
        "documents",
        "docstring",
        "docstrings",
        "readme",
        "changelog",
        "contributing",
        "guide",
        "manual",
        "tutorial",
        "license",
        "licence",
        "comment",
        "comments",
        "heading",
    ];
    let name = path.rsplit('/').next().unwrap_or(path).to_lowercase();
    criterion.to_lowercase().contains(&name)
        || words(criterion).iter().any(|word| WORDS.contains(&word.as_str()))
}

/// Whether a criterion speaks of what a text does, as one of behaviour may too.
fn speaks_of_text(criterion: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "describ", "explain", "mention", "written", "state", "list", "say", "name", "contain", "text",
        "page", "file", "section", "note", "link",
    ];
    words(criterion).iter().any(|word| BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)))
}

/// Whether a criterion speaks of a file, or of what its path says: `the workflow` of `.github/workflows/ci.yml`.
fn is_about(criterion: &str, path: &str) -> bool {
    let said = words(criterion);
    let begins = |one: &str, other: &str| one.len() >= 4 && other.starts_with(one);
    let about =
        |part: &String| said.iter().any(|word| begins(word, part) || begins(part, word) || word == part);
    asks_for_text(criterion, path) || words(path).iter().any(about)
}

/// Words in lower case.
fn words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect()
}

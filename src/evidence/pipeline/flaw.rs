//! A flaw as a check reports it, and what the day's change says of it: introduced today, or there before.
//!
//! Knows no check but their names.

use std::collections::BTreeSet;

use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::diff::{Change, Diff};

/// A family of checks; each that had something to look at ends in findings, or in one PASS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    Syntax,
    Actions,
    Includes,
    Images,
    Tests,
    Deployments,
    Targets,
    Lockfiles,
    Environments,
    Protection,
}

impl Family {
    /// Name of the check, as reports show it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Syntax => "CI syntax",
            Self::Actions => "Action pinning",
            Self::Includes => "Include pinning",
            Self::Images => "Image pinning",
            Self::Tests => "Tests block",
            Self::Deployments => "Deployment gate",
            Self::Targets => "Make targets",
            Self::Lockfiles => "Lockfile consistency",
            Self::Environments => "Hard-coded environment",
            Self::Protection => "Required checks",
        }
    }
}

/// Something wrong in one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flaw {
    pub family: Family,
    pub file: String,
    pub line: u32,
    /// What is wrong and how it is mended.
    pub what: String,
    /// Other places whose change makes the flaw one of today: file and lines.
    also: Vec<(String, u32)>,
    /// Files from which the day took something, and a part of the line it took.
    gone: Vec<(String, String)>,
    today: bool,
}

impl Flaw {
    pub(super) fn new(family: Family, file: &str, line: u32, what: impl Into<String>) -> Self {
        Self {
            family,
            file: file.to_owned(),
            line,
            what: what.into(),
            also: vec![],
            gone: vec![],
            today: false,
        }
    }

    /// The flaw is today's also where the day added this line.
    pub(super) fn or_added(mut self, file: &str, line: u32) -> Self {
        self.also.push((file.to_owned(), line));
        self
    }

    /// The flaw is today's also where the day removed a line of `file` that contains `part`.
    pub(super) fn or_removed(mut self, file: &str, part: impl Into<String>) -> Self {
        self.gone.push((file.to_owned(), part.into()));
        self
    }

    /// The flaw is today's by its nature.
    pub(super) fn today(mut self) -> Self {
        self.today = true;
        self
    }

    /// FAIL where the day introduced it, ADVISORY where it was there before.
    pub(super) fn finding(self, diff: &Diff) -> Finding {
        let added = |file: &str, line: u32| diff.file(file).is_some_and(|f| f.adds_line(line));
        let removed = |file: &str, part: &str| {
            diff.file(file).is_some_and(|f| {
                f.patch.lines().any(|l| l.starts_with('-') && !l.starts_with("---") && l.contains(part))
            })
        };
        let mut today = self.today
            || added(&self.file, self.line)
            || self.also.iter().any(|(file, line)| added(file, *line));
        let evidence = format!("{}:{} — {}", self.file, self.line, self.what);
        let (mut file, mut line) = (self.file, self.line);
        // What the day took away is mended where it was taken from.
        if let Some((from, _)) = self.gone.into_iter().find(|(file, part)| !today && removed(file, part)) {
            today = true;
            let there = diff.file(&from).is_some_and(|f| f.change != Change::Deleted);
            if there && from != file {
                (file, line) = (from, 1);
            }
        }
        Finding {
            check: self.family.name().to_owned(),
            result: if today { FindingResult::Fail } else { FindingResult::Advisory },
            evidence,
            file: Some(file),
            line: Some(line),
            fingerprint: None,
        }
    }
}

/// What the checks found, and what they looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub flaws: Vec<Flaw>,
    looked: BTreeSet<(Family, String)>,
}

impl Found {
    /// Records that `family` had something to look at in `file`.
    pub(super) fn look(&mut self, family: Family, file: &str) {
        self.looked.insert((family, file.to_owned()));
    }

    pub(super) fn add(&mut self, flaw: Flaw) {
        self.look(flaw.family, &flaw.file);
        self.flaws.push(flaw);
    }

    /// All flaws as findings, by family and place, then one PASS for each family without a flaw.
    pub(super) fn findings(mut self, diff: &Diff) -> Vec<Finding> {
        self.flaws
            .sort_by(|a, b| (a.family, &a.file, a.line, &a.what).cmp(&(b.family, &b.file, b.line, &b.what)));
        self.flaws.dedup_by(|a, b| {
            a.family == b.family && a.file == b.file && a.line == b.line && a.what == b.what
        });
        let flawed: BTreeSet<Family> = self.flaws.iter().map(|f| f.family).collect();
        let clean: BTreeSet<Family> =
            self.looked.iter().map(|(family, _)| *family).filter(|f| !flawed.contains(f)).collect();
        let passes = clean.into_iter().map(|family| {
            let files: Vec<&str> =
                self.looked.iter().filter(|(f, _)| *f == family).map(|(_, file)| file.as_str()).collect();
            Finding {
                check: family.name().to_owned(),
                result: FindingResult::Pass,
                evidence: format!("checked {}", listed(&files)),
                file: None,
                line: None,
                fingerprint: None,
            }
        });
        let passes: Vec<Finding> = passes.collect();
        self.flaws.into_iter().map(|flaw| flaw.finding(diff)).chain(passes).collect()
    }
}

/// Some names of many.
fn listed(files: &[&str]) -> String {
    const SHOWN: usize = 8;
    match files.len().checked_sub(SHOWN) {
        None | Some(0) => files.join(", "),
        Some(more) => format!("{} and {more} more", files[..SHOWN].join(", ")),
    }
}

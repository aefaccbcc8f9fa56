//! The findings that are worth a place in a machine's list: those that do not pass, each with a line to show it at
//! and a fingerprint of its own. SARIF, Code Quality and annotations are made of these. Knows no format.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::clean::Clean;
use super::view::{DayView, FindingView};
use crate::domain::Agent;
use crate::domain::artifact::FindingResult;
use crate::domain::hex::hex;

/// Characters of a check's name, of a path and of a message.
const CHECK: usize = 200;
const PATH: usize = 1_000;
const MESSAGE: usize = 4_000;

/// A finding that does not pass; all its texts are clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flagged {
    pub agent: Agent,
    /// FAIL rather than ADVISORY.
    pub blocks: bool,
    /// What was checked, one line, never empty.
    pub check: String,
    /// Identifies the kind of check: `sentinel/http-timeout`.
    pub rule: String,
    /// The evidence.
    pub evidence: String,
    /// Path from the repository root; the agent's report where the finding names no file, for a list has no
    /// place for a finding without one.
    pub path: String,
    /// From 1; the first where the finding names none.
    pub line: u32,
    /// Survives moved lines and other days.
    pub fingerprint: String,
    /// Which one it is among those of the same fingerprint, from 1.
    pub nth: u32,
}

impl Flagged {
    /// Fingerprint that no other finding of the day has: readers drop the second of two equal ones.
    pub(super) fn unique(&self) -> String {
        match self.nth {
            1 => self.fingerprint.clone(),
            nth => format!("{}-{nth}", self.fingerprint),
        }
    }
}

/// The day's findings that do not pass, in the order of the reports.
pub(super) fn flagged(view: &DayView, clean: &Clean<'_>) -> Vec<Flagged> {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let flawed = view.findings.iter().filter(|f| f.finding.result != FindingResult::Pass);
    flawed
        .map(|finding| {
            let mut flagged = one(view.day, finding, clean);
            let count = seen.entry(flagged.fingerprint.clone()).or_default();
            *count += 1;
            flagged.nth = *count;
            flagged
        })
        .collect()
}

fn one(day: u32, FindingView { agent, finding }: &FindingView, clean: &Clean<'_>) -> Flagged {
    let named = |text: String, instead: &str| if text.is_empty() { instead.to_owned() } else { text };
    let check = named(clean.line(&finding.check, CHECK), "finding");
    let file = finding.file.as_deref().map(|file| clean.line(file, PATH));
    let file = file.map(|file| file.trim_start_matches("./").to_owned()).filter(|file| is_inside(file));
    let line = if file.is_some() { finding.line.unwrap_or(1).max(1) } else { 1 };
    let own = finding.fingerprint.as_deref().map(|print| clean.line(print, CHECK)).filter(|p| !p.is_empty());
    Flagged {
        agent: *agent,
        blocks: finding.result == FindingResult::Fail,
        rule: format!("{}/{}", agent.name().to_lowercase(), slug(&check)),
        evidence: crate::prompt::plain::cut(clean.text(&finding.evidence).trim(), MESSAGE),
        fingerprint: own.unwrap_or_else(|| fallback(*agent, &check, file.as_deref().unwrap_or_default())),
        path: file.unwrap_or_else(|| report_of(day, *agent)),
        check,
        line,
        nth: 1,
    }
}

/// Where the agent's findings of a day are written down.
pub(super) fn report_of(day: u32, agent: Agent) -> String {
    format!(".pace/day-{day}/{}-report.yaml", agent.name().to_lowercase())
}

fn is_inside(path: &str) -> bool {
    !path.is_empty() && !path.starts_with('/') && path.split('/').all(|part| part != "..")
}

/// The words of a check, joined by `-`: letters and digits of any script.
fn slug(check: &str) -> String {
    let words = check.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let slug: String = words.collect::<Vec<_>>().join("-").to_lowercase().chars().take(80).collect();
    if slug.is_empty() { "finding".to_owned() } else { slug }
}

/// For a finding that nobody gave a fingerprint.
fn fallback(agent: Agent, check: &str, file: &str) -> String {
    let digest = Sha256::digest([agent.name(), check, file].join("\0"));
    hex(&digest[..6])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn places_and_fingerprints() {
        let redact = |text: &str| text.to_owned();
        let clean = Clean::new(&redact);
        let mut view = samples::ship();
        view.findings = vec![
            samples::finding(Agent::Sentinel, FindingResult::Pass, Some("a.rs"), Some(3)),
            samples::finding(Agent::Sentinel, FindingResult::Fail, Some("./a.rs"), Some(3)),
            samples::finding(Agent::Sentinel, FindingResult::Advisory, Some("a.rs"), None),
            samples::finding(Agent::Conduit, FindingResult::Advisory, Some("../etc/passwd"), Some(7)),
            samples::finding(Agent::Conduit, FindingResult::Advisory, None, Some(7)),
        ];
        let list = flagged(&view, &clean);
        let places: Vec<_> = list.iter().map(|f| (f.path.as_str(), f.line, f.blocks)).collect();
        let report = ".pace/day-2/conduit-report.yaml";
        assert_eq!(places, [("a.rs", 3, true), ("a.rs", 1, false), (report, 1, false), (report, 1, false)]);
        let mut unique: Vec<_> = list.iter().map(Flagged::unique).collect();
        assert_eq!(unique[1], format!("{}-2", unique[0]));
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), 4);
        assert_eq!(list[0].rule, "sentinel/http-timeout");
        // A moved line is the same finding.
        view.findings[1].finding.line = Some(40);
        assert_eq!(flagged(&view, &clean)[0].fingerprint, list[0].fingerprint);
    }

    #[test]
    fn a_rule_always_has_a_name() {
        for (check, expected) in
            [("HTTP  timeout!", "http-timeout"), ("…", "finding"), ("Prüfung/é", "prüfung-é")]
        {
            assert_eq!(slug(check), expected);
        }
        assert_eq!(slug(&"x".repeat(300)).len(), 80);
    }
}

//! Findings as annotations on the lines that they speak of: GitHub's workflow commands.
//!
//! A step may have ten annotations of a type, what is beyond is dropped in silence (docs.github.com, "Workflow
//! commands"; the terminal's own line on the verdict is one of them). So nine are told and the rest is counted,
//! in a notice, which is a type of its own. Opens nothing; returns lines.

use super::clean::Clean;
use super::flagged::{Flagged, flagged};
use super::log;
use super::view::DayView;
use crate::domain::event::Level;
use crate::prompt::plain::cut;

/// Annotations of a type beside the one on the verdict.
const LIMIT: usize = 9;

/// Characters of a message.
const MESSAGE: usize = 1_000;

/// The lines to print, each a command; none where nothing was found.
pub(crate) fn lines(view: &DayView, clean: &Clean<'_>) -> Vec<String> {
    let findings = flagged(view, clean);
    let (errors, warnings): (Vec<_>, Vec<_>) = findings.iter().partition(|finding| finding.blocks);
    let mut lines: Vec<String> = vec![];
    lines.extend(errors.iter().take(LIMIT).map(|finding| annotation(Level::Error, finding)));
    lines.extend(warnings.iter().take(LIMIT).map(|finding| annotation(Level::Warning, finding)));
    let left = findings.len() - lines.len();
    if left > 0 {
        let findings = if left == 1 { "finding is" } else { "findings are" };
        let text = format!("{left} more {findings} in the reports of .pace/day-{}", view.day);
        lines.push(log::annotation(Level::Info, Some("pace"), &text));
    }
    lines
}

fn annotation(level: Level, finding: &Flagged) -> String {
    let title = format!("{}: {}", finding.agent, finding.check);
    let text = if finding.evidence.is_empty() { &finding.check } else { &finding.evidence };
    // The older form of a command, `##[…]`, is read anywhere in a line.
    let text = cut(text, MESSAGE).lines().map(log::tame).collect::<Vec<_>>().join("\n");
    let place = log::Place { file: &log::tame(&finding.path), line: finding.line };
    log::located(level, &place, &log::tame(&title), &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Agent;
    use crate::domain::artifact::FindingResult;
    use crate::report::samples;

    fn of(view: &DayView) -> Vec<String> {
        let redact = |text: &str| text.replace("s3cr3t-token", "***");
        lines(view, &Clean::new(&redact))
    }

    #[test]
    fn hostile_findings_are_one_command_each() {
        let lines = of(&samples::hostile());
        assert_eq!(lines.len(), 3);
        for line in &lines {
            assert!(!line.contains(['\n', '\r', '\0', '\u{1b}']) && !line.contains("##["), "{line}");
            assert!(!line.contains("s3cr3t-token"), "{line}");
        }
        assert!(
            lines[0].starts_with("::error file=src/a b%3A%2C%25.py,line=42,title=SENTINEL%3A "),
            "{}",
            lines[0]
        );
        assert!(lines[1].starts_with("::warning file="), "{}", lines[1]);
        assert!(of(&samples::ship()).is_empty());
    }

    #[test]
    fn beyond_the_limit_findings_are_counted() {
        let mut view = samples::ship();
        let finding = |n| samples::finding(Agent::Sentinel, FindingResult::Advisory, Some("a.rs"), Some(n));
        view.findings = (1..=LIMIT as u32 + 2).map(finding).collect();
        let lines = of(&view);
        assert_eq!(lines.len(), LIMIT + 1);
        assert_eq!(lines[LIMIT], "::notice title=pace::2 more findings are in the reports of .pace/day-2");
    }
}

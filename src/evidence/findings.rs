//! Findings of SENTINEL and CONDUIT against the commit: places that exist, flaws from before the day, who can mend
//! them, and a fingerprint that survives moved lines.
//!
//! Pure: the commit is read through a function. Finds nothing by itself.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::place::Place;
use crate::domain::Agent;
use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::diff::Diff;
use crate::domain::hex::hex;
use crate::domain::hold::Cause;

/// Fills in `file` and `line` where the evidence begins with them (`src/x.py:42 — …`), and returns every problem to
/// ask the model to mend: a finding of SENTINEL that does not pass must name a line that exists in the commit; a
/// place that CONDUIT names must exist. Files that the day deleted may be named without a line.
///
/// `show` gives the content of a path in the commit.
pub(crate) fn check(
    agent: Agent,
    findings: &mut [Finding],
    show: impl Fn(&str) -> Option<String>,
    diff: &Diff,
) -> Vec<String> {
    let mut problems = Vec::new();
    for finding in findings.iter_mut().filter(|f| f.result != FindingResult::Pass) {
        locate(finding, &show);
        let check = &finding.check;
        let Some(file) = &finding.file else {
            if agent == Agent::Sentinel {
                problems.push(format!("finding \"{check}\": name the file and the line of the commit"));
            }
            continue;
        };
        let Some(text) = show(file) else {
            if diff.file(file).is_none() {
                problems.push(format!("finding \"{check}\": {file} is not in the commit"));
            }
            continue;
        };
        let count = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        match finding.line {
            None if agent == Agent::Sentinel => {
                problems.push(format!("finding \"{check}\": name the line in {file}"));
            }
            Some(line) if line == 0 || line > count => {
                problems.push(format!("finding \"{check}\": {file} has {count} lines, not line {line}"));
            }
            _ => {}
        }
    }
    problems
}

/// A flaw in a file that the day diff does not touch was there before: its FAIL becomes ADVISORY. Returns what was
/// changed, for the log.
pub(crate) fn settle(findings: &mut [Finding], diff: &Diff) -> Vec<String> {
    let touched =
        |file: &str| diff.files.iter().any(|f| f.path == file || f.old_path.as_deref() == Some(file));
    let mut changed = Vec::new();
    for finding in findings.iter_mut().filter(|f| f.result == FindingResult::Fail) {
        if let Some(file) = finding.file.as_deref().filter(|f| !touched(f)) {
            changed.push(format!(
                "\"{}\": {file} is not part of the day's change: FAIL → ADVISORY",
                finding.check
            ));
            finding.result = FindingResult::Advisory;
        }
    }
    changed
}

/// The findings of pace's own checks, then the model's. What a model says against its own eyes does not stand: a PASS
/// of the same check or of the same fingerprint is dropped, and so is a repetition. Where a model found something in
/// a check that pace's own passed, the model's finding stays alone.
pub(crate) fn on_floor(floor: &[Finding], mut given: Vec<Finding>) -> Vec<Finding> {
    let words = |check: &str| check.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let same = |a: &Finding, b: &Finding| words(&a.check) == words(&b.check);
    let print = |a: &Finding, b: &Finding| a.fingerprint.is_some() && a.fingerprint == b.fingerprint;
    let passed = |finding: &Finding| finding.result == FindingResult::Pass;
    given.retain(|finding| {
        !floor.iter().any(|own| {
            let answers = passed(finding) && finding.fingerprint.is_none() && same(own, finding);
            answers || (print(own, finding) && (passed(finding) || own.result == finding.result))
        })
    });
    let stands = |own: &&Finding| !passed(own) || !given.iter().any(|f| same(own, f) && !passed(f));
    floor.iter().filter(stands).cloned().chain(given.iter().cloned()).collect()
}

/// Who can mend the FAILs: FORGE, unless all of them are in files that it may not write.
pub(crate) fn cause(findings: &[Finding], writable: impl Fn(&str) -> bool) -> Cause {
    let mut failed = findings.iter().filter(|f| f.result == FindingResult::Fail).peekable();
    let some = failed.peek().is_some();
    let outside = failed.all(|f| f.file.as_deref().is_some_and(|file| !writable(file)));
    if some && outside { Cause::Outside } else { Cause::Code }
}

/// Gives every finding that does not pass its fingerprint. A fingerprint that the model gave is kept only where it
/// answers an `open` backlog entry.
pub(crate) fn seal(
    agent: Agent,
    findings: &mut [Finding],
    open: &BTreeSet<String>,
    show: impl Fn(&str) -> Option<String>,
) {
    for finding in findings {
        if finding.fingerprint.as_ref().is_some_and(|f| open.contains(f)) {
            continue;
        }
        finding.fingerprint = (finding.result != FindingResult::Pass).then(|| {
            let file = finding.file.as_deref().unwrap_or_default();
            let text = show(file).unwrap_or_default();
            let line = finding.line.and_then(|n| text.lines().nth((n as usize).checked_sub(1)?));
            fingerprint(agent, &finding.check, file, line.unwrap_or_default())
        });
    }
}

/// 12 hexadecimal digits of the SHA-256 of agent, check, file and the flagged line's text; case, white space and
/// punctuation of the check and blanks around the line do not matter.
pub(crate) fn fingerprint(agent: Agent, check: &str, file: &str, line: &str) -> String {
    let words = check.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    let check = words.map(str::to_lowercase).collect::<Vec<_>>().join(" ");
    let digest = Sha256::digest([agent.name(), &check, file, line.trim()].join("\0"));
    hex(&digest[..6])
}

/// Takes file and line from the evidence where the fields are absent.
fn locate(finding: &mut Finding, show: &impl Fn(&str) -> Option<String>) {
    if let Some(file) = &finding.file {
        let place = Place::parse(file);
        if place.line.is_some() && finding.line.is_none() {
            finding.line = place.line;
        }
        finding.file = Some(place.path);
    }
    if finding.file.is_some() && finding.line.is_some() {
        return;
    }
    for word in finding.evidence.split_whitespace() {
        let place = Place::parse(word);
        let same = finding.file.as_ref().is_none_or(|f| *f == place.path);
        let better = place.line.is_some() || finding.file.is_none();
        if same && better && !place.path.is_empty() && show(&place.path).is_some() {
            finding.file = Some(place.path);
            finding.line = finding.line.or(place.line);
            if finding.line.is_some() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::diff::{Change, FileDiff};
    use FindingResult::{Advisory, Fail, Pass};

    fn finding(result: FindingResult, evidence: &str, file: Option<&str>, line: Option<u32>) -> Finding {
        Finding {
            check: "HTTP timeout".into(),
            result,
            evidence: evidence.into(),
            file: file.map(Into::into),
            line,
            fingerprint: None,
        }
    }

    fn show(path: &str) -> Option<String> {
        match path {
            "src/pay.py" => Some("import requests\nrequests.get(url)\n".into()),
            ".github/workflows/ci.yml" => Some("on: push\n".into()),
            _ => None,
        }
    }

    fn diff(paths: &[&str]) -> Diff {
        let file = |path: &&str| FileDiff {
            path: (*path).into(),
            old_path: None,
            change: Change::Modified,
            added: vec![],
            patch: String::new(),
            binary: false,
        };
        Diff { files: paths.iter().map(file).collect() }
    }

    /// Agent; result, evidence, file, line as submitted; file, line and problem as checked.
    type Row<'a> = (
        Agent,
        (FindingResult, &'a str, Option<&'a str>, Option<u32>),
        (Option<&'a str>, Option<u32>, &'a str),
    );

    #[rustfmt::skip]
    const PLACES: &[Row<'_>] = &[
        (Agent::Sentinel, (Pass, "scan found nothing", None, None), (None, None, "")),
        (Agent::Sentinel, (Fail, "x", Some("src/pay.py"), Some(2)), (Some("src/pay.py"), Some(2), "")),
        (Agent::Sentinel, (Fail, "src/pay.py:2 — no timeout", None, None), (Some("src/pay.py"), Some(2), "")),
        (Agent::Sentinel, (Fail, "see `src/pay.py:2`.", None, None), (Some("src/pay.py"), Some(2), "")),
        (Agent::Sentinel, (Advisory, "x", Some("src/pay.py:2"), None), (Some("src/pay.py"), Some(2), "")),
        (Agent::Sentinel, (Advisory, "at src/pay.py:1", Some("src/pay.py"), None), (Some("src/pay.py"), Some(1), "")),
        (Agent::Sentinel, (Fail, "no place", None, None), (None, None, "name the file and the line")),
        (Agent::Sentinel, (Fail, "x", Some("src/pay.py"), None), (Some("src/pay.py"), None, "name the line")),
        (Agent::Sentinel, (Fail, "x", Some("src/pay.py"), Some(3)), (Some("src/pay.py"), Some(3), "has 2 lines")),
        (Agent::Sentinel, (Fail, "x", Some("src/pay.py"), Some(0)), (Some("src/pay.py"), Some(0), "has 2 lines")),
        (Agent::Sentinel, (Fail, "x", Some("src/no.py"), Some(1)), (Some("src/no.py"), Some(1), "not in the commit")),
        (Agent::Sentinel, (Fail, "x", Some("src/gone.py"), None), (Some("src/gone.py"), None, "")),
        (Agent::Conduit, (Advisory, "no CI files", None, None), (None, None, "")),
        (Agent::Conduit, (Advisory, ".github/workflows/ci.yml uses a branch", None, None), (Some(".github/workflows/ci.yml"), None, "")),
        (Agent::Conduit, (Fail, "x", Some("ci.yml"), None), (Some("ci.yml"), None, "not in the commit")),
    ];

    #[test]
    fn places_are_checked_and_filled_in() {
        for &(agent, (result, evidence, file, line), (wanted_file, wanted_line, problem)) in PLACES {
            let mut findings = [finding(result, evidence, file, line)];
            let problems = check(agent, &mut findings, show, &diff(&["src/gone.py"]));
            let found = (findings[0].file.as_deref(), findings[0].line);
            assert_eq!(found, (wanted_file, wanted_line), "{evidence} {file:?} {line:?}");
            assert_eq!(problems.len(), usize::from(!problem.is_empty()), "{problems:?}");
            assert!(problems.iter().all(|p| p.contains(problem)), "{problems:?}");
        }
    }

    #[test]
    fn a_flaw_from_before_the_day_is_an_advisory() {
        for (file, touched, expected) in [
            (Some("src/pay.py"), "src/pay.py", Fail),
            (Some("src/pay.py"), "src/other.py", Advisory),
            (None, "src/other.py", Fail),
        ] {
            let mut findings = [finding(Fail, "x", file, None), finding(Pass, "x", file, None)];
            let changed = settle(&mut findings, &diff(&[touched]));
            assert_eq!(findings[0].result, expected, "{file:?} {touched}");
            assert_eq!(findings[1].result, Pass);
            assert_eq!(changed.len(), usize::from(expected == Advisory));
        }
    }

    #[test]
    fn what_pace_saw_itself_stands() {
        let of = |check: &str, result, print: Option<&str>| Finding {
            check: check.into(),
            fingerprint: print.map(Into::into),
            ..finding(result, "e", None, None)
        };
        let seen = |floor: &[Finding], given: &[Finding]| -> Vec<_> {
            on_floor(floor, given.to_vec()).into_iter().map(|f| (f.check, f.result)).collect()
        };
        let (a, b) = ("Secrets".to_owned(), "b".to_owned());
        let own = [of("Secrets", Fail, Some("1"))];
        assert_eq!(
            seen(&own, &[of("secrets", Pass, None), of("b", Pass, None)]),
            [(a.clone(), Fail), (b.clone(), Pass)]
        );
        assert_eq!(seen(&own, &[of("other", Pass, Some("1"))]), [(a.clone(), Fail)]);
        assert_eq!(seen(&own, &[of("other", Fail, Some("1"))]), [(a.clone(), Fail)]);
        assert_eq!(
            seen(&[of("Secrets", Advisory, Some("1"))], &[of("b", Fail, Some("1"))]),
            [(a.clone(), Advisory), (b, Fail)]
        );
        let clean = [of("Secrets", Pass, None)];
        assert_eq!(seen(&clean, &[of("secrets", Pass, None)]), [(a.clone(), Pass)]);
        assert_eq!(seen(&clean, &[of("Secrets", Fail, Some("2"))]), [(a.clone(), Fail)]);
        assert_eq!(seen(&clean, &[of("Secrets", Pass, Some("2"))]), [(a.clone(), Pass), (a, Pass)]);
    }

    #[test]
    fn only_what_forge_may_write_goes_back_to_it() {
        let of = |files: &[(FindingResult, Option<&str>)]| {
            let list: Vec<_> = files.iter().map(|(r, f)| finding(*r, "x", *f, None)).collect();
            cause(&list, |path| path.starts_with("src/"))
        };
        assert_eq!(of(&[(Fail, Some("ci.yml"))]), Cause::Outside);
        assert_eq!(of(&[(Fail, Some("ci.yml")), (Advisory, Some("src/a.py"))]), Cause::Outside);
        assert_eq!(of(&[(Fail, Some("ci.yml")), (Fail, Some("src/a.py"))]), Cause::Code);
        assert_eq!(of(&[(Fail, None)]), Cause::Code);
        assert_eq!(of(&[]), Cause::Code);
    }

    #[test]
    fn a_fingerprint_survives_moved_lines_and_wording() {
        let of = |check, file, line| fingerprint(Agent::Sentinel, check, file, line);
        let print = of("HTTP timeout", "src/pay.py", "requests.get(url)");
        assert_eq!(print.len(), 12);
        assert_eq!(print, of("http  timeout.", "src/pay.py", "    requests.get(url)  "));
        assert_ne!(print, of("HTTP timeout", "src/other.py", "requests.get(url)"));
        assert_ne!(print, of("HTTP timeout", "src/pay.py", "requests.get(other)"));
        assert_ne!(print, of("TLS", "src/pay.py", "requests.get(url)"));
        assert_ne!(print, fingerprint(Agent::Conduit, "HTTP timeout", "src/pay.py", "requests.get(url)"));

        let mut findings = [
            finding(Fail, "x", Some("src/pay.py"), Some(2)),
            finding(Pass, "x", None, None),
            finding(Pass, "x", None, None),
        ];
        findings[0].fingerprint = Some("invented".into());
        findings[1].fingerprint = Some("open-entry".into());
        findings[2].fingerprint = Some("invented".into());
        seal(Agent::Sentinel, &mut findings, &BTreeSet::from(["open-entry".to_owned()]), show);
        assert_eq!(findings[0].fingerprint.as_deref(), Some(print.as_str()));
        assert_eq!(findings[1].fingerprint.as_deref(), Some("open-entry"));
        assert_eq!(findings[2].fingerprint, None);
    }
}

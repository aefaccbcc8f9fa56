//! What a day's finds mean: introduced today or there before, in code or in a test, excepted or not. A pure rule.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::allow::{Allow, Found, contains};
use super::place::{self, Lines};
use super::{Hit, Kind, hidden, masked, redact, scan};
use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::hex::hex;
use crate::evidence::files::{FileKind, kind_of};

/// The check's name in SENTINEL's report.
pub(crate) const SECRET_CHECK: &str = "Hardcoded secrets in source files";
/// The check's name where characters are hidden.
pub(crate) const HIDDEN_CHECK: &str = "Hidden Unicode in source files";

/// Marks that except their own line, and those that except the line below them.
const MARKS: [&str; 3] = ["gitleaks:allow", "pragma: allowlist secret", "pragma: whitelist secret"];
const NEXT_LINE_MARKS: [&str; 2] = ["pragma: allowlist nextline secret", "pragma: whitelist nextline secret"];

/// A file of the day's change.
pub(crate) struct ChangedFile {
    pub path: String,
    /// There was no file of this path at the day base.
    pub is_new: bool,
    /// Content at the day base (under its path then); `None` where it was absent.
    pub base: Option<Vec<u8>>,
    pub now: Vec<u8>,
    /// Lines that the change added, as half-open ranges of 1-based numbers; `None`: all of them.
    pub added: Option<Vec<(u32, u32)>>,
}

/// The report's line where nothing was found, as the tutorial shows it.
pub(crate) fn none_found() -> Finding {
    Finding {
        check: SECRET_CHECK.into(),
        result: FindingResult::Pass,
        evidence: "Secret pattern scan returned no results".into(),
        file: None,
        line: None,
        fingerprint: None,
    }
}

/// What the scan says of the changed files: a provider's key introduced today FAILs, a value that only looks random
/// FAILs outside tests and docs; what was there before is an ADVISORY. Hidden Unicode introduced today FAILs in
/// code, in prose only where it has no use at all. Values that some file of the change held at the base count as
/// there before, so that a moved line is no new secret.
pub(crate) fn judge(changes: &[ChangedFile], allow: &Allow) -> Vec<Finding> {
    let before: Vec<_> = changes.iter().map(|c| c.base.as_deref().map(place::decoded)).collect();
    let bases: Vec<&[u8]> = before.iter().flatten().map(|text| &**text).collect();
    let mut findings = Vec::new();
    for (change, base) in changes.iter().zip(&before) {
        findings.extend(named(change, allow));
        let now = place::decoded(&change.now);
        let hits = scan(&change.path, &now);
        if hits.is_empty() {
            continue;
        }
        let base = base.as_deref().map(Lines::of);
        let file = File { change, now: &now, lines: Lines::of(&now), base, bases: &bases };
        let mut seen = BTreeMap::new();
        findings.extend(hits.iter().filter_map(|hit| file.finding(hit, allow, &mut seen)));
    }
    findings.sort_by_key(|f| std::cmp::Reverse(rank(f.result)));
    findings
}

/// What is wrong with the name of a file that came today: a name is committed, pushed and shown as a content is.
fn named(change: &ChangedFile, allow: &Allow) -> Option<Finding> {
    let name = change.path.as_bytes();
    let hits = super::secrets::find("", name, |kind| kind == Kind::Provider);
    let excepted = |hit: &Hit| {
        let (secret, matched) = (&name[hit.span.clone()], &name[hit.context.clone()]);
        let path = &change.path;
        allow.covers(&Found { rule: hit.rule, kind: hit.kind, path, secret, matched, line: name, base: None })
    };
    let hit = hits.iter().find(|hit| change.is_new && !excepted(hit))?;
    let path = redact(&change.path).into_owned();
    Some(Finding {
        check: SECRET_CHECK.into(),
        result: FindingResult::Fail,
        evidence: format!(
            "the name of {path} — {} ({}), introduced today; value not shown",
            clause(hit.description),
            hit.rule
        ),
        fingerprint: Some(hex(&Sha256::digest([hit.rule, &path].join("\0"))[..6])),
        file: Some(path),
        line: None,
    })
}

fn rank(result: FindingResult) -> u8 {
    match result {
        FindingResult::Pass => 0,
        FindingResult::Advisory => 1,
        FindingResult::Fail => 2,
    }
}

struct File<'a> {
    change: &'a ChangedFile,
    now: &'a [u8],
    lines: Lines<'a>,
    base: Option<Lines<'a>>,
    bases: &'a [&'a [u8]],
}

impl File<'_> {
    fn finding(&self, hit: &Hit, allow: &Allow, seen: &mut BTreeMap<String, u32>) -> Option<Finding> {
        let found = Found {
            rule: hit.rule,
            kind: hit.kind,
            path: &self.change.path,
            secret: &self.now[hit.span.clone()],
            matched: &self.now[hit.context.clone()],
            line: self.lines.around(hit.context.start, hit.context.end),
            base: self.base.as_ref(),
        };
        if allow.covers(&found) || (hit.kind != Kind::HiddenUnicode && self.marked(hit)) {
            return None;
        }
        let today = self.is_new(hit);
        let (check, result) = match hit.kind {
            Kind::HiddenUnicode => (
                HIDDEN_CHECK,
                self.weigh(today, !is_read(&self.change.path) || hidden::is_smuggling(hit.rule)),
            ),
            Kind::Provider => (SECRET_CHECK, self.weigh(today, true)),
            Kind::Generic => (SECRET_CHECK, self.weigh(today, !is_sample(&self.change.path))),
        };
        let when = if today { "introduced today" } else { "there before today" };
        let place = format!("{}:{}", self.change.path, hit.line);
        Some(Finding {
            check: check.into(),
            result,
            evidence: format!(
                "{place} — {} ({}), {when}; value not shown",
                clause(hit.description),
                hit.rule
            ),
            file: Some(self.change.path.clone()),
            line: Some(hit.line),
            fingerprint: Some(self.fingerprint(hit, seen)),
        })
    }

    fn weigh(&self, today: bool, blocks: bool) -> FindingResult {
        if today && blocks { FindingResult::Fail } else { FindingResult::Advisory }
    }

    fn is_new(&self, hit: &Hit) -> bool {
        let last = self.lines.number(hit.span.end.max(hit.span.start + 1) - 1);
        let first = self.lines.number(hit.context.start);
        let added = self
            .change
            .added
            .as_ref()
            .is_none_or(|ranges| ranges.iter().any(|&(start, end)| start <= last && first < end));
        if hit.span.is_empty() {
            // A file that is a secret by its name.
            return self.change.base.as_deref() != Some(&self.change.now);
        }
        if hit.kind == Kind::HiddenUnicode {
            let line = self.lines.line(hit.line);
            return added && !self.base.as_ref().is_some_and(|base| base.all().any(|known| known == line));
        }
        let secret = &self.now[hit.span.clone()];
        added && !self.bases.iter().any(|base| contains(base, secret))
    }

    /// Whether the line is excepted by a mark, and stood at the base exactly so.
    fn marked(&self, hit: &Hit) -> bool {
        let Some(base) = &self.base else { return false };
        let line = self.lines.around(hit.context.start, hit.context.end);
        let above = self.lines.line(self.lines.number(hit.context.start).saturating_sub(1));
        let has = |text: &[u8], marks: &[&str]| {
            let text = String::from_utf8_lossy(text).to_lowercase();
            marks.iter().any(|mark| text.contains(mark))
        };
        let stood = |wanted: &[&[u8]]| {
            let lines: Vec<&[u8]> = base.all().collect();
            lines.windows(wanted.len().max(1)).any(|window| window == wanted)
        };
        let own: Vec<&[u8]> =
            line.split(|byte| *byte == b'\n').map(|l| l.strip_suffix(b"\r").unwrap_or(l)).collect();
        if has(line, &MARKS) {
            return stood(&own);
        }
        has(above, &NEXT_LINE_MARKS) && stood(&[&[above], &own[..]].concat())
    }

    /// 12 hexadecimal digits that survive moved lines: rule, path, the line with its values masked, and which of
    /// equal ones it is.
    fn fingerprint(&self, hit: &Hit, seen: &mut BTreeMap<String, u32>) -> String {
        let line = String::from_utf8_lossy(self.lines.line(hit.line));
        let line = masked(&line, super::secrets::find(&self.change.path, line.as_bytes(), |_| true));
        // A value of several lines is not found in its first one alone.
        let line = if hit.kind != Kind::HiddenUnicode && self.now[hit.span.clone()].contains(&b'\n') {
            ""
        } else {
            line.trim()
        };
        let digest = |ordinal: u32| -> String {
            let text = [hit.rule, &self.change.path, line, &ordinal.to_string()].join("\0");
            hex(&Sha256::digest(text)[..6])
        };
        let ordinal = seen.entry(digest(0)).and_modify(|count| *count += 1).or_insert(0);
        digest(*ordinal)
    }
}

/// The description's first clause: what was found, without what may come of it.
fn clause(description: &str) -> &str {
    description.split([',', '.']).next().unwrap_or_default()
}

/// Tests, fixtures, docs and examples: values there are made up more often than not.
fn is_sample(path: &str) -> bool {
    let folders = path.rsplit_once('/').map_or("", |(folders, _)| folders);
    let shown =
        |folder: &str| matches!(folder, "docs" | "doc" | "examples" | "example" | "samples" | "benches");
    let template = [".example", ".sample", ".template", ".dist"].iter().any(|end| path.ends_with(end));
    kind_of(path) == FileKind::Test || is_prose(path) || template || folders.split('/').any(shown)
}

/// Prose, and data that tests are fed or translations are made of.
fn is_read(path: &str) -> bool {
    let data = [".json", ".jsonl", ".xml", ".snap", ".yaml", ".yml"].iter().any(|end| path.ends_with(end));
    let translation =
        path.split('/').any(|part| matches!(part, "i18n" | "locale" | "locales" | "lang" | "translations"));
    is_prose(path) || (data && (translation || kind_of(path) == FileKind::Test))
}

/// Files that are read, not run.
fn is_prose(path: &str) -> bool {
    if path.starts_with(".pace/") {
        return true;
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let Some((_, extension)) = name.rsplit_once('.') else {
        return matches!(name, "LICENSE" | "NOTICE" | "AUTHORS" | "CHANGELOG" | "README" | "CODEOWNERS");
    };
    let prose = [
        "md", "markdown", "rst", "txt", "adoc", "asciidoc", "po", "pot", "arb", "srt", "vtt", "csv", "tsv",
        "tex", "svg", "html", "htm", "xliff", "xlf", "strings",
    ];
    prose.contains(&extension.to_ascii_lowercase().as_str())
}

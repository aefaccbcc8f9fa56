//! Line coverage of a run, from the LCOV, Cobertura and JaCoCo files that this run wrote.
//!
//! Reads report texts that it is given; finding them is `reports`'.

use std::collections::BTreeMap;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde::{Deserialize, Serialize};

/// Lines covered and lines there are, over all reports of the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Coverage {
    pub covered: u64,
    pub lines: u64,
    /// The files that say it, from the root.
    pub reports: Vec<String>,
}

impl Coverage {
    /// The coverage that `reports` (name and content) tell; `None` where none of them does. Two formats side by side
    /// in one folder say the same: LCOV counts before Cobertura, Cobertura before JaCoCo.
    pub(crate) fn read(reports: &[(String, String)]) -> Option<Self> {
        let mut folders: BTreeMap<&str, Formats<'_>> = BTreeMap::new();
        for (name, content) in reports {
            let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
            let Some((rank, lines)) = read(name, content) else { continue };
            folders.entry(folder).or_default().entry(rank).or_default().push((name, lines));
        }
        let mut all = Self { covered: 0, lines: 0, reports: vec![] };
        for (name, lines) in
            folders.into_values().filter_map(|formats| formats.into_values().next()).flatten()
        {
            all.covered = all.covered.saturating_add(lines.covered);
            all.lines = all.lines.saturating_add(lines.all);
            all.reports.push(name.to_owned());
        }
        (all.lines > 0).then_some(all)
    }

    /// In percent.
    pub(crate) fn percent(&self) -> f64 {
        self.covered as f64 * 100.0 / self.lines as f64
    }
}

/// Whether a file of this name may be a coverage report.
pub(crate) fn is_report(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let lcov = name == "lcov.info" || name == "lcov" || name.ends_with(".lcov") || name == "coverage.info";
    let xml =
        name.ends_with(".xml") && ["coverage", "cobertura", "jacoco"].iter().any(|part| name.contains(part));
    lcov || xml
}

/// How [`shortfall`] begins where there is no report.
pub(crate) const NO_REPORT: &str = "coverage below threshold: this run wrote no coverage report";

/// Why the coverage holds the day; `None` where it suffices. `least` in percent.
pub(crate) fn shortfall(coverage: Option<&Coverage>, least: f64) -> Option<String> {
    let Some(coverage) = coverage else {
        return Some(format!(
            "{NO_REPORT}, and PACE_COVERAGE_MIN asks for {least} %. Let the test command write LCOV, Cobertura or \
             JaCoCo, e.g. `pytest --cov --cov-report=xml`, or unset PACE_COVERAGE_MIN"
        ));
    };
    (coverage.percent() < least).then(|| {
        format!(
            "coverage below threshold: {:.1} % of lines ({} of {}, by {}), and PACE_COVERAGE_MIN asks for {least} %",
            // Never rounded up to the threshold itself.
            (coverage.percent() * 10.0).floor() / 10.0,
            coverage.covered,
            coverage.lines,
            coverage.reports.join(", ")
        )
    })
}

/// The reports of a folder with what they say, by the rank of their format.
type Formats<'a> = BTreeMap<usize, Vec<(&'a str, Lines)>>;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Lines {
    covered: u64,
    all: u64,
}

fn read(name: &str, content: &str) -> Option<(usize, Lines)> {
    if !name.ends_with(".xml") {
        return lcov(content).map(|lines| (0, lines));
    }
    xml(content)
}

/// `LF` and `LH` of each record, else its `DA` lines.
fn lcov(content: &str) -> Option<Lines> {
    let mut total = Lines::default();
    let (mut said, mut counted) = (Lines::default(), Lines::default());
    let mut ended = false;
    for line in content.lines().map(str::trim) {
        let number = |text: &str| text.trim().parse::<u64>().ok();
        if let Some(found) = line.strip_prefix("LF:").and_then(number) {
            said.all = found;
        } else if let Some(hit) = line.strip_prefix("LH:").and_then(number) {
            said.covered = hit;
        } else if let Some(data) = line.strip_prefix("DA:") {
            counted.all += 1;
            counted.covered +=
                u64::from(data.split(',').nth(1).and_then(number).is_some_and(|hits| hits > 0));
        } else if line == "end_of_record" {
            let record = if said.all > 0 { said } else { counted };
            total.all = total.all.saturating_add(record.all);
            total.covered = total.covered.saturating_add(record.covered.min(record.all));
            (said, counted) = (Lines::default(), Lines::default());
            ended = true;
        }
    }
    ended.then_some(total)
}

/// Elements within elements at most; both formats know ten levels.
const DEEPEST: usize = 100;

/// Cobertura's `coverage` or JaCoCo's `report`; `None` where the file cannot be read to its end.
fn xml(content: &str) -> Option<(usize, Lines)> {
    let mut reader = Reader::from_str(content);
    let mut path: Vec<Vec<u8>> = Vec::new();
    let (mut root, mut counted, mut jacoco) = (None::<Lines>, Lines::default(), None::<Lines>);
    loop {
        let event = reader.read_event().ok()?;
        let (start, empty) = match &event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                path.pop()?;
                continue;
            }
            Event::Eof => break,
            _ => continue,
        };
        let name = start.local_name().as_ref().to_vec();
        match (path.first().map(Vec::as_slice), path.len(), name.as_slice()) {
            (None, 0, b"coverage") => root = totals(start),
            (Some(b"report"), 1, b"counter") if attribute(start, "type").as_deref() == Some("LINE") => {
                let (missed, covered) = (count(start, "missed")?, count(start, "covered")?);
                jacoco = Some(Lines { covered, all: missed.saturating_add(covered) });
            }
            // A class lists its lines once; its methods list them again.
            (Some(b"coverage"), _, b"line") if !path.iter().any(|part| part == b"method") => {
                counted.all += 1;
                counted.covered += u64::from(count(start, "hits").is_some_and(|hits| hits > 0));
            }
            (None, 0, b"report") => {}
            (None, 0, _) => return None,
            _ => {}
        }
        if !empty {
            path.push(name);
        }
        if path.len() > DEEPEST {
            return None;
        }
    }
    if !path.is_empty() {
        return None;
    }
    let cobertura = root.or((counted.all > 0).then_some(counted)).map(|lines| (1, lines));
    cobertura.or(jacoco.map(|lines| (2, lines)))
}

fn totals(start: &BytesStart<'_>) -> Option<Lines> {
    let (covered, all) = (count(start, "lines-covered")?, count(start, "lines-valid")?);
    (all > 0).then_some(Lines { covered: covered.min(all), all })
}

fn count(start: &BytesStart<'_>, name: &str) -> Option<u64> {
    attribute(start, name)?.trim().parse().ok()
}

fn attribute(start: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = start.try_get_attribute(name).ok()??;
    Some(String::from_utf8_lossy(&attribute.value).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LCOV: &str = "TN:\nSF:src/a.js\nDA:1,1\nDA:2,0\nLF:10\nLH:7\nend_of_record\nSF:src/b.js\nDA:1,3\nDA:2,0\nend_of_record\n";
    const COBERTURA: &str = r#"<?xml version="1.0" ?><!DOCTYPE coverage SYSTEM "x"><coverage version="7" lines-valid="20" lines-covered="15" line-rate="0.75"><packages/></coverage>"#;
    const BARE: &str = r#"<coverage line-rate="0.5"><packages><package><classes><class><methods><method><lines><line number="1" hits="1"/></lines></method></methods><lines><line number="1" hits="1"/><line number="2" hits="0"/></lines></class></classes></package></packages></coverage>"#;
    const JACOCO: &str = r#"<?xml version="1.0"?><report name="a"><package name="p"><counter type="LINE" missed="9" covered="1"/></package><counter type="BRANCH" missed="1" covered="1"/><counter type="LINE" missed="4" covered="16"/></report>"#;

    #[test]
    fn the_three_formats() {
        let of = |files: &[(&str, &str)]| {
            let files: Vec<_> = files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
            Coverage::read(&files).map(|c| (c.covered, c.lines))
        };
        assert_eq!(of(&[("coverage/lcov.info", LCOV)]), Some((8, 12)));
        assert_eq!(of(&[("coverage.xml", COBERTURA)]), Some((15, 20)));
        assert_eq!(of(&[("coverage.xml", BARE)]), Some((1, 2)));
        assert_eq!(of(&[("target/site/jacoco/jacoco.xml", JACOCO)]), Some((16, 20)));
        // The same thing twice counts once, two packages of a repository add up.
        assert_eq!(
            of(&[("coverage/lcov.info", LCOV), ("coverage/cobertura-coverage.xml", COBERTURA)]),
            Some((8, 12))
        );
        assert_eq!(of(&[("web/lcov.info", LCOV), ("api/coverage.xml", COBERTURA)]), Some((23, 32)));
        for broken in ["", "<coverage lines-valid=\"2\" lines-covered=\"2\">", "<testsuite/>", "<report/>"] {
            assert_eq!(of(&[("coverage.xml", broken)]), None, "{broken}");
        }
        assert_eq!(of(&[("lcov.info", "SF:a\nLF:3\nLH:3\n")]), None, "cut off");
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn the_threshold() {
        let coverage = |covered| Coverage { covered, lines: 1000, reports: vec!["lcov.info".into()] };
        assert_eq!(shortfall(Some(&coverage(800)), 80.0), None);
        let told = shortfall(Some(&coverage(799)), 80.0).unwrap();
        assert_eq!(
            told,
            "coverage below threshold: 79.9 % of lines (799 of 1000, by lcov.info), and PACE_COVERAGE_MIN asks for 80 %"
        );
        assert!(shortfall(Some(&coverage(999)), 99.95).unwrap().contains("99.9 %"));
        assert!(shortfall(None, 80.0).unwrap().starts_with("coverage below threshold: this run wrote no"));
    }

    #[test]
    fn names_of_reports() {
        for (name, is) in [
            ("lcov.info", true),
            ("coverage.xml", true),
            ("cobertura-coverage.xml", true),
            ("coverage.cobertura.xml", true),
            ("jacoco.xml", true),
            ("jacocoTestReport.xml", true),
            ("junit.xml", false),
            ("coverage.json", false),
        ] {
            assert_eq!(is_report(name), is, "{name}");
        }
    }
}

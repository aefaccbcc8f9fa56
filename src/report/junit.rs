//! `gate-report.junit.xml`: GATE's verdict as a test report, a test case per acceptance criterion.
//!
//! PASS passes, PARTIAL is skipped with its reason, FAIL fails. A HOLD of GATE is never all green: where no
//! criterion failed, a case of its own carries the reason.
//!
//! Like the other machine-readable reports of a day it is written, noted in the journal and committed as the
//! artifacts are: a later job finds it in the commit that it speaks of, one folder tells the whole day, and a
//! replay holds it against the recording. So it holds no time, no address and no version.

use anyhow::Context as _;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::clean::Clean;
use super::view::DayView;
use crate::domain::Agent;
use crate::domain::artifact::CriterionResult;

/// Name of the file in `.pace/day-N/`.
pub(crate) const FILE: &str = "gate-report.junit.xml";

/// Characters of a name or message, and of a text.
const LINE: usize = 500;
const TEXT: usize = 8_000;

/// The report. Elements and attributes are those that Jenkins' schema `junit-10.xsd` and GitLab know.
pub(crate) fn report(view: &DayView, clean: &Clean<'_>) -> anyhow::Result<String> {
    let cases = cases(view, clean);
    let count =
        |wanted: fn(&Outcome) -> bool| cases.iter().filter(|case| wanted(&case.outcome)).count().to_string();
    let mut suite = BytesStart::new("testsuite");
    suite.push_attribute(("name", format!("pace day {}", view.day).as_str()));
    suite.push_attribute(("tests", cases.len().to_string().as_str()));
    suite.push_attribute(("failures", count(|o| matches!(o, Outcome::Failed(_))).as_str()));
    suite.push_attribute(("errors", "0"));
    suite.push_attribute(("skipped", count(|o| matches!(o, Outcome::Skipped(_))).as_str()));

    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.write_event(Event::Start(BytesStart::new("testsuites")))?;
    xml.write_event(Event::Start(suite))?;
    for case in &cases {
        case.write(view.day, &mut xml)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuite")))?;
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    let mut text = String::from_utf8(xml.into_inner()).context("a JUnit report of text that is not UTF-8")?;
    text.push('\n');
    Ok(text)
}

struct Case {
    name: String,
    outcome: Outcome,
    /// Evidence and cites, any number of lines.
    evidence: String,
}

enum Outcome {
    Passed,
    /// Why, on one line.
    Skipped(String),
    Failed(String),
}

fn cases(view: &DayView, clean: &Clean<'_>) -> Vec<Case> {
    let mut cases: Vec<Case> = view
        .criteria
        .iter()
        .map(|verdict| {
            let why = clean.line(&verdict.evidence, LINE);
            let cites = verdict.cites.iter().map(|cite| {
                let kind = format!("{:?}", cite.kind).to_lowercase();
                format!("\n{kind}: {}", cite.reference)
            });
            let evidence = format!("{}{}", verdict.evidence.trim(), cites.collect::<String>());
            Case {
                name: clean.line(&verdict.criterion, LINE),
                outcome: match verdict.result {
                    CriterionResult::Pass => Outcome::Passed,
                    CriterionResult::Partial => Outcome::Skipped(why),
                    CriterionResult::Fail => Outcome::Failed(why),
                },
                evidence: crate::prompt::plain::cut(&clean.text(&evidence), TEXT),
            }
        })
        .collect();
    if let Some(hold) = view.hold.as_ref().filter(|hold| hold.agent <= Agent::Gate)
        && !cases.iter().any(|case| matches!(case.outcome, Outcome::Failed(_)))
    {
        cases.push(Case {
            name: format!("{} lets the day pass", hold.agent),
            outcome: Outcome::Failed(clean.line(&hold.reason, LINE)),
            evidence: crate::prompt::plain::cut(&clean.text(&hold.reason), TEXT),
        });
    }
    cases
}

impl Case {
    fn write(&self, day: u32, xml: &mut Writer<Vec<u8>>) -> anyhow::Result<()> {
        let mut start = BytesStart::new("testcase");
        start.push_attribute(("classname", format!("pace.day-{day}").as_str()));
        start.push_attribute(("name", self.name.as_str()));
        let inner = match &self.outcome {
            Outcome::Passed => BytesStart::new("system-out"),
            Outcome::Skipped(why) => BytesStart::new("skipped").with_attributes([("message", why.as_str())]),
            Outcome::Failed(why) => {
                BytesStart::new("failure").with_attributes([("type", "FAIL"), ("message", why.as_str())])
            }
        };
        let end = inner.to_end().into_owned();
        xml.write_event(Event::Start(start))?;
        xml.write_event(Event::Start(inner.clone()))?;
        xml.write_event(Event::Text(BytesText::new(&self.evidence)))?;
        xml.write_event(Event::End(end))?;
        xml.write_event(Event::End(BytesEnd::new("testcase")))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn of(view: &DayView) -> String {
        let redact = |text: &str| text.replace("s3cr3t-token", "***");
        report(view, &Clean::new(&redact)).unwrap()
    }

    #[test]
    fn a_case_per_criterion() {
        let text = of(&samples::ship());
        insta::assert_snapshot!(text, @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites>
          <testsuite name="pace day 2" tests="2" failures="0" errors="0" skipped="1">
            <testcase classname="pace.day-2" name="POST /login returns &lt;200&gt; &amp; a token">
              <system-out>test_login PASSED
        test: test_login PASSED</system-out>
            </testcase>
            <testcase classname="pace.day-2" name="CI is green">
              <skipped message="CI — not yet configured">CI — not yet configured
        test: CI — not yet configured</skipped>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    /// Jenkins' `junit-10.xsd`, as far as it speaks of the elements that are written here: element, where it may stand,
    /// attributes that must be there, and others that may.
    const SCHEMA: [(&str, &str, &[&str], &[&str]); 6] = [
        ("testsuites", "", &[], &["name", "time", "tests", "failures", "disabled", "errors"]),
        (
            "testsuite",
            "testsuites",
            &["name", "tests", "failures", "errors"],
            &["time", "disabled", "skipped", "timestamp", "hostname", "id", "package"],
        ),
        ("testcase", "testsuite", &["name", "classname"], &["assertions", "time", "status"]),
        ("failure", "testcase", &[], &["type", "message"]),
        ("skipped", "testcase", &[], &["type", "message"]),
        ("system-out", "testcase", &[], &[]),
    ];

    fn breaches(text: &str) -> Vec<String> {
        let mut reader = quick_xml::Reader::from_str(text);
        let (mut open, mut found): (Vec<String>, Vec<String>) = (vec![], vec![]);
        loop {
            match reader.read_event().unwrap() {
                Event::Eof => return found,
                Event::End(_) => drop(open.pop()),
                Event::Text(text)
                    if open.last().is_some_and(|at| at.starts_with("test"))
                        && !text.decode().unwrap().trim().is_empty() =>
                {
                    found.push("text between elements".into());
                }
                Event::Start(start) => {
                    let name = String::from_utf8(start.name().as_ref().to_vec()).unwrap();
                    let parent = open.last().cloned().unwrap_or_default();
                    let given: Vec<_> = start
                        .attributes()
                        .map(|a| String::from_utf8(a.unwrap().key.as_ref().to_vec()).unwrap())
                        .collect();
                    match SCHEMA.iter().find(|(element, ..)| *element == name) {
                        Some((_, at, must, may)) if *at == parent => {
                            let missing = must.iter().filter(|a| !given.iter().any(|g| g == *a));
                            found.extend(missing.map(|a| format!("{name} lacks {a}")));
                            let more = given.iter().filter(|g| !must.iter().chain(*may).any(|a| a == g));
                            found.extend(more.map(|g| format!("{name} has {g}")));
                        }
                        _ => found.push(format!("{name} in `{parent}`")),
                    }
                    open.push(name);
                }
                _ => {}
            }
        }
    }

    #[test]
    fn every_report_fits_the_published_schema() {
        let mut empty = samples::ship();
        empty.criteria.clear();
        for view in [samples::ship(), samples::hostile(), empty] {
            assert_eq!(breaches(&of(&view)), Vec::<String>::new());
        }
        let broken = of(&samples::ship()).replace(" classname=", " class=").replace("system-out", "output");
        assert_eq!(breaches(&broken).len(), 5, "{:?}", breaches(&broken));
    }

    #[test]
    fn hostile_texts_stay_texts() {
        let text = of(&samples::hostile());
        assert!(
            !text.contains("<script") && !text.contains("s3cr3t-token") && !text.contains(['\0', '\u{1b}'])
        );
        let document = samples::parsed(&text);
        let names: Vec<_> = document.iter().filter(|(element, _)| element == "testcase").collect();
        assert_eq!(names.len(), samples::hostile().criteria.len());
    }

    #[test]
    fn pace_itself_reads_the_report_as_it_was_meant() {
        use crate::domain::observation::TestStatus::{Failed, Passed, Skipped};
        for view in [samples::ship(), samples::hostile()] {
            let report = ("report.xml".to_owned(), of(&view));
            let (cases, source) = crate::evidence::results::read("sh test.sh", "", &[report]);
            let wanted: Vec<_> = view
                .criteria
                .iter()
                .map(|criterion| match criterion.result {
                    CriterionResult::Pass => Passed,
                    CriterionResult::Partial => Skipped,
                    CriterionResult::Fail => Failed,
                })
                .collect();
            assert_eq!(cases.iter().map(|case| case.status).collect::<Vec<_>>(), wanted, "{source}");
        }
    }

    #[test]
    fn a_hold_of_gate_is_never_all_green() {
        let mut view = samples::hostile();
        view.criteria.retain(|c| c.result != CriterionResult::Fail);
        assert!(of(&view).contains("failures=\"0\""), "SENTINEL's hold is no criterion");
        if let Some(hold) = &mut view.hold {
            hold.agent = Agent::Gate;
        }
        let text = of(&view);
        assert!(
            text.contains("failures=\"1\"") && text.contains("name=\"GATE lets the day pass\""),
            "{text}"
        );
    }
}

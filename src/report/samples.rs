//! Days that the tests of machine-readable reports look at: a plain one and one whose every text is hostile.

use super::view::{
    AgentState, BillView, DayView, FindingView, HistoryDay, HoldView, ProductView, TestsView, agents,
};
use crate::domain::Agent;
use crate::domain::artifact::{Cite, CiteKind, CriterionResult, CriterionVerdict, Finding, FindingResult};
use crate::domain::decision::Decision;
use crate::domain::hold::Cause;
use crate::domain::money::{Bill, Usage};

/// Ends delimiters, opens commands, carries markup, controls, a secret and a variable.
const HOSTILE: &str = "x\nEOF\ndecision=SHIP\r\n::set-output name=decision::SHIP\n##[error]no\0\u{1b}[31m\u{202e} \
                       <script>]]>&amp; {0} [go](https://evil.example) $CI_JOB_TOKEN s3cr3t-\u{200b}token @all";

fn criterion(criterion: &str, result: CriterionResult, evidence: &str) -> CriterionVerdict {
    let cites = vec![Cite { kind: CiteKind::Test, reference: evidence.into() }];
    CriterionVerdict { criterion: criterion.into(), result, evidence: evidence.into(), cites }
}

pub(super) fn finding(
    agent: Agent,
    result: FindingResult,
    file: Option<&str>,
    line: Option<u32>,
) -> FindingView {
    let finding = Finding {
        check: "HTTP timeout".into(),
        result,
        evidence: "requests.get() waits for ever".into(),
        file: file.map(Into::into),
        line,
        fingerprint: None,
    };
    FindingView { agent, finding }
}

/// Day 2 ships: a criterion passes, one is partial, a finding passes.
pub(super) fn ship() -> DayView {
    let mut bill = Bill::default();
    bill.book(
        Agent::Prime,
        "claude-sonnet-4-6",
        Usage { input: 1_000, output: 200, ..Usage::default() },
        Some(0.012_34),
    );
    DayView {
        product: ProductView { name: "Atlas".into(), description: None },
        sprint: "auth".into(),
        day: 2,
        last_day: 3,
        theme: "Login".into(),
        attempt: 1,
        branch: "pace/sprint".into(),
        base: "main".into(),
        commit: Some("a3f9c12d8e4b5f60718293a4b5c6d7e8f9012345".into()),
        decision: Some(Decision::Ship),
        abort: None,
        hold: None,
        exit_code: 0,
        agents: agents(&bill, &[(Agent::Prime, AgentState::Done)]),
        criteria: vec![
            criterion("POST /login returns <200> & a token", CriterionResult::Pass, "test_login PASSED"),
            criterion("CI is green", CriterionResult::Partial, "CI — not yet configured"),
        ],
        findings: vec![finding(Agent::Sentinel, FindingResult::Pass, Some("a.rs"), Some(1))],
        files: vec![],
        tests: Some(TestsView {
            command: "pytest".into(),
            summary: "exit code 0".into(),
            failed: vec![],
            flaky: vec![],
            tail: String::new(),
        }),
        bill: BillView::from(&bill),
        rounds: vec![],
        sandbox: "off".into(),
        history: vec![HistoryDay {
            day: 1,
            theme: "Users".into(),
            decision: Some(Decision::Ship),
            attempts: 1,
            cost: None,
        }],
        human_gate: false,
        review_url: None,
        issue_url: None,
    }
}

/// Day 2 is held by SENTINEL, and everything that a model or a person wrote is hostile.
pub(super) fn hostile() -> DayView {
    let mut view = ship();
    view.decision = Some(Decision::Hold);
    view.exit_code = 1;
    view.hold = Some(HoldView { agent: Agent::Sentinel, cause: Cause::Code, reason: HOSTILE.into() });
    view.criteria = [CriterionResult::Pass, CriterionResult::Partial, CriterionResult::Fail]
        .map(|result| criterion(&format!("{result:?} {HOSTILE}"), result, HOSTILE))
        .into();
    let flaw = |agent, result, file: Option<&str>, print: Option<&str>| FindingView {
        agent,
        finding: Finding {
            check: HOSTILE.into(),
            evidence: HOSTILE.into(),
            fingerprint: print.map(Into::into),
            ..finding(agent, result, file, Some(42)).finding
        },
    };
    view.findings = vec![
        flaw(Agent::Sentinel, FindingResult::Fail, Some("src/a b:,%.py"), Some("aaaabbbbcccc")),
        flaw(Agent::Sentinel, FindingResult::Advisory, Some(HOSTILE), Some("aaaabbbbcccc")),
        flaw(Agent::Conduit, FindingResult::Advisory, Some("../../etc/passwd"), None),
    ];
    view
}

/// Every element of an XML document with its attributes; the document must be well-formed.
pub(super) fn parsed(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let mut elements = vec![];
    loop {
        match reader.read_event().unwrap() {
            Event::Start(start) | Event::Empty(start) => {
                let attributes = start.attributes().map(|attribute| {
                    let attribute = attribute.unwrap();
                    let key = String::from_utf8(attribute.key.as_ref().to_vec()).unwrap();
                    (key, attribute.unescape_value().unwrap().into_owned())
                });
                elements
                    .push((String::from_utf8(start.name().as_ref().to_vec()).unwrap(), attributes.collect()));
            }
            Event::Eof => return elements,
            _ => {}
        }
    }
}

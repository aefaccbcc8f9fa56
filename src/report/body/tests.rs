//! The bodies of a SHIP, an ADVISORY, a HOLD, an aborted and a hostile day.

use super::*;
use crate::domain::Agent;
use crate::domain::artifact::{CriterionResult, CriterionVerdict, Finding, FindingResult, HandoffFile};
use crate::domain::decision::Decision;
use crate::domain::diff::Change;
use crate::domain::hold::Cause;
use crate::domain::money::{Bill, Usage};
use crate::report::view::{
    AgentState, BillView, FindingView, HistoryDay, HoldView, ProductView, RoundView, TestsView, agents,
};

fn bill(agents: &[Agent]) -> Bill {
    let mut bill = Bill::default();
    for (n, agent) in (1..).zip(agents) {
        let usage = Usage { input: 1_200 * n, cache_read: 9_000, output: 350, ..Usage::default() };
        bill.book(*agent, "claude-sonnet-4-6", usage, Some(0.0125));
        bill.book(*agent, "claude-sonnet-4-6", usage, Some(0.0125));
    }
    bill
}

fn criterion(text: &str, result: CriterionResult, evidence: &str) -> CriterionVerdict {
    CriterionVerdict { criterion: text.into(), result, evidence: evidence.into(), cites: vec![] }
}

fn finding(agent: Agent, check: &str, result: FindingResult, evidence: &str) -> FindingView {
    FindingView {
        agent,
        finding: Finding {
            check: check.into(),
            result,
            evidence: evidence.into(),
            file: None,
            line: None,
            fingerprint: None,
        },
    }
}

fn history(today: Option<Decision>) -> Vec<HistoryDay> {
    let day = |day, theme: &str, decision, attempts, cost| HistoryDay {
        day,
        theme: theme.into(),
        decision,
        attempts,
        cost,
    };
    vec![
        day(1, "User model and password hashing", Some(Decision::Advisory), 2, Some(6.5875)),
        day(2, "Login endpoint", today, 1, Some(0.15)),
        day(3, "Protected routes", None, 0, Some(0.0)),
    ]
}

fn ship() -> DayView {
    use AgentState::{Done, Ship};
    let bill = bill(&Agent::ALL);
    DayView {
        product: ProductView {
            name: "Atlas".into(),
            description: Some("Accounts for the whole house.".into()),
        },
        sprint: "sprint/auth-feature".into(),
        day: 2,
        last_day: 3,
        theme: "Login endpoint".into(),
        attempt: 1,
        branch: "sprint/auth-feature".into(),
        base: "main".into(),
        commit: Some("a3f9c12d8e4b5f60718293a4b5c6d7e8f9012345".into()),
        decision: Some(Decision::Ship),
        abort: None,
        hold: None,
        exit_code: 0,
        agents: agents(
            &bill,
            &Agent::ALL.map(|a| {
                (a, if matches!(a, Agent::Prime | Agent::Forge | Agent::Scribe) { Done } else { Ship })
            }),
        ),
        criteria: vec![
            criterion(
                "POST /auth/login returns 200 and a token",
                CriterionResult::Pass,
                "tests/test_login.py::test_login_returns_token PASSED",
            ),
            criterion("CI pipeline green", CriterionResult::Partial, "CI pipeline — not yet configured"),
        ],
        findings: vec![
            finding(Agent::Sentinel, "Hardcoded secrets in source files", FindingResult::Pass, "0 hits"),
            finding(Agent::Conduit, "CI files", FindingResult::Pass, "there are none"),
        ],
        files: vec![
            HandoffFile { path: "src/auth/__init__.py".into(), change: Change::Added },
            HandoffFile { path: "tests/test_login.py".into(), change: Change::Modified },
        ],
        tests: Some(TestsView {
            command: "pytest -v --tb=short".into(),
            summary: "exit code 0, 4 tests collected, 4 passed".into(),
            failed: vec![],
            flaky: vec![],
            tail: String::new(),
        }),
        bill: BillView::from(&bill),
        rounds: vec![],
        sandbox: "off, as PACE_SANDBOX says".into(),
        history: history(Some(Decision::Ship)),
        human_gate: false,
        review_url: Some("https://github.com/acme/atlas/pull/7".into()),
        issue_url: None,
    }
}

fn advisory() -> DayView {
    let mut view = ship();
    view.decision = Some(Decision::Advisory);
    view.exit_code = 10;
    view.human_gate = true;
    view.agents[3].state = AgentState::Advisory;
    view.findings[0] = FindingView {
        agent: Agent::Sentinel,
        finding: Finding {
            check: "HTTP timeout on external API calls".into(),
            result: FindingResult::Advisory,
            evidence: "requests.get() with no timeout parameter".into(),
            file: Some("src/clients/payment.py".into()),
            line: Some(42),
            fingerprint: None,
        },
    };
    view.tests.as_mut().unwrap().flaky = vec!["tests/test_mail.py::test_is_sent".into()];
    view.rounds = vec![RoundView {
        number: 1,
        held_by: Agent::Gate,
        reason: "exit code 1: test_login_returns_token failed".into(),
    }];
    view.history = history(Some(Decision::Advisory));
    view.review_url = None;
    view
}

fn hold(agent: Agent, cause: Cause, reason: &str) -> DayView {
    let mut view = ship();
    let bill = bill(&Agent::ALL[..3]);
    view.decision = Some(Decision::Hold);
    view.exit_code = 1;
    view.hold = Some(HoldView { agent, cause, reason: reason.into() });
    view.agents = agents(
        &bill,
        &[(Agent::Prime, AgentState::Done), (Agent::Forge, AgentState::Done), (agent, AgentState::Hold)],
    );
    view.bill = BillView::from(&bill);
    view.criteria[0].result = CriterionResult::Fail;
    view.criteria[0].evidence = "test not found in output".into();
    view.findings.clear();
    view.tests = Some(TestsView {
        command: "pytest -v --tb=short".into(),
        summary: "exit code 1, 4 tests collected, 3 passed, 1 failed".into(),
        failed: vec!["tests/test_login.py::test_token_expires".into()],
        flaky: vec![],
        tail: "E   assert 0 == 86400\n1 failed, 3 passed in 0.12s".into(),
    });
    view.rounds = vec![RoundView { number: 1, held_by: agent, reason: "the token expires at once".into() }];
    view.history = history(Some(Decision::Hold));
    view.review_url = None;
    view
}

fn abort() -> DayView {
    let mut view = ship();
    let bill = bill(&Agent::ALL[..2]);
    view.decision = None;
    view.abort = Some("FORGE: the model could not be reached: 529 overloaded".into());
    view.exit_code = 4;
    view.agents = agents(&bill, &[(Agent::Prime, AgentState::Done)]);
    view.bill = BillView::from(&bill);
    view.bill.cost = None;
    view.commit = None;
    view.criteria.clear();
    view.findings.clear();
    view.files.clear();
    view.tests = None;
    view.history = history(None);
    view.review_url = None;
    view
}

/// What every text field of the hostile day holds.
const ATTACK: &str = "\"]; click X \"javascript:alert(1)\"\n```\n</details>\n\n# Decision: SHIP\n/close\n@octocat fixes #1 \
    | a | b |\n<!-- pace:x:review --><img src=x onerror=1>![i](https://evil.example/x.png)\
    \x1b[31m\u{202e}{{ product }}[skip ci]\nPace-Day: 99\n::error::x ##[error]y";

fn hostile() -> DayView {
    told(ATTACK)
}

/// A held day all of whose texts are `text`.
fn told(text: &str) -> DayView {
    let words = text;
    let text = || words.to_owned();
    let mut view = hold(Agent::Sentinel, Cause::Code, words);
    view.product.name = text();
    view.product.description = Some(text());
    view.sprint = text();
    view.theme = text();
    view.branch = text();
    view.base = text();
    view.commit = Some(text());
    view.sandbox = text();
    view.criteria = vec![criterion(words, CriterionResult::Fail, words)];
    view.findings = vec![FindingView {
        agent: Agent::Conduit,
        finding: Finding {
            check: text(),
            result: FindingResult::Fail,
            evidence: text(),
            file: Some(text()),
            line: Some(1),
            fingerprint: Some(text()),
        },
    }];
    view.files[0].path = text();
    view.tests = Some(TestsView {
        command: text(),
        summary: text(),
        failed: vec![text()],
        flaky: vec![text()],
        tail: text(),
    });
    view.rounds[0].reason = text();
    view.history[0].theme = text();
    view.review_url = Some(text());
    view.issue_url = Some(text());
    view
}

fn days() -> [(&'static str, DayView); 5] {
    [
        ("ship", ship()),
        ("advisory", advisory()),
        (
            "hold",
            hold(
                Agent::Gate,
                Cause::Code,
                "1 of 2 acceptance criteria failed. Criterion 1 (\"POST /auth/login returns 200\") failed — test \
                 not found in output.\nFORGE must add the missing test before this story can ship.",
            ),
        ),
        ("abort", abort()),
        ("hostile", hostile()),
    ]
}

fn templates() -> Templates {
    Templates::new(None).unwrap()
}

#[test]
fn review_bodies() {
    for (name, view) in days() {
        let body = review(&templates(), &view).unwrap();
        assert!(body.starts_with(&marker::review(&view.sprint)), "{name}");
        insta::assert_snapshot!(format!("review_{name}"), body);
    }
}

#[test]
fn escalation_bodies() {
    for (name, view) in days() {
        if view.hold.is_some() {
            let body = escalation(&templates(), &view).unwrap();
            assert!(body.starts_with(&marker::hold(&view.sprint, view.day)), "{name}");
            insta::assert_snapshot!(format!("escalation_{name}"), body);
        }
    }
}

#[test]
fn what_to_do_next_depends_on_who_holds_and_why() {
    for (agent, cause, says) in [
        (Agent::Gate, Cause::Code, "Add an out_of_scope entry"),
        (Agent::Sentinel, Cause::Code, "parameterised queries"),
        (Agent::Conduit, Cause::Code, "Pin it to a version tag"),
        (Agent::Gate, Cause::Outside, "outside the code that FORGE may write"),
        (Agent::Forge, Cause::Outside, "outside the code that FORGE may write"),
        (Agent::Prime, Cause::Code, "PRIME did not finish its part"),
    ] {
        let body = escalation(&templates(), &hold(agent, cause, "why")).unwrap();
        assert!(body.contains(says), "{agent} {cause:?}:\n{body}");
        assert!(body.contains("`DAY=2 pace`"));
    }
}

#[test]
fn summaries() {
    for (name, view) in days() {
        insta::assert_snapshot!(format!("summary_{name}"), summary(&templates(), &view).unwrap());
    }
}

#[test]
fn titles_and_commit_messages() {
    let mut all = String::new();
    for (name, view) in days() {
        let commit = serde_json::json!({
            "sprint": view.sprint,
            "day": view.day,
            "title": view.theme,
            "approach": view.hold.as_ref().map_or(
                "Added a login endpoint that checks the password against its bcrypt hash and answers with a signed token.",
                |hold| &hold.reason,
            ),
            "built": "src/auth/login.py — login()",
        });
        for (what, text) in [
            ("review title", review_title(&templates(), &view).unwrap()),
            ("escalation title", escalation_title(&templates(), &view).unwrap()),
            ("commit", templates().message("commit.txt.j2", &commit, Some(view.day), &view.sprint).unwrap()),
            ("artifacts commit", artifacts_commit(&templates(), &view).unwrap()),
            ("plan commit", {
                let plan = serde_json::json!({"days": [1, 2], "total_usd": 2.5, "sprint": view.sprint});
                templates().message("commit-plan.txt.j2", &plan, Some(view.day), &view.sprint).unwrap()
            }),
            ("archive commit", {
                let archive = serde_json::json!({"archived": view.theme, "sprint": view.sprint});
                templates().message("commit-archive.txt.j2", &archive, Some(view.day), &view.sprint).unwrap()
            }),
        ] {
            all.push_str(&format!("===== {name}: {what}\n{}\n", text.trim_end()));
            if what.ends_with("title") {
                assert!(!text.contains('\n') && text.chars().count() < 256);
            } else {
                let trailers: Vec<_> = text.lines().filter(|l| l.starts_with("Pace-")).collect();
                assert_eq!(trailers.len(), 2, "{text}");
                assert!(text.lines().next().unwrap().chars().count() <= 72);
                assert!(
                    text.trim_end().rsplit("\n\n").next().unwrap().starts_with("Pace-Day: 2\nPace-Sprint: ")
                );
            }
        }
    }
    insta::assert_snapshot!("titles_and_commits", all);
}

/// Every line of a Mermaid block is one that the template wrote: quotes hold only what cannot end them.
#[test]
fn the_picture_is_well_formed() {
    let label = r#""[^"<>`\\]*(<br/>[^"<>`\\]*)?""#;
    let line = regex::Regex::new(&format!(
        r#"^(flowchart LR|    day\(\[{label}\]\) --> PRIME|    [A-Z]+\[{label}\]:::[a-z]+|    [A-Z]+( --> [A-Z]+)+|    [A-Z]+ -\. {label} \.-> FORGE|    classDef [a-z]+ [a-z0-9#:, -]+)$"#
    ))
    .unwrap();
    for (name, view) in days() {
        let text = summary(&templates(), &view).unwrap();
        let (_, rest) = text.split_once("```mermaid\n").unwrap();
        let (picture, _) = rest.split_once("\n```\n").unwrap();
        for l in picture.lines() {
            assert!(line.is_match(l), "{name}: {l}");
        }
        for state in picture.lines().filter_map(|l| l.split_once(":::")).map(|(_, s)| s) {
            assert!(picture.contains(&format!("classDef {state} ")), "{name}: {state}");
        }
        assert_eq!(picture.matches(" .-> FORGE").count(), view.rounds.len(), "{name}");
    }
}

/// What makes structure of a body: how its lines begin, and their cells and tags. Fenced blocks count as one.
fn structure(body: &str) -> Vec<String> {
    let opening = regex::Regex::new(r"^(<!-- |#+ |- |---|\||`+|\*\*|)").unwrap();
    let mut fence = None;
    let mut shapes = Vec::new();
    for line in body.lines() {
        match &fence {
            Some(end) if line == end => fence = None,
            Some(_) => continue,
            None if line.starts_with("```") => {
                fence = Some(line.trim_end_matches(char::is_alphabetic).to_owned())
            }
            None => {}
        }
        let tags = line.replace("<br>", "").matches('<').count();
        let start = opening.find(line).map_or("", |m| m.as_str());
        let start = if start.starts_with('`') { "```" } else { start };
        shapes.push(format!("{start} {} cells, {tags} tags", line.matches('|').count()));
    }
    assert_eq!(fence, None, "a block stays open");
    shapes
}

#[test]
fn a_hostile_day_has_the_structure_of_a_harmless_one() {
    let bodies = |text: &str| {
        let view = told(text);
        [
            review(&templates(), &view).unwrap(),
            escalation(&templates(), &view).unwrap(),
            summary(&templates(), &view).unwrap(),
        ]
    };
    for (hostile, harmless) in bodies(ATTACK).iter().zip(&bodies("harmless")) {
        assert_eq!(structure(hostile), structure(harmless));
        assert!(!hostile.contains(['\x1b', '\u{202e}']));
    }
}

#[test]
fn a_long_body_keeps_its_first_lines_and_says_that_it_was_cut() {
    let body = format!("<!-- marker -->\n{}", "é line\n".repeat(100));
    let cut = fit(body.clone(), 120);
    assert!(cut.starts_with("<!-- marker -->\né line\n"));
    assert!(cut.contains("\né line\n\n*The rest is left out: 816 bytes"), "{cut}");
    assert_eq!(fit(body.clone(), body.len()), body);
    assert!(fit("x".repeat(50), 10).starts_with("xxxxxxxxxx\n*The rest"));
}

#[test]
fn a_sprint_of_many_files_and_findings_fits() {
    let mut view = hostile();
    view.findings = vec![view.findings[0].clone(); 500];
    view.criteria = vec![view.criteria[0].clone(); 500];
    view.files = vec![view.files[0].clone(); 5_000];
    view.history = vec![view.history[0].clone(); 400];
    for body in [review(&templates(), &view).unwrap(), escalation(&templates(), &view).unwrap()] {
        assert!(body.len() <= BODY + 200);
    }
    assert!(summary(&templates(), &view).unwrap().len() <= SUMMARY + 200);
}

#[test]
fn a_note_is_the_summary_below_its_marker() {
    let templates = Templates::new(None).unwrap();
    for view in [ship(), hostile()] {
        let (note, summary) = (note(&templates, &view).unwrap(), summary(&templates, &view).unwrap());
        let (marker, rest) = note.split_once('\n').unwrap();
        assert_eq!((marker, rest), (marker::summary(&view.sprint).as_str(), summary.trim_start()));
    }
}

//! Fills every template of a user's folder with made-up values before anything is spent, so that one that would fail at
//! the end of a day fails at its beginning. Knows what the bodies may hold; the prompts are looked through alone.

use serde_json::json;

use super::body;
use super::sprint::{self, AdvisoryView, ChangedFile, SprintDay, SprintView};
use super::view::{
    AgentState, BillView, DayView, FindingView, HistoryDay, HoldView, ProductView, RoundView, TestsView,
    agents,
};
use crate::domain::Agent;
use crate::domain::artifact::{CriterionResult, CriterionVerdict, Finding, FindingResult, HandoffFile};
use crate::domain::backlog::{Entry, Judgement, Status};
use crate::domain::decision::Decision;
use crate::domain::diff::Change;
use crate::domain::hold::Cause;
use crate::domain::money::{Bill, Usage};
use crate::domain::progress::{self, DayProgress};
use crate::prompt::Templates;

/// What is wrong with a user's own templates, each with file and line; nothing where there are none.
pub(crate) fn problems(templates: &Templates) -> Vec<String> {
    if !templates.has_own() {
        return vec![];
    }
    let mut problems = templates.own_without_effect();
    let mut rendered = |result: anyhow::Result<()>| {
        if let Err(error) = result {
            let problem = format!("{error:#}");
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
    };
    for view in days() {
        if view.decision == Some(Decision::Hold) {
            rendered(body::escalation(templates, &view).map(drop));
            rendered(body::escalation_title(templates, &view).map(drop));
        } else if view.decision.is_some() {
            rendered(body::review(templates, &view).map(drop));
            rendered(body::review_title(templates, &view).map(drop));
        }
        rendered(body::summary(templates, &view).map(drop));
        rendered(body::artifacts_commit(templates, &view).map(drop));
    }
    for view in sprints() {
        rendered(sprint::progress(templates, &view, None).map(drop));
        rendered(sprint::summary(templates, &view).map(drop));
        rendered(sprint::page(templates, &view).map(drop));
        for entry in &view.advisories {
            for escalated in [true, false] {
                let view = AdvisoryView { sprint: "spring", entry, escalated };
                rendered(sprint::advisory(templates, &view).map(drop));
            }
        }
    }
    for text in ["", "A word."] {
        let work = json!({"title": "Login", "approach": text, "built": text, "day": 1, "sprint": "spring"});
        rendered(templates.message("commit.txt.j2", &work, Some(1), "spring").map(drop));
    }
    let days = json!([{"day": 1, "theme": "Login", "criteria": 1, "estimate_usd": null}]);
    for total in [json!(null), json!(2.5)] {
        let plan = json!({"days": days, "total_usd": total, "sprint": "spring"});
        rendered(templates.message("commit-plan.txt.j2", &plan, Some(0), "spring").map(drop));
    }
    let archive = json!({"archived": "winter", "sprint": "spring"});
    rendered(templates.message("commit-archive.txt.j2", &archive, None, "spring").map(drop));
    problems
}

/// Days with everything and with nothing: shipped, held, held before anything ran, without verdict.
fn days() -> [DayView; 5] {
    let ship = day();
    let hold = |view: DayView| DayView {
        decision: Some(Decision::Hold),
        hold: Some(HoldView { agent: Agent::Gate, cause: Cause::Code, reason: "exit code 1".into() }),
        exit_code: 1,
        ..view
    };
    let empty = DayView {
        product: ProductView { name: "Atlas".into(), description: None },
        commit: None,
        criteria: vec![],
        findings: vec![],
        files: vec![],
        tests: None,
        rounds: vec![],
        review_url: None,
        issue_url: None,
        ..day()
    };
    let abort =
        DayView { decision: None, abort: Some("no model answered".into()), exit_code: 4, ..empty.clone() };
    [ship.clone(), empty.clone(), hold(ship), hold(empty), abort]
}

fn day() -> DayView {
    let mut bill = Bill::default();
    bill.book(Agent::Prime, "model", Usage { input: 1_000, output: 100, ..Usage::default() }, None);
    let verdict = |result| CriterionVerdict {
        criterion: "POST /login returns 200".into(),
        result,
        evidence: "test_login passed".into(),
        cites: vec![],
    };
    let finding = |result, file: Option<&str>| FindingView {
        agent: Agent::Sentinel,
        finding: Finding {
            check: "HTTP timeout".into(),
            result,
            evidence: "waits for ever".into(),
            file: file.map(Into::into),
            line: file.map(|_| 3),
            fingerprint: file.map(|_| "0a1b2c3d4e5f".into()),
        },
    };
    let past = |day, decision, cost| HistoryDay { day, theme: "Login".into(), decision, attempts: day, cost };
    DayView {
        product: ProductView { name: "Atlas".into(), description: Some("Accounts.".into()) },
        sprint: "spring".into(),
        day: 1,
        last_day: 2,
        theme: "Login".into(),
        attempt: 1,
        branch: "pace/sprint".into(),
        base: "main".into(),
        commit: Some("a3f9c12d8e4b5f60718293a4b5c6d7e8f9012345".into()),
        decision: Some(Decision::Advisory),
        abort: None,
        hold: None,
        exit_code: 10,
        agents: agents(&bill, &[(Agent::Prime, AgentState::Done)]),
        criteria: [CriterionResult::Pass, CriterionResult::Partial, CriterionResult::Fail]
            .map(verdict)
            .into(),
        findings: vec![finding(FindingResult::Advisory, Some("a.rs")), finding(FindingResult::Fail, None)],
        files: vec![HandoffFile { path: "a.rs".into(), change: Change::Added }],
        tests: Some(TestsView {
            command: "pytest".into(),
            summary: "exit code 1, 2 tests collected, 1 passed, 1 failed".into(),
            failed: vec!["test_a".into()],
            flaky: vec!["test_b".into()],
            tail: "1 failed".into(),
        }),
        bill: BillView::from(&bill),
        rounds: vec![RoundView { number: 1, held_by: Agent::Gate, reason: "exit code 1".into() }],
        sandbox: "tier 1".into(),
        history: vec![past(1, Some(Decision::Ship), None), past(2, None, Some(0.0))],
        human_gate: true,
        review_url: Some("https://example.com/pull/1".into()),
        issue_url: Some("https://example.com/issues/1".into()),
    }
}

/// Sprints with everything and with nothing.
fn sprints() -> [SprintView; 2] {
    let progress = |day, decision, hold_reason: Option<&str>| DayProgress {
        day,
        theme: "Login".into(),
        decision,
        attempts: if decision.is_some() { 2 } else { 0 },
        aborted: false,
        estimate: decision.map(|_| 2.5),
        actual: decision.map(|_| 3.1),
        wasted: decision.map(|_| 0.6),
        hold_reason: hold_reason.map(Into::into),
        open_advisories: decision.map(|_| 1),
        human_gate: day == 1,
        clearance: day == 2,
    };
    let view = |decision: Option<Decision>, reason: Option<&str>, full: bool| {
        let days = vec![progress(1, decision, None), progress(2, decision.map(|_| Decision::Hold), reason)];
        let totals = progress::totals(&days);
        let days = days.into_iter().map(|day| SprintDay::new(day, [decision; 3])).collect();
        let issues = if full { vec![None, Some("https://example.com/issues/2".to_owned())] } else { vec![] };
        SprintView {
            product: ProductView { name: "Atlas".into(), description: full.then(|| "Accounts.".into()) },
            sprint: "spring".into(),
            goal: full.then(|| "Accounts for all".into()),
            days,
            totals,
            advisories: issues.into_iter().map(advisory).collect(),
            files: full
                .then(|| ChangedFile { path: "a.rs".into(), change: Change::Added, days: vec![1, 2] })
                .into_iter()
                .collect(),
            generated_at: "2026-03-13T05:47:11Z".into(),
        }
    };
    [view(Some(Decision::Ship), Some("exit code 1"), true), view(None, None, false)]
}

fn advisory(issue: Option<String>) -> Entry {
    let finding = "No timeout".to_owned();
    Entry {
        id: "0a1b2c3d4e5f".into(),
        day: 1,
        agent: Agent::Conduit,
        finding: finding.clone(),
        status: if issue.is_some() { Status::Escalated } else { Status::Open },
        issue,
        history: vec![Judgement { day: 1, result: FindingResult::Advisory, evidence: finding }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let place = format!("{}/", dir.path().display());
        let problems = problems(&Templates::new(Some(dir.path())).unwrap());
        problems.into_iter().map(|problem| problem.replace(&place, "")).collect()
    }

    #[test]
    fn the_embedded_templates_stand_every_day_also_as_a_users_own() {
        let embedded: Vec<(String, String)> = crate::prompt::Templates::embedded();
        assert!(embedded.len() > 20);
        let files: Vec<(&str, &str)> = embedded.iter().map(|(n, t)| (n.as_str(), t.as_str())).collect();
        assert_eq!(with(&files), Vec::<String>::new());
        assert!(problems(&Templates::new(None).unwrap()).is_empty());
    }

    /// Every template that a body or commit comes from is one whose failure is found.
    #[test]
    fn every_template_is_tried() {
        for (name, _) in Templates::embedded() {
            let found = with(&[(name.as_str(), "one\n{{ no_such_value }}\n")]);
            let told =
                found.iter().any(|p| p.starts_with(&format!("{name}:2: ")) && p.contains("no_such_value"));
            // Parts define macros alone: what they lack is found where they are used.
            assert!(
                told || name.ends_with("parts.md.j2") || name.ends_with("shared.md.j2"),
                "{name}: {found:?}"
            );
        }
    }

    #[test]
    fn all_problems_are_told_at_once_and_none_where_there_is_none() {
        let found = with(&[
            ("summary.md.j2", "Day {{ day }}\n{{ tests.summary }}\n"),
            ("review-pr.md.j2", "{{ theme | shout }}"),
            ("sumary.md.j2", "Day {{ day }}"),
            ("house.md.j2", "{% macro hello() %}hello{% endmacro %}"),
            ("review-title.txt.j2", "{% from 'house.md.j2' import hello %}{{ hello() }} {{ theme }}"),
            ("prompts/gate.user.md.j2", "{{ card }} {{ criterias }} {{ plan.day }}"),
        ]);
        assert_eq!(found.len(), 4, "{found:#?}");
        for (start, says) in [
            ("summary.md.j2:2: ", "undefined value"),
            ("review-pr.md.j2:1: ", "shout"),
            ("sumary.md.j2", "no template of pace has this name, and none includes it"),
            ("prompts/gate.user.md.j2:1: ", "`criterias` is undefined"),
        ] {
            assert!(found.iter().any(|p| p.starts_with(start) && p.contains(says)), "{start}: {found:#?}");
        }
    }
}

use super::*;
use crate::domain::Agent;
use crate::domain::artifact::{FindingResult, HandoffFile};
use crate::domain::backlog::{Judgement, Status};
use crate::domain::decision::Decision;
use crate::domain::diff::Change;
use crate::domain::progress::{self, DayProgress};
use crate::report::view::ProductView;

fn templates() -> Templates {
    Templates::new(None).unwrap()
}

fn day(number: u32, decision: Option<Decision>, attempts: u32) -> SprintDay {
    let progress = DayProgress {
        day: number,
        theme: format!("Theme {number}"),
        decision,
        attempts,
        aborted: false,
        estimate: Some(2.5),
        actual: Some(if attempts == 0 { 0.0 } else { 3.1054 * f64::from(attempts) }),
        wasted: Some(3.1054 * f64::from(attempts.saturating_sub(1))),
        hold_reason: (decision == Some(Decision::Hold)).then(|| "GATE HOLD: a test failed".to_owned()),
        open_advisories: decision.map(|_| 1),
        human_gate: false,
        clearance: number == 3,
    };
    SprintDay::new(progress, [decision; 3])
}

fn entry(finding: &str) -> Entry {
    Entry {
        id: "0a1b2c3d4e5f".into(),
        day: 1,
        agent: Agent::Sentinel,
        finding: finding.into(),
        status: Status::Escalated,
        issue: Some("https://example.com/issues/7".into()),
        history: vec![Judgement { day: 1, result: FindingResult::Advisory, evidence: finding.into() }],
    }
}

fn view(text: &str) -> SprintView {
    let days = vec![
        day(1, Some(Decision::Ship), 2),
        day(2, Some(Decision::Advisory), 1),
        day(3, Some(Decision::Hold), 1),
        day(4, None, 0),
    ];
    let totals = progress::totals(&days.iter().map(|d| d.progress.clone()).collect::<Vec<_>>());
    SprintView {
        product: ProductView { name: format!("shop {text}"), description: None },
        sprint: "spring".into(),
        goal: Some(format!("Sell {text}")),
        days,
        totals,
        advisories: vec![entry(&format!("No timeout {text}"))],
        files: vec![ChangedFile { path: "src/pay.py".into(), change: Change::Added, days: vec![1, 3] }],
        generated_at: "2026-03-13T05:47:11Z".into(),
    }
}

#[test]
fn the_sprints_pages_read_well() {
    let view = view("");
    insta::assert_snapshot!("progress", progress(&templates(), &view, None).unwrap());
    insta::assert_snapshot!("sprint_summary", summary(&templates(), &view).unwrap());
    let escalated = AdvisoryView { sprint: "spring", entry: &view.advisories[0], escalated: true };
    let (title, body) = advisory(&templates(), &escalated).unwrap();
    insta::assert_snapshot!("advisory", format!("{title}\n---\n{body}"));
    assert_eq!(body.lines().next(), Some(marker::advisory("spring", "0a1b2c3d4e5f").as_str()));
}

#[test]
fn progress_has_the_words_of_the_schema_page() {
    let text = progress(&templates(), &view(""), None).unwrap();
    for words in ["| $6.21 (2x) |", "Total actual (incl. retries)", "Wasted on retries", "Actual Cost"] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
}

#[test]
fn what_people_wrote_around_the_progress_stays() {
    let view = view("");
    let first = progress(&templates(), &view, Some("# Ours\n\nA word.\n")).unwrap();
    assert!(first.starts_with("# Ours\n\nA word.\n\n<!-- pace:progress -->\n"), "{first}");
    let edited = format!("{first}\nAfter it.\n");
    let again = progress(&templates(), &view, Some(&edited)).unwrap();
    assert_eq!(again, edited, "renewing it changes nothing else");
}

#[test]
fn hostile_texts_stay_inert() {
    let hostile = "</title><script>alert(1)</script> {{ 7 * 7 }} <!-- /pace:progress --> @team closes #1 | x\n# Decision: \
                   SHIP\n/close\n```\n\x1b[31m\u{202e}</details><img src=x onerror=1>![i](https://evil.example/x.png)";
    let view = view(hostile);
    let page = page(&templates(), &view).unwrap();
    assert!(!page.contains(['\x1b', '\u{202e}']) && !page.contains("<img"), "{page}");
    assert!(!page.contains("<script") && page.contains("{{ 7 * 7 }}") && page.contains("&lt;script&gt;"));
    let text = progress(&templates(), &view, None).unwrap();
    assert_eq!(text.matches("<!-- /pace:progress -->").count(), 1, "{text}");
    let (_, body) =
        advisory(&templates(), &AdvisoryView { sprint: "s", entry: &view.advisories[0], escalated: false })
            .unwrap();
    for text in [&text, &summary(&templates(), &view).unwrap(), &body] {
        for effect in [
            "<script",
            "@team closes #1",
            "\n# Decision",
            "\n/close",
            "\n```",
            "\x1b",
            "\u{202e}",
            "<img",
            "![i](",
        ] {
            assert!(!text.contains(effect), "{effect:?} in {text}");
        }
        assert!(text.contains("{{ 7 "), "{text}");
    }
}

#[test]
fn a_page_stands_alone() {
    let page = page(&templates(), &view("")).unwrap();
    assert_eq!(page.matches("<svg role=\"img\"").count(), 4);
    let page = page.replace("https://example.com/issues/7", "");
    assert!(!page.contains("http://") && !page.contains("https://") && !page.contains("src="), "{page}");
}

#[test]
fn changes_of_several_days_become_one() {
    let file = |path: &str, change| HandoffFile { path: path.into(), change };
    let one = [file("a", Change::Added), file("b", Change::Modified), file("c", Change::Added)];
    let two = [file("a", Change::Modified), file("b", Change::Deleted), file("c", Change::Deleted)];
    let files = changed_files([(1, &one[..]), (2, &two[..])]);
    let found: Vec<_> = files.iter().map(|f| (f.path.as_str(), f.change, f.days.len())).collect();
    assert_eq!(found, [("a", Change::Added, 2), ("b", Change::Deleted, 2)]);
}

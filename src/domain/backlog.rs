//! Advisories that shipped days left behind.

use serde::{Deserialize, Serialize};

use super::Agent;
use super::artifact::{Finding, FindingResult};

/// State of a backlog entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// Waits for a clearance day.
    Open,
    /// A reviewer saw it resolved.
    Closed,
    /// Handed to people as an issue.
    Escalated,
}

/// One judgement of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Judgement {
    /// Day on which it was judged.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// `PASS` closes the entry, `FAIL` blocks the day, `ADVISORY` keeps it open.
    pub result: FindingResult,
    /// What the verdict rests on.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub evidence: String,
}

/// One entry of `advisory-backlog.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Entry {
    /// Stable fingerprint that survives line moves.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub id: String,
    /// Day on which the advisory was first raised.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Who raised it.
    #[cfg_attr(test, schemars(extend("enum" = ["SENTINEL", "CONDUIT"])))]
    pub agent: Agent,
    /// What was found.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub finding: String,
    /// Whether it still waits for an answer.
    pub status: Status,
    /// Where people discuss it, once an issue was opened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<String>,
    /// Judgements since, oldest first.
    #[serde(default)]
    pub history: Vec<Judgement>,
}

/// Books one finding of a day that ships: an advisory opens an entry or repeats one, a PASS that answers one
/// closes it.
pub(crate) fn book(entries: &mut Vec<Entry>, day: u32, agent: Agent, finding: &Finding) {
    let Some(id) = &finding.fingerprint else { return };
    let judgement = Judgement { day, result: finding.result, evidence: finding.evidence.clone() };
    if let Some(entry) = entries.iter_mut().find(|e| &e.id == id && e.agent == agent) {
        entry.status = match finding.result {
            FindingResult::Pass => Status::Closed,
            FindingResult::Advisory | FindingResult::Fail => Status::Open,
        };
        entry.history.push(judgement);
    } else if finding.result == FindingResult::Advisory {
        entries.push(Entry {
            id: id.clone(),
            day,
            agent,
            finding: format!("{}: {}", finding.check, finding.evidence),
            status: Status::Open,
            issue: None,
            history: vec![judgement],
        });
    }
}

/// Books what blocked a day that is held: an entry that was answered with FAIL. Nothing is closed on code that
/// does not ship, and nothing opened.
pub(crate) fn book_blocking(entries: &mut [Entry], day: u32, agent: Agent, finding: &Finding) {
    let Some(id) = finding.fingerprint.as_ref().filter(|_| finding.result == FindingResult::Fail) else {
        return;
    };
    if let Some(entry) = entries.iter_mut().find(|e| &e.id == id && e.agent == agent) {
        entry.history.push(Judgement { day, result: finding.result, evidence: finding.evidence.clone() });
    }
}

/// The `open` entries that no finding answers. A finding answers the entry whose id is its fingerprint; an
/// ADVISORY that only repeats the entry's words gives no reason why it stays, and answers nothing.
pub(crate) fn unanswered<'a>(open: &'a [Entry], findings: &[Finding]) -> Vec<&'a Entry> {
    let answers = |entry: &Entry, finding: &Finding| {
        finding.fingerprint.as_ref() == Some(&entry.id)
            && (finding.result != FindingResult::Advisory || justifies(entry, &finding.evidence))
    };
    open.iter().filter(|entry| !findings.iter().any(|finding| answers(entry, finding))).collect()
}

fn justifies(entry: &Entry, evidence: &str) -> bool {
    let words = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
        words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
    };
    let said = words(evidence);
    let known =
        entry.history.iter().filter(|j| j.result == FindingResult::Advisory).map(|j| words(&j.evidence));
    !words(&entry.finding).contains(&said) && known.into_iter().all(|known| known != said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(id: &str, result: FindingResult, evidence: &str) -> Finding {
        Finding {
            check: "c".into(),
            result,
            evidence: evidence.into(),
            file: None,
            line: None,
            fingerprint: Some(id.into()),
        }
    }

    #[test]
    fn an_advisory_opens_once_and_a_pass_closes() {
        let mut entries = vec![];
        book(&mut entries, 1, Agent::Sentinel, &finding("a", FindingResult::Advisory, "e"));
        book(&mut entries, 2, Agent::Sentinel, &finding("a", FindingResult::Advisory, "e"));
        book(&mut entries, 2, Agent::Sentinel, &finding("b", FindingResult::Pass, "e"));
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].day, entries[0].status, entries[0].history.len()), (1, Status::Open, 2));
        book(&mut entries, 3, Agent::Conduit, &finding("a", FindingResult::Pass, "e"));
        assert_eq!(entries[0].status, Status::Open, "another agent's finding closes nothing");
        book(&mut entries, 3, Agent::Sentinel, &finding("a", FindingResult::Pass, "e"));
        assert_eq!(entries[0].status, Status::Closed);
    }

    #[test]
    fn a_held_day_books_what_blocked_it_and_nothing_else() {
        let mut entries = vec![];
        book(&mut entries, 1, Agent::Sentinel, &finding("a", FindingResult::Advisory, "e"));
        for result in [FindingResult::Pass, FindingResult::Advisory, FindingResult::Fail] {
            book_blocking(&mut entries, 3, Agent::Sentinel, &finding("a", result, "e"));
            book_blocking(&mut entries, 3, Agent::Sentinel, &finding("new", result, "e"));
        }
        assert_eq!((entries.len(), entries[0].status, entries[0].history.len()), (1, Status::Open, 2));
        assert_eq!(entries[0].history[1].result, FindingResult::Fail);
    }

    #[test]
    fn every_open_entry_needs_an_answer_of_its_own() {
        use FindingResult::{Advisory, Fail, Pass};
        let mut open = vec![];
        book(&mut open, 1, Agent::Sentinel, &finding("a", Advisory, "No timeout on line 4"));
        for (id, result, evidence, answered) in [
            ("a", Pass, "timeout=30 is set", true),
            ("a", Fail, "it hangs now", true),
            ("a", Advisory, "the vendor's client has no timeout; day 5 replaces it", true),
            ("a", Advisory, "no timeout on line 4!", false),
            ("a", Advisory, "c: No timeout on line 4", false),
            ("b", Pass, "timeout=30 is set", false),
        ] {
            let left = unanswered(&open, &[finding(id, result, evidence)]);
            assert_eq!(left.is_empty(), answered, "{id} {result:?} {evidence}");
        }
        assert_eq!(unanswered(&open, &[]).len(), 1);
    }
}

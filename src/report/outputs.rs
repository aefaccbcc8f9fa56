//! What a run came to, for the steps and jobs after it: `$GITHUB_OUTPUT`.
//!
//! A value that a model wrote must not become an output of its own, so every value stands between two lines of a
//! delimiter that nobody can guess, and one that a value contains is drawn again.
//! Format: docs.github.com, "Workflow commands", multiline strings. Opens no file and draws nothing by itself.

use std::collections::BTreeMap;

use anyhow::bail;
use serde::Serialize;
use serde_json::Value;

use super::clean::Clean;
use super::view::DayView;
use crate::domain::money::round_usd;

/// Characters of a hold reason that an output carries; the day's report has all of it.
const REASON: usize = 4_000;

/// Characters of any other value.
const VALUE: usize = 1_000;

/// Draws of a delimiter before giving up on whoever draws them.
const DRAWS: usize = 8;

/// The results of a run, in the order and under the names in which they are told. Absent = empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Outputs {
    /// `SHIP`, `ADVISORY`, `HOLD`; `SKIPPED`, `CONFIG`, `PLAN`, `ABORT` where nothing was judged; empty after a
    /// dry run.
    pub decision: String,
    pub exit_code: u8,
    pub day: Option<u32>,
    /// `<AGENT> HOLD: …`.
    pub hold_reason: Option<String>,
    pub pr_url: Option<String>,
    pub issue_url: Option<String>,
    pub branch: Option<String>,
    /// US dollars; absent where a price is unknown.
    pub cost_usd: Option<f64>,
    /// All kinds together.
    pub tokens: Option<u64>,
    /// Path of the day's page, from the repository root.
    pub report_file: Option<String>,
    /// US dollars by agent; null where a price is unknown.
    pub cost_by_agent: BTreeMap<String, Option<f64>>,
    /// US dollars by model; null where its price is unknown.
    pub cost_by_model: BTreeMap<String, Option<f64>>,
    /// SHA-256 of the manifest that a working job left for the publishing one.
    pub handoff_digest: Option<String>,
    /// Folder of that hand-off, from the repository root.
    pub handoff: Option<String>,
}

impl Outputs {
    /// What a judged day came to. `report_file` is left to the caller, who knows where it was written.
    pub(crate) fn of(view: &DayView) -> Self {
        Self {
            decision: view.decision.map_or("ABORT", |decision| decision.name()).to_owned(),
            exit_code: view.exit_code,
            day: Some(view.day),
            hold_reason: view.hold.as_ref().map(|hold| format!("{} HOLD: {}", hold.agent, hold.reason)),
            pr_url: view.review_url.clone(),
            issue_url: view.issue_url.clone(),
            branch: Some(view.branch.clone()),
            cost_usd: view.bill.cost.map(round_usd),
            tokens: Some(view.bill.tokens),
            report_file: None,
            cost_by_agent: costs(
                view.agents.iter().filter(|a| a.calls > 0).map(|a| (a.name.to_string(), a.cost)),
            ),
            cost_by_model: costs(view.bill.models.iter().map(|m| (m.name.clone(), m.cost))),
            handoff_digest: None,
            handoff: None,
        }
    }

    /// The same without secrets and hidden characters, each value within its length.
    pub(crate) fn clean(self, clean: &Clean<'_>) -> Self {
        let line = |text: Option<String>| text.map(|text| clean.line(&text, VALUE));
        Self {
            decision: clean.line(&self.decision, VALUE),
            hold_reason: self
                .hold_reason
                .map(|text| crate::prompt::plain::cut(clean.text(&text).trim(), REASON)),
            pr_url: line(self.pr_url),
            issue_url: line(self.issue_url),
            branch: line(self.branch),
            report_file: line(self.report_file),
            handoff: line(self.handoff),
            cost_by_model: self
                .cost_by_model
                .into_iter()
                .map(|(m, usd)| (clean.line(&m, VALUE), usd))
                .collect(),
            ..self
        }
    }

    /// Names and values as text; what is absent is empty.
    pub(super) fn fields(&self) -> anyhow::Result<Vec<(String, String)>> {
        let Value::Object(fields) = serde_json::to_value(self)? else { bail!("results are no object") };
        let text = |value: Value| match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            other => other.to_string(),
        };
        Ok(fields.into_iter().map(|(name, value)| (name, text(value))).collect())
    }
}

fn costs(of: impl Iterator<Item = (String, Option<f64>)>) -> BTreeMap<String, Option<f64>> {
    of.map(|(name, cost)| (name, cost.map(round_usd))).collect()
}

/// The lines that `$GITHUB_OUTPUT` takes: every field, and all of them once more as `json` on one line.
/// `draw` gives a delimiter that nobody can guess; an error where it keeps giving one that a value contains.
pub(crate) fn github(
    outputs: &Outputs,
    mut draw: impl FnMut() -> anyhow::Result<String>,
) -> anyhow::Result<String> {
    let mut fields = outputs.fields()?;
    fields.push(("json".to_owned(), serde_json::to_string(outputs)?));
    let mut lines = String::new();
    for (name, value) in fields {
        let delimiter = fresh(&value, &mut draw)?;
        lines.push_str(&format!("{name}<<{delimiter}\n{value}\n{delimiter}\n"));
    }
    Ok(lines)
}

fn fresh(value: &str, draw: &mut impl FnMut() -> anyhow::Result<String>) -> anyhow::Result<String> {
    for _ in 0..DRAWS {
        let delimiter = draw()?;
        if !delimiter.is_empty() && !value.contains(&delimiter) {
            return Ok(delimiter);
        }
    }
    bail!("no delimiter was found that the results do not contain")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    /// Reads the file as the runner does: `name<<delimiter`, lines, the delimiter alone on a line.
    fn read(text: &str) -> Vec<(String, String)> {
        let mut lines = text.split('\n');
        let mut found = vec![];
        while let Some(head) = lines.next().filter(|line| !line.is_empty()) {
            let (name, delimiter) = head.split_once("<<").unwrap();
            let value: Vec<_> = lines.by_ref().take_while(|line| *line != delimiter).collect();
            found.push((name.to_owned(), value.join("\n")));
        }
        found
    }

    fn counting() -> impl FnMut() -> anyhow::Result<String> {
        let mut n = 0;
        move || {
            n += 1;
            Ok(format!("pace-{n}"))
        }
    }

    #[test]
    fn hostile_values_stay_values() {
        let clean = |text: &str| text.replace("s3cr3t-token", "***");
        let view = samples::hostile();
        let outputs = Outputs::of(&view).clean(&Clean::new(&clean));
        let text = github(&outputs, counting()).unwrap();
        assert!(!text.contains(['\r', '\0', '\u{1b}']) && !text.contains("s3cr3t-token"), "{text}");
        let found = read(&text);
        let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            names,
            [
                "decision",
                "exit-code",
                "day",
                "hold-reason",
                "pr-url",
                "issue-url",
                "branch",
                "cost-usd",
                "tokens",
                "report-file",
                "cost-by-agent",
                "cost-by-model",
                "handoff-digest",
                "handoff",
                "json"
            ]
        );
        let value = |wanted: &str| &found.iter().find(|(name, _)| name == wanted).unwrap().1;
        assert_eq!((value("decision").as_str(), value("exit-code").as_str()), ("HOLD", "1"));
        assert!(
            value("hold-reason").starts_with("SENTINEL HOLD: ") && value("hold-reason").contains("\nEOF\n")
        );
        assert_eq!(value("pr-url"), "");
        let json: Value = serde_json::from_str(value("json")).unwrap();
        assert_eq!((&json["exit-code"], &json["pr-url"]), (&1.into(), &Value::Null));
        assert_eq!(json["hold-reason"].as_str(), Some(value("hold-reason").as_str()));
        assert!(!value("json").contains('\n'));
    }

    #[test]
    fn the_action_hands_on_exactly_these() {
        let action = include_str!("../../action.yml");
        let (_, outputs) = action.split_once("\noutputs:\n").unwrap();
        let (outputs, _) = outputs.split_once("\nruns:\n").unwrap();
        let named: Vec<_> = outputs
            .lines()
            .filter_map(|line| {
                line.strip_prefix("  ")?.strip_suffix(':').filter(|name| !name.starts_with(' '))
            })
            .collect();
        let values: Vec<_> = outputs
            .lines()
            .filter_map(|line| line.trim().strip_prefix("value: ${{ steps.run.outputs.")?.split(' ').next())
            .collect();
        let text = github(&Outputs::default(), counting()).unwrap();
        let mut told: Vec<_> = read(&text).into_iter().map(|(name, _)| name).collect();
        told.sort();
        for mut list in [named, values] {
            list.sort_unstable();
            assert_eq!(list, told);
        }
    }

    #[test]
    fn a_delimiter_that_a_value_contains_is_drawn_again() {
        let outputs = Outputs { hold_reason: Some("x\nguess\ny".into()), ..Outputs::default() };
        let mut draws = ["guess", "other"].into_iter().cycle();
        let text = github(&outputs, || Ok(draws.next().unwrap_or_default().to_owned())).unwrap();
        assert!(text.contains("hold-reason<<other\nx\nguess\ny\nother\n"), "{text}");
        assert!(github(&outputs, || Ok("guess".to_owned())).is_err());
        assert!(github(&outputs, || Ok(String::new())).is_err());
    }
}

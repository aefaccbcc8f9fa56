//! `pace-env.env`: what a run came to, as variables of the later jobs of a GitLab pipeline.
//!
//! GitLab refuses the whole file, and with it the job, when it breaks a rule: `KEY=value` lines only, no quotes or
//! line ends inside a value, at most 5 KiB and 20 variables (docs.gitlab.com, `artifacts:reports:dotenv`). The
//! keys must not be settings of pace: a later day in the same pipeline would take the day and the branch of this
//! one for its own.

use super::outputs::Outputs;

/// Name of the file, at the repository root.
pub(crate) const FILE: &str = "pace-env.env";

/// The variable of each output. `json` is left out: the others hold all of it.
pub(crate) const KEYS: [(&str, &str); 11] = [
    ("decision", "PACE_DECISION"),
    ("exit-code", "PACE_EXIT_CODE"),
    ("day", "PACE_DECISION_DAY"),
    ("hold-reason", "PACE_HOLD_REASON"),
    ("pr-url", "PACE_PR_URL"),
    ("issue-url", "PACE_ISSUE_URL"),
    ("branch", "PACE_SPRINT_BRANCH"),
    ("cost-usd", "PACE_COST_USD"),
    ("tokens", "PACE_TOKENS"),
    ("report-file", "PACE_REPORT_FILE"),
    ("handoff-digest", "PACE_HANDOFF_SHA256"),
];

/// Bytes of a hold reason, and of any other value: together with the keys below 5 KiB.
const REASON: usize = 1_000;
const VALUE: usize = 400;

/// The text of the file. `outputs` are clean.
pub(crate) fn text(outputs: &Outputs) -> anyhow::Result<String> {
    let fields = outputs.fields()?;
    let mut lines = String::new();
    for (name, value) in &fields {
        let Some((_, key)) = KEYS.iter().find(|(output, _)| output == name) else { continue };
        lines.push_str(&format!("{key}={}\n", value_of(name, value)));
    }
    Ok(lines)
}

/// On one line, short enough, and nothing that the runner would expand: a reason that names a variable must not
/// become the variable's value.
fn value_of(name: &str, value: &str) -> String {
    let line = crate::prompt::plain::line(value).replace('$', "\u{ff04}");
    match name {
        "hold-reason" if line.len() > REASON => {
            format!("{}…", &line[..line.floor_char_boundary(REASON - '…'.len_utf8())])
        }
        // Half an address or half a branch leads astray.
        name if name != "hold-reason" && line.len() > VALUE => String::new(),
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::clean::Clean;
    use crate::report::samples;

    #[test]
    fn a_hostile_day_is_one_line_a_key() {
        let redact = |text: &str| text.replace("s3cr3t-token", "***");
        let outputs = Outputs::of(&samples::hostile()).clean(&Clean::new(&redact));
        let text = text(&outputs).unwrap();
        assert_eq!(text.lines().count(), KEYS.len());
        for (line, (_, key)) in text.lines().zip(KEYS) {
            assert!(line.starts_with(&format!("{key}=")), "{line}");
            assert!(!line.contains(['$', '\r', '\0', '\u{1b}', '\u{2028}']), "{line}");
        }
        assert!(text.starts_with("PACE_DECISION=HOLD\nPACE_EXIT_CODE=1\nPACE_DECISION_DAY=2\n"), "{text}");
        assert!(
            text.contains("PACE_HOLD_REASON=SENTINEL HOLD: ") && !text.contains("s3cr3t-token"),
            "{text}"
        );
    }

    #[test]
    fn the_longest_day_keeps_the_limits_of_gitlab() {
        let long = || Some("é$".repeat(3_000));
        let outputs = Outputs {
            decision: "ADVISORY".into(),
            hold_reason: long(),
            pr_url: Some("u".repeat(VALUE)),
            issue_url: Some("u".repeat(VALUE)),
            branch: Some("b".repeat(VALUE)),
            report_file: Some("r".repeat(VALUE)),
            cost_usd: Some(f64::MAX),
            tokens: Some(u64::MAX),
            day: Some(u32::MAX),
            exit_code: u8::MAX,
            handoff_digest: Some("d".repeat(64)),
            ..Outputs::default()
        };
        let whole = text(&outputs).unwrap();
        assert!(whole.len() < 5 * 1024 && KEYS.len() <= 20, "{}", whole.len());
        let too_long = text(&Outputs { pr_url: Some("u".repeat(VALUE + 1)), ..outputs }).unwrap();
        assert!(too_long.contains("PACE_PR_URL=\n"));
    }
}

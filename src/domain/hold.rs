//! Why a day is held.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Agent;

/// Who can mend a HOLD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Cause {
    /// FORGE can: it gets the hold reason and another round while retries remain.
    Code,
    /// FORGE cannot (CI time-out, cost cap, protected file): the run ends at once, resumable.
    Outside,
}

/// A blocking verdict. A result, never an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub agent: Agent,
    pub cause: Cause,
    /// Actionable, in the words of the reviewer that held.
    pub reason: String,
}

impl Hold {
    /// `<AGENT> HOLD: …`, cut to 120 characters, as `attempts.yaml` keeps it.
    pub(crate) fn short(&self) -> String {
        let line = self.to_string().split_whitespace().collect::<Vec<_>>().join(" ");
        if line.chars().count() <= 120 { line } else { line.chars().take(119).chain(['…']).collect() }
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} HOLD: {}", self.agent, self.reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_is_one_line_of_at_most_120_characters() {
        let hold = Hold {
            agent: Agent::Gate,
            cause: Cause::Code,
            reason: format!("first\nsecond {}", "é".repeat(200)),
        };
        let short = hold.short();
        assert!(short.starts_with("GATE HOLD: first second é"));
        assert_eq!(short.chars().count(), 120);
    }
}

//! Outcome or error → documented exit code.

use crate::domain::decision::Decision;
use crate::error::Error;

/// The day shipped, or had shipped; also day 0, a dry run, a finished sprint.
pub const SHIP: u8 = 0;
/// At least one blocking failure.
pub const HOLD: u8 = 1;
/// Bad or missing setting, credential, repository or test runner; untrusted trigger.
pub const CONFIG: u8 = 2;
/// Plan unreadable, day not in it, or an earlier day has not shipped.
pub const PLAN: u8 = 3;
/// No verdict was reached.
pub const ABORT: u8 = 4;
/// The day ships, concerns went to the backlog; `PACE_ADVISORY_EXIT_CODE` changes it.
pub const ADVISORY: u8 = 10;
/// Nothing judged, nothing spent.
pub const SKIPPED: u8 = 11;
/// Interrupted by SIGINT; state is kept.
pub const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM; state is kept.
pub const TERMINATED: u8 = 143;

/// How a run ended without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The day has this decision, now or from an earlier run.
    Decided(Decision),
    /// Nothing to decide was asked for, and all went well (`check`, `schema`, a dry run).
    Done,
}

/// The code of an outcome. `advisory` is `PACE_ADVISORY_EXIT_CODE`.
pub(crate) fn of_outcome(outcome: &Outcome, advisory: u8) -> u8 {
    match outcome {
        Outcome::Decided(Decision::Ship) | Outcome::Done => SHIP,
        Outcome::Decided(Decision::Advisory) => advisory,
        Outcome::Decided(Decision::Hold) => HOLD,
    }
}

/// The code of an error.
pub(crate) fn of_error(error: &Error) -> u8 {
    match error {
        Error::Config(_) => CONFIG,
        Error::Plan(_) => PLAN,
        Error::Abort(_) => ABORT,
        Error::Signal(signal) => *signal,
    }
}

//! The YAML artifacts of a day, field for field as users read them. Fields marked *filled* come from the
//! binary; the rest is what an agent submits.

mod books;
pub(super) mod criterion;
pub(super) mod finding;
mod gate_report;
mod handoff;
mod reviews;
mod scribe_report;
mod story_card;

pub(crate) use books::{Attempt, Cycle, Outcome};
pub(crate) use criterion::{Cite, CiteKind, CriterionResult, CriterionVerdict};
pub(crate) use finding::{Finding, FindingResult};
pub(crate) use gate_report::GateReport;
pub(crate) use handoff::{Handoff, HandoffFile};
pub(crate) use reviews::{ConduitReport, SentinelReport};
pub(crate) use scribe_report::{DocUpdate, ScribeReport};
pub(crate) use story_card::{StoryCard, StoryCardStory};

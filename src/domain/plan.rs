//! The sprint plan after reading: one shape, whichever of the three was written (SPEC: plan).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole sprint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// `sprint.name` and its neighbours, where the plan gives them.
    pub sprint: Sprint,
    /// Days by number; the key equals [`DayPlan::day`].
    pub days: BTreeMap<u32, DayPlan>,
}

/// What the plan says of the sprint itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Sprint {
    pub name: Option<String>,
    pub goal: Option<String>,
    pub duration_days: Option<u32>,
}

/// One day of the sprint: its stories are judged in order as one list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DayPlan {
    pub day: u32,
    /// The day's theme; a story's title where the plan gives none.
    pub theme: String,
    pub stories: Vec<Story>,
    pub notes: Option<String>,
    /// Later days wait until a person has approved this one.
    pub human_gate: bool,
    /// The advisory backlog must be answered today.
    pub clearance: bool,
    /// The plan itself says `status: shipped`.
    pub shipped: bool,
}

/// One story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Story {
    pub title: String,
    pub acceptance_criteria: Vec<String>,
    pub out_of_scope: Vec<String>,
    pub notes: Option<String>,
}

impl Plan {
    /// The plan's last day: the final day of the sprint.
    pub(crate) fn final_day(&self) -> Option<u32> {
        self.days.keys().next_back().copied()
    }
}

impl DayPlan {
    /// All `out_of_scope` entries of the day.
    pub(crate) fn out_of_scope(&self) -> impl Iterator<Item = &str> {
        self.stories.iter().flat_map(|s| s.out_of_scope.iter().map(String::as_str))
    }
}

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

/// `.pace/sprint.yaml`: which sprint the days in `.pace/` belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct SprintRecord {
    /// Identity of the sprint.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub sprint: String,
}

impl Plan {
    /// The day after `day`, if the plan has one.
    pub(crate) fn next_day(&self, day: u32) -> Option<u32> {
        self.days.range(day + 1..).next().map(|(&next, _)| next)
    }

    /// The day before `day`, if the plan has one.
    pub(crate) fn previous_day(&self, day: u32) -> Option<u32> {
        self.days.range(..day).next_back().map(|(&previous, _)| previous)
    }

    /// The plan's last day: the final day of the sprint.
    pub(crate) fn final_day(&self) -> Option<u32> {
        self.days.keys().next_back().copied()
    }
}

impl DayPlan {
    /// Takes over what the day before left to this one, as a story of its own in front: its criteria word for word,
    /// but those that this day has anyway, with the `out_of_scope` under which they were planned.
    pub(crate) fn carry(&mut self, from: u32, criteria: &[String], out_of_scope: Vec<String>) {
        let own: Vec<String> = self.criteria().map(str::to_owned).collect();
        let left: Vec<String> = criteria.iter().filter(|c| !own.contains(c)).cloned().collect();
        if left.is_empty() {
            return;
        }
        let story = Story {
            title: format!("carried from day {from}"),
            acceptance_criteria: left,
            out_of_scope,
            notes: Some(format!("Day {from} was too large; this is its remainder.")),
        };
        self.stories.insert(0, story);
    }

    /// All criteria of the day, in the order of the stories.
    pub(crate) fn criteria(&self) -> impl Iterator<Item = &str> {
        self.stories.iter().flat_map(|s| s.acceptance_criteria.iter().map(String::as_str))
    }

    /// All `out_of_scope` entries of the day.
    pub(crate) fn out_of_scope(&self) -> impl Iterator<Item = &str> {
        self.stories.iter().flat_map(|s| s.out_of_scope.iter().map(String::as_str))
    }
}

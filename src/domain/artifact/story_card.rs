//! PRIME's story card: what today is about, and how it is judged.

use serde::{Deserialize, Serialize};

use crate::domain::Agent;

/// `story-card.yaml`, by PRIME.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoryCard {
    /// Day number (filled).
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// Always `PRIME` (filled).
    #[cfg_attr(test, schemars(extend("const" = "PRIME")))]
    pub agent: Agent,
    /// Day theme from the plan, which PRIME may sharpen.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub theme: String,
    /// The day's stories; criteria and out_of_scope are the plan's, word for word.
    #[cfg_attr(test, schemars(length(min = 1)))]
    pub stories: Vec<StoryCardStory>,
    /// Criteria of the plan that today's card leaves to the next one, where the day was too large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, schemars(inner(regex(pattern = r"\S"))))]
    pub carried: Vec<String>,
}

/// One story of the card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct StoryCardStory {
    /// Story title.
    #[cfg_attr(test, schemars(regex(pattern = r"\S")))]
    pub title: String,
    /// Testable conditions; GATE judges each exactly once.
    #[cfg_attr(test, schemars(length(min = 1), inner(regex(pattern = r"\S"))))]
    pub acceptance_criteria: Vec<String>,
    /// Explicitly deferred items.
    #[serde(default)]
    #[cfg_attr(test, schemars(inner(regex(pattern = r"\S"))))]
    pub out_of_scope: Vec<String>,
}

impl StoryCard {
    /// All criteria of the card, in order.
    pub(crate) fn criteria(&self) -> impl Iterator<Item = &str> {
        self.stories.iter().flat_map(|s| s.acceptance_criteria.iter().map(String::as_str))
    }
}

//! Plain data and pure rules. Knows no I/O, no async, no clock and no other room.

pub(crate) mod artifact;
pub(crate) mod backlog;
pub(crate) mod budget;
pub(crate) mod commits;
pub(crate) mod decision;
pub(crate) mod dependencies;
pub(crate) mod diff;
pub(crate) mod estimate;
pub(crate) mod event;
pub(crate) mod hex;
pub(crate) mod hold;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod money;
pub(crate) mod observation;
pub(crate) mod own;
pub(crate) mod plan;
pub(crate) mod progress;
pub(crate) mod terms;

use std::fmt;

use serde::{Deserialize, Serialize};

/// The six agents of a day, in the order in which they work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Agent {
    /// Plans: writes the story card.
    Prime,
    /// Builds test-first: writes code and the handoff note.
    Forge,
    /// Judges every acceptance criterion.
    Gate,
    /// Looks for security and reliability holes.
    Sentinel,
    /// Checks the pipeline.
    Conduit,
    /// Keeps the docs.
    Scribe,
}

impl Agent {
    /// All six, in working order.
    pub(crate) const ALL: [Self; 6] =
        [Self::Prime, Self::Forge, Self::Gate, Self::Sentinel, Self::Conduit, Self::Scribe];

    /// The name as it stands in artifacts, prompts and terminal lines.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Prime => "PRIME",
            Self::Forge => "FORGE",
            Self::Gate => "GATE",
            Self::Sentinel => "SENTINEL",
            Self::Conduit => "CONDUIT",
            Self::Scribe => "SCRIBE",
        }
    }
}

impl fmt::Display for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

//! A change between two trees, as plain data.

use serde::{Deserialize, Serialize};

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Added,
    Modified,
    Deleted,
    Renamed,
}

/// The difference between two commits, or between a commit and the work tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Diff {
    pub files: Vec<FileDiff>,
}

/// One file of a [`Diff`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileDiff {
    /// Path after the change (before it, for a deletion), `/`-separated from the root.
    pub path: String,
    /// Path before a rename.
    pub old_path: Option<String>,
    pub change: Change,
    /// Lines added, as half-open ranges of 1-based line numbers in the new file.
    pub added: Vec<(u32, u32)>,
    /// Unified diff with three lines of context; empty for binary files.
    pub patch: String,
    pub binary: bool,
}

impl Diff {
    /// The file at `path`, if the change touches it.
    pub(crate) fn file(&self, path: &str) -> Option<&FileDiff> {
        self.files.iter().find(|f| f.path == path)
    }

    /// Every path that the change names, before and after renames.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &String> {
        self.files.iter().flat_map(|file| file.old_path.iter().chain([&file.path]))
    }

    /// All patches as one text.
    #[cfg(test)]
    pub(crate) fn patch(&self) -> String {
        self.files.iter().map(|f| f.patch.as_str()).collect()
    }
}

impl FileDiff {
    /// Whether the change added `line` (1-based) of the new file.
    pub(crate) fn adds_line(&self, line: u32) -> bool {
        self.added.iter().any(|&(start, end)| (start..end).contains(&line))
    }
}

//! Which files there are: the walk that list_files and search share. Reads names only, no contents.

use globset::{GlobBuilder, GlobMatcher};
use ignore::WalkBuilder;

use super::ToolError;
use super::door::{Door, Name, is_git};

/// Names of the files below `under`, `/`-separated and relative to the root, sorted. What `.gitignore` names
/// and `.git` are left out; symbolic links are listed and not followed.
pub(super) fn files(door: &Door, under: &Name, glob: Option<&Glob>) -> Result<Vec<String>, ToolError> {
    door.must_be_folder(under)?;
    let root = door.root().to_owned();
    let wanted = root.join(under.to_string());
    let walk = WalkBuilder::new(&root)
        .standard_filters(false)
        .git_ignore(true)
        .git_exclude(true)
        // The rules hold also where the folder is not (yet) a repository.
        .require_git(false)
        .filter_entry(move |entry| {
            // From the root on, so that the ignore rules above `under` hold as well.
            let on_the_way = entry.path().starts_with(&wanted) || wanted.starts_with(entry.path());
            on_the_way && !is_git(&entry.file_name().to_string_lossy())
        })
        .build();
    let mut found: Vec<String> = walk
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_some_and(|kind| !kind.is_dir()))
        .filter_map(|entry| Some(entry.path().strip_prefix(&root).ok()?.to_string_lossy().into_owned()))
        .filter(|name| glob.is_none_or(|glob| glob.matches(name, under)))
        .collect();
    found.sort();
    Ok(found)
}

/// A pattern for names: without a `/` it is matched against the last part, otherwise against the path from
/// the root or from the folder that is looked at.
pub(super) struct Glob {
    matcher: GlobMatcher,
    last_part: bool,
}

impl Glob {
    pub(super) fn parse(pattern: &str) -> Result<Self, ToolError> {
        let matcher = GlobBuilder::new(pattern.trim_start_matches("./"))
            .literal_separator(true)
            .build()
            .map_err(|e| ToolError::mend(format!("glob: {e}")))?
            .compile_matcher();
        Ok(Self { matcher, last_part: !pattern.contains('/') })
    }

    pub(super) fn matches(&self, name: &str, under: &Name) -> bool {
        if self.last_part {
            return self.matcher.is_match(name.rsplit('/').next().unwrap_or(name));
        }
        let below = name.strip_prefix(&under.to_string()).and_then(|rest| rest.strip_prefix('/'));
        self.matcher.is_match(name) || below.is_some_and(|below| self.matcher.is_match(below))
    }
}

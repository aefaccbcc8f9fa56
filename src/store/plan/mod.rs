//! The sprint plan as a file: finds it, reads its three shapes into one [`Plan`], writes a shipped day back.
//! Knows no artifact and no agent.

use std::path::{Path, PathBuf};

use super::files;
use crate::domain::plan::Plan;
use crate::schema::yaml;

mod clearance;
mod mark;
mod notes;
mod shapes;

#[cfg(test)]
mod tests;

pub(crate) use mark::mark_shipped;

/// Where a plan is looked for when none is named, first match wins.
pub(super) const PLACES: [&str; 3] = [".pace/plan.yaml", "pace/plan.yaml", "plan.yaml"];

/// A plan that can be run, and what its author may still want to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub plan: Plan,
    /// One line each, `plan.yaml:7: stories[0].foo: …`; nothing that stops a run.
    pub warnings: Vec<String>,
}

/// The plan file: `wanted` (from `root` where it is relative), else the first default place that exists.
/// The error names every place that was looked at.
pub(crate) fn locate(root: &Path, wanted: Option<&Path>) -> Result<PathBuf, Vec<String>> {
    if let Some(wanted) = wanted {
        let path = root.join(wanted);
        return match path.metadata() {
            Ok(meta) if meta.is_file() => Ok(path),
            Ok(_) => Err(vec![format!("{}: the plan must be a file", path.display())]),
            Err(error) => Err(vec![format!("{}: the plan cannot be read: {error}", path.display())]),
        };
    }
    let places = PLACES.map(|place| root.join(place));
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        vec![format!(
            "no plan found in {}: looked for {}; write one of them or name another with PACE_PLAN",
            root.display(),
            PLACES.join(", ")
        )]
    })
}

/// Reads the plan file that [`locate`] found; its path from `root` leads the messages. Otherwise as [`parse`].
pub(crate) fn load(root: &Path, path: &Path) -> Result<Parsed, Vec<String>> {
    let inside = path.strip_prefix(root).ok();
    let name = inside.unwrap_or(path).display().to_string();
    let text = match inside {
        Some(inside) => files::read(root, inside, yaml::MAX_BYTES),
        // Outside the repository only the operator can have named it.
        None => path
            .parent()
            .zip(path.file_name())
            .map_or(Ok(None), |(dir, file)| files::read(dir, Path::new(file), yaml::MAX_BYTES)),
    };
    match text {
        Ok(Some(text)) => parse(&name, &text),
        Ok(None) => Err(vec![format!("{name}: the plan is not there")]),
        Err(error) => Err(vec![format!("{error:#}")]),
    }
}

/// Reads a plan of any of the three shapes. `path` only leads the messages.
///
/// All problems are reported at once, in the order of the file, as
/// `plan.yaml:12: stories[2].acceptance_criteria: expected a list of strings, found a mapping`;
/// text that is not YAML is a single one, `plan.yaml:12:5: …`.
pub(crate) fn parse(path: &str, text: &str) -> Result<Parsed, Vec<String>> {
    let root = yaml::parse(text).map_err(|error| vec![format!("{path}:{error}")])?;
    let mut notes = notes::Notes::default();
    let plan = shapes::plan(&root, &mut notes);
    let (problems, warnings) = notes.lines(path);
    if problems.is_empty() { Ok(Parsed { plan, warnings }) } else { Err(problems) }
}

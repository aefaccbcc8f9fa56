//! Where template texts come from: the embedded folder, and a user's folder that replaces it file by file.
//!
//! Knows nothing of what the templates say.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, bail};
use include_dir::{Dir, DirEntry};

/// How deep a user's folder is read; the embedded one has two levels.
const DEPTH: usize = 4;

/// A template larger than this is refused: it is not a template.
const MAX_BYTES: usize = 1 << 20;

/// One template text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// Path below the templates folder, `/`-separated, e.g. `prompts/gate.md.j2`.
    pub(super) name: String,
    /// The file as errors name it.
    pub(super) place: String,
    pub(super) text: String,
    /// From a user's folder.
    pub(super) own: bool,
}

/// All templates by name; a file of `user_dir` stands in for the embedded one of the same name.
pub(super) fn collect(user_dir: Option<&Path>) -> anyhow::Result<Vec<Source>> {
    let mut found = BTreeMap::new();
    let mut problems = Vec::new();
    embedded(&super::EMBEDDED, &mut found, &mut problems);
    if let Some(dir) = user_dir {
        users(dir, "", 0, &mut found, &mut problems).with_context(|| {
            format!(
                "templates folder {}: cannot be read; name a folder of *.j2 files or unset it",
                dir.display()
            )
        })?;
    }
    if !problems.is_empty() {
        bail!(problems.join("\n"));
    }
    Ok(found.into_values().collect())
}

type Found = BTreeMap<String, Source>;

fn embedded(dir: &Dir<'_>, found: &mut Found, problems: &mut Vec<String>) {
    for entry in dir.entries() {
        match entry {
            DirEntry::Dir(dir) => embedded(dir, found, problems),
            DirEntry::File(file) => {
                let name = file.path().to_string_lossy().replace('\\', "/");
                if name.ends_with(".j2") {
                    let place = format!("templates/{name}");
                    keep(
                        Source { name, place, text: String::new(), own: false },
                        file.contents().to_vec(),
                        found,
                        problems,
                    );
                }
            }
        }
    }
}

fn users(
    dir: &Path,
    prefix: &str,
    depth: usize,
    found: &mut Found,
    problems: &mut Vec<String>,
) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let Some(file) = path.file_name().and_then(|n| n.to_str()) else {
            continue;
        };
        // Hidden entries are editors' and mounts' own, e.g. `..data` of a mounted config map.
        if file.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{file}");
        if path.is_dir() {
            if depth < DEPTH {
                users(&path, &format!("{name}/"), depth + 1, found, problems)?;
            }
        } else if name.ends_with(".j2") {
            match std::fs::read(&path) {
                Ok(bytes) => {
                    let place = path.display().to_string();
                    keep(Source { name, place, text: String::new(), own: true }, bytes, found, problems);
                }
                Err(error) => problems.push(format!("{}: cannot be read: {error}", path.display())),
            }
        }
    }
    Ok(())
}

fn keep(source: Source, bytes: Vec<u8>, found: &mut Found, problems: &mut Vec<String>) {
    let place = &source.place;
    if bytes.len() > MAX_BYTES {
        problems.push(format!("{place}: is larger than 1 MiB"));
        return;
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            found.insert(source.name.clone(), Source { text, ..source });
        }
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = 1 + error.as_bytes()[..valid].iter().filter(|&&b| b == b'\n').count();
            problems.push(format!("{place}:{line}: is not UTF-8"));
        }
    }
}

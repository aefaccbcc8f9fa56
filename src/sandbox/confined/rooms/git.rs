//! Git's own files of a work tree, and what of its configuration a child may see. Must not know who else has rooms.

use std::fs;
use std::path::{Path, PathBuf};

use super::{present, real};

/// Paths of submodules. The rough reading is enough: a line too many only protects more.
pub(super) fn submodules(work: &Path) -> Vec<String> {
    let text = fs::read_to_string(work.join(".gitmodules")).unwrap_or_default();
    let paths = text.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim() == "path");
    paths.map(|(_, value)| value.trim().trim_matches('"').to_owned()).collect()
}

/// Where git keeps its own of this work tree: `.git`, and what it points to in a linked work tree.
pub(super) fn places(work: &Path) -> Vec<PathBuf> {
    let dot = work.join(".git");
    let mut places = vec![dot.clone()];
    if let Ok(text) = fs::read_to_string(&dot)
        && let Some(folder) = text.trim().strip_prefix("gitdir: ")
    {
        let folder = work.join(folder);
        if let Ok(common) = fs::read_to_string(folder.join("commondir")) {
            places.push(folder.join(common.trim()));
        }
        places.push(folder);
    }
    present(places)
}

/// Git's configuration files, and what of them a child sees: they may hold a checkout's token.
pub(super) fn configurations(git: &[PathBuf]) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders: Vec<(PathBuf, usize)> = git.iter().map(|path| (path.clone(), 0)).collect();
    while let Some((folder, depth)) = folders.pop() {
        for name in ["config", "config.worktree"] {
            if let Some(path) = real(&folder.join(name)).filter(|path| path.is_file()) {
                let text = fs::read_to_string(&path).unwrap_or_default();
                found.push((path, harmless(&text)));
            }
        }
        let inside = if depth == 0 { folder.join("modules") } else { folder };
        if depth < 4 {
            let entries = fs::read_dir(inside).into_iter().flatten().filter_map(Result::ok);
            let entries = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            let named = |entry: &fs::DirEntry| {
                !["objects", "refs", "logs", "hooks", "info"].iter().any(|name| entry.file_name() == *name)
            };
            folders.extend(entries.filter(named).map(|entry| (entry.path(), depth + 1)));
        }
    }
    found.sort();
    found.dedup();
    found
}

/// What git must know to read the repository, and nothing that runs, redirects or opens anything.
fn harmless(config: &str) -> String {
    const CORE: &[&str] =
        &["repositoryformatversion", "filemode", "bare", "ignorecase", "symlinks", "autocrlf"];
    const EXTENSIONS: &[&str] = &["objectformat", "refstorage"];
    let mut clean = String::new();
    let mut allowed: &[&str] = &[];
    for line in config.lines().map(str::trim) {
        if line.starts_with('[') {
            allowed = match line.to_ascii_lowercase().as_str() {
                "[core]" => CORE,
                "[extensions]" => EXTENSIONS,
                _ => &[],
            };
            if !allowed.is_empty() {
                clean.push_str(line);
                clean.push('\n');
            }
        } else if let Some((name, value)) = line.split_once('=') {
            let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
            let plain = value.bytes().all(|b| b.is_ascii_alphanumeric());
            if plain && allowed.contains(&name.as_str()) {
                clean.push_str(&format!("\t{name} = {value}\n"));
            }
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_git_configuration_holds_nothing_that_acts() {
        let config = "[core]\n\trepositoryformatversion = 1\n\tbare = false\n\tfsmonitor = touch /tmp/x\n\thooksPath = /evil\n\tpager=evil\n[extensions]\n\tobjectFormat = sha256\n\tworktreeConfig = true\n[remote \"origin\"]\n\turl = https://x:token@host/\n[http \"https://host/\"]\n\textraheader = AUTHORIZATION: basic c2VjcmV0\n[include]\n\tpath = /evil\n[url \"https://evil/\"]\n\tinsteadOf = https://host/\n";
        assert_eq!(
            harmless(config),
            "[core]\n\trepositoryformatversion = 1\n\tbare = false\n[extensions]\n\tobjectformat = sha256\n"
        );
    }
}

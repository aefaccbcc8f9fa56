//! A project under work: a real git repository in a temporary directory, and what a person does to it. Knows
//! nothing of `pace`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use git2::{IndexAddOption, Repository, RepositoryInitOptions, Signature, Time};
use tempfile::TempDir;

/// The repository and a home directory beside it; both vanish when dropped.
pub(crate) struct Project {
    _root: TempDir,
    pub(crate) dir: PathBuf,
    pub(crate) home: PathBuf,
}

impl Project {
    /// A repository on branch `main` with one commit that holds `trees`, a later one laid over the earlier.
    pub(crate) fn new(trees: &[PathBuf]) -> Self {
        let root = tempfile::Builder::new().prefix("pace-it-").tempdir().unwrap();
        let dir = root.path().join("greeter");
        let home = root.path().join("home");
        std::fs::create_dir_all(&home).unwrap();
        std::fs::create_dir_all(&dir).unwrap();
        for tree in trees {
            copy(tree, &dir);
        }
        let options = &mut RepositoryInitOptions::new();
        Repository::init_opts(&dir, options.initial_head("main").external_template(false)).unwrap();
        let project = Self { _root: root, dir, home };
        project.commit_all("Start the project");
        project
    }

    /// Commits the whole work tree, ignored files apart, on the branch that HEAD names.
    pub(crate) fn commit_all(&self, message: &str) {
        let repository = self.repository();
        let mut index = repository.index().unwrap();
        index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
        index.update_all(["*"], None).unwrap();
        index.write().unwrap();
        let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
        let person = Signature::new("Ada Person", "ada@example.org", &Time::new(1_760_000_000, 0)).unwrap();
        let parent = repository.head().ok().and_then(|h| h.peel_to_commit().ok());
        let parents: Vec<_> = parent.iter().collect();
        repository.commit(Some("HEAD"), &person, &person, message, &tree, &parents).unwrap();
    }

    /// Sets `branch` to HEAD's commit.
    pub(crate) fn fast_forward(&self, branch: &str) {
        let repository = self.repository();
        let head = repository.head().unwrap().peel_to_commit().unwrap().id();
        repository.reference(&format!("refs/heads/{branch}"), head, true, "merge").unwrap();
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let target = self.dir.join(path);
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, content).unwrap();
    }

    pub(crate) fn delete(&self, path: &str) {
        std::fs::remove_file(self.dir.join(path)).unwrap();
    }

    /// Content of a file of the work tree, if there is one.
    pub(crate) fn read(&self, path: &str) -> Option<String> {
        let bytes = std::fs::read(self.dir.join(path)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The branch that HEAD names.
    pub(crate) fn branch(&self) -> String {
        let repository = self.repository();
        let head = repository.head().unwrap();
        head.shorthand().unwrap_or_default().to_owned()
    }

    /// Messages of the commits that HEAD reaches, newest first, with a blank line between them.
    pub(crate) fn log(&self) -> String {
        let repository = self.repository();
        let mut walk = repository.revwalk().unwrap();
        walk.push_head().unwrap();
        let messages: Vec<String> = walk
            .map(|id| {
                let commit = repository.find_commit(id.unwrap()).unwrap();
                String::from_utf8_lossy(commit.message_bytes()).into_owned()
            })
            .collect();
        messages.join("\n\n")
    }

    /// Files of the work tree that HEAD does not hold as they are, ignored ones apart.
    pub(crate) fn uncommitted(&self) -> Vec<String> {
        let mut options = git2::StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true);
        let repository = self.repository();
        let statuses = repository.statuses(Some(&mut options)).unwrap();
        statuses.iter().map(|s| String::from_utf8_lossy(s.path_bytes()).into_owned()).collect()
    }

    /// All files below `path` of the work tree, sorted, relative to the work tree.
    pub(crate) fn files_below(&self, path: &str) -> BTreeSet<String> {
        let mut files = BTreeSet::new();
        collect(&self.dir.join(path), &mut |file| {
            let relative = file.strip_prefix(&self.dir).unwrap();
            files.insert(relative.to_string_lossy().into_owned());
        });
        files
    }

    /// Every object of the repository, by its id.
    pub(crate) fn objects(&self) -> Vec<(String, Vec<u8>)> {
        let repository = self.repository();
        let store = repository.odb().unwrap();
        let mut ids = Vec::new();
        store
            .foreach(|id| {
                ids.push(*id);
                true
            })
            .unwrap();
        ids.into_iter().map(|id| (id.to_string(), store.read(id).unwrap().data().to_vec())).collect()
    }

    fn repository(&self) -> Repository {
        Repository::open(&self.dir).unwrap()
    }
}

/// Calls `visit` with every file below `dir`; links are not followed.
pub(crate) fn collect(dir: &Path, visit: &mut impl FnMut(&Path)) {
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), visit);
        } else {
            visit(&entry.path());
        }
    }
}

/// Copies a tree of files, modes included.
pub(crate) fn copy(from: &Path, to: &Path) {
    assert!(from.is_dir(), "{} is no folder", from.display());
    collect(from, &mut |file| {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::copy(file, target).unwrap();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_starts_clean_and_keeps_a_persons_commits() {
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("src")).unwrap();
        std::fs::write(tree.path().join("src/a.txt"), "a").unwrap();
        let project = Project::new(&[tree.path().to_owned()]);
        assert_eq!(project.branch(), "main");
        assert!(project.uncommitted().is_empty());
        project.write("src/b/c.txt", "c");
        project.delete("src/a.txt");
        assert_eq!(project.uncommitted(), ["src/a.txt", "src/b/c.txt"]);
        project.commit_all("Mend it");
        assert!(project.uncommitted().is_empty());
        assert_eq!(project.log(), "Mend it\n\nStart the project");
        assert_eq!(project.files_below("src"), ["src/b/c.txt".to_owned()].into());
    }
}

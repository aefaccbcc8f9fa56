//! Which rooms a child of this run has: what is the project's, what is a credential's place, where tools keep
//! their caches. Looks at the file system; must not know how rooms are built.

mod git;
mod places;

use std::fs;
use std::path::{Path, PathBuf};

use self::places::{
    CACHE_VARIABLES, CACHES, CARGO, CREDENTIALS, MACHINE, MADE, MOVED_CREDENTIALS, OUTPUTS,
    PROGRAM_VARIABLES, TOOLS,
};
use super::order::{Rooms, Shown};
use crate::sandbox::ground::Ground;

impl Ground {
    /// The rooms as they are now. `temporary` stands for `/tmp` where that cannot be private. A `setup` script fills
    /// the dependency folders and the tools' caches.
    pub(super) fn rooms(&self, temporary: &Path, setup: Option<&str>) -> Rooms {
        let work = real(&self.root).unwrap_or_else(|| self.root.clone());
        let home = self
            .variable("HOME")
            .and_then(|home| real(Path::new(home)))
            .filter(|home| home.is_dir() && home.parent().is_some() && !home.starts_with(&work));
        let git = git::places(&work);
        let mut hidden: Vec<PathBuf> = MACHINE.iter().map(PathBuf::from).collect();
        hidden.extend(self.hidden.iter().cloned());
        // Also root's own, whose home a child of root could name.
        for place in home.iter().cloned().chain([PathBuf::from("/root")]) {
            hidden.extend(CREDENTIALS.iter().map(|path| place.join(path)));
        }
        for (name, files) in MOVED_CREDENTIALS {
            let place = self.variable(name).map(PathBuf::from).filter(|place| place.is_absolute());
            hidden.extend(place.iter().flat_map(|place| files.iter().map(|file| place.join(file))));
        }
        // What leads to the work tree stays: hiding it would hide the work.
        let hidden = present(hidden).into_iter().filter(|path| !work.starts_with(path)).collect();
        for place in setup.into_iter().flat_map(|script| needed(MADE, script)) {
            // It may be there.
            let _ = fs::create_dir(work.join(place));
        }
        let outside_work = |path: &PathBuf| !path.starts_with(&work) && path.is_dir();
        let caches = self.caches(home.as_deref(), setup).into_iter();
        let caches: Vec<_> = caches.filter(|path| outside_work(path) && !work.starts_with(path)).collect();
        let inside = |path: &PathBuf| path.starts_with(&work) && *path != work;
        let here = |paths: Vec<String>| {
            present(paths.iter().map(|path| work.join(path))).into_iter().filter(inside).collect::<Vec<_>>()
        };
        let mut readonly = here(self.protected.iter().cloned().chain(git::submodules(&work)).collect());
        let writable = if setup.is_some() {
            caches.clone()
        } else {
            let made = here(self.dependencies.folders());
            let scratch = here(self.dependencies.scratch()).into_iter();
            readonly.extend(made.iter().cloned());
            scratch.filter(|path| path.is_dir() && made.iter().any(|made| path.starts_with(made))).collect()
        };
        let mut reserved = vec![".git".to_owned()];
        reserved.extend(self.protected.iter().filter_map(|path| Some(path.split('/').next()?.to_owned())));
        Rooms {
            reserved,
            spares: None,
            readonly,
            replaced: git::configurations(&git),
            git,
            hidden,
            writable,
            caches,
            programs: self.programs().filter(|path| outside_work(path) && !work.starts_with(path)).collect(),
            home,
            work,
            temporary: temporary.to_owned(),
            shown: None,
        }
    }

    /// Where tools keep what they fetched. What the tools of a `setup` need is made, so that it lasts.
    fn caches(&self, home: Option<&Path>, setup: Option<&str>) -> Vec<PathBuf> {
        let mut caches: Vec<PathBuf> =
            home.iter().flat_map(|home| CACHES.iter().map(|path| home.join(path))).collect();
        caches.extend(CACHE_VARIABLES.iter().filter_map(|name| self.variable(name)).map(PathBuf::from));
        let cargo = self.variable("CARGO_HOME").map(PathBuf::from);
        caches.extend(cargo.iter().flat_map(|place| CARGO.map(|folder| place.join(folder))));
        if let (Some(home), Some(script)) = (home, setup) {
            for place in needed(TOOLS, script).map(|place| home.join(place)) {
                // Without it the setup fills a layer that is discarded; the next command then misses what it fetched.
                let _ = fs::create_dir_all(&place);
            }
        }
        present(caches.into_iter().filter(|path| path.is_absolute()))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn programs(&self) -> impl Iterator<Item = PathBuf> {
        let path = self.variable("PATH").unwrap_or_default().split(':');
        let named = PROGRAM_VARIABLES.iter().filter_map(|name| self.variable(name));
        present(path.chain(named).filter(|path| path.starts_with('/')).map(PathBuf::from)).into_iter()
    }
}

/// The places that the tools of `script` need.
fn needed<'a>(
    table: &'a [(&'a str, &'a [&'a str])],
    script: &str,
) -> impl Iterator<Item = &'a &'a str> + use<'a> {
    let words: Vec<String> = script.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_owned).collect();
    let named = table.iter().filter(move |(tool, _)| words.iter().any(|word| word == tool));
    named.flat_map(|(_, places)| *places)
}

/// Folders at the top of the work tree into which its builds and tests write, made where they are missing: which were.
pub(super) fn make_outputs(work: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(work).into_iter().flatten().filter_map(Result::ok);
    let names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // A name that begins with a dot is an ending too.
    let there =
        |file: &str| names.iter().any(|name| name == file || file.starts_with('.') && name.ends_with(file));
    let folders = OUTPUTS.iter().filter(|(file, _)| there(file)).flat_map(|(_, folders)| *folders);
    // What is there already is no error, and not pace's to take away.
    folders.map(|folder| work.join(folder)).filter(|path| fs::create_dir(path).is_ok()).collect()
}

/// The file that says who resolves names, where it lies in a hidden folder: a child with network needs it.
pub(super) fn resolver(hidden: &[PathBuf]) -> Option<Shown> {
    let file = real(Path::new("/etc/resolv.conf"))?;
    let folder = hidden.iter().find(|hidden| file.starts_with(hidden))?.clone();
    let path = file.strip_prefix(&folder).ok()?.to_owned();
    Some(Shown { text: fs::read_to_string(&file).ok()?, folder, path })
}

fn real(path: &Path) -> Option<PathBuf> {
    fs::canonicalize(path).ok()
}

/// Those that exist, links followed, each once.
fn present(paths: impl IntoIterator<Item = PathBuf>) -> Vec<PathBuf> {
    // Most are not there. To see that takes one call, to follow every link on the way one for each part.
    let there = paths.into_iter().filter(|path| fs::symlink_metadata(path).is_ok());
    let mut found: Vec<PathBuf> = there.filter_map(|path| real(&path)).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::dependencies::Dependencies;

    #[test]
    fn rooms_know_the_projects_own_and_a_homes_credentials() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().canonicalize().unwrap();
        for path in ["home/.ssh", "home/.cache", "home/work/.git", "home/work/.pace", "home/work/src"] {
            fs::create_dir_all(base.join(path)).unwrap();
        }
        fs::write(base.join("home/.netrc"), "machine x").unwrap();
        fs::write(base.join("home/work/.git/config"), "[core]\n").unwrap();
        let home = base.join("home");
        let ground = Ground {
            root: home.join("work"),
            protected: vec![".pace".into(), "absent.yaml".into(), "../..".into()],
            hidden: vec![base.join("nowhere"), home.clone()],
            env: vec![("HOME".into(), home.display().to_string())],
            dependencies: Dependencies::default(),
            redactor: crate::secret::Redactor::default(),
        };
        let rooms = ground.rooms(&base, None);
        assert_eq!(rooms.readonly, [home.join("work/.pace")]);
        assert_eq!(rooms.git, [home.join("work/.git")]);
        assert_eq!(rooms.caches, [home.join(".cache")]);
        assert!(rooms.hidden.contains(&home.join(".ssh")) && rooms.hidden.contains(&home.join(".netrc")));
        assert!(!rooms.hidden.contains(&home));
        assert_eq!(rooms.replaced, [(home.join("work/.git/config"), "[core]\n".to_owned())]);
        assert_eq!(rooms.home, Some(home));
    }
}

//! How libgit2 is opened: process-wide switches, and a handle whose configuration is pace's own. Knows nothing
//! of branches, commits or remotes.
//!
//! Configuration decides what a git program runs and where it connects (`core.fsmonitor`, `filter.*`,
//! `url.*.insteadOf`, `remote.*.pushurl`, `credential.helper` …), and the repository that pace works on is not
//! trusted. So every handle sees an owned configuration: the few local keys of [`KEPT`], which only say how bytes
//! lie on the disk, and nothing else; the system's and the user's files are not read at all.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use anyhow::Context;
use git2::{Config, ConfigLevel, ErrorCode, Repository, RepositoryOpenFlags};

use super::{RepoError, transport};

/// Local keys that a handle keeps; a trailing dot keeps the whole section.
const KEPT: [&str; 11] = [
    "core.repositoryformatversion",
    "core.bare",
    "core.filemode",
    "core.symlinks",
    "core.ignorecase",
    "core.precomposeunicode",
    "core.autocrlf",
    "core.eol",
    "core.safecrlf",
    "core.logallrefupdates",
    "extensions.",
];

/// Root of the work tree that contains `from`.
///
/// # Errors
/// [`RepoError::Unusable`] where there is no repository, or one without a work tree.
pub(crate) fn discover(from: &Path) -> Result<PathBuf, RepoError> {
    switches().map_err(RepoError::Other)?;
    let found = Repository::discover(from).map_err(|error| unusable(from, &error))?;
    found.workdir().map(Path::to_path_buf).ok_or_else(|| bare(from))
}

/// A fresh handle on the repository at `root`, with the owned configuration. Cheap (one small file is read), and
/// without caches that could be older than the work tree.
pub(super) fn open(root: &Path) -> Result<Repository, RepoError> {
    switches().map_err(RepoError::Other)?;
    let none: [&Path; 0] = [];
    let repo = Repository::open_ext(root, RepositoryOpenFlags::NO_SEARCH, none)
        .map_err(|error| unusable(root, &error))?;
    let workdir = repo.workdir().ok_or_else(|| bare(root))?;
    if workdir.canonicalize().ok() != root.canonicalize().ok() {
        return Err(RepoError::Unusable(format!(
            "{}: core.worktree points elsewhere ({}); remove it from .git/config",
            root.display(),
            workdir.display()
        )));
    }
    let config = owned(&repo).context("reading .git/config")?;
    repo.set_config(&config).context("setting the owned configuration")?;
    Ok(repo)
}

/// Makes the folder for packs where it is missing: what carries a checkout from job to job often leaves empty folders
/// behind, and libgit2 sees no pack that is fetched into a folder which it did not find when it looked first.
pub(super) fn whole(repo: &Repository) {
    let packs = repo.commondir().join("objects/pack");
    if let Err(error) = std::fs::create_dir_all(&packs) {
        tracing::debug!("{} cannot be made: {error}", packs.display());
    }
}

/// The repository of a remote on this machine, bare or not. Nothing of its configuration is run: libgit2 runs none.
pub(super) fn open_remote(path: &Path) -> anyhow::Result<Repository> {
    switches()?;
    Ok(Repository::open(path)?)
}

/// A value of the repository's own configuration as it stands in the file (no rewriting of URLs).
pub(super) fn local_value(root: &Path, key: &str) -> Option<String> {
    switches().ok()?;
    let repo = Repository::open(root).ok()?;
    let config = repo.config().ok()?.snapshot().ok()?;
    config.get_string(key).ok().filter(|value| !value.is_empty())
}

/// The kept keys as a read-only snapshot; the file that carried them is gone when this returns.
fn owned(repo: &Repository) -> anyhow::Result<Config> {
    let local = repo.config()?.snapshot()?;
    let mut text = String::new();
    let mut entries = local.entries(None)?;
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let Ok(name) = entry.name() else { continue };
        let kept = KEPT.iter().any(|key| name == *key || (key.ends_with('.') && name.starts_with(key)));
        if kept {
            // A key without a value means true.
            let value = if entry.has_value() { entry.value().unwrap_or_default() } else { "true" };
            text.push_str(&written(name, value));
        }
    }
    carried(&text, repo)
}

/// The configuration that `text` is. libgit2 reads files alone, and a disk feels one that is made and unmade with each
/// handle.
fn carried(text: &str, repo: &Repository) -> anyhow::Result<Config> {
    #[cfg(target_os = "linux")]
    if let Some(config) = carried_in_memory(text) {
        return Ok(config);
    }
    // An empty root has no folder for temporary files.
    let mut file =
        tempfile::NamedTempFile::new().or_else(|_| tempfile::NamedTempFile::new_in(repo.path()))?;
    file.write_all(text.as_bytes())?;
    Ok(Config::open(file.path())?.snapshot()?)
}

/// The same by a file without a place; `None` where there is no `/proc` that names it: libgit2 would take a missing file for
/// an empty one.
#[cfg(target_os = "linux")]
fn carried_in_memory(text: &str) -> Option<Config> {
    let file = rustix::fs::memfd_create(c"config", rustix::fs::MemfdFlags::CLOEXEC).ok()?;
    let mut file = std::fs::File::from(file);
    file.write_all(text.as_bytes()).ok()?;
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&file));
    let named = std::fs::metadata(&path).is_ok_and(|found| found.len() == text.len() as u64);
    if named { Config::open(Path::new(&path)).ok()?.snapshot().ok() } else { None }
}

/// A key and its value as git-config(1) reads them back.
fn written(name: &str, value: &str) -> String {
    let (section, key) = name.rsplit_once('.').unwrap_or((name, ""));
    let section = match section.split_once('.') {
        Some((section, part)) => format!("{section} \"{}\"", part.replace('\\', "\\\\").replace('"', "\\\"")),
        None => section.to_owned(),
    };
    let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t");
    format!("[{section}]\n\t{key} = \"{value}\"\n")
}

/// Sets libgit2 up once per process.
fn switches() -> anyhow::Result<()> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    DONE.get_or_init(|| set_switches().map_err(|error| error.message().to_owned()))
        .clone()
        .map_err(|error| anyhow::anyhow!("libgit2 cannot be set up: {error}"))
}

/// Empties the search paths of shared configuration, attributes and ignore files; registers the HTTP transport;
/// and turns off the check that the repository belongs to this user: CI containers often run as another user than
/// the one who checked out, and the check guards against commands in a foreign configuration, none of which is
/// ever read here.
#[expect(unsafe_code, reason = "libgit2's process-wide options; called once, before any handle exists")]
fn set_switches() -> Result<(), git2::Error> {
    for level in [ConfigLevel::System, ConfigLevel::Global, ConfigLevel::XDG, ConfigLevel::ProgramData] {
        // SAFETY: run once under a lock, before this process opens a repository.
        unsafe { git2::opts::set_search_path(level, "")? };
    }
    // SAFETY: as above.
    unsafe { git2::opts::set_verify_owner_validation(false)? };
    for scheme in ["http", "https"] {
        // SAFETY: as above; no transport is created before this returns.
        unsafe { git2::transport::register(scheme, transport::create)? };
    }
    Ok(())
}

fn bare(at: &Path) -> RepoError {
    RepoError::Unusable(format!(
        "{} is a bare repository; run pace in a checkout with a work tree",
        at.display()
    ))
}

fn unusable(at: &Path, error: &git2::Error) -> RepoError {
    let at = at.display();
    RepoError::Unusable(if error.code() == ErrorCode::NotFound {
        format!(
            "{at} is not in a git repository; run pace in a checkout (or `git init` and make a first commit)"
        )
    } else if error.message().to_lowercase().contains("partialclone") {
        format!("{at} is a partial clone, which pace cannot read; check out without a `filter`")
    } else {
        format!("{at} cannot be opened as a git repository: {}", error.message())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let values = [
            ("core.autocrlf", "input"),
            ("core.eol", ""),
            ("core.bare", "true"),
            ("extensions.objectformat", "sha256"),
            ("extensions.a \"b\" \\ c.d", " leading # and ; \"quoted\" \\ two\nlines\tand tabs "),
        ];
        let text: String = values.iter().map(|(name, value)| written(name, value)).collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        let on_disk = Config::open(file.path()).unwrap().snapshot().unwrap();
        let mut configs = vec![on_disk];
        #[cfg(target_os = "linux")]
        configs.push(carried_in_memory(&text).unwrap());
        for config in configs {
            for (name, value) in values {
                assert_eq!(config.get_str(name).unwrap(), value, "{name}");
            }
        }
    }
}

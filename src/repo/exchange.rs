//! Other contents in the place of files of the work tree, for the time of one run, and the files back again
//! whatever ends it. The originals lie in `.pace/.run/exchange/`; what lies there belongs back. Knows nothing of git.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};

use super::Stored;

/// What is laid by, in the order of the copies' names.
#[derive(Debug, Serialize, Deserialize)]
struct Laid {
    /// Path from the root, and whether something was there.
    files: Vec<(String, bool)>,
    /// Time of the exchanged files, milliseconds since 1970.
    at_ms: u64,
}

/// Lays copies of all paths by, then puts `instead` in place.
pub(super) fn exchange(
    root: &Path,
    instead: &BTreeMap<String, Option<Stored>>,
    kept: &[String],
) -> anyhow::Result<()> {
    put_back(root)?;
    let paths: BTreeSet<&String> = instead.keys().chain(kept).collect();
    for path in &paths {
        no_links(root, path)?;
    }
    let newest = paths.iter().filter_map(|path| modified(&root.join(path))).max();
    let at = newest.map_or_else(SystemTime::now, later);
    let at_ms = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
    let at_ms = u64::try_from(at_ms).unwrap_or_default() + 1;
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(at_ms);
    let folder = folder(root);
    let part = folder.with_extension("part");
    let _ = fs::remove_dir_all(&part);
    fs::create_dir_all(&part).context("creating .pace/.run/exchange")?;
    let ignore = root.join(".pace/.run/.gitignore");
    if !ignore.exists() {
        fs::write(&ignore, "*\n").context("writing .pace/.run/.gitignore")?;
    }
    let mut laid = Laid { files: vec![], at_ms };
    for (number, path) in paths.iter().enumerate() {
        let was = copy(&root.join(path), &part.join(number.to_string()))
            .with_context(|| format!("laying {path} by"))?;
        laid.files.push(((*path).clone(), was));
    }
    fs::write(part.join(INDEX), serde_json::to_vec(&laid)?).context("writing .pace/.run/exchange")?;
    fs::rename(&part, &folder).context("creating .pace/.run/exchange")?;
    for (path, stored) in instead {
        place(root, path, stored.as_ref(), at).with_context(|| format!("exchanging {path}"))?;
    }
    Ok(())
}

/// Undoes [`exchange`], also that of a run that was killed. Files that are as they were keep their time; the others
/// get a new one, so that no build tool takes what it made of the exchanged ones for theirs.
pub(super) fn put_back(root: &Path) -> anyhow::Result<()> {
    let folder = folder(root);
    let Ok(index) = fs::read(folder.join(INDEX)) else {
        // Without a list there is nothing to put back.
        return if folder.exists() { take_away(&folder) } else { Ok(()) };
    };
    let laid: Laid = serde_json::from_slice(&index).context("reading .pace/.run/exchange")?;
    let at = later(SystemTime::UNIX_EPOCH + Duration::from_millis(laid.at_ms));
    for (number, (path, was)) in laid.files.iter().enumerate() {
        let copy = folder.join(number.to_string());
        let original = if *was { Some(stored(&copy)?) } else { None };
        let now = root.join(path).symlink_metadata().ok().and_then(|_| stored(&root.join(path)).ok());
        if now != original {
            no_links(root, path)?;
            place(root, path, original.as_ref(), at).with_context(|| format!("putting {path} back"))?;
        }
    }
    take_away(&folder)
}

/// Removes the folder: at once, as one that is half removed could neither be put back nor be used again.
fn take_away(folder: &Path) -> anyhow::Result<()> {
    let part = folder.with_extension("part");
    let _ = fs::remove_dir_all(&part);
    fs::rename(folder, &part).and_then(|()| fs::remove_dir_all(&part)).context("removing .pace/.run/exchange")
}

const INDEX: &str = "index.json";

fn folder(root: &Path) -> PathBuf {
    root.join(".pace/.run/exchange")
}

/// Now, but in another second than `time`: Python tells whether a file changed by its second and size.
fn later(time: SystemTime) -> SystemTime {
    SystemTime::now().max(time + Duration::from_secs(1))
}

fn modified(path: &Path) -> Option<SystemTime> {
    path.symlink_metadata().ok()?.modified().ok()
}

/// Copies a file or a link; false where neither is there.
fn copy(from: &Path, to: &Path) -> anyhow::Result<bool> {
    let Ok(meta) = from.symlink_metadata() else { return Ok(false) };
    if meta.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
    } else if meta.is_file() {
        fs::copy(from, to)?;
    } else {
        bail!("it is neither a file nor a link");
    }
    Ok(true)
}

fn stored(path: &Path) -> anyhow::Result<Stored> {
    let meta = path.symlink_metadata()?;
    if meta.is_symlink() {
        return Ok(Stored { content: fs::read_link(path)?.into_os_string().into_vec(), mode: 0o120_000 });
    }
    let mode = if meta.permissions().mode() & 0o100 == 0 { 0o100_644 } else { 0o100_755 };
    Ok(Stored { content: fs::read(path)?, mode })
}

/// Makes `path` what `stored` says.
fn place(root: &Path, path: &str, stored: Option<&Stored>, at: SystemTime) -> anyhow::Result<()> {
    let full = root.join(path);
    match full.symlink_metadata() {
        Ok(meta) if meta.is_dir() => bail!("a folder stands at its place"),
        Ok(_) => fs::remove_file(&full)?,
        Err(_) => {}
    }
    let Some(stored) = stored else {
        prune(root, Path::new(path));
        return Ok(());
    };
    if let Some(parent) = full.parent() {
        fs::create_dir_all(parent)?;
    }
    if stored.mode == 0o120_000 {
        symlink(std::ffi::OsString::from_vec(stored.content.clone()), &full)?;
        return Ok(());
    }
    fs::write(&full, &stored.content)?;
    if stored.mode == 0o100_755 {
        fs::set_permissions(&full, fs::Permissions::from_mode(0o755))?;
    }
    fs::File::options().write(true).open(&full)?.set_modified(at)?;
    Ok(())
}

/// Removes the folders that were left empty.
fn prune(root: &Path, path: &Path) {
    for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if fs::remove_dir(root.join(parent)).is_err() {
            break;
        }
    }
}

/// Refuses a path that is none below the root, or that a symbolic link leads elsewhere.
fn no_links(root: &Path, path: &str) -> anyhow::Result<()> {
    let normal = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !normal || path.starts_with(super::status::RUN_DIR) {
        bail!("{path} is not a path of a file below the root of the repository");
    }
    for parent in Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
        if root.join(parent).symlink_metadata().is_ok_and(|meta| meta.is_symlink()) {
            bail!("{} is a symbolic link; remove it and run again", parent.display());
        }
    }
    Ok(())
}

//! The hand-off between a working and a publishing job: a folder of files under a manifest that names the SHA-256 of
//! each, and the digest of the manifest, which travels another way. Knows files and sums, no verdict.
//!
//! `manifest.json` · `journal.jsonl` (the record of the day) · `commits.bundle` (git's format; absent without new
//! commits) · `files/…` (the day's artifacts and reports, SCRIBE's documents, by path from the repository root).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::artifacts::Store;
use crate::domain::hex::hex;

const VERSION: u32 = 1;
const MANIFEST: &str = "manifest.json";
const JOURNAL: &str = "journal.jsonl";
const FILES: &str = "files";
const GITIGNORE: &str = ".gitignore";
/// What keeps git away, and tells the folder for pace's own from the first moment on.
const MARK: &str = "# hand-off of pace\n*\n";
/// Bytes of a manifest at most.
const LARGEST: u64 = 16 << 20;

/// What a hand-off is about. A publishing job believes none of it but the sums: it plays the record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub handoff: u32,
    /// Version of pace that made it.
    pub pace: String,
    pub sprint: String,
    pub day: u32,
    pub attempt: u32,
    /// For people: what the working job came to.
    pub decision: String,
    pub branch: String,
    /// Tip of the branch.
    pub head: String,
    /// The branch's new commits, oldest first.
    pub commits: Vec<String>,
    /// What the working job spent of a daily budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bill: Option<Bill>,
    /// SHA-256 in hex, by path from the folder.
    pub files: BTreeMap<String, String>,
}

/// What a working job spent under a daily budget, whose ledger it may not write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bill {
    /// US dollars.
    pub usd: f64,
    /// When it ended: seconds since 1970.
    pub at: i64,
    /// The run, whatever became of it later.
    pub run: String,
}

/// Whose bill it is. Any version of pace tells this in the same way.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Whose {
    pub sprint: String,
    pub day: u32,
    pub attempt: u32,
    #[serde(default)]
    bill: Option<Bill>,
}

/// A hand-off being written or read.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Manifest {
    /// Whether a day was handed over, and not the bill alone.
    pub(crate) fn has_record(&self) -> bool {
        self.files.contains_key(JOURNAL)
    }
}

impl Folder {
    /// The folder at `path` (absolute).
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self(path)
    }

    /// Whether a hand-off can be left here: nothing is, or another hand-off.
    ///
    /// # Errors
    /// Something else lies there.
    pub(crate) fn check(&self) -> Result<()> {
        let name = self.0.display();
        if self.0.exists() && !self.0.is_dir() {
            bail!("PACE_HANDOFF: {name} is a file; name a folder that is empty or not there");
        }
        let used = std::fs::read_dir(&self.0).is_ok_and(|mut entries| entries.next().is_some());
        if used && !self.is_ours() {
            bail!("PACE_HANDOFF: {name} holds other files; name a folder that is empty or not there");
        }
        Ok(())
    }

    /// Whether what lies here begins with a manifest of pace's: other programs have a `manifest.json` too.
    fn is_ours(&self) -> bool {
        let manifest = regular(&self.0.join(MANIFEST)).and_then(|file| {
            let mut text = String::new();
            file.take(LARGEST).read_to_string(&mut text)?;
            Ok(serde_json::from_str::<Manifest>(&text)?)
        });
        // A run that was cut off while it wrote had made the folder, and no manifest yet.
        let mark = std::fs::read_to_string(self.0.join(GITIGNORE)).is_ok_and(|text| text == MARK);
        manifest.is_ok() || mark
    }

    /// An empty folder that git ignores; a hand-off that was there before is gone.
    ///
    /// # Errors
    /// Something else lies there.
    pub(crate) fn fresh(&self) -> Result<()> {
        self.check()?;
        let name = self.0.display();
        if self.0.exists() {
            std::fs::remove_dir_all(&self.0).with_context(|| name.to_string())?;
        }
        std::fs::create_dir_all(&self.0).with_context(|| name.to_string())?;
        std::fs::write(self.0.join(GITIGNORE), MARK).with_context(|| name.to_string())
    }

    /// Where git's bundle lies.
    pub(crate) fn bundle(&self) -> PathBuf {
        self.0.join("commits.bundle")
    }

    /// Where the record lies.
    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join(JOURNAL)
    }

    /// Adds a file of the repository.
    pub(crate) fn add(&self, path: &str, text: &str) -> Result<()> {
        let target = self.0.join(FILES).join(path);
        if let Some(folder) = target.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        std::fs::write(&target, text).with_context(|| target.display().to_string())
    }

    /// Writes the manifest over what lies in the folder; its digest.
    pub(crate) fn seal(&self, manifest: Manifest) -> Result<String> {
        let files = self.names()?.into_iter().map(|name| {
            let sum = sum(File::open(self.0.join(&name))?)?;
            anyhow::Ok((name, sum))
        });
        let manifest = Manifest {
            handoff: VERSION,
            pace: env!("CARGO_PKG_VERSION").into(),
            files: files.collect::<Result<_>>()?,
            ..manifest
        };
        let text = serde_json::to_string_pretty(&manifest)? + "\n";
        std::fs::write(self.0.join(MANIFEST), &text).with_context(|| self.0.display().to_string())?;
        sum(text.as_bytes())
    }

    /// The manifest, once it has this digest and every file the sum that it names.
    ///
    /// # Errors
    /// What differs, by name.
    pub(crate) fn open(&self, digest: &str) -> Result<Manifest> {
        let text = self.manifest(digest)?;
        let path = self.0.join(MANIFEST);
        let name = path.display();
        let manifest: Manifest = serde_json::from_str(&text).with_context(|| name.to_string())?;
        let here = env!("CARGO_PKG_VERSION");
        if manifest.handoff != VERSION || manifest.pace != here {
            bail!("{name} was made by pace {}, this is {here}: use one version in both jobs", manifest.pace);
        }
        let there = self.names()?;
        if let Some(extra) = there.iter().find(|name| !manifest.files.contains_key(*name)) {
            bail!("{}: {extra} is not in the manifest: it was added on the way", self.0.display());
        }
        for (name, wanted) in &manifest.files {
            let path = self.0.join(plain(name)?);
            let found = sum(regular(&path)?)?;
            if found != *wanted {
                bail!(
                    "{} has the SHA-256 {found}, and {wanted} was handed over: it was changed on the way",
                    path.display()
                );
            }
        }
        Ok(manifest)
    }

    /// Whose bill the manifest has, once it has this digest, and the bill, where there is one; whatever else is wrong with
    /// the hand-off.
    ///
    /// # Errors
    /// Another digest.
    pub(crate) fn billed(&self, digest: &str) -> Result<(Whose, Option<Bill>)> {
        let mut whose: Whose = serde_json::from_str(&self.manifest(digest)?)?;
        let bill = whose.bill.take();
        Ok((whose, bill))
    }

    /// The text of the manifest, once it has this digest.
    fn manifest(&self, digest: &str) -> Result<String> {
        let path = self.0.join(MANIFEST);
        let name = path.display();
        let file = regular(&path).with_context(|| {
            format!("there is no hand-off in {}; fetch the working job's artifact first", self.0.display())
        })?;
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text).with_context(|| name.to_string())?;
        let found = sum(text.as_bytes())?;
        if found != digest {
            bail!(
                "{name} has the digest {found}, and PACE_HANDOFF_DIGEST is {digest}: it was changed, or belongs to another run"
            );
        }
        Ok(text)
    }

    /// The repository's files that were handed over.
    pub(crate) fn files(&self, manifest: &Manifest) -> Result<BTreeMap<String, String>> {
        let names = manifest.files.keys().filter_map(|name| Some((name, name.strip_prefix("files/")?)));
        let read = |(name, path): (&String, &str)| {
            let text = std::fs::read_to_string(self.0.join(name)).with_context(|| name.clone())?;
            Ok((path.to_owned(), text))
        };
        names.map(read).collect()
    }

    /// Everything in the folder but the manifest and what keeps git away.
    fn names(&self) -> Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        walk(&self.0, "", &mut names)?;
        names.remove(MANIFEST);
        names.remove(GITIGNORE);
        Ok(names)
    }
}

impl Store {
    /// What a hand-off of `day` carries besides `docs`: the day's artifacts and reports and the last page.
    pub(crate) fn handed_over(&self, day: u32, docs: &[String]) -> Result<BTreeMap<String, String>> {
        let own = format!("{}/", Self::day_dir(day));
        let mut files = self.snapshot()?;
        files.retain(|path, _| path.starts_with(&own) || path == ".pace/pace-summary.md");
        for doc in docs {
            let text = self.read_text(doc)?.with_context(|| format!("{doc} is gone"))?;
            files.insert(doc.clone(), text);
        }
        Ok(files)
    }
}

fn walk(root: &Path, below: &str, names: &mut BTreeSet<String>) -> Result<()> {
    let folder = root.join(below);
    for entry in std::fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().with_context(|| format!("{}: a name that is no text", folder.display()))?;
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        if entry.file_type()?.is_dir() {
            walk(root, &path, names)?;
        } else {
            names.insert(path);
        }
    }
    Ok(())
}

/// A path that stays below its folder.
fn plain(name: &str) -> Result<&Path> {
    let path = Path::new(name);
    if name.is_empty() || !path.components().all(|part| matches!(part, Component::Normal(_))) {
        bail!("the manifest names {name:?}, which is no path in the hand-off");
    }
    Ok(path)
}

/// An ordinary file; a link could lead anywhere.
fn regular(path: &Path) -> Result<File> {
    let kind = std::fs::symlink_metadata(path).with_context(|| path.display().to_string())?;
    if !kind.is_file() {
        bail!("{} is no ordinary file", path.display());
    }
    File::open(path).with_context(|| path.display().to_string())
}

fn sum(mut from: impl Read) -> Result<String> {
    let (mut hash, mut buffer) = (Sha256::new(), [0_u8; 1 << 16]);
    loop {
        match from.read(&mut buffer)? {
            0 => break,
            read => hash.update(&buffer[..read]),
        }
    }
    Ok(hex(&hash.finalize()))
}

#[cfg(test)]
mod tests;

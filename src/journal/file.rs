//! The journal's file: records are appended one by one and synced, that of a mere look with the next one that is not; a
//! resumed file is written anew beside the old one and takes its place whole. One process at a time holds it. Knows no meaning of records.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::FlockOperation::NonBlockingLockExclusive;
use rustix::io::Errno;
use serde_json::Value;

use super::record::{LIMIT, ROOM, Record, Seal, VERSION};
use super::{END, INTENT, timestamp};

/// When a record has to be on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Synced {
    /// Before anything else happens.
    Now,
    /// With the next record that must be: until then nothing was acted that a machine which dies could not repeat.
    Later,
}

/// Writes records.
pub(crate) struct Recorder {
    file: File,
    path: PathBuf,
    /// Where the records are written until [`Recorder::publish`].
    hidden: Option<PathBuf>,
    seal: Seal,
    seq: u64,
    /// The seal of the last record.
    before: String,
    bytes: u64,
    checkpoint: Option<String>,
}

impl Recorder {
    /// A new file at `path`; its folder is made, an existing file is an error.
    pub(super) fn create(path: &Path, seal: Seal) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot create the journal {}", path.display()))?;
        sync_folder(path)?;
        Self::new(file, path, None, seal)
    }

    /// A file beside `path` that begins with `records`, sealed anew; [`Recorder::publish`] puts it in its place.
    pub(super) fn rewrite(path: &Path, records: Vec<Record>, seal: Seal) -> anyhow::Result<Self> {
        let hidden = path.with_extension("new");
        // Left behind by a run that was killed.
        let _ = std::fs::remove_file(&hidden);
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(&hidden)
            .with_context(|| format!("cannot create {}", hidden.display()))?;
        let mut recorder = Self::new(file, path, Some(hidden), seal)?;
        for record in records {
            recorder.put(record)?;
        }
        Ok(recorder)
    }

    /// A new file at `path` that begins with `records` as another job sealed them; what is appended is chained to them.
    pub(super) fn continued(path: &Path, records: &[Record], seal: Seal) -> anyhow::Result<Self> {
        let mut recorder = Self::create(path, seal)?;
        for record in records {
            recorder.put_sealed(record.clone())?;
        }
        recorder.sync()?;
        Ok(recorder)
    }

    fn new(file: File, path: &Path, hidden: Option<PathBuf>, seal: Seal) -> anyhow::Result<Self> {
        // Where the file system knows no locks, nothing is lost but the warning.
        if let Err(Errno::WOULDBLOCK) = rustix::fs::flock(&file, NonBlockingLockExclusive) {
            bail!("{}: another run is writing this journal", path.display());
        }
        let path = path.to_path_buf();
        Ok(Self { file, path, hidden, seal, seq: 0, before: String::new(), bytes: 0, checkpoint: None })
    }

    /// Appends a record.
    pub(super) fn append(
        &mut self,
        (kind, key): (&str, String),
        value: Value,
        tree: Option<String>,
        synced: Synced,
    ) -> anyhow::Result<()> {
        let kind = kind.to_owned();
        let record =
            Record { v: VERSION, seq: 0, kind, key, at: timestamp(), value, tree, seal: String::new() };
        self.put(record)?;
        if synced == Synced::Now { self.sync() } else { Ok(()) }
    }

    /// Puts a rewritten journal in the place of the old one.
    pub(super) fn publish(&mut self) -> anyhow::Result<()> {
        let Some(hidden) = self.hidden.take() else { return Ok(()) };
        self.sync()?;
        std::fs::rename(&hidden, &self.path)
            .with_context(|| format!("cannot write the journal {}", self.path.display()))?;
        sync_folder(&self.path)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The newest checkpoint of all records.
    pub(super) fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    fn put(&mut self, record: Record) -> anyhow::Result<()> {
        let mut record = Record { seq: self.seq + 1, ..record };
        record.seal = self.seal.of(&self.before, &record)?;
        self.put_sealed(record)
    }

    fn put_sealed(&mut self, record: Record) -> anyhow::Result<()> {
        let line = serde_json::to_string(&record)? + "\n";
        let after = self.bytes + line.len() as u64;
        let most = if record.kind == INTENT { LIMIT - ROOM } else { LIMIT };
        if after > most && record.kind != END {
            bail!(
                "{}: the journal of a run may have {} MiB, and the next record would pass that: split the day's story",
                self.path.display(),
                most >> 20
            );
        }
        let written = self.file.write_all(line.as_bytes());
        if written.is_err() {
            // A half-written line would make what is appended next unreadable.
            let _ = self.file.set_len(self.bytes);
        }
        written.with_context(|| format!("cannot write the journal {}", self.path.display()))?;
        self.bytes = after;
        self.seq = record.seq;
        self.checkpoint = record.tree.or(self.checkpoint.take());
        self.before = record.seal;
        Ok(())
    }

    fn sync(&self) -> anyhow::Result<()> {
        self.file.sync_data().with_context(|| format!("cannot write the journal {}", self.path.display()))
    }
}

/// Whether a running process writes the journal at `path`.
pub(crate) fn is_held(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return false };
    matches!(rustix::fs::flock(&file, NonBlockingLockExclusive), Err(Errno::WOULDBLOCK))
}

fn sync_folder(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent() else { return Ok(()) };
    let folder_file = File::open(folder).with_context(|| folder.display().to_string())?;
    folder_file.sync_all().with_context(|| folder.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reply that was paid for always finds room.
    #[test]
    fn no_intent_comes_into_the_last_part_of_a_journal() {
        let dir = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::create(&dir.path().join("run-1.jsonl"), Seal::new(None)).unwrap();
        recorder.append(("start", String::new()), Value::Null, None, Synced::Now).unwrap();
        recorder.append((INTENT, String::new()), Value::Null, None, Synced::Now).unwrap();
        recorder.bytes = LIMIT - ROOM;
        let error = recorder.append((INTENT, String::new()), Value::Null, None, Synced::Now).unwrap_err();
        assert!(error.to_string().contains("split the day's story"), "{error}");
        recorder.append(("model", String::new()), Value::Null, None, Synced::Now).unwrap();
        recorder.bytes = LIMIT;
        assert!(recorder.append(("model", String::new()), Value::Null, None, Synced::Now).is_err());
        recorder.append((END, String::new()), Value::Null, None, Synced::Now).unwrap();
    }
}

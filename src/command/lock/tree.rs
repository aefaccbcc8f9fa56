//! The lock on a work tree: `flock` on `.pace/.run/lock`, which the system takes back from a dead process at once.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use anyhow::Context as _;

use super::alive::{self, Alive};
use crate::domain::lock::Owner;
use crate::store::artifacts::Store;

/// Bytes of the owners' records that are read.
const RECORD: u64 = 256 * 1024;
/// Owners that are kept at most.
const KEPT: usize = 64;

/// A work tree that is held; let go when dropped.
#[derive(Debug)]
pub(crate) struct TreeLock {
    _file: File,
    before: Vec<Owner>,
    died: Option<i64>,
    alive: Option<Alive>,
}

impl TreeLock {
    /// Holds the work tree, or tells who does.
    pub(crate) fn take(store: &Store, owner: &Owner) -> anyhow::Result<Result<Self, String>> {
        let mut file = store.lock_file()?;
        match file.try_lock() {
            Ok(()) => {
                let before = read(&mut file);
                note(&mut file, owner, &before).context("writing .pace/.run/lock")?;
                let died = alive::died(&store.alive_path());
                Ok(Ok(Self { _file: file, before, died, alive: None }))
            }
            Err(TryLockError::WouldBlock) => {
                let now = jiff::Timestamp::now().as_second();
                let since = |owner: Owner| {
                    let at = jiff::Timestamp::from_second(owner.since).map(|at| at.to_string());
                    format!("{}, since {}", owner.name(), at.unwrap_or_default())
                };
                let other = read(&mut file).pop().map_or_else(|| Owner::unknown(now).name(), since);
                Ok(Err(format!("{other}, in this work tree")))
            }
            Err(TryLockError::Error(error)) => Err(error).context("locking .pace/.run/lock"),
        }
    }

    /// The runs that held this work tree before. They are dead: they would hold it still.
    pub(super) fn before(&self) -> Vec<String> {
        self.before.iter().map(|owner| owner.run.clone()).collect()
    }

    /// When the newest of them gave its last sign of life, seconds since 1970, if it came to no end.
    pub(crate) fn died(&self) -> Option<i64> {
        self.died
    }

    /// From now on this run gives signs of life, and what the one before left counts as put in order.
    pub(crate) fn live(&mut self, store: &Store) -> anyhow::Result<()> {
        let path = store.alive_path();
        self.alive = Some(Alive::begin(&path).with_context(|| format!("writing {}", path.display()))?);
        Ok(())
    }
}

/// Adds `owner` behind those who held the file before: one that was killed before it took over what the dead held must not
/// hide them. Appending leaves them whole at any moment.
fn note(file: &mut File, owner: &Owner, before: &[Owner]) -> std::io::Result<()> {
    let mut lines = String::new();
    if before.len() >= KEPT {
        file.set_len(0)?;
        for owner in &before[before.len() - KEPT / 2..] {
            lines += &format!("{}\n", serde_json::to_string(owner)?);
        }
    }
    // A line that was torn ends here.
    lines += &format!("\n{}\n", serde_json::to_string(owner)?);
    file.seek(SeekFrom::End(0))?;
    file.write_all(lines.as_bytes())
}

/// The owners so far, the last one last.
fn read(file: &mut File) -> Vec<Owner> {
    let mut bytes = Vec::new();
    if file.rewind().is_err() || file.take(RECORD).read_to_end(&mut bytes).is_err() {
        return vec![];
    }
    bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

//! The lock on a work tree: `flock` on `.pace/.run/lock`, which the system takes back from a dead process at once.

use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};

use anyhow::Context as _;

use crate::domain::lock::Owner;
use crate::store::artifacts::Store;

/// Bytes of an owner's record that are read.
const RECORD: u64 = 64 * 1024;

/// A work tree that is held; let go when dropped.
#[derive(Debug)]
pub(crate) struct TreeLock {
    _file: File,
    before: Option<String>,
}

impl TreeLock {
    /// Holds the work tree, or tells who does.
    pub(crate) fn take(store: &Store, owner: &Owner) -> anyhow::Result<Result<Self, String>> {
        let mut file = store.lock_file()?;
        match file.try_lock() {
            Ok(()) => {
                let before = read(&mut file).map(|owner| owner.run);
                file.set_len(0)
                    .and_then(|()| file.rewind())
                    .and_then(|()| file.write_all(&serde_json::to_vec(owner)?))
                    .context("writing .pace/.run/lock")?;
                Ok(Ok(Self { _file: file, before }))
            }
            Err(TryLockError::WouldBlock) => {
                let now = jiff::Timestamp::now().as_second();
                let since = |owner: Owner| {
                    let at = jiff::Timestamp::from_second(owner.since).map(|at| at.to_string());
                    format!("{}, since {}", owner.name(), at.unwrap_or_default())
                };
                let other = read(&mut file).map_or_else(|| Owner::unknown(now).name(), since);
                Ok(Err(format!("{other}, in this work tree")))
            }
            Err(TryLockError::Error(error)) => Err(error).context("locking .pace/.run/lock"),
        }
    }

    /// The run that held this work tree before. It is dead: it would hold it still.
    pub(super) fn before(&self) -> Option<String> {
        self.before.clone()
    }
}

fn read(file: &mut File) -> Option<Owner> {
    let mut bytes = Vec::new();
    file.rewind().ok()?;
    file.take(RECORD).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

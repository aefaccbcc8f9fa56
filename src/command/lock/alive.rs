//! The sign of life of the run that holds a work tree: `.pace/.run/alive`, whose change time is renewed while it lives. A run
//! that ends in order takes it away, so one that is found says when a run died. Knows nothing of locks.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

const BEAT: Duration = Duration::from_millis(500);

/// Renews the sign until it is dropped.
#[derive(Debug)]
pub(super) struct Alive {
    path: PathBuf,
    /// Dropped first, which ends the thread.
    stop: Option<Sender<()>>,
    beating: Option<JoinHandle<()>>,
}

impl Alive {
    /// Begins to give the sign at `path`.
    pub(super) fn begin(path: &Path) -> io::Result<Self> {
        // Made anew, so that a link in its place is not followed.
        drop(fs::remove_file(path));
        let file = File::create_new(path)?;
        let (stop, stopped) = mpsc::channel::<()>();
        // A thread, because what git does on this machine lets no task run meanwhile.
        let beating = std::thread::Builder::new().name("alive".into()).spawn(move || {
            while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                drop(file.set_modified(SystemTime::now()));
            }
        })?;
        Ok(Self { path: path.to_owned(), stop: Some(stop), beating: Some(beating) })
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(beating) = self.beating.take() {
            drop(beating.join());
        }
        drop(fs::remove_file(&self.path));
    }
}

/// When the run died whose sign is still at `path`, seconds since 1970. The change time: nobody can set it.
pub(super) fn died(path: &Path) -> Option<i64> {
    path.symlink_metadata().ok().filter(|meta| meta.is_file()).map(|meta| meta.ctime())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_came_to_no_end_leaves_its_sign() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alive");
        assert_eq!(died(&path), None);
        let alive = Alive::begin(&path).unwrap();
        assert!(died(&path).is_some());
        drop(alive);
        assert_eq!(died(&path), None);
        let mut killed = Alive::begin(&path).unwrap();
        killed.path = dir.path().join("nowhere");
        drop(killed);
        assert!(died(&path).is_some());
    }
}

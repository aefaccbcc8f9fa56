//! The ways in which a journal begins: a new one, a play of one that is there, or one that is gone on with.

use std::path::Path;
use std::sync::Mutex;

use anyhow::bail;

use super::file::Recorder;
use super::state::{Playing, Resuming, State};
use super::{Journal, Keeper, Record, Seal, read};
use crate::secret::Redactor;

impl Journal {
    /// Starts a new journal at `path`; its folder is made, an existing file is an error.
    pub(crate) fn create(
        path: &Path,
        redactor: Redactor,
        seal: Seal,
        keeper: Box<dyn Keeper>,
    ) -> anyhow::Result<Self> {
        let state = State::Recording(Recorder::create(path, seal)?);
        Ok(Self { state: Mutex::new(state), redactor, keeper })
    }

    /// Plays the journal at `path`: steps return what was recorded and nothing is acted. `redactor` masks what the
    /// recording's own masked beyond the secrets of that time.
    pub(crate) fn play(path: &Path, redactor: Redactor, keeper: Box<dyn Keeper>) -> anyhow::Result<Self> {
        let records = read(path)?;
        let state = State::Playing(Playing { left: records.into(), path: path.to_path_buf(), then: None });
        Ok(Self { state: Mutex::new(state), redactor, keeper })
    }

    /// Plays `records` of another job, which it first writes to a new journal at `path` as they are, and records there
    /// from [`Journal::go_on`], sealed with `seal`.
    ///
    /// The key that sealed `records` need not be at hand: whoever calls this has bound them by a digest that did not come
    /// with them.
    pub(crate) fn continued(
        path: &Path,
        records: Vec<Record>,
        redactor: Redactor,
        seal: Seal,
        keeper: Box<dyn Keeper>,
    ) -> anyhow::Result<Self> {
        let then = Some(Recorder::continued(path, &records, seal)?);
        let state = State::Playing(Playing { left: records.into(), path: path.to_path_buf(), then });
        Ok(Self { state: Mutex::new(state), redactor, keeper })
    }

    /// The end of a record that is to be gone on with: from here steps are acted and recorded again. Nothing changes
    /// in a mere play, nor where the run records already.
    ///
    /// # Errors
    /// Records that were not played: they would belong to another run.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        self.pass_resumes()?;
        let mut state = self.lock();
        let State::Playing(Playing { left, path, then }) = &mut *state else { return Ok(()) };
        if then.is_some()
            && let Some(record) = left.front()
        {
            bail!("{}: record {} (`{}`) is left over", path.display(), record.seq, record.kind);
        }
        if let Some(recorder) = then.take() {
            *state = State::Recording(recorder);
        }
        Ok(())
    }

    /// Plays `records` of the journal at `path` until a step asks for one that is not there, then goes on recording
    /// there, sealed with `seal`: the file then holds what was played, and what follows.
    pub(crate) fn resume(
        path: &Path,
        records: Vec<Record>,
        redactor: Redactor,
        seal: Seal,
        keeper: Box<dyn Keeper>,
    ) -> Self {
        let resuming = Resuming { kept: Vec::new(), left: records.into(), path: path.to_path_buf(), seal };
        Self { state: Mutex::new(State::Resuming(resuming)), redactor, keeper }
    }
}

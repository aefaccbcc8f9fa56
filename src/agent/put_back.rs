//! What an agent's observation takes out of the work tree comes back, whatever ends it: a time-out, a signal, an error.

use super::Desk;
use crate::domain::event::{Event, Level};
use crate::repo::Repository;

/// Puts something back once, at the latest when it is dropped.
pub(super) struct PutBack<'a> {
    desk: &'a Desk<'a>,
    act: fn(&dyn Repository) -> anyhow::Result<()>,
    /// Where it lies until then, for the person who must look for it.
    left: &'static str,
    done: bool,
}

impl<'a> PutBack<'a> {
    /// From now on `act` is owed; `left`: what to say where it fails in a drop, e.g. `files are still in …`.
    pub(super) fn owed(
        desk: &'a Desk<'a>,
        act: fn(&dyn Repository) -> anyhow::Result<()>,
        left: &'static str,
    ) -> Self {
        Self { desk, act, left, done: false }
    }

    /// Puts it back now.
    pub(super) fn now(mut self) -> anyhow::Result<()> {
        self.done = true;
        (self.act)(self.desk.repo.as_ref())
    }
}

impl Drop for PutBack<'_> {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        if let Err(error) = (self.act)(self.desk.repo.as_ref()) {
            let text = format!("{}: {error:#}", self.left);
            self.desk.events.emit(Event::Notice { level: Level::Error, text });
        }
    }
}

//! Where a journal stands in its record: recording, playing, or playing as far as the record fits. Finds the record of a
//! step; acts nothing and asks nobody.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use serde_json::Value;

use super::file::Recorder;
use super::record::{Record, Seal};
use super::{END, FAILED, INTENT, RESUME};

pub(super) enum State {
    Recording(Recorder),
    Playing(Playing),
    Resuming(Resuming),
}

/// A recording that must fit to its end.
pub(super) struct Playing {
    /// What was not played yet.
    pub(super) left: VecDeque<Record>,
    pub(super) path: PathBuf,
    /// Goes on behind the records; without it this is a mere play.
    pub(super) then: Option<Recorder>,
}

/// A recording that is played as far as it fits.
pub(super) struct Resuming {
    /// What was played.
    pub(super) kept: Vec<Record>,
    /// What was not played yet.
    pub(super) left: VecDeque<Record>,
    pub(super) path: PathBuf,
    pub(super) seal: Seal,
}

/// What a step finds in the journal.
pub(super) enum Found {
    Value(Value),
    /// The recorded step failed.
    Failure(String),
    /// Nothing: it is to be acted and recorded.
    Nothing,
    /// A resumed recording that does not reach to this step or does not fit it: it must be parted from first.
    Misfit,
}

impl State {
    /// What is recorded of the step `kind` with the input digest `key`.
    pub(super) fn find(&mut self, kind: &str, key: &str) -> anyhow::Result<Found> {
        match self {
            Self::Recording(_) => Ok(Found::Nothing),
            Self::Playing(playing) => playing.find(kind, key),
            Self::Resuming(resuming) => Ok(resuming
                .take(|record| record.kind == kind && record.key == key)
                .map_or(Found::Misfit, Found::Value)),
        }
    }

    /// As [`State::find`] for a value that the run computed: a resumed recording fits only where it has the same.
    pub(super) fn find_same(&mut self, kind: &str, key: &str, value: &Value) -> anyhow::Result<Found> {
        match self {
            Self::Resuming(resuming) => Ok(resuming
                .take(|record| record.kind == kind && record.key == key && record.value == *value)
                .map_or(Found::Misfit, Found::Value)),
            other => other.find(kind, key),
        }
    }

    /// What the keeper said where the recorded run was resumed, if that is next in the record.
    pub(super) fn pop_resume(&mut self) -> Option<Value> {
        let is_resume = |record: &mut Record| record.kind == RESUME;
        match self {
            Self::Recording(_) => None,
            Self::Playing(playing) => playing.left.pop_front_if(is_resume).map(|record| record.value),
            Self::Resuming(resuming) => {
                let record = resuming.left.pop_front_if(is_resume)?;
                let value = record.value.clone();
                resuming.kept.push(record);
                Some(value)
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Recording(recorder) => recorder.path(),
            Self::Playing(Playing { path, .. }) | Self::Resuming(Resuming { path, .. }) => path,
        }
    }
}

impl Playing {
    /// The next record, which must be this step's.
    fn find(&mut self, kind: &str, key: &str) -> anyhow::Result<Found> {
        while self.left.pop_front_if(|record| record.kind == INTENT).is_some() {}
        let path = self.path.display();
        let record =
            self.left.front().ok_or_else(|| anyhow!("{path}: the recording ends before `{kind}`"))?;
        if record.kind == END && kind != END {
            let reason = record.value["error"].as_str().unwrap_or("it was cut short").to_owned();
            bail!("the recorded run ended here: {reason}");
        }
        let failed = record.kind == FAILED && record.value["kind"] == kind;
        if record.key != key || !(record.kind == kind || failed) {
            bail!(
                "{path}: record {} is `{}` with another input than this run's `{kind}`; was it recorded by another \
                 version of pace?",
                record.seq,
                record.kind
            );
        }
        let value = self.left.pop_front().map(|record| record.value).unwrap_or_default();
        Ok(if failed {
            Found::Failure(value["error"].as_str().unwrap_or_default().to_owned())
        } else {
            Found::Value(value)
        })
    }
}

impl Resuming {
    /// Plays the next record if it `fits`, with the intents before it.
    fn take(&mut self, fits: impl Fn(&Record) -> bool) -> Option<Value> {
        let at = self.left.iter().position(|record| record.kind != INTENT)?;
        let value = self.left.get(at).filter(|record| fits(record))?.value.clone();
        self.kept.extend(self.left.drain(..=at));
        Some(value)
    }
}

//! Append-only record of a run: every observation and every effect of a day is a step that is acted once and
//! recorded before the next one. Playing the record instead of acting reproduces the day. Knows the shape of
//! records, not what they mean.
//!
//! One JSON object a line: `{"v":1,"seq":7,"kind":"model","key":"…","at":"…","value":…}`. `key` identifies the
//! step's input, so a record is never mistaken for another's.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::future::Future;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow, bail};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::secret::Redactor;

/// Version of the record format; a journal of another version is refused by name.
const VERSION: u32 = 1;

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub v: u32,
    /// From 1, without gaps.
    pub seq: u64,
    /// What kind of step, e.g. `model`, `tool`, `tests`, `commit`.
    pub kind: String,
    /// Digest of the step's input.
    pub key: String,
    /// ISO 8601, UTC.
    pub at: String,
    pub value: Value,
}

/// A run's journal, being written or being played.
pub(crate) struct Journal {
    state: Mutex<State>,
    redactor: Redactor,
}

enum State {
    Recording { file: File, path: PathBuf, seq: u64 },
    Playing { records: VecDeque<Record>, path: PathBuf, goes_on: bool },
}

impl Journal {
    /// Starts a new journal at `path`; its folder is made, an existing file is an error.
    pub(crate) fn create(path: &Path, redactor: Redactor) -> anyhow::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .open(path)
            .with_context(|| format!("cannot create the journal {}", path.display()))?;
        let state = State::Recording { file, path: path.to_path_buf(), seq: 0 };
        Ok(Self { state: Mutex::new(state), redactor })
    }

    /// Plays the journal at `path`: steps return what was recorded and nothing is acted. `redactor` masks what the
    /// recording's own masked beyond the secrets of that time.
    pub(crate) fn play(path: &Path, redactor: Redactor) -> anyhow::Result<Self> {
        let records = read(path)?;
        let state = State::Playing { records: records.into(), path: path.to_path_buf(), goes_on: false };
        Ok(Self { state: Mutex::new(state), redactor })
    }

    /// Plays `records`, which it first writes to a new journal at `path`, and records there from
    /// [`Journal::go_on`].
    pub(crate) fn continued(path: &Path, records: Vec<Record>, redactor: Redactor) -> anyhow::Result<Self> {
        let journal = Self::create(path, redactor)?;
        let mut text = String::new();
        for record in &records {
            text.push_str(&serde_json::to_string(record)?);
            text.push('\n');
        }
        if let State::Recording { file, .. } = &mut *journal.lock() {
            file.write_all(text.as_bytes())
                .and_then(|()| file.sync_data())
                .with_context(|| format!("cannot write the journal {}", path.display()))?;
        }
        let state = State::Playing { records: records.into(), path: path.to_path_buf(), goes_on: true };
        *journal.lock() = state;
        Ok(journal)
    }

    /// The end of a record that is to be gone on with: from here steps are acted and recorded again. Nothing changes
    /// in a mere play.
    ///
    /// # Errors
    /// Records that were not played: they would belong to another run.
    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        let mut state = self.lock();
        let State::Playing { records, path, goes_on: true } = &*state else { return Ok(()) };
        if let Some(record) = records.front() {
            bail!("{}: record {} («{}») is left over", path.display(), record.seq, record.kind);
        }
        let seq = read(path)?.len() as u64;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.with_context(|| format!("cannot go on with the journal {}", path.display()))?;
        *state = State::Recording { file, path: path.clone(), seq };
        Ok(())
    }

    /// Acts once and records the value, or returns the recorded one.
    ///
    /// # Errors
    /// What `act` failed with (failures are not recorded); a journal that cannot be written; in play, a record
    /// that is missing or belongs to another step.
    pub(crate) async fn step<T, I, E>(
        &self,
        kind: &str,
        input: &I,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Serialize + DeserializeOwned,
        I: Serialize + ?Sized,
        E: From<anyhow::Error>,
    {
        // Of the input as the record may hold it: a value that is masked there would be another one in play.
        let key = key(&self.clean_value(serde_json::to_value(input).map_err(anyhow::Error::from)?)?)?;
        if let Some(value) = self.played(kind, &key)? {
            let value = serde_json::from_value(value)
                .map_err(|e| anyhow!("journal record «{kind}» does not fit this version of pace: {e}"))?;
            return Ok(value);
        }
        let value = act.await?;
        self.append(kind, key, serde_json::to_value(&value).map_err(anyhow::Error::from)?)?;
        Ok(value)
    }

    /// Records a value that the run itself computed; in play, checks that it is the recorded one.
    pub(crate) fn note<T: Serialize + ?Sized>(&self, kind: &str, key: &str, value: &T) -> anyhow::Result<()> {
        let value = serde_json::to_value(value)?;
        match self.played(kind, key)? {
            Some(recorded) if recorded == self.redacted(value.clone())? => Ok(()),
            Some(_) => bail!("the replay differs from the recording at «{kind}» {key}"),
            None => self.append(kind, key.to_owned(), value),
        }
    }

    /// The current time, ISO 8601 in UTC with whole seconds, as a recorded step.
    pub(crate) async fn now(&self) -> anyhow::Result<String> {
        self.step("clock", "", async { anyhow::Ok(timestamp()) }).await
    }

    /// `text` without secrets, as the record and every later reader sees it.
    pub(crate) fn clean(&self, text: &str) -> String {
        self.redactor.redact(text).into_owned()
    }

    /// `value` with every text in it as [`Journal::clean`] gives it.
    pub(crate) fn clean_value(&self, value: Value) -> anyhow::Result<Value> {
        self.redacted(value)
    }

    /// Records that were not played.
    pub(crate) fn unplayed(&self) -> usize {
        match &*self.lock() {
            State::Playing { records, .. } => records.len(),
            State::Recording { .. } => 0,
        }
    }

    fn played(&self, kind: &str, key: &str) -> anyhow::Result<Option<Value>> {
        let mut state = self.lock();
        let State::Playing { records, path, .. } = &mut *state else { return Ok(None) };
        let record = records
            .front()
            .ok_or_else(|| anyhow!("{}: the recording ends before «{kind}»", path.display()))?;
        if record.kind == END && kind != END {
            let reason = record.value["error"].as_str().unwrap_or("it was cut short").to_owned();
            bail!("the recorded run ended here: {reason}");
        }
        if record.kind != kind || record.key != key {
            bail!(
                "{}: record {} is «{}» with another input than this run's «{kind}»; was it recorded by another \
                 version of pace?",
                path.display(),
                record.seq,
                record.kind
            );
        }
        Ok(records.pop_front().map(|record| record.value))
    }

    fn append(&self, kind: &str, key: String, value: Value) -> anyhow::Result<()> {
        let value = self.redacted(value)?;
        let mut state = self.lock();
        let State::Recording { file, path, seq } = &mut *state else { return Ok(()) };
        *seq += 1;
        let record = Record { v: VERSION, seq: *seq, kind: kind.to_owned(), key, at: timestamp(), value };
        let mut line = serde_json::to_string(&record)?;
        line.push('\n');
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_data())
            .with_context(|| format!("cannot write the journal {}", path.display()))
    }

    fn redacted(&self, value: Value) -> anyhow::Result<Value> {
        Ok(match value {
            Value::String(text) => Value::String(self.redactor.redact(&text).into_owned()),
            Value::Array(items) => {
                Value::Array(items.into_iter().map(|v| self.redacted(v)).collect::<anyhow::Result<_>>()?)
            }
            Value::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(k, v)| Ok((self.redactor.redact(&k).into_owned(), self.redacted(v)?)))
                    .collect::<anyhow::Result<_>>()?,
            ),
            other => other,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kind of the last record of a run: `{"exit": 0}` or `{"exit": 4, "error": "…"}`.
pub(crate) const END: &str = "end";

/// All records of the journal at `path`. A torn last line (a run that was killed) is left out.
///
/// # Errors
/// A file that cannot be read, a record of another version, a broken line before the last, a gap in `seq`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Record>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the journal {}", path.display()))?;
    let mut records = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let place = || format!("{}:{}", path.display(), index + 1);
        let record: Record = match serde_json::from_str(line) {
            Ok(record) => record,
            Err(_) if lines.peek().is_none() && !line.ends_with('\n') => break,
            Err(error) => bail!("{}: not a journal record: {error}", place()),
        };
        if record.v != VERSION {
            bail!(
                "{}: journal version {} cannot be read; this pace reads version {VERSION}",
                place(),
                record.v
            );
        }
        if record.seq != records.len() as u64 + 1 {
            bail!("{}: record {} stands where {} belongs", place(), record.seq, records.len() + 1);
        }
        records.push(record);
    }
    if records.is_empty() {
        bail!("{}: the journal is empty", path.display());
    }
    Ok(records)
}

/// Digest of a step's input: 16 hex digits of SHA-256 over its JSON.
fn key<I: Serialize + ?Sized>(input: &I) -> anyhow::Result<String> {
    let digest = Sha256::digest(serde_json::to_vec(input)?);
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

fn timestamp() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(&[crate::secret::Secret::new("canary-token-1")])
    }

    async fn run(journal: &Journal, answer: &str) -> anyhow::Result<(String, String)> {
        let now = journal.now().await?;
        let said = journal.step("model", "question", async { anyhow::Ok(answer.to_owned()) }).await?;
        journal.note("artifact", "a.yaml", &said)?;
        Ok((now, said))
    }

    #[tokio::test]
    async fn playing_returns_what_was_recorded_and_acts_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/run-1.jsonl");
        let recorded = run(&Journal::create(&path, redactor()).unwrap(), "hello").await.unwrap();
        let player = Journal::play(&path, redactor()).unwrap();
        assert_eq!(run(&player, "never asked").await.unwrap(), recorded);
        assert_eq!(player.unplayed(), 0);
    }

    #[tokio::test]
    async fn secrets_never_reach_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run-1.jsonl");
        run(&Journal::create(&path, redactor()).unwrap(), "key is canary-token-1").await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("key is ***") && !text.contains("canary-token-1"), "{text}");
    }

    #[tokio::test]
    async fn a_different_input_or_artifact_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run-1.jsonl");
        let journal = Journal::create(&path, redactor()).unwrap();
        journal.step("model", "a", async { anyhow::Ok(1) }).await.unwrap();
        journal.note("artifact", "x", "1").unwrap();

        let player = Journal::play(&path, redactor()).unwrap();
        let error = player.step("model", "b", async { anyhow::Ok(1) }).await.unwrap_err();
        assert!(error.to_string().contains("record 1 is «model» with another input"), "{error}");
        let player = Journal::play(&path, redactor()).unwrap();
        player.step("model", "a", async { anyhow::Ok(2) }).await.unwrap();
        let error = player.note("artifact", "x", "2").unwrap_err();
        assert_eq!(error.to_string(), "the replay differs from the recording at «artifact» x");
    }

    #[test]
    fn a_torn_tail_is_cut_and_a_broken_middle_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run-1.jsonl");
        let line = |seq: u64| format!(r#"{{"v":1,"seq":{seq},"kind":"k","key":"","at":"","value":null}}"#);
        std::fs::write(&path, format!("{}\n{}", line(1), &line(2)[..20])).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
        std::fs::write(&path, format!("{}\nnonsense\n{}\n", line(1), line(2))).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("run-1.jsonl:2: not a journal record"));
        std::fs::write(&path, format!("{}\n{}\n", line(1), line(3))).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("record 3 stands where 2 belongs"));
        std::fs::write(&path, line(1).replace("\"v\":1", "\"v\":9")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("journal version 9"));
    }
}

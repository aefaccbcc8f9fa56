//! The journal's records as lines: written, read, and sealed one by one, so that nothing can be changed, left out or
//! put in between. Knows the shape of records, not what they mean.
//!
//! One JSON object a line: `{"v":2,"seq":7,"kind":"model","key":"…","at":"…","value":…,"tree":"…","seal":"…"}`.

use std::path::Path;

use anyhow::{Context as _, bail};
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::domain::hex::hex;
use crate::secret::Secret;

/// Version of the record format; a journal of another version is refused by name.
pub(super) const VERSION: u32 = 2;

/// Bytes that a journal may have: many times what the longest day writes, and little enough to be read whole.
pub(super) const LIMIT: u64 = 256 << 20;

/// Bytes that are kept free for what an intent leads to: no reply is as large, so none is paid for and not on record.
pub(super) const ROOM: u64 = 64 << 20;

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
    /// The checkpoint of the work tree after a step that may have changed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tree: Option<String>,
    /// `k:` HMAC-SHA256 with a key that comes from the model's credential, or `d:` SHA-256 where there is none; over
    /// the seal of the record before and this record without its seal. Hexadecimal.
    #[serde(default)]
    pub seal: String,
}

/// Seals records. Whoever does not have the model's credential cannot make or change a record.
#[derive(Clone)]
pub(crate) struct Seal(Option<hmac::Key>);

impl Seal {
    /// With a key from the model's `credential`; without one a seal only shows damage.
    pub(crate) fn new(credential: Option<&Secret>) -> Self {
        Self(credential.map(|credential| {
            let derive = hmac::Key::new(hmac::HMAC_SHA256, credential.expose().as_bytes());
            hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&derive, b"pace journal 2").as_ref())
        }))
    }

    /// Whether it has a key.
    pub(crate) const fn has_key(&self) -> bool {
        self.0.is_some()
    }

    /// The seal of `record` behind a record that is sealed with `before`.
    pub(super) fn of(&self, before: &str, record: &Record) -> anyhow::Result<String> {
        let bare = Record { seal: String::new(), ..record.clone() };
        let bytes = [before.as_bytes(), b"\n", &serde_json::to_vec(&bare)?].concat();
        Ok(match &self.0 {
            Some(key) => format!("k:{}", hex(hmac::sign(key, &bytes).as_ref())),
            None => format!("d:{}", hex(&Sha256::digest(&bytes))),
        })
    }
}

/// How far a journal can be trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Every record was sealed with the key at hand.
    Verified,
    /// The records are whole, as far as can be told without the key that sealed them.
    Unverified,
    /// A record is not the one that was sealed; the first of them.
    Broken(u64),
}

/// Whether `records` were sealed with `seal`.
pub(crate) fn trust(records: &[Record], seal: &Seal) -> anyhow::Result<Trust> {
    let mut before = "";
    let keyed = records.iter().any(|record| record.seal.starts_with("k:"));
    // What was sealed with a key cannot be checked without one.
    if keyed && seal.0.is_none() {
        return Ok(Trust::Unverified);
    }
    for record in records {
        if seal.of(before, record)? != record.seal {
            return Ok(Trust::Broken(record.seq));
        }
        before = &record.seal;
    }
    Ok(if keyed { Trust::Verified } else { Trust::Unverified })
}

/// What the seals of a journal say to an auditor, who may not have its key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Examined {
    /// Records that the key at hand sealed.
    pub sealed: usize,
    /// Records that a key sealed, and no key is at hand.
    pub unchecked: usize,
    /// Records of runs without a key: a digest shows damage, and nobody's hand.
    pub digested: usize,
    /// The first record that is not the one that was sealed, or was sealed with another key.
    pub broken: Option<u64>,
}

/// Looks at every seal of `records` as far as `seal` allows. A publishing job, which has no key, goes on behind records
/// that were sealed with one.
pub(crate) fn examine(records: &[Record], seal: &Seal) -> anyhow::Result<Examined> {
    let mut found = Examined::default();
    let mut before = "";
    for record in records {
        let keyed = record.seal.starts_with("k:");
        let count = match (keyed, seal.has_key()) {
            (true, true) => Some((seal, &mut found.sealed)),
            (true, false) => None,
            (false, _) => Some((&Seal(None), &mut found.digested)),
        };
        match count {
            None => found.unchecked += 1,
            Some((seal, _)) if seal.of(before, record)? != record.seal => {
                found.broken = Some(record.seq);
                break;
            }
            Some((_, count)) => *count += 1,
        }
        before = &record.seal;
    }
    Ok(found)
}

/// All records of the journal at `path`. A torn last line (a run that was killed) is left out.
///
/// # Errors
/// A file that cannot be read or is too large, a record of another version, a broken line before the last, a gap in
/// `seq`.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Record>> {
    let size = std::fs::metadata(path).map_or(0, |file| file.len());
    if size > LIMIT {
        bail!(
            "{}: a journal has at most {} MiB, this one has {} MiB",
            path.display(),
            LIMIT >> 20,
            size >> 20
        );
    }
    let bytes = std::fs::read(path).with_context(|| format!("cannot read the journal {}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut records = Vec::new();
    let mut lines = text.split_inclusive('\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        let place = || format!("{}:{}", path.display(), index + 1);
        let record: Record = match serde_json::from_str(line) {
            // A record counts once its line is ended: what is appended next begins a line of its own.
            Ok(_) | Err(_) if lines.peek().is_none() && !line.ends_with('\n') => break,
            Ok(record) => record,
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

#[cfg(test)]
#[path = "bent_tests.rs"]
mod bent_tests;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seq: u64, value: &str) -> Record {
        Record {
            v: VERSION,
            seq,
            kind: "k".into(),
            key: String::new(),
            at: String::new(),
            value: value.into(),
            tree: None,
            seal: String::new(),
        }
    }

    fn sealed(seal: &Seal, values: &[&str]) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        for (index, value) in values.iter().enumerate() {
            let mut record = record(index as u64 + 1, value);
            record.seal = seal.of(records.last().map_or("", |r| &r.seal), &record).unwrap();
            records.push(record);
        }
        records
    }

    fn lines(records: &[Record]) -> String {
        records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect()
    }

    #[test]
    fn only_the_holder_of_the_key_makes_records_that_verify() {
        let seal = Seal::new(Some(&Secret::new("sk-one")));
        let good = sealed(&seal, &["a", "b", "c"]);
        assert_eq!(trust(&good, &seal).unwrap(), Trust::Verified);
        assert_eq!(trust(&good, &Seal::new(None)).unwrap(), Trust::Unverified);
        assert_eq!(trust(&good, &Seal::new(Some(&Secret::new("sk-two")))).unwrap(), Trust::Broken(1));
        assert_eq!(trust(&good[..2], &seal).unwrap(), Trust::Verified, "a prefix is a shorter run");

        let mut changed = good.clone();
        changed[1].value = "x".into();
        assert_eq!(trust(&changed, &seal).unwrap(), Trust::Broken(2));
        let mut swapped = good.clone();
        swapped.swap(1, 2);
        assert_eq!(trust(&swapped, &seal).unwrap(), Trust::Broken(3));
        let mut foreign = good.clone();
        foreign[2] = sealed(&seal, &["x", "y", "c"])[2].clone();
        assert_eq!(trust(&foreign, &seal).unwrap(), Trust::Broken(3), "of another journal");
        let plain = sealed(&Seal::new(None), &["a", "b"]);
        let (all, nothing) = (Examined { sealed: 3, ..Default::default() }, Seal::new(None));
        assert_eq!(examine(&good, &seal).unwrap(), all);
        let unchecked = Examined { unchecked: 3, ..Default::default() };
        assert_eq!(examine(&good, &nothing).unwrap(), unchecked);
        assert_eq!(examine(&changed, &seal).unwrap().broken, Some(2));
        assert_eq!(examine(&plain, &seal).unwrap(), Examined { digested: 2, ..Default::default() });
        let damaged = [plain[0].clone(), Record { value: "x".into(), ..plain[1].clone() }];
        assert_eq!(examine(&damaged, &nothing).unwrap().broken, Some(2));
        assert_eq!(trust(&plain, &seal).unwrap(), Trust::Broken(1), "a digest is no key");
        assert_eq!(trust(&plain, &Seal::new(None)).unwrap(), Trust::Unverified);
    }

    #[test]
    fn a_torn_tail_is_cut_and_a_broken_middle_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run-1.jsonl");
        let good = lines(&sealed(&Seal::new(None), &["a", "b", "ä"]));
        // Cut at every byte of the last line, in the middle of a character too.
        let start = good.trim_end().rfind('\n').unwrap() + 1;
        for end in start..good.len() {
            std::fs::write(&path, &good.as_bytes()[..end]).unwrap();
            assert_eq!(read(&path).unwrap().len(), 2, "cut at {end}");
        }
        std::fs::write(&path, good.replacen("\"v\":2", "nonsense", 1)).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("run-1.jsonl:1: not a journal record"));
        std::fs::write(&path, good.replace("\"seq\":2", "\"seq\":3")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("record 3 stands where 2 belongs"));
        std::fs::write(&path, good.replace("\"v\":2", "\"v\":9")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("journal version 9"));
    }
}

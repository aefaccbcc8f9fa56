//! What a journal leaves to the run that it records: checkpoints of the work tree, and what was paid for records that
//! are of no use any more. Knows the records of model calls; what a day does is not its business.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::remote_journal::RemoteJournal;
use crate::agent::purse::{Lost, Purse};
use crate::agent::turns::{MODEL, Said};
use crate::day::start::Start;
use crate::domain::Agent;
use crate::domain::money::Usage;
use crate::domain::terms::{Rated, Terms};
use crate::journal::{INTENT, Keeper, RESUME, Record};
use crate::repo::Repository;
use crate::repo::checkpoint::{Point, Spared};
use crate::secret::Redactor;
use crate::store::artifacts::Store;
use crate::tool::Written;

/// Of a run on a real work tree.
pub(crate) struct Workspace {
    pub repo: Arc<dyn Repository>,
    pub store: Store,
    pub purse: Arc<Purse>,
    pub written: Written,
    /// HEAD at the start of the run.
    head: String,
    /// Untracked files of a person.
    untracked: BTreeSet<String>,
    terms: Terms,
    redactor: Redactor,
    remote: Option<Arc<RemoteJournal>>,
}

impl Workspace {
    /// For the run that `start` describes.
    pub(crate) fn new(
        (repo, store): (Arc<dyn Repository>, Store),
        purse: Arc<Purse>,
        written: Written,
        start: &Start,
        (redactor, remote): (Redactor, Option<Arc<RemoteJournal>>),
    ) -> Self {
        let (head, untracked) = (start.branch.head.clone(), start.untracked.clone());
        Self { repo, store, purse, written, head, untracked, terms: start.terms.clone(), redactor, remote }
    }

    /// Works with what checkpoints leave alone: untracked files that are not the run's, and artifacts, which are
    /// written anew while records are played.
    fn sparing<T>(&self, work: impl FnOnce(&Spared<'_>) -> T) -> T {
        let untracked = self.untracked.difference(&self.written.paths()).cloned().collect();
        let others = |path: &str| self.terms.is_record(path) && !path.starts_with(".pace/context/");
        let mask = |text: &str| self.redactor.redact(text).into_owned();
        work(&Spared { untracked: &untracked, others: &others, mask: &mask })
    }
}

impl Keeper for Workspace {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        self.sparing(|spared| self.repo.checkpoint(&name(&self.terms), spared)).map(Some)
    }

    fn resume(&self, checkpoint: Option<&str>, dropped: &[Record]) -> anyhow::Result<Value> {
        let point = checkpoint.map_or(Point::Head(&self.head), Point::Checkpoint);
        self.store.unsettle(self.terms.day)?;
        self.sparing(|spared| self.repo.restore(point, spared))?;
        if let Some(first) = dropped.iter().find(|record| record.kind != INTENT) {
            let calls = dropped.iter().filter(|record| record.kind == MODEL).count();
            tracing::info!(
                "from record {} on ({}) the recorded run is not this one any more: {} records and {calls} model calls \
                 are dropped, and their cost counts",
                first.seq,
                named(first),
                dropped.len()
            );
        }
        Ok(json!({"lost": lost(dropped, &self.terms), "dropped": dropped.len(), "tree": checkpoint}))
    }

    fn resumed(&self, value: &Value) -> anyhow::Result<()> {
        book(&self.purse, value)?;
        self.store.settled(self.terms.day)
    }

    fn grown(&self, path: &Path, _checkpoint: Option<&str>) {
        if let Some(remote) = &self.remote {
            remote.grown(path);
        }
    }
}

/// Of a replay: there is nothing but the bill.
pub(crate) struct Bookkeeper(pub Arc<Purse>);

impl Keeper for Bookkeeper {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    fn resume(&self, _checkpoint: Option<&str>, _dropped: &[Record]) -> anyhow::Result<Value> {
        anyhow::bail!("a replay goes on nowhere")
    }

    fn resumed(&self, value: &Value) -> anyhow::Result<()> {
        book(&self.0, value)
    }
}

/// Name under which a run's checkpoints are kept.
pub(crate) fn name(terms: &Terms) -> String {
    format!("{}/day-{}", terms.sprint.replace('/', "-"), terms.day)
}

/// What was paid, or may have been, for the calls among `records`. A call that was begun and has no result counts with
/// what was reserved for it.
pub(crate) fn lost(records: &[Record], terms: &Terms) -> Vec<Lost> {
    let mut lost = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match record.kind.as_str() {
            MODEL => {
                let Ok(said) = serde_json::from_value::<Said>(record.value.clone()) else { continue };
                let Rated { name, price } = terms.rated(said.agent);
                lost.extend(said.paid().map(|usage| {
                    let usd = price.map(|price| price.of(usage));
                    Lost { agent: said.agent, model: name.clone(), usage, usd }
                }));
            }
            INTENT if record.value["kind"] == MODEL && !has_result(records, index) => {
                let agent = serde_json::from_value(record.value["agent"].clone()).unwrap_or(Agent::Prime);
                let (model, usd) = (terms.rated(agent).name.clone(), record.value["usd"].as_f64());
                lost.push(Lost { agent, model, usage: Usage::default(), usd });
            }
            RESUME => lost.extend(
                serde_json::from_value::<Vec<Lost>>(record.value["lost"].clone()).unwrap_or_default(),
            ),
            _ => {}
        }
    }
    lost
}

/// What stands in `record`, in words.
fn named(record: &Record) -> String {
    match record.value.get("agent").and_then(Value::as_str) {
        Some(agent) if record.kind == MODEL => {
            format!("a model call of {agent}, whose question is another one now")
        }
        _ if record.key.starts_with('.') || record.key.contains('/') => record.key.clone(),
        _ => format!("«{}»", record.kind),
    }
}

fn has_result(records: &[Record], intent: usize) -> bool {
    let next = records[intent..].iter().find(|record| record.kind != INTENT);
    next.is_some_and(|next| next.key == records[intent].key)
}

fn book(purse: &Purse, value: &Value) -> anyhow::Result<()> {
    let lost: Vec<Lost> = serde_json::from_value(value["lost"].clone())?;
    lost.iter().for_each(|lost| purse.lose(lost));
    Ok(())
}

//! What a journal leaves to the run that it records: checkpoints of the work tree, and what was paid for records that
//! are of no use any more. Knows the records of model calls; what a day does is not its business.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::booking::lost;
use super::lock::Holding;
use super::remote_journal::RemoteJournal;
use crate::agent::purse::{Lost, Purse};
use crate::agent::turns::MODEL;
use crate::day::start::Start;
use crate::domain::terms::Terms;
use crate::journal::{INTENT, Keeper, Record};
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
    /// The day, as far as the run holds it on a server.
    holding: Holding,
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
        let (terms, holding) = (start.terms.clone(), Holding::default());
        Self { repo, store, purse, written, head, untracked, terms, redactor, remote, holding }
    }

    /// The same for a run that pays and writes only while it surely has what `holding` holds.
    pub(crate) fn under(self, holding: &Holding) -> Self {
        Self { holding: holding.clone(), ..self }
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
        self.sparing(|spared| self.repo.checkpoint(&self.terms.checkpoint_name(), spared)).map(Some)
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

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.holding.certain())
    }

    /// A call that a fresh runner does not know of would be paid twice, and once more than is on the bill.
    fn intended(&self, kind: &str) -> BoxFuture<'_, ()> {
        match &self.remote {
            Some(remote) if kind == MODEL => Box::pin(remote.keep_now()),
            _ => Box::pin(std::future::ready(())),
        }
    }

    fn grown(&self, path: &Path, _checkpoint: Option<&str>) {
        if let Some(remote) = &self.remote {
            remote.grown(path);
        }
    }
}

/// Of a replay, which has nothing but the bill, and of a publishing job, which has the day as well.
pub(crate) struct Bookkeeper {
    pub purse: Arc<Purse>,
    pub holding: Holding,
}

impl Keeper for Bookkeeper {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    fn resume(&self, _checkpoint: Option<&str>, _dropped: &[Record]) -> anyhow::Result<Value> {
        anyhow::bail!("a replay goes on nowhere")
    }

    fn resumed(&self, value: &Value) -> anyhow::Result<()> {
        book(&self.purse, value)
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.holding.certain())
    }
}

/// What stands in `record`, in words.
fn named(record: &Record) -> String {
    match record.value.get("agent").and_then(Value::as_str) {
        Some(agent) if record.kind == MODEL => {
            format!("a model call of {agent}, whose question is another one now")
        }
        _ if record.key.starts_with('.') || record.key.contains('/') => record.key.clone(),
        _ => format!("`{}`", record.kind),
    }
}

fn book(purse: &Purse, value: &Value) -> anyhow::Result<()> {
    let lost: Vec<Lost> = serde_json::from_value(value["lost"].clone())?;
    lost.iter().for_each(|lost| purse.lose(lost));
    Ok(())
}

//! What a journal asks of the run that it records.

use std::path::Path;

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::Record;

/// The run behind a journal, as far as the journal needs it: its work tree, and its ear for what was resumed.
pub(crate) trait Keeper: Send + Sync {
    /// Keeps the work tree as it is now; the name of the checkpoint.
    fn checkpoint(&self) -> anyhow::Result<Option<String>>;

    /// The recording does not reach further, or does not fit any more: brings the work tree to `checkpoint` (the
    /// newest one that was played) and returns what there is to say of the `dropped` records.
    fn resume(&self, checkpoint: Option<&str>, dropped: &[Record]) -> anyhow::Result<Value>;

    /// The run was resumed here, now or when it was recorded; `value` is what [`Keeper::resume`] returned.
    fn resumed(&self, value: &Value) -> anyhow::Result<()>;

    /// Ends once the run may change, pay or publish something: it may have slept while another one took its day.
    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The intent of a `kind` of step is on record: ends once it is where another runner finds it.
    fn intended(&self, _kind: &str) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }

    /// The file at `path` has new records, and `checkpoint` is the newest one among all of its records.
    fn grown(&self, _path: &Path, _checkpoint: Option<&str>) {}
}

/// Keeps nothing, for tests of what writes to a journal.
#[cfg(test)]
pub(crate) struct NoKeeper;

#[cfg(test)]
impl Keeper for NoKeeper {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    fn resume(&self, _checkpoint: Option<&str>, _dropped: &[Record]) -> anyhow::Result<Value> {
        Ok(Value::Null)
    }

    fn resumed(&self, _value: &Value) -> anyhow::Result<()> {
        Ok(())
    }
}

//! A run that ended without a verdict because a step failed, as when the model could not be reached or a push was
//! refused: what came before the failure is paid for and stands, so the next run goes on there.

use crate::agent::turns::{MODEL, Said};
use crate::journal::{END, FAILED, Record};

/// Whether the run of `records` ended so.
pub(crate) fn may_reopen(records: &[Record]) -> bool {
    failure(records).is_some()
}

/// Takes the end off `records` and makes its failure one that is not played again; whether they ended so. What the
/// failed step cost is still told from them.
pub(crate) fn reopen(records: &mut Vec<Record>) -> bool {
    let Some(failure) = failure(records) else { return false };
    records.pop();
    let key = records[failure].key.clone();
    // Its intent has the same key, and stays its own.
    for record in records[..=failure].iter_mut().rev().take_while(|record| record.key == key) {
        record.key.push('!');
    }
    true
}

/// The failure that ended the run.
fn failure(records: &[Record]) -> Option<usize> {
    let (end, records) = records.split_last()?;
    if end.kind != END || end.value["error"].is_null() {
        return None;
    }
    records.iter().rposition(|record| match record.kind.as_str() {
        FAILED => true,
        MODEL => serde_json::from_value::<Said>(record.value.clone()).is_ok_and(|said| said.reply.is_err()),
        _ => false,
    })
}

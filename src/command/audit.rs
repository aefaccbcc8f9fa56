//! What `pace replay` can say of the seals of the journal that it plays: checked with the model credential that the
//! environment names, or plainly not checked.

use crate::domain::event::Level;
use crate::error::Error;
use crate::journal::{Examined, Record, Seal, examine};

/// How far `records` are the ones that a run with this credential wrote.
///
/// # Errors
/// A record that is not: nothing that follows from it is worth anything.
pub(crate) fn seals(records: &[Record], seal: &Seal) -> Result<(Level, String), Error> {
    let found = examine(records, seal).map_err(Error::Abort)?;
    if let Some(seq) = found.broken {
        let text = if seal.has_key() {
            format!(
                "record {seq} of {} was not written by a run with this model credential, or was changed since. To \
                 look at it all the same, replay it without the credential in the environment",
                records.len()
            )
        } else {
            format!("record {seq} of {} was changed since it was written", records.len())
        };
        return Err(Error::Abort(anyhow::anyhow!("the journal's seal is broken: {text}")));
    }
    Ok(told(&found, records.len()))
}

fn told(found: &Examined, all: usize) -> (Level, String) {
    let Examined { sealed, unchecked, digested, .. } = *found;
    if unchecked > 0 {
        let text = "Seal: not checked. The records are sealed with a model credential, and there is none in the \
                    environment: whoever had the file could have changed it";
        return (Level::Warning, text.to_owned());
    }
    if sealed == all {
        return (
            Level::Info,
            format!("Seal: every one of {all} records was written with this model credential"),
        );
    }
    let text = if sealed > 0 {
        format!(
            "Seal: {sealed} of {all} records were written with this model credential; {digested} by a job without \
             one, which a digest alone holds together"
        )
    } else {
        format!(
            "Seal: none. The run had no model credential, so a digest alone holds its {all} records together"
        )
    };
    (Level::Info, text)
}

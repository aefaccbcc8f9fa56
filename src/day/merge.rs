//! What a day does when others pushed to its branch while it was at work, as another day of the sprint may: their
//! commits are merged, the merge is judged like the day's own commit, and the day's records are written again upon
//! theirs. Only people's files can conflict.

use super::push::{Merged, PUSH};
use super::sprint::{PROGRESS, REPORT, SUMMARY};
use super::{Day, Verdict, bodies, round};
use crate::domain::artifact::{Attempt, Cycle, Outcome, ScribeReport};
use crate::domain::decision::Decision;
use crate::domain::event::{Event, Level};
use crate::error::Error;
use crate::journal::Record;
use crate::repo::{Caught, Yields};
use crate::store::artifacts::{BACKLOG, SPRINT, Store};

/// Where SCRIBE's notes lie. Checkpoints keep them.
const NOTES: &str = ".pace/context/";
/// Days of earlier sprints: nothing reads them.
const ARCHIVE: &str = ".pace/archive/";

/// What merges with others' commits made of the text at `path`, by the `records` of a run.
pub(crate) fn texts<'r>(records: &'r [Record], path: &str) -> impl Iterator<Item = &'r str> {
    let pushes = records.iter().filter(|record| record.kind == PUSH);
    pushes.filter_map(move |record| record.value["merged"]["records"][path].as_str())
}

impl Day<'_> {
    /// What of the day's own gives way in a merge. `records`: the commit that holds them, once there is one; `docs`:
    /// SCRIBE's.
    pub(super) fn yields(&self, records: Option<String>, docs: &[String]) -> Yields {
        let rendered = [PROGRESS, REPORT, SUMMARY, bodies::SUMMARY].map(str::to_owned).to_vec();
        let booked = vec![self.desk.terms.plan_path.clone(), BACKLOG.to_owned(), SPRINT.to_owned()];
        let (notes, documents) = docs.iter().cloned().partition(|doc: &String| doc.starts_with(NOTES));
        Yields { records, rendered, booked, notes, documents }
    }

    /// `caught` with the records that it changed.
    pub(super) fn with_records(&self, caught: Caught) -> Merged {
        let ours = |path: &String| {
            self.desk.terms.is_record(path) && !path.starts_with(NOTES) && !path.starts_with(ARCHIVE)
        };
        // What is no text is none of pace's own.
        let read = |path: String| Some((path.clone(), self.store.read_text(&path).ok()?));
        let records = caught.changed.into_iter().filter(ours).filter_map(read).collect();
        Merged { head: caught.head, records, left_out: caught.left_out }
    }

    /// Makes the records those of the merge, where only the journal knows of it.
    pub(super) fn take_in(&self, merged: &Merged) -> anyhow::Result<()> {
        for (path, text) in &merged.records {
            match text {
                Some(text) if self.store.read_text(path)?.as_ref() != Some(text) => {
                    self.store.write_text(path, text)?;
                }
                Some(_) => {}
                None => self.store.remove(path)?,
            }
        }
        Ok(())
    }

    /// Has the merge judged. A day that was to ship and is not to any more is held; one that is held stays so.
    pub(super) async fn judge_merge(&self, verdict: &mut Verdict, merged: Merged) -> Result<(), Error> {
        for doc in &merged.left_out {
            self.warn(format!(
                "SCRIBE's change of {doc} is left out: others changed the same lines meanwhile"
            ));
        }
        if verdict.decision == Decision::Hold {
            return Ok(());
        }
        // Until it is judged, the books must not say of the branch that it ships.
        let unjudged = "ABORT: others pushed meanwhile, and the merge with their commits is not judged yet";
        self.keep_attempt(&Attempt {
            hold_reason: Some(unjudged.to_owned()),
            ..self.attempt(Outcome::Abort).await?
        })?;
        let hold = round::judge_again(self, verdict, merged.head).await.map_err(super::as_error)?;
        let before = verdict.decision;
        verdict.decision = verdict.reports.decision(hold.as_ref());
        if verdict.decision != before {
            let text =
                format!("With the commits of others the day is {}, and was {before}", verdict.decision);
            self.desk.events.emit(Event::Notice { level: Level::Warning, text });
        }
        if hold.is_some() {
            verdict.hold = hold;
            self.take_shipping_back(verdict)?;
        }
        Ok(())
    }

    /// Takes away what only a day that ships leaves.
    fn take_shipping_back(&self, verdict: &mut Verdict) -> Result<(), Error> {
        let day = self.desk.terms.day;
        let review = self.day_path("review-pr.md");
        for path in [Store::path_of::<Cycle>(day), Store::path_of::<ScribeReport>(day), review] {
            self.store.remove(&path).map_err(Error::Abort)?;
        }
        verdict.documented = false;
        Ok(())
    }
}

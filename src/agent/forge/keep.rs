//! What a round leaves: the commit of a handoff, or the unfinished work of one that came to none.

use serde_json::json;

use super::closing::{Closed, Closing};
use super::{AGENT, Inputs};
use crate::agent::kit::forge_refusal;
use crate::agent::report::fill;
use crate::agent::{AgentError, Desk, day_change};
use crate::domain::artifact::{Finding, Handoff, HandoffFile};
use crate::domain::terms::Terms;
use crate::evidence::red_phase::RedPhase;

impl Closing<'_> {
    /// Keeps unfinished work, unless something in it must not be committed: that is returned, and all stays out.
    pub(super) async fn keep_clean_work(&self, reason: &str) -> Result<Vec<Finding>, AgentError> {
        let leaks = self.leaks(&self.changes().await?).await?;
        if leaks.is_empty() {
            self.keep_unfinished(reason).await?;
        }
        Ok(leaks)
    }

    /// Commits what FORGE leaves without a handoff, so that the next attempt, a person's or FORGE's, goes on
    /// from it. What it may not change is put back.
    async fn keep_unfinished(&self, reason: &str) -> Result<(), AgentError> {
        let diff = self.changes().await?;
        let (refused, kept): (Vec<_>, Vec<_>) =
            diff.paths().cloned().partition(|path| forge_refusal(self.desk.terms, path).is_some());
        let reset = async { self.desk.repo.reset_paths(&refused) };
        self.desk.journal.act("reset", &refused, reset).await?;
        if kept.is_empty() {
            return Ok(());
        }
        let title = format!("Unfinished: {}", self.inputs.card.theme);
        let message = message(self.desk, &title, reason, "")?;
        let commit = async { self.desk.repo.commit(&kept, &message) };
        self.desk.journal.act("commit", &kept, commit).await.map(drop).map_err(AgentError::Other)
    }
}

/// Commits what is handed off and fills what only the binary knows.
pub(super) async fn commit(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
    closed: Closed,
    calls: u32,
) -> Result<Handoff, AgentError> {
    let title = inputs.card.stories.first().map_or(&inputs.card.theme, |story| &story.title);
    let word = |field: &str| closed.submission[field].as_str().unwrap_or_default();
    let message = message(desk, title, word("approach"), word("built"))?;
    let commit: String = desk
        .journal
        .act("commit", &closed.paths, async { desk.repo.commit(&closed.paths, &message) })
        .await?;
    let files: Vec<_> = day_change::diff_between(desk, inputs.base, &commit)
        .await?
        .files
        .into_iter()
        .map(|f| HandoffFile { path: f.path, change: f.change })
        .collect();
    let filled = [
        ("day", json!(desk.terms.day)),
        ("agent", json!(AGENT)),
        ("commit", json!(commit)),
        ("tdd_red_phase_confirmed", json!(matches!(closed.red, RedPhase::Proved { .. }))),
        ("red_phase", json!(closed.red.note())),
        ("iterations_used", json!(calls)),
        ("files", json!(files)),
        ("sandbox", json!(desk.terms.sandbox)),
    ];
    fill(closed.submission, filled)
        .map_err(|problems| AgentError::Unusable { agent: AGENT, reason: problems.join("; ") })
}

/// The message of a commit of FORGE's work, without secrets.
fn message(desk: &Desk<'_>, title: &str, approach: &str, built: &str) -> anyhow::Result<String> {
    let Terms { day, sprint, .. } = desk.terms;
    let values = json!({"title": title, "approach": approach, "built": built, "day": day, "sprint": sprint});
    let message = desk.templates.message("commit.txt.j2", &values, Some(*day), sprint)?;
    Ok(desk.journal.clean(&message))
}

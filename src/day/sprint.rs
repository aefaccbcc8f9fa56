//! What a day adds to the books of the sprint: progress, the page with charts, issues about advisories, and on the
//! final day the summary.

use super::{Day, Verdict};
use crate::domain::artifact::{ConduitReport, GateReport, Handoff, SentinelReport};
use crate::domain::backlog::{Entry, Status};
use crate::domain::decision::Decision;
use crate::domain::estimate::Planner;
use crate::domain::plan::Plan;
use crate::domain::progress;
use crate::platform::{IssueText, Published};
use crate::report::marker;
use crate::report::sprint::{self, AdvisoryView, SprintDay, SprintView, changed_files};
use crate::report::view::ProductView;
use crate::store::artifacts::Store;

/// How far the sprint is, at the repository's root.
pub(crate) const PROGRESS: &str = "PROGRESS.md";
/// The page with charts.
pub(crate) const REPORT: &str = ".pace/report.html";
/// What the sprint came to, from its final day on.
pub(super) const SUMMARY: &str = ".pace/sprint-summary.md";

/// The picture of the sprint `name` as `.pace/` has it.
pub(crate) fn view(
    store: &Store,
    plan: &Plan,
    product: ProductView,
    name: &str,
    generated_at: String,
) -> anyhow::Result<SprintView> {
    let backlog = store.backlog()?;
    let planner = store.read::<Planner>(0)?;
    let estimate = |day: u32| planner.iter().flat_map(|p| &p.days).find(|d| d.day == day)?.estimate_usd;
    let mut days = Vec::new();
    let mut handoffs = Vec::new();
    for day in plan.days.values() {
        let number = day.day;
        let progress = progress::day(day, &store.attempts(number)?, estimate(number), &backlog);
        days.push(SprintDay::new(
            progress,
            [
                store.read::<GateReport>(number)?.map(|r| r.gate_decision),
                store.read::<SentinelReport>(number)?.map(|r| r.sentinel_decision),
                store.read::<ConduitReport>(number)?.map(|r| r.conduit_decision),
            ],
        ));
        handoffs.extend(store.read::<Handoff>(number)?.map(|handoff| (number, handoff.files)));
    }
    let figures: Vec<_> = days.iter().map(|day| day.progress.clone()).collect();
    Ok(SprintView {
        product,
        sprint: name.to_owned(),
        goal: plan.sprint.goal.clone(),
        days,
        totals: progress::totals(&figures),
        advisories: backlog,
        files: changed_files(handoffs.iter().map(|(day, files)| (*day, &files[..]))),
        generated_at,
    })
}

/// The label of issues about advisories.
const ADVISORY: &str = "pace-advisory";

impl Day<'_> {
    /// Renews `PROGRESS.md` and the page with charts; on a final day that ships also the summary of the sprint.
    pub(super) async fn keep_sprint_pages(&self, decision: Decision) -> anyhow::Result<()> {
        let terms = self.desk.terms;
        let now = self.desk.journal.now().await?;
        let product = ProductView { name: terms.product_name.clone(), description: None };
        let view = view(self.store, &self.start.plan, product, &terms.sprint, now)?;
        let templates = self.desk.templates;
        let progress = sprint::progress(templates, &view, self.store.read_text(PROGRESS)?.as_deref())?;
        self.keep_text(PROGRESS, &progress)?;
        self.keep_text(REPORT, &sprint::page(templates, &view)?)?;
        if self.is_final() && decision != Decision::Hold {
            self.keep_text(SUMMARY, &sprint::summary(templates, &view)?)?;
        }
        if self.store.sprint()?.as_deref() != Some(&terms.sprint) {
            self.keep_sprint(&terms.sprint)?;
        }
        Ok(())
    }

    /// Tells people of advisories: each backlogged one where they asked for it, on the final day each that nobody
    /// resolved. The issue of one that was resolved is closed.
    pub(super) async fn tell_advisories(&self, verdict: &Verdict) -> anyhow::Result<()> {
        if verdict.decision == Decision::Hold {
            return Ok(());
        }
        let mut entries = self.store.backlog()?;
        let before = entries.clone();
        let mut bodies = Vec::new();
        for entry in &mut entries {
            if entry.status == Status::Closed {
                self.close_advisory(entry).await?;
                continue;
            }
            if self.is_final() {
                entry.status = Status::Escalated;
            }
            let judged_today = entry.history.last().is_some_and(|j| j.day == self.desk.terms.day);
            let wanted = self.desk.terms.push_advisories && (judged_today || entry.issue.is_none());
            if self.is_final() || wanted {
                bodies.push(self.raise_advisory(entry).await?);
            }
        }
        if !bodies.is_empty() {
            self.keep_text(&self.day_path("escalation-issue.md"), &bodies.join("\n---\n\n"))?;
        }
        if entries == before { Ok(()) } else { self.keep_backlog(&entries) }
    }

    /// Opens or updates the issue about an entry; its body, with the URL in front once there is one.
    async fn raise_advisory(&self, entry: &mut Entry) -> anyhow::Result<String> {
        let escalated = entry.status == Status::Escalated;
        let view = AdvisoryView { sprint: &self.desk.terms.sprint, entry, escalated };
        let (title, body) = sprint::advisory(self.desk.templates, &view)?;
        let labels = vec![ADVISORY.to_owned(), format!("day-{}", entry.day)];
        let issue = IssueText { title, body: body.clone(), labels };
        let raised: Result<Published, String> =
            self.remote("advisory-issue", &issue.body, self.platform.tracker.raise(&issue)).await?;
        match raised {
            Ok(published) => {
                published.notes.into_iter().for_each(|note| self.warn(note));
                entry.issue = published.url.or(entry.issue.take());
            }
            Err(error) => {
                self.warn(format!("the issue about advisory {} was not written: {error}", entry.id))
            }
        }
        let opening = entry.issue.as_ref().map(|url| format!("{url}\n\n")).unwrap_or_default();
        Ok(format!("{opening}{body}"))
    }

    async fn close_advisory(&self, entry: &Entry) -> anyhow::Result<()> {
        let closed_today = entry.history.last().is_some_and(|j| j.day == self.desk.terms.day);
        if entry.issue.is_none() || !closed_today {
            return Ok(());
        }
        let marker = marker::advisory(&self.desk.terms.sprint, &entry.id);
        if let Err(error) =
            self.remote("advisory-closed", &marker, self.platform.tracker.close(&marker, ADVISORY)).await?
        {
            self.warn(format!("the issue about advisory {} was not closed: {error}", entry.id));
        }
        Ok(())
    }

    fn is_final(&self) -> bool {
        self.start.plan.final_day().is_none_or(|last| last <= self.desk.terms.day)
    }
}

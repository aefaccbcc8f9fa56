//! The handoff's proof: tests with the production change and without it, and the coverage rule. Observes; what
//! follows from it is `evidence`'s.

use std::collections::BTreeSet;

use super::AGENT;
use super::without::{Otherwise, run_otherwise};
use crate::agent::tests::ProjectTests;
use crate::agent::{AgentError, Desk, day_change};
use crate::domain::observation::{TestRun, TestStatus};
use crate::evidence::code::hollowed::Way;
use crate::evidence::coverage_rule::{self, Coverage};
use crate::evidence::day_change::DayChange;
use crate::evidence::red_phase::{self, RedPhase, Runs};
use crate::evidence::some;
use crate::evidence::waivers::Waivers;
use crate::tool::run_tests::Tests as _;

/// What a handoff came to under the rules.
pub(super) struct Checked {
    pub red: RedPhase,
    pub coverage: Coverage,
    /// Whether the tests passed, where they were run for it.
    pub passed: Option<bool>,
}

impl Checked {
    /// What FORGE is told to mend first. Failing tests are GATE's to hold.
    pub(super) fn mendable(&self) -> Vec<String> {
        let red = match &self.red {
            RedPhase::Lacking(what) if self.passed != Some(false) => Some(what.clone()),
            _ => None,
        };
        red.into_iter().chain(self.coverage.broken.clone()).collect()
    }
}

/// The day's work as it stands in the work tree, and what its proof needs to know.
pub(super) struct Work<'a> {
    pub desk: &'a Desk<'a>,
    /// The commit on which the day's first attempt started.
    pub base: &'a str,
    /// The test run there.
    pub baseline: Option<&'a TestRun>,
    /// Untracked files that are none of the day's.
    pub untracked: BTreeSet<String>,
    /// `None` where the project has no test command.
    pub tests: Option<&'a ProjectTests>,
    /// The early red phase was due and did not come.
    pub skipped_red: bool,
    /// Assertions that stood when the red phase was confirmed.
    pub seen: &'a [String],
}

impl Work<'_> {
    /// Holds the work against the rules.
    pub(super) async fn check(&self) -> Result<Checked, AgentError> {
        let change = day_change::of_work_tree(self.desk, self.base, &self.untracked).await?;
        let waivers = Waivers::of(self.desk.plan.out_of_scope());
        let (red, green) = self.red_phase(&change, &waivers).await?;
        let coverage = if self.tests.is_some() && self.desk.terms.coverage_rule {
            let plan = crate::agent::yaml(self.desk.plan)?;
            coverage_rule::judge(&change, &waivers, self.baseline.zip(green.as_ref()), &plan)
        } else {
            Coverage::default()
        };
        Ok(Checked { red, coverage, passed: green.map(|run| run.run.exit.ok()) })
    }

    /// What the red phase comes to, and the run with everything in place where one was made for it.
    async fn red_phase(
        &self,
        change: &DayChange,
        waivers: &Waivers,
    ) -> Result<(RedPhase, Option<TestRun>), AgentError> {
        let desk = self.desk;
        if !desk.terms.tdd {
            return Ok((RedPhase::NotNeeded("off (PACE_TDD=false)".into()), None));
        }
        let Some(tests) = self.tests else {
            return Ok((RedPhase::NotNeeded("the project has no test command".into()), None));
        };
        if let Some(excuse) = red_phase::excuse(change, &coverage_rule::waived(change, waivers)) {
            return Ok((RedPhase::NotNeeded(excuse), None));
        }
        if self.skipped_red {
            return Ok((RedPhase::Lacking(SKIPPED.into()), None));
        }
        desk.step(AGENT, format!("Proving the red phase: {} ...", tests.command()));
        let observe = async { tests.observe_settled(self.baseline).await };
        let green = desk.journal.act("green", change, observe).await?;
        if !green.run.exit.ok() {
            // GATE holds for that; the run without the change would tell nothing.
            let runs = Runs { baseline: self.baseline, green: &green, red: &green };
            return Ok((red_phase::prove(&runs, change, &[]), Some(green)));
        }
        let red = self.without_production(tests, change).await?;
        let runs = Runs { baseline: self.baseline, green: &green, red: &red };
        let mut proved = red_phase::prove(&runs, change, self.seen);
        if let RedPhase::Proved { failing, .. } = &proved
            && red_phase::is_about_functions(change)
        {
            let mut lacking = None;
            for way in Way::ALL {
                let run = self.without_bodies(tests, change, way).await?;
                lacking = red_phase::look_at_nothing(&run, failing, change);
                if lacking.is_none() {
                    break;
                }
            }
            proved = lacking.unwrap_or(proved);
        }
        Ok((proved, Some(green)))
    }

    /// The run with the functions of the day in place, emptied; one that stands for the same files is not made again.
    async fn without_bodies(
        &self,
        tests: &ProjectTests,
        change: &DayChange,
        way: Way,
    ) -> Result<TestRun, AgentError> {
        let desk = self.desk;
        let (kind, what) = match way {
            Way::Failing => ("without-bodies", "look at the functions of the day"),
            Way::Useless => ("without-results", "look at what the functions of the day give"),
        };
        desk.step(AGENT, format!("Proving that the tests {what}: {} ...", tests.command()));
        let run = async {
            if let Some(run) = tests.standing.hollow(way) {
                return Ok(run);
            }
            let run = run_otherwise(desk, tests, self.base, &self.untracked, Otherwise::Hollow(way)).await?;
            tests.standing.keep_hollow(way, &run);
            anyhow::Ok(run)
        };
        Ok(desk.journal.act(kind, change, run).await?)
    }

    /// The run with the production change taken out; one that stands for the same files is not made again.
    async fn without_production(
        &self,
        tests: &ProjectTests,
        change: &DayChange,
    ) -> Result<TestRun, AgentError> {
        let desk = self.desk;
        desk.step(
            AGENT,
            format!("Proving the red phase without the production change: {} ...", tests.command()),
        );
        let run = async {
            if let Some(run) = tests.standing.red() {
                return Ok(run);
            }
            let run = run_otherwise(desk, tests, self.base, &self.untracked, Otherwise::AsBefore).await?;
            tests.standing.keep_red(&run);
            anyhow::Ok(run)
        };
        Ok(desk.journal.act("without-production", change, run).await?)
    }
}

const SKIPPED: &str = "Production code changed without a confirmed red phase: take the production change back, see the \
                       new tests fail, call `confirm_red_phase`, then build.";

/// Why `run` confirms no red phase; `None` where it does. `claimed`: tests and files that FORGE names.
pub(super) fn not_red(
    run: &TestRun,
    baseline: Option<&TestRun>,
    change: &DayChange,
    claimed: &[&str],
) -> Option<String> {
    let failing: Vec<String> = run.names(TestStatus::Failed).map(str::to_owned).collect();
    if run.run.exit.ok() && failing.is_empty() {
        return Some(format!(
            "the tests pass ({}): a red phase needs tests that fail for what is not built yet",
            run.summary()
        ));
    }
    let before: BTreeSet<&str> = baseline.map(|b| b.names(TestStatus::Failed).collect()).unwrap_or_default();
    let written = change.tests().next().is_some();
    let old = !failing.is_empty() && failing.iter().all(|name| before.contains(name.as_str()));
    let mends = |name: &String| claimed.iter().any(|c| name.contains(c) || c.contains(name.as_str()));
    if old && written && !failing.iter().any(mends) {
        return Some(format!(
            "only tests fail that failed before the day ({}); none of the tests that you wrote does. Write a test that \
             fails for what is not built yet, or name the failing test that you are about to mend",
            some(&failing)
        ));
    }
    if !written {
        // Tests that failed before the day are the red phase of their mend.
        return None;
    }
    red_phase::hollow(change)
}

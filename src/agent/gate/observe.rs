//! What the binary sees of the commit before GATE judges it: the tests and the commands that criteria name, run on the
//! commit alone. Asks no model and decides nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AGENT;
use crate::agent::put_back::PutBack;
use crate::agent::tests::ProjectTests;
use crate::agent::{AgentError, Desk, tampering};
use crate::domain::artifact::StoryCard;
use crate::domain::list::{counted, shown};
use crate::domain::observation::{CommandRun, TestRun};
use crate::evidence::command::command_of;
use crate::evidence::coverage::Coverage;
use crate::evidence::flaky;
use crate::evidence::reports::Before;
use crate::evidence::run_tests::sources_alone;
use crate::repo::Restoring;
use crate::sandbox::Command;
use crate::tool::run_tests::Tests as _;

/// Bytes of test output that cites are looked up in.
const OUTPUT_LIMIT: usize = 4 << 20;

/// What the binary saw of the commit.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Observation {
    /// `None` where the project has no test command, by the user's word.
    pub tests: Option<TestRun>,
    /// Complete output of the test run, capped.
    pub output: String,
    /// Commands that criteria name.
    pub commands: Vec<CommandRun>,
    /// Files that the tests changed and that were put back.
    pub reset: Vec<String>,
    /// Tests that failed first and passed in a second run of the same commit.
    #[serde(default)]
    pub flaky: Vec<String>,
    /// What the run's coverage reports say; read only where a threshold is set.
    #[serde(default)]
    pub coverage: Option<Coverage>,
}

/// Runs the tests and the commands that criteria name on the commit itself: untracked files are set aside, and
/// what the run changed in tracked files is put back.
pub(crate) async fn observe(
    desk: &Desk<'_>,
    card: &StoryCard,
    commit: &str,
    baseline: Option<&TestRun>,
) -> Result<Observation, AgentError> {
    Ok(desk.journal.act("tests", commit, judge_commit(desk, card, baseline)).await?)
}

async fn judge_commit(
    desk: &Desk<'_>,
    card: &StoryCard,
    baseline: Option<&TestRun>,
) -> anyhow::Result<Observation> {
    let untracked = desk.repo.set_untracked_aside()?;
    let aside =
        PutBack::owed(desk, |repo| repo.restore_untracked(), "untracked files are still in .pace/.run/aside");
    if !untracked.is_empty() {
        desk.step(
            AGENT,
            format!("Set {} untracked files aside: the commit alone is judged", untracked.len()),
        );
    }
    let restored = desk.repo.restore_ignored(Restoring::ForTests)?;
    if !restored.is_empty() {
        let files = shown(&restored, 5);
        desk.step(AGENT, format!("Moved ignored files away that commands wrote: {files}"));
    }
    let outputs = tampering::clear_outputs(desk)?;
    if !outputs.is_empty() {
        desk.step(
            AGENT,
            format!(
                "Removed {} of this run; the tests build them again",
                counted(outputs.len(), "build output")
            ),
        );
    }
    let observation = run_all(desk, card, baseline).await;
    let changed = desk.repo.work_diff(&desk.repo.untracked()?)?.files.into_iter().map(|file| file.path);
    let reset: Vec<String> = changed.filter(|path| !path.starts_with(".pace/")).collect();
    if !reset.is_empty() {
        desk.repo.reset_paths(&reset)?;
    }
    aside.now()?;
    Ok(Observation { reset, ..observation? })
}

async fn run_all(
    desk: &Desk<'_>,
    card: &StoryCard,
    baseline: Option<&TestRun>,
) -> anyhow::Result<Observation> {
    let mut observation = Observation::default();
    if let Some(tests) = ProjectTests::of(desk) {
        desk.step(AGENT, format!("Running tests: {} ...", tests.command()));
        run_tests(desk, &tests, baseline, &mut observation).await?;
    }
    for script in card.criteria().filter_map(command_of) {
        if observation.commands.iter().any(|run| run.command == script) {
            continue;
        }
        desk.step(AGENT, format!("Running: {script} ..."));
        let spool = desk.root.join(format!(".pace/.run/day-{}/command.txt", desk.terms.day));
        let command = Command {
            script,
            dir: desk.root.clone(),
            env: sources_alone(&spool)?,
            timeout: Duration::from_millis(desk.terms.command_timeout_ms),
            spool: Some(spool),
        };
        observation.commands.push(desk.sandbox.run(&command).await?);
    }
    Ok(observation)
}

/// The test run that counts: the first, or a second one where every test that failed had passed before.
async fn run_tests(
    desk: &Desk<'_>,
    tests: &ProjectTests,
    baseline: Option<&TestRun>,
    observation: &mut Observation,
) -> anyhow::Result<()> {
    let last = tests.last_green();
    let before = desk.terms.coverage_min.map(|_| Before::note_coverage(&desk.root));
    let mut run = tests.observe().await?;
    desk.step(AGENT, format!("Tests: {}", run.summary()));
    observation.output = desk.journal.clean(&tests.output(&run, OUTPUT_LIMIT));
    let suspects = flaky::suspects(&run, baseline, last.as_ref());
    if !suspects.is_empty() {
        desk.step(AGENT, format!("Passed before, running once more: {} ...", suspects.join(", ")));
        let second = tests.observe().await?;
        desk.step(AGENT, format!("Tests: {}", second.summary()));
        if second.is_green() {
            observation.output = desk.journal.clean(&tests.output(&second, OUTPUT_LIMIT));
            observation.flaky = suspects;
            run = second;
        }
    }
    observation.coverage =
        before.and_then(|before| Coverage::read(&before.written_since(&desk.root, &desk.root)));
    observation.tests = Some(run);
    Ok(())
}

//! FORGE builds test-first. The binary commits its work and fills what only the binary can know.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::Serialize;
use serde_json::{Value, json};

use super::kit::{Kit, forge_refusal};
use super::report::fill;
use super::tests::ProjectTests;
use super::turns::{self, Answer, End, Finish, Task};
use super::{AgentError, Desk, secrets, yaml};
use crate::domain::Agent;
use crate::domain::artifact::{Finding, Handoff, HandoffFile, StoryCard};
use crate::domain::backlog::Entry;
use crate::domain::diff::Diff;
use crate::domain::observation::{TestRun, TestStatus};
use crate::evidence::files::{FileKind, kind_of};
use crate::llm::ToolCall;
use crate::schema;
use crate::tool::Written;
use crate::tool::run_tests::Tests as _;
use crate::tool::toolbox::Spec;

const AGENT: Agent = Agent::Forge;
const CONFIRM_RED_PHASE: &str = "confirm_red_phase";
const COMPLETE_HANDOFF: &str = "complete_handoff";

/// What a round of FORGE starts from.
pub(crate) struct Inputs<'a> {
    pub card: &'a StoryCard,
    /// Why the attempt before was held.
    pub hold_reason: Option<&'a str>,
    /// The test run on the day base; `None` where the project has no tests.
    pub baseline: Option<&'a TestRun>,
    /// Open advisories, on a clearance day.
    pub backlog: &'a [Entry],
    /// The commit on which the day's first attempt started.
    pub base: &'a str,
    /// Untracked files that were there before the run: never committed unless FORGE wrote them.
    pub untracked: &'a BTreeSet<String>,
    /// The red phase was confirmed in an earlier round of this run.
    pub red_confirmed: bool,
}

/// How a round ended.
pub(crate) enum Round {
    /// Committed and handed off.
    HandedOff(Box<Handoff>),
    /// No valid handoff; the stop reason.
    Stopped(String),
    /// No valid handoff, and something in the change that must not be committed: all of it stays out of git.
    Unmended(Vec<Finding>),
}

/// Runs one round of FORGE and commits its work.
pub(crate) async fn run(desk: &Desk<'_>, inputs: &Inputs<'_>) -> Result<Round, AgentError> {
    let start = changes_since(desk, inputs.base).await?;
    let kit = Kit::forge(desk)?;
    let tests = ProjectTests::of(desk);
    let task = Task {
        agent: AGENT,
        model: &desk.terms.model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &Prompt::new(inputs)?)?,
        tools: kit.forge_tools(desk, tests.clone()),
        max_calls: desk.terms.max_iterations,
        max_tokens: 16_384,
    };
    let mut finish = Closing {
        desk,
        inputs,
        written: kit.written(),
        tests,
        red: inputs.red_confirmed,
        red_needed: desk.terms.tdd && !has_production(&start),
    };
    let end = match turns::run(desk, task, &mut finish).await {
        Ok(end) => end,
        Err(error) => {
            // Best effort: what stands in the way of keeping the work does not hide why the run ends.
            drop(finish.keep_clean_work(&error.to_string()).await);
            return Err(error);
        }
    };
    match end {
        End::Done { output, calls } => commit(desk, inputs, output, finish.red, calls)
            .await
            .map(|handoff| Round::HandedOff(Box::new(handoff))),
        End::Stopped { reason, calls } => {
            let leaks = finish.keep_clean_work(&reason).await?;
            if !leaks.is_empty() {
                return Ok(Round::Unmended(leaks));
            }
            let limit = if calls == desk.terms.max_iterations { " (PACE_MAX_ITERATIONS)" } else { "" };
            Ok(Round::Stopped(format!("{reason}{limit}")))
        }
    }
}

#[derive(Serialize)]
struct Prompt<'a> {
    card: String,
    hold_reason: Option<&'a str>,
    baseline: Option<String>,
    failing_before: Vec<&'a str>,
    backlog: &'a [Entry],
}

impl<'a> Prompt<'a> {
    fn new(inputs: &Inputs<'a>) -> anyhow::Result<Self> {
        Ok(Self {
            card: yaml(inputs.card)?,
            hold_reason: inputs.hold_reason,
            baseline: inputs.baseline.map(TestRun::summary),
            failing_before: inputs
                .baseline
                .map(|run| run.names(TestStatus::Failed).collect())
                .unwrap_or_default(),
            backlog: inputs.backlog,
        })
    }
}

/// The tools that steer and end FORGE's loop.
struct Closing<'a> {
    desk: &'a Desk<'a>,
    inputs: &'a Inputs<'a>,
    written: Written,
    tests: Option<Arc<ProjectTests>>,
    red: bool,
    red_needed: bool,
}

/// What FORGE hands off: its own words and the files to commit.
struct Closed {
    submission: Value,
    paths: Vec<String>,
}

impl Finish for Closing<'_> {
    type Output = Closed;

    fn specs(&self) -> Vec<Spec> {
        let mut handoff = schema::submission("handoff");
        if let Some(fields) = handoff["properties"].as_object_mut() {
            fields.insert(
                "commit".into(),
                json!({"type": "string", "description": "Ignored: pace makes the commit."}),
            );
        }
        vec![
            Spec {
                name: CONFIRM_RED_PHASE.into(),
                description:
                    "Confirm that the new tests fail before any production code changes. pace runs them."
                        .into(),
                input_schema: json!({
                    "type": "object",
                    "properties": {
                        "tests_written": {
                            "type": "array", "items": {"type": "string"}, "minItems": 1,
                            "description": "Test files or test names written today."
                        },
                        "failing_tests": {
                            "type": "array", "items": {"type": "string"},
                            "description": "The tests that fail now."
                        }
                    },
                    "required": ["tests_written"],
                    "additionalProperties": false
                }),
            },
            Spec {
                name: COMPLETE_HANDOFF.into(),
                description: "Hand off your finished work and end. pace commits it and fills the commit."
                    .into(),
                input_schema: handoff,
            },
        ]
    }

    fn answer<'a>(&'a mut self, call: &'a ToolCall) -> BoxFuture<'a, Result<Answer<Closed>, AgentError>> {
        Box::pin(async move {
            if call.name == CONFIRM_RED_PHASE {
                self.confirm_red_phase(&call.input).await
            } else {
                self.hand_off(&call.input).await
            }
        })
    }
}

impl Closing<'_> {
    async fn confirm_red_phase(&mut self, input: &Value) -> Result<Answer<Closed>, AgentError> {
        if input["tests_written"].as_array().is_none_or(Vec::is_empty) {
            return Ok(Answer::Refused("tests_written: name the test files or tests that you wrote".into()));
        }
        let (true, Some(tests)) = (self.desk.terms.tdd, self.tests.clone()) else {
            return Ok(Answer::Noted("Noted. The red phase is not required here.".into()));
        };
        let diff = self.changes().await?;
        if let Some(file) = diff.files.iter().find(|f| kind_of(&f.path) == FileKind::Production) {
            return Ok(Answer::Refused(format!(
                "{} already changed in this round: a red phase is confirmed before any production change",
                file.path
            )));
        }
        if diff.files.is_empty() {
            return Ok(Answer::Refused("no file changed yet: write the tests first".into()));
        }
        self.desk.step(AGENT, format!("Confirming the red phase: {} ...", tests.command()));
        let run = self.desk.journal.act("red", &diff, async { tests.observe().await }).await?;
        if run.run.exit.ok() {
            return Ok(Answer::Refused(format!(
                "the tests pass ({}): a red phase needs tests that fail for what is not built yet",
                run.summary()
            )));
        }
        self.red = true;
        let failing: Vec<_> = run.names(TestStatus::Failed).take(20).collect();
        Ok(Answer::Noted(format!(
            "Red phase confirmed ({}). Failing now: {}",
            run.summary(),
            failing.join(", ")
        )))
    }

    async fn hand_off(&mut self, input: &Value) -> Result<Answer<Closed>, AgentError> {
        if let Err(problems) = schema::validate_submission("handoff", input) {
            return Ok(Answer::Refused(problems.join("\n")));
        }
        let diff = self.changes().await?;
        let leaks = self.leaks(&diff).await?;
        let refusal =
            |path: &String| forge_refusal(self.desk.terms, path).map(|why| format!("{path}: {why}"));
        let outside: Vec<_> = diff.files.iter().filter_map(|f| refusal(&f.path)).collect();
        if !outside.is_empty() {
            return Ok(Answer::Refused(format!(
                "files changed that you may not change; undo that first:\n{}",
                outside.join("\n")
            )));
        }
        if let Some(nested) = diff.files.iter().find(|file| file.path.ends_with('/')) {
            let path = &nested.path;
            return Ok(Answer::Refused(format!(
                "{path} is a repository of its own: remove {path}.git first"
            )));
        }
        let ignored = self.ignored(&diff).await?;
        if !ignored.is_empty() {
            return Ok(Answer::Refused(format!(
                "git ignores files that you wrote, so they would not be part of the commit that is judged: {}",
                ignored.join(", ")
            )));
        }
        if !leaks.is_empty() {
            let places: Vec<_> = leaks.iter().map(|leak| leak.evidence.as_str()).collect();
            self.desk.step(AGENT, format!("Handoff refused by the secret scan: {}", places.join("; ")));
            return Ok(Answer::Refused(secrets::instruction(&leaks)));
        }
        if self.red_needed && !self.red && self.tests.is_some() && has_production(&diff) {
            return Ok(Answer::Refused(
                "production code changed without a confirmed red phase: take the production change back, see the new \
                 tests fail, call `confirm_red_phase`, then build"
                    .into(),
            ));
        }
        let passed = self.tests.as_ref().is_some_and(|tests| tests.last_passed());
        let words =
            if passed { "All tests pass. Calling complete_handoff." } else { "Calling complete_handoff." };
        self.desk.step(AGENT, words);
        Ok(Answer::Done(Closed { submission: input.clone(), paths: paths(&diff) }))
    }

    /// Keeps unfinished work, unless something in it must not be committed: that is returned, and all stays out.
    async fn keep_clean_work(&self, reason: &str) -> Result<Vec<Finding>, AgentError> {
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
            paths(&diff).into_iter().partition(|path| forge_refusal(self.desk.terms, path).is_some());
        let reset = async { self.desk.repo.reset_paths(&refused) };
        self.desk.journal.act("reset", &refused, reset).await?;
        if kept.is_empty() {
            return Ok(());
        }
        let message = self.desk.templates.render(
            "commit.txt.j2",
            &json!({
                "title": format!("Unfinished: {}", self.inputs.card.theme),
                "approach": reason,
                "built": "",
                "day": self.desk.terms.day,
                "sprint": self.desk.terms.sprint,
            }),
        )?;
        let message = self.desk.journal.clean(&message);
        let commit = async { self.desk.repo.commit(&kept, &message) };
        self.desk.journal.act("commit", &kept, commit).await.map(drop).map_err(AgentError::Other)
    }

    /// Files that FORGE wrote and that exist, but are in neither HEAD nor the change: git ignores them.
    async fn ignored(&self, diff: &Diff) -> Result<Vec<String>, AgentError> {
        let find = async {
            let head = self.desk.repo.head()?;
            let mut ignored = Vec::new();
            for path in self.written.paths().into_iter().filter(|path| diff.file(path).is_none()) {
                if self.desk.root.join(&path).is_file() && self.desk.repo.show(&head, &path)?.is_none() {
                    ignored.push(path);
                }
            }
            anyhow::Ok(ignored)
        };
        Ok(self.desk.journal.step("ignored", "", find).await?)
    }

    /// What of the change must not be committed.
    async fn leaks(&self, diff: &Diff) -> Result<Vec<Finding>, AgentError> {
        Ok(secrets::blocking(secrets::in_work_tree(self.desk, self.inputs.base, diff).await?))
    }

    /// HEAD → work tree without what is not FORGE's.
    async fn changes(&self) -> Result<Diff, AgentError> {
        let written = self.written.paths();
        let except = self.inputs.untracked.difference(&written).cloned().collect();
        let day = format!(".pace/day-{}/", self.desk.terms.day);
        Ok(self
            .desk
            .journal
            .step("work-diff", "", async {
                let mut diff = self.desk.repo.work_diff(&except)?;
                diff.files.retain(|f| !f.path.starts_with(&day));
                anyhow::Ok(diff)
            })
            .await?)
    }
}

async fn commit(
    desk: &Desk<'_>,
    inputs: &Inputs<'_>,
    closed: Closed,
    red: bool,
    calls: u32,
) -> Result<Handoff, AgentError> {
    let message = desk.templates.render(
        "commit.txt.j2",
        &json!({
            "title": inputs.card.stories.first().map_or(&inputs.card.theme, |s| &s.title),
            "approach": closed.submission["approach"],
            "built": closed.submission["built"],
            "day": desk.terms.day,
            "sprint": desk.terms.sprint,
        }),
    )?;
    let message = desk.journal.clean(&message);
    let commit: String = desk
        .journal
        .act("commit", &closed.paths, async { desk.repo.commit(&closed.paths, &message) })
        .await?;
    let files: Vec<_> = changes_between(desk, inputs.base, &commit)
        .await?
        .files
        .into_iter()
        .map(|f| HandoffFile { path: f.path, change: f.change })
        .collect();
    let filled = [
        ("day", json!(desk.terms.day)),
        ("agent", json!(AGENT)),
        ("commit", json!(commit)),
        ("tdd_red_phase_confirmed", json!(red)),
        ("iterations_used", json!(calls)),
        ("files", json!(files)),
        ("sandbox", json!(desk.terms.sandbox)),
    ];
    fill(closed.submission, filled)
        .map_err(|problems| AgentError::Unusable { agent: AGENT, reason: problems.join("; ") })
}

/// Every path that a change names, before and after renames.
fn paths(diff: &Diff) -> Vec<String> {
    diff.files.iter().flat_map(|f| f.old_path.iter().chain([&f.path]).cloned()).collect()
}

/// The day diff `base` → HEAD at this moment.
async fn changes_since(desk: &Desk<'_>, base: &str) -> Result<Diff, AgentError> {
    let head: String = desk.journal.step("head", "", async { desk.repo.head() }).await?;
    changes_between(desk, base, &head).await
}

/// The day diff `base` → `commit`.
pub(crate) async fn changes_between(desk: &Desk<'_>, base: &str, commit: &str) -> Result<Diff, AgentError> {
    let diff = async {
        let mut diff = desk.repo.day_diff(base, commit)?;
        diff.files.retain(|file| !desk.terms.is_record(&file.path));
        anyhow::Ok(diff)
    };
    Ok(desk.journal.step("day-diff", &(base, commit), diff).await?)
}

/// Whether a change touches production code.
pub(crate) fn has_production(diff: &Diff) -> bool {
    diff.files.iter().any(|f| kind_of(&f.path) == FileKind::Production)
}

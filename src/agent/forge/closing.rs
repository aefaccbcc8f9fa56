//! The tools that steer and end FORGE's loop: the early form of the red phase, and the handoff with all that can
//! stand in its way.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{AGENT, Inputs, proof};
use crate::agent::kit::forge_refusal;
use crate::agent::tests::ProjectTests;
use crate::agent::turns::{Answer, Finish};
use crate::agent::{AgentError, Desk, day_change, secrets, tail, tampering};
use crate::domain::artifact::Finding;
use crate::domain::diff::Diff;
use crate::domain::observation::{CommandRun, TestStatus};
use crate::evidence::red_phase::{self, RedPhase};
use crate::evidence::some;
use crate::llm::ToolCall;
use crate::schema;
use crate::tool::Written;
use crate::tool::run_tests::Tests as _;
use crate::tool::toolbox::Spec;

const CONFIRM_RED_PHASE: &str = "confirm_red_phase";
const COMPLETE_HANDOFF: &str = "complete_handoff";
/// Handoffs of a round that are refused for a rule before one is taken as it is and the day is held.
const MOST_REFUSALS: u32 = 4;

/// The tools that steer and end FORGE's loop.
pub(super) struct Closing<'a> {
    pub(super) desk: &'a Desk<'a>,
    pub(super) inputs: &'a Inputs<'a>,
    written: Written,
    tests: Option<Arc<ProjectTests>>,
    /// The round begins without production change: one that it makes wants the red phase confirmed first.
    red_needed: bool,
    /// Assertions that stood when the red phase was confirmed in this round.
    seen: Option<Vec<String>>,
    refused: Refused,
}

/// The handoffs of a round that were refused for a rule.
#[derive(Default)]
struct Refused {
    /// What the last of them lacked.
    lacks: Vec<String>,
    count: u32,
}

/// What FORGE hands off: its own words and the files to commit.
pub(super) struct Closed {
    pub(super) submission: Value,
    pub(super) paths: Vec<String>,
    pub(super) red: RedPhase,
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

impl<'a> Closing<'a> {
    pub(super) fn new(
        desk: &'a Desk<'a>,
        inputs: &'a Inputs<'a>,
        written: Written,
        tests: Option<Arc<ProjectTests>>,
        red_needed: bool,
    ) -> Self {
        Self { desk, inputs, written, tests, red_needed, seen: None, refused: Refused::default() }
    }

    /// The day's work as it is handed off.
    fn work(&self) -> proof::Work<'_> {
        proof::Work {
            desk: self.desk,
            base: self.inputs.base,
            baseline: self.inputs.baseline,
            untracked: self.not_its_own(),
            tests: self.tests.as_deref(),
            skipped_red: self.red_needed && self.seen.is_none(),
            seen: self.seen.as_deref().unwrap_or_default(),
        }
    }

    async fn confirm_red_phase(&mut self, input: &Value) -> Result<Answer<Closed>, AgentError> {
        let Some(claimed) = input["tests_written"].as_array().filter(|tests| !tests.is_empty()) else {
            return Ok(Answer::Refused("tests_written: name the test files or tests that you wrote".into()));
        };
        let (true, Some(tests)) = (self.desk.terms.tdd, self.tests.clone()) else {
            return Ok(Answer::Noted("Noted. The red phase is not required here.".into()));
        };
        let untracked = self.not_its_own();
        let change = day_change::of_work_tree(self.desk, self.inputs.base, &untracked).await?;
        if let Some(file) = change.production().next() {
            return Ok(if self.red_needed {
                Answer::Refused(format!(
                    "{} already changed: a red phase is confirmed before any production change. Take it back first",
                    file.path
                ))
            } else {
                Answer::Noted(
                    "Noted. The day's production code is there already; the handoff proves the red phase by taking it out."
                        .into(),
                )
            });
        }
        let baseline_red = self.inputs.baseline.is_some_and(|run| !run.run.exit.ok());
        if change.files.is_empty() && !baseline_red {
            return Ok(Answer::Refused("no file changed yet: write the tests first".into()));
        }
        self.desk.step(AGENT, format!("Confirming the red phase: {} ...", tests.command()));
        let run = self.desk.journal.act("red", &change, async { tests.observe().await }).await?;
        if run.setup_failed() {
            return Ok(Answer::Refused(setup_refusal(&run.run)));
        }
        let claimed: Vec<&str> = claimed
            .iter()
            .chain(input["failing_tests"].as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        if let Some(why) = proof::not_red(&run, self.inputs.baseline, &change, &claimed) {
            return Ok(Answer::Refused(why));
        }
        self.seen = Some(red_phase::seen(&change));
        let failing: Vec<_> = run.names(TestStatus::Failed).map(str::to_owned).collect();
        Ok(Answer::Noted(format!("Red phase confirmed ({}). Failing now: {}", run.summary(), some(&failing))))
    }

    async fn hand_off(&mut self, input: &Value) -> Result<Answer<Closed>, AgentError> {
        if let Err(problems) = schema::validate_submission("handoff", input) {
            return Ok(Answer::Refused(problems.join("\n")));
        }
        if let Some(refusal) = self.set_up().await? {
            return Ok(Answer::Refused(refusal));
        }
        let diff = self.changes().await?;
        if let Some(refusal) = self.uncommittable(&diff).await? {
            return Ok(Answer::Refused(refusal));
        }
        let proof = self.work().check().await?;
        let tampering = tampering::refusal(self.desk, self.inputs.base, &diff).await?;
        if let Some(lacks) = self.refuses(&proof, tampering) {
            self.desk.step(AGENT, format!("Handoff refused: {}", lacks.join(" ")));
            return Ok(Answer::Refused(format!(
                "{}\nMend this and call `{COMPLETE_HANDOFF}` again. Handed off once more as it is, the day is held for it.",
                lacks.join("\n")
            )));
        }
        let passed =
            proof.passed.unwrap_or_else(|| self.tests.as_ref().is_some_and(|tests| tests.last_passed()));
        let words =
            if passed { "All tests pass. Calling complete_handoff." } else { "Calling complete_handoff." };
        self.desk.step(AGENT, words);
        Ok(Answer::Done(Closed {
            submission: input.clone(),
            paths: diff.paths().cloned().collect(),
            red: proof.red,
        }))
    }

    /// Why the change cannot be committed as it is.
    async fn uncommittable(&self, diff: &Diff) -> Result<Option<String>, AgentError> {
        let leaks = self.leaks(diff).await?;
        let refusal =
            |path: &String| forge_refusal(self.desk.terms, path).map(|why| format!("{path}: {why}"));
        let outside: Vec<_> = diff.files.iter().filter_map(|f| refusal(&f.path)).collect();
        if !outside.is_empty() {
            return Ok(Some(format!(
                "files changed that you may not change; undo that first:\n{}",
                outside.join("\n")
            )));
        }
        if let Some(nested) = diff.files.iter().find(|file| file.path.ends_with('/')) {
            let path = &nested.path;
            return Ok(Some(format!("{path} is a repository of its own: remove {path}.git first")));
        }
        let ignored = self.ignored(diff).await?;
        if !ignored.is_empty() {
            return Ok(Some(format!(
                "git ignores files that you wrote, so they would not be part of the commit that is judged: {}",
                ignored.join(", ")
            )));
        }
        if leaks.is_empty() {
            return Ok(None);
        }
        let places: Vec<_> = leaks.iter().map(|leak| leak.evidence.as_str()).collect();
        self.desk.step(AGENT, format!("Handoff refused by the secret scan: {}", places.join("; ")));
        Ok(Some(secrets::instruction(&leaks)))
    }

    /// Installs the dependencies where a manifest changed since, so that the lockfile that belongs to it is part of
    /// the commit; why that failed.
    async fn set_up(&self) -> Result<Option<String>, AgentError> {
        if self.desk.terms.setup_command.is_none() {
            return Ok(None);
        }
        let refresh = async {
            match &self.desk.setup {
                Some(setup) => setup.refresh().await,
                None => Ok(None),
            }
        };
        let run: Option<CommandRun> = self.desk.journal.act("setup", "", refresh).await?;
        if let (Some(_), Some(tests)) = (&run, &self.tests) {
            tests.standing.forget();
        }
        Ok(run.filter(|run| !run.exit.ok()).map(|run| setup_refusal(&run)))
    }

    /// What the proof lacks and what was done to the tests that were there, where FORGE has not been told so before;
    /// otherwise the handoff stands and GATE holds it.
    fn refuses(&mut self, proof: &proof::Checked, tampering: Option<String>) -> Option<Vec<String>> {
        let lacks: Vec<String> = tampering.into_iter().chain(proof.mendable()).collect();
        if lacks.is_empty() || lacks == self.refused.lacks || self.refused.count >= MOST_REFUSALS {
            return None;
        }
        self.refused = Refused { lacks: lacks.clone(), count: self.refused.count + 1 };
        Some(lacks)
    }

    /// Untracked files that were there before and that FORGE did not write.
    fn not_its_own(&self) -> BTreeSet<String> {
        self.inputs.untracked.difference(&self.written.paths()).cloned().collect()
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
    pub(super) async fn leaks(&self, diff: &Diff) -> Result<Vec<Finding>, AgentError> {
        Ok(secrets::blocking(secrets::in_work_tree(self.desk, self.inputs.base, diff).await?))
    }

    /// HEAD → work tree without what is not FORGE's.
    pub(super) async fn changes(&self) -> Result<Diff, AgentError> {
        let except = self.not_its_own();
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

fn setup_refusal(run: &CommandRun) -> String {
    format!(
        "the dependencies of the manifests as they stand cannot be installed: `{}` came to {}\n{}",
        run.command,
        run.exit,
        tail(&run.output.text(), 4096)
    )
}

//! `submit_report`: the final tool of the five agents that write no code.

use futures_util::future::BoxFuture;
use serde_json::Value;

use super::turns::{self, Answer, End, Finish, Task};
use super::{AgentError, Desk};
use crate::llm::ToolCall;
use crate::schema;
use crate::tool::toolbox::Spec;

/// The artifact, or what is wrong with the submission; an error ends the agent.
pub(crate) type Judgement<T> = Result<Result<T, Vec<String>>, AgentError>;

/// Judges a submission that fits its schema: the finished artifact, or what is wrong with it.
pub(crate) trait Judge: Send {
    type Artifact: Send;

    /// Schema of the artifact, e.g. `gate-report`.
    const SCHEMA: &'static str;

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<Self::Artifact>>;
}

/// Has an agent do `task` and submit the artifact that `judge` accepts.
pub(crate) async fn submitted<J: Judge>(
    desk: &Desk<'_>,
    task: Task<'_>,
    judge: J,
) -> Result<J::Artifact, AgentError> {
    let agent = task.agent;
    match turns::run(desk, task, &mut SubmitReport(judge)).await? {
        End::Done { output, .. } => Ok(output),
        End::Stopped { reason, .. } => Err(AgentError::Unusable { agent, reason }),
    }
}

/// Ends a loop with an artifact that both its schema and its judge accept.
struct SubmitReport<J>(J);

/// Name of the final tool.
pub(crate) const SUBMIT_REPORT: &str = "submit_report";

impl<J: Judge> Finish for SubmitReport<J> {
    type Output = J::Artifact;

    fn specs(&self) -> Vec<Spec> {
        vec![Spec {
            name: SUBMIT_REPORT.into(),
            description: format!("Submit your {} and end your work.", J::SCHEMA.replace('-', " ")),
            input_schema: schema::submission(J::SCHEMA),
        }]
    }

    fn answer<'a>(
        &'a mut self,
        call: &'a ToolCall,
    ) -> BoxFuture<'a, Result<Answer<Self::Output>, AgentError>> {
        Box::pin(async move {
            if let Err(problems) = schema::validate_submission(J::SCHEMA, &call.input) {
                return Ok(Answer::Invalid(problems));
            }
            Ok(match self.0.judge(call.input.clone()).await? {
                Ok(artifact) => Answer::Done(artifact),
                Err(problems) => Answer::Invalid(problems),
            })
        })
    }
}

/// Reads a submission into its artifact type after the binary's own fields were put in.
///
/// # Errors
/// What serde says; a submission that fits its schema always reads.
pub(crate) fn fill<T: serde::de::DeserializeOwned>(
    mut submission: Value,
    filled: impl IntoIterator<Item = (&'static str, Value)>,
) -> Result<T, Vec<String>> {
    if let Value::Object(fields) = &mut submission {
        fields.extend(filled.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    serde_json::from_value(submission).map_err(|error| vec![error.to_string()])
}

//! Answers the tool calls of a turn: a tool is used as a recorded step, a final one is the agent's to answer.

use serde::{Deserialize, Serialize};

use super::{Answer, Finish};
use crate::agent::{AgentError, Desk};
use crate::domain::Agent;
use crate::llm::{ToolCall, ToolResult};
use crate::tool::toolbox::{Spec, ToolBox};
use crate::tool::{Tool, ToolError};

/// How often an agent whose final output does not validate is re-asked.
pub(super) const REPAIRS: u32 = 2;

/// What answers the tool calls of a turn.
pub(super) struct Answering<'a, F> {
    desk: &'a Desk<'a>,
    agent: Agent,
    tools: &'a ToolBox,
    finals: &'a [Spec],
    finish: &'a mut F,
    /// How often the final output did not validate.
    repairs: u32,
}

/// What answering a turn came to.
pub(super) enum Answered<T> {
    /// A final call was accepted: the loop ends.
    Done(T),
    Results(Vec<ToolResult>),
}

impl<'a, F: Finish> Answering<'a, F> {
    pub(super) fn new(
        desk: &'a Desk<'a>,
        agent: Agent,
        tools: &'a ToolBox,
        finals: &'a [Spec],
        finish: &'a mut F,
    ) -> Self {
        Self { desk, agent, tools, finals, finish, repairs: 0 }
    }

    /// Answers all calls in their order, or ends with the first accepted final one.
    pub(super) async fn answer_all(&mut self, calls: &[ToolCall]) -> Result<Answered<F::Output>, AgentError> {
        let mut results = Vec::with_capacity(calls.len());
        for call in calls {
            if !self.finals.iter().any(|spec| spec.name == call.name) {
                let outcome = self.use_tool(call).await?;
                results.push(result(call, outcome.content, outcome.is_error));
                continue;
            }
            results.push(match self.finish.answer(call).await? {
                Answer::Done(output) => return Ok(Answered::Done(output)),
                Answer::Noted(text) => result(call, text, false),
                Answer::Refused(text) => result(call, text, true),
                Answer::Invalid(problems) => result(call, self.ask_again(&call.name, &problems)?, true),
            });
        }
        Ok(Answered::Results(results))
    }

    /// Uses a tool, as a recorded step.
    async fn use_tool(&self, call: &ToolCall) -> Result<Outcome, AgentError> {
        let desk = self.desk;
        let tool = self.tools.get(&call.name);
        let input = self.tools.check(&call.name, &call.input);
        if let (Some(tool), Ok(input)) = (tool, &input)
            && let Some(step) = tool.step(input)
        {
            desk.step(self.agent, step);
        }
        let act = async {
            let result = match (tool, input) {
                (_, Err(error)) => Err(error),
                (Some(tool), Ok(input)) => tool.run(&input).await,
                (None, Ok(_)) => {
                    Err(ToolError::mend(format!("{} ends the work; nothing runs it", call.name)))
                }
            };
            match result {
                Ok(content) => Ok(Outcome { content, is_error: false }),
                Err(ToolError::Mend(problem)) => Ok(Outcome { content: problem, is_error: true }),
                Err(ToolError::Stop(error)) => Err(AgentError::Other(error)),
            }
        };
        let named = (self.agent, &call.name, &call.input);
        let mut outcome: Outcome = if tool.is_some_and(Tool::changes_files) {
            desk.journal.act("tool", &named, act).await?
        } else {
            desk.journal.step("tool", &named, act).await?
        };
        if let (false, Some(tool)) = (outcome.is_error, tool) {
            tool.recall(&call.input);
        }
        outcome.content = desk.journal.clean(&outcome.content);
        Ok(outcome)
    }

    /// Words for a final output that does not validate; an error once it was repaired often enough.
    fn ask_again(&mut self, tool: &str, problems: &[String]) -> Result<String, AgentError> {
        if self.repairs == REPAIRS {
            return Err(AgentError::Unusable { agent: self.agent, reason: problems.join("; ") });
        }
        self.repairs += 1;
        self.desk
            .step(self.agent, format!("Output does not validate, asking again: {}", problems.join("; ")));
        Ok(repair(tool, problems))
    }
}

/// The recorded result of a tool.
#[derive(Serialize, Deserialize)]
struct Outcome {
    content: String,
    is_error: bool,
}

fn result(call: &ToolCall, content: String, is_error: bool) -> ToolResult {
    ToolResult { call_id: call.id.clone(), content, is_error }
}

fn repair(tool: &str, problems: &[String]) -> String {
    let mut text = format!("`{tool}` was not accepted. Fix every point and call it again:");
    for problem in problems {
        text.push_str("\n- ");
        text.push_str(problem);
    }
    text
}

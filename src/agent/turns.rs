//! The one tool-calling loop. It knows no role: prompt, tools and the way to finish come from the agent.

mod conversation;
mod repeats;

use std::time::Instant;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use self::conversation::{Compaction, Conversation};
use self::repeats::{Circle, Repeats};
use super::purse::Reservation;
use super::{AgentError, Desk};
use crate::domain::Agent;
use crate::domain::event::Event;
use crate::domain::money::Usage;
use crate::domain::terms::Rated;
use crate::journal::Journal;
use crate::llm::{Message, ModelError, Payer, Reply, Request, Stop, ToolCall, ToolResult, ToolSpec};
use crate::tool::toolbox::{Spec, ToolBox};
use crate::tool::{Tool, ToolError};

/// How often an agent whose final output does not validate is re-asked.
const REPAIRS: u32 = 2;

/// What an agent is asked to do.
pub(crate) struct Task<'a> {
    pub agent: Agent,
    pub model: &'a Rated,
    pub system: String,
    pub user: String,
    pub tools: ToolBox,
    /// Model calls at most.
    pub max_calls: u32,
    /// Output tokens of one reply at most.
    pub max_tokens: u32,
}

/// The tools that end an agent's loop or steer it, e.g. `submit_report`.
pub(crate) trait Finish: Send {
    /// What the agent brings in the end.
    type Output: Send;

    /// The final tools, as the model sees them.
    fn specs(&self) -> Vec<Spec>;

    /// Answers a call of one of them.
    fn answer<'a>(
        &'a mut self,
        call: &'a ToolCall,
    ) -> BoxFuture<'a, Result<Answer<Self::Output>, AgentError>>;
}

/// Answer to a final tool.
pub(crate) enum Answer<T> {
    /// The loop ends with this.
    Done(T),
    /// Accepted; the loop goes on.
    Noted(String),
    /// Refused with what is missing; the loop goes on.
    Refused(String),
    /// Does not validate: re-asked at most [`REPAIRS`] times.
    Invalid(Vec<String>),
}

/// How a loop ended.
#[derive(Debug)]
pub(crate) enum End<T> {
    Done {
        output: T,
        calls: u32,
    },
    /// No final tool within the allowed calls, or after the one reminder; the stop reason in words.
    Stopped {
        reason: String,
        calls: u32,
    },
}

/// The recorded result of a tool.
#[derive(Serialize, Deserialize)]
struct Outcome {
    content: String,
    is_error: bool,
}

/// Kind of the journal's records of model calls; their value is [`Said`].
pub(crate) const MODEL: &str = "model";

/// A recorded model call.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    pub agent: Agent,
    /// Tries of this call that brought no reply and are billed all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<Usage>,
    pub reply: Result<Reply, ModelError>,
}

impl Said {
    /// What is billed, try by try.
    pub(crate) fn paid(&self) -> impl Iterator<Item = Usage> + '_ {
        self.lost.iter().copied().chain(self.reply.as_ref().ok().map(|reply| reply.usage))
    }
}

/// Runs the loop to its end.
pub(crate) async fn run<F: Finish>(
    desk: &Desk<'_>,
    task: Task<'_>,
    finish: &mut F,
) -> Result<End<F::Output>, AgentError> {
    let finals = finish.specs();
    let tools = finals.iter().cloned().fold(task.tools, ToolBox::with_flow);
    let request = Request {
        agent: task.agent,
        model: task.model.name.clone(),
        system: task.system,
        messages: vec![Message::User(task.user)],
        tools: tools.specs().into_iter().map(told).collect(),
        max_tokens: task.max_tokens,
    };
    let mut talk =
        Talk { desk, model: task.model, conversation: Conversation::begin(desk.journal, request)? };
    let mut turn = Turn { desk, agent: task.agent, tools: &tools, finish, repairs: 0 };
    let (mut reminded, mut repeats) = (false, Repeats::default());
    for calls in 1..=task.max_calls {
        let stopped = |reason| Ok(End::Stopped { reason, calls });
        let reply = match talk.ask().await {
            Err(AgentError::Model(ModelError::ContextOverflow(words))) => {
                return stopped(format!("the conversation no longer fits the model's context: {words}"));
            }
            reply => reply?,
        };
        talk.conversation.push(Message::Assistant(reply.raw.clone()))?;
        if reply.stop == Stop::Refusal {
            return stopped(format!("the model refused: {}", first_line(&reply.text)));
        }
        let (tool_calls, written) = final_calls(&reply, &finals);
        if tool_calls.is_empty() {
            if reminded {
                return stopped("the model ended its turn without a final tool".into());
            }
            reminded = true;
            talk.conversation.push(Message::User(reminder(&reply, &finals)))?;
            continue;
        }
        let circle = repeats.saw(&tool_calls);
        if let Circle::Ended(reason) = circle {
            return stopped(reason);
        }
        let mut results = match turn.answer_all(&tool_calls).await? {
            Answered::Done(output) => return Ok(End::Done { output, calls }),
            Answered::Results(results) => results,
        };
        if let Some(last) = results.last_mut() {
            last.content.push_str(&aside(&circle, task.max_calls, calls));
        }
        talk.conversation.push(if written {
            Message::User(results.into_iter().map(|r| r.content).collect::<Vec<_>>().join("\n"))
        } else {
            Message::ToolResults(results)
        })?;
        // As many calls are to come as there were, or as are left.
        talk.compact(calls.min(task.max_calls - calls))?;
    }
    Ok(End::Stopped { reason: format!("{} model calls were used up", task.max_calls), calls: task.max_calls })
}

/// What pace adds to a turn's results in its own name.
fn aside(circle: &Circle, max_calls: u32, calls: u32) -> String {
    let mut text = String::new();
    if let Circle::Told(words) = circle {
        text = format!("\n\n(pace: {words})");
    }
    if max_calls > 5 && calls + 3 == max_calls {
        text.push_str("\n\n(pace: three model calls are left. Finish now with the final tool.)");
    }
    text
}

/// What answers the tool calls of a turn.
struct Turn<'a, F> {
    desk: &'a Desk<'a>,
    agent: Agent,
    tools: &'a ToolBox,
    finish: &'a mut F,
    /// How often the final output did not validate.
    repairs: u32,
}

enum Answered<T> {
    Done(T),
    Results(Vec<ToolResult>),
}

impl<F: Finish> Turn<'_, F> {
    /// Answers all calls in their order, or ends with the first accepted final one.
    async fn answer_all(&mut self, calls: &[ToolCall]) -> Result<Answered<F::Output>, AgentError> {
        let finals = self.finish.specs();
        let mut results = Vec::with_capacity(calls.len());
        for call in calls {
            if !finals.iter().any(|spec| spec.name == call.name) {
                let outcome = use_tool(self.desk, self.agent, self.tools, call).await?;
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

/// The conversation with the model, paid from the desk's purse.
struct Talk<'a> {
    desk: &'a Desk<'a>,
    model: &'a Rated,
    conversation: Conversation<'a>,
}

impl Talk<'_> {
    /// The next reply. A conversation that no longer fits is shrunk and sent once more.
    async fn ask(&mut self) -> Result<Reply, AgentError> {
        match self.call().await {
            Err(AgentError::Model(ModelError::ContextOverflow(words))) => {
                let Some(done) = self.conversation.shrink()? else {
                    return Err(ModelError::ContextOverflow(words).into());
                };
                self.tell(&done)?;
                self.call().await
            }
            reply => reply,
        }
    }

    async fn call(&self) -> Result<Reply, AgentError> {
        let (desk, request) = (self.desk, self.conversation.request());
        let reserve = || desk.purse.reserve(self.model.price, self.conversation.bytes(), request.max_tokens);
        let intent = || Ok(json!({"agent": request.agent, "usd": reserve()?.usd()}));
        let key = self.conversation.key();
        // A failed call is recorded too: a replay of a run without verdict ends where the run ended.
        let act = async {
            let reserved = reserve()?;
            let (journal, agent) = (desk.journal, request.agent);
            let tries = Tries { reserved: &reserved, journal, agent, key: &key, until: desk.until };
            let reply = desk.model.complete(request, &tries).await;
            Ok::<_, AgentError>(Said { agent: request.agent, lost: reserved.lost_tries(), reply })
        };
        let said: Said = desk.journal.intend(MODEL, &key, intent, act).await?;
        for usage in said.lost {
            desk.purse.book(request.agent, self.model, usage);
        }
        let reply = said.reply.map_err(|error| match error {
            ModelError::Unaffordable(reason) => AgentError::CostCap(reason),
            error => error.into(),
        })?;
        desk.purse.book(request.agent, self.model, reply.usage);
        let bill = desk.purse.bill();
        let (agent, usage) = (request.agent, bill.usage());
        desk.events.emit(Event::Called { agent, usage, cost: bill.cost(|_| true) });
        Ok(reply)
    }

    /// Replaces old results where that pays within the calls that may come.
    fn compact(&mut self, calls_to_come: u32) -> Result<(), AgentError> {
        match self.conversation.compact(self.model.price, calls_to_come)? {
            Some(done) => self.tell(&done),
            None => Ok(()),
        }
    }

    fn tell(&self, done: &Compaction) -> Result<(), AgentError> {
        let agent = self.conversation.request().agent;
        self.desk.journal.note("compaction", agent.name(), done)?;
        let text = format!("Leaving out {} older tool results ({} bytes) ...", done.results, done.bytes);
        self.desk.step(agent, text);
        Ok(())
    }
}

/// Pays for the tries of one call. Each that is lost is recorded beside the intent of the one under way: a run that is
/// killed before the reply came knows of all of them.
struct Tries<'a, K> {
    reserved: &'a Reservation<'a>,
    journal: &'a Journal,
    agent: Agent,
    key: &'a K,
    until: Option<Instant>,
}

impl<K: Serialize + Sync> Payer for Tries<'_, K> {
    fn lost(&self, usage: Option<Usage>) {
        let usd = self.reserved.lose(usage);
        let intent = json!({"agent": self.agent, "usd": usd});
        if let Err(problem) = self.journal.intent(MODEL, self.key, intent) {
            // The result of the call will not be written either, and that ends the run.
            tracing::warn!("a lost try is not in the record: {problem:#}");
        }
    }

    fn may_try_again(&self) -> Result<(), String> {
        self.reserved.may_try_again()
    }

    fn until(&self) -> Option<Instant> {
        self.until
    }
}

/// The reply's tool calls; a fenced YAML block counts as a call of the one final tool (second value: true).
fn final_calls(reply: &Reply, finals: &[Spec]) -> (Vec<ToolCall>, bool) {
    if !reply.calls.is_empty() {
        return (reply.calls.clone(), false);
    }
    let [only] = finals else { return (Vec::new(), false) };
    let call =
        fenced_yaml(&reply.text).map(|input| ToolCall { id: String::new(), name: only.name.clone(), input });
    (call.into_iter().collect(), true)
}

/// The mapping in the last fenced YAML (or JSON) block of `text`.
fn fenced_yaml(text: &str) -> Option<Value> {
    let mut found = None;
    let mut rest = text;
    while let Some(start) = rest.find("```") {
        let block = &rest[start + 3..];
        let body = &block[block.find('\n')? + 1..];
        let end = body.find("```")?;
        found = serde_saphyr::from_str::<Value>(&body[..end]).ok().filter(Value::is_object).or(found);
        rest = &body[end + 3..];
    }
    found
}

async fn use_tool(
    desk: &Desk<'_>,
    agent: Agent,
    tools: &ToolBox,
    call: &ToolCall,
) -> Result<Outcome, AgentError> {
    if let (Some(tool), Ok(input)) = (tools.get(&call.name), tools.check(&call.name, &call.input))
        && let Some(step) = tool.step(&input)
    {
        desk.step(agent, step);
    }
    let act = async {
        let result = match (tools.get(&call.name), tools.check(&call.name, &call.input)) {
            (_, Err(error)) => Err(error),
            (Some(tool), Ok(input)) => tool.run(&input).await,
            (None, Ok(_)) => Err(ToolError::mend(format!("{} ends the work; nothing runs it", call.name))),
        };
        match result {
            Ok(content) => Ok(Outcome { content, is_error: false }),
            Err(ToolError::Mend(problem)) => Ok(Outcome { content: problem, is_error: true }),
            Err(ToolError::Stop(error)) => Err(AgentError::Other(error)),
        }
    };
    let input = (agent, &call.name, &call.input);
    let mut outcome: Outcome = if tools.get(&call.name).is_some_and(Tool::changes_files) {
        desk.journal.act("tool", &input, act).await?
    } else {
        desk.journal.step("tool", &input, act).await?
    };
    if let (false, Some(tool)) = (outcome.is_error, tools.get(&call.name)) {
        tool.recall(&call.input);
    }
    outcome.content = desk.journal.clean(&outcome.content);
    Ok(outcome)
}

fn told(spec: Spec) -> ToolSpec {
    ToolSpec { name: spec.name, description: spec.description, input_schema: spec.input_schema }
}

fn result(call: &ToolCall, content: String, is_error: bool) -> ToolResult {
    ToolResult { call_id: call.id.clone(), content, is_error }
}

fn reminder(reply: &Reply, finals: &[Spec]) -> String {
    let names: Vec<_> = finals.iter().map(|f| format!("`{}`", f.name)).collect();
    let cut = if reply.stop == Stop::Length { "Your reply was cut off at the output limit. " } else { "" };
    format!("{cut}Go on with the tools; your work counts only once you end it with {}.", names.join(" or "))
}

fn repair(tool: &str, problems: &[String]) -> String {
    let mut text = format!("`{tool}` was not accepted. Mend every point and call it again:");
    for problem in problems {
        text.push_str("\n- ");
        text.push_str(problem);
    }
    text
}

fn first_line(text: &str) -> &str {
    text.lines().find(|l| !l.trim().is_empty()).unwrap_or("(no reason given)")
}

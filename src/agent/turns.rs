//! The one tool-calling loop. It knows no role: prompt, tools and the way to finish come from the agent.

mod answering;
mod conversation;
mod final_call;
mod repeats;
mod talk;

use futures_util::future::BoxFuture;

use self::answering::{Answered, Answering};
use self::final_call::{Called, reminder};
use self::repeats::{Circle, Repeats};
use self::talk::Talk;
use super::{AgentError, Desk};
use crate::domain::Agent;
use crate::domain::terms::Rated;
use crate::llm::{Message, ModelError, Reply, Request, Stop, ToolCall, ToolSpec};
use crate::tool::toolbox::{Spec, ToolBox};
pub(crate) use talk::{MODEL, Said};

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
    /// Does not validate: re-asked at most [`answering::REPAIRS`] times.
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
    let mut turns = Turns {
        talk: Talk::begin(desk, task.model, request)?,
        answering: Answering::new(desk, task.agent, &tools, &finals, finish),
        finals: &finals,
        max_calls: task.max_calls,
        reminded: false,
        repeats: Repeats::default(),
    };
    for calls in 1..=task.max_calls {
        match turns.next(calls).await? {
            Next::Another => {}
            Next::Done(output) => return Ok(End::Done { output, calls }),
            Next::Stopped(reason) => return Ok(End::Stopped { reason, calls }),
        }
    }
    Ok(End::Stopped { reason: format!("{} model calls were used up", task.max_calls), calls: task.max_calls })
}

/// A loop under way.
struct Turns<'a, F> {
    talk: Talk<'a>,
    answering: Answering<'a, F>,
    finals: &'a [Spec],
    max_calls: u32,
    /// The model ended a turn without any call and was told to go on.
    reminded: bool,
    repeats: Repeats,
}

/// What comes behind a turn.
enum Next<T> {
    Another,
    Done(T),
    /// The stop reason in words.
    Stopped(String),
}

impl<F: Finish> Turns<'_, F> {
    /// One model call, and the answers to what it asks for; `calls`: how many were made, this one included.
    async fn next(&mut self, calls: u32) -> Result<Next<F::Output>, AgentError> {
        let reply = match self.talk.ask().await {
            Err(AgentError::Model(ModelError::ContextOverflow(words))) => {
                let reason = format!("the conversation no longer fits the model's context: {words}");
                return Ok(Next::Stopped(reason));
            }
            reply => reply?,
        };
        self.talk.push(Message::Assistant(reply.raw.clone()))?;
        if reply.stop == Stop::Refusal {
            return Ok(Next::Stopped(format!("the model refused: {}", first_line(&reply.text))));
        }
        let Some(called) = Called::by(&reply, self.finals) else { return self.remind(&reply) };
        let circle = self.repeats.saw(called.calls());
        if let Circle::Ended(reason) = circle {
            return Ok(Next::Stopped(reason));
        }
        let mut results = match self.answering.answer_all(called.calls()).await? {
            Answered::Done(output) => return Ok(Next::Done(output)),
            Answered::Results(results) => results,
        };
        if let Some(last) = results.last_mut() {
            last.content.push_str(&aside(&circle, self.max_calls, calls));
        }
        self.talk.push(called.answer(results))?;
        // As many calls are to come as there were, or as are left.
        self.talk.compact(calls.min(self.max_calls - calls))?;
        Ok(Next::Another)
    }

    /// A turn without any call: once the model is told to go on, then the loop ends.
    fn remind(&mut self, reply: &Reply) -> Result<Next<F::Output>, AgentError> {
        if self.reminded {
            return Ok(Next::Stopped("the model ended its turn without a final tool".into()));
        }
        self.reminded = true;
        self.talk.push(Message::User(reminder(reply, self.finals)))?;
        Ok(Next::Another)
    }
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

fn first_line(text: &str) -> &str {
    text.lines().find(|l| !l.trim().is_empty()).unwrap_or("(no reason given)")
}

fn told(spec: Spec) -> ToolSpec {
    ToolSpec { name: spec.name, description: spec.description, input_schema: spec.input_schema }
}

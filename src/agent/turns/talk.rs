//! The conversation with the model, paid from the desk's purse and recorded call by call, tries that were lost included.

use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::conversation::{Compaction, Conversation};
use crate::agent::purse::Reservation;
use crate::agent::{AgentError, Desk};
use crate::domain::Agent;
use crate::domain::event::Event;
use crate::domain::money::Usage;
use crate::domain::terms::Rated;
use crate::journal::Journal;
use crate::llm::{Message, ModelError, Payer, Reply, Request};

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

/// The conversation with the model, paid from the desk's purse.
pub(super) struct Talk<'a> {
    desk: &'a Desk<'a>,
    model: &'a Rated,
    conversation: Conversation<'a>,
}

impl<'a> Talk<'a> {
    /// Begins with `request` and its messages.
    pub(super) fn begin(desk: &'a Desk<'a>, model: &'a Rated, request: Request) -> anyhow::Result<Self> {
        Ok(Self { desk, model, conversation: Conversation::begin(desk.journal, request)? })
    }

    /// Adds a turn.
    pub(super) fn push(&mut self, message: Message) -> anyhow::Result<()> {
        self.conversation.push(message)
    }

    /// The next reply. A conversation that no longer fits is shrunk and sent once more.
    pub(super) async fn ask(&mut self) -> Result<Reply, AgentError> {
        let reply = match self.call().await {
            Err(AgentError::Model(ModelError::ContextOverflow(words))) => {
                let Some(done) = self.conversation.shrink()? else {
                    return Err(ModelError::ContextOverflow(words).into());
                };
                self.tell(&done)?;
                self.call().await?
            }
            reply => reply?,
        };
        self.conversation.counted(reply.usage);
        Ok(reply)
    }

    async fn call(&self) -> Result<Reply, AgentError> {
        let (desk, request) = (self.desk, self.conversation.request());
        let prompt = self.conversation.most_tokens();
        let reserve = || desk.purse.reserve(self.model.price, prompt, request.max_tokens);
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
    pub(super) fn compact(&mut self, calls_to_come: u32) -> Result<(), AgentError> {
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

//! The room against a real HTTP server on loopback: hostile replies as data, retries, request bodies, cost in time.

mod bodies;
mod cases;
mod load;
mod outside;
mod replies;
mod retries;
mod schema;
mod server;
mod tls;

use std::time::Duration;

use serde_json::json;

use super::client::Live;
use super::patience::Patience;
use super::{Message, Payer, Request, ToolSpec};
use crate::domain::Agent;
use crate::domain::money::Usage;
use crate::secret::Secret;
use crate::settings::{Llm, Provider};

/// Never tired within a test, but never idle either.
fn brisk() -> Patience {
    Patience {
        total: Duration::from_mins(1),
        idle: Duration::from_secs(30),
        stream: Duration::from_mins(1),
        broken: 3,
        unconnected: 50,
        first_wait: Duration::from_millis(1),
        longest_wait: Duration::from_millis(2),
    }
}

fn live(provider: Provider, url: &str, patience: Patience) -> Live {
    let llm = Llm {
        provider,
        model: "test-model".to_owned(),
        analysis_model: "test-model".to_owned(),
        base_url: url.to_owned(),
        api_key: Some(Secret::new("sk-test-0123456789")),
    };
    Live::new(&llm, crate::http::direct(&[]).unwrap(), patience).unwrap()
}

/// Pays for everything and remembers what was lost; what was not counted is nothing.
#[derive(Default)]
struct Ledger(std::sync::Mutex<Vec<Option<Usage>>>, Option<std::time::Instant>);

impl Payer for Ledger {
    fn lost(&self, usage: Option<Usage>) {
        self.0.lock().unwrap().push(usage);
    }

    fn may_try_again(&self) -> Result<(), String> {
        Ok(())
    }

    fn until(&self) -> Option<std::time::Instant> {
        self.1
    }
}

/// A first turn with two tools.
fn request() -> Request {
    let tool = |name: &str| ToolSpec {
        name: name.to_owned(),
        description: format!("What {name} does."),
        input_schema: json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}),
    };
    Request {
        agent: Agent::Gate,
        model: "test-model".to_owned(),
        system: "You are GATE, who judges.".to_owned(),
        messages: vec![Message::User("Judge day 1.".to_owned())],
        tools: vec![tool("read_file"), tool("submit_report")],
        max_tokens: 1_000,
    }
}

//! What a wire protocol offers the client. Knows no HTTP.

use serde_json::Value;

use super::tally::Tally;
use super::{Reply, Request};

/// Upper bound of one reply in bytes, whatever its form. The longest output on offer (128,000 tokens) is below 1 MiB;
/// beyond this a server is broken or hostile.
pub(crate) const MAX_REPLY_BYTES: usize = 8 << 20;

/// A provider's way to write requests and replies.
pub(crate) trait Protocol: Send + Sync {
    /// The request body: JSON, the same bytes for the same conversation, so that prompt caches hit.
    fn body(&self, request: &Request) -> serde_json::Result<Vec<u8>>;

    /// An empty answer, to be filled from the wire. `turn` makes call ids unique where the server gives none.
    fn answer(&self, turn: usize) -> Box<dyn Answer>;

    /// Reads a refusal of the request's form; true where [`Self::body`] now writes another that may be accepted.
    fn learn(&self, _refusal: &str) -> bool {
        false
    }
}

/// A reply that is being received.
pub(crate) trait Answer: Send + Sync {
    /// One event of a stream; true after the last.
    fn event(&mut self, name: &str, data: &str) -> Result<bool, Fault>;

    /// A reply in one piece, from a server that does not stream.
    fn whole(&mut self, body: &Value) -> Result<(), Fault>;

    /// The counts so far.
    fn tally(&self) -> &Tally;

    /// The reply to a request of `sent` bytes.
    fn finish(self: Box<Self>, sent: usize) -> Result<Reply, Fault>;
}

/// What can be wrong with an answer that began with status 200.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fault {
    /// The server reports an error in place of the reply, or in its midst: its error object.
    Reported(Value),
    /// It ended before it was complete.
    Cut(String),
    /// It breaks the protocol.
    Garbled(String),
}

impl Fault {
    pub(crate) fn garbled(what: impl Into<String>) -> Self {
        Self::Garbled(what.into())
    }

    pub(crate) fn cut(what: impl Into<String>) -> Self {
        Self::Cut(what.into())
    }
}

/// Parses the data of an event; the error shows how it begins.
pub(crate) fn parse_event(data: &str) -> Result<Value, Fault> {
    serde_json::from_str(data)
        .map_err(|_| Fault::garbled(format!("an event is not JSON: {}", super::failure::excerpt(data, 80))))
}

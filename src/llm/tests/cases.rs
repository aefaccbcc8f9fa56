//! The form of a case in `tests/data/replies/`: what the server says, and what must come of it.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use serde::Deserialize;
use serde_json::Value;

use super::server::{Answer, End};
use crate::domain::money::Usage;
use crate::llm::Stop;
use crate::settings::Provider;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    /// What a reader should know; unused.
    #[serde(rename = "about")]
    _about: String,
    protocol: Protocol,
    /// One per attempt, the last repeated.
    answers: Vec<Scripted>,
    /// Patience for all attempts together; ample unless given.
    pub total_ms: Option<u64>,
    /// Patience with silence; ample unless given.
    pub idle_ms: Option<u64>,
    /// Longest duration of one reply; ample unless given.
    pub stream_ms: Option<u64>,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Protocol {
    Anthropic,
    OpenAi,
    Both,
}

/// An answer. The body is `sse` (data of one event each), `body` (text as it stands) or `base64`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Scripted {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    sse: Vec<String>,
    body: String,
    base64: String,
    /// The body this often.
    times: Option<usize>,
    /// Cut into pieces of so many bytes; one piece unless given.
    pieces: Option<usize>,
    crlf: bool,
    end: End,
}

/// Exactly one of `reply` and `error` (the whole message).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expect {
    pub reply: Option<ExpectedReply>,
    pub error: Option<String>,
    #[serde(default = "once")]
    pub attempts: usize,
    /// Tries that may be billed although nobody counted them.
    #[serde(default)]
    pub uncounted: usize,
}

fn once() -> usize {
    1
}

/// Fields that are left out are not compared, `text` and `calls` excepted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedReply {
    #[serde(default)]
    pub text: String,
    #[serde(default)]
    pub calls: Vec<ExpectedCall>,
    pub stop: Stop,
    pub usage: Option<Usage>,
    /// How many requests add the estimate of their bytes to `usage.input`.
    #[serde(default)]
    pub estimated_inputs: u64,
    pub raw: Option<Value>,
    pub model: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectedCall {
    pub id: Option<String>,
    pub name: String,
    pub input: Value,
}

impl Case {
    pub(super) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let case: Self =
            serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {}", path.display(), e.render()));
        assert!(
            case.expect.reply.is_some() != case.expect.error.is_some(),
            "{}: expects either a reply or an error",
            path.display()
        );
        case
    }

    pub(super) fn providers(&self) -> Vec<Provider> {
        match self.protocol {
            Protocol::Anthropic => vec![Provider::Anthropic],
            Protocol::OpenAi => vec![Provider::OpenAi],
            Protocol::Both => vec![Provider::Anthropic, Provider::OpenAi],
        }
    }

    pub(super) fn answers(&self, provider: Provider) -> Vec<Answer> {
        self.answers.iter().map(|scripted| scripted.answer(provider)).collect()
    }
}

impl Scripted {
    fn answer(&self, provider: Provider) -> Answer {
        let mut headers: Vec<_> = self.headers.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
        if !self.headers.contains_key("content-type") {
            let kind = if self.sse.is_empty() { "application/json" } else { "text/event-stream" };
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        let bytes = self.bytes(provider);
        let pieces = match self.pieces {
            Some(size) => bytes.chunks(size).map(<[u8]>::to_vec).collect(),
            None => vec![bytes],
        };
        Answer { status: self.status.unwrap_or(200), headers, pieces, end: self.end }
    }

    fn bytes(&self, provider: Provider) -> Vec<u8> {
        if !self.base64.is_empty() {
            return base64::engine::general_purpose::STANDARD.decode(&self.base64).unwrap();
        }
        let mut text = self.body.repeat(self.times.unwrap_or(1));
        for data in &self.sse {
            let kind = serde_json::from_str::<Value>(data)
                .ok()
                .and_then(|d| Some(d.get("type")?.as_str()?.to_owned()));
            match kind {
                Some(kind) if provider == Provider::Anthropic => {
                    text.push_str(&format!("event: {kind}\ndata: {data}\n\n"))
                }
                _ => text.push_str(&format!("data: {data}\n\n")),
            }
        }
        if self.crlf {
            text = text.replace('\n', "\r\n");
        }
        text.into_bytes()
    }
}

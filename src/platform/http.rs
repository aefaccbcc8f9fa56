//! How calls are sent: what is repeated, how long is waited, and what is given up. The same rules for every forge.
//! Knows no endpoint.
//!
//! A call that may be repeated freely (a read, or a write that sets what is there) is. One that creates something is
//! repeated only where the API refused it for its rate or never got it; where nobody knows whether it was done, the
//! caller looks (see [`Sender::create`]) and writes again only where the API itself said that it failed.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::Method;
use reqwest::header::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::clock::Clock;

/// Items of a page: the most that either forge gives.
pub(super) const PAGE: usize = 100;

/// Bytes of an answer at most: the largest page of a list has a few of them.
pub(super) const LARGEST_ANSWER: usize = 16 << 20;

/// Why an answer was not read to its end.
pub(super) fn too_large() -> String {
    format!("the answer is larger than {} MiB, which no answer of this API is", LARGEST_ANSWER >> 20)
}

/// How long a secondary limit of GitHub lasts at least where the answer does not say (GitHub, rate limits for REST).
const SECONDARY_LIMIT: Duration = Duration::from_secs(60);

/// Pauses before looking whether an unanswered write was done after all.
const LOOKS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];

/// One call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub method: Method,
    /// Below the API's root, with query, percent-encoded.
    pub path: String,
    pub body: Option<Value>,
    /// Doing it twice is doing it once.
    pub repeatable: bool,
}

impl Call {
    pub(super) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, repeatable: true }
    }

    /// A write that sets what is there.
    pub(super) fn set(method: Method, path: impl Into<String>, body: Value) -> Self {
        Self { method, path: path.into(), body: Some(body), repeatable: true }
    }

    /// A write that makes something new each time.
    pub(super) fn new(path: impl Into<String>, body: Value) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(body), repeatable: false }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_str(&self.body).map_err(|error| Failure::Unreadable(error.to_string()))
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// No answer.
#[derive(Debug)]
pub(super) struct Lost {
    /// False where the connection was never made.
    pub sent: bool,
    pub why: String,
}

/// Carries a call to a forge and its answer back, once, with the credential.
pub(super) trait Wire: Send + Sync {
    fn exchange<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Answer, Lost>>;
}

/// Why a call came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Failure {
    /// The API said no, and would again.
    #[error("{status}{}", after_colon(.said))]
    Refused {
        status: u16,
        said: String,
        /// Permissions that the API itself names.
        accepted: Option<String>,
    },
    #[error("rate limited{}; the limit ends in {seconds} seconds, which is longer than pace waits", after_colon(.said))]
    Limited { seconds: u64, said: String },
    /// Sent, and nobody knows whether it was done.
    #[error("{why}")]
    Unsure {
        why: String,
        /// The API answered with an error of its own.
        answered: bool,
    },
    #[error("{0}")]
    Unreachable(String),
    #[error("the answer cannot be read ({0}); does the address lead to the API?")]
    Unreadable(String),
}

impl Failure {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            _ => None,
        }
    }
}

fn after_colon(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

/// How much a call may cost in time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub tries: u32,
    /// All pauses of a call together.
    pub pauses: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { tries: 5, pauses: Duration::from_secs(180) }
    }
}

/// Sends calls by the rules of this file.
pub(super) struct Sender {
    wire: Box<dyn Wire>,
    pub(super) clock: Arc<dyn Clock>,
    patience: Patience,
    /// A call was given up for want of answers: the next ones try once, until something answers again.
    down: AtomicBool,
}

impl Sender {
    pub(super) fn new(wire: Box<dyn Wire>, clock: Arc<dyn Clock>, patience: Patience) -> Self {
        Self { wire, clock, patience, down: AtomicBool::new(false) }
    }

    /// Sends `call` until it is answered for good.
    pub(super) async fn send(&self, call: &Call) -> Result<Answer, Failure> {
        let tries = if self.down.load(Ordering::Relaxed) { 1 } else { self.patience.tries };
        let mut left = self.patience.pauses;
        for attempt in 1.. {
            let (failure, pause) = match self.wire.exchange(call).await {
                Ok(answer) if (200..300).contains(&answer.status) => {
                    self.down.store(false, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(answer) => self.judge(call, &answer, attempt)?,
                Err(lost) if lost.sent && !call.repeatable => {
                    return Err(Failure::Unsure { why: lost.why, answered: false });
                }
                Err(lost) => (Failure::Unreachable(lost.why), backoff(attempt)),
            };
            if let Failure::Limited { .. } = failure
                && (pause > left || attempt >= tries)
            {
                return Err(failure);
            }
            if attempt >= tries || pause > left {
                self.down.store(true, Ordering::Relaxed);
                return Err(failure);
            }
            tracing::debug!("{} {}: {failure}; again in {pause:?}", call.method, call.path);
            left = left.saturating_sub(pause);
            self.clock.sleep(pause).await;
        }
        Err(Failure::Unreachable("no attempt was made".into()))
    }

    /// Sends `call` and reads the answer.
    pub(super) async fn json<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        self.send(call).await?.json()
    }

    /// Reads a list page by page, at most `pages`, until `wanted` answers something. `key` is where the items stand in
    /// an answer that is an object.
    pub(super) async fn find<T: DeserializeOwned, R>(
        &self,
        path: &str,
        key: Option<&str>,
        pages: usize,
        mut wanted: impl FnMut(T) -> Option<R>,
    ) -> Result<Option<R>, Failure> {
        let joint = if path.contains('?') { '&' } else { '?' };
        for page in 1..=pages {
            let call = Call::get(format!("{path}{joint}per_page={PAGE}&page={page}"));
            let mut value: Value = self.json(&call).await?;
            if let Some(key) = key {
                value = value.get_mut(key).map(Value::take).unwrap_or_default();
            }
            let items: Vec<T> =
                serde_json::from_value(value).map_err(|error| Failure::Unreadable(error.to_string()))?;
            let last = items.len() < PAGE;
            if let Some(found) = items.into_iter().find_map(&mut wanted) {
                return Ok(Some(found));
            }
            if last {
                break;
            }
        }
        Ok(None)
    }

    /// All items of a list, at most `pages` pages.
    pub(super) async fn all<T: DeserializeOwned>(
        &self,
        path: &str,
        key: Option<&str>,
        pages: usize,
    ) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let keep = |item| {
            items.push(item);
            None::<()>
        };
        self.find(path, key, pages, keep).await?;
        Ok(items)
    }

    /// Sends a creating `call`. Where it stays unknown whether that was done, `look` says what is there.
    pub(super) async fn create<T, F>(&self, call: &Call, look: impl Fn() -> F) -> Result<T, Failure>
    where
        T: DeserializeOwned,
        F: Future<Output = Result<Option<T>, Failure>>,
    {
        for again in [true, true, false] {
            let failure = match self.send(call).await {
                Ok(answer) => match answer.json() {
                    Ok(made) => return Ok(made),
                    Err(failure) => Failure::Unsure { why: failure.to_string(), answered: false },
                },
                Err(failure) => failure,
            };
            let Failure::Unsure { answered, .. } = failure else { return Err(failure) };
            for pause in LOOKS {
                self.clock.sleep(pause).await;
                if let Some(there) = look().await? {
                    return Ok(there);
                }
            }
            if !(answered && again) {
                return Err(failure);
            }
        }
        Err(Failure::Unreachable("no attempt was made".into()))
    }

    /// What an answer that is no success means: a failure for good, or one with a pause after which to try again.
    fn judge(&self, call: &Call, answer: &Answer, attempt: u32) -> Result<(Failure, Duration), Failure> {
        let said = said(&answer.body);
        let status = answer.status;
        let limited = status == 429 || (status == 403 && self.is_limit(answer, &said));
        if limited {
            let pause = self.demanded(answer).unwrap_or_else(|| {
                if said.to_lowercase().contains("secondary rate limit") {
                    SECONDARY_LIMIT
                } else {
                    backoff(attempt)
                }
            });
            return Ok((Failure::Limited { seconds: pause.as_secs(), said }, pause));
        }
        if status >= 500 || status == 408 {
            let why = format!("{status}{}", after_colon(&said));
            if !call.repeatable {
                return Err(Failure::Unsure { why, answered: true });
            }
            let pause = self.demanded(answer).unwrap_or_else(|| backoff(attempt));
            return Ok((Failure::Unreachable(why), pause));
        }
        self.down.store(false, Ordering::Relaxed);
        let accepted = answer.header("x-accepted-github-permissions").filter(|text| !text.is_empty());
        Err(Failure::Refused { status, said, accepted: accepted.map(str::to_owned) })
    }

    /// Whether a 403 is about the rate and not about a permission.
    fn is_limit(&self, answer: &Answer, said: &str) -> bool {
        answer.headers.contains_key("retry-after")
            || answer.header("x-ratelimit-remaining") == Some("0")
            || said.to_lowercase().contains("rate limit")
    }

    /// The pause that the API asks for. It is a floor: a second on top, as clocks differ.
    fn demanded(&self, answer: &Answer) -> Option<Duration> {
        let seconds = |name: &str| answer.header(name)?.trim().parse::<u64>().ok();
        if let Some(pause) = seconds("retry-after") {
            return Some(Duration::from_secs(pause.saturating_add(1)));
        }
        let exhausted = answer.header("x-ratelimit-remaining") == Some("0") || answer.status == 429;
        let reset = seconds("x-ratelimit-reset").or_else(|| seconds("ratelimit-reset"))?;
        exhausted.then(|| Duration::from_secs(reset.saturating_sub(self.clock.unix()).saturating_add(1)))
    }
}

/// 1, 2, 4, … seconds with full jitter above half of it.
fn backoff(attempt: u32) -> Duration {
    let most = 1000 * 2u64.pow(attempt.saturating_sub(1).min(5));
    Duration::from_millis(most / 2 + fastrand::u64(0..=most / 2))
}

/// The API's own words on one line, cut: GitHub's `message` and `errors`, GitLab's `message` or `error`.
fn said(body: &str) -> String {
    let Ok(value) = serde_json::from_str::<Value>(body) else { return String::new() };
    let mut parts = Vec::new();
    for key in ["message", "error", "error_description", "errors"] {
        if let Some(value) = value.get(key) {
            words(value, &mut parts);
        }
    }
    let text: String = parts.join("; ").chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(300).collect()
}

fn words(value: &Value, parts: &mut Vec<String>) {
    match value {
        Value::String(text) => parts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| words(item, parts)),
        Value::Object(fields) if fields.contains_key("message") => words(&fields["message"], parts),
        Value::Object(fields) => {
            let line: Vec<_> = fields
                .iter()
                .map(|(key, value)| {
                    let mut inner = Vec::new();
                    words(value, &mut inner);
                    format!("{key} {}", inner.join(", "))
                })
                .collect();
            parts.push(line.join(", "));
        }
        _ => {}
    }
}

/// `text` as one segment of a path or one value of a query.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// `text` on one line, at most `most` characters.
pub(super) fn line(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= most {
        return text;
    }
    let cut: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

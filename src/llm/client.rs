//! The one way to a live model: a protocol, an endpoint and patience. Retries what may pass and nothing else; knows
//! no protocol's details.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use futures_util::future::BoxFuture;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::anthropic::Anthropic;
use super::exchange::{Clock, Endpoint, exchange};
use super::failure::{Failure, Spent, Transient};
use super::openai::OpenAi;
use super::recorded::Recorded;
use super::wire::Protocol;
use super::{Model, ModelError, Payer, Reply, Request};
use crate::secret::Secret;
use crate::settings::{Llm, Provider};

/// How long a call goes on trying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// No further attempt begins, and no wait reaches, beyond this time after the first. A reply that is arriving by
    /// then may still arrive: cutting it off would only waste what it cost.
    pub total: Duration,
    /// Longest silence before and within a reply. Models that think without showing it are silent for minutes.
    pub idle: Duration,
    /// Longest time for one reply, so that a server that only sends keep-alives ends too.
    pub stream: Duration,
    /// How often a reply may break off after it began: each attempt is paid.
    pub broken: u32,
    /// How often no connection may come about: a wrong host or port does not pass in minutes.
    pub unconnected: u32,
    /// First upper bound of the wait, doubled with every attempt up to `longest_wait`.
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self::with(Duration::from_mins(5))
    }
}

impl Patience {
    /// With a model that may be silent for `idle`.
    pub(crate) fn with(idle: Duration) -> Self {
        Self {
            total: idle.saturating_mul(2),
            idle,
            stream: idle.saturating_mul(6),
            broken: 3,
            unconnected: 7,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
        }
    }
}

/// The model that `llm` names, over `client`; it may be silent for `idle`.
///
/// # Errors
/// The base URL is none, the key cannot be a header, or the recording cannot be read.
pub(crate) fn connect(llm: &Llm, client: reqwest::Client, idle: Duration) -> anyhow::Result<Box<dyn Model>> {
    match llm.provider {
        Provider::Replay => Ok(Box::new(recording(Path::new(&llm.base_url))?)),
        Provider::Anthropic | Provider::OpenAi => Ok(Box::new(Live::new(llm, client, Patience::with(idle))?)),
    }
}

fn recording(path: &Path) -> anyhow::Result<Recorded> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    if !matches!(extension, "yaml" | "yml") {
        bail!("{}: a recording is a script (.yaml, .yml) or a journal (.jsonl)", path.display());
    }
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("{}: the recording cannot be read", path.display()))?;
    Recorded::from_script(&text).map_err(|error| anyhow!("{}: {error}", path.display()))
}

/// A model behind HTTP.
pub(crate) struct Live {
    http: reqwest::Client,
    endpoint: Endpoint,
    protocol: Box<dyn Protocol>,
    key: Option<Secret>,
    patience: Patience,
}

impl Live {
    /// # Errors
    /// The base URL is none, or the key holds characters that no header can carry.
    pub(crate) fn new(llm: &Llm, http: reqwest::Client, patience: Patience) -> anyhow::Result<Self> {
        let base = base_url(&llm.base_url)?;
        let key = llm.api_key.as_ref();
        let (protocol, endpoint): (Box<dyn Protocol>, _) = match llm.provider {
            Provider::Anthropic => (Box::new(Anthropic), anthropic_endpoint(&base, key)?),
            Provider::OpenAi => (Box::new(OpenAi::for_host(base.host_str())), openai_endpoint(&base, key)?),
            Provider::Replay => bail!("a recording is no live model"),
        };
        Ok(Self { http, endpoint, protocol, key: llm.api_key.clone(), patience })
    }

    async fn call(&self, request: &Request, payer: &dyn Payer) -> Result<Reply, ModelError> {
        let mut tries = Tries::new(self.patience);
        let mut body = self.body(request)?;
        let clock = Clock { idle: self.patience.idle, stream: self.patience.stream };
        loop {
            let answer = self.protocol.answer(request.messages.len());
            let exchanged = exchange(&self.http, &self.endpoint, clock, body.clone(), answer);
            let failure = match in_time(payer, exchanged).await? {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            match failure {
                Failure::Final(ModelError::Rejected { message, .. }) if self.protocol.learn(&message) => {
                    tracing::debug!("the endpoint wants another form of request: {}", self.clean(&message));
                    body = self.body(request)?;
                }
                Failure::Final(error) => return Err(self.cleaned(error)),
                Failure::Spoiled(error) => {
                    payer.lost(None);
                    return Err(self.cleaned(error));
                }
                Failure::Transient(mut transient) => {
                    transient.why = self.clean(&transient.why);
                    match transient.spent {
                        Spent::Nothing => {}
                        Spent::Counted(usage) => payer.lost(Some(usage)),
                        Spent::Unknown => payer.lost(None),
                    }
                    let wait = tries.next_wait(transient, payer.until())?;
                    payer.may_try_again().map_err(ModelError::Unaffordable)?;
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    fn body(&self, request: &Request) -> Result<Vec<u8>, ModelError> {
        self.protocol
            .body(request)
            .map_err(|error| ModelError::Malformed(format!("the request cannot be written: {error}")))
    }

    /// Gateways echo the key that they refuse.
    fn clean(&self, text: &str) -> String {
        match &self.key {
            Some(key) if key.expose().len() >= 8 => text.replace(key.expose(), "***"),
            _ => text.to_owned(),
        }
    }

    fn cleaned(&self, mut error: ModelError) -> ModelError {
        match &mut error {
            ModelError::Credential { message, .. }
            | ModelError::Rejected { message, .. }
            | ModelError::ContextOverflow(message)
            | ModelError::Malformed(message)
            | ModelError::Unreachable { last: message, .. } => *message = self.clean(message),
            ModelError::OutOfTime | ModelError::Unaffordable(_) | ModelError::RecordingEnded(_) => {}
        }
        error
    }
}

impl Model for Live {
    fn complete<'a>(
        &'a self,
        request: &'a Request,
        payer: &'a dyn Payer,
    ) -> BoxFuture<'a, Result<Reply, ModelError>> {
        Box::pin(self.call(request, payer))
    }
}

/// A try, as long as the run has time for it. One that is cut off may be billed whatever it came to.
async fn in_time<T>(payer: &dyn Payer, tried: impl Future<Output = T>) -> Result<T, ModelError> {
    let Some(until) = payer.until() else { return Ok(tried.await) };
    if until <= Instant::now() {
        return Err(ModelError::OutOfTime);
    }
    tokio::time::timeout_at(until.into(), tried).await.map_err(|_| {
        payer.lost(None);
        ModelError::OutOfTime
    })
}

/// The attempts of one call so far.
struct Tries {
    patience: Patience,
    started: Instant,
    failed: u32,
    broken: u32,
    unconnected: u32,
}

impl Tries {
    fn new(patience: Patience) -> Self {
        Self { patience, started: Instant::now(), failed: 0, broken: 0, unconnected: 0 }
    }

    /// How long to wait before the next attempt: full jitter over an exponential bound, at least what the server asks.
    ///
    /// # Errors
    /// Patience is over, or the run's time (`until`) would be.
    fn next_wait(&mut self, failure: Transient, until: Option<Instant>) -> Result<Duration, ModelError> {
        let bound =
            self.patience.first_wait.saturating_mul(1 << self.failed.min(16)).min(self.patience.longest_wait);
        self.failed += 1;
        self.broken += u32::from(failure.begun || failure.garbled);
        self.unconnected += u32::from(failure.unconnected);
        let wait = bound.mul_f64(fastrand::f64()).max(failure.wait.unwrap_or_default());
        let over = self.started.elapsed().saturating_add(wait) > self.patience.total;
        let late = until.is_some_and(|until| Instant::now() + wait >= until);
        let lasting = self.broken >= self.patience.broken || self.unconnected >= self.patience.unconnected;
        if late && !over && !lasting {
            let why = format!("{}; PACE_RUN_TIMEOUT is over before the next try", failure.why);
            return Err(self.give_up(Transient { why, ..failure }));
        }
        if over || lasting {
            return Err(self.give_up(failure));
        }
        tracing::warn!(
            "the model did not answer: {}; trying again in {:.1} s",
            failure.why,
            wait.as_secs_f32()
        );
        Ok(wait)
    }

    fn give_up(&self, failure: Transient) -> ModelError {
        if failure.garbled {
            return ModelError::Malformed(failure.why);
        }
        let mut last = failure.why;
        if let Some(wait) = failure.wait.filter(|wait| *wait > self.patience.total) {
            last = format!("{last} (it asks to wait {} s)", wait.as_secs());
        }
        ModelError::Unreachable { seconds: self.started.elapsed().as_secs(), attempts: self.failed, last }
    }
}

fn base_url(text: &str) -> anyhow::Result<Url> {
    let url =
        Url::parse(text).map_err(|error| anyhow!("the model's base URL `{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        bail!("the model's base URL `{text}` must begin with https:// or http://");
    }
    Ok(url)
}

/// Appends `…/v1/messages`, without what the base already ends in.
fn anthropic_endpoint(base: &Url, key: Option<&Secret>) -> anyhow::Result<Endpoint> {
    let path = base.path().trim_end_matches('/');
    let tail = match path.rsplit('/').next() {
        Some("messages") => "",
        Some("v1") => "/messages",
        _ => "/v1/messages",
    };
    let mut headers = HeaderMap::new();
    headers.insert("anthropic-version", HeaderValue::from_static("2023-06-01"));
    if let Some(key) = key {
        headers.insert(HeaderName::from_static("x-api-key"), credential(key.expose())?);
    }
    Ok(endpoint(base, path, tail, headers))
}

/// Appends `…/chat/completions`, unless the base already ends in it.
fn openai_endpoint(base: &Url, key: Option<&Secret>) -> anyhow::Result<Endpoint> {
    let path = base.path().trim_end_matches('/');
    let tail = if path.ends_with("/chat/completions") { "" } else { "/chat/completions" };
    let mut headers = HeaderMap::new();
    if let Some(key) = key {
        let value = credential(&format!("Bearer {}", key.expose()))?;
        headers.insert(reqwest::header::AUTHORIZATION, value);
    }
    Ok(endpoint(base, path, tail, headers))
}

fn endpoint(base: &Url, path: &str, tail: &str, headers: HeaderMap) -> Endpoint {
    let mut url = base.clone();
    url.set_path(&format!("{path}{tail}"));
    Endpoint { url, headers }
}

fn credential(value: &str) -> anyhow::Result<HeaderValue> {
    let mut header = HeaderValue::from_str(value).map_err(|_| {
        anyhow!("the model's API key holds characters that no header can carry (a line break?)")
    })?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_completed_and_queries_kept() {
        for (base, anthropic, openai) in [
            ("https://a.example", "https://a.example/v1/messages", "https://a.example/chat/completions"),
            (
                "https://a.example/v1/",
                "https://a.example/v1/messages",
                "https://a.example/v1/chat/completions",
            ),
            (
                "http://h:1/proxy/v1?api-version=3",
                "http://h:1/proxy/v1/messages?api-version=3",
                "http://h:1/proxy/v1/chat/completions?api-version=3",
            ),
            ("http://h/v1/messages", "http://h/v1/messages", "http://h/v1/messages/chat/completions"),
            (
                "http://h/x/chat/completions",
                "http://h/x/chat/completions/v1/messages",
                "http://h/x/chat/completions",
            ),
        ] {
            let base = base_url(base).unwrap();
            assert_eq!(anthropic_endpoint(&base, None).unwrap().url.as_str(), anthropic);
            assert_eq!(openai_endpoint(&base, None).unwrap().url.as_str(), openai);
        }
    }

    #[test]
    fn a_bad_base_url_or_key_is_told_without_its_value() {
        for bad in ["localhost:11434", "ftp://x/v1", "", "/v1"] {
            assert!(base_url(bad).unwrap_err().to_string().contains("the model's base URL"), "{bad}");
        }
        let error = credential("sk-secret\nx").unwrap_err().to_string();
        assert!(!error.contains("sk-secret"), "{error}");
    }

    #[test]
    fn a_script_is_a_model_and_other_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("day.yaml");
        let connected = || {
            let llm = Llm {
                provider: Provider::Replay,
                model: "m".to_owned(),
                analysis_model: "m".to_owned(),
                base_url: script.display().to_string(),
                api_key: None,
            };
            connect(&llm, reqwest_client(), Duration::from_mins(5))
                .map(drop)
                .map_err(|error| error.to_string())
        };
        assert!(connected().unwrap_err().ends_with("day.yaml: the recording cannot be read"));
        std::fs::write(&script, "replies: []").unwrap();
        assert!(connected().unwrap_err().ends_with("day.yaml: line 1, column 1: `replies` is empty"));
        std::fs::write(&script, "replies: [{agent: GATE, text: x}]").unwrap();
        assert_eq!(connected(), Ok(()));
        let journal = recording(Path::new("x/journal.jsonl")).err().unwrap().to_string();
        assert_eq!(journal, "x/journal.jsonl: a recording is a script (.yaml, .yml) or a journal (.jsonl)");
    }

    fn reqwest_client() -> reqwest::Client {
        crate::http::direct(&[]).unwrap()
    }

    #[test]
    fn waits_grow_jitter_and_honour_the_server() {
        let mut tries = Tries::new(Patience::default());
        let mut waits = Vec::new();
        for attempt in 0..8 {
            let wait = tries.next_wait(Transient::default(), None).unwrap();
            assert!(
                wait <= Duration::from_secs(1 << attempt).min(Duration::from_mins(1)),
                "{attempt}: {wait:?}"
            );
            waits.push(wait);
        }
        waits.dedup();
        assert!(waits.len() > 1, "no jitter");
        let asked = Transient { wait: Some(Duration::from_secs(90)), ..Transient::default() };
        assert!(tries.next_wait(asked, None).unwrap() >= Duration::from_secs(90));
    }

    #[test]
    fn a_server_that_asks_for_more_than_our_patience_is_given_up_at_once() {
        let mut tries = Tries::new(Patience::default());
        let asked = Transient {
            why: "status 429: slow down".to_owned(),
            wait: Some(Duration::from_hours(1)),
            ..Transient::default()
        };
        let error = tries.next_wait(asked, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the model could not be reached within 0 s (1 attempts): status 429: slow down (it asks to wait 3600 s)"
        );
    }
}

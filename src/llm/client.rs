//! The one way to a live model: a protocol, an endpoint and patience. Retries what may pass and nothing else; knows
//! no protocol's details.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use futures_util::future::BoxFuture;

use super::anthropic::Anthropic;
use super::endpoints;
use super::exchange::{Clock, Endpoint, exchange};
use super::failure::{Failure, Spent};
use super::openai::OpenAi;
use super::patience::{Patience, Tries};
use super::recorded::Recorded;
use super::wire::Protocol;
use super::{Model, ModelError, Payer, Reply, Request};
use crate::secret::Secret;
use crate::settings::{Llm, Provider};

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
        let base = endpoints::base_url(&llm.base_url)?;
        let key = llm.api_key.as_ref();
        let (protocol, endpoint): (Box<dyn Protocol>, _) = match llm.provider {
            Provider::Anthropic => (Box::new(Anthropic), endpoints::anthropic(&base, key)?),
            Provider::OpenAi => (Box::new(OpenAi::for_host(base.host_str())), endpoints::openai(&base, key)?),
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

#[cfg(test)]
mod tests {
    use super::*;

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
}

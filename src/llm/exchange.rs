//! One request and its answer over HTTP: sends, watches the clock, feeds the bytes to a protocol. Never sends twice.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response, Url};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use super::failure::{self, Failure, Spent, Transient, excerpt, page_title};
use super::sse::{Decoder, Event};
use super::tally::Tally;
use super::wire::{Answer, Fault, MAX_REPLY_BYTES};
use super::{ModelError, Reply};
use crate::http::certificate_problem;

/// As much of an error page as is worth reading.
const MAX_ERROR_BYTES: usize = 64 << 10;

/// A byte order mark, which some servers on Windows send first.
const BOM: &[u8] = b"\xEF\xBB\xBF";

/// Where requests go and who sends them.
pub(crate) struct Endpoint {
    pub url: Url,
    /// The credential and whatever else the protocol wants.
    pub headers: HeaderMap,
}

/// How long an exchange may be silent and how long it may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    pub idle: Duration,
    pub stream: Duration,
}

/// Sends `body` and reads the reply, streamed or not, into `answer`.
pub(crate) async fn exchange(
    http: &Client,
    endpoint: &Endpoint,
    clock: Clock,
    body: Vec<u8>,
    answer: Box<dyn Answer>,
) -> Result<Reply, Failure> {
    let sent = body.len();
    let sending = http
        .post(endpoint.url.clone())
        .headers(endpoint.headers.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, HeaderValue::from_static("text/event-stream, application/json"))
        // Compression would hold events back.
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .body(body)
        .send();
    let response = timeout(clock.idle, sending)
        .await
        .map_err(|_| Failure::unanswered(silence(clock.idle)))?
        .map_err(|error| of_transport(endpoint, error))?;
    if !response.status().is_success() {
        return Err(refusal(response, clock.idle).await);
    }
    Reading { until: Instant::now() + clock.stream, clock, sent, answer, start: Vec::new(), events: 0 }
        .read(response)
        .await
}

async fn refusal(mut response: Response, idle: Duration) -> Failure {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while body.len() < MAX_ERROR_BYTES {
        // The status alone already decides; a body that does not come is no further failure.
        match timeout(idle, response.chunk()).await {
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
            _ => break,
        }
    }
    body.truncate(MAX_ERROR_BYTES);
    failure::of_status(status, &headers, &String::from_utf8_lossy(&body), Timestamp::now())
}

fn silence(idle: Duration) -> String {
    format!("no byte for {} s", idle.as_secs_f32())
}

fn of_transport(endpoint: &Endpoint, error: reqwest::Error) -> Failure {
    if let Some(problem) = certificate_problem(&error) {
        let host = endpoint.url.host_str().unwrap_or_default();
        return Failure::Final(ModelError::Unreachable {
            seconds: 0,
            attempts: 1,
            last: format!(
                "{host}: {problem}; if it is your own authority's, name its file among the CA files"
            ),
        });
    }
    let unconnected = error.is_connect();
    let spent = if unconnected { Spent::Nothing } else { Spent::Unknown };
    let mut why = cause(error);
    if unconnected {
        let innermost = why.rsplit_once("error sending request: ").map_or(why.as_str(), |(_, last)| last);
        why = format!("no connection to {}: {innermost}", endpoint.url.authority());
    }
    Failure::Transient(Transient { why, unconnected, spent, ..Transient::default() })
}

/// What failed and the innermost reason: `error sending request: connection closed`.
fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut deepest: &dyn std::error::Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    let (outer, inner) = (error.to_string(), deepest.to_string());
    if outer == inner { outer } else { format!("{outer}: {inner}") }
}

/// How a body of status 200 reads, told by its first byte: content types are often wrong.
enum Form {
    Events(Decoder),
    Json(Vec<u8>),
    Page(Vec<u8>),
}

struct Reading {
    clock: Clock,
    until: Instant,
    sent: usize,
    answer: Box<dyn Answer>,
    /// The first bytes, for a message.
    start: Vec<u8>,
    events: usize,
}

impl Reading {
    async fn read(mut self, mut response: Response) -> Result<Reply, Failure> {
        let mut form = None;
        loop {
            let chunk = match self.next(&mut response).await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return self.end(form),
                // What had to come has come: a torn-down connection after the last word is no loss.
                Err(fault) => return self.end_torn(form, fault),
            };
            self.start.extend(chunk.iter().take(200usize.saturating_sub(self.start.len())));
            if form.is_none() {
                form = form_of(&chunk);
            }
            let done = match &mut form {
                None => false,
                Some(Form::Events(decoder)) => {
                    let events = decoder.push(&chunk).map_err(|_| oversized())?;
                    self.feed(events)?
                }
                Some(Form::Json(body)) => {
                    body.extend_from_slice(&chunk);
                    body.len() > MAX_REPLY_BYTES
                }
                Some(Form::Page(body)) => {
                    body.extend_from_slice(&chunk);
                    body.len() > MAX_ERROR_BYTES
                }
            };
            if self.answer.tally().received > MAX_REPLY_BYTES as u64 {
                return Err(oversized());
            }
            if done {
                return self.end(form);
            }
        }
    }

    async fn next(&self, response: &mut Response) -> Result<Option<Vec<u8>>, Fault> {
        let until = self.until.min(Instant::now() + self.clock.idle);
        match timeout_at(until, response.chunk()).await {
            Ok(Ok(chunk)) => Ok(chunk.map(Into::into)),
            Ok(Err(error)) => Err(Fault::cut(format!("the reply broke off ({})", cause(error)))),
            Err(_) if Instant::now() >= self.until => {
                Err(Fault::cut(format!("the reply took longer than {} s", self.clock.stream.as_secs_f32())))
            }
            Err(_) => Err(Fault::cut(format!("the reply broke off ({})", silence(self.clock.idle)))),
        }
    }

    fn feed(&mut self, events: Vec<Event>) -> Result<bool, Failure> {
        for event in events {
            self.events += 1;
            match self.answer.event(&event.name, &event.data) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(fault) => return Err(self.fail(fault)),
            }
        }
        Ok(false)
    }

    fn end(mut self, form: Option<Form>) -> Result<Reply, Failure> {
        match form {
            None => Err(self.fail(Fault::cut("the reply was empty"))),
            Some(Form::Page(body)) => {
                let text = String::from_utf8_lossy(&body).into_owned();
                let page = page_title(&text).unwrap_or_default();
                Err(Failure::Final(ModelError::Malformed(format!(
                    "{page} came in place of a reply; a proxy or a wrong base URL does that"
                ))))
            }
            Some(Form::Json(body)) if body.len() > MAX_REPLY_BYTES => Err(oversized()),
            Some(Form::Json(body)) => {
                match serde_json::from_slice::<Value>(body.strip_prefix(BOM).unwrap_or(&body)) {
                    Ok(json) => match self.answer.whole(&json) {
                        Ok(()) => self.finish(),
                        Err(fault) => Err(self.fail(fault)),
                    },
                    Err(error) if error.is_eof() => {
                        Err(self.fail(Fault::cut("the reply broke off (half a JSON body)")))
                    }
                    Err(error) => {
                        Err(self.fail(Fault::garbled(format!("a reply that is not JSON: {error}"))))
                    }
                }
            }
            Some(Form::Events(mut decoder)) => {
                if let Some(event) = decoder.end() {
                    match self.answer.event(&event.name, &event.data) {
                        Err(Fault::Garbled(_)) | Ok(_) => {}
                        Err(fault) => return Err(self.fail(fault)),
                    }
                } else if self.events == 0 {
                    return Err(self.fail(no_event(&self.start)));
                }
                self.finish()
            }
        }
    }

    fn end_torn(self, form: Option<Form>, fault: Fault) -> Result<Reply, Failure> {
        if !matches!(form, Some(Form::Events(_))) {
            return Err(self.fail(fault));
        }
        match self.end(form) {
            Err(Failure::Transient(transient)) if !transient.garbled => match fault {
                Fault::Cut(why) => Err(Failure::Transient(Transient { why, ..transient })),
                _ => Err(Failure::Transient(transient)),
            },
            other => other,
        }
    }

    fn finish(self) -> Result<Reply, Failure> {
        let (sent, tally) = (self.sent, *self.answer.tally());
        self.answer.finish(sent).map_err(|fault| of_fault(fault, &tally))
    }

    fn fail(&self, fault: Fault) -> Failure {
        of_fault(fault, self.answer.tally())
    }
}

fn of_fault(fault: Fault, tally: &Tally) -> Failure {
    let (why, garbled, reported) = match fault {
        Fault::Reported(error) => match failure::of_report(&error) {
            Failure::Transient(transient) => (transient.why, false, true),
            last => return last,
        },
        Fault::Cut(why) => (why, false, false),
        Fault::Garbled(why) => (why, true, false),
    };
    let spent = match tally.broken() {
        Some(usage) => Spent::Counted(usage),
        // A provider that says that it failed before it began bills nothing.
        None if reported && !tally.begun() => Spent::Nothing,
        None => Spent::Unknown,
    };
    Failure::Transient(Transient {
        why,
        wait: None,
        spent,
        begun: tally.begun(),
        garbled,
        unconnected: false,
    })
}

fn no_event(start: &[u8]) -> Fault {
    let begun = [&b":"[..], b"event", b"data", b"id", b"retry"].iter().any(|field| start.starts_with(field));
    if begun {
        return Fault::cut("the reply broke off before its first event");
    }
    let start = excerpt(&String::from_utf8_lossy(start), 80);
    Fault::garbled(format!("neither JSON nor events: {start}"))
}

fn oversized() -> Failure {
    Failure::Spoiled(ModelError::Malformed(format!("the reply exceeds {} MiB", MAX_REPLY_BYTES >> 20)))
}

/// `None` while nothing but blanks has come.
fn form_of(chunk: &[u8]) -> Option<Form> {
    let text = chunk.strip_prefix(BOM).unwrap_or(chunk);
    match text.iter().find(|b| !b.is_ascii_whitespace())? {
        b'{' | b'[' => Some(Form::Json(Vec::new())),
        b'<' => Some(Form::Page(Vec::new())),
        _ => Some(Form::Events(Decoder::default())),
    }
}

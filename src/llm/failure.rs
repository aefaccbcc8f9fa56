//! What a failed exchange means: wait and send again, or never again and why. Knows no protocol's success.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::HeaderMap;
use serde_json::Value;

use super::ModelError;
use crate::domain::money::Usage;

/// An exchange that brought no reply.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Sending it again cannot help.
    Final(ModelError),
    /// Neither, and the reply that is of no use is billed.
    Spoiled(ModelError),
    Transient(Transient),
}

/// A failure that may pass.
#[derive(Debug, Default)]
pub(crate) struct Transient {
    /// One line for people.
    pub why: String,
    /// What the server asked to wait at least.
    pub wait: Option<Duration>,
    /// What the try is likely to be billed.
    pub spent: Spent,
    /// The reply had begun, so that each further attempt is paid again.
    pub begun: bool,
    /// The server spoke, but not its protocol: where that lasts it is [`ModelError::Malformed`].
    pub garbled: bool,
    /// No connection came about at all.
    pub unconnected: bool,
}

/// What a try without a reply is billed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The provider refused it, or it never arrived there.
    #[default]
    Nothing,
    /// As the provider had counted it by then.
    Counted(Usage),
    /// The provider had it and may have worked, but counted nothing.
    Unknown,
}

impl Failure {
    /// A try that arrived and was never answered.
    pub(crate) fn unanswered(why: impl Into<String>) -> Self {
        Self::Transient(Transient { why: why.into(), spent: Spent::Unknown, ..Transient::default() })
    }

    pub(crate) fn transient(why: impl Into<String>) -> Self {
        Self::Transient(Transient { why: why.into(), ..Transient::default() })
    }
}

/// What an answer with another status than 2xx means. `body` is its text, perhaps cut.
pub(crate) fn of_status(status: u16, headers: &HeaderMap, body: &str, now: Timestamp) -> Failure {
    let mut said = Said::of_body(body);
    match status {
        300..=399 => {
            let target = headers.get("location").and_then(|v| v.to_str().ok()).unwrap_or("an unnamed place");
            said.message = format!("it redirects to {target}; redirects are not followed with a credential");
        }
        404 if said.unexplained() => {
            said.message.push_str(" (is the base URL right? it usually ends in /v1)");
        }
        _ => {}
    }
    match classify(status, said) {
        Failure::Transient(transient) => {
            Failure::Transient(Transient { wait: retry_after(headers, now), ..transient })
        }
        last => last,
    }
}

/// What an error object within a 200 means: its type names the status that it would have had.
pub(crate) fn of_report(error: &Value) -> Failure {
    let said = Said::of_json(error);
    let has = |kind: &str| said.kinds.iter().any(|k| k == kind);
    let numeric = error
        .get("error")
        .unwrap_or(error)
        .get("code")
        .and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()))
        .and_then(|code| u16::try_from(code).ok())
        .filter(|code| (400..600).contains(code));
    let status = match numeric {
        Some(status) => status,
        None if has("authentication_error") => 401,
        None if has("billing_error") => 402,
        None if has("permission_error") => 403,
        None if has("not_found_error") => 404,
        None if has("request_too_large") => 413,
        None if has("rate_limit_error") || has("rate_limit_exceeded") || has("insufficient_quota") => 429,
        None if has("invalid_request_error") || has("context_length_exceeded") => 400,
        None if has("overloaded_error") => 529,
        None => 500,
    };
    classify(status, said)
}

fn classify(status: u16, said: Said) -> Failure {
    let message = said.message.clone();
    match status {
        401 | 403 => Failure::Final(ModelError::Credential { status, message }),
        413 => Failure::Final(ModelError::ContextOverflow(message)),
        400 | 422 | 500 if said.is_overflow() => Failure::Final(ModelError::ContextOverflow(message)),
        429 if said.is_spent() => Failure::Final(ModelError::Rejected { status, message }),
        408 | 409 | 425 | 429 | 500 | 502..=504 | 520..=529 => {
            Failure::transient(format!("status {status}: {message}"))
        }
        _ => Failure::Final(ModelError::Rejected { status, message }),
    }
}

/// What an error body says.
struct Said {
    message: String,
    /// Its machine-readable types and codes.
    kinds: Vec<String>,
    structured: bool,
}

impl Said {
    fn of_body(body: &str) -> Self {
        match serde_json::from_str::<Value>(body) {
            Ok(json) if json.is_object() || json.is_array() => Self::of_json(&json),
            _ if body.trim().is_empty() => Self::bare("no explanation"),
            _ => Self::bare(page_title(body).unwrap_or_else(|| excerpt(body, 300))),
        }
    }

    fn bare(message: impl Into<String>) -> Self {
        Self { message: message.into(), kinds: Vec::new(), structured: false }
    }

    /// Shapes in use: `{error: {message, type, code}}`, `[{error}]`, `{error: "…"}`, `{message}`, `{detail}`,
    /// and a `message` that is itself an object.
    fn of_json(json: &Value) -> Self {
        let json = json.get(0).unwrap_or(json);
        let error = json.get("error").filter(|e| !e.is_null()).unwrap_or(json);
        let message = [error.get("message"), error.get("detail"), Some(error)]
            .into_iter()
            .flatten()
            .find(|m| !m.is_null())
            .map(|m| m.as_str().map_or_else(|| m.to_string(), str::to_owned))
            .unwrap_or_default();
        let kinds = ["type", "code", "status"]
            .iter()
            .filter_map(|key| error.get(key)?.as_str().map(str::to_lowercase))
            .collect();
        Self { message: excerpt(&message, 400), kinds, structured: true }
    }

    fn unexplained(&self) -> bool {
        !self.structured
    }

    fn kind(&self, kind: &str) -> bool {
        self.kinds.iter().any(|k| k == kind)
    }

    fn speaks_of(&self, words: &[&str]) -> bool {
        let message = self.message.to_lowercase();
        words.iter().any(|word| message.contains(word))
    }

    /// Wordings of Anthropic, OpenAI, Mistral, Groq, vLLM, llama.cpp and Gemini.
    fn is_overflow(&self) -> bool {
        self.kind("context_length_exceeded")
            || self.kind("exceed_context_size_error")
            || self.speaks_of(&[
                "prompt is too long",
                "exceed context limit",
                "maximum context length",
                "context window",
                "available context size",
                "reduce the length of the messages",
                "exceeds the maximum number of tokens allowed",
            ])
    }

    /// A limit that a person must raise. Plain rate limits are not meant, though OpenAI's text points to its billing
    /// page and Gemini's (`RESOURCE_EXHAUSTED`) speaks of quota and billing for the limit per minute as well.
    fn is_spent(&self) -> bool {
        const KINDS: [&str; 5] = [
            "insufficient_quota",
            "billing_error",
            "billing_hard_limit_reached",
            "billing_not_active",
            "access_terminated",
        ];
        if KINDS.iter().any(|kind| self.kind(kind)) {
            return true;
        }
        !self.kind("resource_exhausted")
            && self.speaks_of(&[
                "insufficient_quota",
                "check your plan and billing",
                "credit balance",
                "insufficient credit",
                "insufficient balance",
                "out of credits",
                "spend limit",
                "spending limit",
                "usage limits",
            ])
    }
}

/// `retry-after-ms`, else `retry-after` in seconds or as an HTTP date (RFC 9110 §10.2.3). A date is measured from the
/// answer's own `date`, so that a wrong clock here does no harm.
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = |name: &str| headers.get(name)?.to_str().ok().map(str::trim);
    let number = |name: &str| text(name)?.parse::<f64>().ok().filter(|n| *n >= 0.0);
    if let Some(ms) = number("retry-after-ms") {
        return Duration::try_from_secs_f64(ms / 1000.0).ok();
    }
    if let Some(seconds) = number("retry-after") {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = |name: &str| jiff::fmt::rfc2822::parse(text(name)?).ok().map(|zoned| zoned.timestamp());
    let since = date("date").unwrap_or(now);
    Duration::try_from(date("retry-after")?.duration_since(since)).ok()
}

/// `text` on one line without control characters, at most `limit` characters.
pub(crate) fn excerpt(text: &str, limit: usize) -> String {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    match line.char_indices().nth(limit) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// `an HTML page titled “…”`, where `text` is one: what stands between us and the provider answered.
pub(crate) fn page_title(text: &str) -> Option<String> {
    if !text.trim_start().starts_with('<') {
        return None;
    }
    // ASCII case only, so that positions are the same in both.
    let lower = text.to_ascii_lowercase();
    let title = lower.find("<title>").and_then(|start| {
        let start = start + "<title>".len();
        let end = lower[start..].find("</title>")?;
        Some(excerpt(&text[start..start + end], 120)).filter(|t| !t.is_empty())
    });
    Some(title.map_or_else(|| "an HTML page".to_owned(), |t| format!("an HTML page titled “{t}”")))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for (pairs, expected) in [
            (vec![("retry-after", "7")], Some(7_000)),
            (vec![("retry-after", "0.5")], Some(500)),
            (vec![("retry-after-ms", "250"), ("retry-after", "7")], Some(250)),
            (vec![("retry-after", "Thu, 01 Jan 2026 00:01:00 GMT")], Some(60_000)),
            (
                vec![
                    ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
                    ("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT"),
                ],
                Some(2_000),
            ),
            (vec![("retry-after", "Wed, 31 Dec 2025 00:00:00 GMT")], None),
            (vec![("retry-after", "-3")], None),
            (vec![("retry-after", "soon")], None),
            (vec![("retry-after", "inf")], None),
            (vec![("retry-after", "NaN")], None),
            (vec![], None),
        ] {
            let wait = retry_after(&headers(&pairs), now);
            assert_eq!(wait, expected.map(Duration::from_millis), "{pairs:?}");
        }
    }

    #[test]
    fn statuses_are_sorted_into_now_later_and_never() {
        let kind = |status| match of_status(status, &HeaderMap::new(), "", Timestamp::UNIX_EPOCH) {
            Failure::Transient(_) => "transient",
            Failure::Final(ModelError::Credential { .. }) => "credential",
            Failure::Final(ModelError::Rejected { .. }) => "rejected",
            Failure::Final(ModelError::ContextOverflow(_)) => "overflow",
            Failure::Final(_) | Failure::Spoiled(_) => "other",
        };
        for (statuses, expected) in [
            (vec![400, 402, 404, 405, 410, 415, 422, 301, 307, 501, 505], "rejected"),
            (vec![401, 403], "credential"),
            (vec![408, 409, 425, 429, 500, 502, 503, 504, 520, 524, 529], "transient"),
            (vec![413], "overflow"),
        ] {
            for status in statuses {
                assert_eq!(kind(status), expected, "{status}");
            }
        }
    }

    #[test]
    fn excerpts_are_one_clean_line() {
        assert_eq!(excerpt("a\r\n\tb\u{1b}[31m c", 80), "a b [31m c");
        assert_eq!(excerpt("äöüß", 2), "äö…");
        assert_eq!(
            page_title("<html><TITLE>\nBad  Gateway</TITLE>").unwrap(),
            "an HTML page titled “Bad Gateway”"
        );
        assert_eq!(page_title("<p>no</p>").unwrap(), "an HTML page");
        assert_eq!(page_title("{}"), None);
    }
}

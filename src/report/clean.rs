//! The door for text that other programs read: visible, without secrets, on one line or cut where its place asks
//! for that. Encoding comes after it, for an escaped secret is no longer found. Knows no format.

use crate::prompt::plain;

/// Cleans text with the run's redactor.
pub(crate) struct Clean<'a>(&'a dyn Fn(&str) -> String);

impl<'a> Clean<'a> {
    /// `redact` takes the secrets out of a text.
    pub(crate) fn new(redact: &'a dyn Fn(&str) -> String) -> Self {
        Self(redact)
    }

    /// `text` with its line ends as `\n`, without secrets, controls, and characters that hide or are no text.
    pub(crate) fn text(&self, text: &str) -> String {
        // Once as it came in and once as it is seen: hidden characters may split a secret.
        let seen = plain::visible(&(self.0)(text));
        (self.0)(&seen).chars().filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
    }

    /// The same on one line of at most `max` characters. Cut last: half a secret is one, too.
    pub(crate) fn line(&self, text: &str, max: usize) -> String {
        plain::cut(&(self.0)(&plain::line(&self.text(text))), max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_hidden_and_no_secret_passes() {
        let redact = |text: &str| text.replace("hunter22", "***").replace("two words", "***");
        let clean = Clean::new(&redact);
        assert_eq!(clean.text("a\r\nb\0\u{1b}[31mc\u{200b}\u{ffff}"), "a\nbc");
        assert_eq!(clean.text("hun\u{200b}ter22 hunter22"), "*** ***");
        assert_eq!(clean.line(" a \n b hunter22", 99), "a b ***");
        assert_eq!(clean.line("two\nwords", 99), "***");
        assert_eq!(clean.line("abcdef", 4), "abc…");
    }
}

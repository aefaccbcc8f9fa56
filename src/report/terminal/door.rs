//! The one door through which lines reach the terminal: it takes out terminal codes and hidden characters, redacts,
//! and breaks what a CI log would read as a command. Knows no event.

use std::io::Write;

use super::paint::Paint;
use crate::domain::event::Level;
use crate::prompt::Redact;
use crate::prompt::plain::{cut, line, visible};
use crate::report::log;

/// Characters of an annotation that are shown.
const ANNOTATION: usize = 4_000;

/// Writes lines to `W`. One that cannot be written to (a closed pipe) never ends a run.
pub(super) struct Door<W> {
    out: W,
    colour: bool,
    /// Applied to every text.
    redact: Redact,
}

impl<W: Write> Door<W> {
    pub(super) fn new(out: W, colour: bool, redact: Redact) -> Self {
        Self { out, colour, redact }
    }

    /// `text` on one line of at most `max` characters. Redacted before it is folded, which would hide a secret
    /// of several lines, and before it is cut: half a secret is one, too.
    pub(super) fn short(&self, text: &str, max: usize) -> String {
        cut(&(self.redact)(&line(&self.clean(text))), max)
    }

    /// `text` with its line ends, visible and redacted.
    pub(super) fn clean(&self, text: &str) -> String {
        (self.redact)(&visible(text))
    }

    /// One line of text, a command in no log.
    pub(super) fn put(&mut self, paint: Paint, text: &str) {
        let text = visible(text).replace('\n', " ");
        let text = log::tame(&(self.redact)(&text));
        let text = if self.colour { paint.over(&text) } else { text };
        self.raw(&text);
    }

    /// An annotation, which keeps its line ends.
    pub(super) fn annotate(&mut self, level: Level, title: Option<&str>, text: &str) {
        let text = cut(self.clean(text).trim(), ANNOTATION);
        let text = text.lines().map(log::tame).collect::<Vec<_>>().join("\n");
        self.raw(&log::annotation(level, title, &text));
    }

    /// A line that pace itself made.
    pub(super) fn raw(&mut self, line: &str) {
        // Nobody reads any more: the run goes on, its artifacts tell all.
        let _ = writeln!(self.out, "{line}").and_then(|()| self.out.flush());
    }
}

//! Secrets and hidden Unicode in text: what is found, where, and with what weight.
//!
//! Pure: text in, places out; a value leaves only as `***`. The rules are data ([`rules`]); none of them is read or
//! compiled before the first scan, and a rule's pattern only once one of its keywords appears. Who scans what, and
//! when, is decided elsewhere.

mod allow;
mod entropy;
mod hidden;
mod judge;
mod place;
mod rules;
mod secrets;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use allow::Allow;
pub(crate) use judge::{ChangedFile, SECRET_CHECK, judge, none_found};

/// What stands in place of a value.
const MASK: &str = "***";

/// How sure a find is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A value that looks random, where a secret would stand.
    Generic,
    /// A value whose own form names its provider.
    Provider,
    /// Characters that a reader does not see.
    HiddenUnicode,
}

/// A find. It carries no value; its span stays inside this module.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hit {
    /// Id of the rule, e.g. `github-pat`; of hidden Unicode the kind of character, e.g. `bidi-control`.
    pub rule: &'static str,
    pub description: &'static str,
    pub kind: Kind,
    /// Line of the value's first character, from 1.
    pub line: u32,
    /// Bytes of that line that the value takes, from 1, half-open; a value of several lines ends with its first.
    pub columns: (u32, u32),
    span: Range<usize>,
    /// The rule's whole match, the variable name included.
    context: Range<usize>,
}

/// All finds in `text` (UTF-16 decoded before), in order. `path` (`/`-separated from the repository root) decides which
/// rules apply. Of binary files only provider formats are told.
fn scan(path: &str, text: &[u8]) -> Vec<Hit> {
    let binary = place::is_binary(text);
    let mut hits = secrets::find(path, text, |kind| kind == Kind::Provider || !binary);
    if !binary {
        hits.extend(hidden::find(text));
    }
    hits.sort_by_key(|hit| (hit.span.start, hit.span.end));
    hits
}

/// `text` with every value of a provider's format masked; borrowed where there is none. Masking twice changes
/// nothing more.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    masked(text, secrets::find("", text.as_bytes(), |kind| kind == Kind::Provider))
}

/// `text` with every value masked that `path` gives reason to take for a secret, also without a provider's format:
/// for those who only read.
pub(crate) fn redact_all<'a>(path: &str, text: &'a str) -> Cow<'a, str> {
    masked(text, secrets::find(path, text.as_bytes(), |_| true))
}

fn masked(text: &str, hits: Vec<Hit>) -> Cow<'_, str> {
    if hits.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = 0;
    let mut result = String::with_capacity(text.len());
    for hit in hits {
        let (start, end) =
            (text.floor_char_boundary(hit.span.start).max(shown), text.ceil_char_boundary(hit.span.end));
        if end > start {
            result.push_str(&text[shown..start]);
            // Line by line, so that the lines after it keep their numbers.
            let lines = text[start..end]
                .split_inclusive('\n')
                .map(|line| if line.ends_with('\n') { "***\n" } else { MASK });
            result.extend(lines);
            shown = end;
        }
    }
    result.push_str(&text[shown..]);
    Cow::Owned(result)
}

//! Token counts as a provider reported them, and what is booked where it reported none. Knows no prices.
//!
//! A reply without a count is not free. What is missing is estimated on the high side: one token for three bytes,
//! rounded up (English text and code run at about four bytes a token), of the request body for input and of the text,
//! thoughts and tool inputs for output. A count of zero where bytes went over the wire is no count either. Estimates
//! are told in the log.

use serde_json::Value;

use crate::domain::money::Usage;

/// More than any context holds; a larger figure is a provider's mistake, not a count.
const ABSURD: u64 = 1 << 32;

/// Counts of one reply, as far as they are known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub input: Option<u64>,
    pub cache_write: Option<u64>,
    pub cache_read: Option<u64>,
    pub output: Option<u64>,
    /// Bytes of text, thoughts and tool inputs received.
    pub received: u64,
}

impl Tally {
    /// Takes the numbers that `usage` has under these names; what it lacks stays as it was.
    pub(crate) fn read(slot: &mut Option<u64>, usage: &Value, pointer: &str) {
        if let Some(count) = usage.pointer(pointer).and_then(Value::as_u64).filter(|c| *c < ABSURD) {
            *slot = Some(count);
        }
    }

    /// Whether the provider has begun to work, so that the attempt is likely to be billed.
    pub(crate) const fn begun(&self) -> bool {
        self.received > 0 || self.input.is_some() || self.output.is_some()
    }

    /// Usage of a complete reply to a request of `sent` bytes.
    pub(crate) fn complete(&self, sent: usize) -> Usage {
        let output = self.output.filter(|count| *count > 0 || self.received == 0);
        if !self.counts_input() || output.is_none() {
            tracing::warn!(
                "the provider did not count the tokens of this reply; they are estimated from its bytes"
            );
        }
        self.usage(sent, output.unwrap_or_else(|| estimate(self.received)))
    }

    /// Usage of a reply that broke off, `None` where the provider had counted nothing by then. Counts of output come
    /// last in a stream, so it is at least what arrived.
    pub(crate) fn broken(&self) -> Option<Usage> {
        self.counts_input().then(|| self.usage(0, self.output.unwrap_or(0).max(estimate(self.received))))
    }

    fn counts_input(&self) -> bool {
        [self.input, self.cache_write, self.cache_read].iter().flatten().sum::<u64>() > 0
    }

    fn usage(&self, sent: usize, output: u64) -> Usage {
        if !self.counts_input() {
            return Usage { input: estimate(sent as u64), output, ..Usage::default() };
        }
        Usage {
            input: self.input.unwrap_or(0),
            cache_write: self.cache_write.unwrap_or(0),
            cache_read: self.cache_read.unwrap_or(0),
            output,
        }
    }
}

const fn estimate(bytes: u64) -> u64 {
    bytes.div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_counted_is_estimated_and_never_free() {
        let uncounted = Tally { received: 10, ..Tally::default() };
        let usage = uncounted.complete(100);
        assert_eq!((usage.input, usage.output), (34, 4));
        let zeros = Tally { input: Some(0), output: Some(0), received: 10, ..Tally::default() };
        assert_eq!(zeros.complete(100), usage);
    }

    #[test]
    fn a_cached_prompt_is_a_count_and_an_empty_reply_has_no_output() {
        let tally = Tally { input: Some(0), cache_read: Some(50), output: Some(0), ..Tally::default() };
        let usage = tally.complete(100);
        assert_eq!((usage.input, usage.cache_read, usage.output), (0, 50, 0));
    }

    #[test]
    fn a_broken_reply_costs_what_arrived_and_is_unknown_before_it_was_counted() {
        assert_eq!(Tally::default().broken(), None);
        assert_eq!(Tally { received: 30, ..Tally::default() }.broken(), None);
        let tally = Tally { input: Some(7), output: Some(1), received: 30, ..Tally::default() };
        let usage = tally.broken().unwrap();
        assert_eq!((usage.input, usage.output), (7, 10));
    }

    #[test]
    fn absurd_counts_are_no_counts() {
        let mut slot = None;
        let usage = serde_json::json!({"a": u64::MAX, "b": -1, "c": "12", "d": 1.5});
        for name in ["/a", "/b", "/c", "/d", "/e"] {
            Tally::read(&mut slot, &usage, name);
            assert_eq!(slot, None, "{name}");
        }
    }
}

//! The growing conversation of a loop: what is sent, its size, the digest that names it in the journal, and the
//! replacement of old tool results by a note where that is cheaper than the prompt cache that it breaks. Knows no
//! role and no tool.
//!
//! A provider reads an unchanged beginning from its cache at a fraction of the price. Replacing an old result saves
//! its tokens in every later call, but everything behind it has to be written to the cache anew. So results are
//! replaced in batches, and only where the sums say so; the rule sees sizes and prices alone, so that a replay
//! and a resumed run come to the same conversation.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::agent::purse::uncounted;
use crate::domain::hex::hex;
use crate::domain::money::{Price, Usage};
use crate::journal::Journal;
use crate::llm::{Message, Request};

/// Messages at the end whose results are never replaced: the model is at work with them.
const FRESH: usize = 8;

/// Bytes below which a result stays as it is.
const SMALL: usize = 600;

/// Bytes that stay of the beginning and of the end of a replaced result.
const KEPT: usize = 160;

/// Part of what is replaced that the model is expected to read again.
const READ_AGAIN: f64 = 0.25;

/// Rates of a model without a known price: those that most providers have in common (Anthropic, prompt caching,
/// 2026: a write costs 1.25 of the input price, a read 0.1).
const USUAL: Price = Price { input: 1.0, cache_write: 1.25, cache_read: 0.1, output: 5.0, long: None };

/// A conversation and its measure.
pub(super) struct Conversation<'a> {
    journal: &'a Journal,
    request: Request,
    /// Bytes of every message as JSON.
    sizes: Vec<usize>,
    /// Bytes of all but the messages.
    head: usize,
    digest: [u8; 32],
    /// What the provider counted last: bytes of the request, and tokens of the prompt.
    counted: Option<(usize, u64)>,
}

/// What a compaction did, as the journal notes it.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct Compaction {
    /// Position of the first message that changed.
    pub from: usize,
    /// Tool results that were replaced.
    pub results: usize,
    /// Bytes that are no longer sent.
    pub bytes: usize,
}

impl<'a> Conversation<'a> {
    /// Begins with `request` and its messages.
    pub(super) fn begin(journal: &'a Journal, mut request: Request) -> anyhow::Result<Self> {
        let messages = std::mem::take(&mut request.messages);
        let head = serde_json::to_vec(&request)?.len();
        let digest = chained([0; 32], journal, &request)?;
        let mut conversation = Self { journal, request, sizes: vec![], head, digest, counted: None };
        messages.into_iter().try_for_each(|message| conversation.push(message))?;
        Ok(conversation)
    }

    /// Adds a turn.
    pub(super) fn push(&mut self, message: Message) -> anyhow::Result<()> {
        self.sizes.push(serde_json::to_vec(&message)?.len());
        self.digest = chained(self.digest, self.journal, &message)?;
        self.request.messages.push(message);
        Ok(())
    }

    pub(super) const fn request(&self) -> &Request {
        &self.request
    }

    /// Bytes of the request, near enough to reserve its cost.
    pub(super) fn bytes(&self) -> usize {
        self.head + self.sizes.iter().sum::<usize>()
    }

    /// Takes the provider's count of the conversation as it is.
    pub(super) fn counted(&mut self, usage: Usage) {
        self.counted = Some((self.bytes(), usage.input + usage.cache_write + usage.cache_read));
    }

    /// Tokens that it comes to at most: what was counted, and one for every byte since. A short one is not taken at the
    /// provider's word.
    pub(super) fn most_tokens(&self) -> u64 {
        let bytes = self.bytes();
        let counted = self.counted.map(|(before, tokens)| tokens + bytes.saturating_sub(before) as u64);
        uncounted(bytes).max(counted.unwrap_or_default())
    }

    /// Names the conversation so far: digest of all that was said, secrets masked as the record masks them.
    pub(super) fn key(&self) -> String {
        hex(&self.digest)
    }

    /// Replaces old tool results where that pays within `calls_to_come`.
    pub(super) fn compact(
        &mut self,
        price: Option<Price>,
        calls_to_come: u32,
    ) -> anyhow::Result<Option<Compaction>> {
        let end = self.request.messages.len().saturating_sub(FRESH);
        let saved: Vec<usize> = self.request.messages.iter().map(saving).collect();
        match cheapest(&self.sizes, &saved[..end], price.unwrap_or(USUAL), calls_to_come) {
            Some(from) => self.replace(from, end).map(Some),
            None => Ok(None),
        }
    }

    /// Replaces every result but the newest, for a conversation that no longer fits.
    pub(super) fn shrink(&mut self) -> anyhow::Result<Option<Compaction>> {
        let end = self.request.messages.len().saturating_sub(2);
        match self.request.messages[..end].iter().position(|message| saving(message) > 0) {
            Some(from) => self.replace(from, end).map(Some),
            None => Ok(None),
        }
    }

    fn replace(&mut self, from: usize, end: usize) -> anyhow::Result<Compaction> {
        let before = self.bytes();
        let mut results = 0;
        let mut messages = std::mem::take(&mut self.request.messages);
        for message in &mut messages[from..end] {
            let Message::ToolResults(all) = message else { continue };
            for result in all.iter_mut().filter(|result| result.content.len() > SMALL) {
                result.content = note(&result.content);
                results += 1;
            }
        }
        self.sizes.clear();
        self.digest = chained([0; 32], self.journal, &self.request)?;
        messages.into_iter().try_for_each(|message| self.push(message))?;
        // It has not more tokens than before, in fewer bytes.
        self.counted = self.counted.map(|(_, tokens)| (self.bytes(), tokens));
        Ok(Compaction { from, results, bytes: before - self.bytes() })
    }
}

/// Where to begin replacing so that the most is saved; `None` where nothing is.
///
/// `saved[i]` are the bytes that replacing in message `i` takes away. Keeping costs a cache read of them in every call
/// to come; replacing costs writing what stands behind instead of reading it, and reading some of it again.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
fn cheapest(sizes: &[usize], saved: &[usize], price: Price, calls_to_come: u32) -> Option<usize> {
    let write = price.cache_write.max(price.input);
    let mut behind: usize = sizes[saved.len()..].iter().sum();
    let mut removed = 0;
    let mut best = (0.0, None);
    for from in (0..saved.len()).rev() {
        removed += saved[from];
        behind += sizes[from] - saved[from];
        if saved[from] == 0 {
            continue;
        }
        let gain = removed as f64 * (price.cache_read * f64::from(calls_to_come) - READ_AGAIN * write)
            - behind as f64 * (write - price.cache_read);
        if gain > best.0 {
            best = (gain, Some(from));
        }
    }
    best.1
}

/// Bytes that replacing the results of `message` takes away.
fn saving(message: &Message) -> usize {
    let Message::ToolResults(results) = message else { return 0 };
    let long = results.iter().filter(|result| result.content.len() > SMALL);
    long.map(|result| result.content.len() - note(&result.content).len()).sum()
}

/// What stands where a result stood.
fn note(content: &str) -> String {
    let head = &content[..content.floor_char_boundary(KEPT)];
    let tail = &content[content.ceil_char_boundary(content.len() - KEPT)..];
    let left_out = content.len() - head.len() - tail.len();
    format!(
        "{head}\n(pace: {left_out} bytes of this older result left out; call the tool again if you need them)\n{tail}"
    )
}

/// The digest of everything before, and `value` as the journal may hold it.
fn chained<T: Serialize>(before: [u8; 32], journal: &Journal, value: &T) -> anyhow::Result<[u8; 32]> {
    let clean = journal.clean_value(serde_json::to_value(value)?);
    let digest = Sha256::new().chain_update(before).chain_update(serde_json::to_vec(&clean)?);
    Ok(digest.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Agent;
    use crate::journal::Seal;
    use crate::llm::ToolResult;
    use crate::secret::Redactor;

    fn journal() -> (tempfile::TempDir, Journal) {
        let dir = tempfile::tempdir().unwrap();
        let keeper = Box::new(crate::journal::NoKeeper);
        let path = dir.path().join("j.jsonl");
        let journal = Journal::create(&path, Redactor::new(&[]), Seal::new(None), keeper).unwrap();
        (dir, journal)
    }

    fn conversation<'a>(journal: &'a Journal, results: &[usize]) -> Conversation<'a> {
        let request = Request {
            agent: Agent::Forge,
            model: "m".into(),
            system: "You are FORGE".into(),
            messages: vec![Message::User("build".into())],
            tools: vec![],
            max_tokens: 10,
        };
        let mut conversation = Conversation::begin(journal, request).unwrap();
        for (turn, size) in results.iter().enumerate() {
            let call =
                serde_json::json!({"role": "assistant", "content": [{"type": "tool_use", "id": turn}]});
            conversation.push(Message::Assistant(call)).unwrap();
            let content = "é".repeat(size / 2);
            let result = ToolResult { call_id: turn.to_string(), content, is_error: false };
            conversation.push(Message::ToolResults(vec![result])).unwrap();
        }
        conversation
    }

    #[test]
    fn old_results_go_once_that_is_cheaper_and_the_newest_stay() {
        let (_dir, journal) = journal();
        let mut young = conversation(&journal, &[4000; 6]);
        assert_eq!(young.compact(None, 6).unwrap(), None);

        let mut old = conversation(&journal, &[4000; 18]);
        let before = old.bytes();
        let done = old.compact(None, 17).unwrap().unwrap();
        assert_eq!(done.results, 14);
        assert_eq!(before - old.bytes(), done.bytes);
        let whole = |m: &&Message| matches!(m, Message::ToolResults(r) if r[0].content.len() == 4000);
        assert_eq!(old.request().messages.iter().filter(whole).count(), 4);
        assert_eq!(old.compact(None, 17).unwrap(), None, "nothing is left to replace");
    }

    /// Numbers, encoded data and the like come to more tokens than one for two bytes.
    #[test]
    fn what_was_counted_is_never_reserved_for_less() {
        let (_dir, journal) = journal();
        let mut dense = conversation(&journal, &[4000; 18]);
        let half = dense.bytes() as u64 / 2;
        assert_eq!(dense.most_tokens(), half);
        dense.counted(Usage { input: 10, cache_read: half, cache_write: half / 2, output: 7 });
        let counted = 10 + half + half / 2;
        assert_eq!(dense.most_tokens(), counted);
        let before = dense.bytes();
        dense.push(Message::User("1,2,3,4".repeat(100))).unwrap();
        assert_eq!(dense.most_tokens(), counted + (dense.bytes() - before) as u64);
        // Left out, it is not known which of them went.
        dense.counted(Usage { input: counted, ..Usage::default() });
        dense.compact(None, 17).unwrap().unwrap();
        assert_eq!(dense.most_tokens(), counted);
        dense.counted(Usage { input: 1, ..Usage::default() });
        assert_eq!(dense.most_tokens(), dense.bytes() as u64 / 2);
    }

    #[test]
    fn replacing_pays_only_with_calls_to_come_and_a_dear_enough_read() {
        let sizes = [10_000; 20];
        let saved = [9_000; 12];
        assert!(cheapest(&sizes, &saved, USUAL, 30).is_some());
        assert_eq!(cheapest(&sizes, &saved, USUAL, 2), None);
        let free_reads = Price { cache_read: 0.0, ..USUAL };
        assert_eq!(cheapest(&sizes, &saved, free_reads, 30), None);
        let no_cache = Price { cache_write: 1.0, cache_read: 1.0, ..USUAL };
        assert!(cheapest(&sizes, &saved, no_cache, 2).is_some());
    }

    #[test]
    fn a_large_result_far_behind_is_not_worth_what_stands_after_it() {
        // The beginning alone would break the cache of everything behind.
        let mut sizes = vec![2_000];
        sizes.extend([50_000; 10]);
        assert_eq!(cheapest(&sizes, &[1_500], USUAL, 10), None);
    }

    #[test]
    fn what_does_not_fit_is_shrunk_to_the_newest_result() {
        let (_dir, journal) = journal();
        let mut full = conversation(&journal, &[4000; 3]);
        assert_eq!(full.shrink().unwrap().unwrap().results, 2);
        assert_eq!(full.shrink().unwrap(), None);
    }

    #[test]
    fn the_key_names_every_word_and_is_the_same_for_the_same_words() {
        let (_dir, journal) = journal();
        let one = conversation(&journal, &[4000, 4000]).key();
        assert_eq!(one, conversation(&journal, &[4000, 4000]).key());
        assert_ne!(one, conversation(&journal, &[4000, 4002]).key());
        let mut replaced = conversation(&journal, &[4000, 4000]);
        replaced.shrink().unwrap();
        assert_ne!(one, replaced.key());
    }
}

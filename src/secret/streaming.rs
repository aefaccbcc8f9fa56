//! Masks secrets in bytes that come part by part: what a secret's form began is kept back until it is whole or turned
//! out to be something else. Knows no sink.

use super::{MASK, Matcher, Redactor};

/// A line, or a block of several that belong together, is looked at as a whole up to this length.
const LONGEST_BLOCK: usize = 64 * 1024;
/// What begins and ends a block of several lines: a key or certificate.
const BLOCK: [&[u8]; 2] = [b"-----BEGIN ", b"-----END "];

/// One stream on its way to a sink.
pub(crate) struct Masking {
    redactor: Redactor,
    /// What came and may be the beginning of a known secret.
    raw: Vec<u8>,
    /// So many first bytes of it are masked already.
    masked: usize,
    /// Free of known secrets; not yet a whole line.
    block: Vec<u8>,
    /// Nothing is shown any more, and that was said.
    blind: bool,
}

impl Redactor {
    /// Masks a stream as [`Redactor::redact`] masks a text. Bytes that are no UTF-8 stay as they are, but where something
    /// is masked between them.
    pub(crate) fn streaming(&self) -> Masking {
        Masking { redactor: self.clone(), raw: vec![], masked: 0, block: vec![], blind: false }
    }
}

impl Masking {
    /// Takes what came; what of it, and of what came before, may be shown.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.raw.extend_from_slice(bytes);
        let longest = match &self.redactor.known {
            Matcher::Forms(automaton) => automaton.max_pattern_len(),
            Matcher::Nothing | Matcher::Everything => 1,
        };
        // A secret that begins before there is here as a whole.
        self.release((self.raw.len() + 1).saturating_sub(longest));
        self.blocks(false)
    }

    /// What is left at the end of the stream.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        self.release(self.raw.len());
        self.blocks(true)
    }

    /// Moves the first `end` bytes on to the block without the known secrets in them.
    fn release(&mut self, end: usize) {
        let automaton = match &self.redactor.known {
            Matcher::Nothing => {
                self.block.append(&mut self.raw);
                return;
            }
            Matcher::Everything => {
                if !self.blind && !self.raw.is_empty() {
                    self.block.extend_from_slice(MASK.as_bytes());
                    self.blind = true;
                }
                self.raw.clear();
                return;
            }
            Matcher::Forms(automaton) => automaton,
        };
        if end == 0 {
            return;
        }
        // One that begins behind `end` may not have ended yet: it is found again.
        let found =
            super::spans(automaton.find_overlapping_iter(&self.raw).filter(|find| find.start() < end));
        let mut shown = self.masked.min(end);
        let mut covered = self.masked;
        for (from, to) in found {
            if from >= covered {
                self.block.extend_from_slice(&self.raw[shown..from]);
                self.block.extend_from_slice(MASK.as_bytes());
            }
            covered = covered.max(to);
            shown = covered.min(end);
        }
        self.block.extend_from_slice(&self.raw[shown..end]);
        self.masked = covered.saturating_sub(end);
        self.raw.drain(..end);
    }

    /// The whole lines that may be shown; at the `end`, all.
    fn blocks(&mut self, end: bool) -> Vec<u8> {
        let mut length = if end {
            self.block.len()
        } else {
            self.block.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1)
        };
        if !end && let Some(begin) = open_block(&self.block[..length]) {
            length = begin;
        }
        if length == 0 && self.block.len() > LONGEST_BLOCK {
            length = between_words(&self.block);
        }
        let rest = self.block.split_off(length);
        let ready = std::mem::replace(&mut self.block, rest);
        self.by_pattern(ready)
    }

    fn by_pattern(&self, bytes: Vec<u8>) -> Vec<u8> {
        let masked = {
            let text = String::from_utf8_lossy(&bytes);
            match (self.redactor.patterns)(&text) {
                std::borrow::Cow::Borrowed(_) => None,
                std::borrow::Cow::Owned(text) => Some(text.into_bytes()),
            }
        };
        masked.unwrap_or(bytes)
    }
}

/// Where the line begins that opens a block which these lines do not close.
fn open_block(lines: &[u8]) -> Option<usize> {
    let last = |mark: &[u8]| lines.windows(mark.len()).rposition(|part| part == mark);
    let [begin, end] = BLOCK.map(last);
    let begin = begin.filter(|begin| end.is_none_or(|end| end < *begin))?;
    // An open block is not waited for without an end.
    let line = lines[..begin].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    (lines.len() - line <= LONGEST_BLOCK).then_some(line)
}

/// A place in the second half of a line without an end where no word is cut, if there is one.
fn between_words(line: &[u8]) -> usize {
    let half = line.len() / 2;
    let gap = line[half..].iter().rposition(|byte| byte.is_ascii_whitespace() || b",;\"'<>".contains(byte));
    gap.map_or(line.len(), |at| half + at + 1)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::secret::Secret;

    const KEY: &str = "sk-ant/q+7?\"Zx>>9";

    fn redactor() -> Redactor {
        let secrets = [KEY, "abcdefgh", "efghijkl", "line one\nline two of it"].map(Secret::new);
        Redactor::new(&secrets).with_patterns(|text| {
            let block = "-----BEGIN KEY-----\nabc\n-----END KEY-----";
            if text.contains("form-of-a-key") || text.contains(block) {
                Cow::Owned(text.replace("form-of-a-key", MASK).replace(block, MASK))
            } else {
                Cow::Borrowed(text)
            }
        })
    }

    fn streamed(bytes: &[u8], part: usize) -> Vec<u8> {
        let mut masking = redactor().streaming();
        let mut out: Vec<u8> = bytes.chunks(part).flat_map(|part| masking.push(part)).collect();
        out.extend(masking.finish());
        out
    }

    #[test]
    fn every_cut_gives_what_the_whole_text_gives() {
        let text = format!(
            "a {KEY} b\n{KEY}{KEY}\nabcdefghijkl_abcdefghabcdefgh\nabcdefg form-of-a-key é\nline one\nline two of it\n\
             -----BEGIN KEY-----\nabc\n-----END KEY-----\n-----BEGIN open\n{KEY}"
        );
        let expected = redactor().redact(&text).into_owned();
        assert!(!expected.contains(KEY) && expected.contains("-----BEGIN open\n***"), "{expected}");
        for part in 1..=text.len() {
            assert_eq!(String::from_utf8(streamed(text.as_bytes(), part)).unwrap(), expected, "{part}");
        }
    }

    #[test]
    fn other_bytes_stay_as_they_are() {
        let bytes = [&[0xff, 0xfe, b'\n'][..], KEY.as_bytes(), &[0xf0, 0x9f]].concat();
        for part in [1, 3, bytes.len()] {
            assert_eq!(streamed(&bytes, part), [&[0xff, 0xfe, b'\n'][..], b"***", &[0xf0, 0x9f]].concat());
        }
    }

    #[test]
    fn a_line_without_an_end_is_not_kept_for_good() {
        let mut masking = redactor().streaming();
        let line = format!("{}form-of-a-key ", "word ".repeat(1000));
        let mut out = Vec::new();
        for _ in 0..100 {
            out.extend(masking.push(line.as_bytes()));
            assert!(masking.raw.len() + masking.block.len() <= LONGEST_BLOCK + line.len());
        }
        out.extend(masking.finish());
        assert_eq!(String::from_utf8(out).unwrap(), line.replace("form-of-a-key", MASK).repeat(100));
        assert!(masking.push(b"-----BEGIN x\n").is_empty());
        let shown = masking.push(&b"x\n".repeat(LONGEST_BLOCK));
        assert!(shown.len() > LONGEST_BLOCK, "an open block was waited for");
    }

    #[test]
    fn without_secrets_lines_pass_at_once() {
        let mut masking = Redactor::default().streaming();
        assert_eq!(masking.push(b"one\ntwo"), b"one\n");
        assert_eq!(masking.finish(), b"two");
    }
}

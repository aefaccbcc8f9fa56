//! What is kept of a child's output: its head and tail in memory, the whole of it in a file; secrets are masked on the
//! way to both. Memory stays flat however much a child writes. Must not know processes.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::domain::observation::Output;
use crate::secret::{Masking, Redactor};

/// Bytes kept of the head, and of the tail.
const KEEP: usize = 64 * 1024;
/// Bytes kept in the spool file.
const SPOOL: u64 = 64 * 1024 * 1024;

/// Collects one child's output.
pub(super) struct Capture {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    total: u64,
    spool: Option<Spool>,
    masking: Masking,
}

impl Capture {
    /// Starts a capture; `spool` is created with its folders, an older file there is replaced.
    pub(super) fn new(spool: Option<&Path>, redactor: &Redactor) -> anyhow::Result<Self> {
        Self::with_cap(spool, redactor, SPOOL)
    }

    pub(super) fn with_cap(spool: Option<&Path>, redactor: &Redactor, cap: u64) -> anyhow::Result<Self> {
        Ok(Self {
            head: Vec::new(),
            tail: VecDeque::new(),
            total: 0,
            spool: spool.map(|path| Spool::create(path, cap)).transpose()?,
            masking: redactor.streaming(),
        })
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        let shown = self.masking.push(bytes);
        self.keep(&shown);
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.total += bytes.len() as u64;
        if let Some(spool) = &mut self.spool {
            spool.push(bytes);
        }
        let room = KEEP - self.head.len();
        let (head, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(head);
        self.tail.extend(&rest[rest.len().saturating_sub(KEEP)..]);
        let over = self.tail.len().saturating_sub(KEEP);
        self.tail.drain(..over);
    }

    /// Head and tail as text, cut between characters. An `Err` means that the spool file is incomplete.
    pub(super) fn finish(mut self) -> anyhow::Result<Output> {
        let rest = self.masking.finish();
        self.keep(&rest);
        if let Some(spool) = self.spool {
            spool.finish()?;
        }
        let complete = (self.head.len() + self.tail.len()) as u64 == self.total;
        let cut = self.head.len() - unfinished(&self.head);
        let rest = self.head.split_off(cut);
        let mut tail = Vec::from(self.tail);
        if complete {
            // Nothing is missing between the two: a character on the border goes to the tail as a whole.
            tail.splice(..0, rest);
        } else {
            let broken = tail.iter().take(3).take_while(|&&byte| byte & 0xC0 == 0x80).count();
            tail.drain(..broken);
        }
        Ok(Output { head: text(&self.head), tail: text(&tail), total_bytes: self.total })
    }
}

/// Length of an unfinished character at the end of `bytes`.
fn unfinished(bytes: &[u8]) -> usize {
    let chunk = bytes.utf8_chunks().last();
    match chunk {
        // What std reports as invalid at the very end is unfinished only where more bytes could mend it.
        Some(chunk) if std::str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none()) => {
            chunk.invalid().len()
        }
        _ => 0,
    }
}

/// Lossy, with one `?` for every invalid byte: the length stays the number of bytes that the child wrote, so
/// the count of what is left out between head and tail is exact.
fn text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// The file that takes the whole output, up to a cap.
struct Spool {
    path: PathBuf,
    file: File,
    cap: u64,
    left: u64,
    cut: bool,
    /// The first failure; the child is still run to its end.
    failed: Option<std::io::Error>,
}

impl Spool {
    fn create(path: &Path, cap: u64) -> anyhow::Result<Self> {
        let folder = path.parent().unwrap_or(Path::new(""));
        let file = std::fs::create_dir_all(folder)
            .and_then(|()| File::create(path))
            .with_context(|| format!("cannot write a child's output to {}", path.display()))?;
        Ok(Self { path: path.to_owned(), file, cap, left: cap, cut: false, failed: None })
    }

    fn push(&mut self, bytes: &[u8]) {
        let length = bytes.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.write(&bytes[..length]);
        self.left -= length as u64;
        if length < bytes.len() && !self.cut {
            self.cut = true;
            let note = format!("\n[pace: output beyond {} bytes is not kept]\n", self.cap);
            self.write(note.as_bytes());
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.failed.is_none() {
            self.failed = self.file.write_all(bytes).err();
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match self.failed {
            None => Ok(()),
            Some(error) => Err(error)
                .with_context(|| format!("cannot write a child's output to {}", self.path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(chunks: &[&[u8]]) -> Output {
        let mut capture = Capture::new(None, &Redactor::default()).unwrap();
        for chunk in chunks {
            capture.push(chunk);
        }
        capture.finish().unwrap()
    }

    #[test]
    fn short_output_is_all_head() {
        let output = captured(&[b"one\n", b"two\n"]);
        assert_eq!(output.head, "one\ntwo\n");
        assert_eq!(output.tail, "");
        assert_eq!(output.total_bytes, 8);
    }

    #[test]
    fn a_character_on_the_border_stays_whole() {
        for shift in 0..4 {
            let text = format!("{}{}", "x".repeat(KEEP - shift), "🦀é".repeat(8));
            let output = captured(&[text.as_bytes()]);
            assert_eq!(output.text(), text, "shift {shift}");
        }
    }

    #[test]
    fn the_middle_is_dropped_between_characters() {
        let crabs = "🦀".repeat(KEEP);
        for lead in ["", "a", "ab", "abc"] {
            let text = format!("{lead}{crabs}");
            let output = captured(&text.as_bytes().chunks(1000).collect::<Vec<_>>());
            assert_eq!(output.total_bytes, text.len() as u64);
            assert!(text.starts_with(&output.head) && text.ends_with(&output.tail));
            assert!(output.head.len() > KEEP - 4 && output.tail.len() > KEEP - 4);
            assert!(output.head.len() <= KEEP && output.tail.len() <= KEEP);
        }
    }

    #[test]
    fn binary_output_keeps_its_length() {
        let output = captured(&[&[0xff; KEEP], &[0xe2, 0x82], &[b'a'; 10]]);
        assert_eq!(output.total_bytes as usize, output.head.len() + output.tail.len());
        assert!(output.tail.ends_with("??aaaaaaaaaa"), "{}", output.tail);
    }

    #[test]
    fn the_spool_is_capped_with_a_note() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/er/out.log");
        let mut capture = Capture::with_cap(Some(&path), &Redactor::default(), 10).unwrap();
        for _ in 0..5 {
            capture.push(b"1234");
        }
        assert_eq!(capture.finish().unwrap().total_bytes, 20);
        let spooled = std::fs::read_to_string(path).unwrap();
        assert_eq!(spooled, "1234123412\n[pace: output beyond 10 bytes is not kept]\n");
    }

    #[test]
    fn a_secret_on_the_border_is_in_neither_part_nor_in_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out.log");
        let redactor = Redactor::new(&[crate::secret::Secret::new("hunter2hunter2")]);
        for shift in 0..16 {
            let mut capture = Capture::new(Some(&path), &redactor).unwrap();
            capture.push("x".repeat(KEEP - shift).as_bytes());
            for part in [&b"hunter2"[..], b"hunter2", &[b'y'; KEEP]] {
                capture.push(part);
            }
            let output = capture.finish().unwrap();
            let spooled = std::fs::read_to_string(&path).unwrap();
            for text in [&output.head, &output.tail, &spooled] {
                assert!(!text.contains("hunter2"), "shift {shift}");
            }
            assert!(spooled.contains("x***y"), "shift {shift}");
            assert_eq!(output.total_bytes, spooled.len() as u64);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_told() {
        let mut capture = Capture::new(Some(Path::new("/dev/full")), &Redactor::default()).unwrap();
        capture.push(b"x");
        let error = capture.finish().unwrap_err();
        assert!(format!("{error:#}").contains("/dev/full"), "{error:#}");
    }
}

//! Bytes and lines: what is text, and where in it a byte stands. Knows no rule.

use std::borrow::Cow;

/// How far is looked for a NUL byte to tell a binary file, as git does.
const PROBE: usize = 8000;

/// Whether `text` is no text.
pub(super) fn is_binary(text: &[u8]) -> bool {
    text[..text.len().min(PROBE)].contains(&0)
}

/// UTF-16 with a byte order mark as UTF-8; everything else as it is.
pub(super) fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    let read: fn([u8; 2]) -> u16 = match text {
        [0xff, 0xfe, ..] => u16::from_le_bytes,
        [0xfe, 0xff, ..] => u16::from_be_bytes,
        _ => return Cow::Borrowed(text),
    };
    let units: Vec<u16> = text.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
    Cow::Owned(String::from_utf16_lossy(&units).into_bytes())
}

/// The starts of lines, to tell the line of a byte.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a [u8]) -> Self {
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
        Self { text, starts: std::iter::once(0).chain(breaks).collect() }
    }

    /// Number of the line of byte `at`, from 1.
    pub(super) fn number(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX)
    }

    /// Line `number` without its line break; empty where there is none.
    pub(super) fn line(&self, number: u32) -> &'a [u8] {
        let index = (number as usize).wrapping_sub(1);
        let Some(start) = self.starts.get(index) else { return b"" };
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
        let line = &self.text[*start..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// The columns of `start..end` in the line of `start`, from 1, half-open.
    pub(super) fn columns(&self, start: usize, end: usize) -> (u32, u32) {
        let number = self.number(start);
        let from = self.starts[number as usize - 1];
        let until = end.min(from + self.line(number).len()).max(start);
        let column = |at: usize| u32::try_from(at - from + 1).unwrap_or(u32::MAX);
        (column(start), column(until))
    }

    /// The lines that `start..end` touches, joined as they stand.
    pub(super) fn around(&self, start: usize, end: usize) -> &'a [u8] {
        let first = self.starts[self.number(start) as usize - 1];
        let last = self.number(end.max(start + 1) - 1) as usize;
        &self.text[first..self.starts.get(last).map_or(self.text.len(), |next| next - 1)]
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a [u8]> + '_ {
        (1..=self.starts.len()).map(|number| self.line(u32::try_from(number).unwrap_or(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_lines_and_columns() {
        let lines = Lines::of(b"ab\r\ncd\n\nx");
        assert_eq!([0, 3, 4, 6, 7, 8].map(|at| lines.number(at)), [1, 1, 2, 2, 3, 4]);
        assert_eq!(
            (lines.line(1), lines.line(3), lines.line(4), lines.line(9)),
            (&b"ab"[..], &b""[..], &b"x"[..], &b""[..])
        );
        assert_eq!((lines.columns(1, 2), lines.columns(4, 9)), ((2, 3), (1, 3)));
        assert_eq!((lines.around(1, 5), lines.around(8, 9)), (&b"ab\r\ncd"[..], &b"x"[..]));
        assert_eq!(lines.all().count(), 4);
    }

    #[test]
    fn utf_16_is_text() {
        let le: Vec<u8> = "\u{feff}key".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let be: Vec<u8> = "\u{feff}key".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(&*decoded(&le), "\u{feff}key".as_bytes());
        assert_eq!(&*decoded(&be), "\u{feff}key".as_bytes());
        assert!(is_binary(b"a\0b") && !is_binary(b"ab"));
    }
}

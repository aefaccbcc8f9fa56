//! Samples of a format, bent as outsiders would bend them: lines dropped, doubled, moved and indented, pieces of other
//! samples, what the format trips over, bytes changed, the end cut off. Structure stays, so that readers get deep.

use proptest::prelude::*;
use proptest::sample::{Index, select};

/// Properties with `cases` cases in a run of its own; `PROPTEST_CASES` raises all of them in proportion to its usual 256.
pub(crate) fn cases(cases: u32) -> ProptestConfig {
    let usual = ProptestConfig::default();
    let cases = u64::from(usual.cases) * u64::from(cases) / 256;
    ProptestConfig {
        cases: u32::try_from(cases).unwrap_or(u32::MAX).max(1),
        failure_persistence: None,
        ..usual
    }
}

/// One of `samples`, bent up to eight times.
pub(crate) fn bent(samples: Vec<String>, pieces: &[&str]) -> impl Strategy<Value = String> + use<> {
    let pieces: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
    let others = samples.clone();
    let bends = prop::collection::vec(bend(pieces), 0..8);
    (select(samples), bends).prop_map(move |(sample, bends)| {
        bends.into_iter().fold(sample, |text, bend| bend.apply(&text, &others))
    })
}

#[derive(Debug, Clone)]
enum Bend {
    /// Lines from the first to the second are gone.
    Drop(Index, Index),
    /// A line stands there several times.
    Double(Index, usize),
    /// A line moves.
    Move(Index, Index),
    /// Lines from the first on stand deeper.
    Indent(Index, usize),
    /// A piece is put in, perhaps many times.
    Put(Index, String, usize),
    /// A piece replaces what stands between two places.
    Replace(Index, Index, String),
    /// A byte is another one.
    Byte(Index, u8),
    /// A bit is the other one.
    Bit(Index, u32),
    /// The rest is another sample's.
    Splice(Index, Index, Index),
    Cut(Index),
}

fn bend(pieces: Vec<String>) -> impl Strategy<Value = Bend> {
    let at = any::<Index>;
    let piece = move || select(pieces.clone());
    prop_oneof![
        2 => (at(), at()).prop_map(|(from, to)| Bend::Drop(from, to)),
        2 => (at(), 1..5_usize).prop_map(|(line, times)| Bend::Double(line, times)),
        1 => (at(), at()).prop_map(|(from, to)| Bend::Move(from, to)),
        1 => (at(), 1..9_usize).prop_map(|(from, by)| Bend::Indent(from, by)),
        6 => (at(), piece(), prop_oneof![9 => Just(1), 1 => 2..40_usize]).prop_map(|(at, piece, times)| Bend::Put(at, piece, times)),
        3 => (at(), at(), piece()).prop_map(|(from, to, piece)| Bend::Replace(from, to, piece)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Bend::Byte(at, byte)),
        1 => (at(), 0..8_u32).prop_map(|(at, bit)| Bend::Bit(at, bit)),
        1 => (at(), at(), at()).prop_map(|(at, other, from)| Bend::Splice(at, other, from)),
        1 => at().prop_map(Bend::Cut),
    ]
}

impl Bend {
    fn apply(self, text: &str, others: &[String]) -> String {
        match self {
            Self::Drop(from, to) => lines(text, |lines| {
                let (from, to) = (from.index(lines.len()), to.index(lines.len()));
                lines.drain(from..to.clamp(from, from + 4).min(lines.len()));
            }),
            Self::Double(line, times) => lines(text, |lines| {
                let at = line.index(lines.len());
                let line = lines[at].clone();
                (0..times).for_each(|_| lines.insert(at, line.clone()));
            }),
            Self::Move(from, to) => lines(text, |lines| {
                let (from, to) = (from.index(lines.len()), to.index(lines.len()));
                let line = lines.remove(from);
                lines.insert(to.min(lines.len()), line);
            }),
            Self::Indent(from, by) => lines(text, |lines| {
                let from = from.index(lines.len());
                lines[from..].iter_mut().take(6).for_each(|line| line.insert_str(0, &" ".repeat(by)));
            }),
            Self::Put(at, piece, times) => {
                let at = place(text, at);
                format!("{}{}{}", &text[..at], piece.repeat(times), &text[at..])
            }
            Self::Replace(from, to, piece) => {
                let (one, other) = (place(text, from), place(text, to));
                let from = one.min(other);
                let to = text.floor_char_boundary(one.max(other).min(from + 40)).max(from);
                format!("{}{piece}{}", &text[..from], &text[to..])
            }
            Self::Byte(at, byte) => bytes(text, |bytes| {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }),
            Self::Bit(at, bit) => bytes(text, |bytes| {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }),
            Self::Splice(at, other, from) => {
                let other = &others[other.index(others.len())];
                format!("{}{}", &text[..place(text, at)], &other[place(other, from)..])
            }
            Self::Cut(at) => text[..place(text, at)].to_owned(),
        }
    }
}

/// A place between characters.
fn place(text: &str, at: Index) -> usize {
    text.floor_char_boundary(at.index(text.len() + 1))
}

fn lines(text: &str, change: impl FnOnce(&mut Vec<String>)) -> String {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    change(&mut lines);
    lines.join("\n")
}

fn bytes(text: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = text.as_bytes().to_vec();
    if !bytes.is_empty() {
        change(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

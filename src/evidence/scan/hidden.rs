//! Characters that a reader does not see: they make code read otherwise than it runs (Trojan Source, CVE-2021-42574),
//! or carry text past a person to a model. Uses that writing systems and emoji need are left alone.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use super::place::Lines;
use super::{Hit, Kind};

/// Kind of character, and what it does.
const BIDI: (&str, &str) =
    ("bidi-control", "A bidirectional control makes text read in another order than it runs.");
const ZERO_WIDTH: (&str, &str) = ("zero-width", "A character without width hides in names and strings.");
const TAG: (&str, &str) = ("tag-characters", "Tag characters spell out text that nobody sees.");
const SELECTORS: (&str, &str) =
    ("variation-selectors", "A run of variation selectors carries bytes that nobody sees.");

/// Whether a kind has no use in any text, prose included.
pub(super) fn is_smuggling(rule: &str) -> bool {
    rule == TAG.0 || rule == SELECTORS.0
}

/// Hidden characters: of each kind the first run in a line.
pub(super) fn find(text: &[u8]) -> Vec<Hit> {
    // All of them lie beyond ASCII: in UTF-8 they begin with 0xC2 or more.
    if text.is_ascii() {
        return Vec::new();
    }
    let decoded = String::from_utf8_lossy(text);
    if decoded.len() != text.len() {
        // Not UTF-8: what is not, is no character at all; offsets would not fit either.
        return std::str::from_utf8(text).map_or_else(|_| valid_parts(text), of_text);
    }
    of_text(&decoded)
}

/// The finds of the parts that are UTF-8.
fn valid_parts(text: &[u8]) -> Vec<Hit> {
    let lines = Lines::of(text);
    let mut at = 0;
    let mut hits = Vec::new();
    for chunk in text.utf8_chunks() {
        for mut hit in of_text(chunk.valid()) {
            let span = hit.span.start + at..hit.span.end + at;
            hit.line = lines.number(span.start);
            hit.columns = lines.columns(span.start, span.end);
            hit.context = span.clone();
            hit.span = span;
            hits.push(hit);
        }
        at += chunk.valid().len() + chunk.invalid().len();
    }
    hits
}

fn of_text(text: &str) -> Vec<Hit> {
    let mut hits: Vec<Hit> = Vec::new();
    let mut lines = None;
    let mut told = BTreeSet::new();
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    for (index, &(at, c)) in characters.iter().enumerate() {
        if c.is_ascii() {
            continue;
        }
        let Some((rule, description)) = hidden(&Neighbours { all: &characters, index }) else { continue };
        let end = at + c.len_utf8();
        let lines = lines.get_or_insert_with(|| Lines::of(text.as_bytes()));
        if let Some(last) = hits.last_mut()
            && last.rule == rule
            && last.span.end == at
        {
            last.span.end = end;
            last.context.end = end;
            last.columns = lines.columns(last.span.start, end);
            continue;
        }
        if !told.insert((rule, lines.number(at))) {
            continue;
        }
        hits.push(Hit {
            rule,
            description,
            kind: Kind::HiddenUnicode,
            line: lines.number(at),
            columns: lines.columns(at, end),
            span: at..end,
            context: at..end,
        });
    }
    hits
}

/// A character among its neighbours.
struct Neighbours<'a> {
    all: &'a [(usize, char)],
    index: usize,
}

impl Neighbours<'_> {
    fn at(&self, offset: isize) -> Option<char> {
        self.all.get(self.index.checked_add_signed(offset)?).map(|(_, c)| *c)
    }

    fn before(&self) -> impl Iterator<Item = char> + '_ {
        self.all[..self.index].iter().rev().map(|(_, c)| *c)
    }

    fn beside(&self, is: impl Fn(char) -> bool) -> bool {
        [-1, 1].into_iter().filter_map(|offset| self.at(offset)).any(is)
    }
}

/// What kind of hidden character stands at the place; `None` where it has its use there.
fn hidden(place: &Neighbours<'_>) -> Option<(&'static str, &'static str)> {
    let c = place.at(0)?;
    match c {
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{206a}'..='\u{206f}' => Some(BIDI),
        // Marks, not controls: they belong beside letters written from right to left.
        '\u{200e}' | '\u{200f}' | '\u{061c}' => (!place.beside(is_right_to_left)).then_some(BIDI),
        '\u{feff}' => (place.index != 0).then_some(ZERO_WIDTH),
        '\u{200c}' => (!joins(place)).then_some(ZERO_WIDTH),
        '\u{200d}' => (!joins(place) && !joins_emoji(place)).then_some(ZERO_WIDTH),
        '\u{200b}'
        | '\u{2060}'..='\u{2064}'
        | '\u{180e}'
        | '\u{115f}'
        | '\u{1160}'
        | '\u{3164}'
        | '\u{ffa0}' => Some(ZERO_WIDTH),
        '\u{e0000}'..='\u{e007f}' => (!in_flag(place)).then_some(TAG),
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => {
            let alone = !place.beside(is_selector);
            let carried = place
                .at(-1)
                .is_some_and(|before| !before.is_ascii_whitespace() && !before.is_ascii_control());
            (!alone || !carried).then_some(SELECTORS)
        }
        _ => None,
    }
}

/// Between letters of a script that shapes them by joiners.
fn joins(place: &Neighbours<'_>) -> bool {
    const SHAPED: [RangeInclusive<char>; 7] = [
        '\u{0600}'..='\u{08ff}',
        '\u{0900}'..='\u{0dff}',
        '\u{0f00}'..='\u{0fff}',
        '\u{1000}'..='\u{109f}',
        '\u{1780}'..='\u{18af}',
        '\u{fb50}'..='\u{fdff}',
        '\u{fe70}'..='\u{fefc}',
    ];
    place.at(-1).is_some_and(|before| SHAPED.iter().any(|range| range.contains(&before)))
}

/// Between two parts of one emoji.
fn joins_emoji(place: &Neighbours<'_>) -> bool {
    let part = |c: char| is_pictograph(c) || c == '\u{fe0f}' || ('\u{1f3fb}'..='\u{1f3ff}').contains(&c);
    place.at(-1).is_some_and(part) && place.at(1).is_some_and(is_pictograph)
}

fn is_pictograph(c: char) -> bool {
    matches!(c, '\u{203c}'..='\u{3299}' | '\u{1f000}'..='\u{1faff}')
}

/// Within the flag of a region: a black flag, tags, and the tag that ends them (Unicode TS #51).
fn in_flag(place: &Neighbours<'_>) -> bool {
    let tag = |c: &char| ('\u{e0020}'..='\u{e007f}').contains(c);
    let before = place.before().take_while(tag).count();
    let after = place.all[place.index..].iter().take_while(|(_, c)| tag(c)).count();
    let flag = place.before().nth(before) == Some('\u{1f3f4}');
    let last = place.all.get(place.index + after - usize::from(after > 0)).map(|(_, c)| *c);
    flag && before + after <= 7 && last == Some('\u{e007f}')
}

fn is_selector(c: char) -> bool {
    matches!(c, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_found_and_useful_ones_left() {
        let table: &[(&str, &[(&str, u32)])] = &[
            ("plain ascii\n", &[]),
            ("/*\u{202e} } \u{2066}if (admin)\u{2069} \u{2066} begin */", &[(BIDI.0, 1)]),
            ("one\nuser\u{200b}name", &[(ZERO_WIDTH.0, 2)]),
            ("\u{feff}first", &[]),
            ("not\u{feff}first", &[(ZERO_WIDTH.0, 1)]),
            ("👩\u{200d}🚀 ❤\u{fe0f}\u{200d}🔥 👍🏽", &[]),
            ("a\u{200d}b", &[(ZERO_WIDTH.0, 1)]),
            ("می\u{200c}خواهم क\u{094d}\u{200d}ष", &[]),
            ("a\u{200c}b", &[(ZERO_WIDTH.0, 1)]),
            ("שלום\u{200f}!", &[]),
            ("x\u{200f} = 1", &[(BIDI.0, 1)]),
            ("🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", &[]),
            ("hello\u{e0068}\u{e0069}", &[(TAG.0, 1)]),
            (
                "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e0067}\u{e0067}\u{e0067}\u{e007f}",
                &[(TAG.0, 1)],
            ),
            ("☀\u{fe0f} 葛\u{e0100} 1\u{fe0f}\u{20e3}", &[]),
            ("a\u{fe00}\u{e0121}\u{e0133}", &[(SELECTORS.0, 1)]),
            ("\u{3164} = 1", &[(ZERO_WIDTH.0, 1)]),
            ("Grüße aus Köln, naïve façade — “quoted” … ±1", &[]),
            ("日本語のテキスト 한국어 русский ελληνικά", &[]),
        ];
        for (text, expected) in table {
            let hits = find(text.as_bytes());
            let found: Vec<_> = hits.iter().map(|hit| (hit.rule, hit.line)).collect();
            assert_eq!(found, *expected, "{text:?}");
        }
        let mut broken = b"caf\xe9\n".to_vec();
        broken.extend("a\u{202e}b".as_bytes());
        let hits = find(&broken);
        assert_eq!((hits.len(), hits[0].line, hits[0].columns), (1, 2, (2, 5)));
    }
}

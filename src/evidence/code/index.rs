//! Where the lines of a text begin and its functions stand: read once, asked for every name that a test speaks of.
//! Knows masked text alone, and not what a function is good for.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::Language;

pub(crate) struct Index {
    /// Bytes at which lines begin.
    starts: Vec<usize>,
    length: usize,
    /// Lines of the first function of each name, half-open and counted from 1; `None` where its end cannot be told.
    functions: HashMap<String, Option<Range<u32>>>,
    /// Every bracket that is closed, by its place, and what closes it.
    closed: Vec<(usize, usize)>,
}

static FUNCTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(def|fn|func|function|fun|void|sub|test|Task)\s+(?:\([^)\n]*\)\s*)?(\w+)"));

impl Index {
    pub(super) fn of(language: Language, masked: &str) -> Self {
        let breaks = masked.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let starts: Vec<usize> = std::iter::once(0).chain(breaks).collect();
        let mut index =
            Self { starts, length: masked.len(), functions: HashMap::new(), closed: brackets(masked) };
        let mut names: HashMap<&str, (usize, usize)> = HashMap::new();
        let mut from = 0;
        while let Some(found) = FUNCTION.captures_at(masked, from) {
            let (Some(word), Some(name)) = (found.get(1), found.get(2)) else { break };
            names.entry(name.as_str()).or_insert((word.start(), name.end()));
            // The name may be such a word itself.
            from = word.end();
        }
        let ends = if language.indents() { Ends::indented(masked) } else { Ends::bracketed(masked) };
        let functions = names.into_iter().map(|(name, (start, end))| {
            let first = index.line_of(start);
            let last = match &ends {
                Ends::Indents(lines) => Some(indented(lines, first)),
                Ends::Braces(braces) => closed(braces, end).map(|at| index.line_of(at) + 1),
            };
            (name.to_owned(), last.map(|last| first..last))
        });
        index.functions = functions.collect();
        index
    }

    /// The first function of that name.
    pub(super) fn function(&self, name: &str) -> Option<Range<u32>> {
        self.functions.get(name).cloned().flatten()
    }

    /// The bracket that closes the one at `open`.
    pub(super) fn closing(&self, open: usize) -> Option<usize> {
        let place = self.closed.binary_search_by_key(&open, |(open, _)| *open).ok()?;
        Some(self.closed[place].1)
    }

    /// Line of a byte, counted from 1.
    pub(super) fn line_of(&self, at: usize) -> u32 {
        u32::try_from(self.starts.partition_point(|start| *start <= at)).unwrap_or(u32::MAX - 1)
    }

    /// The byte at which a line begins, counted from 1; behind the last one, the end of the text.
    pub(super) fn start_of(&self, line: u32) -> usize {
        let index = (line as usize).saturating_sub(1);
        self.starts.get(index).copied().unwrap_or(self.length)
    }
}

/// Brackets of any kind that are closed by one of any kind, in order.
fn brackets(masked: &str) -> Vec<(usize, usize)> {
    let (mut open, mut closed) = (Vec::new(), Vec::new());
    for (at, byte) in masked.bytes().enumerate() {
        match byte {
            b'(' | b'[' | b'{' => open.push(at),
            b')' | b']' | b'}' => closed.extend(open.pop().map(|open| (open, at))),
            _ => {}
        }
    }
    closed.sort_unstable();
    closed
}

/// What tells where blocks end.
enum Ends {
    /// The indentation of every line, counted from 0; `None` of a blank one.
    Indents(Vec<Option<usize>>),
    /// Every `{` in order, and what closes it.
    Braces(Vec<(usize, Option<usize>)>),
}

impl Ends {
    fn indented(masked: &str) -> Self {
        let indent = |line: &str| {
            let text = line.trim_start();
            (!text.is_empty()).then(|| line.len() - text.len())
        };
        Self::Indents(masked.lines().map(indent).collect())
    }

    fn bracketed(masked: &str) -> Self {
        let mut braces = Vec::new();
        let mut open: Vec<Option<usize>> = Vec::new();
        for (at, byte) in masked.bytes().enumerate() {
            match byte {
                b'{' => {
                    open.push(Some(braces.len()));
                    braces.push((at, None));
                }
                b'(' | b'[' => open.push(None),
                b')' | b']' | b'}' => {
                    if let Some(Some(brace)) = open.pop() {
                        braces[brace].1 = Some(at);
                    }
                }
                _ => {}
            }
        }
        Self::Braces(braces)
    }
}

/// The line behind the block that `first` begins.
fn indented(lines: &[Option<usize>], first: u32) -> u32 {
    let at = first as usize;
    let own = lines.get(at - 1).copied().flatten().unwrap_or(0);
    let rest = lines.get(at..).unwrap_or_default();
    let length = rest.iter().position(|line| line.is_some_and(|indent| indent <= own)).unwrap_or(rest.len());
    u32::try_from(at + length).unwrap_or(u32::MAX - 1) + 1
}

/// Where the first block that opens at `from` or behind it is closed.
fn closed(braces: &[(usize, Option<usize>)], from: usize) -> Option<usize> {
    braces.get(braces.partition_point(|(at, _)| *at < from))?.1
}

//! Tests that are gone or empty, with no test of a similar body elsewhere, though what they tested is still there.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use super::gone::Gone;
use super::items::{self, Item};
use super::patterns::{self, does_nothing, is_assertion};
use super::{Changed, Placed, Sign, rows, tables};
use crate::evidence::pattern;

const CHECK: &str = "Vanished test";
/// Share of words that two bodies must have in common to be one test under two names.
const SIMILAR: f64 = 0.6;

/// Whether a test of before and one of now are the same.
type Same = fn(&Known<'_>, &Known<'_>) -> bool;

/// A test with what is asked of it again and again: a change may bring thousands of them.
struct Known<'a> {
    placed: &'a Placed,
    /// Words of its body and how often, by word.
    words: Vec<(&'a str, usize)>,
    total: usize,
    asserted: OnceCell<BTreeSet<&'a str>>,
    said: OnceCell<HashSet<&'a str>>,
}

impl<'a> Known<'a> {
    fn of(placed: &'a Placed) -> Self {
        let mut words: Vec<(&str, usize)> = words(&placed.item).into_iter().collect();
        words.sort_unstable();
        let total = words.iter().map(|(_, n)| n).sum();
        Self { placed, words, total, asserted: OnceCell::new(), said: OnceCell::new() }
    }
}

/// For each test of before the one that it became, by place in the other list.
pub(super) fn pair(before: &[Placed], after: &[Placed]) -> Vec<Option<usize>> {
    let mut taken = BTreeSet::new();
    let mut pairs = vec![None; before.len()];
    let before: Vec<Known<'_>> = before.iter().map(Known::of).collect();
    let after: Vec<Known<'_>> = after.iter().map(Known::of).collect();
    let rules: [Same; 4] = [
        |old, new| old.placed.path == new.placed.path && old.placed.item.name == new.placed.item.name,
        |old, new| {
            // The same method of a class that is none any more, or the other way round.
            let method = |a: &Item, b: &Item| a.name.ends_with(&format!("::{}", b.name));
            let (was, is) = (&old.placed.item, &new.placed.item);
            old.placed.path == new.placed.path && (method(was, is) || method(is, was))
        },
        |old, new| {
            last(&old.placed.item.name) == last(&new.placed.item.name) && likeness(old, new) >= SIMILAR / 2.0
        },
        |old, new| likeness(old, new) >= SIMILAR && keeps_values(old, new),
    ];
    for same in rules {
        for (i, old) in before.iter().enumerate() {
            if pairs[i].is_some() {
                continue;
            }
            let found = (0..after.len()).find(|j| !taken.contains(j) && same(old, &after[*j]));
            taken.extend(found);
            pairs[i] = found;
        }
    }
    pairs
}

pub(super) fn signs(
    changed: &[Changed],
    before: &[Placed],
    after: &[Placed],
    pairs: &[Option<usize>],
    gone: &Gone,
) -> Vec<Sign> {
    let tables: Vec<Table<'_>> = after.iter().filter_map(|new| Table::of(&new.item)).collect();
    let mut signs = Vec::new();
    for (old, pair) in before.iter().zip(pairs) {
        let went_with_it = old.item.body.iter().any(|line| gone.is_in(line)) || gone.is_in(&old.item.name);
        if went_with_it || old.item.body.iter().all(|line| does_nothing(line)) {
            continue;
        }
        let sign = |path: &str, line, what: String| Sign {
            check: CHECK,
            path: path.to_owned(),
            line,
            test: Some(old.item.name.clone()),
            what,
            holds: true,
        };
        match pair.map(|j| &after[j]) {
            None if tables.iter().any(|table| table.has(&old.item)) => {}
            None => {
                let exists = changed.iter().any(|file| file.path == old.path && file.after.is_some());
                let line = exists.then_some(1);
                let what = format!("the test {} is gone, and no other test does what it did", old.item.name);
                signs.push(sign(&old.path, line, what));
            }
            Some(new) if new.item.body.iter().all(|line| does_nothing(line)) => {
                let what = format!("the test {} does nothing any more", old.item.name);
                signs.push(sign(&new.path, Some(new.item.line), what));
            }
            Some(_) => {}
        }
    }
    signs
}

/// Tests of before that are rows of a test's table now, by name. `files`: path, text before, text now.
pub(super) fn became_rows(files: &[(&str, &str, &str)]) -> BTreeSet<String> {
    let now: Vec<Item> = files.iter().flat_map(|(path, _, now)| items::items(path, now)).collect();
    let tables: Vec<Table<'_>> = now.iter().filter_map(Table::of).collect();
    let still: BTreeSet<&str> = now.iter().map(|item| item.name.as_str()).collect();
    let old = files.iter().flat_map(|(path, before, _)| items::items(path, before));
    let gone = old.filter(|item| !still.contains(item.name.as_str()));
    gone.filter(|old| tables.iter().any(|table| table.has(old)))
        .map(|item| last(&item.name).to_owned())
        .collect()
}

/// A test that runs through a table: the values of its rows, and what it asserts something of.
pub(super) struct Table<'a> {
    rows: Vec<HashSet<String>>,
    subjects: BTreeSet<&'a str>,
}

impl<'a> Table<'a> {
    pub(super) fn of(item: &'a Item) -> Option<Self> {
        let owned = |row: String| tables::values(&row).map(str::to_owned).collect();
        let rows: Vec<HashSet<String>> = tables::rows(item).into_iter().map(owned).collect();
        (!rows.is_empty()).then(|| Self { rows, subjects: rows::asserted(item) })
    }

    /// Whether it has a row for each assertion of `old`, on what it is about.
    fn has(&self, old: &Item) -> bool {
        let mut asserted = old.body.iter().filter(|line| is_assertion(line, true)).peekable();
        asserted.peek().is_some() && asserted.all(|line| self.has_row_for(line))
    }

    /// Whether it has a row with the values of an assertion, on what that is about.
    pub(super) fn has_row_for(&self, assertion: &str) -> bool {
        let wanted: HashSet<&str> = tables::values(assertion).collect();
        let about = patterns::subject(assertion).into_iter().any(|word| self.subjects.contains(word));
        about
            && !wanted.is_empty()
            && self.rows.iter().any(|row| wanted.iter().all(|value| row.contains(*value)))
    }
}

fn last(name: &str) -> &str {
    name.rsplit(['/', ':']).next().unwrap_or(name)
}

/// Whether a test under another name still speaks of the values that the old one asserted: a new test of the same thing
/// with other values is a second test, not the old one.
fn keeps_values(old: &Known<'_>, new: &Known<'_>) -> bool {
    let item = &old.placed.item;
    let asserted = old.asserted.get_or_init(|| {
        let lines = item.body.iter().filter(|line| is_assertion(line, true));
        lines.flat_map(|line| LITERAL.find_iter(line)).map(|m| m.as_str()).collect()
    });
    let item = &new.placed.item;
    let said = new.said.get_or_init(|| {
        let lines = item.head.iter().chain(&item.body);
        lines.flat_map(|line| LITERAL.find_iter(line)).map(|m| m.as_str()).collect()
    });
    asserted.iter().all(|value| said.contains(value))
}

static LITERAL: LazyLock<Regex> = LazyLock::new(|| pattern(r#""[^"]*"|'[^']*'|`[^`]*`|\b\d[\w.]*\b"#));

/// Twice the words in common by all words of both.
fn likeness(a: &Known<'_>, b: &Known<'_>) -> f64 {
    let total = a.total + b.total;
    // At most the shorter one is in common: most pairs are told apart by their length alone.
    if total == 0 || 4.0 * (a.total.min(b.total) as f64) < SIMILAR * total as f64 {
        return 0.0;
    }
    let (mut left, mut right) = (a.words.iter().peekable(), b.words.iter().peekable());
    let mut common = 0;
    while let (Some((word, n)), Some((other, m))) = (left.peek(), right.peek()) {
        match word.cmp(other) {
            Ordering::Less => _ = left.next(),
            Ordering::Greater => _ = right.next(),
            Ordering::Equal => {
                common += n.min(m);
                left.next();
                right.next();
            }
        }
    }
    2.0 * common as f64 / total as f64
}

fn words(item: &Item) -> HashMap<&str, usize> {
    let mut words = HashMap::new();
    for line in &item.body {
        for word in line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|w| !w.is_empty()) {
            *words.entry(word).or_default() += 1;
        }
    }
    words
}

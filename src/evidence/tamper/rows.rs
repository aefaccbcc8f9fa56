//! Tables that a test runs through: parametrised tests, loops over cases. Rows that are gone are tests that are gone,
//! though the test keeps its name.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use super::gone::Gone;
use super::items::{self, Item};
use super::patterns::{is_assertion, subject};
use super::tables::{rows, values, without_values};
use super::{Changed, Placed, Sign, quoted};
use crate::evidence::pattern;

const CHECK: &str = "Weakened test";

pub(super) fn signs(before: &[Placed], after: &[Placed], pairs: &[Option<usize>], gone: &Gone) -> Vec<Sign> {
    // Also in a table of another test.
    let everywhere: BTreeSet<String> = after.iter().flat_map(|placed| rows(&placed.item)).collect();
    let bodies: HashSet<&[String]> = before.iter().map(|placed| &placed.item.body[..]).collect();
    let fresh = after.iter().map(|placed| &placed.item).filter(|item| !bodies.contains(&item.body[..]));
    let fresh: Vec<Fresh<'_>> = fresh.map(Fresh::of).collect();
    let mut signs = Vec::new();
    for (old, new) in before.iter().zip(pairs).filter_map(|(old, pair)| Some((old, &after[(*pair)?]))) {
        let (had, has) = (rows(&old.item), rows(&new.item));
        if had == has {
            continue;
        }
        let subjects = asserted(&old.item);
        let kept = |row: &str| {
            everywhere.contains(row)
                || gone.is_in(row)
                || fresh.iter().any(|fresh| *fresh.item != new.item && fresh.has_values(row, &subjects))
        };
        let there: HashSet<&String> = has.iter().collect();
        let lost: Vec<&String> = had.iter().filter(|row| !there.contains(row) && !kept(row)).collect();
        let Some(first) = lost.first() else { continue };
        let who =
            if new.item.is_test() { format!("the test {}", new.item.name) } else { new.item.name.clone() };
        let what = if has.len() < had.len() {
            format!("{who} runs through {} rows, {} before: {} is gone", has.len(), had.len(), quoted(first))
        } else if let Some((row, now)) = loosened(&lost, has.iter().filter(|row| !had.contains(row))) {
            format!("{who} expects less of a row than before: {} became {}", quoted(row), quoted(now))
        } else {
            continue;
        };
        signs.push(Sign {
            check: CHECK,
            path: new.path.clone(),
            line: Some(new.item.line),
            test: new.item.is_test().then(|| new.item.name.clone()),
            what,
            holds: true,
        });
    }
    signs
}

/// The same for what files hold outside of their tests: `describe.each`, lists that several tests run through.
pub(super) fn beside(changed: &[Changed], before: &[Placed], after: &[Placed], gone: &Gone) -> Vec<Sign> {
    let of = |items: &[Placed], path: &str, text: &str| {
        let own: Vec<Item> =
            items.iter().filter(|placed| placed.path == path).map(|placed| placed.item.clone()).collect();
        items::besides(path, text, &own).map(|item| Placed { path: path.to_owned(), item })
    };
    let (mut old, mut now) = (Vec::new(), Vec::new());
    for file in changed {
        let (Some(had), Some(has)) = (&file.before, &file.after) else { continue };
        let Some(had) = of(before, &file.path, had).filter(|had| !rows(&had.item).is_empty()) else {
            continue;
        };
        if let Some(has) = of(after, &file.path, has) {
            old.push(had);
            now.push(has);
        }
    }
    let pairs: Vec<Option<usize>> = (0..old.len()).map(Some).chain(before.iter().map(|_| None)).collect();
    old.extend(before.iter().cloned());
    now.extend(after.iter().cloned());
    signs(&old, &now, &pairs, gone)
}

/// A row that gave way to one that says less: another row once more, a value that fits everything, or one that is
/// worked out where it was written down.
fn loosened<'a>(
    lost: &[&'a String],
    mut won: impl Iterator<Item = &'a String>,
) -> Option<(&'a str, &'a str)> {
    let wild = |row: &str| WILD.is_match(row);
    won.find_map(|now| {
        let given: HashSet<&str> = values(now).collect();
        let less = |row: &&&String| {
            let had: HashSet<&str> = values(row).collect();
            let calls = |row: &str| CALL.is_match(&without_values(row));
            let computed = calls(now) && !calls(row);
            let worked_out = given.len() < had.len() && given.is_subset(&had) && computed;
            TWICE.is_match(now) || (wild(now) && !wild(row)) || worked_out
        };
        lost.iter().find(less).map(|row| (row.as_str(), now.as_str()))
    })
}

/// A row that stands there already, by the number that it got.
static TWICE: LazyLock<Regex> = LazyLock::new(|| pattern(r" #\d+$"));
static WILD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\bANY\b|\bexpect\.any|\banything\b|\bAnything\b|\b[aA]ny\(|\bis_?[aA]\(|instance_?[oO]f|\.[*+]")
});
static CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b[a-z_][\w.]*\("));

/// A test of which there was none with this body, with the values and the subjects of its lines.
struct Fresh<'a> {
    item: &'a Item,
    lines: Vec<(HashSet<&'a str>, BTreeSet<&'a str>)>,
}

impl<'a> Fresh<'a> {
    fn of(item: &'a Item) -> Self {
        Self { item, lines: item.body.iter().map(|line| (values(line).collect(), subject(line))).collect() }
    }

    /// Whether a line of it speaks of all values of a row, and of one of `subjects`: the row became a test of its own.
    fn has_values(&self, row: &str, subjects: &BTreeSet<&str>) -> bool {
        let wanted: HashSet<&str> = values(row).collect();
        let speaks = |(values, of): &(HashSet<&str>, BTreeSet<&str>)| {
            wanted.is_subset(values) && !of.is_disjoint(subjects)
        };
        self.lines.iter().any(speaks)
    }
}

/// What the assertions of a test are about.
pub(super) fn asserted(item: &Item) -> BTreeSet<&str> {
    item.body.iter().filter(|line| is_assertion(line, false)).flat_map(|line| subject(line)).collect()
}

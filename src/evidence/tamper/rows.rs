//! Tables that a test runs through: parametrised tests, loops over cases. Rows that are gone are tests that are gone,
//! though the test keeps its name.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use super::gone::Gone;
use super::items::Item;
use super::patterns::{is_assertion, subject};
use super::{Changed, Placed, Sign, is_test_code, items, quoted};
use crate::evidence::pattern;

const CHECK: &str = "Weakened test";

pub(super) fn signs(
    changed: &[Changed],
    before: &[Placed],
    after: &[Placed],
    pairs: &[Option<usize>],
    gone: &Gone,
) -> Vec<Sign> {
    // Also in a table of another test.
    let everywhere: BTreeSet<String> = after.iter().flat_map(|placed| rows(&placed.item)).collect();
    let bodies: HashSet<&[String]> = before.iter().map(|placed| &placed.item.body[..]).collect();
    let fresh = after.iter().map(|placed| &placed.item).filter(|item| !bodies.contains(&item.body[..]));
    let fresh: Vec<Fresh<'_>> = fresh.map(Fresh::of).collect();
    let mut signs = Vec::new();
    let pairs = before.iter().zip(pairs).filter_map(|(old, pair)| Some((old, &after[(*pair)?])));
    let tables: Vec<(Placed, Placed)> = changed.iter().filter_map(tables).collect();
    let everywhere: BTreeSet<String> =
        everywhere.into_iter().chain(tables.iter().flat_map(|(_, now)| rows(&now.item))).collect();
    for (old, new) in pairs.chain(tables.iter().map(|(was, now)| (was, now))) {
        let (had, has) = (rows(&old.item), rows(&new.item));
        if has.len() >= had.len() {
            continue;
        }
        let subjects = asserted(&old.item);
        let kept = |row: &str| {
            everywhere.contains(row)
                || gone.is_in(row)
                || fresh.iter().any(|fresh| *fresh.item != new.item && fresh.has_values(row, &subjects))
        };
        let there: HashSet<&String> = has.iter().collect();
        let Some(first) = had.iter().find(|row| !there.contains(row) && !kept(row)) else { continue };
        signs.push(Sign {
            check: CHECK,
            path: new.path.clone(),
            line: Some(new.item.line),
            test: Some(new.item.name.clone()),
            what: format!(
                "{} runs through {} rows, {} before: {} is gone",
                new.item.name,
                has.len(),
                had.len(),
                quoted(first)
            ),
            holds: true,
        });
    }
    signs
}

/// What stands outside of the tests of a file that is there still, before and now: tables that they share.
fn tables(file: &Changed) -> Option<(Placed, Placed)> {
    let of = |text: &str| {
        let tests = items::items(&file.path, text);
        let above = |item: &Item| u32::try_from(item.head.len()).unwrap_or(1).saturating_sub(1);
        let spans: Vec<_> =
            tests.iter().map(|item| item.line.saturating_sub(above(item))..=item.end).collect();
        let outside = (1_u32..)
            .zip(text.lines())
            .filter(|(n, _)| !spans.iter().any(|span| span.contains(n)))
            .map(|(_, line)| line.trim().to_owned())
            .collect();
        let item = Item { name: "a table of the file".into(), line: 1, end: 1, head: vec![], body: outside };
        (!tests.is_empty()).then(|| Placed { path: file.path.clone(), item })
    };
    is_test_code(&file.path).then_some(())?;
    Some((of(file.before.as_deref()?)?, of(file.after.as_deref()?)?))
}

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

pub(super) fn values(text: &str) -> impl Iterator<Item = &str> {
    LITERAL.find_iter(text).map(|m| m.as_str())
}

/// What the assertions of a test are about.
pub(super) fn asserted(item: &Item) -> BTreeSet<&str> {
    item.body.iter().filter(|line| is_assertion(line, false)).flat_map(|line| subject(line)).collect()
}

/// What begins a table, or is one on its line.
static OPENS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\bparametri[sz]e\b | ^for\b | \bin\s+[\[(]\s*$ | \.each\s*\(? | \brange\b | \b(?:test_?)?(?i:cases?|table|rows|params|examples)\b\s*(?:=|:=|:) | \btests\s*:?= |
            @(?:CsvSource|ValueSource|MethodSource)\b",
    )
});
/// A row on a line of its own.
static ROW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r#"^(?:pytest\.param|vec!)?(?:["'][^"']*["']\s*(?::|=>)\s*)?(?:[(\[{].*[)\]}]|"[^"]*")\s*,?$"#)
});
/// A row as an attribute of the test.
static ATTRIBUTE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:#\[(?:case|test_case)\b|\[(?:InlineData|TestCase|DataRow)\()"));
static INNERMOST: LazyLock<Regex> = LazyLock::new(|| pattern(r"[(\[{][^()\[\]{}]*[)\]}]"));
static LITERAL: LazyLock<Regex> = LazyLock::new(|| pattern(r#""[^"]*"|'[^']*'|`[^`]*`|\b\d[\w.]*\b"#));

/// The rows of a test's tables, blanks left out.
pub(super) fn rows(item: &Item) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in item.head.iter().chain(&item.body) {
        let plain = line.trim();
        if ATTRIBUTE.is_match(plain) {
            found.push(folded(plain));
        } else if OPENS.is_match(plain) && (plain.starts_with("for ") || !is_assertion(plain, false)) {
            inside = true;
            found.extend(on_one_line(plain));
        } else if inside && ROW.is_match(plain) && LITERAL.is_match(plain) {
            found.push(folded(plain));
        } else {
            inside = inside && plain.starts_with(['"', '\'', '(', '[', '{']);
        }
    }
    counted(found)
}

/// `[(1, 2), (3, 4)]` has the rows `(1, 2)` and `(3, 4)`, `[1, 2]` the rows `1` and `2`.
fn on_one_line(line: &str) -> Vec<String> {
    let Some(table) = TABLE.find(line).map(|m| &line[m.end() - 1..]) else { return vec![] };
    let groups: Vec<_> =
        INNERMOST.find_iter(table).filter(|group| LITERAL.is_match(group.as_str())).collect();
    match groups[..] {
        [all] if all.start() == 0 => LITERAL.find_iter(table).map(|m| m.as_str().to_owned()).collect(),
        _ => groups.into_iter().map(|group| folded(group.as_str())).collect(),
    }
}

static TABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\(\[|, \[|\bin [\[(]|\(\{"));

fn folded(row: &str) -> String {
    row.trim_end_matches(',').split_whitespace().collect()
}

/// Equal rows told apart by their number.
fn counted(rows: Vec<String>) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let number = |row: String| {
        let n = seen.entry(row.clone()).or_default();
        *n += 1;
        if *n == 1 { row } else { format!("{row} #{n}") }
    };
    rows.into_iter().map(number).collect()
}

//! Rows of the tables in test code: lists of parameters, cases that a loop runs through, text blocks, attributes.
//!
//! Reads lines and brackets. A row may span lines; knows no verdict.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;

use super::items::{Item, outside_strings};
use super::patterns::is_assertion;
use crate::evidence::pattern;

/// The rows of a test's tables, blanks left out; equal ones are told apart by their number.
pub(super) fn rows(item: &Item) -> Vec<String> {
    let lines: Vec<&str> = item.head.iter().chain(&item.body).map(String::as_str).collect();
    let mut found = Vec::new();
    let mut table = Table::None;
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at].trim();
        let (whole, taken) = logical(&lines[at..], &table);
        if let Table::Text(mark) = table {
            table = if line.contains(mark) { Table::None } else { table };
            let row = line.split(mark).next().unwrap_or_default().trim();
            found.extend((!row.is_empty() && !row.starts_with('#')).then(|| folded(row)));
            at += 1;
        } else if ATTRIBUTE.is_match(line) {
            found.push(folded(&whole));
            at += taken;
        } else if opens(line, item) {
            let (first, open) = opened(line);
            found.extend(first);
            table = open;
            at += 1;
        } else if matches!(table, Table::Fields) {
            table = if line.starts_with("}{") { Table::Open } else { Table::Fields };
            at += 1;
        } else if matches!(table, Table::Awaited) && BARE.is_match(line) {
            table = Table::Open;
            at += 1;
        } else if matches!(table, Table::Awaited) && line.starts_with('[') {
            // The list begins on the line of its first row, or is there as a whole.
            let over = balance(line) <= 0;
            found.extend(on_one_line(&format!("({line}")));
            table = if over { Table::None } else { Table::Open };
            at += 1;
        } else if matches!(table, Table::Open) && ROW.is_match(&whole) && LITERAL.is_match(&whole) {
            found.push(folded(&whole));
            at += taken;
        } else {
            let goes_on = line.starts_with(['"', '\'', '(', '[', '{', '/']);
            table = if goes_on { table } else { Table::None };
            at += 1;
        }
    }
    counted(found)
}

/// The literals of a row.
pub(super) fn values(text: &str) -> impl Iterator<Item = &str> {
    LITERAL.find_iter(text).map(|m| m.as_str())
}

/// A row without its literals.
pub(super) fn without_values(row: &str) -> Cow<'_, str> {
    LITERAL.replace_all(row, "")
}

/// Where reading stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    None,
    /// Something that takes a table has begun; its list has not.
    Awaited,
    /// Among the fields of the rows' type, which Go writes before them.
    Fields,
    Open,
    /// In a text whose lines are rows, up to this mark.
    Text(&'static str),
}

fn opens(line: &str, item: &Item) -> bool {
    let named = !item.is_test() && CONSTANT.is_match(line);
    (named || OPENS.is_match(line)) && (line.starts_with("for ") || !is_assertion(line, false))
}

/// What a line that begins a table holds of it already, and how it goes on.
fn opened(line: &str) -> (Vec<String>, Table) {
    for mark in ["\"\"\"", "`"] {
        if line.matches(mark).count() % 2 == 1 {
            return (vec![], Table::Text(mark));
        }
    }
    if line.ends_with("struct {") {
        return (vec![], Table::Fields);
    }
    let here = on_one_line(line);
    let list = line.ends_with(['[', '{'])
        || line.ends_with("of(")
        || line.ends_with("= (")
        || line.ends_with("[]struct{")
        || !here.is_empty();
    (here, if list { Table::Open } else { Table::Awaited })
}

/// A line with those that follow it until its brackets are closed, and how many they are. Only rows are put together.
fn logical(lines: &[&str], table: &Table) -> (String, usize) {
    const LONGEST: usize = 60;
    let first = lines[0].trim();
    let row = matches!(table, Table::Open) && ROW_OPENS.is_match(first) || ATTRIBUTE.is_match(first);
    let mut depth = balance(first);
    if !row || depth <= 0 {
        return (first.to_owned(), 1);
    }
    let mut whole = first.to_owned();
    for (n, line) in lines.iter().enumerate().skip(1).take(LONGEST) {
        whole.push(' ');
        whole.push_str(line.trim());
        depth += balance(line);
        if depth <= 0 {
            return (whole.replace(", )", ")").replace(", ]", "]").replace(", }", "}"), n + 1);
        }
    }
    (first.to_owned(), 1)
}

fn balance(line: &str) -> i32 {
    let of = |c: char| match c {
        '(' | '[' | '{' => 1,
        ')' | ']' | '}' => -1,
        _ => 0,
    };
    outside_strings(line).into_iter().map(of).sum()
}

/// What begins a table, or is one on its line.
static OPENS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\bparametri[sz]e\b | ^for\b | \bin\s+[\[(]\s*$ | \.each\s*(?:[(`]|$) | \brange\b | \b(?:test_?)?(?i:(?-i:\w)*cases?|table|rows|params|examples)\b\s*(?:=|:=|:) | \btests\s*:?= |
            @(?:Csv\w*Source|ValueSource|MethodSource|EnumSource)\b | \bStream\.of\( | \b(?:List|Arrays)\.(?:of|asList)\(\s*$ | \bdata\w*\s*=\s*new\s",
    )
});
/// A list with a name of its own, outside of all tests.
static CONSTANT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:(?:export|const|let|var|static|private|final)\s+)*[A-Za-z_]\w*(?:\s*:[^=]*)?\s*:?=\s*(?:\[[^\]]*$|\[\]\w*\S*\{\s*$|[({]\s*$|\[.*\];?$)",
    )
});
/// The list of a table on a line of its own.
static BARE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\w+\s*=\s*)?[\[({]$"));
/// A row on a line of its own.
static ROW: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^(?:pytest\.param|vec!|(?:Arguments\.)?(?:of|arguments)|new Object\[\]\s*|\w*(?:Case|Row))?(?:["'][^"']*["']\s*(?::|=>)\s*)?(?:[(\[{].*[)\]}]|"[^"]*"|'[^']*'|-?\d[\w.]*)\s*[,;]?$"#,
    )
});
static ROW_OPENS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^(?:pytest\.param|vec!|(?:Arguments\.)?(?:of|arguments)|new Object\[\]\s*|\w*(?:Case|Row))?(?:["'][^"']*["']\s*(?::|=>)\s*)?[(\[{]"#,
    )
});
/// A row as an attribute of the test.
static ATTRIBUTE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:#\[(?:case|test_case)\b|\[(?:InlineData|TestCase|DataRow)\()"));
static INNERMOST: LazyLock<Regex> = LazyLock::new(|| pattern(r"[(\[{][^()\[\]{}]*[)\]}]"));
static LITERAL: LazyLock<Regex> = LazyLock::new(|| pattern(r#""[^"]*"|'[^']*'|`[^`]*`|\b\d[\w.]*\b"#));

/// `[(1, 2), (3, 4)]` has the rows `(1, 2)` and `(3, 4)`, `[1, 2]` the rows `1` and `2`.
fn on_one_line(line: &str) -> Vec<String> {
    let Some(table) = TABLE.find(line).map(|m| &line[m.end() - 1..]) else { return vec![] };
    let groups: Vec<_> =
        INNERMOST.find_iter(table).filter(|group| LITERAL.is_match(group.as_str())).collect();
    match groups[..] {
        [all] if all.start() == 0 => LITERAL.find_iter(all.as_str()).map(|m| m.as_str().to_owned()).collect(),
        _ => groups.into_iter().map(|group| folded(group.as_str())).collect(),
    }
}

static TABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\(\[|, \[|\bin [\[(]|\(\{|= \["));

fn folded(row: &str) -> String {
    row.trim_end_matches([',', ';']).split_whitespace().collect()
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

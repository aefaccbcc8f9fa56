//! What takes the place of the things that tests rest on: a framework's assertion under its own name, data with nothing left.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::items::Item;
use super::{Changed, Sign, added, items, quoted};
use crate::evidence::code::Language;
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

const CHECK: &str = "Weakened test";

pub(super) fn signs(changed: &[Changed]) -> Vec<Sign> {
    let mut signs = Vec::new();
    for file in changed {
        let Some(after) = &file.after else { continue };
        let mut see = |line, what| {
            signs.push(Sign { check: CHECK, path: file.path.clone(), line, test: None, what, holds: true });
        };
        if super::may_hold_tests(&file.path) {
            for item in doubled(file, after) {
                let what = format!("the test {} is there twice now, and only the last one runs", item.name);
                see(Some(item.line), what);
            }
            for (number, line) in added(file.before.as_deref(), after) {
                if shadows(file, line) {
                    let what = format!("{} takes the place of what the tests assert with", quoted(line));
                    see(Some(number), what);
                }
            }
        }
        if kind_of(&file.path) == FileKind::Test
            && !items::is_code(&file.path)
            && is_empty(after)
            && file.before.as_deref().is_some_and(|before| !is_empty(before))
        {
            see(Some(1), "nothing is left of this data of the tests".into());
        }
    }
    signs
}

/// Tests of Python that stood once in the file and stand there twice: the later one takes the place of the first.
fn doubled(file: &Changed, after: &str) -> Vec<Item> {
    let Some(before) = file.before.as_deref().filter(|_| file.path.ends_with(".py")) else { return vec![] };
    let had: BTreeSet<String> = items::items(&file.path, before).into_iter().map(|item| item.name).collect();
    let twice = |text: &str| {
        let mut seen = BTreeSet::new();
        let items = items::items(&file.path, text);
        items.into_iter().filter(move |item| !seen.insert(item.name.clone())).collect::<Vec<_>>()
    };
    let already: BTreeSet<String> = twice(before).into_iter().map(|item| item.name).collect();
    let mut now = twice(after);
    now.retain(|item| had.contains(&item.name) && !already.contains(&item.name));
    now
}

/// `assertEqual` and its kin, as unittest, JUnit and PHPUnit have them.
const KNOWN: &str = r"assert(?:Not)?(?:Equals?|True|False|Is|IsNone|IsNotNone|In|AlmostEquals?|Raises|RaisesRegex|Throws|Regex|Greater|GreaterEqual|Less|LessEqual|CountEqual|ListEqual|DictEqual|Same|Null|That|ArrayEquals|Contains)";

static METHOD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(&format!(r"\b(?:def|void|function|func|fun)\s+{KNOWN}\s*\(|^\s*{KNOWN}\s*=[^=]"))
});
static MACRO: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\bmacro_rules!\s*(?:debug_)?(?:assert|assert_eq|assert_ne|assert_matches|panic)\s*\{")
});
static PROGRAM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:function\s+)?(?:grep|egrep|test|diff|cmp|exit|\[)\s*\(\)|^\s*alias\s+(?:grep|egrep|test|diff|cmp|exit)=",
    )
});
/// A project may have a small framework of its own: only where the file used another one before.
static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:export\s+)?(?:async\s+)?(?:function\s+(expect|assert|test|it|describe)\s*\(|(?:(?:const|let|var)\s+)?(expect|assert|test|it|describe)\s*=\s*(?:async\s*)?(?:\(|function\b|\w+\s*=>))",
    )
});

/// Whether a new line of the file defines anew what a framework brings.
fn shadows(file: &Changed, line: &str) -> bool {
    match Language::of(&file.path) {
        Language::Rust => MACRO.is_match(line),
        Language::Shell => PROGRAM.is_match(line),
        Language::JavaScript => FUNCTION.captures(line).is_some_and(|c| {
            let name = c.iter().skip(1).flatten().next().map_or("", |m| m.as_str());
            let calls = |text: &str| text.contains(&format!("{name}("));
            file.before
                .as_deref()
                .is_some_and(|before| calls(before) && !before.lines().any(|line| FUNCTION.is_match(line)))
        }),
        _ => METHOD.is_match(line),
    }
}

fn is_empty(text: &str) -> bool {
    let left: String = text.split_whitespace().collect();
    matches!(left.as_str(), "" | "[]" | "{}" | "null" | "---" | "---[]" | "---{}")
}

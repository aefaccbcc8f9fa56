//! Functions of test code that assert for tests: the tests that call them are as strong as they are.
//!
//! Tells them by their definitions; what became of one is the rules' of tests.

use std::sync::LazyLock;

use regex::Regex;

use super::items::{self, Item};
use super::patterns::is_assertion;
use super::{Changed, Placed, is_test_code};
use crate::evidence::code::test_text::TestText;
use crate::evidence::pattern;

static DEFINED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:export\s+)?(?:pub(?:\([^)]*\))?\s+)?(?:async\s+)?(?:def|function|fn|func|fun)\s+(\w+)|^\s*(\w+)\s*\(\)\s*\{",
    )
});

/// Helpers that are there before and now: of each file, by name, the one from before and the one it became.
pub(super) fn pairs(changed: &[Changed]) -> Vec<(Placed, Placed)> {
    let mut pairs = Vec::new();
    for file in changed.iter().filter(|file| is_test_code(&file.path)) {
        let (Some(before), Some(after)) = (&file.before, &file.after) else { continue };
        let now = helpers(&file.path, after);
        let shell = items::is_shell(&file.path);
        for old in helpers(&file.path, before) {
            if !old.body.iter().any(|line| is_assertion(line, shell)) {
                continue;
            }
            if let Some(new) = now.iter().find(|new| new.name == old.name) {
                let placed = |item| Placed { path: file.path.clone(), item };
                pairs.push((placed(old), placed(new.clone())));
            }
        }
    }
    pairs
}

fn helpers(path: &str, text: &str) -> Vec<Item> {
    let tests = items::items(path, text);
    let read = TestText::new(path, text);
    let mut helpers: Vec<Item> = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let Some(name) = DEFINED.captures(line).and_then(|c| Some(c.get(1).or(c.get(2))?.as_str())) else {
            continue;
        };
        let of_test = tests.iter().any(|test| (test.line..=test.end).contains(&number));
        let title = format!("helper {name}");
        if of_test || helpers.iter().any(|helper| helper.name == title) {
            continue;
        }
        let Some(lines) = read.function(name).filter(|lines| lines.start == number) else {
            continue;
        };
        let end = lines.end.saturating_sub(1);
        let body = text.lines().skip(number as usize).take(end.saturating_sub(number) as usize);
        let (body, depths) = items::code(body, items::Depth::of(path));
        helpers.push(Item { name: title, line: number, end, head: vec![line.to_owned()], body, depths });
    }
    helpers
}

//! Whether the assertions that a test keeps are still reached: no return before them, no condition, empty loop or uncalled
//! function around them that was not there.

use std::collections::HashSet;

use super::items::Item;
use super::patterns::{self, is_assertion, is_constant};
use super::quoted;

/// How assertions of `old` that still stand in `new` are not reached any more.
pub(super) fn lack(old: &Item, new: &Item, shell: bool) -> Option<String> {
    let known: HashSet<&str> = old.body.iter().map(String::as_str).collect();
    let fresh = |line: &str| !known.contains(line);
    let asserts = |line: &str| is_assertion(line, shell) && !is_constant(line);
    let kept: Vec<usize> = (0..new.body.len())
        .filter(|at| known.contains(new.body[*at].as_str()) && asserts(&new.body[*at]))
        .collect();
    let last = *kept.last()?;
    let around = around(new);
    if let Some(left) = (0..last).find(|at| {
        let line = new.body[*at].as_str();
        fresh(line) && patterns::leaves(line, shell) && !is_own(new, *at, &around)
    }) {
        return Some(format!("can no longer fail: {}", quoted(&new.body[left])));
    }
    // A condition with another side asserts there too.
    let other_side = new.body.iter().any(|line| {
        fresh(line) && (line.starts_with("else") || line.starts_with("elif") || line.contains("} else"))
    });
    let cut = |at: usize| {
        let line = new.body[at].as_str();
        let uncalled = || {
            patterns::defined_function(line).is_some_and(|name| {
                let speaks = |other: &str| words(other).any(|word| word == name);
                !new.body.iter().enumerate().any(|(n, other)| n != at && speaks(other))
            })
        };
        if !fresh(line) {
            None
        } else if patterns::is_condition(line) && !other_side {
            Some("asserts under a condition only")
        } else if patterns::loops_over_nothing(line) {
            Some("asserts in a loop that never runs")
        } else if uncalled() {
            Some("asserts in a function that nothing calls")
        } else {
            None
        }
    };
    kept.into_iter().flat_map(|at| openers(&around, at)).find_map(|at| {
        let what = cut(at)?;
        Some(format!("{what}: {}", quoted(&new.body[at])))
    })
}

/// Whether a return at `at` is one after a report, or of a function within the test.
fn is_own(item: &Item, at: usize, around: &[Option<usize>]) -> bool {
    let reported = at.checked_sub(1).is_some_and(|before| patterns::fails(&item.body[before]));
    reported || openers(around, at).any(|opener| patterns::begins_function(&item.body[opener]))
}

/// For each line of the body the one that opens its block.
fn around(item: &Item) -> Vec<Option<usize>> {
    let mut open: Vec<usize> = Vec::new();
    let mut around = Vec::with_capacity(item.body.len());
    for (at, depth) in item.depths.iter().enumerate() {
        while open.last().is_some_and(|last| item.depths[*last] >= *depth) {
            open.pop();
        }
        around.push(open.last().copied());
        open.push(at);
    }
    around
}

/// The lines that open the blocks in which a line stands, innermost first.
fn openers(around: &[Option<usize>], at: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(around.get(at).copied().flatten(), |at| around.get(*at).copied().flatten())
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !c.is_alphanumeric() && c != '_')
}

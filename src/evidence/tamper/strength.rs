//! Tests that stay but assert less: assertions gone, made constant, swallowed, never reached, or no longer comparing anything.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::gone::Gone;
use super::patterns::{self, is_assertion, is_constant, swallows};
use super::reached;
use super::tables::values;
use super::vanished::Table;
use super::{Changed, Placed, Sign, items, quoted};
use crate::evidence::code::test_text::TestText;
use crate::evidence::code::worth::Worth;

const CHECK: &str = "Weakened test";

pub(super) fn signs(
    changed: &[Changed],
    before: &[Placed],
    after: &[Placed],
    pairs: &[Option<usize>],
    gone: &Gone,
) -> Vec<Sign> {
    let everywhere: BTreeSet<&str> =
        after.iter().flat_map(|placed| placed.item.body.iter().map(String::as_str)).collect();
    let helpers = helpers(changed);
    let worthless = worthless(changed);
    let mut signs = Vec::new();
    for (old, new) in before.iter().zip(pairs).filter_map(|(old, pair)| Some((old, &after[(*pair)?]))) {
        let pair = Pair { old, new, everywhere: &everywhere, gone, helpers: &helpers, worthless: &worthless };
        if let Some(what) = pair.weaker() {
            signs.push(Sign {
                check: CHECK,
                path: new.path.clone(),
                line: Some(new.item.line),
                test: Some(new.item.name.clone()),
                what: format!("the test {} {what}", new.item.name),
                holds: true,
            });
        }
    }
    signs
}

/// Lines of the functions that test code has now, by name.
type Helpers<'a> = HashMap<&'a str, Vec<&'a str>>;

/// Lines of a helper that are looked at.
const LONGEST: usize = 40;

fn helpers(changed: &[Changed]) -> Helpers<'_> {
    let mut helpers = Helpers::new();
    let texts = changed.iter().filter(|file| super::may_hold_tests(&file.path));
    for text in texts.filter_map(|file| file.after.as_deref()) {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (at, line) in lines.iter().enumerate() {
            if let Some(name) = patterns::defines(line) {
                let body = lines[at + 1..].iter().take_while(|line| !patterns::begins_another(line));
                helpers.entry(name).or_insert_with(|| body.take(LONGEST).copied().collect());
            }
        }
    }
    helpers
}

/// Path and line of each assertion of the test files that cannot fail, or not be seen to.
fn worthless(changed: &[Changed]) -> HashSet<(&str, String)> {
    let mut worthless = HashSet::new();
    for file in changed.iter().filter(|file| super::may_hold_tests(&file.path) && file.before.is_some()) {
        let Some(after) = &file.after else { continue };
        // In a shell a line means what the lines before it made of it.
        if items::is_shell(&file.path) {
            continue;
        }
        let said = TestText::new(&file.path, after).assertions().into_iter();
        worthless.extend(said.filter(|a| a.worth != Worth::Computed).map(|a| (file.path.as_str(), a.text)));
    }
    worthless
}

struct Pair<'a> {
    old: &'a Placed,
    new: &'a Placed,
    /// Lines of all tests now.
    everywhere: &'a BTreeSet<&'a str>,
    gone: &'a Gone,
    helpers: &'a Helpers<'a>,
    /// Lines of test files now that assert nothing which can fail.
    worthless: &'a HashSet<(&'a str, String)>,
}

impl Pair<'_> {
    fn weaker(&self) -> Option<String> {
        let shell = items::is_shell(&self.new.path);
        let (old, new) = (&self.old.item.body, &self.new.item.body);
        if (old == new && self.old.item.depths == self.new.item.depths)
            || new.iter().all(|line| patterns::does_nothing(line))
        {
            return None;
        }
        let known: HashSet<&String> = old.iter().collect();
        let fresh: Vec<&String> = new.iter().filter(|line| !known.contains(line)).collect();
        if let Some(line) = self.swallowing(&fresh, shell) {
            return Some(format!("can no longer fail: {}", quoted(&line)));
        }
        if let Some(what) = reached::lack(&self.old.item, &self.new.item, shell) {
            return Some(what);
        }
        let won = fresh.iter().filter(|line| is_assertion(line, shell) && !self.cannot_fail(line));
        let won: Vec<&String> = won.copied().collect();
        let lost = self.lost(shell, &won, &fresh);
        let lost_one = lost.first()?;
        if let Some(constant) = fresh.iter().find(|line| self.cannot_fail(line)) {
            return Some(format!(
                "asserts a constant, {}, instead of {}",
                quoted(constant),
                quoted(lost_one)
            ));
        }
        if won.len() < lost.len() {
            return Some(format!("asserts less than before: {} is gone", quoted(lost_one)));
        }
        less_exact(&lost, &won)
    }

    fn cannot_fail(&self, line: &str) -> bool {
        is_constant(line) || self.worthless.contains(&(self.new.path.as_str(), line.to_owned()))
    }

    /// Assertions of before that nothing stands for now.
    fn lost(&self, shell: bool, won: &[&String], fresh: &[&String]) -> Vec<&String> {
        let table = Table::of(&self.new.item);
        let in_rows = |line: &str| table.as_ref().is_some_and(|table| table.has_row_for(line));
        let asserted = |line: &&String| is_assertion(line, shell) && !is_constant(line);
        let lost = self.old.item.body.iter().filter(asserted);
        lost.filter(|line| !self.everywhere.contains(line.as_str()) && !self.gone.is_in(line))
            .filter(|line| {
                !in_rows(line) && !is_part_of_another(line, won) && !self.is_in_helper(line, fresh)
            })
            .collect()
    }

    /// A new line that keeps a failure from being seen.
    fn swallowing(&self, fresh: &[&String], shell: bool) -> Option<String> {
        let body = &self.new.item.body;
        let seen = |line: &str| {
            let at = body.iter().position(|l| l == line).unwrap_or(0);
            let next = body[at + 1..].first();
            line.trim_end().ends_with([':', '{'])
                && next.is_some_and(|next| patterns::fails(next) && !is_constant(next))
        };
        let unseen = |line: &str| {
            swallows(line) && !(shell && patterns::cleans_up(line)) && !seen(line)
                || patterns::is_not_awaited(line)
                || patterns::is_guarded(line)
        };
        fresh.iter().find(|line| unseen(line)).map(|line| (*line).clone())
    }

    /// Whether a function of the tests, called in a new line with the values of `lost`, asserts what that did.
    fn is_in_helper(&self, lost: &str, fresh: &[&String]) -> bool {
        let wanted: Vec<&str> = values(lost).collect();
        let asserts = |line: &str| {
            is_assertion(line, true)
                && !is_constant(line)
                && !patterns::compares_with_itself(line)
                && patterns::compares(line) >= patterns::compares(lost)
                && patterns::is_exact(line) >= patterns::is_exact(lost)
        };
        fresh.iter().any(|call| {
            patterns::called(call).filter_map(|name| self.helpers.get(name)).any(|helper| {
                let said: HashSet<&str> =
                    helper.iter().flat_map(|line| values(line)).chain(values(call)).collect();
                !helper.iter().any(|line| swallows(line))
                    && helper.iter().any(|line| asserts(line))
                    && wanted.iter().all(|value| said.contains(value))
            })
        })
    }
}

/// Whether one of the new assertions compares exactly what `lost` did, among other things: `p.x == 1` in `p == P(x=1, y=2)`.
fn is_part_of_another(lost: &str, won: &[&String]) -> bool {
    let (wanted, about): (Vec<&str>, _) = (values(lost).collect(), patterns::subject(lost));
    let holds = |now: &&&String| {
        let said: HashSet<&str> = values(now).collect();
        wanted.len() < said.len()
            && wanted.iter().all(|value| said.contains(value))
            && patterns::is_exact(now)
            && patterns::is_tolerant(now) <= patterns::is_tolerant(lost)
            && !patterns::compares_with_itself(now)
            && !about.is_disjoint(&patterns::subject(now))
    };
    !wanted.is_empty() && won.iter().any(|now| holds(&now))
}

/// How the assertions `won` compare less than those `lost`.
fn less_exact(lost: &[&String], won: &[&String]) -> Option<String> {
    let about = |line: &str, now: &str| !patterns::subject(line).is_disjoint(&patterns::subject(now));
    let strict = |now: &str| lost.iter().find(|line| !patterns::is_wild(line) && about(line, now));
    let wild = won.iter().filter(|now| patterns::is_wild(now));
    if let Some((line, now)) = wild.filter_map(|now| Some((strict(now)?, now))).next() {
        return Some(format!("takes anything now: {} became {}", quoted(line), quoted(now)));
    }
    let compares = |lines: &[&String]| lines.iter().filter(|line| patterns::compares(line)).count();
    let vague = lost.iter().find(|line| patterns::compares(line) && !patterns::compares_a_flag(line))?;
    if compares(won) < compares(lost) {
        return Some(format!("compares less than before: {} is gone", quoted(vague)));
    }
    let loosened = lost.iter().filter(|line| patterns::is_exact(line) && !patterns::compares_a_flag(line));
    let became = |line: &str| {
        let same = || won.iter().filter(|now| patterns::subject(now) == patterns::subject(line));
        let as_exact = |now: &str| {
            patterns::is_exact(now)
                && patterns::is_tolerant(now) <= patterns::is_tolerant(line)
                && patterns::measures(now) <= patterns::measures(line)
        };
        let exact = same().any(|now| as_exact(now) || patterns::is_partly_exact(now));
        same().next().filter(|_| !exact).map(|now| now.as_str())
    };
    loosened.map(|line| (line, became(line))).find_map(|(line, now)| {
        Some(format!("expects less exactly than before: {} became {}", quoted(line), quoted(now?)))
    })
}

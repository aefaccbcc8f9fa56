//! Tests that stay but assert less: assertions gone, made constant, swallowed, or no longer comparing anything.

use std::collections::BTreeSet;

use super::gone::Gone;
use super::patterns::{self, is_assertion, is_constant, swallows};
use super::{Changed, Placed, Sign, items, quoted};

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
    let mut signs = Vec::new();
    for (old, new) in before.iter().zip(pairs).filter_map(|(old, pair)| Some((old, &after[(*pair)?]))) {
        let pair = Pair { old, new, everywhere: &everywhere, gone, changed };
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

struct Pair<'a> {
    old: &'a Placed,
    new: &'a Placed,
    /// Lines of all tests now.
    everywhere: &'a BTreeSet<&'a str>,
    gone: &'a Gone,
    changed: &'a [Changed],
}

impl Pair<'_> {
    fn weaker(&self) -> Option<String> {
        let shell = items::is_shell(&self.new.path);
        let (old, new) = (&self.old.item.body, &self.new.item.body);
        if old == new || new.iter().all(|line| patterns::does_nothing(line)) {
            return None;
        }
        let fresh: Vec<&String> = new.iter().filter(|line| !old.contains(line)).collect();
        if let Some(line) = self.swallowing(&fresh, shell) {
            return Some(format!("can no longer fail: {}", quoted(&line)));
        }
        if let Some(line) = self.passed_over(&fresh, shell) {
            return Some(format!("asserts under a condition only: {}", quoted(&line)));
        }
        let lost: Vec<&String> = old
            .iter()
            .filter(|line| is_assertion(line, shell) && !is_constant(line))
            .filter(|line| !self.everywhere.contains(line.as_str()) && !self.gone.is_in(line))
            .collect();
        let lost_one = lost.first()?;
        let won: Vec<&&String> =
            fresh.iter().filter(|line| is_assertion(line, shell) && !is_constant(line)).collect();
        if let Some(constant) = fresh.iter().find(|line| is_constant(line)) {
            return Some(format!(
                "asserts a constant, {}, instead of {}",
                quoted(constant),
                quoted(lost_one)
            ));
        }
        if self.asserts_elsewhere(&won) {
            return None;
        }
        if won.len() < lost.len() {
            return Some(format!("asserts less than before: {} is gone", quoted(lost_one)));
        }
        let compares = |lines: &[&String]| lines.iter().filter(|line| patterns::compares(line)).count();
        let won: Vec<&String> = won.into_iter().copied().collect();
        let vague = lost.iter().find(|line| patterns::compares(line) && !patterns::compares_a_flag(line))?;
        if compares(&won) < compares(&lost) {
            return Some(format!("compares less than before: {} is gone", quoted(vague)));
        }
        let loosened =
            lost.iter().filter(|line| patterns::is_exact(line) && !patterns::compares_a_flag(line));
        let became = |line: &str| {
            let same = || won.iter().filter(|now| patterns::subject(now) == patterns::subject(line));
            let as_exact = |now: &str| {
                patterns::is_exact(now)
                    && !(patterns::is_tolerant(now) && !patterns::is_tolerant(line))
                    && !(patterns::measures(now) && !patterns::measures(line))
            };
            let exact = same().any(|now| as_exact(now) || patterns::is_partly_exact(now));
            same().next().filter(|_| !exact).map(|now| now.as_str())
        };
        loosened.map(|line| (line, became(line))).find_map(|(line, now)| {
            Some(format!("expects less exactly than before: {} became {}", quoted(line), quoted(now?)))
        })
    }

    /// A new line that keeps a failure from being seen.
    fn swallowing(&self, fresh: &[&'_ String], shell: bool) -> Option<String> {
        let body = &self.new.item.body;
        let seen = |line: &str| {
            let at = body.iter().position(|l| l == line).unwrap_or(0);
            line.trim_end().ends_with(':') && body[at + 1..].first().is_some_and(|next| patterns::fails(next))
        };
        fresh
            .iter()
            .find(|line| swallows(line) && !(shell && patterns::cleans_up(line)) && !seen(line))
            .map(|line| (*line).clone())
    }

    /// A new condition right above an assertion that stood under none, and that has no other side.
    fn passed_over(&self, fresh: &[&'_ String], shell: bool) -> Option<String> {
        let asserted = |line: &&String| is_assertion(line, shell) && !is_constant(line);
        let (old, new) = (&self.old.item.body, &self.new.item.body);
        let other_side = fresh
            .iter()
            .any(|line| line.starts_with("else") || line.starts_with("elif") || line.contains("} else"));
        let condition = |line: &str| line.starts_with("if ") || line.starts_with("if(");
        let mut pairs = new.windows(2).filter(|pair| condition(&pair[0]) && fresh.contains(&&pair[0]));
        pairs
            .find(|pair| !other_side && old.contains(&pair[1]) && asserted(&&pair[1]))
            .map(|pair| pair[0].clone())
    }

    /// Whether the assertions moved into a helper of the tests that has assertions of its own.
    fn asserts_elsewhere(&self, won: &[&&String]) -> bool {
        let helpers = won.iter().flat_map(|line| patterns::called_checks(line));
        let texts = || self.changed.iter().filter_map(|file| file.after.as_deref());
        helpers.into_iter().any(|helper| {
            texts().any(|text| {
                let lines = || {
                    let from = text.lines().skip_while(|line| !patterns::defines(line, &helper)).skip(1);
                    from.take_while(|line| !patterns::begins_another(line)).take(40)
                };
                let hidden = lines().any(swallows);
                !hidden && lines().any(|line| is_assertion(line, true) && !is_constant(line.trim()))
            })
        })
    }
}

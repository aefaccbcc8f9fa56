//! Finds secrets by the rules: keywords say where to look, a rule's expression what stands there, entropy and allow
//! lists what of it is none.

use std::ops::Range;

use super::place::Lines;
use super::rules::{Candidate, Rule, Rules, rules};
use super::{Hit, Kind, entropy};

/// Bytes before a keyword that its match may begin with: the longest variable name that the rules take.
const BEFORE: usize = 256;
/// Bytes after a keyword that its match may reach; the longest private key in use fits.
const AFTER: usize = 16 * 1024;
/// Entropy in bits a byte below which a value that only its surroundings make suspect is none, where the rule itself
/// says nothing: `[a-z0-9]{15}` after a company's name is a word more often than not.
const FLOOR: f64 = 3.0;

/// Finds of the rules whose kind is `wanted`, ordered, without overlaps: of two finds in one place the surer one
/// stays, and of equals the first.
pub(super) fn find(path: &str, text: &[u8], wanted: impl Fn(Kind) -> bool) -> Vec<Hit> {
    let set = rules();
    let mut hits = by_path(set, path, &wanted);
    let places = places(set, text, &wanted);
    if places.is_empty() {
        return hits;
    }
    let mut lines = None;
    // Nothing generic is looked for in what the global list names: lockfiles, images, vendored code. A provider's key
    // stays one there too.
    let spared = set.allow.paths.iter().any(|p| p.is_match(path.as_bytes()));
    for (index, windows) in places.iter().enumerate().filter(|(_, windows)| !windows.is_empty()) {
        let rule = &set.rules[index];
        if spared && rule.kind == Kind::Generic {
            continue;
        }
        if !rule.path.is_empty() && !rule.path.is_match(path.as_bytes()) {
            continue;
        }
        for window in windows {
            matches(rule, text, window, |matched, secret| {
                let lines = lines.get_or_insert_with(|| Lines::of(text));
                hits.extend(judged(set, rule, path, text, lines, matched, secret));
            });
        }
    }
    without_overlaps(hits)
}

/// Rules that look at the path alone.
fn by_path(set: &'static Rules, path: &str, wanted: &impl Fn(Kind) -> bool) -> Vec<Hit> {
    let named =
        |rule: &&Rule| rule.regex.is_empty() && wanted(rule.kind) && rule.path.is_match(path.as_bytes());
    let hit = |rule: &'static Rule| Hit {
        rule: &rule.id,
        description: &rule.description,
        kind: rule.kind,
        line: 1,
        columns: (1, 1),
        span: 0..0,
        context: 0..0,
    };
    set.rules.iter().filter(named).map(hit).collect()
}

/// For every rule the parts of `text` around its keywords, merged where they meet; nothing at all where there is no
/// keyword, as in nearly every text.
fn places(set: &Rules, text: &[u8], wanted: &impl Fn(Kind) -> bool) -> Vec<Vec<Range<usize>>> {
    let mut places: Vec<Vec<Range<usize>>> = Vec::new();
    for found in set.keywords.find_overlapping_iter(text) {
        for &index in &set.called[found.pattern().as_usize()] {
            if !wanted(set.rules[index].kind) {
                continue;
            }
            let window = found.start().saturating_sub(BEFORE)..(found.end() + AFTER).min(text.len());
            places.resize_with(set.rules.len(), Vec::new);
            match places[index].last_mut() {
                Some(last) if window.start <= last.end => last.end = window.end,
                _ => places[index].push(window),
            }
        }
    }
    places
}

/// Calls `each` with the whole match and the value's place, for every match of the rule in the window.
fn matches(
    rule: &Rule,
    text: &[u8],
    window: &Range<usize>,
    mut each: impl FnMut(Range<usize>, Range<usize>),
) {
    let Some(regex) = rule.regex.regex() else { return };
    let mut part = &text[window.clone()];
    let mut at = 0;
    while let Some(found) = regex.find_at(part, at) {
        if found.end() == part.len() && window.end < text.len() && part.len() < text.len() - window.start {
            // The window cut it off: its end was taken for the text's.
            part = &text[window.start..];
            continue;
        }
        let Some(captures) = regex.captures_at(part, found.start()) else { break };
        let value = match rule.secret_group {
            Some(group) => captures.get(group),
            None => captures.iter().skip(1).flatten().find(|group| !group.is_empty()),
        };
        let value = value.map_or(found.range(), |value| value.range());
        let shift = |range: Range<usize>| window.start + range.start..window.start + range.end;
        each(shift(found.range()), shift(value));
        at = found.end().max(at + 1);
        if at > part.len() || window.start + at >= window.end {
            break;
        }
    }
}

fn judged(
    set: &'static Rules,
    rule: &'static Rule,
    path: &str,
    text: &[u8],
    lines: &Lines<'_>,
    matched: Range<usize>,
    secret: Range<usize>,
) -> Option<Hit> {
    let least = rule.entropy.or((rule.kind == Kind::Generic).then_some(FLOOR));
    if least.is_some_and(|least| entropy::shannon(&text[secret.clone()]) <= least) {
        return None;
    }
    let candidate = Candidate {
        // The global list's paths were looked at before.
        path: "",
        secret: &text[secret.clone()],
        matched: text[matched.clone()].trim_ascii(),
        line: lines.around(matched.start, matched.end),
    };
    if set.allow.allows(&candidate) {
        return None;
    }
    let candidate = Candidate { path, ..candidate };
    if rule.allowlists.iter().any(|list| list.allows(&candidate)) {
        return None;
    }
    Some(Hit {
        rule: &rule.id,
        description: &rule.description,
        kind: rule.kind,
        line: lines.number(secret.start),
        columns: lines.columns(secret.start, secret.end),
        span: secret,
        context: matched,
    })
}

fn without_overlaps(mut hits: Vec<Hit>) -> Vec<Hit> {
    hits.sort_by_key(|hit| (std::cmp::Reverse(hit.kind), hit.span.start, std::cmp::Reverse(hit.span.end)));
    let mut kept: Vec<Hit> = Vec::with_capacity(hits.len());
    let mut taken: std::collections::BTreeMap<usize, usize> = std::collections::BTreeMap::new();
    for hit in hits {
        let overlaps = taken
            .range(..hit.span.end.max(hit.span.start + 1))
            .next_back()
            .is_some_and(|(_, end)| *end > hit.span.start);
        if !overlaps {
            taken.insert(hit.span.start, hit.span.end);
            kept.push(hit);
        }
    }
    kept.sort_by_key(|hit| hit.span.start);
    kept
}

//! Which criteria make a day a clearance day by their words alone. Knows one sentence at a time.

/// Whether a criterion asks for the advisory backlog to be resolved.
///
/// Careful by intent: a plan can always say `clearance: true`, while a product that has advisories, backlogs or
/// resolving of its own must not become a clearance day by accident. So a criterion needs the backlog's
/// advisories as its subject, a word for settling them, and nothing that describes product behaviour.
pub(super) fn speaks_of_it(criterion: &str) -> bool {
    let lower = criterion.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let settles = words.iter().any(|w| SETTLING.contains(w));
    let product =
        lower.split_whitespace().any(looks_like_a_path) || words.iter().any(|w| PRODUCT.contains(w));
    settles && !product && names_open_advisories(&words)
}

const SETTLING: [&str; 27] = [
    "resolve",
    "resolved",
    "resolves",
    "resolving",
    "clear",
    "cleared",
    "clears",
    "clearing",
    "clearance",
    "close",
    "closed",
    "closes",
    "address",
    "addressed",
    "addresses",
    "settle",
    "settled",
    "answer",
    "answered",
    "empty",
    "emptied",
    "no",
    "zero",
    "dispositioned",
    "triaged",
    "mitigated",
    "fixed",
];

/// Words of product behaviour, and of a criterion that asks for the opposite.
const PRODUCT: [&str; 29] = [
    "return",
    "returns",
    "returned",
    "endpoint",
    "endpoints",
    "api",
    "route",
    "page",
    "ui",
    "screen",
    "button",
    "form",
    "list",
    "lists",
    "display",
    "displays",
    "show",
    "shows",
    "shown",
    "render",
    "renders",
    "response",
    "request",
    "json",
    "user",
    "users",
    "table",
    "not",
    "never",
];

/// Words that make advisories those that are left from earlier days.
const OPEN: [&str; 14] = [
    "all",
    "any",
    "each",
    "every",
    "no",
    "zero",
    "open",
    "outstanding",
    "remaining",
    "pending",
    "accumulated",
    "unresolved",
    "prior",
    "previous",
];

fn names_open_advisories(words: &[&str]) -> bool {
    let backlog = words.contains(&"backlog");
    words.iter().enumerate().any(|(i, word)| {
        let plural = *word == "advisories";
        if !plural && *word != "advisory" {
            return false;
        }
        // "all open SENTINEL and CONDUIT advisories": the quantifier stands a few words before.
        let before = &words[i.saturating_sub(5)..i];
        let counted = before.iter().any(|w| OPEN.contains(w));
        let single = before.iter().any(|w| ["each", "every", "any"].contains(w));
        let dated =
            words.get(i + 1) == Some(&"from") && words.get(i + 2).is_some_and(|w| w.starts_with("day"));
        backlog || (plural && (counted || dated)) || single
    })
}

/// `/advisories`, `src/backlog.rs`; but not `and/or`, which two plain words make.
fn looks_like_a_path(word: &str) -> bool {
    word.starts_with('/') || (word.contains('/') && word.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        for (criterion, expected) in [
            ("All open advisories in the backlog are resolved", true),
            ("advisory backlog cleared", true),
            ("Advisory backlog is empty", true),
            ("Clear the advisory backlog", true),
            ("The open advisory backlog is resolved or escalated", true),
            ("Resolve all SENTINEL and CONDUIT advisories", true),
            ("No open advisories remain", true),
            ("Zero unresolved advisories", true),
            ("Every open advisory is closed with evidence", true),
            ("All advisories closed", true),
            ("Advisories from days 1-2 are resolved", true),
            ("ALL OUTSTANDING ADVISORIES ADDRESSED", true),
            ("Backlog advisories are fixed and/or answered", true),
            ("Backlog endpoint returns 200", false),
            ("Backlog is cleared", false),
            ("The backlog is empty after the worker ran", false),
            ("GET /advisories returns all open advisories with resolved=false", false),
            ("Advisory banner is closed by Escape", false),
            ("The advisory page lists all open advisories and resolved ones", false),
            ("Users can close every advisory", false),
            ("src/advisory/backlog.rs resolves all advisories lazily", false),
            ("Issue backlog resolved", false),
            ("All conflicts are resolved", false),
            ("Advisory locks are cleared on disconnect", false),
            ("The advisory backlog is not cleared today", false),
            ("Security advisories are documented", false),
            ("The advisory backlog is documented", false),
            ("", false),
        ] {
            assert_eq!(speaks_of_it(criterion), expected, "{criterion:?}");
        }
    }
}

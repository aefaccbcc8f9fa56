//! What an assertion is worth: whether it looks at something computed, and whether its failure would be seen.

use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::Language;
use super::computed::{Context, computed};
use super::test_text::Statement;

/// What an assertion is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Worth {
    /// It looks at something computed.
    Computed,
    /// It cannot fail: constants, a value compared with itself, the mere presence of an import.
    Constant,
    /// Its failure is caught and thrown away.
    Swallowed,
}

/// What `statement` is worth.
pub(super) fn of(context: &Context<'_>, statement: &Statement) -> Worth {
    let test = context.test;
    if context.swallows(statement.start) {
        return Worth::Swallowed;
    }
    if can_fail(context, statement, &test.masked) { Worth::Computed } else { Worth::Constant }
}

fn can_fail<'a>(context: &Context<'a>, statement: &Statement, masked: &'a str) -> bool {
    let word = statement.word.as_str();
    if RAISES.is_match(word) {
        return true;
    }
    let text = |&(from, to): &(usize, usize)| context.test.text[from..to].trim();
    let whole = &masked[statement.start..statement.end];
    if ALWAYS.is_match(whole) {
        return false;
    }
    if context.test.language == Language::Shell {
        return shell(context, word, &context.test.text[statement.start..statement.end], whole);
    }
    // What equals everything.
    if statement.parts.len() > 1 && statement.parts.iter().any(|part| ANYTHING.is_match(text(part))) {
        return false;
    }
    // `assertEqual(x, x)`, `expect(x).toBe(x)`, and a helper that hands on to the same call.
    if let [first, second, ..] = &statement.parts[..]
        && context.test.behind(text(first)) == context.test.behind(text(second))
    {
        return false;
    }
    // What follows the condition of a bare assert is its message.
    let looked_at = if word == "assert" || word.starts_with("assert!") { 1 } else { statement.parts.len() };
    let parts = &statement.parts[..looked_at.min(statement.parts.len())];
    // A method of a name: `mock.assert_called_with(…)`.
    if parts.is_empty() {
        return word.contains('.') || masked[..statement.start].ends_with('.');
    }
    let against_nothing = parts.len() > 1 && parts[1..].iter().any(|part| NOTHING.is_match(text(part)));
    let compared = (parts.len() > 1 && !against_nothing && !PRESENCE.is_match(word))
        || parts.iter().any(|part| COMPARED.is_match(&masked[part.0..part.1]));
    let chained = PRESENCE.is_match(whole);
    parts.iter().any(|part| {
        let shown = &masked[part.0..part.1];
        !same_sides(&context.test.text[part.0..part.1]) && computed(context, shown, compared && !chained)
    })
}

static RAISES: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)raises|throws?\b|throws|rejects|called|panics"));
static ALWAYS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\bor\s+(?:True|1)\b|\b(?:True|true)\s+or\b|\|\|\s*(?:true|1)\b|[(\s]true\s*\|\|")
});
static ANYTHING: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(?:(?:unittest\.)?mock\.)?ANY$|^(?:expect|jasmine)\.any(?:thing)?\(\s*\)$"));
static NOTHING: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:None|null|nil|undefined|NULL|nullptr)$"));
/// Assertions that an import alone satisfies.
static PRESENCE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)toBeDefined|toBeTruthy|not\.toBeNull|not\.toBeUndefined|isnotnone|notnull|assertTrue|^ok$|notnil|isDefined|toBeInstanceOf",
    )
});
static COMPARED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?:==|!=|<=|>=|[^-=]>|<[^<]|\bin\b|\beq\b)\s*(?:[^\sNnu]|N[^oU]|n[^uio]|u[^n]|None\w|null\w)")
});

/// `x == x`.
fn same_sides(text: &str) -> bool {
    SIDES.splitn(text.trim(), 2).map(str::trim).collect::<Vec<_>>().windows(2).any(|pair| pair[0] == pair[1])
}

static SIDES: LazyLock<Regex> = LazyLock::new(|| pattern(r"===|==|\bis\b"));

/// A shell's condition can fail if it looks at a command's output, a file, or a variable that is not a literal.
fn shell(context: &Context<'_>, word: &str, text: &str, masked: &str) -> bool {
    if !matches!(word, "[" | "[[" | "test") {
        let given = text.split_once(word).map_or("", |(_, given)| given);
        let constant = text.trim_start().starts_with("echo ") && !masked.contains('$');
        return word == "command" || !constant && !given.trim().is_empty();
    }
    if masked.contains("$(") || masked.contains('`') || ON_FILES.is_match(masked) {
        return true;
    }
    VARIABLE.captures_iter(masked).any(|c| {
        let name = c.get(1).map_or("", |m| m.as_str());
        let values = context.set.get(name);
        values.is_none_or(|values| values.iter().any(|value| value.contains(['$', '`'])))
    })
}

static ON_FILES: LazyLock<Regex> = LazyLock::new(|| pattern(r"\s-[edfrwxsL]\s"));
// A shell's names are ASCII.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{?([0-9A-Z_a-z]+|[?@*#])"));

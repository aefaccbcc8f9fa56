//! What differs from run to run without meaning anything, put into fixed words, so that artifacts can be compared.

use std::sync::LazyLock;

use regex::Regex;

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\b[0-9a-f]{40}\b", "<sha>"),
        (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", "<time>"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?\b( UTC)?", "<time>"),
        (r"/[^\s'\x22`]*/pace-it-[A-Za-z0-9]+", "<root>"),
        (r"127\.0\.0\.1:\d+", "<model>"),
        (r"\b\d+(\.\d+)? ?(ms|s)\b", "<duration>"),
    ]
    .into_iter()
    .map(|(pattern, word)| (Regex::new(pattern).unwrap(), word))
    .collect()
});

/// What a run that was stopped and gone on with may have otherwise: also what it cost and how often it asked.
static REPEATED: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z| UTC)?", "<time>"),
        (r"\b[0-9a-f]{7,40}\b", "<sha>"),
        (r"\$?\b\d+\.\d+x?\b ?(k|M|s|ms)?", "<amount>"),
        (r"\b\d+ model calls", "<amount> model calls"),
        (r"\| \d+ \| [\d.]+k? \| <amount>", "| <calls> | <tokens> | <amount>"),
        (r"127\.0\.0\.1:\d+", "<server>"),
    ]
    .into_iter()
    .map(|(pattern, word)| (Regex::new(pattern).unwrap(), word))
    .collect()
});

/// `text` without times, commits and amounts: a repeated call costs.
pub(crate) fn apart_from_cost(text: &str) -> String {
    fixed(&REPEATED, text)
}

/// `text` with the accidents of a run taken out.
pub(crate) fn normal(text: &str) -> String {
    fixed(&RULES, text)
}

fn fixed(rules: &[(Regex, &str)], text: &str) -> String {
    rules.iter().fold(text.to_owned(), |text, (pattern, word)| pattern.replace_all(&text, *word).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accidents_of_a_run_vanish() {
        let table = [
            ("commit: 8380205a8380205a8380205a8380205a8380205a", "commit: <sha>"),
            ("date: \"2026-03-13T04:12:33Z\"", "date: \"<time>\""),
            ("at 2026-03-13T04:12:33.123+02:00.", "at <time>."),
            ("in /tmp/pace-it-x7Yz/greeter/a.sh", "in <root>/greeter/a.sh"),
            ("http://127.0.0.1:40213/v1", "http://<model>/v1"),
            ("took 1.25s, then 40 ms", "took <duration>, then <duration>"),
            ("day 1 of 2, 3 tests", "day 1 of 2, 3 tests"),
        ];
        for (text, expected) in table {
            assert_eq!(normal(text), expected);
        }
    }
}

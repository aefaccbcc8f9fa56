//! Where a test stands in its file, by the name that its runner gave it; and code that ends the process.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::assertions::Assertion;
use super::test_text::TestText;
use super::worth::Worth;
use super::{Language, words};

/// Lines of the test `name`, half-open and counted from 1; `None` where it cannot be told.
pub(crate) fn of_test(test: &TestText<'_>, name: &str) -> Option<Range<u32>> {
    if test.language == Language::Shell {
        let title = name.trim();
        let whole = title.len() > 2 && test.text.contains(title);
        return whole.then(|| 1..test.line_of(test.text.len()) + 1);
    }
    let title = name.rsplit(" > ").next().unwrap_or(name).trim();
    titled(test, title).or_else(|| functions(test.language, name).find_map(|name| test.function(name)))
}

/// The functions that a test of this name may be, likeliest first. Words of a title are none, and neither are the
/// folders, modules and classes before the name: a fixture may be called like any of them.
fn functions(language: Language, name: &str) -> impl Iterator<Item = &str> {
    let titles = matches!(language, Language::JavaScript | Language::Ruby);
    let name = if language == Language::Go { name.rsplit('.').next().unwrap_or(name) } else { name };
    let name = if language == Language::Go { name.split('/').next().unwrap_or(name) } else { name };
    let bare = name.split(['[', '(']).next().filter(|bare| !bare.trim().is_empty()).unwrap_or(name);
    let own = if titles { bare.rsplit(" > ").next().unwrap_or(bare) } else { bare };
    let words = SPLIT.split(own).filter(|word| !word.is_empty()).collect::<Vec<_>>();
    let title = titles && words.len() > 1;
    let says_test = |word: &str| {
        let after = word.strip_prefix("test").or_else(|| word.strip_prefix("Test"));
        after.is_some_and(|after| after.starts_with(|c: char| c == '_' || c.is_uppercase()))
    };
    let likely = move |(at, word): &(usize, &str)| *at == 0 || says_test(word);
    words.into_iter().rev().enumerate().filter(move |word| !title && likely(word)).map(|(_, word)| word)
}

static SPLIT: LazyLock<Regex> = LazyLock::new(|| pattern(r"[^\w]+"));

/// The call that a title in quotes begins: `it("adds", …)`.
fn titled(test: &TestText<'_>, title: &str) -> Option<Range<u32>> {
    if title.len() < 3 {
        return None;
    }
    let quoted =
        ['"', '\'', '`'].iter().find_map(|quote| test.text.find(&format!("{quote}{title}{quote}")))?;
    let open = test.masked[..quoted].rfind('(')?;
    let end = test.closing(open)?;
    Some(test.line_of(open)..test.line_of(end) + 1)
}

/// Whether the test at `lines` asserts something computed, itself or through a function of its own file.
pub(crate) fn asserts(test: &TestText<'_>, all: &[Assertion], lines: &Range<u32>) -> bool {
    let within =
        |lines: &Range<u32>| all.iter().any(|a| lines.contains(&a.line) && a.worth == Worth::Computed);
    if within(lines) {
        return true;
    }
    let body = test.masked_lines(&(lines.start + 1..lines.end.max(lines.start + 1)));
    let above = lines.start.saturating_sub(1).max(1)..lines.start;
    if SHOULD_PANIC.is_match(test.masked_lines(&above)) {
        return true;
    }
    words(body).into_iter().any(|name| {
        test.function(name).is_some_and(|own| own != *lines && within(&own))
            && body.contains(&format!("{name}("))
    })
}

static SHOULD_PANIC: LazyLock<Regex> = LazyLock::new(|| pattern(r"should_panic|expected\s*="));

static QUITS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bos\._exit\s*\(|\b(?:sys\.exit|process\.exit|os\.Exit|System\.exit|Environment\.Exit|process\s*::\s*exit|Runtime\.getRuntime\(\)\.halt)\s*\(\s*0?\s*\)|\bprocess\.reallyExit\s*\(|\bos\.abort\s*\(|^\s*(?:quit|exit)\s*\(\s*0?\s*\)",
    )
});

static HERE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"<<-?\s*(?:["']?|\\)(\w+)["']?"#));

/// Lines of a shell's text that are handed to a command as they stand, counted from 0.
fn handed_on(text: &str) -> BTreeSet<usize> {
    let mut handed = BTreeSet::new();
    let mut until: Option<&str> = None;
    for (at, line) in text.lines().enumerate() {
        match until {
            Some(word) if line.trim() == word => until = None,
            Some(_) => drop(handed.insert(at)),
            None => until = HERE.captures(line).and_then(|c| Some(c.get(1)?.as_str())),
        }
    }
    // A text that never ends hands on nothing.
    if until.is_some() { BTreeSet::new() } else { handed }
}

/// Line of test code that ends the test process as if all were well, with what it says.
pub(crate) fn quits(test: &TestText<'_>) -> Option<(u32, String)> {
    let lines: Vec<&str> = test.masked.lines().collect();
    let at = if test.language == Language::Shell {
        // `exit 0` before the last line, on its own and in no block: what follows never runs.
        let last = lines.iter().rposition(|line| !line.trim().is_empty())?;
        let handed = handed_on(test.text);
        (0..last).find(|&at| matches!(lines[at], "exit 0" | "exit") && !handed.contains(&at))
    } else {
        lines
            .iter()
            .position(|line| QUITS.is_match(line) && !line.contains("def ") && !line.contains("__main__"))
    }?;
    let said = test.text.lines().nth(at).unwrap_or_default().trim().to_owned();
    Some((u32::try_from(at).unwrap_or(u32::MAX - 1) + 1, said))
}

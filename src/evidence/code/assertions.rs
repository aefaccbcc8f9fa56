//! The assertions of a test file: where they stand and what they say.

use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::computed::Context;
use super::test_text::{Statement, TestText, line_after, line_before};
use super::worth::Worth;
use super::{Language, worth};

/// An assertion of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assertion {
    /// Counted from 1.
    pub line: u32,
    /// The statement with its literals left out, so that a corrected expectation is still the same assertion.
    pub key: String,
    /// The line as it stands.
    pub text: String,
    pub worth: Worth,
}

impl TestText<'_> {
    /// All assertions, in order.
    pub(crate) fn assertions(&self) -> Vec<Assertion> {
        let context = Context::of(self);
        let found = statements(self);
        let said = found.into_iter().map(|statement| {
            let line = self.line_of(statement.start);
            let text = self.line(line).trim().to_owned();
            let worth = worth::of(&context, &statement);
            Assertion { line, key: key(&self.masked[statement.start..statement.end]), text, worth }
        });
        said.collect()
    }
}

static CALL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:(?:self|this|t|chai|Assert|Assertions|assert|require|expect|\$this)\s*(?:\.|->|::)\s*)?((?:pytest\.raises|assert|Assert|expect|EXPECT|ASSERT|XCTAssert|CHECK|REQUIRE|verify|should|prop_assert|debug_assert|insta::assert|must|ensure|check|validate)\w*(?:\.\w+)*!?)\s*\(|\b(?:assert|require|Assert|Assertions|t)\s*\.\s*(\w+)\s*\(",
    )
});
static BARE: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^[ \t]*(assert\w*|refute\w*)[ \t]+([^\n]*)"));
static RAISES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:throw\s+new|throw|raise|panic!\s*\(|fail\s*\(|process\.exit\s*\(\s*1|sys\.exit\s*\(\s*1)")
});
static SHELL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)(?:^|[;&|(`]|\bif\b|\bwhile\b|!|\bthen\b|\bdo\b)[ \t]*((?:\[\[?|test|grep|egrep|fgrep|diff|cmp|assert\w*|expect\w*|check\w*)[ \t][^\n]*)",
    )
});

fn statements(test: &TestText<'_>) -> Vec<Statement> {
    let mut found = match test.language {
        Language::Shell => shell(test),
        _ => calls(test),
    };
    if matches!(test.language, Language::Python | Language::Ruby | Language::Other) {
        let mut until = 0;
        found.extend(BARE.captures_iter(&test.masked).filter_map(|c| {
            let (word, rest) = (c.get(1)?, c.get(2)?);
            let called = rest.as_str().starts_with('(') && word.as_str() != "assert";
            // What stands in the brackets of another one is none of its own.
            if called || word.start() < until {
                return None;
            }
            let end = logical_end(&test.masked, rest.start());
            until = end;
            Some(Statement {
                start: word.start(),
                end,
                word: word.as_str().to_owned(),
                parts: parts(&test.masked, rest.start(), end),
            })
        }));
    }
    if matches!(test.language, Language::Go | Language::JavaScript | Language::Python | Language::Rust) {
        found.extend(conditions(test));
    }
    found.sort_by_key(|statement| statement.start);
    // `assert(x)` is both a call and a statement.
    found.dedup_by(|later, earlier| later.start < earlier.end);
    found
}

/// Assertions in the form of calls, with the calls chained to them.
fn calls(test: &TestText<'_>) -> Vec<Statement> {
    let masked = &test.masked;
    // Ends of the calls that the one looked at stands in or is chained to.
    let mut around: Vec<usize> = Vec::new();
    let of = |c: regex::Captures<'_>| {
        let whole = c.get(0)?;
        let word = c.get(1).or(c.get(2))?;
        let name = word.as_str();
        let go_report = test.language == Language::Go && GO_REPORTS.contains(&name);
        // Definitions of helpers, imports and Go's reporting calls are none.
        let line = line_before(masked, whole.start());
        if go_report || DEFINES.is_match(line) || NO_ASSERTIONS.contains(&name) {
            return None;
        }
        let open = whole.end() - 1;
        let mut end = test.closing(open)?;
        around.retain(|end| *end > open);
        if around.len() >= DEEPEST {
            return None;
        }
        let mut parts = parts(masked, open + 1, end);
        // `expect(a).not.toBe(b)`, `assertThat(a).isEqualTo(b)`, `expect(a).to eq(b)`
        while let Some(link) = CHAIN.find(line_after(masked, end + 1)).filter(|link| link.start() == 0) {
            let open = end + link.end();
            let Some(close) = test.closing(open) else { break };
            parts.extend(self::parts(masked, open + 1, close));
            end = close;
        }
        around.push(end);
        Some(Statement { start: whole.start(), end: end + 1, word: name.to_owned(), parts })
    };
    CALL.captures_iter(masked).filter_map(of).collect()
}

/// Calls within calls, and calls chained to calls, that are looked at.
const DEEPEST: usize = 32;

const GO_REPORTS: &[&str] = &[
    "Run", "Log", "Logf", "Error", "Errorf", "Fatal", "Fatalf", "Fail", "FailNow", "Helper", "Cleanup",
    "Parallel", "Skip", "Skipf", "SkipNow", "TempDir", "Setenv", "Name", "Context", "Chdir",
];
/// Methods of `t` and names like an assertion's that assert nothing.
const NO_ASSERTIONS: &[&str] =
    &["test", "plan", "end", "teardown", "check_output", "check_call", "after", "before"];
static DEFINES: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:def|fn|func|function|fun|import|from|use|void|macro_rules!)\s+\S*$"));
static CHAIN: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:\??\.\s*\w+\s*)*(?:\.\s*)?(?:to(?:_not)?\s+)?\w*!?\("));

/// What fails a test without an assertion's name: a report or a throw within a condition.
fn conditions(test: &TestText<'_>) -> Vec<Statement> {
    let masked = &test.masked;
    let go = |at: usize| {
        let word = masked[at..].trim_start_matches(|c: char| c.is_alphanumeric() || c == '_' || c == '.');
        word.starts_with('(')
    };
    let reports = GO_REPORT.find_iter(masked).filter(|m| test.language == Language::Go && go(m.start()));
    let throws = RAISES.find_iter(masked).filter(|_| test.language != Language::Go);
    // Every condition, with where its block or its line begins to end.
    let ends = |from: usize| masked[from..].find(['{', '\n']).map_or(masked.len(), |end| from + end);
    let conditions = CONDITION.find_iter(masked).map(|m| (m.start(), m.end()));
    let conditions: Vec<(usize, usize, usize)> =
        ends_once(conditions, ends).map(|((start, from), end)| (start, from, end)).collect();
    let of = |at: usize| {
        let before = conditions.partition_point(|(_, from, _)| *from <= at);
        let (start, from, end) = *conditions.get(before.checked_sub(1)?)?;
        // Only a condition just above is this report's.
        if test.line_of(at) - test.line_of(from) > 4 {
            return None;
        }
        let end = end.min(at);
        Some(Statement { start, end, word: "if".into(), parts: vec![(from, end)] })
    };
    reports.chain(throws).filter_map(|m| of(m.start())).collect()
}

/// Each place with the end that follows it, looked for only where the last one found lies behind.
fn ends_once(
    places: impl Iterator<Item = (usize, usize)>,
    find: impl Fn(usize) -> usize,
) -> impl Iterator<Item = ((usize, usize), usize)> {
    let mut known = 0;
    places.map(move |place| {
        if known < place.1 {
            known = find(place.1);
        }
        (place, known)
    })
}

static GO_REPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b[a-z]\w*\.(?:Error|Errorf|Fatal|Fatalf|Fail|FailNow)\b"));
static CONDITION: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bif\b"));

/// A shell's: what decides on an exit code.
fn shell(test: &TestText<'_>) -> Vec<Statement> {
    let masked = &test.masked;
    let of = |c: regex::Captures<'_>| {
        let said = c.get(1)?;
        let word = said.as_str().split_whitespace().next()?.to_owned();
        let line = masked[..said.start()].rfind('\n').map_or(0, |n| n + 1);
        let end = said.end();
        // What comes before a pipe is what is looked at.
        let start = if masked[line..said.start()].contains('|') { line } else { said.start() };
        Some(Statement { start, end, word, parts: vec![(start, end)] })
    };
    let mut found: Vec<_> = SHELL.captures_iter(masked).filter_map(of).collect();
    let mut from = 0;
    let lines = masked.split_inclusive('\n').map(|line| {
        from += line.len();
        (from - line.len(), line)
    });
    // The exit code of the last command is the file's.
    let last = lines.filter(|(_, line)| !line.trim().is_empty()).last();
    if let Some((at, line)) = last {
        let said = line.trim_end();
        let word = said.split_whitespace().next().unwrap_or_default();
        let silent =
            ["true", ":", "exit", "echo", "printf", ".", "source", "cd", "set", "fi", "done", "}", "esac"];
        let covered = found
            .iter()
            .any(|statement| statement.start <= at && at < statement.end || statement.start >= at);
        if !silent.contains(&word) && !said.contains('=') && !covered {
            found.push(Statement {
                start: at,
                end: at + said.len(),
                word: "command".into(),
                parts: vec![(at, at + said.len())],
            });
        }
    }
    found
}

/// End of the statement that begins at `at`: its line, or the one in which its brackets close.
fn logical_end(masked: &str, at: usize) -> usize {
    let mut depth = 0;
    for (i, byte) in masked.bytes().enumerate().skip(at) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b'\n' if depth <= 0 && masked.as_bytes()[i - 1] != b'\\' => return i,
            _ => {}
        }
    }
    masked.len()
}

/// The arguments between two bytes, parted at commas that stand in no bracket.
fn parts(masked: &str, from: usize, to: usize) -> Vec<(usize, usize)> {
    let mut depth = 0;
    let mut start = from;
    let mut parts = Vec::new();
    for (at, byte) in masked.bytes().enumerate().take(to).skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b',' if depth == 0 => {
                parts.push((start, at));
                start = at + 1;
            }
            _ => {}
        }
    }
    if start < to {
        parts.push((start, to));
    }
    parts
}

// ASCII, as numbers of programs are: tables for the digits of every script weigh a third of a megabyte.
static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?-u:\b)[0-9][0-9A-Z_a-z.]*"));

fn key(masked: &str) -> String {
    let bare: String = NUMBER.replace_all(masked, "0").split_whitespace().collect();
    bare.replace('\'', "\"")
}

//! The assertions of a test file: where they stand and what they say.

use std::ops::Range;
use std::sync::{LazyLock, OnceLock};

use regex::Regex;

use super::super::pattern;
use super::computed::Context;
use super::index::Index;
use super::mask::masked;
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

/// A test file made ready for questions.
pub(crate) struct TestText<'a> {
    pub language: Language,
    pub text: &'a str,
    pub masked: String,
    index: OnceLock<Index>,
}

impl<'a> TestText<'a> {
    /// `text` is the test part of the file at `path`.
    pub(crate) fn new(path: &str, text: &'a str) -> Self {
        let language = Language::of(path);
        Self { language, text, masked: masked(language, text), index: OnceLock::new() }
    }

    /// All assertions, in order.
    pub(crate) fn assertions(&self) -> Vec<Assertion> {
        let context = Context::of(self);
        let found = statements(self);
        let said = found.into_iter().map(|statement| {
            let line = self.line_of(statement.start);
            let text = self.text.lines().nth(line as usize - 1).unwrap_or_default().trim().to_owned();
            let worth = worth::of(&context, &statement);
            Assertion { line, key: key(&self.masked[statement.start..statement.end]), text, worth }
        });
        said.collect()
    }

    /// `expected(2)` as `double(2)`, where all that `expected` does is to hand what it is given on to `double`.
    pub(super) fn behind(&self, call: &str) -> String {
        let handed_on = || {
            let (name, given) = call.split_once('(')?;
            let lines = self.index().function(name)?;
            let body = self.text.lines().skip(lines.start as usize - 1).take(lines.len());
            let body: Vec<&str> = body.map(str::trim).filter(|line| !line.is_empty()).collect();
            let [head, done, ..] = body[..] else { return None };
            let parameters = head.split_once('(')?.1.split_once(')')?.0;
            let (other, passed) = done.strip_prefix("return ")?.split_once('(')?;
            let same = passed.trim_end_matches(';') == format!("{parameters})");
            (same && !parameters.contains(':')).then(|| format!("{other}({given}"))
        };
        handed_on().unwrap_or_else(|| call.to_owned())
    }

    /// Line of a byte, counted from 1.
    pub(super) fn line_of(&self, at: usize) -> u32 {
        self.index().line_of(at)
    }

    /// The masked text of `lines`, counted from 1.
    pub(super) fn masked_lines(&self, lines: &Range<u32>) -> &str {
        let (from, to) = (self.index().start_of(lines.start), self.index().start_of(lines.end));
        self.masked.get(from..to).unwrap_or_default()
    }

    /// Made at the first question.
    pub(super) fn index(&self) -> &Index {
        self.index.get_or_init(|| Index::of(self.language, &self.masked))
    }
}

/// Where an assertion stands, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Statement {
    pub start: usize,
    pub end: usize,
    /// The word that makes it one: `assertEqual`, `expect`, `[`, `t.Errorf`.
    pub word: String,
    /// What is compared, as ranges of bytes.
    pub parts: Vec<(usize, usize)>,
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
        found.extend(BARE.captures_iter(&test.masked).filter_map(|c| {
            let (word, rest) = (c.get(1)?, c.get(2)?);
            let called = rest.as_str().starts_with('(') && word.as_str() != "assert";
            let end = logical_end(&test.masked, rest.start());
            (!called).then(|| Statement {
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
    let of = |c: regex::Captures<'_>| {
        let whole = c.get(0)?;
        let word = c.get(1).or(c.get(2))?;
        let name = word.as_str();
        let go_report = test.language == Language::Go && GO_REPORTS.contains(&name);
        // Definitions of helpers, imports and Go's reporting calls are none.
        let line = masked[..whole.start()].rsplit('\n').next().unwrap_or_default();
        if go_report || DEFINES.is_match(line) || NO_ASSERTIONS.contains(&name) {
            return None;
        }
        let open = whole.end() - 1;
        let mut end = closing(masked, open)?;
        let mut parts = parts(masked, open + 1, end);
        // `expect(a).not.toBe(b)`, `assertThat(a).isEqualTo(b)`, `expect(a).to eq(b)`
        while let Some(link) = CHAIN.find(&masked[end + 1..]).filter(|link| link.start() == 0) {
            let open = end + link.end();
            let Some(close) = closing(masked, open) else { break };
            parts.extend(self::parts(masked, open + 1, close));
            end = close;
        }
        Some(Statement { start: whole.start(), end: end + 1, word: name.to_owned(), parts })
    };
    CALL.captures_iter(masked).filter_map(of).collect()
}

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
    let of = |at: usize| {
        let from = CONDITION.find_iter(&masked[..at]).last()?;
        // Only a condition just above is this report's.
        if masked[from.end()..at].matches('\n').count() > 4 {
            return None;
        }
        let end = from.end() + masked[from.end()..at].find(['{', '\n']).unwrap_or(at - from.end());
        Some(Statement { start: from.start(), end, word: "if".into(), parts: vec![(from.end(), end)] })
    };
    reports.chain(throws).filter_map(|m| of(m.start())).collect()
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

/// The bracket that closes the one at `open`.
pub(super) fn closing(masked: &str, open: usize) -> Option<usize> {
    let mut depth = 0;
    for (at, byte) in masked.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
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

static NUMBER: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b\d[\w.]*"));

fn key(masked: &str) -> String {
    let bare: String = NUMBER.replace_all(masked, "0").split_whitespace().collect();
    bare.replace('\'', "\"")
}

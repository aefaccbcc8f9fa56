//! The tests of a file: name, place, and what they do, in the languages that are told by their extension.
//!
//! Reads lines and brackets, no syntax tree: enough to tell a test that is gone from one that moved.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::each;
use super::patterns::is_assertion;
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

/// One test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// As the file says it, below its class where it has one: `TestUser::test_create`.
    pub name: String,
    /// Line of the definition, from 1.
    pub line: u32,
    /// Last line, from 1.
    pub end: u32,
    /// Decorators, attributes, and the definition itself.
    pub head: Vec<String>,
    /// What it does: lines without blanks around them, comments left out.
    pub body: Vec<String>,
    /// How deep each line of the body stands, in whatever the language counts: blanks or brackets.
    pub depths: Vec<usize>,
}

impl Item {
    /// Whether it is a test, and not what a file holds besides.
    pub(super) fn is_test(&self) -> bool {
        self.name != BESIDES
    }
}

/// Name of what a file holds outside of its tests.
const BESIDES: &str = "a table of the file";

/// How a test's body ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Block {
    /// With the first line that is indented no deeper.
    Indent,
    /// With the bracket that closes the first one of this kind.
    Bracket(char, char),
}

/// How a language marks its tests.
struct Language {
    extensions: &'static [&'static str],
    /// Finds a definition; the first group that matched is the name.
    definition: LazyLock<Regex>,
    /// What must stand in the lines above the definition; `None` where the definition says it all.
    marked: Option<LazyLock<Regex>>,
    block: Block,
}

static LANGUAGES: [Language; 8] = [
    Language {
        extensions: &["py"],
        definition: LazyLock::new(|| pattern(r"^\s*(?:async\s+)?def\s+(test\w*)\s*\(")),
        marked: None,
        block: Block::Indent,
    },
    Language {
        extensions: &["js", "jsx", "mjs", "cjs", "ts", "tsx", "mts", "cts", "dart", "vue"],
        definition: LazyLock::new(|| {
            pattern(
                r#"^\s*(?:await\s+)?[xf]?(?:it|test|specify|testWidgets)(?:\.\w+)*(?:\([^'"`]*\))?\(\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)"#,
            )
        }),
        marked: None,
        block: Block::Bracket('(', ')'),
    },
    Language {
        extensions: &["rs"],
        definition: LazyLock::new(|| pattern(r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:async\s+)?fn\s+(\w+)")),
        marked: Some(LazyLock::new(|| {
            pattern(r"#\[(?:\w+::)*(?:test|rstest|test_case|wasm_bindgen_test|quickcheck)\b")
        })),
        block: Block::Bracket('{', '}'),
    },
    Language {
        extensions: &["go"],
        definition: LazyLock::new(|| pattern(r"^func\s+(?:\([^)]*\)\s*)?((?:Test|Fuzz|Example)\w*)\s*\(")),
        marked: None,
        block: Block::Bracket('{', '}'),
    },
    Language {
        extensions: &["java", "kt", "kts", "groovy", "scala", "cs", "fs", "vb"],
        definition: LazyLock::new(|| pattern(r"^\s*(?:[\w<>\[\],.?]+\s+)+(?:`([^`]+)`|(\w+))\s*\(")),
        marked: Some(LazyLock::new(|| {
            pattern(
                r"@(?:Test|ParameterizedTest|RepeatedTest|TestFactory|TestTemplate)\b|\[(?:\w+,\s*)*(?:Fact|Theory|Test|TestMethod|TestCase|DataTestMethod)\b",
            )
        })),
        block: Block::Bracket('{', '}'),
    },
    Language {
        extensions: &["php", "swift", "c", "cc", "cpp", "cxx", "zig", "bats"],
        definition: LazyLock::new(|| {
            pattern(
                r#"^\s*(?:(?:public|final|private|static|async)\s+)*(?:func(?:tion)?\s+(test\w+)\s*\(|TEST\w*\(([^)]+)\)|@?test\s+"([^"]+)"\s*\{)"#,
            )
        }),
        marked: None,
        block: Block::Bracket('{', '}'),
    },
    Language {
        extensions: &["rb"],
        definition: LazyLock::new(|| {
            pattern(r#"^\s*(?:def\s+(test_\w+)|x?(?:it|specify|scenario|test)\s*\(?\s*['"]([^'"]+)['"])"#)
        }),
        marked: None,
        block: Block::Indent,
    },
    Language {
        extensions: &["ex", "exs"],
        definition: LazyLock::new(|| pattern(r#"^\s*test\s+"([^"]+)""#)),
        marked: None,
        block: Block::Indent,
    },
];

/// Languages in which a whole file is one test.
const WHOLE_FILES: &[&str] = &["sh", "bash", "zsh", "ps1", "lua", "pl", "t", "r", "jl", "awk"];

static TEST_FILE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?i)(?:^|[-_.])(?:tests?|spec)(?:[-_.]|$)|\.t$"));

static CLASS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(\s*)class\s+(\w+)"));

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

fn language(path: &str) -> Option<&'static Language> {
    LANGUAGES.iter().find(|language| language.extensions.contains(&extension(path)))
}

/// Whether tests of the file's language can be told.
pub(super) fn is_code(path: &str) -> bool {
    language(path).is_some() || WHOLE_FILES.contains(&extension(path))
}

/// Whether a file is a shell script, whose tests are commands.
pub(super) fn is_shell(path: &str) -> bool {
    matches!(extension(path), "sh" | "bash" | "zsh" | "bats")
}

/// The tests of a file. Rust keeps them beside the code; other languages in files of their own.
pub(super) fn items(path: &str, text: &str) -> Vec<Item> {
    let test_file = kind_of(path) == FileKind::Test;
    match language(path) {
        Some(language) if test_file || extension(path) == "rs" => of_language(language, path, text),
        None if test_file && WHOLE_FILES.contains(&extension(path)) => {
            whole(path, text).into_iter().collect()
        }
        _ => vec![],
    }
}

/// What a test file holds outside of its tests, where tables stand that several tests run through.
pub(super) fn besides(path: &str, text: &str, items: &[Item]) -> Option<Item> {
    if kind_of(path) != FileKind::Test || language(path).is_none() || extension(path) == "rs" {
        return None;
    }
    let of_test = |n: u32| {
        let first = |item: &Item| item.line.saturating_sub(u32::try_from(item.head.len()).unwrap_or(1)) + 1;
        items.iter().any(|item| (first(item)..=item.end).contains(&n))
    };
    let expected = expected(text);
    let left = (1..).zip(text.lines()).filter(|(n, _)| !of_test(*n)).map(|(_, line)| line);
    let left = left.filter(|line| !constant(line).is_some_and(|name| expected.contains(name)));
    let (body, depths) = code(left, Depth::of(path));
    Some(Item { name: BESIDES.to_owned(), line: 1, end: 1, head: vec![], body, depths })
}

static CONSTANT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:(?:export|const|let|var|static|private|final)\s+)*([A-Za-z_]\w*)(?:\s*:[^=]*)?\s*:?=\s*[\[({]",
    )
});

fn constant(line: &str) -> Option<&str> {
    CONSTANT.captures(line)?.get(1).map(|name| name.as_str())
}

/// Lists with a name that assertions alone speak of: what is expected, and no table that a test runs through.
fn expected(text: &str) -> BTreeSet<&str> {
    let names: BTreeSet<&str> = text.lines().filter_map(constant).collect();
    let mut expected = BTreeSet::new();
    let mut otherwise = BTreeSet::new();
    for line in text.lines() {
        let own = constant(line);
        let asserts = is_assertion(line, false) && !line.trim_start().starts_with("for ");
        let said = line.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| Some(*word) != own);
        for word in said.filter(|word| names.contains(word)) {
            if asserts {
                expected.insert(word)
            } else {
                otherwise.insert(word)
            };
        }
    }
    expected.retain(|name| !otherwise.contains(name));
    expected
}

fn whole(path: &str, text: &str) -> Option<Item> {
    let name = path.rsplit('/').next()?;
    TEST_FILE.is_match(name).then(|| {
        let (body, depths) = code(text.lines(), Depth::of(path));
        let end = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        Item { name: path.to_owned(), line: 1, end, head: vec![], body, depths }
    })
}

fn of_language(language: &Language, path: &str, text: &str) -> Vec<Item> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    let mut class: Option<(usize, String)> = None;
    for (at, line) in lines.iter().enumerate() {
        if extension(path) == "py" {
            let indent = indent(line);
            if let Some(opened) = CLASS.captures(line) {
                class = Some((indent, opened[2].to_owned()));
            } else if !line.trim().is_empty() && class.as_ref().is_some_and(|(outer, _)| indent <= *outer) {
                class = None;
            }
        }
        if extension(path) != "py"
            && let Some(item) = each::item(&lines, at)
        {
            found.push(item);
            continue;
        }
        let Some(captures) = language.definition.captures(line) else { continue };
        let Some(name) = captures.iter().skip(1).flatten().next() else { continue };
        let head = head(&lines, at);
        if language.marked.as_ref().is_some_and(|marked| !head.iter().any(|line| marked.is_match(line))) {
            continue;
        }
        let end = end(&lines, at, language.block);
        let name = match &class {
            Some((_, class)) => format!("{class}::{}", name.as_str()),
            None => name.as_str().to_owned(),
        };
        let (body, depths) = body(&lines, at, end, language.block);
        found.push(Item { name, line: number(at), end: number(end), head, body, depths });
    }
    found
}

pub(super) fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

/// A table of parameters may stand above a test.
const LONGEST_HEAD: usize = 300;

/// Decorators and attributes above the definition, and the definition.
fn head(lines: &[&str], at: usize) -> Vec<String> {
    let mut first = at;
    // How many brackets are closed below that open further up: a table of several lines.
    let mut closed = 0_i32;
    while first > 0 && at - first < LONGEST_HEAD {
        let above = lines[first - 1].trim();
        let within = closed > 0;
        for c in outside_strings(above) {
            closed += i32::from(matches!(c, ')' | ']')) - i32::from(matches!(c, '(' | '['));
        }
        if within || above.ends_with("\"\"\")") {
            first -= 1;
            continue;
        }
        let ends_something =
            above.is_empty() || above.ends_with([';', '}', '{']) || above.starts_with("class ");
        let statement = above.ends_with(':') && !above.starts_with('@');
        if ends_something || statement || indent(lines[first - 1]) < indent(lines[at]) {
            break;
        }
        first -= 1;
    }
    lines[first..=at].iter().map(|line| line.trim().to_owned()).collect()
}

/// The last line of the test that begins at `at`.
fn end(lines: &[&str], at: usize, block: Block) -> usize {
    match block {
        Block::Indent => {
            let outer = indent(lines[at]);
            let inside = |line: &&str| {
                let text = line.trim();
                text.is_empty() || indent(line) > outer || text.starts_with([')', ']'])
            };
            at + lines[at + 1..].iter().take_while(|line| inside(line)).count()
        }
        Block::Bracket(open, close) => {
            let mut depth = 0_i32;
            let mut seen = false;
            for (n, line) in lines.iter().enumerate().skip(at) {
                for c in outside_strings(line) {
                    depth += i32::from(c == open) - i32::from(c == close);
                    seen |= c == open;
                }
                if seen && depth <= 0 {
                    return n;
                }
            }
            lines.len().saturating_sub(1)
        }
    }
}

fn body(lines: &[&str], at: usize, end: usize, block: Block) -> (Vec<String>, Vec<usize>) {
    let depth = if block == Block::Indent { Depth::Blanks } else { Depth::Brackets };
    if at == end {
        // All on one line: what stands behind the head.
        let line = lines[at];
        let inner = match block {
            Block::Indent => line.split_once("):").map(|(_, rest)| rest),
            Block::Bracket(..) => line.find('{').map(|open| &line[open + 1..]),
        };
        let inner = inner.unwrap_or_default().trim().trim_end_matches([';', ')', '}', ' ']);
        return code([inner].into_iter(), depth);
    }
    let last = if block == Block::Indent { end + 1 } else { end };
    code(lines[at + 1..last].iter().copied(), depth)
}

/// What tells how deep a line stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    Blanks,
    Brackets,
}

impl Depth {
    pub(super) fn of(path: &str) -> Self {
        let brackets = language(path).is_some_and(|language| language.block != Block::Indent);
        if brackets { Self::Brackets } else { Self::Blanks }
    }
}

/// Lines that do something, and how deep they stand: no blanks, no comments, no docstrings. What a formatter breaks over
/// lines is one: an assertion up to the bracket that closes it, with what is chained to it, and Go's condition with the
/// report that it leads to.
pub(super) fn code<'a>(lines: impl Iterator<Item = &'a str>, depth: Depth) -> (Vec<String>, Vec<usize>) {
    let mut kept: Vec<String> = Vec::new();
    let mut depths = Vec::new();
    let mut quoted: Option<&str> = None;
    // Brackets that are open before a line; those of the assertion that it may belong to.
    let (mut open, mut awaited) = (0_i32, 0_i32);
    let mut taken = 0;
    for raw in lines {
        let line = raw.trim();
        if let Some(mark) = quoted {
            if line.contains(mark) {
                quoted = None;
            }
            continue;
        }
        if let Some(mark) = ["\"\"\"", "'''"].into_iter().find(|mark| line.starts_with(mark)) {
            if !line[3..].contains(mark) {
                quoted = Some(mark);
            }
            continue;
        }
        let comment = ["//", "/*", "*/", "* ", "-- "].iter().any(|c| line.starts_with(c))
            || (line.starts_with('#') && !line.starts_with("#["));
        if line.is_empty() || comment {
            continue;
        }
        let shown: String = outside_strings(line).into_iter().collect();
        let balance = brackets(&shown, depth);
        let closes = shown.chars().take_while(|c| matches!(c, ')' | ']' | '}')).count();
        let at = open - i32::try_from(closes).unwrap_or(0);
        open += brackets(&shown, Depth::Blanks);
        let last = kept.last_mut();
        if let Some(last) = last.filter(|_| taken > 0 && (awaited > 0 || line.starts_with('.'))) {
            append(last, line);
            awaited += balance;
            taken = if taken < LONGEST_ASSERTION { taken + 1 } else { 0 };
            continue;
        }
        let report = kept.last().is_some_and(|last| last.starts_with("if ") && last.ends_with('{'));
        if let Some(said) = GO_REPORT.find(line).filter(|_| report)
            && let Some(last) = kept.last_mut()
        {
            last.push(' ');
            last.push_str(said.as_str());
            taken = 0;
            continue;
        }
        let asserts = is_assertion(&shown, false) && !shown.ends_with(':') && !line.starts_with("if ");
        (taken, awaited) = if asserts { (1, balance) } else { (0, 0) };
        kept.push(line.to_owned());
        depths.push(match depth {
            Depth::Blanks => indent(raw),
            Depth::Brackets => usize::try_from(at).unwrap_or(0),
        });
    }
    (kept, depths)
}

/// A longer one is not read as one.
const LONGEST_ASSERTION: usize = 60;

static GO_REPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\w+\.(?:Error|Fatal)f?\("));

/// How many more brackets of a line open than close. A brace opens a block where blocks are told by them.
fn brackets(shown: &str, depth: Depth) -> i32 {
    let brace = |c: char| matches!(c, '{' | '}') && depth == Depth::Brackets;
    let of = |c: char| match c {
        c if brace(c) => 0,
        '(' | '[' | '{' => 1,
        ')' | ']' | '}' => -1,
        _ => 0,
    };
    shown.chars().map(of).sum()
}

/// Puts the next line of an assertion behind it as it would stand on one.
fn append(text: &mut String, line: &str) {
    if line.starts_with([')', ']', '}']) && text.ends_with(',') {
        text.pop();
    }
    let glued = text.ends_with(['(', '[', '{']) || line.starts_with([')', ']', '}', '.']);
    if !glued {
        text.push(' ');
    }
    text.push_str(line);
}

fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The characters of a line that are not inside a string on it.
pub(super) fn outside_strings(line: &str) -> Vec<char> {
    let mut out = Vec::new();
    let mut inside: Option<char> = None;
    let mut escaped = false;
    let chars: Vec<char> = line.chars().collect();
    for (n, &c) in chars.iter().enumerate() {
        match inside {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(quote) if c == quote => inside = None,
            Some(_) => {}
            // A lifetime or an apostrophe is no string: it is not closed on the line.
            None if matches!(c, '"' | '\'' | '`') && chars[n + 1..].contains(&c) => inside = Some(c),
            None if c == '/' && chars.get(n + 1) == Some(&'/') => break,
            None => out.push(c),
        }
    }
    out
}

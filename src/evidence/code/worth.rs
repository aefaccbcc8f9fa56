//! What an assertion is worth: whether it looks at something computed, and whether its failure would be seen.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::Language;
use super::assertions::{Statement, TestText, closing};

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

/// What is known of a test file's names.
pub(super) struct Context<'a> {
    test: &'a TestText<'a>,
    /// Names and what they are set to.
    set: BTreeMap<&'a str, Vec<&'a str>>,
    imported: BTreeSet<&'a str>,
    /// Byte ranges whose failures are thrown away.
    swallowed: Vec<(usize, usize)>,
    /// Names being looked up.
    open: RefCell<Vec<String>>,
}

static SET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)(?:^|[;{(,])[ \t]*(?:(?:let|const|var|val|final|auto|my|local|static)\s+)?(?:mut\s+)?(?:\w+\s+)?(\w+)\s*(?::[^=\n]+)?:?=([^=\n][^\n]*)",
    )
});
static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^[ \t]*(?:(?:from|import|use|using)\b[^\n;(]*(?:\([^)]*\)|\{[^}]*\}[^\n;]*)?|(?:const|let|var)\b[^\n=]*=\s*(?:await\s+)?(?:require|import)\s*\()",
    )
});
static NAME: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_]\w*"));

impl<'a> Context<'a> {
    pub(super) fn of(test: &'a TestText<'a>) -> Self {
        let mut set: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for c in SET.captures_iter(&test.masked) {
            if let (Some(name), Some(value)) = (c.get(1), c.get(2)) {
                set.entry(name.as_str()).or_default().push(value.as_str());
            }
        }
        let imports = IMPORT.find_iter(&test.masked).flat_map(|import| NAME.find_iter(import.as_str()));
        let imported = imports.map(|m| m.as_str()).collect();
        Self { test, set, imported, swallowed: swallowed(test), open: RefCell::default() }
    }
}

/// What `statement` is worth.
pub(super) fn of(context: &Context<'_>, statement: &Statement) -> Worth {
    let test = context.test;
    let inside = |(from, to): &(usize, usize)| *from <= statement.start && statement.start < *to;
    if context.swallowed.iter().any(inside) {
        return Worth::Swallowed;
    }
    if can_fail(context, statement, &test.masked) { Worth::Computed } else { Worth::Constant }
}

fn can_fail(context: &Context<'_>, statement: &Statement, masked: &str) -> bool {
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
    // `assertEqual(x, x)`, `expect(x).toBe(x)`
    if let [first, second, ..] = &statement.parts[..]
        && text(first) == text(second)
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

/// Names that stand for themselves or that only look at what they are given.
const PURE: &[&str] = &[
    "True",
    "False",
    "None",
    "true",
    "false",
    "null",
    "nil",
    "undefined",
    "NaN",
    "self",
    "this",
    "and",
    "or",
    "not",
    "is",
    "in",
    "if",
    "else",
    "new",
    "typeof",
    "instanceof",
    "await",
    "len",
    "str",
    "int",
    "float",
    "bool",
    "list",
    "dict",
    "set",
    "tuple",
    "sum",
    "min",
    "max",
    "abs",
    "sorted",
    "range",
    "type",
    "isinstance",
    "callable",
    "hasattr",
    "repr",
    "lambda",
    "String",
    "Number",
    "Boolean",
    "Array",
    "Object",
    "JSON",
    "Math",
    "vec",
    "Some",
    "Ok",
    "Err",
    "Vec",
    "Box",
    "format",
    "matches",
    "t",
    "assert",
    "function",
    "async",
    "return",
    "string",
    "const",
    "let",
    "var",
    "msg",
    "message",
    "unittest",
    "pytest",
    "equal",
    "deepEqual",
    "strictEqual",
    "ok",
    "as",
    "u8",
    "i32",
    "u32",
    "i64",
    "u64",
    "usize",
    "f64",
    "fn",
    "move",
    "mut",
    "ref",
    "float64",
    "int64",
    "Symbol",
    "Promise",
];

/// Whether `masked` looks at something that the test did not itself write down. `compared`: an imported value that
/// is not called counts, for it is held against something.
fn computed(context: &Context<'_>, masked: &str, compared: bool) -> bool {
    NAME.find_iter(masked).any(|m| {
        let name = m.as_str();
        let before = masked[..m.start()].trim_end();
        let after = masked[m.end()..].trim_start();
        // An attribute is as its owner is; `name=` in a call names a parameter; `1e5`, `f"`, `b"` are literals.
        let literal = masked[m.end()..].starts_with(['"', '\'']) && name.len() <= 2;
        let glued = masked[..m.start()].ends_with(|c: char| c.is_ascii_digit());
        let parameter = after.starts_with('=') && !after.starts_with("==") && !after.starts_with("=>");
        if before.ends_with('.') && !before.ends_with("..")
            || PURE.contains(&name)
            || literal
            || glued
            || parameter
        {
            return false;
        }
        let used = after.starts_with(['(', '[', '{']) || after.starts_with("::") || after.starts_with("!(");
        if context.imported.contains(name) && !used {
            // `module.function(…)` is a call of what was imported.
            return compared || ATTRIBUTE_CALL.is_match(after);
        }
        if used {
            return true;
        }
        match context.set.get(name) {
            None => true,
            Some(values) => {
                if context.open.borrow().iter().any(|open| open == name) {
                    return false;
                }
                context.open.borrow_mut().push(name.to_owned());
                let any = values.iter().any(|value| computed(context, value, true));
                context.open.borrow_mut().pop();
                any
            }
        }
    })
}

static ATTRIBUTE_CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\s*(?:\.|::)\s*\w+)+\s*[(\[!]"));

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
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{?(\w+|[?@*#])"));

/// Places in which a failed assertion goes unseen.
fn swallowed(test: &TestText<'_>) -> Vec<(usize, usize)> {
    match test.language {
        Language::Python => python(&test.masked),
        Language::Shell => self::unheard(&test.masked),
        Language::Other | Language::Ruby => vec![],
        _ => braces(&test.masked),
    }
}

static EXCEPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^except\s*(?::|.*\b(?:Exception|BaseException|AssertionError|ImportError|ModuleNotFoundError|NameError|AttributeError)\b)",
    )
});
static SUPPRESS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^with\s+(?:contextlib\.)?suppress\(.*\b(?:Exception|BaseException|AssertionError)\b")
});
/// What makes a handler one that does see the failure.
static SEEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\braise\b|\bfail\w*\s*\(|\bassert|\bthrow\b|\bexpect\s*\(|\bdone\s*\(|\breject\s*\(|panic!|[Ff]atal|Error\w*\(|exit\s*\(\s*[1-9]|=\s*(?:True|true|e\b|err)",
    )
});

fn python(masked: &str) -> Vec<(usize, usize)> {
    let mut lines: Vec<(usize, usize, &str)> = Vec::new();
    let mut at = 0;
    for line in masked.split_inclusive('\n') {
        if !line.trim().is_empty() {
            lines.push((at, line.len() - line.trim_start().len(), line.trim()));
        }
        at += line.len();
    }
    let end_of = |from: usize| {
        let indent = lines[from].1;
        (from + 1..lines.len()).find(|&i| lines[i].1 <= indent).unwrap_or(lines.len())
    };
    let place = |i: usize| lines.get(i).map_or(masked.len(), |line| line.0);
    let mut found = Vec::new();
    for (i, (start, indent, line)) in lines.iter().enumerate() {
        if SUPPRESS.is_match(line) {
            found.push((*start, place(end_of(i))));
        }
        if !line.starts_with("try:") {
            continue;
        }
        let handler = end_of(i);
        if lines.get(handler).is_some_and(|h| h.1 == *indent && EXCEPT.is_match(h.2)) {
            let body = &masked[place(handler)..place(end_of(handler))];
            let body = body.split_once(':').map_or("", |(_, body)| body);
            if !SEEN.is_match(body) {
                found.push((*start, place(handler)));
            }
        }
    }
    found
}

static TRY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\btry\s*\{|\bcatch_unwind\s*\("));
static CATCH: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*catch\b[^{]*\{"));

fn braces(masked: &str) -> Vec<(usize, usize)> {
    let of = |m: regex::Match<'_>| {
        let close = closing(masked, m.end() - 1)?;
        if m.as_str().starts_with("catch_unwind") {
            let line = masked[..m.start()].rsplit('\n').next().unwrap_or_default();
            return line.contains("let _").then_some((m.start(), close));
        }
        let handler = CATCH.find(&masked[close + 1..])?;
        let open = close + handler.end();
        let end = closing(masked, open)?;
        (!SEEN.is_match(&masked[open..end])).then_some((m.start(), close))
    };
    TRY.find_iter(masked).filter_map(of).collect()
}

static HEARD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^\s*set\s+-\w*e|\|\|\s*(?:\{\s*)?(?:exit|return|fail|die|bad|no)|\bif\b|&&|\bexit\s+(?:[1-9]|\$)|\breturn\s+(?:[1-9]|\$)|@test|\$\?",
    )
});

/// A shell's file whose exit code is always 0, and lines that end in `|| true`.
fn unheard(masked: &str) -> Vec<(usize, usize)> {
    let last = masked.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let always = matches!(last, "true" | ":" | "exit 0" | "exit") || last.starts_with("echo ");
    if always && !HEARD.is_match(masked) {
        return vec![(0, masked.len())];
    }
    let mut at = 0;
    let mut found = Vec::new();
    for line in masked.split_inclusive('\n') {
        let said = line.trim_end();
        if said.ends_with("|| true") || said.ends_with("|| :") {
            found.push((at, at + line.len()));
        }
        at += line.len();
    }
    found
}

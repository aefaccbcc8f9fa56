//! Whether an expression of a test looks at something that the code under test computes, or only at what the test
//! itself wrote down.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::assertions::TestText;
use super::bodies;
use super::swallowed::swallowed;

/// What is known of a test file's names.
pub(super) struct Context<'a> {
    pub(super) test: &'a TestText<'a>,
    /// Names and what they are set to.
    pub(super) set: BTreeMap<&'a str, Vec<&'a str>>,
    imported: BTreeSet<&'a str>,
    /// Byte ranges whose failures are thrown away.
    pub(super) swallowed: Vec<(usize, usize)>,
    /// Names that something else may have filled since they were set: handed to a call, or added to.
    filled: BTreeSet<&'a str>,
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
        let filled = FILLED.captures_iter(&test.masked).flat_map(|c| filled(&c)).collect();
        Self { test, set, imported, swallowed: swallowed(test), filled, open: RefCell::default() }
    }

    /// Whether what stands behind `name` is computed, as `look` tells; not while it is being looked up already.
    fn once(&self, name: &str, look: impl FnOnce() -> bool) -> bool {
        if self.open.borrow().iter().any(|open| open == name) {
            return false;
        }
        self.open.borrow_mut().push(name.to_owned());
        let found = look();
        self.open.borrow_mut().pop();
        found
    }

    /// Whether a function of the test file itself computes anything; what the file does not define does.
    fn calls(&self, name: &str) -> bool {
        let Some(lines) = bodies::defined(self.test, name) else { return true };
        let all = || self.test.masked.lines().skip(lines.start as usize - 1);
        let head = all().next().unwrap_or_default();
        let (head, rest) = head.split_once([':', '{']).unwrap_or((head, ""));
        let parameters = head.split_once(name).map_or("", |(_, parameters)| parameters);
        let body: Vec<&str> = std::iter::once(rest).chain(all().skip(1).take(lines.len() - 1)).collect();
        // What it is given was looked at where it is called.
        let given: BTreeSet<&str> = NAME.find_iter(parameters).map(|m| m.as_str()).collect();
        self.once(name, || looks(self, &body.join("\n"), true, &given))
    }
}

static FILLED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?P<by>\w+)[ \t]*!?\((?P<given>[^()\n]*)\)|\b(?P<name>\w+)\.(?:push|append|add|insert|extend|set|put|write|update|unshift|concat|remove|pop|delete|clear)\w*\b",
    )
});
/// Calls that only look at what they are given.
static LOOKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)^(?:assert|expect|equal|deepEqual|strictEqual|is|ok|print|println|log|check|require)\w*$")
});

fn filled<'a>(call: &regex::Captures<'a>) -> Vec<&'a str> {
    if let Some(name) = call.name("name") {
        return vec![name.as_str()];
    }
    let by = call.name("by").map_or("", |by| by.as_str());
    if PURE.contains(&by) || LOOKS.is_match(by) {
        return vec![];
    }
    NAME.find_iter(call.name("given").map_or("", |given| given.as_str())).map(|m| m.as_str()).collect()
}

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
pub(super) fn computed(context: &Context<'_>, masked: &str, compared: bool) -> bool {
    looks(context, masked, compared, &BTreeSet::new())
}

/// The same for a piece of code in which `given` are names of parameters.
fn looks(context: &Context<'_>, masked: &str, compared: bool, given: &BTreeSet<&str>) -> bool {
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
        if given.contains(name) && !used {
            return false;
        }
        if used {
            return !after.starts_with('(') || context.calls(name);
        }
        match context.set.get(name) {
            None => true,
            Some(_) if context.filled.contains(name) => true,
            Some(values) => {
                context.once(name, || values.iter().any(|value| looks(context, value, true, given)))
            }
        }
    })
}

static ATTRIBUTE_CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\s*(?:\.|::)\s*\w+)+\s*[(\[!]"));

//! Whether an expression of a test looks at something that the code under test computes, or only at what the test
//! itself wrote down.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::swallowed::swallowed;
use super::test_text::TestText;

/// What is known of a test file's names.
pub(super) struct Context<'a> {
    pub(super) test: &'a TestText<'a>,
    /// Names and what they are set to.
    pub(super) set: BTreeMap<&'a str, Vec<&'a str>>,
    imported: BTreeSet<&'a str>,
    /// Byte ranges whose failures are thrown away, by their start; the ends are the furthest up to each.
    swallowed: Vec<(usize, usize)>,
    /// Names that something else may have filled since they were set: handed to a call, or added to.
    filled: BTreeSet<&'a str>,
    /// What stands behind names, as far as it was looked up.
    known: RefCell<BTreeMap<Behind<'a>, bool>>,
    /// Names of the parameters of functions.
    given: RefCell<BTreeMap<&'a str, Rc<BTreeSet<&'a str>>>>,
}

/// What stands behind a name: a function of the file, or a value, as the code of a function sees it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Behind<'a> {
    Function(&'a str),
    Value(&'a str, Option<&'a str>),
}

/// What a look at a piece of code came to.
enum Looked<'a> {
    Computed,
    /// It is if anything behind these names is.
    If(Vec<Behind<'a>>),
}

/// A name that is being looked up.
struct Open<'a> {
    /// Its place among those of which nothing is settled, and that of the earliest one it leads back to.
    at: usize,
    earliest: usize,
    left: std::vec::IntoIter<Behind<'a>>,
}

static SET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)(?:^|[;{(,])[ \t]*(?:(?:let|const|var|val|final|auto|my|local|static)\s+)?(?:mut\s+)?(?:\w+\s+)?(\w+)\s*(?::[^=\n]+)?:?=([^=\n][^\n]*)",
    )
});
static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^[ \t]*(?:(?:from|import|use|using)\b[^\n;(]*(?:\((?:[^)\n]*\n){0,100}?[^)\n]*\)|\{(?:[^}\n]*\n){0,100}?[^}\n]*\}[^\n;]*)?|(?:const|let|var)\b[^\n=]*=\s*(?:await\s+)?(?:require|import)\s*\()",
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
        Self {
            test,
            set,
            imported,
            swallowed: reaching(swallowed(test)),
            filled,
            known: RefCell::default(),
            given: RefCell::default(),
        }
    }

    /// Whether a failure at this byte is thrown away.
    pub(super) fn swallows(&self, at: usize) -> bool {
        let before = self.swallowed.partition_point(|(from, _)| *from <= at);
        before.checked_sub(1).is_some_and(|last| at < self.swallowed[last].1)
    }

    /// Whether what stands behind a name is computed. Every name is looked at once, however many ways lead to it, and
    /// names that lead to each other are settled together (Tarjan's strongly connected components): FORGE writes the text.
    fn is_computed(&self, behind: Behind<'a>) -> bool {
        let mut known = self.known.borrow_mut();
        let mut unsettled: Vec<Behind<'a>> = Vec::new();
        let mut places: BTreeMap<Behind<'a>, usize> = BTreeMap::new();
        let mut path: Vec<Open<'a>> = Vec::new();
        let mut next = Some(behind);
        loop {
            let (at, found) = next.map_or((None, None), |next| (places.get(&next), known.get(&next)));
            match (next.take(), at, found) {
                (Some(_), _, Some(false)) => {}
                (Some(_), Some(at), None) => {
                    path.last_mut().into_iter().for_each(|open| open.earliest = open.earliest.min(*at));
                }
                (Some(name), ..) => {
                    places.insert(name, unsettled.len());
                    unsettled.push(name);
                    let looked = if found == Some(&true) { Looked::Computed } else { self.behind(name) };
                    let Looked::If(names) = looked else {
                        // Each of them leads here.
                        known.extend(unsettled.into_iter().map(|name| (name, true)));
                        return true;
                    };
                    let at = unsettled.len() - 1;
                    path.push(Open { at, earliest: at, left: names.into_iter() });
                }
                (None, ..) => {}
            }
            while let Some(open) = path.last_mut() {
                next = open.left.next();
                if next.is_some() {
                    break;
                }
                let (at, earliest) = (open.at, open.earliest);
                path.pop();
                if at == earliest {
                    known.extend(unsettled.drain(at..).map(|name| (name, false)));
                } else if let Some(before) = path.last_mut() {
                    before.earliest = before.earliest.min(earliest);
                }
            }
            if path.is_empty() {
                return false;
            }
        }
    }

    /// A look at what stands behind a name.
    fn behind(&self, behind: Behind<'a>) -> Looked<'a> {
        match behind {
            Behind::Function(name) => match self.function(name) {
                // What the file does not define computes.
                None => Looked::Computed,
                Some((_, body)) => looks(self, body, true, Some(name)),
            },
            Behind::Value(name, scope) => {
                let mut names = Vec::new();
                for value in self.set.get(name).into_iter().flatten() {
                    match looks(self, value, true, scope) {
                        Looked::Computed => return Looked::Computed,
                        Looked::If(more) => names.extend(more),
                    }
                }
                Looked::If(names)
            }
        }
    }

    /// The parameters and the body of a function of the file; the body may begin on the line of its head.
    fn function(&self, name: &str) -> Option<(&'a str, &'a str)> {
        let test: &'a TestText<'a> = self.test;
        let function = test.masked_lines(&test.function(name)?);
        let line = function.find('\n').unwrap_or(function.len());
        let end = function[..line].find([':', '{']).unwrap_or(line);
        let parameters = function[..end].split_once(name).map_or("", |(_, parameters)| parameters);
        Some((parameters, function.get(end + 1..).unwrap_or_default()))
    }

    /// What the function that is the scope is given: it was looked at where that is called.
    fn given(&self, scope: Option<&'a str>) -> Rc<BTreeSet<&'a str>> {
        let Some(name) = scope else { return Rc::default() };
        let read = || {
            let parameters = self.function(name).map_or("", |(parameters, _)| parameters);
            Rc::new(NAME.find_iter(parameters).map(|m| m.as_str()).collect())
        };
        Rc::clone(self.given.borrow_mut().entry(name).or_insert_with(read))
    }
}

/// Ranges by their start, each with the furthest end of those up to it.
fn reaching(mut ranges: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    ranges.sort_unstable();
    let mut furthest = 0;
    for (_, end) in &mut ranges {
        furthest = furthest.max(*end);
        *end = furthest;
    }
    ranges
}

static FILLED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?P<by>\w+)[ \t]*!?\((?P<given>[^()\n]*)\)|\b(?P<name>\w+)\.(?:push|append|add|insert|extend|set|put|write|update|unshift|concat|remove|pop|delete|clear)\w*\b",
    )
});
/// Calls that only look at what they are given.
static LOOKS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:assert|expect|equal|deepEqual|strictEqual|is|ok|print|println|log|check|require)(?-i:\w)*$",
    )
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
pub(super) fn computed<'a>(context: &Context<'a>, masked: &'a str, compared: bool) -> bool {
    match looks(context, masked, compared, None) {
        Looked::Computed => true,
        Looked::If(names) => names.into_iter().any(|name| context.is_computed(name)),
    }
}

/// A look at a piece of code in the function `scope`.
fn looks<'a>(context: &Context<'a>, masked: &'a str, compared: bool, scope: Option<&'a str>) -> Looked<'a> {
    let given = context.given(scope);
    let mut names = Vec::new();
    for m in NAME.find_iter(masked) {
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
            continue;
        }
        let used = after.starts_with(['(', '[', '{']) || after.starts_with("::") || after.starts_with("!(");
        if context.imported.contains(name) && !used {
            // `module.function(…)` is a call of what was imported.
            if compared || ATTRIBUTE_CALL.is_match(after) {
                return Looked::Computed;
            }
        } else if used {
            if !after.starts_with('(') {
                return Looked::Computed;
            }
            names.push(Behind::Function(name));
        } else if given.contains(name) {
            // Looked at where the function is called.
        } else if !context.set.contains_key(name) || context.filled.contains(name) {
            return Looked::Computed;
        } else {
            names.push(Behind::Value(name, scope));
        }
    }
    Looked::If(names)
}

static ATTRIBUTE_CALL: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(?:\s*(?:\.|::)\s*\w+)+\s*[(\[!]"));

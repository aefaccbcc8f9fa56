//! A day's production code with every function that it touched emptied, in one way or the other: what a test that looks at
//! them cannot pass both times.
//!
//! Pure text. Only languages that run from their sources; where a text cannot be read with certainty it stays as it is.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::index::Index;
use super::{Language, mask};

/// A file whose functions are emptied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hollowed {
    pub text: String,
    /// What the day's other lines in it give a name to: a test may be about these.
    pub beside: BTreeSet<String>,
}

/// How a function is emptied. Who expects an error is content with one that fails, and who expects nothing with one that
/// does nothing: who looks at it at all, not with both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    /// It fails, as it never does by itself.
    Failing,
    /// It gives nothing that anything can be done with.
    Useless,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Failing, Self::Useless];
}

/// `text` with the functions that have lines in `added` (half-open, counted from 1) emptied; `None` where there is none, or
/// none can be told.
pub(crate) fn hollowed(path: &str, text: &str, added: &[(u32, u32)], way: Way) -> Option<Hollowed> {
    let language = Language::of(path);
    let masked = mask::masked(language, text);
    let index = Index::of(language, &masked);
    let mut bodies = match language {
        Language::Python => python(&masked, &index, way),
        Language::JavaScript => javascript(&masked, &index, way),
        Language::Shell => shell(&masked, &index, way),
        _ => return None,
    };
    let lines = |body: &Body| (index.line_of(body.from), index.line_of(body.end.saturating_sub(1)) + 1);
    let today = |(from, to): (u32, u32)| added.iter().any(|&(a, b)| a < to && from < b);
    bodies.retain(|body| today(lines(body)));
    bodies.sort_by_key(|body| body.from);
    // What stands within another one goes with it.
    let mut outer: Vec<Body> = Vec::new();
    for body in bodies {
        if outer.last().is_none_or(|last| last.end <= body.from) {
            outer.push(body);
        }
    }
    if outer.is_empty() {
        return None;
    }
    let inside = |line: u32| outer.iter().any(|body| (lines(body).0..lines(body).1).contains(&line));
    let beside = (1_u32..)
        .zip(masked.lines())
        .filter(|(n, _)| !inside(*n) && today((*n, n + 1)))
        .filter_map(|(_, line)| {
            NAMED.captures(line)?.iter().skip(1).flatten().next().map(|m| m.as_str().to_owned())
        })
        .collect();
    let mut hollow = String::new();
    let mut at = 0;
    for body in &outer {
        hollow.push_str(&text[at..body.open]);
        hollow.push_str(&body.instead);
        at = body.end;
    }
    hollow.push_str(&text[at..]);
    if language == Language::Python && way == Way::Useless {
        hollow.push_str(OPAQUE);
    }
    Some(Hollowed { text: hollow, beside })
}

/// A function: where it begins, what its body is, in bytes, and what takes the place of the body.
struct Body {
    from: usize,
    open: usize,
    end: usize,
    instead: String,
}

/// What is set, or declared as a field.
static NAMED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\s*(?:export\s+)?(?:(?:const|let|var|static|readonly|local)\s+)*([A-Za-z_$][\w$]*)\s*(?::[^=(]+)?(?:=[^=>]|=$|$)|^\s*([A-Za-z_]\w*)\s*:\s*[^\s=][^=]*$",
    )
});

/// What a Python function gives instead of its result: nothing can be done with it.
const OPAQUE: &str = "


class _PaceOpaque:
    pass


def _pace_fail(*_given, **_named):
    raise RuntimeError('taken out')


for _pace in 'eq ne lt le gt ge bool hash len iter next contains getitem setitem call str repr format bytes int float index add radd sub rsub mul rmul truediv rtruediv floordiv mod neg abs round enter exit await aiter getattr fspath'.split():
    setattr(_PaceOpaque, f'__{_pace}__', _pace_fail)
_pace_opaque = _PaceOpaque()
";

static DEF: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?m)^([ \t]*)(?:async[ \t]+)?def[ \t]+\w+[ \t]*\("));

fn python(masked: &str, index: &Index, way: Way) -> Vec<Body> {
    let body = match way {
        Way::Failing => "raise RuntimeError('taken out')",
        Way::Useless => "return _pace_opaque",
    };
    let of = |c: regex::Captures<'_>| {
        let (whole, indent) = (c.get(0)?, c.get(1)?.as_str());
        let close = index.closing(whole.end() - 1)?;
        // Behind the brackets, and an annotation, a colon ends the line.
        let line = close + masked[close..].find('\n')?;
        masked[close..line].trim_end().ends_with(':').then_some(())?;
        let open = line + 1;
        let mut end = open;
        for text in masked[open..].split_inclusive('\n') {
            let depth = text.len() - text.trim_start().len();
            if !text.trim().is_empty() && depth <= indent.len() {
                break;
            }
            end += text.len();
        }
        let instead = format!("{indent}    {body}\n\n");
        (end > open).then_some(Body { from: whole.start(), open, end, instead })
    };
    DEF.captures_iter(masked).filter_map(of).collect()
}

static FUNCTION: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bfunction\b\s*\*?\s*[\w$]*\s*(?:<[^()]*>)?\("));
static ARROW: LazyLock<Regex> = LazyLock::new(|| pattern(r"=>\s*"));
static METHOD: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)^[ \t]*(?:(?:static|async|public|private|protected|override|get|set)[ \t]+)*([#\w$]+)[ \t]*\([^;\n]*\)[^;={\n]*\{[ \t]*$",
    )
});

fn javascript(masked: &str, index: &Index, way: Way) -> Vec<Body> {
    let (body, value) = match way {
        Way::Failing => (" throw new Error('taken out'); ", "(() => { throw new Error('taken out'); })()"),
        Way::Useless => (" return undefined; ", "undefined"),
    };
    let block = |from: usize, open: usize| {
        let end = index.closing(open)?;
        Some(Body { from, open: open + 1, end, instead: body.to_owned() })
    };
    let functions = FUNCTION.find_iter(masked).filter_map(|m| {
        let close = index.closing(m.end() - 1)?;
        block(m.start(), close + masked[close..].find('{')?)
    });
    let methods = METHOD.captures_iter(masked).filter_map(|c| {
        let (whole, name) = (c.get(0)?, c.get(1)?.as_str());
        let keyword = ["if", "for", "while", "switch", "catch", "function", "with", "describe", "it"];
        (!keyword.contains(&name)).then_some(())?;
        block(whole.start(), whole.start() + whole.as_str().rfind('{')?)
    });
    let arrows = ARROW.find_iter(masked).filter_map(|m| {
        if masked[m.end()..].starts_with('{') {
            return block(m.start(), m.end());
        }
        let end = expression_end(masked, m.end());
        (end > m.end()).then(|| Body { from: m.start(), open: m.end(), end, instead: value.to_owned() })
    });
    functions.chain(methods).chain(arrows).collect()
}

/// The end of the expression that begins at `from`: what closes or parts it, or the line's end outside of brackets.
fn expression_end(masked: &str, from: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in masked.bytes().enumerate().skip(from) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' if depth == 0 => return at,
            b')' | b']' | b'}' => depth -= 1,
            b';' | b',' if depth == 0 => return at,
            b'\n' if depth == 0 && !masked[at..].trim_start().starts_with(['.', '?', ':', '&', '|', '+']) => {
                return at;
            }
            _ => {}
        }
    }
    masked.len()
}

static SHELL: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^[ \t]*(?:function[ \t]+)?[\w-]+[ \t]*(?:\(\)[ \t]*)?\n?[ \t]*\{"));

fn shell(masked: &str, index: &Index, way: Way) -> Vec<Body> {
    // A status alone is what `!` and `||` wait for: the shell that called it ends.
    let body = match way {
        Way::Failing => " kill -s KILL \"$$\"; ",
        Way::Useless => " return 0; ",
    };
    let of = |m: regex::Match<'_>| {
        let named = m.as_str().contains("()") || m.as_str().trim_start().starts_with("function");
        let open = m.end() - 1;
        let end = index.closing(open).filter(|_| named)?;
        Some(Body { from: m.start(), open: open + 1, end, instead: body.to_owned() })
    };
    SHELL.find_iter(masked).filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_today_fail() {
        for (path, text, added, hollow, beside) in [
            (
                "a.py",
                "X = 1\n\n\ndef old(n):\n    return n\n\n\ndef new(\n    n: int,\n) -> int:\n    if n:\n        return 1\n\n    return 2\n\n\nY = 2\n",
                &[(8, 18)][..],
                "X = 1\n\n\ndef old(n):\n    return n\n\n\ndef new(\n    n: int,\n) -> int:\n    raise RuntimeError('taken out')\n\nY = 2\n",
                &["Y"][..],
            ),
            (
                "a.py",
                "class A:\n    size: int\n    def f(self):\n        def g():\n            pass\n        return g\n",
                &[(1, 7)],
                "class A:\n    size: int\n    def f(self):\n        raise RuntimeError('taken out')\n\n",
                &["size"],
            ),
            (
                "a.js",
                "export const twice = (n) => n * 2;\nexport function thrice(n) {\n  return n * 3;\n}\nexport const k = 4;\n",
                &[(1, 6)],
                "export const twice = (n) => (() => { throw new Error('taken out'); })();\nexport function thrice(n) { throw new Error('taken out'); }\nexport const k = 4;\n",
                &["k"],
            ),
            (
                "a.ts",
                "class A {\n  get(n: number): number {\n    if (n) {\n      return 1;\n    }\n    return n;\n  }\n}\n",
                &[(3, 4)],
                "class A {\n  get(n: number): number { throw new Error('taken out'); }\n}\n",
                &[],
            ),
            (
                "a.sh",
                "greet() {\n    echo \"Hello, $1\"\n}\nexit 0\n",
                &[(2, 5)],
                "greet() { kill -s KILL \"$$\"; }\nexit 0\n",
                &[],
            ),
        ] {
            let found = hollowed(path, text, added, Way::Failing).unwrap();
            assert_eq!(found.text, hollow, "{path}");
            assert_eq!(found.beside.iter().map(String::as_str).collect::<Vec<_>>(), beside, "{path}");
        }
        let way = Way::Useless;
        let useless = |path, text| hollowed(path, text, &[(1, 9)], way).unwrap().text;
        let python = useless("a.py", "def f():\n    return 1\n");
        assert_eq!(python, format!("def f():\n    return _pace_opaque\n\n{OPAQUE}"));
        assert_eq!(useless("a.js", "const f = (n) => n * 2;\n"), "const f = (n) => undefined;\n");
        assert_eq!(useless("a.sh", "f() {\n    echo 1\n}\n"), "f() { return 0; }\n");
        for (path, text) in
            [("a.py", "X = 1\n"), ("a.go", "func f() int { return 1 }\n"), ("a.py", "def f(): return 1\n")]
        {
            assert_eq!(hollowed(path, text, &[(1, 9)], Way::Useless), None, "{path}");
        }
    }
}

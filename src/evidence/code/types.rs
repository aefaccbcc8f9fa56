//! What TypeScript declares and no program sees: interfaces, names of types, imports of them.

use std::sync::LazyLock;

use regex::Regex;

use super::super::pattern;
use super::index::Index;
use super::{Language, mask};

/// Whether the file at `path` may declare types.
pub(super) fn has(path: &str) -> bool {
    [".ts", ".tsx", ".mts", ".cts"].iter().any(|end| path.ends_with(end))
}

static BLOCK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^[ \t]*(?:export[ \t]+)?(?:declare[ \t]+)?interface[ \t]+[\w$]+[^{};()=]*\{")
});
static ALIAS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^[ \t]*(?:export[ \t]+)?(?:declare[ \t]+)?type[ \t]+[\w$]+[ \t]*(?:<[^=;{}()]*>)?[ \t]*=")
});
static IMPORT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?m)^[ \t]*(?:import|export)[ \t]+type\b[^;\n{]*(?:\{[^}]*\}[^;\n]*)?;?"));

/// `text` without the declarations of types. One whose end cannot be told stays.
pub(super) fn without(text: &str) -> String {
    let masked = mask::masked(Language::JavaScript, text);
    let index = Index::of(Language::JavaScript, &masked);
    let blocks = BLOCK.find_iter(&masked).filter_map(|m| Some((m.start(), index.closing(m.end() - 1)? + 1)));
    let aliases =
        ALIAS.find_iter(&masked).filter_map(|m| Some((m.start(), alias_end(&masked, &index, m.end())?)));
    let imports = IMPORT.find_iter(&masked).map(|m| (m.start(), m.end()));
    let mut spans: Vec<(usize, usize)> = blocks.chain(aliases).chain(imports).collect();
    spans.sort_unstable();
    let (mut left, mut at) = (String::new(), 0);
    for (from, to) in spans {
        if from >= at {
            left.push_str(&text[at..from]);
            at = to;
        }
    }
    left.push_str(&text[at..]);
    left
}

/// The end of the type that begins at `from`: its semicolon, or the line behind which it does not go on.
fn alias_end(masked: &str, index: &Index, from: usize) -> Option<usize> {
    let bytes = masked.as_bytes();
    let mut at = from;
    let mut began = false;
    while at < bytes.len() {
        match bytes[at] {
            b'(' | b'[' | b'{' => at = index.closing(at)?,
            b';' => return Some(at + 1),
            b'\n' if began => {
                let next = masked[at..].trim_start();
                let goes_on = next.starts_with(['|', '&', '?', ':', '=']) || next.starts_with("extends ");
                let before = masked[from..at].trim_end();
                if !goes_on
                    && !before.ends_with(['|', '&', '=', '?', ':', '<', ','])
                    && !before.ends_with("=>")
                {
                    return Some(at);
                }
            }
            c if !c.is_ascii_whitespace() => began = true,
            _ => {}
        }
        began |= at > from && matches!(bytes[at], b')' | b']' | b'}');
        at += 1;
    }
    began.then_some(bytes.len())
}

#[cfg(test)]
mod tests {
    use crate::evidence::code::effective;

    #[test]
    fn types_are_no_effect() {
        let program = "import { add } from './add';\nexport const sum = (a: number) => add(a, 1);\n";
        for types in [
            "interface User {\n  name: string;\n  tags: { a: number }[];\n}\n",
            "export interface Admin extends User<string> {\n  rights: string[]\n}\n",
            "export type Id = string | number;\n",
            "type Shape =\n  | { kind: 'a' }\n  | { kind: 'b' }\n",
            "type Pair<A, B> = {\n  a: A;\n  b: B;\n};\n",
            "type Act = (a: number) => void\n",
            "import type { User } from './user';\n",
            "import type {\n  User,\n  Admin,\n} from './user';\n",
            "export type { User } from './user';\n",
        ] {
            for text in [format!("{types}{program}"), format!("{program}{types}")] {
                assert_eq!(effective("a.ts", &text), effective("a.ts", program), "{types}");
                assert_ne!(effective("a.js", &text), effective("a.js", program), "{types}");
            }
        }
        for other in [
            "const type = add();\n",
            "type = add(1);\n",
            "class A {\n  type = add(1);\n}\n",
            "enum A {\n  B\n}\n",
        ] {
            assert_ne!(
                effective("a.ts", &format!("{other}{program}")),
                effective("a.ts", program),
                "{other}"
            );
        }
    }
}

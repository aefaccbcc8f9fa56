//! Source text as far as rules need it: languages, comments and strings blanked out, definitions, names.
//!
//! Heuristics over text, never a parser: what is not understood counts in the author's favour. Reads no file.

pub(crate) mod assertions;
pub(crate) mod bodies;
mod computed;
pub(crate) mod hollowed;
mod index;
pub(crate) mod mask;
pub(crate) mod rust_tests;
mod swallowed;
pub(crate) mod test_text;
mod types;
pub(crate) mod worth;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::pattern;

/// Languages with rules of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    Ruby,
    Shell,
    JavaScript,
    Rust,
    Go,
    /// Java, Kotlin, Groovy, Scala.
    Jvm,
    /// C, C++, Objective-C, C#, Swift, PHP, Dart.
    Braces,
    Other,
}

impl Language {
    /// By the extension of `path`.
    pub(crate) fn of(path: &str) -> Self {
        match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
            "py" | "pyi" | "pyx" => Self::Python,
            "rb" => Self::Ruby,
            "sh" | "bash" | "zsh" | "bats" => Self::Shell,
            "js" | "jsx" | "mjs" | "cjs" | "ts" | "tsx" | "mts" | "cts" | "vue" | "svelte" => {
                Self::JavaScript
            }
            "rs" => Self::Rust,
            "go" => Self::Go,
            "java" | "kt" | "kts" | "groovy" | "scala" => Self::Jvm,
            "c" | "h" | "cc" | "cpp" | "cxx" | "hpp" | "hh" | "m" | "mm" | "cs" | "swift" | "php"
            | "dart" => Self::Braces,
            _ => Self::Other,
        }
    }

    /// Whether blocks are told by indentation, or by words, rather than by braces.
    pub(super) fn indents(self) -> bool {
        matches!(self, Self::Python | Self::Ruby)
    }

    /// Whether a module is imported by the path of its file, so that two copies of one do not collide.
    pub(crate) fn imports_paths(self) -> bool {
        matches!(self, Self::Python | Self::Ruby | Self::Shell | Self::JavaScript | Self::Rust)
    }
}

/// `text` as far as it does something: without comments, blank lines and, where they mean nothing, blanks. Two
/// texts that differ in these alone come out equal. So do two of TypeScript that declare other types.
pub(crate) fn effective(path: &str, text: &str) -> String {
    let language = Language::of(path);
    let bare = mask::without_comments(language, text);
    let bare = if types::has(path) { types::without(&bare) } else { bare };
    match language {
        Language::Python | Language::Shell | Language::Ruby | Language::Other => {
            let lines = bare.lines().map(str::trim_end).filter(|line| !line.is_empty());
            lines.collect::<Vec<_>>().join("\n")
        }
        _ => bare.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

static DEFINITION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?m)\b(?:def|fn|func|function|fun|class|struct|enum|trait|interface|type|module|object|record|protocol|macro_rules!)\s+(?:\([^)\n]*\)\s*)?([A-Za-z_]\w*)|^\s*(?:export\s+)?(?:pub\s+)?(?:const|let|var|val|static)\s+(?:mut\s+)?([A-Za-z_]\w*)|^([A-Za-z_]\w*)\s*(?::[^=\n]+)?=[^=]|^\s*([a-z_]\w*)\s*\(\)\s*\{|^\s*(?:(?:public|private|protected|internal|static|final|async|override|virtual|get|set)\s+)+(?:[\w<>\[\],.?]+\s+)?([A-Za-z_]\w*)\s*\(",
    )
});

/// Names that `text` defines: functions, types, top-level values.
pub(crate) fn definitions(path: &str, text: &str) -> BTreeSet<String> {
    let masked = mask::masked(Language::of(path), text);
    let names = DEFINITION.captures_iter(&masked).filter_map(|c| {
        let name = c.iter().skip(1).flatten().next()?.as_str();
        (name.len() >= 2).then(|| name.to_owned())
    });
    names.collect()
}

static WORD: LazyLock<Regex> = LazyLock::new(|| pattern(r"[A-Za-z_]\w*"));

/// All names in `text`, those within strings and comments included.
pub(crate) fn words(text: &str) -> BTreeSet<&str> {
    WORD.find_iter(text).map(|m| m.as_str()).collect()
}

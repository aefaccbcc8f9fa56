//! The day diff as the rules see it: which part of which file is production and which is test.
//!
//! Pure; the contents come with it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::code::hollowed::{Hollowed, Way, hollowed};
use super::code::{self, Language, rust_tests};
use super::files::{FileKind, kind_of};
use super::pattern;
use crate::domain::diff::{Change, FileDiff};

/// A day's own work: day base → now.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct DayChange {
    pub files: Vec<FileChange>,
}

/// A file of the day's work.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct FileChange {
    pub path: String,
    pub old_path: Option<String>,
    pub change: Change,
    /// Lines added, half-open and counted from 1.
    pub added: Vec<(u32, u32)>,
    /// Text before and after; `None` where there is none, for binary files and for those of other kinds.
    pub before: Option<String>,
    pub now: Option<String>,
}

impl DayChange {
    /// Files whose production part changed.
    pub(crate) fn production(&self) -> impl Iterator<Item = &FileChange> {
        self.files.iter().filter(|file| file.changes_production())
    }

    /// Files whose test part changed, deleted ones included.
    pub(crate) fn tests(&self) -> impl Iterator<Item = &FileChange> {
        self.files.iter().filter(|file| file.changes_tests())
    }
}

impl FileChange {
    /// Of a diff's file; its texts are to be filled.
    pub(crate) fn of(diff: &FileDiff) -> Self {
        Self {
            path: diff.path.clone(),
            old_path: diff.old_path.clone(),
            change: diff.change,
            added: diff.added.clone(),
            before: None,
            now: None,
        }
    }

    /// Whether rules look at the file's text.
    pub(crate) fn is_code(&self) -> bool {
        kind_of(&self.path) != FileKind::Other
            || self.old_path.as_deref().is_some_and(|old| kind_of(old) != FileKind::Other)
    }

    /// The path before the day.
    pub(crate) fn path_before(&self) -> &str {
        self.old_path.as_deref().unwrap_or(&self.path)
    }

    /// Whether production code changed in it: comments, layout and a mere move aside.
    pub(crate) fn changes_production(&self) -> bool {
        let is = |path: &str| kind_of(path) == FileKind::Production;
        if !is(&self.path) && !is(self.path_before()) || self.is_generated() {
            return false;
        }
        let effect = |path: &str, text: &Option<String>| match text {
            Some(text) if is(path) => code::effective(path, &production(path, text)),
            _ => String::new(),
        };
        // A file without text is told by its path alone.
        if self.before.is_none() && self.now.is_none() {
            return self.change != Change::Renamed;
        }
        effect(self.path_before(), &self.before) != effect(&self.path, &self.now)
    }

    /// Whether a test, fixture or snapshot changed in it.
    pub(crate) fn changes_tests(&self) -> bool {
        if kind_of(&self.path) == FileKind::Test {
            let effect =
                |text: &Option<String>| text.as_deref().map(|text| code::effective(&self.path, text));
            let unread = self.before.is_none() && self.now.is_none() && self.change != Change::Renamed;
            return unread || effect(&self.before) != effect(&self.now);
        }
        let part = |path: &str, text: &Option<String>| {
            let inline = Language::of(path) == Language::Rust && kind_of(path) == FileKind::Production;
            text.as_deref().filter(|_| inline).map(rust_tests::test_part).unwrap_or_default()
        };
        part(self.path_before(), &self.before) != part(&self.path, &self.now)
    }

    /// Today's test code in it, with what is not test blanked out; `None` where there is none.
    pub(crate) fn test_text(&self) -> Option<String> {
        let now = self.now.as_deref()?;
        match kind_of(&self.path) {
            FileKind::Test if Language::of(&self.path) != Language::Other => Some(now.to_owned()),
            FileKind::Production if Language::of(&self.path) == Language::Rust => {
                let lines = rust_tests::test_lines(now);
                let inside = |n: usize| lines.iter().any(|&(a, b)| (a as usize..b as usize).contains(&n));
                let kept = now.lines().enumerate().map(|(i, line)| if inside(i + 1) { line } else { "" });
                (!lines.is_empty()).then(|| kept.collect::<Vec<_>>().join("\n"))
            }
            _ => None,
        }
    }

    /// Production code of today; empty where there is none.
    pub(crate) fn production_text(&self) -> String {
        self.now.as_deref().map(|now| production(&self.path, now)).unwrap_or_default()
    }

    /// What the file becomes when the day's production change is taken out; `None`: nothing there.
    pub(crate) fn without_production(&self) -> Option<String> {
        let before = self.before.as_deref()?;
        let split = Language::of(&self.path) == Language::Rust && kind_of(&self.path) == FileKind::Production;
        match self.now.as_deref() {
            Some(now) if split => Some(rust_tests::recombined(before, now)),
            _ => Some(before.to_owned()),
        }
    }

    /// The file with the functions that the day touched emptied; `None` where there are none.
    pub(crate) fn hollowed(&self, way: Way) -> Option<Hollowed> {
        if self.change == Change::Deleted || !self.changes_production() {
            return None;
        }
        hollowed(&self.path, self.now.as_deref()?, &self.added, way)
    }

    /// Whether the production change takes away and adds nothing: no new test can show that.
    pub(crate) fn only_removes(&self) -> bool {
        if self.change == Change::Deleted {
            return true;
        }
        let (Some(before), Some(now)) = (&self.before, &self.now) else { return false };
        let (before, now) = (production(self.path_before(), before), production(&self.path, now));
        let defined = |text: &str| code::definitions(&self.path, text);
        let (had, has) = (defined(&before), defined(&now));
        let lines = |text: &str| -> BTreeSet<String> { text.lines().map(|l| l.trim().to_owned()).collect() };
        let known: BTreeSet<&str> = code::words(&before);
        let new: Vec<String> = lines(&now).difference(&lines(&before)).cloned().collect();
        let mentions: BTreeSet<&str> = code::words(&now);
        // An import that lost a name counts as taken away too.
        let lost = had.difference(&has).next().is_some() || known.difference(&mentions).next().is_some();
        has.is_subset(&had)
            && lost
            && new.iter().all(|line| IMPORT.is_match(line) && code::words(line).is_subset(&known))
    }

    /// Whether all lines that the production part gained wire other files up: imports, exports, module lines.
    pub(crate) fn only_wires(&self) -> bool {
        let now = self.production_text();
        let before: BTreeSet<&str> =
            self.before.as_deref().map(|text| text.lines().map(str::trim).collect()).unwrap_or_default();
        let effect = code::effective(&self.path, &now);
        let new = now
            .lines()
            .map(str::trim)
            .filter(|l| !l.is_empty() && !before.contains(l) && effect.contains(*l));
        let wires = |line: &str| {
            IMPORT.is_match(line) || !line.contains(char::is_alphanumeric) || NAMES.is_match(line)
        };
        new.into_iter().all(wires)
    }

    fn is_generated(&self) -> bool {
        // Today's own word does not make a file generated.
        self.before.as_deref().is_some_and(|text| {
            let head: String = text.lines().take(15).collect::<Vec<_>>().join("\n");
            GENERATED.is_match(&head)
        })
    }
}

static IMPORT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"^(?:from\s.*\bimport\b|import\b|export\s+(?:\*|\{|(?:type\s)?\{)|(?:pub(?:\([^)]*\))?\s+)?(?:use|mod)\s|#\s*include|using\s|package\s|require(?:_relative)?\b|(?:const|let|var)\s.*=\s*require\(|\.\s+\S|source\s|__all__)"#,
    )
});
/// A name or a text alone, within a list of imports.
static NAMES: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^["']?\w+["']?,?$"#));
static GENERATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?i)code generated .*do not edit|@generated|\bauto-?generated\b|automatically generated")
});

fn production(path: &str, text: &str) -> String {
    let split = Language::of(path) == Language::Rust && kind_of(path) == FileKind::Production;
    if split { rust_tests::production_part(text) } else { text.to_owned() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A change of a file from one text to another.
    pub(crate) fn change(path: &str, before: Option<&str>, now: Option<&str>) -> FileChange {
        let change = match (before, now) {
            (None, _) => Change::Added,
            (_, None) => Change::Deleted,
            _ => Change::Modified,
        };
        let lines = now.map_or(0, |text| u32::try_from(text.lines().count()).unwrap());
        FileChange {
            path: path.into(),
            old_path: None,
            change,
            added: vec![(1, lines + 1)],
            before: before.map(str::to_owned),
            now: now.map(str::to_owned),
        }
    }

    #[test]
    fn parts_of_a_day() {
        let inline = "fn a() {}\n#[cfg(test)]\nmod tests {}\n";
        for (path, before, now, production, tests) in [
            ("calc.py", None, Some("def add(): pass\n"), true, false),
            ("pkg/__init__.py", None, Some(""), false, false),
            ("pkg/a.py", Some("x = 1\n"), Some("# one\nx = 1\n"), false, false),
            ("calc.py", Some("x = 1\n"), None, true, false),
            ("tests/test_calc.py", None, Some("x"), false, true),
            ("tests/data/a.json", Some("1"), Some("2"), false, true),
            ("README.md", Some("1"), Some("2"), false, false),
            ("src/a.rs", Some("fn a() {}\n"), Some(inline), false, true),
            ("src/a.rs", Some("fn b() {}\n"), Some(inline), true, true),
            ("src/a.rs", Some(inline), Some("fn c() {}\n#[cfg(test)]\nmod tests {}\n"), true, false),
            (
                "api.go",
                Some("// Code generated by x. DO NOT EDIT.\nvar a = 1\n"),
                Some("var a = 2\n"),
                false,
                false,
            ),
            (
                "api.go",
                Some("var a = 1\n"),
                Some("// Code generated by x. DO NOT EDIT.\nvar a = 2\n"),
                true,
                false,
            ),
        ] {
            let file = change(path, before, now);
            assert_eq!(
                (file.changes_production(), file.changes_tests()),
                (production, tests),
                "{path} {now:?}"
            );
        }
        let moved = FileChange {
            old_path: Some("old.py".into()),
            change: Change::Renamed,
            ..change("new.py", Some("x = 1\n"), Some("x = 1\n"))
        };
        assert!(!moved.changes_production());
    }

    #[test]
    fn what_only_removes_or_only_wires() {
        let shop = "from cart import add, drop\ndef buy():\n    add()\ndef undo():\n    drop()\n";
        for (before, now, removes, wires) in [
            (Some(shop), Some("from cart import add\ndef buy():\n    add()\n"), true, true),
            (Some(shop), Some("from cart import add, drop\ndef buy():\n    drop(1)\n"), false, false),
            (
                Some(shop),
                Some("from cart import add, drop, more\ndef buy():\n    add()\ndef undo():\n    drop()\n"),
                false,
                true,
            ),
            (Some(shop), None, true, true),
            (None, Some("from cart import (\n    add,\n)\n__all__ = ['add']\n"), false, true),
            (None, Some("x = 1\n"), false, false),
        ] {
            let file = change("shop.py", before, now);
            assert_eq!((file.only_removes(), file.only_wires()), (removes, wires), "{now:?}");
        }
    }
}

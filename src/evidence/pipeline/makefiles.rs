//! Makefiles and justfiles: which targets they have, and test recipes that cannot fail.
//!
//! Reads what stands there literally. A file that makes targets by computing them is *open*: it may have any.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use globset::Glob;
use regex::Regex;

use super::flaw::{Family, Flaw, Found};
use super::kinds::Kind;
use super::script::{Shell, has_test, shown, swallowed};
use super::source::Source;
use crate::evidence::pattern;

/// The targets of a Makefile or the recipes of a justfile.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Targets {
    pub names: BTreeSet<String>,
    /// Pattern rules, e.g. `test-%`.
    patterns: Vec<String>,
    /// Any target may exist.
    open: bool,
}

impl Targets {
    /// Whether `target` exists or cannot be ruled out.
    pub(super) fn may_have(&self, target: &str) -> bool {
        let fits = |p: &String| {
            let (start, end) = p.split_once('%').unwrap_or((p, ""));
            target.len() > start.len() + end.len() && target.starts_with(start) && target.ends_with(end)
        };
        self.open || self.names.contains(target) || self.patterns.iter().any(fits)
    }
}

/// The targets of the Makefile at `path`, those of its includes with it. `files` are texts by path.
pub(super) fn make_targets(path: &str, files: &BTreeMap<String, String>) -> Targets {
    let mut targets = Targets::default();
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    read_make(path, folder, files, &mut targets, &mut BTreeSet::new());
    targets
}

fn read_make(
    path: &str,
    folder: &str,
    files: &BTreeMap<String, String>,
    targets: &mut Targets,
    seen: &mut BTreeSet<String>,
) {
    if !seen.insert(path.to_owned()) {
        return;
    }
    let Some(text) = files.get(path) else {
        targets.open = true;
        return;
    };
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for line in make_lines(text) {
        if let Some(c) = INCLUDE.captures(&line) {
            for part in expand(&c[1], &variables).split_whitespace() {
                include(part, folder, files, targets, seen);
            }
        } else if COMPUTED.is_match(&line) {
            targets.open = true;
        } else if let Some(c) = ASSIGNMENT.captures(&line) {
            let value = expand(c[3].trim(), &variables);
            let known = variables.entry(c[1].to_owned()).or_default();
            match &c[2] {
                "+=" => *known = format!("{known} {value}"),
                "?=" if !known.is_empty() => {}
                _ => *known = value,
            }
        } else if let Some(c) = RULE.captures(&line) {
            rule(&expand(&c[1], &variables), &line, &variables, targets);
        } else if line.trim_start().starts_with("$(") {
            targets.open = true;
        }
    }
}

/// Takes the targets on the left of a rule's colon.
fn rule(left: &str, line: &str, variables: &BTreeMap<String, String>, targets: &mut Targets) {
    for name in left.split_whitespace() {
        match name {
            // A phony target has no rule of its own where it only groups; it exists nevertheless.
            ".PHONY" => {
                let right = expand(line.split_once(':').map_or("", |(_, right)| right), variables);
                targets.open |= right.contains('$');
                targets.names.extend(right.split_whitespace().map(str::to_owned));
            }
            ".DEFAULT" => targets.open = true,
            name if name.contains('$') => targets.open = true,
            name if name.contains('%') => targets.patterns.push(name.to_owned()),
            name => {
                targets.names.insert(name.to_owned());
            }
        }
    }
}

fn include(
    part: &str,
    folder: &str,
    files: &BTreeMap<String, String>,
    targets: &mut Targets,
    seen: &mut BTreeSet<String>,
) {
    let harmless = part.ends_with(".env") || part.ends_with(".d") || part.ends_with(".env.example");
    let path = join(folder, part.trim_start_matches("./"));
    if part.contains('$') {
        targets.open = true;
    } else if part.contains('*') {
        let Ok(glob) = Glob::new(&path).map(|g| g.compile_matcher()) else { return };
        let matching: Vec<&String> = files.keys().filter(|f| glob.is_match(f)).collect();
        targets.open |= matching.is_empty();
        for file in matching {
            read_make(file, folder, files, targets, seen);
        }
    } else if files.contains_key(&path) {
        read_make(&path, folder, files, targets, seen);
    } else {
        targets.open |= !harmless;
    }
}

/// `name` as seen from `folder`.
pub(super) fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}

/// Lines that are no recipe and no comment, continuations joined.
fn make_lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut open = false;
    for raw in text.lines() {
        let (part, continues) = raw.strip_suffix('\\').map_or((raw, false), |part| (part, true));
        match lines.last_mut() {
            Some(last) if open => {
                last.push(' ');
                last.push_str(part.trim());
            }
            _ => lines.push(part.to_owned()),
        }
        open = continues;
    }
    let no_recipe = |line: &String| !line.starts_with('\t') && !line.trim().is_empty();
    let uncommented = |line: String| line.split(" #").next().unwrap_or_default().trim_end().to_owned();
    lines
        .into_iter()
        .filter(no_recipe)
        .map(uncommented)
        .filter(|l| !l.trim_start().starts_with('#'))
        .collect()
}

/// `text` with the variables that are known; others stay.
fn expand(text: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    // A value may name others; what refers to itself stops here.
    for _ in 0..4 {
        let next = VARIABLE.replace_all(&text, |c: &regex::Captures<'_>| {
            variables.get(&c[1]).filter(|v| v.len() < 4096).cloned().unwrap_or_else(|| c[0].to_owned())
        });
        if next == text || next.len() > 65_536 {
            break;
        }
        text = next.into_owned();
    }
    text
}

/// The recipes of the justfile at `path`, those of its imports with it.
pub(super) fn just_recipes(path: &str, files: &BTreeMap<String, String>) -> Targets {
    let mut targets = Targets::default();
    let mut open = vec![path.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = open.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let Some(text) = files.get(&path) else {
            targets.open = true;
            continue;
        };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for line in text.lines() {
            if let Some(c) = IMPORT.captures(line) {
                open.push(join(folder, c[1].trim_start_matches("./")));
            } else if line.starts_with("mod ")
                || line.starts_with("mod? ")
                || line.starts_with("set fallback")
            {
                targets.open = true;
            } else if let Some(c) = RECIPE.captures(line) {
                targets.names.insert(c[1].to_owned());
            } else if let Some(c) = ALIAS.captures(line) {
                targets.names.insert(c[1].to_owned());
            }
        }
    }
    targets
}

/// Finds test recipes whose failure is lost.
pub(super) fn check(source: &Source<'_>, found: &mut Found) {
    let mut strict = source.kind == Kind::Justfile;
    // One recipe line is one shell.
    const RECIPE_SHELL: Shell = Shell { errexit: false, pipefail: false };
    for (number, line) in (1..).zip(source.text.lines()) {
        strict |= line.contains("-o pipefail") || line.contains("pipefail -c");
        let recipe = if source.kind == Kind::Makefile {
            line.strip_prefix('\t')
        } else {
            line.strip_prefix([' ', '\t'])
        };
        let Some(recipe) = recipe.map(str::trim).filter(|r| has_test(r)) else { continue };
        found.look(Family::Tests, source.path);
        let ignored = recipe.trim_start_matches(['@', '+']).starts_with('-');
        let shell = Shell { pipefail: strict, ..RECIPE_SHELL };
        let how = if ignored {
            Some("the leading `-` hides its failure".to_owned())
        } else {
            swallowed(recipe, shell).into_iter().next().map(|lost| lost.how)
        };
        if let Some(how) = how {
            let what = format!("`{}` cannot fail: {how}. Let its exit code count", shown(recipe));
            found.add(Flaw::new(Family::Tests, source.path, number, what));
        }
    }
}

static INCLUDE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^ *(?:-include|sinclude|include)\s+(.+)$"));
/// What makes rules out of text.
static COMPUTED: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$[({](?:eval|call|foreach)\b|^ *define\b"));
static ASSIGNMENT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^ *(?:export\s+|override\s+)*([A-Za-z_][\w.-]*)\s*(:{0,3}=|\+=|\?=|!=)(.*)$"));
static RULE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^ *([^:=#\t][^:=#]*?)\s*&?::?(?:[^=:]|$)"));
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$[({]([A-Za-z_][\w.-]*)[)}]"));
static IMPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^import\??\s+['"]([^'"]+)['"]"#));
static RECIPE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^@?([A-Za-z_][\w-]*)(?:\s+[^:=]*(?:=\s*(?:'[^']*'|\x22[^\x22]*\x22|\S+))?)*\s*:(?:[^=]|$)")
});
static ALIAS: LazyLock<Regex> = LazyLock::new(|| pattern(r"^alias\s+([\w-]+)\s*:="));

#[cfg(test)]
mod tests {
    use super::*;

    fn make(files: &[(&str, &str)]) -> Targets {
        let files = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
        make_targets("Makefile", &files)
    }

    #[test]
    fn make_targets_are_read_carefully() {
        type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, bool);
        let table: &[Row<'_>] = &[
            (&[("Makefile", "test:\n\tpytest\n")], "test", true),
            (&[("Makefile", "test:\n\tpytest\n")], "lint", false),
            (&[("Makefile", "test lint: deps\n")], "lint", true),
            (&[("Makefile", "test: ; pytest\n")], "test", true),
            (&[("Makefile", "test::\n\tx\n")], "test", true),
            (&[("Makefile", ".PHONY: all \\\n  lint\n")], "lint", true),
            (&[("Makefile", "T := lint fmt\n$(T):\n\tx\n")], "fmt", true),
            (&[("Makefile", "T := lint fmt\n$(T):\n\tx\n")], "test", false),
            (&[("Makefile", "$(TARGETS):\n\tx\n")], "any", true),
            (&[("Makefile", "test-%:\n\tx\n")], "test-unit", true),
            (&[("Makefile", "test-%:\n\tx\n")], "lint", false),
            (&[("Makefile", "%:\n\tx\n")], "lint", true),
            (&[("Makefile", "include a.mk\n"), ("a.mk", "lint:\n")], "lint", true),
            (&[("Makefile", "include a.mk\n"), ("a.mk", "lint:\n")], "test", false),
            (&[("Makefile", "include mk/*.mk\n"), ("mk/a.mk", "lint:\n")], "lint", true),
            (&[("Makefile", "include mk/*.mk\n"), ("mk/a.mk", "lint:\n")], "test", false),
            (&[("Makefile", "-include .env\nx:\n")], "lint", false),
            (&[("Makefile", "include $(ROOT)/a.mk\n")], "lint", true),
            (&[("Makefile", "include gone.mk\n")], "lint", true),
            (&[("Makefile", "define t\n$(1):\nendef\n$(eval $(call t,x))\n")], "x", true),
            (&[("Makefile", "URL := http://x\nx:\n")], "http", false),
            (&[("Makefile", "# test:\nx:\n")], "test", false),
            (&[("Makefile", "ifdef CI\ntest:\n\tx\nendif\n")], "test", true),
            (&[("Makefile", "x:\n\techo test: y\n")], "test", false),
        ];
        for (files, target, expected) in table {
            assert_eq!(make(files).may_have(target), *expected, "{files:?} {target}");
        }
    }

    #[test]
    fn just_recipes_are_read_carefully() {
        let text = "set shell := [\"sh\"]\nx := \"y\"\n\n# doc\n@test *args: build\n  cargo test {{args}}\nbuild mode='debug':\n  x\nalias t := test\n";
        let files = BTreeMap::from([("justfile".to_owned(), text.to_owned())]);
        let recipes = just_recipes("justfile", &files);
        for (name, expected) in [("test", true), ("build", true), ("t", true), ("lint", false), ("x", false)]
        {
            assert_eq!(recipes.may_have(name), expected, "{name}");
        }
    }
}

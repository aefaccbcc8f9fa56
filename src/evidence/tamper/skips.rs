//! Marks that keep a test from running, where there were none.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Look, Sign, items, quoted};
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

const CHECK: &str = "Skipped test";

static MARK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)
            pytest\.mark\.(?:skip|skipif|xfail)\b | \bmark\.(?:skip|skipif|xfail)\b | pytest\.(?:skip|xfail|importorskip|exit)\(
          | \bunittest\.(?:skip\w*|expectedFailure) | ^\s*@(?:skip\w*|expectedFailure|xfail)\b | \bSkipTest\b | \.skipTest\( | __test__\s*=\s*False
          | \b(?:it|test|describe|context|suite|specify)(?:\.\w+)*(?:\.(?:skip|only|todo|fixme|failing|fails|skipIf|runIf)\b|\[\s*[\x27"](?:skip|only|todo|failing|fails)[\x27"]\s*\])
          | ^\s*(?:xit|xtest|xdescribe|xcontext|xspecify|fit|fdescribe)\s*\( | \b(?:this|t|ctx)\.skip\( | \bt\.todo\( | \b(?:it|test|describe|suite)\s*\(.*\b(?:skip|todo|only)\s*:\s*(?:true|['"])
          | \#\[ignore\b | \#\[cfg_attr\([^\]]*\bignore\b | \#\[cfg\((?:any\(\)|FALSE|not\(test\))\)\]
          | \bt\.Skip(?:f|Now)?\( | ^//go:build\s+(?:ignore|never) | ^//\s*\+build\s+ignore
          | @(?:Disabled|Ignore|DisabledIf\w*|DisabledOn\w*|EnabledIf\w*|EnabledOn\w*)\b | \bassumeTrue\(\s*false | \bSkip\s*=\s*" | \[(?:\w+,\s*)*(?:Ignore|Explicit)\b | \bAssert\.(?:Ignore|Inconclusive|Skip)\(
          | \bmarkTest(?:Skipped|Incomplete)\( | \bXCTSkip | @tag\s+:?skip | ^\s*x(?:it|describe|context)\s+['"]
          | ^\s*(?:echo|printf|print)\b.*\bok\b.*\#\s*(?:SKIP|TODO)\b
        "#,
    )
});

/// In languages of which they are words of their own.
static BARE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"^\s*(?:pending|skip)\b\s*(?:['"(]|$)"#));
/// Marks that keep a test from running only where something is so, and those of them that say nothing else than yes.
static CONDITIONAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"skipif\(|skipIf\(|skipUnless\(|runIf\(|importorskip|cfg_attr\(|DisabledIf|DisabledOn|EnabledIf|EnabledOn",
    )
});
static UNCONDITIONAL: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?:skipif|skipIf|skipUnless|runIf)\(\s*(?:not\s+)?(?:True|False|true|false|\d+|None|["'][^"']*["'])\s*[,)]|importorskip\(\s*["']_"#,
    )
});

pub(super) fn signs(look: &Look<'_>) -> Vec<Sign> {
    let before = marks(look, |file| file.before.as_deref());
    let after = marks(look, |file| file.after.as_deref());
    // A mark that moved with its test, or stayed where only its words changed, is no new one.
    let mut spare: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_test: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for mark in &before {
        *spare.entry(&mark.text).or_default() += 1;
        *of_test.entry((&mark.path, &mark.test)).or_default() += 1;
    }
    let known: BTreeSet<String> = look
        .changed
        .iter()
        .filter_map(|file| Some(items::items(&file.path, file.before.as_deref()?)))
        .flatten()
        .map(|item| item.name)
        .collect();
    let mut signs = Vec::new();
    for mark in &after {
        let same = of_test.get_mut(&(mark.path.as_str(), mark.test.as_str()));
        let moved = spare.get_mut(mark.text.as_str());
        if let Some(left) = [same, moved].into_iter().flatten().find(|left| **left > 0) {
            *left -= 1;
            continue;
        }
        // A new test that runs only where it can takes nothing away from what was there.
        let new = !mark.test.is_empty() && !known.contains(&mark.test);
        let holds = !(new && CONDITIONAL.is_match(&mark.text) && !UNCONDITIONAL.is_match(&mark.text));
        let who = if mark.test.is_empty() { String::new() } else { format!(" ({})", mark.test) };
        signs.push(Sign {
            check: CHECK,
            path: mark.path.clone(),
            line: Some(mark.line),
            test: (!mark.test.is_empty()).then(|| mark.test.clone()),
            what: format!("{}{who} keeps tests from running", quoted(&mark.text)),
            holds,
        });
    }
    signs
}

const RUBY_LIKE: &[&str] = &[".rb", ".exs", ".bats"];

struct Mark {
    path: String,
    line: u32,
    text: String,
    /// The test it stands in or above; empty for a mark of a whole file.
    test: String,
}

fn marks<'a>(look: &Look<'a>, text: impl Fn(&'a super::Changed) -> Option<&'a str>) -> Vec<Mark> {
    let mut marks = Vec::new();
    for file in look.changed.iter().filter(|file| items::is_code(&file.path)) {
        let Some(text) = text(file) else { continue };
        let test_file = kind_of(&file.path) == FileKind::Test;
        let items = items::items(&file.path, text);
        if !test_file && items.is_empty() {
            continue;
        }
        for (number, line) in (1_u32..).zip(text.lines()) {
            let comment = line.trim_start().starts_with(['#', '/', '*'])
                && !line.trim_start().starts_with("#[")
                && !line.contains("go:build");
            let bare = RUBY_LIKE.iter().any(|end| file.path.ends_with(end)) && BARE.is_match(line);
            if comment || !bare && !MARK.is_match(line) {
                continue;
            }
            let inside = items.iter().find(|item| (item.line..=item.end).contains(&number));
            // A mark above a test belongs to it.
            let above = items.iter().find(|item| {
                item.line > number && item.line - number < u32::try_from(item.head.len()).unwrap_or(0)
            });
            let of = |test: &str| Mark {
                path: file.path.clone(),
                line: number,
                text: line.trim().to_owned(),
                test: test.to_owned(),
            };
            match (above.or(inside), class_below(text, number)) {
                (Some(item), _) => marks.push(of(&item.name)),
                // A mark above a class belongs to each of its tests.
                (None, Some(class)) => {
                    let prefix = format!("{class}::");
                    let tests: Vec<_> = items.iter().filter(|item| item.name.starts_with(&prefix)).collect();
                    marks.extend(tests.iter().map(|item| of(&item.name)));
                    marks.extend(tests.is_empty().then(|| of("")));
                }
                (None, None) => marks.push(of("")),
            }
        }
    }
    marks
}

/// The class that stands right below the decorators of which `line` is one.
fn class_below(text: &str, line: u32) -> Option<String> {
    let mark = text.lines().nth(line as usize - 1)?;
    mark.trim_start().starts_with('@').then_some(())?;
    let below = text.lines().skip(line as usize).find(|line| !line.trim_start().starts_with('@'))?;
    let name = below.trim_start().strip_prefix("class ")?;
    Some(name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

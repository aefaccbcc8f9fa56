//! Marks that keep a test from running, where there were none.

use std::collections::BTreeMap;
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
          | ^\s*(?:xit|xtest|xdescribe|xcontext|xspecify|fit|fdescribe)\s*\( | \b(?:this|t|ctx)\.skip\( | \bt\.todo\( | \b(?:skip|todo|only)\s*:\s*(?:true|['"])
          | \#\[ignore\b | \#\[cfg_attr\([^\]]*\bignore\b | \#\[cfg\((?:any\(\)|FALSE|not\(test\))\)\]
          | \bt\.Skip(?:f|Now)?\( | ^//go:build\s+(?:ignore|never) | ^//\s*\+build\s+ignore
          | @(?:Disabled|Ignore|DisabledIf\w*|DisabledOn\w*|EnabledIf\w*|EnabledOn\w*)\b | \bassumeTrue\(\s*false | \bSkip\s*=\s*" | \[(?:\w+,\s*)*(?:Ignore|Explicit)\b | \bAssert\.(?:Ignore|Inconclusive|Skip)\(
          | \bmarkTest(?:Skipped|Incomplete)\( | \bXCTSkip | @tag\s+:?skip | ^\s*(?:pending|skip)\b\s*(?:['"(]|$) | ^\s*x(?:it|describe|context)\s+['"]
          | ^\s*(?:echo|printf|print)\b.*\#\s*(?:SKIP|TODO)\b
        "#,
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
    let mut signs = Vec::new();
    for mark in &after {
        let same = of_test.get_mut(&(mark.path.as_str(), mark.test.as_str()));
        let moved = spare.get_mut(mark.text.as_str());
        if let Some(left) = [same, moved].into_iter().flatten().find(|left| **left > 0) {
            *left -= 1;
            continue;
        }
        let who = if mark.test.is_empty() { String::new() } else { format!(" ({})", mark.test) };
        signs.push(Sign {
            check: CHECK,
            path: mark.path.clone(),
            line: Some(mark.line),
            test: (!mark.test.is_empty()).then(|| mark.test.clone()),
            what: format!("{}{who} keeps tests from running", quoted(&mark.text)),
            holds: true,
        });
    }
    signs
}

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
            if comment || !MARK.is_match(line) {
                continue;
            }
            let inside = items.iter().find(|item| (item.line..=item.end).contains(&number));
            // A mark above a test belongs to it.
            let above = items.iter().find(|item| {
                item.line > number && item.line - number < u32::try_from(item.head.len()).unwrap_or(0)
            });
            let test = above.or(inside).map(|item| item.name.clone()).unwrap_or_default();
            marks.push(Mark { path: file.path.clone(), line: number, text: line.trim().to_owned(), test });
        }
    }
    marks
}

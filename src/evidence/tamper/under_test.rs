//! Production code that asks whether tests are running, or reads what they expect: what it does there, it need not do
//! anywhere else.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::{Look, Sign, added, items, quoted};
use crate::evidence::code::{Language, mask};
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

const CHECK: &str = "Code that knows its tests";

/// A runner's own marks: nothing but a test has them.
static RUNNER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)\bPYTEST_(?:CURRENT_TEST|VERSION|ADDOPTS|XDIST_WORKER)\b | \b(?:JEST|VITEST)_(?:WORKER|POOL)_ID\b | \bNODE_TEST_CONTEXT\b | \bCARGO_TARGET_TMPDIR\b
          | ["'](?:_?pytest|unittest|nose2?)["']\s*(?:not\s+)?in\s+(?:sys\.)?modules | \bmodules(?:\.get)?[\[(]\s*["'](?:_?pytest|unittest|nose2?)["']
          | \b(?:argv|orig_argv|executable|__main__)\b.*["'](?:[\w./-]*/)?(?:py\.?test|unittest|jest|mocha|vitest)\b | ["'](?:[\w./-]*/)?(?:py\.?test|unittest|jest|mocha|vitest)["'].*\bargv\b
          | \bprocess\.env\.VITEST\b | \bimport\.meta\.(?:vitest|jest)\b | \btypeof\s+(?:jest|describe|vi)\b | \btesting\.Testing\(\) | \bf_back\b.*\bf_locals\b | \blinecache\.getlines?\(
        "#,
    )
});
/// What an application's own settings say too.
static SETTING: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)\b(?:NODE_ENV|APP_ENV|RAILS_ENV|RACK_ENV|FLASK_ENV|DJANGO_ENV|ENVIRONMENT)\b.*["']test(?:ing)?["'] | \bcfg!\(\s*test\b | \bcfg\(\s*not\(\s*test\b
          | \b(?:inspect\.(?:stack|currentframe)|sys\._getframe)\( | ["']test["']\s+in\s+sys\.argv "#,
    )
});
static FILE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"["'`/ ]([\w.-]+\.\w{1,5})\b"#));

pub(super) fn signs(look: &Look<'_>) -> Vec<Sign> {
    let tests: BTreeSet<String> = tests(look);
    let mut signs = Vec::new();
    let production = look.changed.iter().filter(|file| {
        kind_of(&file.path) == FileKind::Production && !look.commands.iter().any(|c| c.contains(&file.path))
    });
    for file in production {
        let Some(after) = &file.after else { continue };
        let bare = mask::without_comments(Language::of(&file.path), after);
        for (number, line) in added(file.before.as_deref(), &bare) {
            let mut see = |what: &str, holds: bool| {
                signs.push(Sign {
                    check: CHECK,
                    path: file.path.clone(),
                    line: Some(number),
                    test: None,
                    what: format!("{} {what}", quoted(line)),
                    holds,
                });
            };
            if FILE.captures_iter(line).any(|c| tests.contains(&c[1])) {
                see("names the source of a test", !is_import(line));
            } else if RUNNER.is_match(line) {
                see("asks whether a test runs it", true);
            } else if SETTING.is_match(line) {
                see("may do something else where it is tested", false);
            }
        }
    }
    signs
}

/// Names of the files that hold tests.
fn tests(look: &Look<'_>) -> BTreeSet<String> {
    let name = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let is_source = |path: &str| kind_of(path) == FileKind::Test && items::is_code(path);
    let old = look.base_paths.iter().filter(|path| is_source(path) && TEST.is_match(&name(path)));
    let new = look.changed.iter().filter(|file| {
        is_source(&file.path)
            && file.after.as_deref().is_some_and(|text| !items::items(&file.path, text).is_empty())
    });
    old.map(|path| name(path)).chain(new.map(|file| name(&file.path))).collect()
}

static TEST: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?i)test|spec"));

fn is_import(line: &str) -> bool {
    let line = line.trim_start();
    ["import ", "from ", "export ", "use ", "mod "].iter().any(|word| line.starts_with(word))
}

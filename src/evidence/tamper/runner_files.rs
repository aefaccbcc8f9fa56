//! Files that tell a runner what to run: settings that collect less, scripts that hide the exit code, code that
//! patches the framework or ends the process early. Any other change of them is worth knowing.

mod scripts;
mod values;

use std::sync::LazyLock;

use regex::Regex;

use super::{Changed, Look, Sign, added, is_test_code, quoted};
use crate::evidence::code::Language;
use crate::evidence::code::mask::masked;
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

const SETTING: &str = "Runner setting";
const CHANGE: &str = "Runner file";

pub(super) use scripts::is_script_of;

pub(super) fn signs(look: &Look<'_>) -> Vec<Sign> {
    let mut signs = Vec::new();
    for file in look.changed {
        let found = signs_of(look, file);
        let changed = file.before.is_some() && file.before != file.after;
        if found.is_empty() && changed && is_runner_file(look, file) {
            let what = if file.after.is_some() { "changed" } else { "was removed" };
            signs.push(sign(
                file,
                CHANGE,
                file.after.is_some().then_some(1),
                format!("the runner's file {what}"),
                false,
            ));
        }
        signs.extend(found);
    }
    signs
}

fn signs_of(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    let mut signs = scripts::signs(look, file);
    let Some(after) = file.after.as_deref() else { return signs };
    signs.extend(values::signs(look, file));
    let code = is_test_code(&file.path)
        || is_setup(&file.path)
        || values::names(look.changed, &file.path)
        || is_script_of(look.commands, &file.path);
    let shell = super::items::is_shell(&file.path);
    let production = kind_of(&file.path) == FileKind::Production;
    let prints = |line: &str| {
        // A script that tests says results too, but works them out: by a variable, or under a condition.
        let computed = line.contains(['$', '{', '%', '&', '|']) || line.starts_with([' ', '\t']) && shell;
        (code && !computed && PRINTED.is_match(line)) || (production && FORGED.is_match(line))
    };
    let lines = added(file.before.as_deref(), after);
    let masked = masked(Language::of(&file.path), after);
    let masked: Vec<&str> = masked.lines().collect();
    let in_code = |rule: &Regex, number: u32, line: &str| {
        does(rule, line, masked.get(number as usize - 1).copied().unwrap_or(line))
    };
    let all: Vec<&str> = after.lines().collect();
    let writes_reports = lines.iter().any(|(_, line)| REPORT_FILE.is_match(line));
    for (number, line) in lines {
        let mut see = |what: &str| {
            signs.push(sign(file, SETTING, Some(number), format!("{} {what}", quoted(line)), true));
        };
        if prints(line) {
            see("prints what only a test runner says");
        }
        if equals_everything(line, all.get(number as usize).copied().unwrap_or_default()) {
            see("is equal to everything");
        }
        if production && in_code(&FRAMEWORK, number, line) {
            see("changes the test framework from within the code that it tests");
        }
        if !code || line.trim_start().starts_with(['#', '*']) && !line.contains("#[") {
            continue;
        }
        if in_code(&EXIT, number, line) {
            see("ends the test run with success");
        }
        if in_code(&PATCHED, number, line) && !SHOWS.is_match(line)
            || is_setup(&file.path) && OUTCOME.is_match(line)
        {
            see("changes the test framework or the outcome of its tests");
        }
        let collected = is_setup(&file.path) || after.contains("pytest_collection_modifyitems");
        if COLLECT.is_match(line) || collected && COLLECTED.is_match(line) {
            see("makes the runner collect less");
        }
        if REPEATED.is_match(line) || is_tried_again(&all, number as usize - 1) {
            see("runs a test that failed once more, until it passes");
        }
        if writes_reports && line.contains("<test") && REPORT.is_match(line) {
            see("writes a test report by itself");
        }
    }
    signs
}

/// Whether `line` does what `rule` looks for; what a string says, which is blank in `masked`, is not done.
fn does(rule: &Regex, line: &str, masked: &str) -> bool {
    rule.find_iter(line).any(|found| {
        let word = found.as_str().find(|c: char| c.is_alphanumeric() || c == '_').unwrap_or(0);
        let at = found.start() + word;
        masked.get(at..=at).is_none_or(|c| c != " ")
    })
}

/// Whether line `at`, counted from 0, has a test tried again.
fn is_tried_again(lines: &[&str], at: usize) -> bool {
    let test = |line: Option<&&str>| line.is_some_and(|line| BEGINS_TEST.is_match(line));
    let above = || at.checked_sub(1).and_then(|above| lines.get(above));
    let below = || lines[at + 1..].iter().find(|line| !line.trim_start().starts_with('@'));
    lines.get(at).is_some_and(|line| {
        let option = line.trim_start().starts_with("retry") && test(above());
        RETRY.is_match(line) && (test(Some(line)) || option) || RETRIED.is_match(line) && test(below())
    })
}

/// Whether Python's equality, defined in `line` and perhaps the `next` one, holds for everything.
fn equals_everything(line: &str, next: &str) -> bool {
    line.contains("def __eq__(") && (next.trim() == "return True" || line.trim_end().ends_with("return True"))
}

fn sign(file: &Changed, check: &'static str, line: Option<u32>, what: String, holds: bool) -> Sign {
    Sign { check, path: file.path.clone(), line, test: None, what, holds }
}

static EXIT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?:\b(?:sys\.exit|os\._exit|process\.exit|os\.Exit|System\.exit|Environment\.Exit|process::e[x]it|pytest\.exit|Deno\.exit)|(?:^|[^.\w])(?:exit|quit|_exit))\(\s*(?:0|returncode\s*=\s*0)?\s*\)|\bprocess\.exitCode\s*=\s*(?:0|undefined|null)\b|\bprocess\.reallyExit\(|\braise\s+SystemExit(?:\(\s*0?\s*\))?\s*$",
    )
});
static PATCHED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\bexitstatus\s*=[^=] | \bforce_result\( | \bforce_exception\(
          | \b(?:unittest|pytest|_pytest)(?:\.\w+)+\s*=[^=] | \bsetattr\(\s*(?:unittest|pytest|_pytest|\w*TestCase) | \bTestCase\.\w+\s*=[^=]
          | \bdef\s+pytest_(?:pyfunc_call|runtest_call|runtest_protocol|runtest_makereport|runtestloop|pycollect_makeitem|runtest_logreport|exception_interact)\b
          | \b(?:global|globalThis|window)\.(?:it|test|expect|describe|assert)\s*=[^=] | ^\s*(?:expect|assert)(?:\.\w+)+\s*=[^=>]
          | \b(?:[a-z_]\w*\.)*[A-Z]\w*\.(?:test_\w+|test[A-Z]\w*|assert[A-Z_]\w*)\s*=\s*(?:lambda\b|None\b|[a-z_][\w.]*\s*(?:$|\())
          | \bsetattr\(\s*[\w.]*[A-Z]\w*\s*,\s*['\x22](?:test_|test[A-Z]|assert[A-Z_])
          | \bsys\.modules\[\s*['\x22](?:pytest|_pytest|unittest) | \bAssertionError\s*=[^=] | \bbuiltins\.(?:\w*(?:Error|Exception|Exit)|__\w+__|all|any|len|isinstance|compile|exec|eval|type|bool|exit|quit)\s*=[^=] | \bsys\.excepthook\s*=",
    )
});
/// The outcome of a test, where a plugin sees it.
static OUTCOME: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:report|rep|outcome|result|res|r)\.(?:outcome|failed|passed|wasxfail)\s*=[^=]")
});
/// What no production code does to a framework.
static FRAMEWORK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\b(?:unittest|pytest|_pytest)(?:\.\w+)+\s*=[^=] | \bsetattr\(\s*(?:unittest|pytest|_pytest|\w*TestCase) | \bTestCase\.\w+\s*=[^=]
          | \bdef\s+pytest_(?:pyfunc_call|runtest_call|runtest_protocol|runtest_makereport|runtestloop|pycollect_makeitem|runtest_logreport|exception_interact)\b
          | \b(?:global|globalThis|window)\.(?:it|test|expect|describe|assert)\s*=[^=] | \bassert\.(?:equal|strictEqual|deepEqual|deepStrictEqual|ok)\s*=[^=]
          | \b(?:[a-z_]\w*\.)*[A-Z]\w*\.assert[A-Z]\w*\s*=\s*(?:lambda\b|None\b|[a-z_][\w.]*\s*(?:$|\())",
    )
});
static COLLECT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bcollect_ignore(?:_glob)?\s*(?:=|\+=|\.)|\bdef\s+pytest_ignore_collect\b|\bpytest_deselected\b|\bload_tests\b\s*[=(]",
    )
});
/// Tests are taken out of those that were collected; elsewhere `items` may be anything.
static COLLECTED: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\bitems\s*\[\s*:\s*\]\s*=|\bitems\.(?:clear|remove|pop)\(|\bdel\s+items\b"));
/// Settings of `TestCase` that say how a failure is shown.
static SHOWS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\.(?:maxDiff|longMessage|_diffThreshold)\s*=[^=]"));
/// Calls and marks by which a test that fails is tried again.
static REPEATED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\bjest\.retryTimes\(\s*[1-9]|\b(?:this|ctx)\.retries\(\s*[1-9]|\bmark\.flaky\b|^\s*@(?:Retry|RetryingTest|RepeatedIfExceptionsTest|FlakyTest)\b|\[Retry\(",
    )
});
/// Marks that mean it on a test alone: the option of one, and a decorator.
static RETRY: LazyLock<Regex> = LazyLock::new(|| pattern(r"\bretry\s*:\s*[1-9]"));
static RETRIED: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*@(?:flaky|retry)\b"));
static BEGINS_TEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^\s*(?:(?:test|it|describe|suite)\b[.\w]*\s*\(|(?:async\s+)?def\s+test|class\s+\w*Test)")
});
static PRINTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)(?:\b(?:echo|printf|print|printl[n]!?|puts|console\.log|stdout\.write|fmt\.Print\w*|System\.out\.print\w*|Console\.Write\w*|eprintl[n]!)\b).{0,12}['"`].{0,60}?
           (?: \bok\s+(?:\d+|\$\w+|%d|\{\w*\})\s*-? | ::\w+\s+PASSED | ---\s+PASS: | \.\.\.\s+ok\b | \b[1-9]\d*\s+(?:tests?\s+)?(?:passed|passing)\b | [✓✔√] | \btest\s+result:\s+ok | \bTests:\s+\d+ | ^1\.\.\d )"#,
    )
});
static FORGED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?x)(?:\b(?:echo|printf|print|printl[n]!?|puts|console\.log|stdout\.write|fmt\.Print\w*|System\.out\.print\w*|Console\.Write\w*|eprintl[n]!)\b).{0,12}['"`].{0,60}?
           (?: \b(?:not\s+)?ok\s+\d+\s+-\s | ::\w+\s+PASSED | ---\s+PASS:\s | \btest\s+result:\s+ok )"#,
    )
});
static REPORT: LazyLock<Regex> = LazyLock::new(|| pattern(r"<test(?:suites?|case|run)\b"));
static REPORT_FILE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:junit|report|results?|test-results?|test-reports?)\.(?:xml|trx|tap)\b|surefire-reports|TestResults|test-results|TEST-(?-i:[\w.-])*\.xml",
    )
});
static SETUP: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:^|/)(?:conftest\.py|sitecustomize\.py|usercustomize\.py|setup-?tests?\.[cm]?[jt]sx?|(?:jest|vitest|mocha|test)[.-]setup\.[cm]?[jt]s|global[-_.]?(?:setup|teardown)\.[cm]?[jt]s|(?:test|spec|rails)_helper\.rb|test_helper\.exs|bootstrap\.php)$",
    )
});

fn is_setup(path: &str) -> bool {
    SETUP.is_match(path)
}

/// Files of which every change is worth knowing.
static SETTINGS_FILE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:^|/)(?:\.?pytest\.ini|tox\.ini|noxfile\.py|\.mocharc(?:\.(?-i:\w)+)?|(?:jest|vitest|karma|playwright|cypress|ava|jasmine)(?-i:[\w.])*\.conf(?:ig)?\.[cm]?[jt]s(?:on)?|nextest\.toml|(?-i:[\w.-])*\.runsettings|phpunit\.xml(?:\.dist)?|\.rspec|\.coveragerc|\.taprc|mvnw|gradlew)$",
    )
});

fn is_runner_file(look: &Look<'_>, file: &Changed) -> bool {
    SETTINGS_FILE.is_match(&file.path)
        || is_script_of(look.commands, &file.path)
        || values::runner_part_changed(file)
}

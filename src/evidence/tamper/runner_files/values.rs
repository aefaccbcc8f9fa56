//! Settings of runners, by the file that they stand in.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;

use super::super::patterns::swallows;
use super::super::{Changed, Look, Sign, added, quoted};
use super::scripts::{NARROW, does_nothing};
use super::{CHANGE, SETTING, sign};
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

pub(super) fn signs(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    let name = file.path.rsplit('/').next().unwrap_or_default();
    match name {
        "pytest.ini" | ".pytest.ini" | "pyproject.toml" | "setup.cfg" | "tox.ini" | "noxfile.py" => {
            python(look, file)
        }
        "package.json" => package_json(look, file),
        "Cargo.toml" => by_line(file, |line, section| !section.contains("bench") && CARGO.is_match(line)),
        "nextest.toml" => by_line(file, |line, _| NEXTEST.is_match(line)),
        "config.toml" if file.path.contains(".cargo/") => {
            by_line(file, |line, _| CARGO_CONFIG.is_match(line))
        }
        "pom.xml" | "build.gradle" | "build.gradle.kts" => jvm(file),
        _ if name.ends_with("proj") || name.ends_with(".runsettings") || name.ends_with(".props") => {
            by_line(file, |line, _| DOTNET.is_match(line))
        }
        _ if SCRIPTED.is_match(name) => javascript(look, file),
        _ if name.starts_with("phpunit.xml") => by_line(file, |line, _| line.contains("<exclude")),
        ".rspec" => by_line(file, |line, _| line.contains("--tag") || line.contains("--exclude")),
        _ => vec![],
    }
}

static CARGO: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(?:test|harness|doctest|autotests)\s*=\s*false\b"));
static CARGO_CONFIG: LazyLock<Regex> = LazyLock::new(|| pattern(r"^\s*(?:runner|test|t|nextest)\s*="));
static JVM: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"skipTests|maven\.test\.skip|testFailureIgnore|maven\.test\.failure\.ignore|ignoreFailures\s*=?\s*\(?true|exclude\w*\s*[('\x22].*[Tt]est|<exclude>.*Test|excludeTestsMatching|includeTestsMatching|failIfNoTests>\s*false|onlyIf\s*\{\s*false|excludeTags|excludedGroups|<groups>|rerunFailingTestsCount>\s*[1-9]|maxRetries\s*(?:=|\.set)",
    )
});
/// What means the tests only where it stands among them.
static JVM_PART: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"<skip>\s*true|\benabled(?:\s*=\s*|\.set\(\s*)false|\bsetEnabled\(\s*false"));
static JVM_TESTS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)test|surefire|failsafe|\bcheck\b|subprojects|allprojects|tasks\s*\.?\s*(?:all|each|configureEach)",
    )
});
static NEXTEST: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"default-filter|^\s*retries\s*=\s*(?:[1-9]|\{)|^\s*status-level\s*=\s*\x22none")
});
static DOTNET: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"<IsTestProject>\s*false|TestCaseFilter|<VSTestTestCaseFilter|TreatNoTestsAsError>\s*false|<Compile\s+Remove=.*Test",
    )
});
static SCRIPTED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)^(?:\.mocharc(?:\.(?-i:\w)+)?|(?:jest|vitest|vite|karma|playwright|cypress|ava|jasmine)(?-i:[\w.])*\.conf(?:ig)?\.[cm]?[jt]s(?:on)?|\.taprc)$",
    )
});

fn by_line(file: &Changed, collects_less: impl Fn(&str, &str) -> bool) -> Vec<Sign> {
    let Some(after) = file.after.as_deref() else { return vec![] };
    let lines: Vec<&str> = after.lines().collect();
    let mut signs = Vec::new();
    for (number, line) in added(file.before.as_deref(), after) {
        if comment(line) {
            continue;
        }
        if collects_less(line, section(&lines, number)) {
            signs.push(less(file, number, line));
        }
    }
    signs
}

/// Settings of Maven and Gradle. Of a plugin or a task that only may be one of the tests, what is around it tells.
fn jvm(file: &Changed) -> Vec<Sign> {
    let lines: Vec<&str> = file.after.as_deref().unwrap_or_default().lines().collect();
    let mut signs = by_line(file, |line, _| JVM.is_match(line));
    for (number, line) in added(file.before.as_deref(), &lines.join("\n")) {
        let at = number as usize - 1;
        let plugin = || {
            let named = |line: &&&str| line.contains("<artifactId>") || line.contains("<plugin>");
            lines[..at].iter().rev().find(named).is_none_or(|line| JVM_TESTS.is_match(line))
        };
        let of_tests = |line: &str| JVM_TESTS.is_match(line);
        let tests = || of_tests(line) || around(&lines, at).any(of_tests);
        let xml = file.path.ends_with(".xml");
        if !comment(line) && JVM_PART.is_match(line) && if xml { plugin() } else { tests() } {
            signs.push(less(file, number, line));
        }
    }
    signs
}

/// The lines that open the blocks around line `at`, counted from 0, as they are indented; innermost first.
fn around<'a>(lines: &[&'a str], at: usize) -> impl Iterator<Item = &'a str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut depth = lines.get(at).map_or(0, |line| indent(line));
    let above: Vec<&'a str> = lines[..at.min(lines.len())].iter().rev().copied().collect();
    above.into_iter().filter(move |line| {
        let opens = !line.trim().is_empty() && indent(line) < depth;
        if opens {
            depth = indent(line);
        }
        opens
    })
}

fn less(file: &Changed, number: u32, line: &str) -> Sign {
    let what = format!("{} makes the runner run less, or hides that a test failed", quoted(line));
    sign(file, SETTING, Some(number), what, true)
}

fn comment(line: &str) -> bool {
    line.trim_start().starts_with(['#', ';', '/', '*'])
}

/// The `[section]` that a line stands in.
fn section<'a>(lines: &[&'a str], number: u32) -> &'a str {
    let above = &lines[..(number as usize).min(lines.len())];
    above
        .iter()
        .rev()
        .map(|line| line.trim())
        .find(|line| line.starts_with('[') && line.ends_with(']'))
        .unwrap_or("")
}

fn python(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    let Some(after) = file.after.as_deref() else { return vec![] };
    let lines: Vec<&str> = after.lines().collect();
    let own = |section: &str| {
        section.contains("pytest") || section.contains("testenv") || file.path.ends_with(".py")
    };
    let tests = python_tests(look.base_paths);
    let mut signs = Vec::new();
    let changed: Vec<(u32, &str)> = added(file.before.as_deref(), after)
        .into_iter()
        .filter(|(n, line)| own(section(&lines, *n)) && !comment(line))
        .collect();
    for &(number, line) in &changed {
        let (key, value) = line.split_once('=').unwrap_or(("", line));
        let holds = match key.trim() {
            "testpaths" => {
                let value = value_of(&lines, number);
                let roots: Vec<&str> = words(&value).collect();
                !roots.is_empty() && tests.iter().any(|test| !roots.iter().any(|root| below(test, root)))
            }
            "norecursedirs" => {
                let value = value_of(&lines, number);
                words(&value).any(|dir| tests.iter().any(|test| test.split('/').any(|part| part == dir)))
            }
            "python_files" if !tests.is_empty() => !value_of(&lines, number).contains("test_*.py"),
            "python_functions" | "python_classes" if !tests.is_empty() => {
                let value = value_of(&lines, number);
                !words(&value).any(|word| matches!(word, "test" | "test_*" | "test*" | "Test" | "Test*"))
            }
            "ignore_outcome" | "ignore_errors" => value.contains("true"),
            _ => {
                NARROW.is_match(&without_idle_ignores(line, &tests))
                    || swallows(line)
                    || line.trim_start().starts_with("- pytest")
                    || markers(line)
            }
        };
        if holds {
            signs.push(less(file, number, line));
        }
    }
    signs
}

/// A line without the folders that pytest is told to ignore and that hold no test.
fn without_idle_ignores(line: &str, tests: &[&String]) -> String {
    let idle = |c: &regex::Captures<'_>| {
        let path = c[1].trim_end_matches('/');
        let hides = tests.iter().any(|test| below(test, path)) || path.contains(['*', '$']);
        if hides { c[0].to_owned() } else { String::new() }
    };
    IGNORE.replace_all(line, idle).into_owned()
}

static IGNORE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"--ignore[=\s]+['"]?([\w./*$-]+)['"]?"#));

/// `-m` in the options of pytest picks by marker.
fn markers(line: &str) -> bool {
    (line.contains("addopts") || line.contains("pytest")) && MARKERS.is_match(line)
}

static MARKERS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:^|[\s'\x22=])-m[\s='\x22]+(?:not\b|['\x22\\]+not\b|\w)"));

/// The value that begins on a line, with the lines of its list.
fn value_of(lines: &[&str], number: u32) -> String {
    let at = (number as usize - 1).min(lines.len());
    let first = lines[at].split_once('=').map_or("", |(_, value)| value).to_owned();
    let open = first.contains('[') && !first.contains(']');
    let listed = first.trim().is_empty();
    let more = lines[at + 1..].iter().take_while(|line| {
        if open { !line.trim().starts_with(']') } else { line.starts_with([' ', '\t']) && listed }
    });
    more.fold(first, |value, line| format!("{value} {line}"))
}

fn words(value: &str) -> impl Iterator<Item = &str> {
    value
        .split([' ', '\t', ',', '[', ']', '"', '\''])
        .map(|w| w.trim_end_matches('/'))
        .filter(|w| !w.is_empty())
}

fn below(path: &str, root: &str) -> bool {
    root == "." || path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn python_tests(paths: &[String]) -> Vec<&String> {
    let is = |path: &&String| {
        let name = path.rsplit('/').next().unwrap_or(path);
        (name.starts_with("test_") && name.ends_with(".py")) || name.ends_with("_test.py")
    };
    paths.iter().filter(is).collect()
}

fn package_json(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    let read =
        |text: &Option<String>| text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
    let (Some(after), before) = (read(&file.after), read(&file.before).unwrap_or(Value::Null)) else {
        return vec![];
    };
    let mut signs = scripts(look, file, &before, &after);
    let settings = ["jest", "mocha", "ava", "vitest"];
    signs.extend(
        settings.iter().filter_map(|key| runner_settings(look, file, key, (&before[key], &after[key]))),
    );
    signs
}

/// The line on which `key` stands now.
fn line_of(file: &Changed, key: &str) -> Option<u32> {
    let quoted = format!("\"{key}\"");
    let at = file.after.as_deref()?.lines().position(|line| line.contains(&quoted))?;
    u32::try_from(at + 1).ok()
}

/// What became of the scripts that run the tests.
fn scripts(look: &Look<'_>, file: &Changed, before: &Value, after: &Value) -> Vec<Sign> {
    let started = look.commands.iter().filter(|command| STARTS_SCRIPTS.is_match(command));
    let asked: BTreeSet<&str> = started.flat_map(|command| command.split_whitespace()).collect();
    let told = |name: &str| asked.contains(name);
    let runners = |script: &str| RUNNERS.find_iter(script).map(|m| m.as_str().to_owned()).collect::<Vec<_>>();
    let mut signs = Vec::new();
    let scripts = after["scripts"].as_object().cloned().unwrap_or_default();
    for (name, now) in scripts.iter().filter(|(name, _)| tests_by_name(name) || told(name)) {
        let (now, was) =
            (now.as_str().unwrap_or_default(), before["scripts"][name].as_str().unwrap_or_default());
        if now == was {
            continue;
        }
        let had_tests = !was.is_empty() && !was.contains("no test specified");
        let lost = had_tests && runners(was).iter().any(|word| !runners(now).contains(word));
        let what = format!("script {name} is {} now", quoted(now));
        let idle = (had_tests || told(name)) && does_nothing(now);
        // A script that is new beside those that test takes nothing away from them.
        let counts = had_tests || told(name) || ["test", "pretest", "posttest"].contains(&name.as_str());
        let less = counts && tests_by_name(name) && (NARROW.is_match(now) || SNAPSHOTS.is_match(now));
        if swallows(now) || less || lost || idle {
            let text = format!("{what}: it may pass without the tests");
            signs.push(sign(file, SETTING, line_of(file, name), text, true));
        } else if had_tests {
            signs.push(sign(file, CHANGE, line_of(file, name), what, false));
        }
    }
    signs
}

/// What became of the settings of the runner `key`.
fn runner_settings(look: &Look<'_>, file: &Changed, key: &str, (was, now): (&Value, &Value)) -> Option<Sign> {
    /// Settings that decide how much is run.
    const EXTENT: [&str; 16] = [
        "testPathIgnorePatterns",
        "modulePathIgnorePatterns",
        "testNamePattern",
        "passWithNoTests",
        "testRunner",
        "runner",
        "retries",
        "shard",
        "fgrep",
        "testMatch",
        "testRegex",
        "roots",
        "ignore",
        "files",
        "grep",
        "spec",
    ];
    if now.is_null() || now == was {
        return None;
    }
    let had_tests = look.base_paths.iter().any(|path| kind_of(path) == FileKind::Test);
    let narrow = |name: &str| now.get(name).is_some_and(|v| !matches!(v, Value::Bool(false)));
    let less = EXTENT.iter().any(|name| narrow(name) && now.get(name) != was.get(name));
    if had_tests && less {
        let text = format!("the settings of {key} let it run less");
        return Some(sign(file, SETTING, line_of(file, key), text, true));
    }
    let text = format!("the settings of {key} changed");
    (!was.is_null()).then(|| sign(file, CHANGE, line_of(file, key), text, false))
}

static STARTS_SCRIPTS: LazyLock<Regex> = LazyLock::new(|| pattern(r"\b(?:npm|yarn|pnpm|bun)\b"));

fn tests_by_name(script: &str) -> bool {
    ["test", "pretest", "posttest", "check", "ci"].iter().any(|s| script == *s || script.starts_with("test:"))
}

/// Snapshots that are written anew agree with whatever the code gives.
static SNAPSHOTS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:jest|vitest)\b[^&|;]*\s(?:-u|--update(?:Snapshot)?)(?:\s|=|$)"));

static RUNNERS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:jest|vitest|mocha|ava|tap|jasmine|karma|playwright|cypress|node\s+--test|tsx\s+--test|bun\s+test|deno\s+test|react-scripts\s+test|c8|nyc)\b",
    )
});

fn javascript(look: &Look<'_>, file: &Changed) -> Vec<Sign> {
    let had_tests = look.base_paths.iter().any(|path| kind_of(path) == FileKind::Test);
    let Some(after) = file.after.as_deref().filter(|_| had_tests) else { return vec![] };
    let lines: Vec<&str> = after.lines().collect();
    let vite = file.path.rsplit('/').next().is_some_and(|name| name.starts_with("vit"));
    let of_tests = |number: u32| {
        let mut around = around(&lines, number as usize - 1).peekable();
        let nested = around.peek().is_some_and(|line| line.starts_with([' ', '\t']));
        let blocks: Vec<&str> = around.collect();
        let among = |words: &[&str]| blocks.iter().any(|line| words.iter().any(|word| line.contains(word)));
        // Vite has the tests' settings in a block of their own.
        !among(&["coverage", "optimizeDeps", "watch"]) && (!vite || !nested || among(&["test"]))
    };
    let tests: Vec<&str> = javascript_tests(look.base_paths, &file.path);
    let mut signs = Vec::new();
    for (number, line) in added(file.before.as_deref(), after) {
        if comment(line) || !JAVASCRIPT.is_match(line) || !of_tests(number) {
            continue;
        }
        let all_stay = PATTERNS.captures(line).is_some_and(|c| {
            let value = listed(&lines, number as usize - 1);
            keeps_all(&tests, &value, c.name("without").is_some())
        });
        if !all_stay {
            signs.push(less(file, number, line));
        }
    }
    signs
}

/// Settings that say by patterns which files are tests, and which are not.
static PATTERNS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\b(?:(?P<without>exclude)|include|testMatch)['\x22]?\s*:\s*\["));
static QUOTED: LazyLock<Regex> = LazyLock::new(|| pattern(r#"'([^']*)'|"([^"]*)""#));

/// What the list that begins on line `at` holds; nothing where it is not all texts.
fn listed(lines: &[&str], at: usize) -> Vec<String> {
    let mut text = String::new();
    for line in &lines[at..lines.len().min(at + 60)] {
        let line = line.trim();
        text.push_str(if text.is_empty() { line.split_once('[').map_or("", |(_, list)| list) } else { line });
        text.push(' ');
        if text.contains(']') {
            break;
        }
    }
    // A pattern may have brackets itself: then the text ends too early, and what is left of it is no text.
    let list = text.split(']').next().unwrap_or_default();
    let left = QUOTED.replace_all(list, "");
    if left.contains(|c: char| !c.is_whitespace() && c != ',') {
        return vec![];
    }
    QUOTED
        .captures_iter(list)
        .filter_map(|c| Some(c.iter().skip(1).flatten().next()?.as_str().into()))
        .collect()
}

/// Tests of JavaScript in the folder of a settings file, from there.
fn javascript_tests<'a>(paths: &'a [String], settings: &str) -> Vec<&'a str> {
    let folder = settings.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
    let below = paths.iter().filter_map(|path| path.strip_prefix(folder.as_str()));
    below.filter(|path| NAMED_TEST.is_match(path)).collect()
}

static NAMED_TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"(?:\.(?:test|spec)|(?:^|/)__tests__/.*)\.[cm]?[jt]sx?$"));

/// Whether all `tests` are collected still, where `patterns` alone say which are, or which are not.
fn keeps_all(tests: &[&str], patterns: &[String], without: bool) -> bool {
    let glob = |pattern: &String| {
        let pattern = pattern.strip_prefix("<rootDir>/").or(pattern.strip_prefix("./")).unwrap_or(pattern);
        globset::Glob::new(pattern).map(|glob| glob.compile_matcher())
    };
    let Ok(globs) = patterns.iter().map(glob).collect::<Result<Vec<_>, _>>() else { return false };
    let says = |test: &&str| globs.iter().any(|glob| glob.is_match(test));
    !globs.is_empty() && if without { !tests.iter().any(says) } else { tests.iter().all(says) }
}

static JAVASCRIPT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:exclude|testPathIgnorePatterns|modulePathIgnorePatterns|testNamePattern|testIgnore|grep|grepInvert|testMatch|testRegex|include|excludeSpecPattern|ignore|spec|fgrep|invert|retry|retries|shard)['\x22]?\s*[:=]|\b(?:passWithNoTests|dangerouslyIgnoreUnhandledErrors|forceExit|pass-?on-?failing-?test-?suite|dry-?run|update|allow-?uncaught)['\x22]?\s*:\s*true|\bfail-?zero['\x22]?\s*:\s*false|\bupdateSnapshot['\x22]?\s*:\s*['\x22]all|\b(?:testRunner|runner|testResultsProcessor)['\x22]?\s*:\s*['\x22](?:\.{0,2}/|<rootDir>)",
    )
});

/// Whether settings of a JavaScript runner that the day wrote name the file: it is loaded before, after or beside the tests.
pub(super) fn names(changed: &[Changed], path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let stem = name.split('.').next().unwrap_or(name);
    if !PROGRAM.is_match(name) {
        return false;
    }
    let settings = changed.iter().filter(|file| {
        let name = file.path.rsplit('/').next().unwrap_or_default();
        name == "package.json" || SCRIPTED.is_match(name)
    });
    let names = |line: &str| {
        LOADED.is_match(line)
            && [format!("/{stem}."), format!("/{stem}\""), format!("/{stem}'")]
                .iter()
                .any(|n| line.contains(n))
    };
    settings.filter_map(|file| file.after.as_deref()).any(|text| text.lines().any(names))
}

static PROGRAM: LazyLock<Regex> = LazyLock::new(|| pattern(r"\.[cm]?[jt]sx?$"));
/// Settings whose values are programs of the project.
static LOADED: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"\b(?:globalSetup|globalTeardown|setupFiles\w*|reporters?|testRunner|runner|testEnvironment|environment|resolver|snapshotSerializers|testResultsProcessor|testSequencer|require|import|file|loader)\b",
    )
});

/// Whether the part of a shared file that speaks to the runner changed; settings that name no rule above.
pub(super) fn runner_part_changed(file: &Changed) -> bool {
    let part = |text: Option<&str>| -> Option<String> {
        let text = text?;
        let name = file.path.rsplit('/').next()?;
        if !matches!(name, "pyproject.toml" | "setup.cfg") {
            return None;
        }
        let mut inside = false;
        let keep = text.lines().filter(|line| {
            if line.trim_start().starts_with('[') && line.trim_end().ends_with(']') {
                inside = line.contains("pytest");
            }
            inside
        });
        Some(keep.map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n"))
    };
    let before = part(file.before.as_deref());
    before.as_deref().is_some_and(|before| !before.is_empty()) && before != part(file.after.as_deref())
}

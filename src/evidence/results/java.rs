//! Console output of Maven Surefire and of Gradle. Both write report files, which say more and win.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus::{Failed, Passed, Skipped};
use crate::evidence::pattern;

static MAVEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^(?:\[(?:INFO|ERROR|WARNING)\] )?Tests run: \d+, Failures: \d+|^\[INFO\] BUILD ")
});
static GRADLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"(?m)^> Task :\S*[tT]est|^BUILD (?:SUCCESSFUL|FAILED) in |^Finished generating test XML")
});
/// The line of a class; lines without the time are the whole run's, or something that a test printed.
static CLASS: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\[\w+\] )?Tests run: (\d+), Failures: (\d+), Errors: (\d+), Skipped: (\d+), Time elapsed: [\d.,]+ m?s.* (?:-|--) in (\S+)\s*$",
    )
});
/// `[ERROR] fails(com.acme.UserTest)  Time elapsed: 0 s  <<< FAILURE!` and its later form.
static BROKEN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^(?:\[ERROR\] )?(?:(\w+)(?:\[.*?\])?\(([\w.$]+)\)|([\w.$]+)\.(\w+)(?:\(.*?\))?(?:\[.*?\])?)\s+(?:-- )?Time elapsed: [\d.,]+ m?s\s+<<< (?:FAILURE|ERROR)!",
    )
});
/// Surefire's tree reporter.
static TREE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"^\[\w+\] [|'+` -]*(?:├─|└─|\+--|`--|'--)?\s*(✔|✘|↷|\[OK\]|\[XX\]|\[\?\?\])\s+(.+?)(?: - [\d.]+ s.*)?\s*$",
    )
});
static GRADLE_TEST: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^\s*(\S.*? > .+?) (PASSED|FAILED|SKIPPED)(?: \([\d.]+m?s\))?\s*$"));

/// Whether the output is Maven's.
pub(super) fn maven_marks(output: &str) -> bool {
    MAVEN.is_match(output)
}

/// Whether the output is Gradle's.
pub(super) fn gradle_marks(output: &str) -> bool {
    GRADLE.is_match(output)
}

/// Maven names failed tests; a class without any stands for its tests.
pub(super) fn maven(lines: &[&str]) -> Found {
    let mut found = Found::default();
    for line in lines {
        if let Some(c) = CLASS.captures(line) {
            let number = |i: usize| c[i].parse::<u64>().unwrap_or(0);
            let (run, skipped, broken) = (number(1), number(4), number(2).saturating_add(number(3)));
            // With failures the tests are named on lines of their own.
            if broken == 0 {
                found.add(&c[5], if run > skipped { Passed } else { Skipped });
            }
        } else if let Some(c) = BROKEN.captures(line) {
            let part = |i: usize| c.get(i).map_or("", |m| m.as_str());
            let (class, method) = if part(2).is_empty() { (part(3), part(4)) } else { (part(2), part(1)) };
            found.add(&format!("{class}.{method}"), Failed);
        } else if let Some(c) = TREE.captures(line) {
            let status = match &c[1] {
                "✔" | "[OK]" => Passed,
                "↷" | "[??]" => Skipped,
                _ => Failed,
            };
            found.add(&c[2], status);
        }
    }
    found
}

/// Gradle names tests where the build asks for it with `testLogging`.
pub(super) fn gradle(lines: &[&str]) -> Found {
    let mut found = Found::default();
    for line in lines {
        if let Some(c) = GRADLE_TEST.captures(line).filter(|_| !line.starts_with("> Task")) {
            let status = match &c[2] {
                "PASSED" => Passed,
                "SKIPPED" => Skipped,
                _ => Failed,
            };
            found.add(&c[1], status);
        }
    }
    found
}

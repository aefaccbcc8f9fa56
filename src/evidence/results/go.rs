//! Output of `go test`, verbose, quiet or `-json`. Names carry their package: `example.com/shop/user.TestAdd`.

use std::sync::LazyLock;

use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

static MARKS: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(?m)^=== RUN   |^(?:ok|FAIL|\?)\s*\t\S+|^\{"(?:Time|Action)":.*"Action":"#));
static RUN: LazyLock<Regex> = LazyLock::new(|| pattern(r"^=== RUN   (\S+)\s*$"));
/// Not anchored: a test may leave its line open.
static RESULT: LazyLock<Regex> = LazyLock::new(|| pattern(r"--- (PASS|FAIL|SKIP): (\S+) \([\d.]+s\)\s*$"));
static PACKAGE: LazyLock<Regex> = LazyLock::new(|| pattern(r"^(ok|FAIL|\?)\s*\t(\S+)(.*)$"));

/// Whether the output is go test's.
pub(super) fn marks(output: &str) -> bool {
    MARKS.is_match(output)
}

/// Reads results package by package; the package's own line comes after its tests.
pub(super) fn read(lines: &[&str]) -> Found {
    let mut found = Found::default();
    let mut block = Block::default();
    let mut events = Events::default();
    for line in lines {
        if line.starts_with('{') {
            events.line(line, &mut found);
        } else if let Some(c) = RUN.captures(line) {
            block.started.push(c[1].to_owned());
        } else if let Some(c) = PACKAGE.captures(line) {
            std::mem::take(&mut block).close(&c[2], &c[1], &c[3], &mut found);
        } else if line.contains("--- ")
            && let Some(c) = RESULT.captures(line)
        {
            block.results.push((c[2].to_owned(), status(&c[1])));
        }
    }
    block.close("", "", "", &mut found);
    found
}

fn status(word: &str) -> TestStatus {
    match word {
        "PASS" | "pass" => TestStatus::Passed,
        "SKIP" | "skip" => TestStatus::Skipped,
        _ => TestStatus::Failed,
    }
}

/// The tests of one package until its closing line.
#[derive(Default)]
struct Block {
    started: Vec<String>,
    results: Vec<(String, TestStatus)>,
}

impl Block {
    fn close(self, package: &str, word: &str, rest: &str, found: &mut Found) {
        let started: std::collections::HashSet<&str> = self.started.iter().map(String::as_str).collect();
        let named = |test: &str| {
            if package.is_empty() { test.to_owned() } else { format!("{package}.{test}") }
        };
        let mut told = std::collections::HashSet::new();
        for (test, status) in &self.results {
            if found.is_overfull() {
                return;
            }
            // What looks like a result but was never started is something that a test printed.
            if started.contains(test.as_str()) || (*status == TestStatus::Failed && started.is_empty()) {
                told.insert(test.as_str());
                found.add(&named(test), *status);
            }
        }
        for test in self.started.iter().filter(|t| !told.contains(t.as_str())) {
            // A panic or time-out ends the binary before its tests have a result.
            if word != "ok" && !found.is_overfull() {
                found.add(&named(test), TestStatus::Failed);
            }
        }
        let nothing = rest.contains("[no test");
        if told.is_empty() && self.started.is_empty() && !package.is_empty() && !nothing {
            match word {
                "ok" => found.add(package, TestStatus::Passed),
                "FAIL" => found.add(package, TestStatus::Failed),
                _ => {}
            }
        }
    }
}

/// What `-json` has told so far of tests that have begun and have no result yet.
#[derive(Default)]
struct Events {
    begun: std::collections::BTreeSet<(String, String)>,
}

impl Events {
    fn line(&mut self, line: &str, found: &mut Found) {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Event {
            action: String,
            #[serde(default)]
            package: String,
            #[serde(default)]
            test: String,
            #[serde(default)]
            output: String,
        }
        let Ok(event) = serde_json::from_str::<Event>(line) else {
            return;
        };
        let test = (event.package, event.test);
        let ended = ["pass", "fail", "skip"].contains(&event.action.as_str());
        // A test that leaves its line open has its result in the output alone.
        let late = RESULT.captures(event.output.trim_end()).filter(|c| c[2] == test.1);
        if event.action == "run" {
            self.begun.insert(test);
        } else if test.1.is_empty() && event.action == "fail" {
            // A panic or time-out ends the binary before its tests have a result.
            let left: Vec<_> = self.begun.iter().filter(|(package, _)| *package == test.0).cloned().collect();
            for test in left {
                self.end(&test, TestStatus::Failed, found);
            }
        } else if ended {
            self.end(&test, status(&event.action), found);
        } else if let Some(c) = late {
            self.end(&test, status(&c[1]), found);
        }
    }

    /// What was never begun is something that a test printed.
    fn end(&mut self, test: &(String, String), status: TestStatus, found: &mut Found) {
        if self.begun.remove(test) {
            found.add(&format!("{}.{}", test.0, test.1), status);
        }
    }
}

//! Tests by name, from the report files of a run where it wrote some, else from its output.
//!
//! One file a format. Parsers are pure and see lines without ANSI sequences; none runs anything.

mod cargo;
mod dotnet;
mod go;
mod java;
mod javascript;
mod jest_report;
mod junit;
mod nextest;
mod plain;
mod pytest;
mod summary;
mod tap;
mod text;
mod trx;
mod unittest;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use crate::domain::observation::{TestCase, TestStatus};

pub(crate) use summary::passed_by_summary;
pub(crate) use text::{fold, lines, strip_ansi};

/// The tests of a run, each name once, and where they come from (`pytest output`, `JUnit XML`; empty where nothing
/// was recognised).
///
/// `reports` are (file name, content) pairs that this run wrote; they win over `output`, the run's complete output.
/// A failure wins over a pass of the same name, a pass over a skip.
pub(crate) fn read(command: &str, output: &str, reports: &[(String, String)]) -> (Vec<TestCase>, String) {
    let mut found = Found::default();
    let mut sources: Vec<String> = Vec::new();
    let mut reported: Vec<&str> = Vec::new();
    for (name, content) in reports {
        // A report that cannot be read to its end may lack the failures: it counts for nothing.
        let Some(report) = read_report(name, content) else {
            continue;
        };
        if !report.found.rows.is_empty() {
            reported.push(report.of);
            found.take(report.found);
            push_once(&mut sources, report.source);
        }
    }
    // Reports of a runner that was asked for one say nothing of the others that the same command may have started.
    if !reported.contains(&EVERYTHING) {
        let plain = strip_ansi(output);
        let lines = lines(&plain);
        for format in formats(command, &plain).into_iter().filter(|format| !reported.contains(&format.family))
        {
            let read = (format.read)(&lines);
            if !read.rows.is_empty() {
                found.take(read);
                push_once(&mut sources, &format!("{} output", format.name));
            }
        }
        if sources.is_empty() && !FORMATS.iter().any(|f| (f.marks)(&plain)) {
            found.take(plain::read(&lines));
            if !found.rows.is_empty() {
                push_once(&mut sources, "output");
            }
        }
    }
    (found.into_cases(), sources.join(", "))
}

/// A test as a parser saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    /// File, binary or package; shown only where two origins have a test of the same name.
    origin: String,
    /// What stands between the origin and the name where both are shown.
    joint: &'static str,
    name: String,
    status: TestStatus,
}

/// What a parser found, in the order of the run; names may repeat.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Found {
    rows: Vec<Row>,
    /// Of all names and origins so far.
    bytes: usize,
}

/// Bytes of names at most: a title of a megabyte above a hundred thousand tests would otherwise be a hundred gigabytes.
const MOST_BYTES: usize = 32 << 20;

impl Found {
    /// Adds a test whose name stands for itself.
    fn add(&mut self, name: &str, status: TestStatus) {
        self.add_from("", "", name, status);
    }

    /// Adds a test of a file, binary or package.
    fn add_from(&mut self, origin: &str, joint: &'static str, name: &str, status: TestStatus) {
        let name = name.trim();
        if name.is_empty() {
            return;
        }
        self.bytes = self.bytes.saturating_add(origin.len() + name.len());
        if self.is_overfull() {
            // What lacks some tests may lack the failures: it counts for nothing.
            self.rows = Vec::new();
        } else {
            self.rows.push(Row { origin: origin.to_owned(), joint, name: name.to_owned(), status });
        }
    }

    /// Adds all that another one has.
    fn take(&mut self, other: Self) {
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.rows.extend(other.rows);
        if self.is_overfull() {
            self.rows = Vec::new();
        }
    }

    /// Whether there was too much to be kept: reading on adds nothing.
    fn is_overfull(&self) -> bool {
        self.bytes > MOST_BYTES
    }

    /// Each name once, in order of first appearance.
    fn into_cases(self) -> Vec<TestCase> {
        let mut first_origin: HashMap<&str, (&str, bool)> = HashMap::new();
        for row in &self.rows {
            let entry = first_origin.entry(&row.name).or_insert((&row.origin, false));
            entry.1 |= entry.0 != row.origin;
        }
        let mut cases: Vec<TestCase> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        for row in &self.rows {
            let shared = first_origin.get(row.name.as_str()).is_some_and(|(_, shared)| *shared);
            let name = if shared && !row.origin.is_empty() {
                format!("{}{}{}", row.origin, row.joint, row.name)
            } else {
                row.name.clone()
            };
            if let Some(&place) = places.get(&name) {
                cases[place].status = worse(cases[place].status, row.status);
            } else {
                places.insert(name.clone(), cases.len());
                cases.push(TestCase { name, status: row.status });
            }
        }
        cases
    }
}

fn worse(a: TestStatus, b: TestStatus) -> TestStatus {
    use TestStatus::{Failed, Passed, Skipped};
    match (a, b) {
        (Failed, _) | (_, Failed) => Failed,
        (Passed, _) | (_, Passed) => Passed,
        (Skipped, Skipped) => Skipped,
    }
}

/// A runner's output format.
struct Format {
    name: &'static str,
    /// What a report of its runner speaks of.
    family: &'static str,
    /// Whether the output (without ANSI sequences) bears the runner's own marks.
    marks: fn(&str) -> bool,
    /// Whether the command names the runner; counts where a run ended before it left a mark.
    commands: &'static [&'static str],
    read: fn(&[&str]) -> Found,
}

#[rustfmt::skip]
const FORMATS: &[Format] = &[
    Format { name: "pytest", family: PYTHON, marks: pytest::marks, commands: &["pytest", "py.test"], read: pytest::read },
    Format { name: "unittest", family: PYTHON, marks: unittest::marks, commands: &["unittest"], read: unittest::read },
    Format { name: "cargo test", family: "", marks: cargo::marks, commands: &["cargo test", "cargo t"], read: cargo::read },
    Format { name: "nextest", family: "", marks: nextest::marks, commands: &["nextest"], read: nextest::read },
    Format { name: "go test", family: "", marks: go::marks, commands: &["go test"], read: go::read },
    Format { name: "jest", family: JEST, marks: javascript::jest_marks, commands: &["jest"], read: javascript::jest },
    Format { name: "vitest", family: VITEST, marks: javascript::vitest_marks, commands: &["vitest"], read: javascript::vitest },
    Format { name: "mocha", family: MOCHA, marks: javascript::mocha_marks, commands: &["mocha"], read: javascript::mocha },
    Format { name: "node --test", family: "", marks: javascript::node_marks, commands: &[], read: javascript::node },
    Format { name: "TAP", family: "", marks: tap::marks, commands: &[], read: tap::read },
    Format { name: "Maven", family: "", marks: java::maven_marks, commands: &["mvn", "mvnw"], read: java::maven },
    Format { name: "Gradle", family: "", marks: java::gradle_marks, commands: &["gradle", "gradlew"], read: java::gradle },
    Format { name: "dotnet test", family: "", marks: dotnet::marks, commands: &["dotnet test"], read: dotnet::read },
];

/// The formats whose marks the output bears; where there are none, the one that the command names.
fn formats<'a>(command: &'a str, output: &'a str) -> Vec<&'static Format> {
    let marked: Vec<_> = FORMATS.iter().filter(|f| (f.marks)(output)).collect();
    if !marked.is_empty() {
        return marked;
    }
    let named = |f: &&Format| f.commands.iter().any(|c| command.contains(c));
    FORMATS.iter().find(named).into_iter().collect()
}

/// A report file that was read to its end.
struct Report {
    found: Found,
    source: &'static str,
    /// The family whose tests it holds.
    of: &'static str,
}

const PYTHON: &str = "python";
const JEST: &str = "jest";
const VITEST: &str = "vitest";
const MOCHA: &str = "mocha";
/// A report that a project has made itself: it may hold the tests of all runners.
const EVERYTHING: &str = "everything";

fn read_report(name: &str, content: &str) -> Option<Report> {
    let file = name.rsplit('/').next().unwrap_or(name);
    if name.ends_with(".tap") {
        let plain = strip_ansi(content);
        return Some(Report { found: tap::read(&lines(&plain)), source: "TAP", of: EVERYTHING });
    }
    if name.ends_with(".trx") {
        return Some(Report { found: trx::read(content)?, source: "TRX", of: EVERYTHING });
    }
    if name.ends_with(".json") {
        let (source, of) =
            if file.starts_with("mocha-") { ("mocha report", MOCHA) } else { ("jest report", JEST) };
        return Some(Report { found: jest_report::read(content)?, source, of });
    }
    let (found, python) = junit::read(content)?;
    let asked = file.starts_with("vitest-");
    let of = if python {
        PYTHON
    } else if asked {
        VITEST
    } else {
        EVERYTHING
    };
    Some(Report { found, source: "JUnit XML", of })
}

fn push_once(sources: &mut Vec<String>, source: &str) {
    if !sources.iter().any(|s| s == source) {
        sources.push(source.to_owned());
    }
}

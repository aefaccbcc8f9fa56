//! JUnit XML as the runners of many languages write it.

use std::borrow::Cow;
use std::sync::LazyLock;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use regex::Regex;

use super::Found;
use crate::domain::observation::TestStatus;
use crate::evidence::pattern;

/// The tests of a report and whether pytest wrote it; `None` where the XML cannot be read to its end.
pub(super) fn read(xml: &str) -> Option<(Found, bool)> {
    let mut reader = Reader::from_str(xml);
    let mut found = Found::default();
    let mut suites: Vec<String> = Vec::new();
    let mut python = false;
    let mut case: Option<Case> = None;
    let mut depth = 0_usize;
    loop {
        if found.is_overfull() {
            return None;
        }
        let event = reader.read_event().ok()?;
        let (start, empty) = match &event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(end) => {
                depth = depth.checked_sub(1)?;
                match end.local_name().as_ref() {
                    b"testsuite" => drop(suites.pop()),
                    b"testcase" => {
                        if let Some(case) = case.take() {
                            case.close(&suites, python, &mut found);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            Event::Eof => return (depth == 0).then_some((found, python)),
            _ => continue,
        };
        depth += usize::from(!empty);
        match start.local_name().as_ref() {
            b"testsuite" if !empty => {
                let name = attribute(start, "name").unwrap_or_default();
                python |= name == "pytest";
                suites.push(name);
                if suites.len() > DEEPEST {
                    return None;
                }
            }
            b"testcase" => {
                let begun = Case::begin(start);
                if empty {
                    begun.close(&suites, python, &mut found);
                } else {
                    case = Some(begun);
                }
            }
            element => {
                if let Some(case) = &mut case {
                    case.mark(element, start);
                }
            }
        }
    }
}

/// Suites within suites at most: every test below them is called by all of their names.
const DEEPEST: usize = 100;

/// A `testcase` element.
struct Case {
    class: String,
    name: String,
    file: String,
    failed: bool,
    skipped: bool,
    /// node reports an unfinished test as both skipped and failed.
    todo: bool,
}

impl Case {
    fn begin(start: &BytesStart<'_>) -> Self {
        let get = |key| attribute(start, key).unwrap_or_default();
        let status = get("status");
        Self {
            class: get("classname"),
            name: get("name"),
            file: get("file"),
            failed: false,
            skipped: matches!(status.as_str(), "notrun" | "skipped" | "disabled" | "ignored"),
            todo: false,
        }
    }

    fn mark(&mut self, element: &[u8], start: &BytesStart<'_>) {
        match element {
            b"failure" | b"error" => self.failed = true,
            b"skipped" => {
                self.skipped = true;
                self.todo |= attribute(start, "type").as_deref() == Some("todo");
            }
            _ => {}
        }
    }

    fn close(self, suites: &[String], python: bool, found: &mut Found) {
        let status = match (self.failed && !self.todo, self.skipped) {
            (true, _) => TestStatus::Failed,
            (false, true) => TestStatus::Skipped,
            (false, false) => TestStatus::Passed,
        };
        let name = if python { self.pytest_name() } else { self.plain_name(suites) };
        found.add(&name, status);
    }

    /// pytest writes `tests.test_user.TestLogin` for `tests/test_user.py::TestLogin`.
    fn pytest_name(&self) -> String {
        if self.class.is_empty() {
            // An error while collecting has the module as its name.
            return self.name.clone();
        }
        let parts: Vec<&str> = self.class.split('.').collect();
        let file_parts = self.file.strip_suffix(".py").map(|f| f.split(['/', '\\']).collect::<Vec<_>>());
        let modules = match file_parts {
            Some(file) if parts.starts_with(&file) => file.len(),
            _ => parts.iter().position(|p| p.starts_with(char::is_uppercase)).unwrap_or(parts.len()),
        };
        let (modules, classes) = parts.split_at(modules);
        let mut name = format!("{}.py", modules.join("/"));
        for part in classes.iter().chain([&self.name.as_str()]) {
            name.push_str("::");
            name.push_str(part);
        }
        name
    }

    fn plain_name(&self, suites: &[String]) -> String {
        let class = self.class.trim();
        // node writes the class `test` and nests its suites instead.
        if class.is_empty() || class == "test" {
            let path = suites.iter().skip(usize::from(class.is_empty())).map(String::as_str);
            return path
                .filter(|s| !s.is_empty())
                .chain([self.name.as_str()])
                .collect::<Vec<_>>()
                .join(" > ");
        }
        let name = without_signature(&self.name);
        if name.starts_with(class) {
            return name.into_owned();
        }
        let joint = if class.contains("::") {
            "::"
        } else if class.contains(' ') || method(&name).contains(' ') || ends_like_script(class) {
            " > "
        } else {
            "."
        };
        format!("{class}{joint}{name}")
    }
}

/// A name without the parameters that stand behind it in brackets.
fn method(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// JUnit 5 writes a method as Java declares it: `adds()`, `twice(int, String)[2]`, by Surefire `twice{int, String}[2]`.
fn without_signature(name: &str) -> Cow<'_, str> {
    SIGNATURE.replace(name, "$1$2")
}

static SIGNATURE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"^(\w+)[({](?:[)}]$|[\w.$<>\[\], ]+[)}](\[\d+\])$)"));

fn ends_like_script(class: &str) -> bool {
    [".js", ".ts", ".jsx", ".tsx", ".mjs", ".cjs", ".mts"].iter().any(|e| class.ends_with(e))
}

/// The value of an attribute, entities resolved.
pub(super) fn attribute(start: &BytesStart<'_>, key: &str) -> Option<String> {
    let attribute = start.try_get_attribute(key).ok().flatten()?;
    attribute.unescape_value().ok().map(|value| value.into_owned())
}

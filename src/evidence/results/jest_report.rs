//! What jest writes with `--json --outputFile`, and mocha by the reporter that it is given: every test by its titles.

use std::collections::HashMap;

use serde::Deserialize;

use super::Found;
use crate::domain::observation::TestStatus::{Failed, Passed, Skipped};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    test_results: Vec<File>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    status: String,
    assertion_results: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    ancestor_titles: Vec<String>,
    title: String,
    status: String,
}

/// The tests of a report; `None` where it is not one, whole.
pub(super) fn read(json: &str) -> Option<Found> {
    let report: Report = serde_json::from_str(json).ok()?;
    let mut found = Found::default();
    for file in report.test_results {
        // A file that cannot be loaded has no tests, and fails the run.
        if file.status == "failed" && !file.assertion_results.iter().any(|test| test.status == "failed") {
            found.add(&file.name, Failed);
        }
        let mut names: HashMap<String, usize> = HashMap::new();
        for test in &file.assertion_results {
            let titles: Vec<&str> =
                test.ancestor_titles.iter().chain([&test.title]).map(String::as_str).collect();
            let mut name = super::text::fold(&titles.join(" > "));
            // The rows of a table may share a title; each is a test.
            let nth = names.entry(name.clone()).and_modify(|n| *n += 1).or_insert(1);
            if *nth > 1 {
                name = format!("{name} #{nth}");
            }
            let status = match test.status.as_str() {
                "passed" => Passed,
                "failed" => Failed,
                _ => Skipped,
            };
            found.add_from(&file.name, " > ", &name, status);
        }
    }
    Some(found)
}

//! Whatever a repository, its tests or their runner write: no reader panics, none works more than its input grows, and what
//! is read means what it meant.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::code::mask::{masked, without_comments};
use super::code::test_text::TestText;
use super::code::{Language, bodies, definitions, effective, rust_tests};
use super::coverage::Coverage;
use super::documents::{Edited, lost, unaccounted};
use super::tamper::{Changed, Look, Named};
use super::{pipeline, results, scan};
use crate::domain::diff::Diff;
use crate::domain::plan::DayPlan;
use crate::tests::bent::{bent, cases};
use crate::tests::work::{Reader, grows_with_its_input};

const LANGUAGES: &[&str] = &["py", "rb", "sh", "js", "rs", "go", "java", "c", "txt"];

/// Code with tests in several languages; any of them is read as any language.
const CODE: &[&str] = &[
    "import shop\nfrom cart import (\n    add,\n)\n\n\n@pytest.mark.parametrize('a', [1, 2])\ndef test_total(a):\n    \"\"\"Doc.\"\"\"\n    x = shop.total([a])  # why\n    assert x == 3, f\"{x}\"\n    with pytest.raises(ValueError):\n        shop.total('''x''')\n    try:\n        assert shop.tax(1) == 2\n    except AssertionError:\n        pass\n\nclass TestTax(unittest.TestCase):\n    def test_a(self):\n        self.assertEqual(shop.tax(100), 19)\n",
    "const { add } = require('./add');\nimport x from \"./x\";\ndescribe('cart', () => {\n  it(\"adds\", async () => {\n    const got = add(1, 2); // sum\n    expect(got).not.toBe(`three ${got}`);\n    if (got > 3) { throw new Error(\"no\"); }\n    try { add() } catch (e) { /* fine */ }\n  });\n});\n",
    "use crate::cart;\n\npub fn add(a: u8) -> u8 { a + 1 }\n\n#[cfg(test)]\nmod tests {\n    use super::*;\n    #[test]\n    #[should_panic(expected = \"x\")]\n    fn test_a() {\n        let raw = r#\"{\"a\": '}'}\"#;\n        assert_eq!(add(1), 2, \"{raw}\");\n        let _ = std::panic::catch_unwind(|| assert!(add(2) == 9));\n    }\n}\n",
    "package shop\n\nimport (\n\t\"testing\"\n)\n\nfunc TestAdd(t *testing.T) {\n\tif got := Add(1, 2); got != 3 {\n\t\tt.Errorf(\"got %d\", got)\n\t}\n\tt.Run(\"one case\", func(t *testing.T) { t.Fatal(`x`) })\n}\n",
    "#!/bin/sh\n# test: greets\nset -e\n. ./greet.sh\nout=$(greet \"$1\" | tr a b)\n[ \"$out\" = \"Hello\" ] || exit 1\ngrep -q x file && echo ok\nexit 0\n",
    "import org.junit.jupiter.api.Test;\n\nclass CartTest {\n  @Test void adds() {\n    var c = new Cart();\n    assertEquals(3, c.add(1, 2)); // sum\n    assertThat(c).isNotNull();\n  }\n}\n",
    "require 'cart'\nRSpec.describe Cart do\n  it 'adds' do\n    expect(Cart.add(1, 2)).to eq(3)\n    assert_equal \"#{x}\", 1\n  end\nend\n",
];

/// What the readers of code look out for.
const CODE_PIECES: &[&str] = &[
    "(",
    "[",
    "{",
    ")",
    "}",
    "\"",
    "'",
    "`",
    "\\",
    "#",
    "//",
    "/*",
    "*/",
    "\"\"\"",
    "'\\",
    "r#\"",
    "assert ",
    "assert(",
    "assert (",
    "expect(a)",
    ".toBe(",
    "if ",
    "throw ",
    "raise",
    "t.Error(",
    "import (",
    "use {",
    "let x = require(",
    "x = ",
    "x = y",
    "a.push(",
    "try {",
    "catch_unwind(",
    "try:",
    "except:",
    "#[test]",
    "#[test]fn a(){}",
    "#![cfg(test)]",
    "def test_a():",
    "fn test_a() {",
    "it(\"a\",",
    "|| true",
    "exit 0",
    "[ a ];",
    "é",
    "\r",
    "\u{2028}",
    "==",
    "${",
];

fn read_code(extension: &str, text: &str) {
    let path = format!("src/calc.{extension}");
    effective(&path, text);
    definitions(&path, text);
    if extension == "rs" {
        rust_tests::production_part(text);
        rust_tests::test_part(text);
        rust_tests::test_lines(text);
        rust_tests::recombined(text, text);
    }
    let test = TestText::new(&path, text);
    let assertions = test.assertions();
    bodies::quits(&test);
    for name in ["test_a", "tests/test_a.py::TestTax::test_total[1]", "cart > adds", "TestAdd/one case"] {
        if let Some(lines) = bodies::of_test(&test, name) {
            bodies::asserts(&test, &assertions, &lines);
        }
    }
}

fn look(path: &str, before: &str, after: &str) {
    let changed = [
        Changed { path: format!("src/{path}"), before: Some(before.into()), after: Some(after.into()) },
        Changed {
            path: format!("tests/test_{path}"),
            before: Some(before.into()),
            after: Some(after.into()),
        },
    ];
    let plan = DayPlan {
        day: 1,
        theme: "t".into(),
        stories: vec![],
        notes: None,
        human_gate: false,
        clearance: false,
        shipped: false,
    };
    let base_paths: Vec<String> = changed.iter().map(|file| file.path.clone()).collect();
    let named = Named::of(&plan);
    let look = Look {
        changed: &changed,
        named: &named,
        base_paths: &base_paths,
        commands: &["sh test.sh".to_owned()],
    };
    super::tamper::look(&look);
}

fn files_below(folder: &str) -> Vec<(String, String)> {
    fn gather(root: &Path, folder: &Path, files: &mut Vec<(String, String)>) {
        let mut entries: Vec<PathBuf> =
            std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            if path.is_dir() {
                gather(root, &path, files);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                files.push((path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(folder);
    let mut files = Vec::new();
    gather(&root, &root, &mut files);
    files
}

fn recordings(extension: &str) -> Vec<String> {
    let files = files_below("results").into_iter().filter(|(path, _)| path.ends_with(extension));
    let mut texts: Vec<String> = files.map(|(_, text)| text).filter(|text| text.len() < 6_000).collect();
    texts.extend(CODE.iter().take(1).map(|text| (*text).to_owned()));
    texts
}

const OUTPUT_PIECES: &[&str] = &[
    "PASSED",
    "FAILED ",
    "ok 1 - a",
    "not ok 2",
    "# Subtest: a",
    "1..2",
    "---",
    "...",
    "  ",
    "\t",
    "✓ a",
    "✕ b",
    "\u{1b}[32m",
    "\u{1b}]0;",
    "\r",
    "::",
    "[",
    "]",
    "=== RUN   TestA",
    "--- PASS: TestA (0.00s)",
    "ok  \tp\t0.1s",
    "test a ... ok",
    "running 1 test",
    "18446744073709551615 passed in 1s",
    "Tests run: 18446744073709551615, Failures: 18446744073709551615, Errors: 1, Skipped: 1, Time elapsed: 1 s -- in a.B",
    "Ran 3 tests in 1s\n\nOK (skipped=9)",
    "{\"Action\":\"pass\",\"Test\":\"T\"}",
    "Test Suites: 1",
    "\0",
    "é",
    " > ",
];
const XML_PIECES: &[&str] = &[
    "<testsuite name=\"a\">",
    "</testsuite>",
    "<testcase name=\"x\">",
    "<testcase classname=\"A.B\" name=\"x(int)[1]\"/>",
    "</testcase>",
    "<failure/>",
    "<skipped type=\"todo\"/>",
    "<![CDATA[",
    "]]>",
    "<!--",
    "-->",
    "&amp;",
    "&#0;",
    "&x;",
    "<!DOCTYPE a [<!ENTITY b \"c\">]>",
    "<?x",
    "\"",
    "=",
    "<",
    ">",
    "<UnitTestResult testName=\"a\" outcome=\"Passed\"/>",
    "<counter type=\"LINE\" missed=\"18446744073709551615\" covered=\"2\"/>",
    "<line hits=\"1\"/>",
    " lines-covered=\"9\"",
    " lines-valid=\"18446744073709551615\"",
    "<coverage>",
    "<report>",
    "xmlns:a=\"b\"",
    "<a:testcase a:name=\"b\"/>",
];
const COVERAGE: &[&str] = &[
    "TN:\nSF:src/a.js\nDA:1,1\nDA:2,0\nLF:18446744073709551615\nLH:18446744073709551615\nend_of_record\nSF:b\nDA:1,3\nLF:7\nend_of_record\n",
    "<?xml version=\"1.0\" ?><!DOCTYPE coverage SYSTEM \"x\"><coverage version=\"7\" lines-valid=\"20\" lines-covered=\"15\"><packages/></coverage>",
    "<coverage><packages><class><methods><method><lines><line hits=\"1\"/></lines></method></methods><lines><line hits=\"1\"/></lines></class></packages></coverage>",
    "<report name=\"a\"><package name=\"p\"><counter type=\"LINE\" missed=\"9\" covered=\"1\"/></package><counter type=\"LINE\" missed=\"4\" covered=\"16\"/></report>",
];

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn any_output_of_a_runner_is_read(output in bent(recordings(".txt"), OUTPUT_PIECES), command in prop::sample::select(vec!["", "pytest", "go test", "jest", "gradle"])) {
        let (found, _) = results::read(command, &output, &[]);
        let names: BTreeSet<&str> = found.iter().map(|case| case.name.as_str()).collect();
        prop_assert_eq!(names.len(), found.len(), "a name stands twice");
        prop_assert!(names.iter().all(|name| !name.trim().is_empty()));
        results::passed_by_summary(&output);
    }

    #[test]
    fn any_report_is_read_or_counts_for_nothing(text in bent(recordings(".xml"), XML_PIECES), kind in prop::sample::select(vec!["a.xml", "a.trx", "a.tap"])) {
        let (found, source) = results::read("", "", &[(kind.to_owned(), text)]);
        prop_assert_eq!(found.is_empty(), source.is_empty());
    }

    #[test]
    fn any_coverage_is_at_most_all_of_it(text in bent(owned(COVERAGE), XML_PIECES), name in prop::sample::select(vec!["lcov.info", "coverage.xml"])) {
        let reports = [(name.to_owned(), text.clone()), (format!("b/{name}"), text)];
        if let Some(coverage) = Coverage::read(&reports) {
            prop_assert!(coverage.covered <= coverage.lines && coverage.lines > 0, "{:?}", coverage);
            prop_assert!((0.0..=100.0).contains(&coverage.percent()));
        }
    }

    #[test]
    fn any_code_is_read_and_places_stay_what_they_were(text in bent(owned(CODE), CODE_PIECES), extension in prop::sample::select(LANGUAGES.to_vec())) {
        read_code(extension, &text);
        let language = Language::of(&format!("a.{extension}"));
        let breaks = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect::<Vec<_>>();
        for shown in [masked(language, &text), without_comments(language, &text)] {
            prop_assert_eq!((shown.len(), breaks(&shown)), (text.len(), breaks(&text)));
        }
    }

    #[test]
    fn any_change_of_code_is_looked_at(before in bent(owned(CODE), CODE_PIECES), after in bent(owned(CODE), CODE_PIECES), extension in prop::sample::select(LANGUAGES.to_vec())) {
        look(&format!("calc.{extension}"), &before, &after);
    }

    #[test]
    fn any_document_that_stays_loses_nothing(text in bent(recordings(".txt"), &["# ", "- ", "```\n", "~~~\n", "| a | b |\n", "1. ", "\n\n", "é"])) {
        let edited = |after: &str| [Edited { path: "a.md".into(), before: text.clone(), after: after.into(), own: BTreeSet::new() }];
        prop_assert!(lost(&edited(&text)).is_empty());
        let all = lost(&edited(""));
        prop_assert!(all.iter().all(|problem| problem.starts_with("a.md:")));
        unaccounted(&edited(""), &[]);
    }
}

fn pipelines() -> Vec<(String, String)> {
    let mut files = files_below("pipelines/faulty");
    files.extend(files_below("pipelines/clean"));
    files.retain(|(_, text)| text.len() < 4_000);
    files
}

const PIPELINE_PIECES: &[&str] = &[
    "${{ secrets.A }}",
    "${{",
    "}}",
    "$(",
    "$(A)",
    "A = $(B)",
    "include x.mk\n",
    "include *.mk",
    "- run: |\n",
    "- uses: a/b@main\n",
    "needs: [test]\n",
    "if: always()\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!reference [a, b]",
    "[",
    "]",
    "{",
    "}",
    ": ",
    "- ",
    "|\n",
    "\t",
    "\\\n",
    "<<EOF\n",
    "|| true",
    "`",
    "'",
    "\"",
    "FROM a AS b\n",
    "ARG X\n",
    "COPY --from=b\n",
    "extends: .a\n",
    "stage: test\n",
    "[[package]]\n",
    "name = \"x\"\n",
    "version = \"1\"\n",
    "==1.0\n",
    "\"dependencies\": {",
    "é",
    "\0",
    "&&",
    ";",
];

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn any_pipeline_is_checked(bend in pipelines().len().checked_sub(1).map_or(0..1, |n| 0..n + 1).prop_flat_map(|at| {
        let files = pipelines();
        let (path, text) = files[at].clone();
        (Just(path), bent(vec![text, files[(at * 7 + 3) % files.len()].1.clone()], PIPELINE_PIECES))
    })) {
        let (path, text) = bend;
        // Below the case's folder the file lies where it belongs.
        let path = path.split_once('/').map_or(path.as_str(), |(_, path)| path);
        let mut commit = pipeline::Commit::default();
        for path in [path, "Makefile", ".gitlab-ci.yml"] {
            commit.files.insert(path.to_owned(), text.clone());
            commit.paths.insert(path.to_owned());
        }
        for finding in pipeline::check(&commit, &Diff::default()) {
            prop_assert!(finding.file.as_ref().is_none_or(|file| commit.paths.contains(file)), "{:?}", finding);
        }
    }

    #[test]
    fn any_allow_file_excepts_or_is_named(text in bent(owned(&[
        "title = \"x\"\n[extend]\nuseDefault = true\ndisabledRules = [\"github-pat\"]\n[[allowlists]]\npaths = ['''^docs/''']\nregexes = ['''AKIA\\w{4}''']\ncondition = \"AND\"\n[[rules]]\nid = \"a\"\n[[rules.allowlists]]\nstopwords = [\"x\"]\n",
        "# why\nsrc/a.py:generic-api-key:3\nabc123:src/a.py:aws:4\n",
        "{\"version\": \"1.5.0\", \"results\": {\"a.py\": [{\"type\": \"x\", \"line_number\": 3, \"is_secret\": false}]}}",
    ]), &["[", "]", "{", "}", "'''", "\"", "=", ":", "\\", "(", "){9999}", "\\w{1000}", "(?:", "|", "4294967296", "-1", "#", "\n", "é"])) {
        for path in scan::Allow::FILES {
            let allow = scan::Allow::parse(&[(path.to_owned(), text.clone())]);
            prop_assert!(allow.problems.iter().all(|problem| problem.contains(path)), "{:?}", allow.problems);
        }
    }

    #[test]
    fn masking_twice_changes_nothing_more(text in bent(files_below("secrets").into_iter().map(|(_, text)| text).filter(|text| text.len() < 20_000).collect(),
        &["ghp_", "AKIA", "sk-ant-api03-", "key = \"", "-----BEGIN PRIVATE KEY-----\n", "=", "\"", "\n", "***", "é", "\0", "eyJ"])) {
        let once = scan::redact(&text).into_owned();
        prop_assert_eq!(scan::redact(&once), once.as_str());
        prop_assert!(once.matches('\n').count() == text.matches('\n').count(), "lines keep their numbers");
        scan::redact_all("src/a.py", &text);
    }
}

#[test]
fn readers_of_code_work_as_much_as_there_is_to_read() {
    for (extension, pieces) in [
        ("py", &["assert (", "assert(", "raise ", "\"\"\"\"\"\" ", "import (", "if ", "x = y", "try:"][..]),
        ("js", &["expect(", "expect(a)", "throw ", "catch_unwind() ", "try {", "if "]),
        ("rs", &["#[test]fn a(){}", "assert!(", "#[test]"]),
        ("sh", &["[ a ];", "\""]),
    ] {
        let reader = Reader::new(extension, |text| read_code(extension, text));
        grows_with_its_input(&[reader], &["", "if a "], pieces);
    }
}

#[test]
fn readers_of_reports_work_as_much_as_there_is_to_read() {
    let output = Reader::new("output", |text| drop(results::read("", text, &[])));
    let kinds = ["a.xml", "a.trx", "a.tap"];
    let report = |kind: &'static str| {
        Reader::new(kind, move |text| drop(results::read("", "", &[(kind.into(), text.into())])))
    };
    let coverage =
        Reader::new("coverage", |text| drop(Coverage::read(&[("coverage.xml".into(), text.into())])));
    let readers: Vec<_> = kinds.into_iter().map(report).chain([output, coverage]).collect();
    let pieces =
        ["<testsuite name=\"a\">", "<testcase/>", "<a>", "ok 1 - a", "# Subtest: a", "✓ a", "\u{1b}]"];
    grows_with_its_input(&readers, &["", "TAP version 13\n", "<coverage>"], &pieces);
}

#[test]
fn readers_of_changes_work_as_much_as_there_is_to_read() {
    let lose = |text: &str| {
        lost(&[Edited {
            path: "a.md".into(),
            before: text.into(),
            after: text.replace('9', "nine more words"),
            own: BTreeSet::new(),
        }]);
    };
    let documents = Reader::new("documents", lose);
    grows_with_its_input(&[documents], &[""], &["- some words of an item that is number ", "\n\n"]);
}

/// A name that stands above many tests is part of each of their names.
#[test]
fn a_long_title_above_many_tests_takes_no_more_memory_than_there_is() {
    let title = "t".repeat(1 << 20);
    let tests = "<testcase name=\"a\"/>".repeat(20_000);
    let xml = format!(
        "<testsuites><testsuite name=\"x\"><testsuite name=\"{title}\">{tests}</testsuite></testsuite></testsuites>"
    );
    assert!(results::read("", "", &[("a.xml".into(), xml)]).0.is_empty());
    let tap = format!("TAP version 13\n# Subtest: {title}\n{}", "    ok 1 - a\n".repeat(20_000));
    assert!(results::read("", &tap, &[]).0.is_empty());
    let cargo =
        format!("     Running unittests {title}\n\nrunning 9 tests\n{}", "test a ... ok\n".repeat(20_000));
    assert!(results::read("", &cargo, &[]).0.is_empty());
    let nested = format!(
        "<testsuite name=\"a\">{}{}",
        "<testsuite name=\"a\">".repeat(5_000),
        "<testcase name=\"a\"/>".repeat(5_000)
    );
    assert!(results::read("", "", &[("a.xml".into(), nested)]).0.is_empty());
}

//! The tools as a model meets them: real files, a real shell.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::door::{Door, Rights};
use super::edit_file::EditFile;
use super::list_files::ListFiles;
use super::read_file::ReadFile;
use super::run_bash::RunBash;
use super::run_tests::{RunTests, Tests};
use super::search::Search;
use super::toolbox::{Spec, ToolBox};
use super::write_file::WriteFile;
use super::{ToolError, Written};
use crate::domain::observation::{CommandRun, Exit, Output, TestCase, TestRun, TestStatus};
use crate::sandbox::open::Open;

struct FakeTests;

impl Tests for FakeTests {
    fn run(&self) -> BoxFuture<'_, anyhow::Result<TestRun>> {
        let case = |name: String, status| TestCase { name, status };
        let mut cases = vec![case("t::good".to_owned(), TestStatus::Passed)];
        cases.extend((0..60).map(|n| case(format!("t::bad_{n}"), TestStatus::Failed)));
        let run = CommandRun {
            command: self.command().to_owned(),
            exit: Exit::Code(1),
            output: Output {
                head: "noise\n".repeat(10_000),
                tail: "the end\n".to_owned(),
                total_bytes: 60_008,
            },
            duration_ms: 1,
        };
        let source = "pytest output".to_owned();
        Box::pin(async { Ok(TestRun { run, cases, source }) })
    }

    fn command(&self) -> &str {
        "pytest -v"
    }
}

struct Bench {
    dir: tempfile::TempDir,
    tools: ToolBox,
    written: Written,
}

impl Bench {
    fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let written = Written::default();
        let tools = all(dir.path(), &written);
        Self { dir, tools, written }
    }

    async fn call(&self, name: &str, input: Value) -> Result<String, ToolError> {
        let input = self.tools.check(name, &input)?;
        self.tools.get(name).unwrap().run(&input).await
    }

    async fn ok(&self, name: &str, input: Value) -> String {
        self.call(name, input).await.unwrap()
    }

    async fn mend(&self, name: &str, input: Value) -> String {
        match self.call(name, input).await {
            Err(ToolError::Mend(text)) => text,
            other => panic!("{other:?}"),
        }
    }
}

fn all(dir: &Path, written: &Written) -> ToolBox {
    let rights = Rights::source(&["src".to_owned(), "tests".to_owned()], &[]).unwrap();
    let door = Arc::new(Door::new(dir, rights).unwrap());
    let path = ("PATH".to_owned(), "/usr/bin:/bin".to_owned());
    ToolBox::new(vec![
        Box::new(ReadFile { door: Arc::clone(&door) }),
        Box::new(ListFiles { door: Arc::clone(&door) }),
        Box::new(Search { door: Arc::clone(&door) }),
        Box::new(WriteFile { door: Arc::clone(&door), written: written.clone() }),
        Box::new(EditFile { door, written: written.clone() }),
        Box::new(RunBash {
            sandbox: Arc::new(Open {
                env: vec![path],
                dependencies: crate::domain::dependencies::Dependencies::default(),
                redactor: crate::secret::Redactor::default(),
            }),
            dir: dir.to_owned(),
            timeout: Duration::from_secs(60),
        }),
        Box::new(RunTests { tests: Arc::new(FakeTests) }),
    ])
    .with_flow(Spec {
        name: "complete_handoff".to_owned(),
        description: "Ends the work.".to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": {"summary": {"type": "string"}},
            "required": ["summary"],
            "additionalProperties": false
        }),
    })
}

#[tokio::test]
async fn names_and_inputs_are_the_stable_interface() {
    let bench = Bench::new(&[]);
    let table: Vec<String> = bench
        .tools
        .specs()
        .iter()
        .map(|spec| {
            let required = spec.input_schema["required"].as_array().cloned().unwrap_or_default();
            let inputs = spec.input_schema["properties"].as_object().unwrap().keys();
            let inputs: Vec<String> = inputs
                .map(|key| if required.contains(&json!(key)) { format!("{key}*") } else { key.clone() })
                .collect();
            assert!(!spec.description.is_empty());
            assert_eq!(spec.input_schema["additionalProperties"], json!(false), "{}", spec.name);
            format!("{}: {}", spec.name, inputs.join(", "))
        })
        .collect();
    assert_eq!(
        table,
        [
            "read_file: path*, offset, limit",
            "list_files: path, glob",
            "search: pattern*, path, glob",
            "write_file: path*, content*",
            "edit_file: path*, old*, new*",
            "run_bash: command*, timeout_seconds",
            "run_tests: ",
            "complete_handoff: summary*",
        ]
    );
}

#[test]
fn calls_that_do_not_fit_say_how_to_mend_them() {
    let bench = Bench::new(&[]);
    for (name, input, expected) in [
        ("grep", json!({}), "no tool \"grep\"; the tools are: read_file, list_files, search, write_file"),
        ("read_file", json!({}), "- input: \"path\" is a required property"),
        ("read_file", json!(null), "\"path\" is a required property"),
        ("read_file", json!({"path": 3}), "- /path: the value is not of type \"string\""),
        ("read_file", json!({"path": "a", "offset": 0, "limit": "x"}), "- /limit: "),
        ("read_file", json!({"path": "a", "offset": 0, "limit": "x"}), "- /offset: "),
        ("read_file", json!({"path": "a", "line": 1}), "'line' was unexpected"),
        ("read_file", json!(["a"]), "- input: "),
        (
            "write_file",
            json!({"path": "a", "content": {"secret": 1}}),
            "- /content: the value is not of type",
        ),
        (
            "write_file",
            json!("{\"path\": \"a\", \"cont"),
            "was not valid JSON (EOF while parsing a string at line 1",
        ),
        ("write_file", json!("{\"path\": \"a\"}"), "was a JSON string; call it again"),
        ("run_bash", json!({"command": "x", "timeout_seconds": 61}), "- /timeout_seconds: "),
        ("run_bash", json!({"command": ""}), "- /command: "),
        ("complete_handoff", json!({}), "\"summary\" is a required property"),
    ] {
        match bench.tools.check(name, &input) {
            Err(ToolError::Mend(told)) => assert!(told.contains(expected), "{name} {input}: {told}"),
            other => panic!("{name} {input}: {other:?}"),
        }
    }
    for (name, input) in [
        ("run_tests", json!(null)),
        ("run_tests", json!("")),
        ("run_tests", json!({})),
        ("list_files", json!({})),
        ("complete_handoff", json!({"summary": "x"})),
    ] {
        assert!(bench.tools.check(name, &input).unwrap().is_object(), "{name}");
    }
    assert!(bench.tools.get("complete_handoff").is_none() && bench.tools.get("grep").is_none());
}

#[test]
fn steps_read_as_a_person_expects() {
    let bench = Bench::new(&[]);
    for (name, input, expected) in [
        ("read_file", json!({"path": "src/x"}), Some("Reading src/x ...")),
        ("write_file", json!({"path": "src/x", "content": ""}), Some("Writing src/x ...")),
        ("edit_file", json!({"path": "src/x"}), Some("Writing src/x ...")),
        ("run_tests", json!({}), Some("Running tests: pytest -v ...")),
        ("run_bash", json!({"command": "ls -l"}), Some("Running: ls -l ...")),
        ("run_bash", json!({"command": "a\u{1b}[31m\nb"}), Some("Running: a[31m… ...")),
        ("list_files", json!({}), None),
        ("search", json!({"pattern": "x"}), None),
        ("read_file", json!(["broken"]), None),
    ] {
        assert_eq!(bench.tools.get(name).unwrap().step(&input).as_deref(), expected, "{name}");
    }
}

#[tokio::test]
async fn read_file_pages_through_lines() {
    let numbers: String = (1..=1000).map(|n| format!("line {n}\n")).collect();
    let long = format!("{}\nshort\n", "x".repeat(200_000));
    let wide: String = (1..=10).map(|n| format!("{n}{}\n", "y".repeat(20_000))).collect();
    let bench = Bench::new(&[
        ("n.txt", &numbers),
        ("long.txt", &long),
        ("wide.txt", &wide),
        ("two.txt", "a\nb"),
        ("empty", ""),
        ("pic.png", "\u{89}PNG\0\0"),
    ]);
    let page = bench.ok("read_file", json!({"path": "n.txt"})).await;
    assert!(page.starts_with("n.txt: lines 1-400 of 1000 (read on with offset 401)\nline 1\n"));
    assert!(page.ends_with("\nline 400\n"));
    for (input, expected) in [
        (json!({"path": "n.txt", "offset": 999}), "n.txt: lines 999-1000 of 1000\nline 999\nline 1000\n"),
        (
            json!({"path": "./n.txt", "offset": 7, "limit": 1}),
            "n.txt: lines 7-7 of 1000 (read on with offset 8)\nline 7\n",
        ),
        (json!({"path": "two.txt"}), "two.txt: lines 1-2 of 2\na\nb"),
        (json!({"path": "empty"}), "empty: empty file"),
        (json!({"path": "pic.png"}), "pic.png: binary file of 7 bytes, not shown"),
        (json!({"path": "long.txt", "offset": 2}), "long.txt: lines 2-2 of 2\nshort\n"),
    ] {
        assert_eq!(bench.ok("read_file", input).await, expected);
    }
    let cut = bench.ok("read_file", json!({"path": "long.txt"})).await;
    assert!(cut.starts_with("long.txt: lines 1-1 of 2 (read on with offset 2)\nxxx"));
    assert!(cut.ends_with("x\n… 134465 more bytes of this line left out\n"), "{}", &cut[cut.len() - 80..]);
    let whole_lines = bench.ok("read_file", json!({"path": "wide.txt"})).await;
    assert!(whole_lines.starts_with("wide.txt: lines 1-3 of 10 (read on with offset 4)\n1yyy"));
    assert!(whole_lines.ends_with("y\n"));
    let far = bench.mend("read_file", json!({"path": "two.txt", "offset": 9})).await;
    assert_eq!(far, "`two.txt` has only 2 lines");
    assert!(bench.mend("read_file", json!({"path": "../x"})).await.contains("`..`"));
}

const TREE: [(&str, &str); 9] = [
    (".gitignore", "*.log\nbuild/\n"),
    (".github/workflows/ci.yml", "on: push\n"),
    (".git/config", "needle"),
    ("build/out.py", "needle"),
    ("src/app.py", "import os\nneedle = foo(1)\n"),
    ("src/app.log", "needle"),
    ("src/sub/.gitignore", "skip.py\n"),
    ("src/sub/skip.py", "needle"),
    ("src/sub/use.ts", "// Needle\n"),
];

#[tokio::test]
async fn list_files_leaves_out_what_git_ignores() {
    let bench = Bench::new(&TREE);
    for (input, expected) in [
        (
            json!({}),
            "5 files below `.`:\n.github/workflows/ci.yml\n.gitignore\nsrc/app.py\nsrc/sub/.gitignore\nsrc/sub/use.ts\n",
        ),
        (json!({"path": "src/sub/"}), "2 files below `src/sub`:\nsrc/sub/.gitignore\nsrc/sub/use.ts\n"),
        (json!({"glob": "*.py"}), "1 files below `.`:\nsrc/app.py\n"),
        (json!({"glob": "src/*.{py,ts}"}), "1 files below `.`:\nsrc/app.py\n"),
        (json!({"glob": "src/**/*.ts"}), "1 files below `.`:\nsrc/sub/use.ts\n"),
        (json!({"path": "src", "glob": "sub/*.ts"}), "1 files below `src`:\nsrc/sub/use.ts\n"),
        (json!({"path": "build"}), "no file below `build` fits (what .gitignore names is not listed)"),
    ] {
        assert_eq!(bench.ok("list_files", input).await, expected);
    }
    for (input, expected) in [
        (json!({"path": ".git"}), "neither read nor written"),
        (json!({"path": "none"}), "does not exist"),
        (json!({"path": "src/app.py"}), "is no folder"),
        (json!({"path": "/"}), "absolute"),
        (json!({"glob": "[a"}), "glob: "),
    ] {
        let told = bench.mend("list_files", input).await;
        assert!(told.contains(expected), "{told}");
    }
}

#[tokio::test]
async fn list_files_is_capped() {
    let bench = Bench::new(&[("src/odd\nname", "")]);
    for n in 0..600 {
        fs::write(bench.dir.path().join(format!("f{n:03}")), "").unwrap();
    }
    let list = bench.ok("list_files", json!({})).await;
    assert!(list.starts_with("601 files below `.`:\nf000\n"));
    assert!(list.ends_with("f499\n… 101 more left out; narrow it with path or glob\n"));
    let odd = bench.ok("list_files", json!({"path": "src"})).await;
    assert_eq!(odd, "1 files below `src`:\nsrc/odd\\nname\n");
}

#[tokio::test]
async fn search_finds_lines() {
    let bench = Bench::new(&TREE);
    for (input, expected) in [
        (json!({"pattern": "needle"}), "1 matching lines in 1 files:\nsrc/app.py:2: needle = foo(1)\n"),
        (
            json!({"pattern": "(?i)^\\W*NEEDLE"}),
            "2 matching lines in 2 files:\nsrc/app.py:2: needle = foo(1)\nsrc/sub/use.ts:1: // Needle\n",
        ),
        (
            json!({"pattern": "(?i)needle", "glob": "*.ts"}),
            "1 matching lines in 1 files:\nsrc/sub/use.ts:1: // Needle\n",
        ),
        (
            json!({"pattern": "import", "path": "src/app.py"}),
            "1 matching lines in 1 files:\nsrc/app.py:1: import os\n",
        ),
        (
            json!({"pattern": "foo("}),
            "(the pattern is no valid regular expression and was searched for as plain text)\n\
             1 matching lines in 1 files:\nsrc/app.py:2: needle = foo(1)\n",
        ),
        (
            json!({"pattern": "absent", "path": "src"}),
            "no match below `src` (what .gitignore names is not searched)\n",
        ),
    ] {
        assert_eq!(bench.ok("search", input).await, expected);
    }
    let told = bench.mend("search", json!({"pattern": "x", "path": ".git/config"})).await;
    assert!(told.contains("neither read nor written"), "{told}");
}

#[tokio::test]
async fn search_is_capped_and_reads_no_link() {
    let line = format!("{}é-hit-{}\n", "a".repeat(1000), "b".repeat(1000));
    let many = "hit\n".repeat(300);
    let bench = Bench::new(&[("min.js", &line), ("many.txt", &many), ("bin", "hit\0")]);
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("secret"), "hit canary").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret"), bench.dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink(outside.path(), bench.dir.path().join("folder")).unwrap();
    let found = bench.ok("search", json!({"pattern": "hit"})).await;
    assert!(found.starts_with("301 matching lines in 2 files:\nmany.txt:1: hit\n"));
    assert!(found.contains("… 101 more left out"));
    assert!(!found.contains("canary"));
    let cut = bench.ok("search", json!({"pattern": "-hit-", "path": "min.js"})).await;
    assert!(cut.contains("min.js:1: …aaa") && cut.contains("é-hit-bbb") && cut.ends_with("b…\n"), "{cut}");
    assert!(cut.len() < 400);
}

#[tokio::test]
async fn what_is_written_is_recorded() {
    let bench = Bench::new(&[("src/old.py", "a = 1\nb = 2\n")]);
    let made = bench.ok("write_file", json!({"path": "./tests/new/t.py", "content": "x\ny\n"})).await;
    assert_eq!(made, "created tests/new/t.py (2 lines)");
    let edited = bench.ok("edit_file", json!({"path": "src/old.py", "old": "b = 2", "new": "b = 3"})).await;
    assert_eq!(edited, "edited src/old.py at line 2");
    let replaced = bench.ok("write_file", json!({"path": "tests/new/t.py", "content": ""})).await;
    assert_eq!(replaced, "replaced tests/new/t.py (0 lines)");
    let told = bench.mend("write_file", json!({"path": "setup.py", "content": ""})).await;
    assert_eq!(told, "`setup.py` may not be written: only these places may be: `src`, `tests`");
    let told = bench.mend("edit_file", json!({"path": "src/none.py", "old": "a", "new": "b"})).await;
    assert!(told.contains("does not exist"), "{told}");
    fs::write(bench.dir.path().join("src/latin"), [0xe9]).unwrap();
    let told = bench.mend("edit_file", json!({"path": "src/latin", "old": "a", "new": "b"})).await;
    assert!(told.contains("not UTF-8"), "{told}");
    let written: Vec<String> = bench.written.paths().into_iter().collect();
    assert_eq!(written, ["src/old.py", "tests/new/t.py"]);
    assert_eq!(fs::read_to_string(bench.dir.path().join("src/old.py")).unwrap(), "a = 1\nb = 3\n");
}

#[tokio::test]
async fn run_bash_answers_with_exit_and_output() {
    let bench = Bench::new(&[("src/a", "x")]);
    for (input, expected) in [
        (json!({"command": "ls; exit 3"}), "exit code 3\nsrc\n"),
        (json!({"command": "true"}), "exit code 0\n(no output)"),
        (
            json!({"command": "echo up; sleep 1000", "timeout_seconds": 1}),
            "timed out after 1 s and was ended\nup\n",
        ),
    ] {
        assert_eq!(bench.ok("run_bash", input).await, expected);
    }
    let much = bench.ok("run_bash", json!({"command": "yes | head -c 1000000; echo end"})).await;
    assert!(much.starts_with("exit code 0\ny\n") && much.ends_with("y\nend\n"));
    assert!(much.contains(" bytes left out …\n") && much.len() < 17 * 1024);
    let told = bench.mend("run_bash", json!({"command": "echo \0"})).await;
    assert!(told.contains("NUL"), "{told}");
    let told = bench.mend("run_bash", json!({"command": "#".repeat(200_000)})).await;
    assert!(told.contains("100 KiB"), "{told}");
}

#[tokio::test]
async fn run_tests_tells_what_was_observed() {
    let bench = Bench::new(&[]);
    let answer = bench.ok("run_tests", json!({})).await;
    assert!(
        answer.starts_with("exit code 1, 61 tests collected, 1 passed, 60 failed\nfailed:\n- t::bad_0\n")
    );
    assert!(answer.contains("- t::bad_49\n… 10 more\noutput:\n… "));
    assert!(answer.ends_with("noise\nthe end\n"));
    assert!(answer.len() < 14 * 1024);
}

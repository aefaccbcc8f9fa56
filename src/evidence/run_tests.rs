//! One run of the test command, observed: exit, complete output, report files, tests by name.
//!
//! Knows no format by itself and judges nothing.

use std::borrow::Cow;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;

use super::{reports, results};
use crate::domain::observation::{CommandRun, TestRun};
use crate::sandbox::{Command, Sandbox};

/// What to run and where.
#[derive(Debug, Clone)]
pub(crate) struct TestRequest {
    /// For `sh -c`.
    pub command: String,
    /// Root of the work tree; the command runs here.
    pub root: PathBuf,
    /// File for the complete output. Reports that a runner is asked for go to a folder of the same name with the
    /// extension `reports`, which children must be able to write.
    pub spool: PathBuf,
    pub timeout: Duration,
    /// Variables beside the fixed list.
    pub env: Vec<(String, String)>,
}

/// Runs the command and reads what it observed. Fails only where the shell cannot be started or the spool's folder
/// cannot be made; a failing command is a [`TestRun`] with its exit.
pub(crate) async fn run(sandbox: &dyn Sandbox, request: &TestRequest) -> anyhow::Result<TestRun> {
    let folder = request.spool.with_extension("reports");
    // Remains of an earlier run of the same name must not be taken for this one's.
    let _ = fs::remove_dir_all(&folder);
    let _ = fs::remove_file(&request.spool);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    reports::prepare(&folder).with_context(|| format!("cannot write into {}", folder.display()))?;
    reports::clear_stale(&request.command, &request.root);
    let before = reports::Before::note(&request.root, &folder);
    let mut env = request.env.clone();
    for (name, value) in reports::report_env(&request.command, &folder, &request.env) {
        env.retain(|(n, _)| *n != name);
        env.push((name, value));
    }
    let bytecode = folder.join("bytecode");
    env.retain(|(name, _)| name != PYTHON_CACHE);
    env.push((PYTHON_CACHE.to_owned(), bytecode.display().to_string()));
    let command = Command {
        script: request.command.clone(),
        dir: request.root.clone(),
        env,
        timeout: request.timeout,
        spool: Some(request.spool.clone()),
    };
    let mut run = sandbox.run(&command).await?;
    // What cannot be removed goes with the folder at the next run.
    let _ = fs::remove_dir_all(&bytecode);
    let root = request.root.clone();
    let spool = request.spool.clone();
    let command = request.command.clone();
    run.command = sandbox.clean(&command).into_owned();
    // Up to 16 MiB of output are parsed: not on the thread that serves everything else.
    let (mut observed, reports) = tokio::task::spawn_blocking(move || {
        let output = complete_output(&spool, &run);
        let reports = reports::from_root(before.written_since(&root, &folder), &root);
        let (cases, source) = results::read(&command, &output, &reports);
        (TestRun { run, cases, source }, folder)
    })
    .await
    .context("reading the test results was interrupted")?;
    for case in &mut observed.cases {
        if let Cow::Owned(name) = sandbox.clean(&case.name) {
            case.name = name;
        }
    }
    reports::mask(&reports, |text| sandbox.clean(text));
    Ok(observed)
}

/// Python takes byte code for current whose source has the same size and second, or that says so itself: an edit at
/// once would not be seen, and a prepared file would be run in the place of its source. So each run has an empty
/// folder of its own for it, and what lies in the tree is neither read nor written.
const PYTHON_CACHE: &str = "PYTHONPYCACHEPREFIX";

/// Variables of a single command for which byte code of Python is neither read from the tree nor written there, for the
/// same reason. `spool` is the command's: a compiler that it starts has a fresh folder beside it.
pub(crate) fn sources_alone(spool: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let folder = spool.with_extension("reports");
    // What cannot be removed cannot be made either, and that is said.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let bytecode = folder.join("bytecode").display().to_string();
    Ok(vec![(PYTHON_CACHE.to_owned(), bytecode), ("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())])
}

/// The run's complete output, lossily decoded: from the spool, or what the run itself kept where there is none. Of
/// more than 16 MiB the first and last 8 are returned with a line between them that says what is left out.
pub(crate) fn complete_output(spool: &Path, run: &CommandRun) -> String {
    read_capped(spool, MOST_BYTES).unwrap_or_else(|_| run.output.text())
}

const MOST_BYTES: u64 = 16 << 20;

fn read_capped(path: &Path, most: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let total = file.metadata()?.len();
    if total <= most {
        let mut all = Vec::new();
        file.take(most).read_to_end(&mut all)?;
        return Ok(String::from_utf8_lossy(&all).into_owned());
    }
    let mut head = Vec::new();
    (&mut file).take(most / 2).read_to_end(&mut head)?;
    file.seek(SeekFrom::Start(total - most / 2))?;
    let mut tail = Vec::new();
    file.take(most / 2).read_to_end(&mut tail)?;
    // Lines that were cut could read as something they are not.
    let head_end = head.iter().rposition(|&b| b == b'\n').map_or(0, |n| n + 1);
    let tail_start = tail.iter().position(|&b| b == b'\n').map_or(tail.len(), |n| n + 1);
    let left_out = total - head_end as u64 - (tail.len() - tail_start) as u64;
    Ok(format!(
        "{}… {left_out} bytes left out …\n{}",
        String::from_utf8_lossy(&head[..head_end]),
        String::from_utf8_lossy(&tail[tail_start..])
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::observation::{Exit, Output, TestStatus};
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;

    /// Does what a runner would: writes the spool and the report it was asked for.
    struct Scripted {
        output: &'static str,
        report: Option<&'static str>,
    }

    impl Sandbox for Scripted {
        fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
            async move {
                fs::write(command.spool.as_ref().unwrap(), self.output)?;
                if let Some(report) = self.report {
                    let options = &command.env.iter().find(|(n, _)| n == "PYTEST_ADDOPTS").unwrap().1;
                    let path = options.split('\'').nth(1).unwrap();
                    fs::write(path, report)?;
                }
                let output = Output { head: "cut".into(), tail: String::new(), total_bytes: 3 };
                Ok(CommandRun {
                    command: command.script.clone(),
                    exit: Exit::Code(0),
                    output,
                    duration_ms: 1,
                })
            }
            .boxed()
        }

        fn describe(&self) -> String {
            "off".into()
        }
    }

    #[tokio::test]
    async fn tests_are_read_from_the_spool_and_from_reports() {
        let dir = tempfile::tempdir().unwrap();
        let request = TestRequest {
            command: "pytest -q".into(),
            root: dir.path().join("tree"),
            spool: dir.path().join("run/tests.log"),
            timeout: Duration::from_secs(5),
            env: vec![],
        };
        fs::create_dir_all(&request.root).unwrap();
        let output =
            "=== test session starts ===\ntests/test_a.py::test_one PASSED\n=== 1 passed in 0.01s ===\n";
        let report = r#"<testsuite name="pytest"><testcase classname="tests.test_a" file="tests/test_a.py" name="test_two"/></testsuite>"#;
        for (report, name, source) in [
            (Some(report), "tests/test_a.py::test_two", "JUnit XML"),
            (None, "tests/test_a.py::test_one", "pytest output"),
        ] {
            let run = run(&Scripted { output, report }, &request).await.unwrap();
            assert_eq!(run.names(TestStatus::Passed).collect::<Vec<_>>(), [name]);
            assert_eq!(run.source, source);
            assert_eq!(complete_output(&request.spool, &run.run), output);
        }
    }

    #[test]
    fn long_output_keeps_whole_lines_of_both_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let lines: String = (0..100).map(|i| format!("line {i:03}\n")).collect();
        fs::write(&path, &lines).unwrap();
        let read = read_capped(&path, 100).unwrap();
        assert!(read.starts_with("line 000\n") && read.ends_with("line 099\n"), "{read}");
        assert_eq!(
            read,
            "line 000\nline 001\nline 002\nline 003\nline 004\n… 810 bytes left out …\nline 095\nline 096\nline 097\nline 098\nline 099\n"
        );
        assert_eq!(read_capped(&path, 900).unwrap(), lines);
    }
}

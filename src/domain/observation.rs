//! What the binary saw itself. A model's claim counts only where it matches one of these.

use serde::{Deserialize, Serialize};

/// How a child process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    TimedOut,
}

impl Exit {
    /// True for exit code 0 only.
    pub(crate) const fn ok(self) -> bool {
        matches!(self, Self::Code(0))
    }
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

/// Output of a child: its head and tail for people and models; the whole of it is spooled to a file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Output {
    /// First bytes, lossily decoded.
    pub head: String,
    /// Last bytes; empty where `head` holds everything.
    pub tail: String,
    /// Bytes that the child wrote in all.
    pub total_bytes: u64,
}

impl Output {
    /// Adds `text` at the end, on lines of its own.
    pub(crate) fn append(&mut self, text: &str) {
        let last = if self.tail.is_empty() { &mut self.head } else { &mut self.tail };
        let before = last.len();
        if !text.is_empty() && !last.is_empty() && !last.ends_with('\n') {
            last.push('\n');
        }
        last.push_str(text);
        self.total_bytes += (last.len() - before) as u64;
    }

    /// Head and tail as one text, with a line that says how much is left out between them.
    pub(crate) fn text(&self) -> String {
        let shown = (self.head.len() + self.tail.len()) as u64;
        if self.tail.is_empty() {
            self.head.clone()
        } else if shown >= self.total_bytes {
            format!("{}{}", self.head, self.tail)
        } else {
            format!("{}\n… {} bytes left out …\n{}", self.head, self.total_bytes - shown, self.tail)
        }
    }
}

/// A finished command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CommandRun {
    pub command: String,
    pub exit: Exit,
    pub output: Output,
    pub duration_ms: u64,
}

/// How a line begins in which pace says why it ended a command, at the end of its output.
pub(crate) const ENDED: &str = "[pace: ended, ";

impl CommandRun {
    /// Why pace itself ended the command before its time: `its processes held … of memory`.
    pub(crate) fn excess(&self) -> Option<String> {
        let text = self.output.text();
        let line = text.lines().rev().find(|line| !line.is_empty())?;
        let reason = line.strip_prefix(ENDED)?.strip_suffix(']')?.to_owned();
        matches!(self.exit, Exit::Signal(_)).then_some(reason)
    }
}

/// What a test came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TestStatus {
    Passed,
    Failed,
    Skipped,
}

/// One observed test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TestCase {
    /// The runner's own name for it, e.g. `tests/test_user.py::test_create`.
    pub name: String,
    pub status: TestStatus,
}

/// [`TestRun::source`] of a run that ended at the setup: the dependencies could not be installed.
pub(crate) const SETUP: &str = "setup";

/// A run of the test command on a known tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TestRun {
    pub run: CommandRun,
    /// Tests by name, from report files where the run wrote some, else from the output; each name once.
    pub cases: Vec<TestCase>,
    /// Where `cases` come from, e.g. `pytest output` or `JUnit XML`; empty where nothing was recognised.
    pub source: String,
}

impl TestRun {
    /// Whether the dependencies could not be installed, so that no test ran.
    pub(crate) fn setup_failed(&self) -> bool {
        self.source == SETUP && !self.run.exit.ok()
    }

    /// Whether the command ended well and no test failed.
    pub(crate) fn is_green(&self) -> bool {
        self.run.exit.ok() && self.count(TestStatus::Failed) == 0
    }

    /// How many tests came to `status`.
    pub(crate) fn count(&self, status: TestStatus) -> usize {
        self.cases.iter().filter(|c| c.status == status).count()
    }

    /// Names of the tests that came to `status`.
    pub(crate) fn names(&self, status: TestStatus) -> impl Iterator<Item = &str> {
        self.cases.iter().filter(move |c| c.status == status).map(|c| c.name.as_str())
    }

    /// One line: `exit code 0, 4 tests collected, 4 passed`.
    pub(crate) fn summary(&self) -> String {
        let mut line = self.run.exit.to_string();
        if self.setup_failed() {
            return format!("{line} of the setup `{}`: the tests did not run", self.run.command);
        }
        if let Some(reason) = self.run.excess() {
            line.push_str(&format!(" by pace ({reason})"));
        } else if self.run.exit == Exit::TimedOut {
            line.push_str(" (PACE_TEST_TIMEOUT)");
        }
        if self.cases.is_empty() {
            line.push_str(", no test recognised in the output");
            return line;
        }
        line.push_str(&format!(", {} tests collected", self.cases.len()));
        for (status, word) in
            [(TestStatus::Passed, "passed"), (TestStatus::Failed, "failed"), (TestStatus::Skipped, "skipped")]
        {
            let n = self.count(status);
            if n > 0 {
                line.push_str(&format!(", {n} {word}"));
            }
        }
        line
    }
}

/// What a branch asks of a review before it can be merged, as far as the token may read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Protection {
    /// Names of the checks that must have passed.
    Checks(Vec<String>),
    /// Whether the whole pipeline must have.
    Pipeline(bool),
}

/// What the CI says of a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum CiState {
    /// The platform has no CI, or no run appeared.
    None,
    Green {
        jobs: Vec<String>,
    },
    Red {
        job: String,
        url: Option<String>,
    },
    Timeout {
        pending: Vec<String>,
    },
    /// Waits for a person, e.g. for an approval.
    NeedsHuman {
        detail: String,
    },
}

impl CiState {
    /// Why the CI's word forbids shipping.
    pub(crate) fn holds(&self) -> Option<String> {
        match self {
            Self::Red { job, .. } => Some(format!("CI job {job} failed on the commit")),
            Self::Timeout { pending } => Some(format!("CI timed out waiting for {}", pending.join(", "))),
            Self::None | Self::Green { .. } | Self::NeedsHuman { .. } => None,
        }
    }
}

/// The CI's word in one line.
impl std::fmt::Display for CiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Green { jobs } => write!(f, "green: {}", jobs.join(", ")),
            Self::Red { job, url } => write!(f, "red: {job} {}", url.as_deref().unwrap_or_default()),
            Self::Timeout { pending } => write!(f, "timed out waiting for {}", pending.join(", ")),
            Self::NeedsHuman { detail } => write!(f, "needs a human: {detail}"),
        }
    }
}

//! Runs child processes. Every child of pace goes through here; nothing else starts a process.

mod capture;
#[cfg(target_os = "linux")]
mod confined;
pub(crate) mod ground;
pub(crate) mod open;
mod running;
#[cfg(test)]
mod tests;
mod tree;

use std::borrow::Cow;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::domain::observation::CommandRun;

/// Whether these arguments, the program's name first, are those of the helper that pace starts from its own binary: its
/// name, or its first argument where something between them gives the name.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables, reason = "there is no helper"))]
pub(crate) fn is_helper(arguments: &[OsString]) -> bool {
    #[cfg(target_os = "linux")]
    return arguments
        .iter()
        .take(2)
        .any(|argument| argument == confined::order::HELPER || argument == confined::order::INIT);
    #[cfg(not(target_os = "linux"))]
    return false;
}

/// Closes this process to others of the same user: its memory and its environment hold credentials.
pub(crate) fn keep_to_itself() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)
    {
        tracing::warn!("other processes of this user may look into this one: {error}");
    }
}

/// Runs as the helper; its exit code.
#[cfg(target_os = "linux")]
pub(crate) fn helper(arguments: &[OsString]) -> u8 {
    confined::main(arguments)
}

/// Runs as the helper; there is none on this system.
#[cfg(not(target_os = "linux"))]
pub(crate) fn helper(_arguments: &[OsString]) -> u8 {
    u8::MAX
}

/// A shell command for a child process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// Given to `sh -c`.
    pub script: String,
    pub dir: PathBuf,
    /// Added to the fixed environment list, e.g. report settings of a quiet test runner.
    pub env: Vec<(String, String)>,
    pub timeout: Duration,
    /// The complete output goes here (capped, secrets masked); head and tail are returned in any case.
    pub spool: Option<PathBuf>,
}

/// Runs commands, confined as far as the machine allows.
pub(crate) trait Sandbox: Send + Sync {
    /// Runs `command` to its end or its time-out and ends the whole process tree. An `Err` means that the
    /// shell itself could not be started; a failing command is an `Ok` with its exit.
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>>;

    /// Runs the setup command. Beside what other commands may do, it reaches the network unless that is denied to
    /// all, fills the tools' caches, and writes the folders of dependencies.
    fn set_up<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
        self.run(command)
    }

    /// `text` of a child that came another way than by its output, without the secrets that an output is kept without.
    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        Cow::Borrowed(text)
    }

    /// How children are confined, in words for the log, the summary and `handoff.yaml`, e.g. `off`.
    fn describe(&self) -> String;
}

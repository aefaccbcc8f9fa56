//! The real git, for what a person does to a repository.

use std::path::Path;
use std::process::Command;

/// Runs `git` with `arguments`, separated by blanks; its output without the last line break.
#[expect(clippy::disallowed_methods, reason = "a person's part is played by the real git")]
pub(crate) fn git(at: &Path, arguments: &str) -> String {
    let mut command = Command::new("git");
    command.current_dir(at).args(arguments.split(' ')).env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("HOME", at).env("GIT_TERMINAL_PROMPT", "0");
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), "Ada").env(format!("GIT_{role}_EMAIL"), "ada@example.org");
    }
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "git {arguments}: {error}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

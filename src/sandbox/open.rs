//! Children without confinement: the operator said that the sandbox is off. How a child is watched and ends is
//! `running`'s.

use std::borrow::Cow;
use std::process::Stdio;

use futures_util::future::BoxFuture;

use super::{Command, Sandbox, running};
use crate::domain::dependencies::Dependencies;
use crate::domain::observation::CommandRun;
use crate::secret::Redactor;

/// Runs commands as they are, with nothing but a clean environment and an end of the whole tree.
#[derive(Debug, Clone)]
pub(crate) struct Open {
    /// The whole environment of children, before a command's own additions.
    pub env: Vec<(String, String)>,
    /// What the setup made: nothing keeps a child from it, but its programs are found.
    pub dependencies: Dependencies,
    /// Of what children say.
    pub redactor: Redactor,
}

impl Sandbox for Open {
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
        Box::pin(running::run_to_end(command, &self.redactor, || Ok(self.shell(command))))
    }

    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor.redact(text)
    }

    fn describe(&self) -> String {
        "off".to_owned()
    }
}

impl Open {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts an unconfined child")]
    fn shell(&self, command: &Command) -> tokio::process::Command {
        let mut shell = tokio::process::Command::new("/bin/sh");
        shell
            .arg("-c")
            .arg(&command.script)
            .current_dir(&command.dir)
            .env_clear()
            .envs(self.dependencies.environment(&self.env))
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        shell
    }
}

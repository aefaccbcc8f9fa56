//! `run_bash`: a shell command in the work tree. How it is confined is the sandbox's business.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};

use super::excerpt::excerpt;
use super::{Tool, ToolError, field, parse, step};
use crate::domain::observation::{CommandRun, Exit};
use crate::sandbox::{Command, Sandbox};

/// Bytes of the output's head that the model sees.
const HEAD: usize = 4 * 1024;
/// Bytes of the output's tail that the model sees: what went wrong stands at the end.
const TAIL: usize = 12 * 1024;
/// Linux takes no argument beyond 128 KiB.
const LONGEST: usize = 100 * 1024;

/// Runs shell commands.
pub(crate) struct RunBash {
    pub sandbox: Arc<dyn Sandbox>,
    /// Where commands run: the root of the work tree.
    pub dir: PathBuf,
    /// Default and upper bound of a command's time.
    pub timeout: Duration,
}

#[derive(Deserialize)]
struct Input {
    command: String,
    timeout_seconds: Option<u64>,
}

/// Folders of a system's own programs. A `bash` that the tree brings along is not meant.
const SYSTEM: [&str; 3] = ["/bin", "/usr/bin", "/usr/local/bin"];

/// The sandbox runs scripts with `sh`; a model that is told of bash writes bash.
fn in_bash(command: &str) -> String {
    let bash = SYSTEM.iter().map(|folder| Path::new(folder).join("bash")).find(|path| path.exists());
    bash.map_or_else(
        || command.to_owned(),
        |bash| format!("exec {} -c '{}'", bash.display(), command.replace('\'', r"'\''")),
    )
}

impl RunBash {
    fn seconds(&self) -> u64 {
        self.timeout.as_secs().max(1)
    }
}

impl Tool for RunBash {
    fn name(&self) -> &'static str {
        "run_bash"
    }

    fn description(&self) -> &'static str {
        "Runs a command with bash (with sh where there is no bash) at the root of the repository; answers with its exit code and the head and tail of its output. It has no input, and processes left in the background are ended with it."
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "command": {
                    "type": "string",
                    "minLength": 1,
                    "description": "Shell command or script."
                },
                "timeout_seconds": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": self.seconds(),
                    "description": format!("Time after which the command is ended. Default and maximum: {}.", self.seconds())
                }
            },
            "required": ["command"],
            "additionalProperties": false
        })
    }

    fn step(&self, input: &Value) -> Option<String> {
        Some(step("Running:", field(input, "command")?))
    }

    fn changes_files(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, input: &'a Value) -> BoxFuture<'a, Result<String, ToolError>> {
        Box::pin(async move {
            let input: Input = parse(input)?;
            if input.command.contains('\0') || input.command.len() > LONGEST {
                let reason =
                    "it has a NUL character or is longer than 100 KiB; write a script file and run that";
                return Err(ToolError::mend(format!("the command is refused: {reason}")));
            }
            let limit = Duration::from_secs(self.seconds());
            let timeout = input.timeout_seconds.map_or(limit, Duration::from_secs).min(limit);
            let command = Command {
                script: in_bash(&input.command),
                dir: self.dir.clone(),
                // Byte code of a file that is edited again within the second would be taken for current.
                env: vec![("PYTHONDONTWRITEBYTECODE".to_owned(), "1".to_owned())],
                timeout,
                spool: None,
            };
            Ok(answer(&self.sandbox.run(&command).await?, timeout, limit))
        })
    }
}

fn answer(run: &CommandRun, timeout: Duration, limit: Duration) -> String {
    let exit = match run.exit {
        Exit::TimedOut => format!(
            "timed out after {} s and was ended{}",
            timeout.as_secs(),
            if timeout == limit { "; PACE_COMMAND_TIMEOUT allows no more" } else { "" }
        ),
        exit => exit.to_string(),
    };
    if run.output.total_bytes == 0 {
        return format!("{exit}\n(no output)");
    }
    format!("{exit}\n{}", excerpt(&run.output, HEAD, TAIL))
}

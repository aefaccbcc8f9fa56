//! The process edge: arguments and environment in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if pace::is_helper(&arguments) {
        return ExitCode::from(pace::helper(&arguments));
    }
    arguments.drain(..1.min(arguments.len()));
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    let environment = std::env::vars_os().collect();
    ExitCode::from(pace::main(arguments, environment))
}

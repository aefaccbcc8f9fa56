//! The process edge: arguments and environment in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    let environment = std::env::vars_os().collect();
    let arguments = std::env::args_os().skip(1).collect();
    ExitCode::from(pace::main(arguments, environment))
}

//! The process edge: arguments and environment in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if pace::is_helper(&name) {
        return ExitCode::from(pace::helper(&name));
    }
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the process environment")]
    let environment = std::env::vars_os().collect();
    ExitCode::from(pace::main(arguments.collect(), environment))
}

//! The command line: verbs only. Settings are environment variables.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

/// What pace is asked to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Run,
    Check,
    Demo,
    Replay { journal: PathBuf, explain: bool },
    Status,
    Schema { name: Option<String> },
    Help,
    Version,
}

/// Usage, as `pace --help` prints it.
pub(crate) const HELP: &str = "\
pace: one AI-delivered sprint day, with a verdict that the binary owns

Usage: [DAY=N …] pace [VERB]

Verbs
  run            run the day that the environment names (also without a verb)
  check          validate settings, plan, repository, permissions, sandbox and test command;
                 spends nothing
  demo           a complete sprint day in a temporary repository: no key, no network
  replay DIR     re-run a recorded day from its journal, byte for byte;
                 with --explain say why its verdict is what it is
  status         table of the sprint
  schema [NAME]  print a JSON Schema; without a name, list them

Settings are environment variables, e.g. DAY=1 ANTHROPIC_API_KEY=… pace; the README lists them.

Exit codes
  0 SHIP   1 HOLD   2 CONFIG   3 PLAN   4 ABORT   10 ADVISORY   11 SKIPPED   130/143 interrupted
";

const VERBS: &str = "run, check, demo, replay, status and schema";

/// Reads the arguments after the program's name.
///
/// # Errors
/// A sentence that says what to type instead.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Verb, String> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut verb = None;
    while let Some(argument) = parser.next().map_err(|e| e.to_string())? {
        match argument {
            Short('h') | Long("help") => return Ok(Verb::Help),
            Short('V') | Long("version") => return Ok(Verb::Version),
            Long("explain") if matches!(verb, Some(Verb::Replay { .. })) => {
                if let Some(Verb::Replay { explain, .. }) = &mut verb {
                    *explain = true;
                }
            }
            Long("day") => return Err(setting(&mut parser, "--day", "DAY")),
            Long("retry") => return Err("--retry is not an option: use `RETRY=true pace`".into()),
            Long("dry-run") => return Err("--dry-run is not an option: use `DRY_RUN=true pace`".into()),
            Value(word) if verb.is_none() => verb = Some(self::verb(&word, &mut parser)?),
            other => return Err(format!("{}; `pace --help` lists the verbs", unexpected(other))),
        }
    }
    Ok(verb.unwrap_or(Verb::Run))
}

fn verb(word: &OsString, parser: &mut lexopt::Parser) -> Result<Verb, String> {
    Ok(match word.to_string_lossy().as_ref() {
        "run" => Verb::Run,
        "check" => Verb::Check,
        "demo" => Verb::Demo,
        "status" => Verb::Status,
        "help" => Verb::Help,
        "version" => Verb::Version,
        "replay" => match parser.next().map_err(|e| e.to_string())? {
            Some(Value(path)) => Verb::Replay { journal: path.into(), explain: false },
            Some(Short('h') | Long("help")) => Verb::Help,
            Some(Long("explain")) => match parser.next().map_err(|e| e.to_string())? {
                Some(Value(path)) => Verb::Replay { journal: path.into(), explain: true },
                _ => return Err("replay --explain needs the folder or file of a journal".into()),
            },
            _ => {
                return Err(
                    "replay needs the folder or file of a journal, e.g. `pace replay .pace/.run/day-1`"
                        .into(),
                );
            }
        },
        "schema" => match parser.next().map_err(|e| e.to_string())? {
            Some(Value(name)) => Verb::Schema { name: Some(name.to_string_lossy().into_owned()) },
            Some(Short('h') | Long("help")) => Verb::Help,
            Some(other) => return Err(format!("{}; `pace --help` lists the verbs", unexpected(other))),
            None => Verb::Schema { name: None },
        },
        other => return Err(format!("`{other}` is not a verb of pace; its verbs are {VERBS}")),
    })
}

fn setting(parser: &mut lexopt::Parser, option: &str, variable: &str) -> String {
    let value = parser.value().map_or_else(|_| "N".into(), |v| v.to_string_lossy().into_owned());
    format!("{option} is not an option: use `{variable}={value} pace`")
}

fn unexpected(argument: lexopt::Arg<'_>) -> String {
    argument.unexpected().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Verb, String> {
        parse(line.split_whitespace().map(OsString::from).collect())
    }

    #[test]
    fn verbs() {
        for (line, verb) in [
            ("", Verb::Run),
            ("run", Verb::Run),
            ("check", Verb::Check),
            ("demo", Verb::Demo),
            ("status", Verb::Status),
            ("replay .pace/.run/day-1", Verb::Replay { journal: ".pace/.run/day-1".into(), explain: false }),
            ("replay x --explain", Verb::Replay { journal: "x".into(), explain: true }),
            ("replay --explain x", Verb::Replay { journal: "x".into(), explain: true }),
            ("schema", Verb::Schema { name: None }),
            ("schema handoff", Verb::Schema { name: Some("handoff".into()) }),
            ("--help", Verb::Help),
            ("run --help", Verb::Help),
            ("replay --help", Verb::Help),
            ("schema -h", Verb::Help),
            ("-V", Verb::Version),
        ] {
            assert_eq!(parsed(line), Ok(verb), "pace {line}");
        }
    }

    #[test]
    fn options_of_the_old_tool_name_their_variable() {
        for (line, message) in [
            ("--day 3", "--day is not an option: use `DAY=3 pace`"),
            ("--day=3 --retry", "--day is not an option: use `DAY=3 pace`"),
            ("run --day 3", "--day is not an option: use `DAY=3 pace`"),
            ("--day", "--day is not an option: use `DAY=N pace`"),
            ("--retry", "--retry is not an option: use `RETRY=true pace`"),
            ("--dry-run", "--dry-run is not an option: use `DRY_RUN=true pace`"),
            ("--explain", "invalid option '--explain'; `pace --help` lists the verbs"),
            (
                "ship",
                "`ship` is not a verb of pace; its verbs are run, check, demo, replay, status and schema",
            ),
            ("replay", "replay needs the folder or file of a journal, e.g. `pace replay .pace/.run/day-1`"),
            ("run twice", "unexpected argument \"twice\"; `pace --help` lists the verbs"),
            ("--frob", "invalid option '--frob'; `pace --help` lists the verbs"),
        ] {
            assert_eq!(parsed(line), Err(message.to_owned()), "pace {line}");
        }
    }
}

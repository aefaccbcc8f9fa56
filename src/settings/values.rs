//! What single variables may say, beyond the forms of `given`. Knows no other variable and no run.

use tracing_subscriber::EnvFilter;

use super::given::{Given, Read, list};
use super::{CommandChoice, DayChoice, Network, SandboxMode};
use crate::exit;

/// Where a hand-off lies unless the settings say otherwise; CI artifacts of `.pace/` carry it.
pub(super) const HANDOFF: &str = ".pace/handoff";

/// Exit codes with a meaning of their own, which `PACE_ADVISORY_EXIT_CODE` may not take.
const TAKEN_CODES: [u8; 7] =
    [exit::HOLD, exit::CONFIG, exit::PLAN, exit::ABORT, exit::SKIPPED, exit::INTERRUPTED, exit::TERMINATED];

pub(super) fn day(given: &Given<'_>) -> Read<DayChoice> {
    match given.text {
        Some(text) if text.eq_ignore_ascii_case("auto") => Ok(Some(DayChoice::Auto)),
        Some(text) => match text.parse() {
            Ok(day) if day <= DayChoice::LAST => Ok(Some(DayChoice::Number(day))),
            _ => Err(given.problem("not a day", "use a number such as 1, 0 for planning, or auto")),
        },
        None => Ok(None),
    }
}

/// Where FORGE may write; pace's own records are nobody's source.
pub(super) fn folders(given: &Given<'_>) -> Read<Vec<String>> {
    let folders = given.all_inside()?;
    if folders.iter().flatten().any(|folder| folder == ".pace" || folder.starts_with(".pace/")) {
        return Err(given.problem("which holds .pace, pace's own records", "remove it from the list"));
    }
    Ok(folders)
}

/// The folder of a hand-off: it is emptied, kept out of git and carried from job to job, so nothing else may lie in it.
pub(super) fn handoff(given: &Given<'_>) -> Read<String> {
    let Some(folder) = given.inside()? else { return Ok(None) };
    let own = folder == HANDOFF || folder.strip_prefix(HANDOFF).is_some_and(|rest| rest.starts_with('/'));
    let taken = match folder.split('/').next() {
        Some(".") => "the repository itself",
        Some(".pace") if !own => "which holds pace's own records",
        _ => return Ok(Some(folder)),
    };
    Err(given
        .problem(taken, "use .pace/handoff, which is the default, or a folder of its own outside of .pace"))
}

pub(super) fn command(given: &Given<'_>) -> CommandChoice {
    match given.text {
        None => CommandChoice::Detect,
        Some(_) if given.is_none() => CommandChoice::None,
        Some(command) => CommandChoice::Run(command.to_owned()),
    }
}

pub(super) fn sandbox(given: &Given<'_>) -> Read<SandboxMode> {
    given.choice(&[
        ("enforce", SandboxMode::Enforce),
        ("strict", SandboxMode::Strict),
        ("off", SandboxMode::Off),
    ])
}

pub(super) fn network(given: &Given<'_>) -> Read<Network> {
    let Some(text) = given.text else { return Ok(None) };
    if !text.contains(':') {
        let words = [("deny", Network::Deny), ("setup", Network::Setup), ("allow", Network::Allow)];
        let found = words.into_iter().find(|(word, _)| word.eq_ignore_ascii_case(text));
        return found
            .map(|(_, network)| Some(network))
            .ok_or_else(|| given.problem("not a known word", "use deny, setup, allow, or host:port,…"));
    }
    let hosts: Vec<String> = list(text).map(str::to_owned).collect();
    if hosts.iter().all(|host| is_host_and_port(host)) {
        Ok(Some(Network::Hosts(hosts)))
    } else {
        Err(given
            .problem("not a list of hosts with ports", "use host:port,… without http://, e.g. postgres:5432"))
    }
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok_and(|port| port > 0)
            && !host.contains(['/', '@', '*'])
            && url::Host::parse(host).is_ok()
    })
}

pub(super) fn advisory_exit_code(given: &Given<'_>) -> Read<u8> {
    let Some(text) = given.text else { return Ok(None) };
    match text.parse::<u8>() {
        Ok(code) if TAKEN_CODES.contains(&code) => {
            Err(given
                .problem("an exit code with another meaning", "use 0, 10, or one that pace does not use"))
        }
        Ok(code) => Ok(Some(code)),
        Err(_) => Err(given.problem("not an exit code", "use 0 to 255")),
    }
}

pub(super) fn digest(given: &Given<'_>) -> Read<String> {
    match given.text {
        Some(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(Some(text.to_ascii_lowercase()))
        }
        Some(_) => Err(given.problem(
            "not a SHA-256 of 64 hex digits",
            "pass the output `handoff-digest` of the working job as it stands",
        )),
        None => Ok(None),
    }
}

pub(super) fn log(given: &Given<'_>) -> Read<String> {
    match given.text {
        Some(text) if EnvFilter::builder().parse(text).is_err() => {
            Err(given.problem("not a log filter", "use error, warn, info, debug, trace, or e.g. pace=debug"))
        }
        _ => Ok(given.text()),
    }
}

//! `pace`: one static binary that runs an AI-delivered sprint day inside CI.
//!
//! Agents yield artifacts, artifacts yield a decision, the decision yields outputs and an exit code. The
//! binary owns the verdict: a model's claim counts only where it matches what the binary observed itself.
//!
//! The rooms: `settings` reads the environment, `store` the plan and `.pace/`, `repo` the git repository;
//! `agent` runs the six agents in one loop with `llm` and `tool`; `evidence` observes, `domain` decides; `day`
//! tells the whole in order; `journal` records it; `platform` and `report` publish it. `command` puts the
//! concrete parts together, one file a verb.

mod agent;
mod cli;
mod command;
mod day;
mod domain;
mod error;
mod evidence;
pub mod exit;
mod http;
mod journal;
mod llm;
mod platform;
mod prompt;
mod repo;
mod report;
mod sandbox;
mod schema;
mod secret;
mod settings;
mod store;
mod tool;

#[cfg(test)]
mod tests;

use std::ffi::OsString;

/// Runs pace with `arguments` (without the program's name) in `environment`; the exit code as documented in
/// [`exit`].
pub fn main(arguments: Vec<OsString>, environment: Vec<(OsString, OsString)>) -> u8 {
    sandbox::keep_to_itself();
    command::main(arguments, environment)
}

/// Whether the binary was started, by itself, to become a confined child: the first of `arguments` is its name.
#[must_use]
pub fn is_helper(arguments: &[OsString]) -> bool {
    sandbox::is_helper(arguments)
}

/// Runs as that helper; its exit code. The caller must have started no thread.
#[must_use]
pub fn helper(arguments: &[OsString]) -> u8 {
    sandbox::helper(arguments)
}

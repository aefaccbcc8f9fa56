//! `pace`: one static binary that runs an AI-delivered sprint day inside CI.
//!
//! Agents yield artifacts, artifacts yield a decision, the decision yields outputs and an exit code. The
//! binary owns the verdict: a model's claim counts only where it matches what the binary observed itself.

mod agent;
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

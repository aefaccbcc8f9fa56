//! The scan for secrets and what it stands on, compiled without the rest of pace: the same files, as a crate of their own.
//! `just secrets-bench` runs its figures.
#![cfg(test)]
#![expect(dead_code, unused_imports, reason = "pace itself uses the rest")]
#![expect(clippy::unwrap_used, reason = "a test that fails panics")]

#[path = "../../../src/domain/mod.rs"]
mod domain;

mod evidence;

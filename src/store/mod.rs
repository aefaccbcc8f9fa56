//! Reads the plan; reads and writes `.pace/`, whole or not at all.

pub(crate) mod artifacts;
mod files;
pub(crate) mod handoff;
pub(crate) mod plan;
mod round;
mod run;
mod seal;
mod write;

#[cfg(test)]
mod outside_tests;

//! Reads the plan; reads and writes `.pace/`, whole or not at all.

pub(crate) mod artifacts;
pub(crate) mod plan;

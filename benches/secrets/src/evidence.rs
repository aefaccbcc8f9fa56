//! As much of the room as the scan stands on.

#[path = "../../../src/evidence/files.rs"]
pub(crate) mod files;
#[path = "../../../src/evidence/scan/mod.rs"]
pub(crate) mod scan;

/// Compiles a pattern that stands in the source.
fn pattern(source: &str) -> regex::Regex {
    regex::Regex::new(source).unwrap()
}

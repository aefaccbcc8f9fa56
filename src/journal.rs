//! Append-only record of a run.

//! The pipeline of a commit: CI definitions, build files, container files and lockfiles.
//!
//! Reads text that it is given; runs nothing and knows no model.

mod kinds;

pub(crate) use kinds::is_pipeline;

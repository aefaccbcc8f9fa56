//! The scan against a labelled corpus, and the day's rule as tables.

mod corpus;
mod exceptions;
mod measure;
mod verdicts;

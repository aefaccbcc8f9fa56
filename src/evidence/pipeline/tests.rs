//! The corpus of pipelines: what the checks must find in it, and what they must leave alone.

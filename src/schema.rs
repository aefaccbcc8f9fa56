//! Embedded JSON Schemas.

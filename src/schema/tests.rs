//! Schemas against documents: every message that a person or a model may read.

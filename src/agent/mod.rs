//! The six agents: inputs, prompt, artifact type.

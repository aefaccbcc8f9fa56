//! Prompts and bodies from minijinja templates; undefined values are errors.

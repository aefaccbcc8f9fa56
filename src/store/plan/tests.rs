//! Plans as data: `tests/data/plans/bad/*.yaml` with their messages, `tests/data/plans/good/*.yaml` by shape;
//! and hostile layouts for the edit that marks a day as shipped.

use std::path::PathBuf;

use super::*;

mod marking;

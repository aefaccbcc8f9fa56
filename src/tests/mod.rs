//! What the tests of several rooms share: texts as outsiders would bend them, and work that is counted. Knows no format.

pub(crate) mod bent;
pub(crate) mod work;

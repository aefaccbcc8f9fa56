//! Events and decisions → lines, Markdown and tables. The only room that prints.
//!
//! Nothing here decides anything: it returns text or writes to a `Write` that it is given.

pub(crate) mod body;
pub(crate) mod check;
pub(crate) mod status;
pub(crate) mod story_card;
pub(crate) mod terminal;
pub(crate) mod view;

mod log;
mod table;

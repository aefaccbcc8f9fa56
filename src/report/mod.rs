//! Events and decisions → lines, Markdown and tables. The only room that prints.

//! What of a work tree is pace's own, by path from its root: neither a model nor a child changes it. Knows names only.

/// pace's configuration.
pub(crate) const CONFIGURATION: [&str; 4] =
    ["pace.config.yaml", "pace.config.yml", "pace/pace.config.yaml", "pace/pace.config.yml"];

/// What is never written: pace's state and configuration, and what makes a folder another repository.
pub(crate) fn closed() -> impl Iterator<Item = &'static str> {
    [".pace", ".gitmodules"].into_iter().chain(CONFIGURATION)
}

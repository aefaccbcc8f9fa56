//! A git server for runs without a forge around it: bare repositories over smart HTTP with authentication.

use std::path::Path;

use super::git_bridge::{Server, TOKEN, USER};

/// Serves the bare repositories of a folder until the test ends.
pub(crate) struct GitServer(Server);

impl GitServer {
    pub(crate) fn start(folder: &Path) -> Self {
        Self(Server::bridge(folder))
    }

    /// The URL of a repository, with the credential in it.
    pub(crate) fn url(&self, repository: &str) -> String {
        let login = format!("http://{USER}:{TOKEN}@");
        format!("{}/{repository}", self.0.url.replace("http://", &login))
    }
}

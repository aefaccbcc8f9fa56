//! A new repository with one commit: what `pace demo` works in.

use std::path::Path;

use anyhow::Context as _;
use git2::{IndexAddOption, RepositoryInitOptions, Signature};

/// Makes a repository of everything in `root`, committed on `branch`.
pub(crate) fn init(root: &Path, branch: &str, message: &str) -> anyhow::Result<()> {
    let mut options = RepositoryInitOptions::new();
    options.initial_head(branch).external_template(false);
    let repo = git2::Repository::init_opts(root, &options)
        .with_context(|| format!("cannot make a repository in {}", root.display()))?;
    let mut index = repo.index()?;
    index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
    index.write()?;
    let tree = repo.find_tree(index.write_tree()?)?;
    let author = Signature::now("pace", "pace@localhost")?;
    repo.commit(Some("HEAD"), &author, &author, message, &tree, &[])?;
    Ok(())
}

//! A remote that is a folder of this machine: libgit2's own transport to one overwrites what it did not compare, so
//! the reference is locked, compared and changed here. Knows nothing of what is kept in it.

use std::path::PathBuf;

use anyhow::Context;
use git2::{Buf, ErrorCode, Oid, Repository, Signature};
use url::Url;

use super::super::handle;
use super::super::remote::Remote;
use super::{Change, Swapped, Told};

/// Makes the change while the reference's lock file, as git itself takes it, is held.
pub(super) fn swap(repo: &Repository, there: &Repository, change: &Change) -> anyhow::Result<Told> {
    if let Some(told) = change.without_push(tip(there, &change.name)?) {
        return Ok(told);
    }
    if let Some(new) = change.new {
        carry(repo, there, new).context("writing to the remote's objects")?;
    }
    let trouble = |error: git2::Error| Told::Trouble(error.message().to_owned());
    let mut transaction = there.transaction().context("locking the remote's reference")?;
    if let Err(error) = transaction.lock_ref(&change.name) {
        return Ok(trouble(error));
    }
    if let Some(told) = change.without_push(tip(there, &change.name)?) {
        return Ok(told);
    }
    let who = Signature::now("pace", "pace@localhost").context("a signature")?;
    let set = match change.new {
        Some(new) => transaction.set_target(&change.name, new, Some(&who), "pace"),
        None => transaction.remove(&change.name),
    };
    Ok(match set.and_then(|()| transaction.commit()) {
        Ok(()) => Told::Swapped(Swapped::Done),
        Err(error) => trouble(error),
    })
}

/// Copies `commit` with all that the other repository lacks of it.
fn carry(from: &Repository, to: &Repository, commit: Oid) -> anyhow::Result<()> {
    let mut walk = from.revwalk()?;
    walk.push(commit)?;
    for reference in to.references()?.flatten() {
        // Only what is here too can be left out.
        if let Some(id) = reference.target().filter(|id| from.find_commit(*id).is_ok()) {
            walk.hide(id)?;
        }
    }
    let mut pack = from.packbuilder()?;
    pack.insert_walk(&mut walk)?;
    let mut bytes = Buf::new();
    pack.write_buf(&mut bytes)?;
    let odb = to.odb()?;
    let mut writer = odb.packwriter()?;
    std::io::Write::write_all(&mut writer, &bytes)?;
    writer.commit()?;
    Ok(())
}

/// What the reference holds.
pub(super) fn tip(repo: &Repository, name: &str) -> anyhow::Result<Option<Oid>> {
    match repo.refname_to_id(name) {
        Ok(id) => Ok(Some(id)),
        Err(error) if error.code() == ErrorCode::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {name} of the remote")),
    }
}

/// The remote, where it is a folder of this machine.
pub(super) fn open(remote: &Remote) -> anyhow::Result<Option<Repository>> {
    let Remote::Local(text) = remote else { return Ok(None) };
    let path = if text.starts_with("file://") {
        let path = Url::parse(text).ok().and_then(|url| url.to_file_path().ok());
        path.with_context(|| format!("the remote {text} names no folder"))?
    } else {
        PathBuf::from(text)
    };
    let there = handle::open_remote(&path);
    there.map(Some).with_context(|| format!("the remote {} cannot be opened", path.display()))
}

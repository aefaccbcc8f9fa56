//! Files that an attribute hands to a content filter (Git LFS, git-crypt …). pace runs no filter, so it can read
//! such a file but never produce it: it is neither rewritten nor committed. Knows no branch and no remote.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use git2::{AttrCheckFlags, AttrValue, Index, IndexEntry, Repository, Tree};
use sha2::{Digest, Sha256};

/// The filter that the work tree's attributes name for `path`, if any.
pub(super) fn filter(repo: &Repository, path: &str) -> Option<String> {
    named(repo, path, AttrCheckFlags::FILE_THEN_INDEX)
}

/// Attributes as the files of a tree say, not those of the work tree.
pub(super) struct TreeAttributes(Repository);

impl TreeAttributes {
    /// Reads the attributes of `tree` through a handle of its own, because a handle has one index.
    pub(super) fn of(root: &Path, tree: &Tree<'_>) -> anyhow::Result<Self> {
        let repo = super::handle::open(root)?;
        let mut index = Index::new()?;
        index.read_tree(tree)?;
        repo.set_index(&mut index)?;
        Ok(Self(repo))
    }

    /// The filter named for `path`, if any.
    pub(super) fn filter(&self, path: &str) -> Option<String> {
        named(&self.0, path, AttrCheckFlags::INDEX_ONLY)
    }
}

fn named(repo: &Repository, path: &str, flags: AttrCheckFlags) -> Option<String> {
    let value = repo.get_attr(Path::new(path), "filter", flags).ok()?;
    match AttrValue::from_string(value) {
        AttrValue::String(name) => Some(name.to_owned()),
        AttrValue::True => Some("filter".to_owned()),
        _ => None,
    }
}

/// Whether the filtered file at `path` still is what the index knows, although its bytes are not the stored ones.
/// An LFS file is compared with the digest in its pointer; for another filter only the file's stamps can tell.
pub(super) fn filtered_unchanged(repo: &Repository, root: &Path, path: &str) -> anyhow::Result<bool> {
    let Some(entry) = repo.index()?.get_path(Path::new(path), 0) else {
        return Ok(false);
    };
    let file = root.join(path);
    let Ok(meta) = file.symlink_metadata() else {
        return Ok(false);
    };
    if !meta.is_file() {
        return Ok(false);
    }
    let blob = repo.find_blob(entry.id)?;
    match Pointer::parse(blob.content()) {
        Some(pointer) => Ok(pointer.size == meta.len() && pointer.sha256 == digest(&file)?),
        None => Ok(same_stamps(&entry, &meta)),
    }
}

/// Stamps that a child cannot set at will: the time of the last change of the inode is among them.
fn same_stamps(entry: &IndexEntry, meta: &std::fs::Metadata) -> bool {
    let low = |value: i64| value as u64 & 0xffff_ffff;
    u64::from(entry.file_size) == meta.size() & 0xffff_ffff
        && low(i64::from(entry.mtime.seconds())) == low(meta.mtime())
        && low(i64::from(entry.ctime.seconds())) == low(meta.ctime())
        && (entry.ctime.nanoseconds() == 0 || i64::from(entry.ctime.nanoseconds()) == meta.ctime_nsec())
}

/// A Git LFS pointer (git-lfs specification, `docs/spec.md`).
#[derive(Debug, PartialEq, Eq)]
struct Pointer {
    sha256: String,
    size: u64,
}

impl Pointer {
    fn parse(content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content.get(..content.len().min(1024))?).ok()?;
        text.strip_prefix("version https://git-lfs.github.com/spec/")?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
        Some(Self { sha256: field("oid sha256:")?.to_owned(), size: field("size ")?.parse().ok()? })
    }
}

fn digest(file: &Path) -> io::Result<String> {
    let mut file = File::open(file)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        hash.update(&buffer[..count]);
    }
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::Pointer;

    #[test]
    fn pointers_are_told_from_other_files() {
        let good = b"version https://git-lfs.github.com/spec/v1\noid sha256:ab12\nsize 7\n";
        assert_eq!(Pointer::parse(good), Some(Pointer { sha256: "ab12".into(), size: 7 }));
        for bad in [
            &b""[..],
            b"oid sha256:ab\nsize 7\n",
            b"version https://git-lfs.github.com/spec/v1\n",
            b"\xff\x00",
        ] {
            assert_eq!(Pointer::parse(bad), None);
        }
    }
}

//! pace's own records, as they were before others could write to the work tree.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::artifacts::Store;

impl Store {
    /// Makes the records equal to an earlier `snapshot` again; the paths of those that were not, from the root.
    pub(crate) fn put_back(&self, snapshot: &BTreeMap<String, String>) -> Result<Vec<String>> {
        let now = self.snapshot()?;
        let mut mended = Vec::new();
        for (path, text) in snapshot.iter().filter(|(path, text)| now.get(*path) != Some(text)) {
            self.write_text(path, text)?;
            mended.push(path.clone());
        }
        for path in now.keys().filter(|path| !snapshot.contains_key(*path)) {
            super::files::remove(&self.root, Path::new(path)).with_context(|| format!("removing {path}"))?;
            mended.push(path.clone());
        }
        Ok(mended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path().to_path_buf());
        store.write_text(".pace/day-1/attempts.yaml", "[]\n").unwrap();
        store.write_text(".pace/day-1/story-card.yaml", "card\n").unwrap();
        let before = store.snapshot().unwrap();
        assert_eq!(store.put_back(&before).unwrap(), [] as [&str; 0]);
        store.write_text(".pace/day-1/attempts.yaml", "forged\n").unwrap();
        store.write_text(".pace/day-1/cycle.md", "forged\n").unwrap();
        std::fs::remove_file(dir.path().join(".pace/day-1/story-card.yaml")).unwrap();
        assert_eq!(store.put_back(&before).unwrap().len(), 3);
        assert_eq!(store.snapshot().unwrap(), before);
        assert!(!dir.path().join(".pace/day-1/cycle.md").exists());
    }
}

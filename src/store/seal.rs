//! pace's own records around the work of others: what they were before, and again after. Where children are not
//! confined nothing else keeps a command from writing a report, an attempt or a plan that goes before the plan.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use super::artifacts::Store;
use super::{files, plan};
use crate::domain::own;

/// What the working state holds of others' business: the journal grows meanwhile, the archive is history.
const OPEN: [&str; 2] = [".pace/.run", ".pace/archive"];
const REMOVED: &str = ".pace/.run/removed";
/// Bytes of the largest file that is kept; pace's own are far smaller.
const LARGEST: usize = 4 << 20;

/// pace's records as they were; `None`: not there.
#[derive(Debug)]
pub(crate) struct Seal(BTreeMap<String, Option<Vec<u8>>>);

impl Store {
    /// Notes the records as they are.
    pub(crate) fn seal(&self) -> Result<Seal> {
        let mut records = BTreeMap::new();
        self.records(".pace", &mut records)?;
        for path in
            plan::PLACES.into_iter().chain(own::CONFIGURATION).filter(|path| !path.starts_with(".pace/"))
        {
            records.insert(path.to_owned(), self.bytes(path)?);
        }
        Ok(Seal(records))
    }

    /// Makes the records what they were; the paths of those that were not.
    pub(crate) fn restore(&self, seal: &Seal) -> Result<Vec<String>> {
        let now = self.seal()?.0;
        let mut mended = Vec::new();
        for (path, content) in &now {
            let before = seal.0.get(path).and_then(Option::as_ref);
            if before == content.as_ref() {
                continue;
            }
            let aside = (1..)
                .map(|number| format!("{REMOVED}/{path}.{number}"))
                .find(|aside| self.root.join(aside).symlink_metadata().is_err());
            if let (Some(_), Some(aside)) = (content, aside) {
                files::rename(&self.root, Path::new(path), Path::new(&aside))?;
            }
            mended.push(path.clone());
        }
        for (path, before) in &seal.0 {
            if let Some(before) = before
                && self.bytes(path)?.is_none()
            {
                files::write(&self.root, Path::new(path), &String::from_utf8_lossy(before))?;
                mended.push(path.clone());
            }
        }
        mended.sort();
        mended.dedup();
        Ok(mended)
    }

    fn records(&self, folder: &str, records: &mut BTreeMap<String, Option<Vec<u8>>>) -> Result<()> {
        for name in files::names(&self.root, Path::new(folder))? {
            let path = format!("{folder}/{name}");
            if OPEN.contains(&path.as_str()) {
                continue;
            }
            let Ok(meta) = self.root.join(&path).symlink_metadata() else { continue };
            if meta.is_dir() {
                self.records(&path, records)?;
            } else if meta.len() <= LARGEST as u64 {
                let content = self.bytes(&path)?;
                records.insert(path, content);
            }
        }
        Ok(())
    }

    fn bytes(&self, path: &str) -> Result<Option<Vec<u8>>> {
        files::read_bytes(&self.root, Path::new(path), LARGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_what_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let read = |path: &str| std::fs::read_to_string(dir.path().join(path)).ok();
        write("plan.yaml", "stories: []\n");
        write(".pace/day-1/attempts.yaml", "- run: 1\n");
        write(".pace/day-1/gone.yaml", "x\n");
        write(".pace/.run/day-1/run-1.jsonl", "{}\n");
        let store = Store::new(dir.path().to_owned());
        let seal = store.seal().unwrap();
        assert_eq!(store.restore(&seal).unwrap(), Vec::<String>::new());

        write(".pace/day-1/attempts.yaml", "- run: 1\n- outcome: SHIP\n");
        write(".pace/day-1/gate-report.yaml", "gate_decision: SHIP\n");
        write(".pace/plan.yaml", "stories: [forged]\n");
        write("pace/plan.yaml", "stories: [forged]\n");
        write(".pace/.run/day-1/run-1.jsonl", "{}\n{}\n");
        std::fs::remove_file(dir.path().join(".pace/day-1/gone.yaml")).unwrap();
        let mended = store.restore(&seal).unwrap();
        assert_eq!(
            mended,
            [
                ".pace/day-1/attempts.yaml",
                ".pace/day-1/gate-report.yaml",
                ".pace/day-1/gone.yaml",
                ".pace/plan.yaml",
                "pace/plan.yaml"
            ]
        );
        assert_eq!(read(".pace/day-1/attempts.yaml").as_deref(), Some("- run: 1\n"));
        assert_eq!(read(".pace/day-1/gone.yaml").as_deref(), Some("x\n"));
        assert_eq!(read(".pace/day-1/gate-report.yaml"), None);
        assert_eq!((read(".pace/plan.yaml"), read("pace/plan.yaml")), (None, None));
        assert_eq!(read(".pace/.run/removed/pace/plan.yaml.1").as_deref(), Some("stories: [forged]\n"));
        assert_eq!(read(".pace/.run/day-1/run-1.jsonl").as_deref(), Some("{}\n{}\n"));
        assert_eq!(store.restore(&seal).unwrap(), Vec::<String>::new());
    }

    #[test]
    fn a_link_in_place_of_a_record_is_told() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join(".pace/day-1")).unwrap();
        let store = Store::new(dir.path().to_owned());
        let seal = store.seal().unwrap();
        std::os::unix::fs::symlink("/etc/hostname", dir.path().join(".pace/day-1/cycle.md")).unwrap();
        let error = store.restore(&seal).unwrap_err();
        assert!(format!("{error:#}").contains("symbolic link"), "{error:#}");
    }
}

//! Hand-offs as they are left, and as somebody changed them on the way.

use super::*;

fn sealed() -> (tempfile::TempDir, Folder, String) {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::at(dir.path().join("handoff"));
    folder.fresh().unwrap();
    folder.add(".pace/day-1/cycle.md", "one").unwrap();
    std::fs::write(folder.journal(), "{}\n").unwrap();
    let manifest = Manifest {
        handoff: 0,
        pace: String::new(),
        sprint: "s".into(),
        day: 1,
        attempt: 1,
        decision: "SHIP".into(),
        branch: "b".into(),
        head: "h".into(),
        commits: vec![],
        bill: Some(Bill { usd: 1.5, at: 7, run: "r".into() }),
        files: BTreeMap::new(),
    };
    let digest = folder.seal(manifest).unwrap();
    (dir, folder, digest)
}

#[test]
fn what_was_sealed_is_opened_and_fresh_makes_room() {
    let (_dir, folder, digest) = sealed();
    let manifest = folder.open(&digest).unwrap();
    assert_eq!(folder.files(&manifest).unwrap(), [(".pace/day-1/cycle.md".into(), "one".into())].into());
    folder.fresh().unwrap();
    assert!(!folder.journal().exists());
    std::fs::write(folder.journal(), "cut off").unwrap();
    folder.fresh().unwrap();
    assert!(!folder.journal().exists());
}

#[test]
fn what_is_not_a_hand_off_stays() {
    let dir = tempfile::tempdir().unwrap();
    for text in ["{\"name\": \"an extension\", \"manifest_version\": 3}", "{}", "no JSON"] {
        std::fs::write(dir.path().join(MANIFEST), text).unwrap();
        let folder = Folder::at(dir.path().to_path_buf());
        assert!(folder.fresh().unwrap_err().to_string().contains("PACE_HANDOFF"), "{text}");
        assert_eq!(std::fs::read_to_string(dir.path().join(MANIFEST)).unwrap(), text);
    }
    let file = Folder::at(dir.path().join(MANIFEST));
    assert!(file.check().unwrap_err().to_string().contains("is a file"));
}

#[test]
fn every_change_on_the_way_is_named() {
    type Harm = fn(&Folder);
    let harms: [(Harm, &str); 6] = [
        (|f| std::fs::write(f.journal(), "x").unwrap(), "journal.jsonl has the SHA-256"),
        (|f| std::fs::remove_file(f.journal()).unwrap(), "journal.jsonl"),
        (|f| f.add(".pace/day-1/cycle.md", "two").unwrap(), "cycle.md has the SHA-256"),
        (|f| f.add("extra", "x").unwrap(), "files/extra is not in the manifest"),
        (
            |f| {
                std::fs::rename(f.journal(), f.0.with_extension("elsewhere")).unwrap();
                std::os::unix::fs::symlink(f.0.with_extension("elsewhere"), f.journal()).unwrap();
            },
            "no ordinary file",
        ),
        (
            |f| {
                let path = f.0.join(MANIFEST);
                let text = std::fs::read_to_string(&path).unwrap().replace("SHIP", "HOLD");
                std::fs::write(path, text).unwrap();
            },
            "PACE_HANDOFF_DIGEST",
        ),
    ];
    for (harm, told) in harms {
        let (_dir, folder, digest) = sealed();
        harm(&folder);
        // The bill stands as long as the manifest does.
        assert_eq!(folder.billed(&digest).is_err(), told == "PACE_HANDOFF_DIGEST");
        let error = format!("{:#}", folder.open(&digest).unwrap_err());
        assert!(error.contains(told), "{error}");
    }
    assert!(plain("../x").is_err() && plain("/x").is_err() && plain("a/b").is_ok());
}

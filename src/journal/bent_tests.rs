//! A journal that was cut or changed anywhere: a shorter run, or refused; never another run.

use super::*;

fn written(dir: &Path, seal: &Seal) -> (std::path::PathBuf, Vec<u8>) {
    let mut records: Vec<Record> = Vec::new();
    for (index, (kind, value)) in [
        ("start", serde_json::json!({"a": [1, 2.5, null, true]})),
        ("model", "é\n\u{1f980}\"\\".into()),
        ("end", serde_json::json!({"exit": 0})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut record = Record {
            v: VERSION,
            seq: index as u64 + 1,
            kind: kind.into(),
            key: "0f".into(),
            at: "2026-03-13T05:47:11Z".into(),
            value,
            tree: (index == 1).then(|| "c1".into()),
            seal: String::new(),
        };
        record.seal = seal.of(records.last().map_or("", |r| &r.seal), &record).unwrap();
        records.push(record);
    }
    let text: String = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    (dir.join("run-1.jsonl"), text.into_bytes())
}

/// What a reader makes of it: records that verify, or nothing.
fn accepted(path: &Path, bytes: &[u8], seal: &Seal) -> Option<Vec<Record>> {
    std::fs::write(path, bytes).unwrap();
    let records = read(path).ok()?;
    (trust(&records, seal).unwrap() == Trust::Verified && examine(&records, seal).unwrap().broken.is_none())
        .then_some(records)
}

#[test]
fn every_cut_is_a_shorter_run_and_every_flipped_bit_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let seal = Seal::new(Some(&Secret::new("sk-one")));
    let (path, good) = written(dir.path(), &seal);
    let whole = accepted(&path, &good, &seal).unwrap();
    assert_eq!(whole.len(), 3);
    let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    for end in 0..good.len() {
        let left = accepted(&path, &good[..end], &seal).unwrap_or_default();
        assert_eq!(left, whole[..lines(&good[..end])], "cut at {end}");
    }
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut bytes = good.clone();
            bytes[at] ^= 1 << bit;
            if let Some(records) = accepted(&path, &bytes, &seal) {
                // The last line has lost its end, so it was never written to its end.
                assert!(at + 1 == good.len() && records == whole[..2], "bit {bit} of byte {at}: {records:?}");
            }
        }
    }
}

#[test]
fn lines_that_stand_twice_are_swapped_or_gone_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let seal = Seal::new(Some(&Secret::new("sk-one")));
    let (path, good) = written(dir.path(), &seal);
    let text = String::from_utf8(good).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    for order in [&[0, 0, 1, 2][..], &[0, 2, 1], &[1, 0, 2], &[0, 2], &[1, 2], &[0, 1, 2, 2], &[2]] {
        let text: String = order.iter().map(|at| format!("{}\n", lines[*at])).collect();
        assert_eq!(accepted(&path, text.as_bytes(), &seal), None, "{order:?}");
    }
}

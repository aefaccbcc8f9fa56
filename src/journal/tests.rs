//! Recording, playing, resuming.

use std::path::Path;

use super::*;

/// A keeper that remembers what it was asked.
#[derive(Default)]
struct Log(std::sync::Arc<Mutex<Vec<String>>>);

impl Keeper for Log {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        Ok(Some("c1".into()))
    }

    fn resume(&self, checkpoint: Option<&str>, dropped: &[Record]) -> anyhow::Result<Value> {
        let kinds: Vec<_> = dropped.iter().map(|record| record.kind.as_str()).collect();
        self.0.lock().unwrap().push(format!("to {checkpoint:?}, without {kinds:?}"));
        Ok(json!({"lost": kinds.len()}))
    }

    fn resumed(&self, value: &Value) -> anyhow::Result<()> {
        self.0.lock().unwrap().push(format!("lost {}", value["lost"]));
        Ok(())
    }
}

fn create(path: &Path) -> Journal {
    Journal::create(path, redactor(), Seal::new(None), Box::<Log>::default()).unwrap()
}

fn play(path: &Path) -> Journal {
    Journal::play(path, redactor(), Box::<Log>::default()).unwrap()
}

fn redactor() -> Redactor {
    Redactor::new(&[crate::secret::Secret::new("canary-token-1")])
}

async fn run(journal: &Journal, answer: &str) -> anyhow::Result<(String, String)> {
    let now = journal.now().await?;
    let said = journal.step("model", "question", async { anyhow::Ok(answer.to_owned()) }).await?;
    journal.note("artifact", "a.yaml", &said)?;
    Ok((now, said))
}

#[tokio::test]
async fn playing_returns_what_was_recorded_and_acts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/run-1.jsonl");
    let recorded = run(&create(&path), "hello").await.unwrap();
    let player = play(&path);
    assert_eq!(run(&player, "never asked").await.unwrap(), recorded);
    assert_eq!(player.unplayed(), 0);
}

#[tokio::test]
async fn secrets_never_reach_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    run(&create(&path), "key is canary-token-1").await.unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("key is ***") && !text.contains("canary-token-1"), "{text}");
}

#[tokio::test]
async fn a_different_input_or_artifact_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let journal = create(&path);
    journal.step("model", "a", async { anyhow::Ok(1) }).await.unwrap();
    journal.note("artifact", "x", "1").unwrap();

    let player = play(&path);
    let error = player.step("model", "b", async { anyhow::Ok(1) }).await.unwrap_err();
    assert!(error.to_string().contains("record 1 is `model` with another input"), "{error}");
    let player = play(&path);
    player.step("model", "a", async { anyhow::Ok(2) }).await.unwrap();
    let error = player.note("artifact", "x", "2").unwrap_err();
    assert_eq!(error.to_string(), "the replay differs from the recording at `artifact` x");
}

/// A small day: a paid call, a change, a look, a note; `said` counts what was acted.
async fn day(journal: &Journal, question: &str, acted: &Mutex<Vec<&'static str>>) -> anyhow::Result<()> {
    let act = |what: &'static str| async move {
        acted.lock().unwrap().push(what);
        anyhow::Ok(what.to_owned())
    };
    journal.note("start", "", "s")?;
    journal.intend("model", question, || Ok(json!({"usd": 1})), act("model")).await?;
    journal.act("tool", "write", act("tool")).await?;
    journal.step("diff", "", act("diff")).await?;
    journal.note("artifact", "a.yaml", "text")?;
    journal.intend("push", "branch", || Ok(json!({})), act("push")).await?;
    journal.note(END, "", &json!({"exit": 0}))
}

async fn whole(path: &Path) -> Vec<Record> {
    day(&create(path), "q", &Mutex::default()).await.unwrap();
    read(path).unwrap()
}

fn write(path: &Path, records: &[Record]) {
    let lines: Vec<_> = records.iter().map(|record| serde_json::to_string(record).unwrap() + "\n").collect();
    std::fs::write(path, lines.concat()).unwrap();
}

/// Resumes a run of `records` with another question perhaps; what was acted and what the keeper heard.
async fn resumed(path: &Path, records: Vec<Record>, question: &str) -> (Vec<&'static str>, Vec<String>) {
    let log = Log::default();
    let heard = std::sync::Arc::clone(&log.0);
    let acted = Mutex::default();
    let journal = Journal::resume(path, records, redactor(), Seal::new(None), Box::new(log));
    day(&journal, question, &acted).await.unwrap();
    let heard = heard.lock().unwrap().clone();
    (acted.into_inner().unwrap(), heard)
}

#[tokio::test]
async fn a_run_cut_after_any_record_goes_on_there_and_acts_only_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let records = whole(&path).await;
    let kinds: Vec<_> = records.iter().map(|record| record.kind.as_str()).collect();
    assert_eq!(kinds, ["start", INTENT, "model", INTENT, "tool", "diff", "artifact", INTENT, "push", END]);
    let order = ["model", "tool", "diff", "push"];
    for cut in 1..records.len() {
        write(&path, &records[..cut]);
        let (acted, heard) = resumed(&path, records[..cut].to_vec(), "q").await;
        let done = order.iter().filter(|kind| kinds[..cut].contains(kind)).count();
        assert_eq!(acted, order[done..], "cut after record {cut}");
        let dangling = kinds[cut - 1] == INTENT;
        let tree = kinds[..cut].contains(&"tool").then_some("c1");
        let without = if dangling { vec![INTENT] } else { vec![] };
        assert_eq!(heard, [format!("to {tree:?}, without {without:?}"), format!("lost {}", without.len())]);
        // What is there now is whole, verifies, and plays.
        let after = read(&path).unwrap();
        assert_eq!(after.iter().filter(|record| record.kind == RESUME).count(), 1);
        for (one, other) in after.iter().zip(&records[..cut - usize::from(dangling)]) {
            assert_eq!((&one.kind, &one.value, &one.seal), (&other.kind, &other.value, &other.seal));
        }
        let acted = Mutex::default();
        day(&play(&path), "q", &acted).await.unwrap();
        assert!(acted.into_inner().unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_changed_input_drops_what_depends_on_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let records = whole(&path).await;
    let (acted, heard) = resumed(&path, records[..8].to_vec(), "another question").await;
    assert_eq!(acted, ["model", "tool", "diff", "push"]);
    assert_eq!(
        heard[0],
        "to None, without [\"intent\", \"model\", \"intent\", \"tool\", \"diff\", \"artifact\", \"intent\"]"
    );
}

#[tokio::test]
async fn a_run_killed_again_and_again_still_ends_and_plays() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let mut records = whole(&path).await;
    for cut in [2, 4, 3, 7, 8, 9] {
        records.truncate(cut);
        write(&path, &records);
        resumed(&path, records.clone(), "q").await;
        records = read(&path).unwrap();
        day(&play(&path), "q", &Mutex::default()).await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_effect_fails_again_in_play() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let failing = async |journal: &Journal| {
        journal.act::<(), _, anyhow::Error>("push", "b", async { bail!("no way") }).await.unwrap_err()
    };
    assert_eq!(failing(&create(&path)).await.to_string(), "no way");
    assert_eq!(failing(&play(&path)).await.to_string(), "no way");
}

/// A keeper that is not sure whether the run may go on.
struct Unsure(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Keeper for Unsure {
    fn checkpoint(&self) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    fn resume(&self, _checkpoint: Option<&str>, _dropped: &[Record]) -> anyhow::Result<Value> {
        Ok(Value::Null)
    }

    fn resumed(&self, _value: &Value) -> anyhow::Result<()> {
        Ok(())
    }

    fn ready(&self) -> futures_util::future::BoxFuture<'_, ()> {
        if self.0.load(std::sync::atomic::Ordering::SeqCst) {
            return Box::pin(std::future::ready(()));
        }
        Box::pin(std::future::pending())
    }
}

#[tokio::test]
async fn nothing_is_paid_or_changed_before_the_run_may_go_on() {
    use futures_util::FutureExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let ready = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let keeper = Box::new(Unsure(std::sync::Arc::clone(&ready)));
    let journal = Journal::create(&path, redactor(), Seal::new(None), keeper).unwrap();
    journal.note("start", "", "s").unwrap();
    ready.store(false, std::sync::atomic::Ordering::SeqCst);
    let acted = Mutex::new(0);
    let act = || async {
        *acted.lock().unwrap() += 1;
        anyhow::Ok(())
    };
    let free = || Ok(json!({}));
    assert!(journal.intend("model", "q", free, act()).now_or_never().is_none());
    assert!(journal.act("tool", "w", act()).now_or_never().is_none());
    assert_eq!((*acted.lock().unwrap(), read(&path).unwrap().len()), (0, 1));
    ready.store(true, std::sync::atomic::Ordering::SeqCst);
    journal.intend("model", "q", free, act()).await.unwrap();
    assert_eq!((*acted.lock().unwrap(), read(&path).unwrap().len()), (1, 3));
}

#[tokio::test]
async fn a_journal_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run-1.jsonl");
    let journal = create(&path);
    assert!(is_held(&path));
    drop(journal);
    assert!(!is_held(&path));
}

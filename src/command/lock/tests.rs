//! Locks of real work trees and of a real remote.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tempfile::TempDir;

use super::server::{ServerLock, Times, message, take_timed};
use super::{Holding, TreeLock, Turn};
use crate::domain::lock::{EXPIRY, Owner};
use crate::repo::{BranchRules, GitRepo, Identity, Options, OwnRefs, PushRules, Swapped, own_names};
use crate::store::artifacts::Store;

/// Far beyond what any of these tests waits for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Times in which nothing happens by itself.
const QUIET: Times = Times { beat: PATIENCE, watch: Duration::from_millis(1), give_up: PATIENCE };

struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        git2::Repository::init_bare(dir.path().join("remote.git")).unwrap();
        Self { dir }
    }

    fn remote(&self) -> PathBuf {
        self.dir.path().join("remote.git")
    }

    /// A runner of its own.
    fn runner(&self, name: &str) -> OwnRefs {
        let root = self.dir.path().join(name);
        crate::repo::init(&root, "main", "Begin").unwrap();
        let options = Options {
            rules: BranchRules::default(),
            identity: Identity { name: "Pace".into(), email: "pace@example.org".into() },
            push: PushRules { never: None, credential: None },
            remote: Some(self.remote().display().to_string()),
            kept: crate::domain::dependencies::Dependencies::default(),
            http: crate::http::client(&[]).unwrap(),
            runtime: tokio::runtime::Handle::current(),
        };
        GitRepo::open(&root, options).unwrap().own_refs().unwrap()
    }

    fn there(&self) -> Option<String> {
        let repo = git2::Repository::open(self.remote()).unwrap();
        repo.refname_to_id(&name()).ok().map(|id| id.to_string())
    }
}

fn name() -> String {
    own_names("lock", "spring", 1)[0].clone()
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

fn owner(run: &str) -> Owner {
    Owner {
        run: run.into(),
        host: "here".into(),
        url: None,
        day: 1,
        sprint: "spring".into(),
        since: 0,
        at: 0,
        released: false,
    }
}

async fn take(refs: &OwnRefs, run: &str, times: Times) -> Result<Arc<ServerLock>, String> {
    take_timed(refs, owner(run), vec![], times).await.unwrap()
}

/// Lays a lock down as another run would have left it.
async fn lay(refs: &OwnRefs, owner: &Owner) -> String {
    let id = refs.seal(&message(owner).unwrap(), &Default::default(), &[]).unwrap();
    assert_eq!(refs.swap(&name(), None, Some(&id)).await.unwrap(), Swapped::Done);
    id
}

async fn until(mut done: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(PATIENCE, async {
        while !done() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    });
    waited.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_takes_the_day_and_the_others_name_it() {
    let place = Place::new();
    let runners = (0..12).map(|n| {
        let refs = place.runner(&format!("runner-{n}"));
        tokio::spawn(async move { (n, take(&refs, &format!("{n:08}"), QUIET).await) })
    });
    let runners: Vec<_> = runners.collect();
    let mut winner = None;
    let mut told = Vec::new();
    for runner in runners {
        match runner.await.unwrap() {
            (n, Ok(lock)) => assert!(winner.replace((n, lock)).is_none(), "two winners"),
            (_, Err(other)) => told.push(other),
        }
    }
    let (n, lock) = winner.unwrap();
    assert_eq!(told.len(), 11);
    assert!(told.iter().all(|other| other.starts_with(&format!("run {n:08} on here, last sign of life "))));
    lock.release().await.unwrap();
    assert_eq!(place.there(), None);
    take(&place.runner("next"), "next", QUIET).await.unwrap();
}

#[tokio::test]
async fn a_dead_owner_is_replaced_and_learns_of_it() {
    let place = Place::new();
    let dead = place.runner("dead");
    lay(&dead, &Owner { at: now() - EXPIRY + 30, ..owner("silent") }).await;
    let refs = place.runner("next");
    assert!(take(&refs, "next", QUIET).await.unwrap_err().starts_with("run silent on here"));
    let lock = take_timed(&refs, owner("next"), vec!["silent".into()], QUIET).await.unwrap();
    lock.expect("known to be dead").release().await.unwrap();

    let old = lay(&dead, &Owner { at: now() - EXPIRY, ..owner("silent") }).await;
    let lock = take(&refs, "next", QUIET).await.unwrap();
    assert_ne!(place.there(), Some(old));

    // An owner that only seemed dead finds out at its next sign of life.
    let times = Times { beat: Duration::from_millis(10), ..QUIET };
    lock.release().await.unwrap();
    let frozen = take(&dead, "frozen", times).await.unwrap();
    until(|| place.there().is_some()).await;
    let git = git2::Repository::open(place.remote()).unwrap();
    // The owner may hold the reference's lock file just now.
    until(|| git.find_reference(&name()).unwrap().delete().is_ok()).await;
    lay(&refs, &Owner { at: now(), ..owner("thief") }).await;
    let reason = tokio::time::timeout(PATIENCE, frozen.lost()).await.unwrap();
    // Between the two it may have seen none at all.
    assert!(reason.contains("run thief on here") || reason.contains("removed its lock"), "{reason}");
    let there = place.there();
    frozen.release().await.unwrap();
    assert!(there.is_some() && place.there() == there, "another's lock is left alone");
}

#[tokio::test]
async fn an_owner_gives_signs_of_life_until_it_ends() {
    let place = Place::new();
    let refs = place.runner("owner");
    let lock = take(&refs, "owner", Times { beat: Duration::from_millis(5), ..QUIET }).await.unwrap();
    let mut seen = std::collections::BTreeSet::new();
    until(|| {
        seen.extend(place.there());
        seen.len() > 3
    })
    .await;
    lock.release().await.unwrap();
    assert_eq!(place.there(), None);
    tokio::time::sleep(Duration::from_millis(30)).await;
    assert_eq!(place.there(), None, "nothing comes after the end");
}

#[tokio::test]
async fn an_owner_that_cannot_renew_stops() {
    let place = Place::new();
    let refs = place.runner("owner");
    let times = Times { beat: Duration::from_millis(10), give_up: Duration::from_millis(60), ..QUIET };
    let lock = take(&refs, "owner", times).await.unwrap();
    std::fs::rename(place.remote(), place.dir.path().join("away")).unwrap();
    let reason = tokio::time::timeout(PATIENCE, lock.lost()).await.unwrap();
    assert!(reason.contains("could not be renewed"), "{reason}");
}

/// Stops all of the process, as SIGSTOP and a sleeping machine do: these tests have one thread.
fn freeze(times: Times) {
    std::thread::sleep(times.give_up + Duration::from_millis(50));
}

#[tokio::test]
async fn an_owner_that_slept_waits_for_a_sign_of_life() {
    let place = Place::new();
    let refs = place.runner("owner");
    let times = Times { beat: Duration::from_millis(10), give_up: Duration::from_secs(1), ..QUIET };
    let lock = take(&refs, "owner", times).await.unwrap();
    tokio::time::timeout(PATIENCE, lock.certain()).await.unwrap();
    freeze(times);
    assert!(lock.certain().now_or_never().is_none(), "another run may think it dead");
    tokio::time::timeout(PATIENCE, lock.certain()).await.unwrap();
    lock.release().await.unwrap();
}

#[tokio::test]
async fn an_owner_that_slept_while_its_day_was_taken_does_nothing_more() {
    let place = Place::new();
    let refs = place.runner("owner");
    let times = Times { beat: PATIENCE, give_up: Duration::from_secs(1), ..QUIET };
    let holding = Holding::default();
    let lock = take(&refs, "owner", times).await.unwrap();
    holding.lock().server = Some((1, Arc::clone(&lock)));
    freeze(times);
    let thief = place.runner("thief");
    git2::Repository::open(place.remote()).unwrap().find_reference(&name()).unwrap().delete().unwrap();
    lay(&thief, &Owner { at: now(), ..owner("thief") }).await;
    assert!(holding.certain().now_or_never().is_none());
    // Its next sign of life would tell; until then it waits.
    assert!(matches!(lock.renew().await.unwrap(), super::server::Sign::Lost(_)));
    assert!(holding.certain().now_or_never().is_none());
}

#[tokio::test]
async fn a_lock_from_the_future_is_watched() {
    let place = Place::new();
    let refs = place.runner("next");
    lay(&refs, &Owner { at: now() + 90_000, ..owner("ahead") }).await;
    // Watched and unchanged: dead.
    take(&refs, "next", QUIET).await.unwrap().release().await.unwrap();

    let alive = place.runner("alive");
    let ahead = Owner { at: now() + 90_000, ..owner("ahead") };
    let mut last = lay(&alive, &ahead).await;
    let renewing = tokio::spawn(async move {
        loop {
            let next = alive.seal(&message(&ahead).unwrap(), &Default::default(), &[&last]).unwrap();
            if alive.swap(&name(), Some(&last), Some(&next)).await.unwrap() != Swapped::Done {
                return;
            }
            last = next;
        }
    });
    let times = Times { watch: Duration::from_secs(2), ..QUIET };
    assert!(take(&refs, "next", times).await.unwrap_err().contains("run ahead"));
    renewing.abort();
}

#[tokio::test]
async fn a_work_tree_is_held_by_one_run_and_remembers_the_one_before() {
    let place = Place::new();
    let store = Store::new(place.dir.path().join("work"));
    std::fs::create_dir(place.dir.path().join("work")).unwrap();
    let first = TreeLock::take(&store, &owner("first")).unwrap().unwrap();
    assert_eq!(first.before(), Vec::<String>::new());
    let other = TreeLock::take(&store, &owner("second")).unwrap().unwrap_err();
    assert!(
        other.starts_with("run first on here, since ") && other.ends_with("in this work tree"),
        "{other}"
    );
    drop(first);
    // One that was killed before it took over what the first held does not hide it.
    drop(TreeLock::take(&store, &owner("killed")).unwrap().unwrap());

    // What a run before held on the server is over at once.
    let refs = place.runner("runner");
    lay(&refs, &Owner { at: now(), ..owner("first") }).await;
    let holding = Holding::default();
    holding.keep_tree(TreeLock::take(&store, &owner("second")).unwrap().unwrap());
    let turn = holding.take(&refs, &owner("second"), ("spring", 1)).await.unwrap();
    assert_eq!((turn, holding.day()), (Turn::Ours, Some(1)));
    assert_eq!(holding.release(PATIENCE, None).await, None);
    assert_eq!((place.there(), holding.day()), (None, None));
    assert!(TreeLock::take(&store, &owner("third")).unwrap().is_ok());
}

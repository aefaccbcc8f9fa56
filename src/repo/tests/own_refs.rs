//! References of pace's own: compare-and-swap on a path and over HTTP, by many at once.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::fixture::{Fixture, credential, git};
use super::server::{Server, TOKEN, listen, request};
use crate::repo::{OwnRefs, RepoError, Swapped};

const NAME: &str = "refs/pace/lock/sprint/day-1";

/// A work tree with its remote, served in one of the ways that pace can push.
struct Place {
    fixture: Fixture,
    server: Option<Server>,
}

impl Place {
    fn all() -> [Self; 3] {
        let place = |start: Option<fn(&Path) -> Server>| {
            let fixture = Fixture::with_remote();
            git(&fixture.remote(), "config http.receivepack true");
            let server = start.map(|start| start(fixture.dir.path()));
            Self { fixture, server }
        };
        [place(None), place(Some(Server::bridge)), place(Some(Server::start))]
    }

    fn refs(&self) -> OwnRefs {
        self.refs_with(TOKEN)
    }

    fn refs_with(&self, token: &str) -> OwnRefs {
        let repo = self.fixture.with(|options| {
            if let Some(server) = &self.server {
                options.remote = Some(format!("{}/remote.git", server.url));
                options.push.credential = credential(token, &server.url);
            }
        });
        repo.own_refs().unwrap()
    }

    /// What the remote has, by git's own word.
    fn there(&self) -> Option<String> {
        let line = git(&self.fixture.remote(), &format!("for-each-ref {NAME}"));
        line.split_whitespace().next().map(str::to_owned)
    }
}

fn files(name: &str, bytes: &[u8]) -> BTreeMap<String, Vec<u8>> {
    [(name.to_owned(), bytes.to_vec())].into()
}

#[tokio::test]
async fn a_reference_is_made_read_changed_and_taken_away() {
    for place in Place::all() {
        let refs = place.refs();
        assert!(refs.look(&[NAME]).await.unwrap().ids.is_empty());
        assert!(refs.read(NAME).await.unwrap().is_none());
        let first = refs.seal("one", &files("a", b"1\0\xff"), &[]).unwrap();
        assert_eq!(refs.swap(NAME, None, Some(&first)).await.unwrap(), Swapped::Done);
        assert_eq!(place.there().as_ref(), Some(&first));

        // Another clone reads it, and has nothing of it otherwise.
        let colleague = Place { fixture: place.fixture.colleague(), server: None };
        assert!(!colleague.fixture.git("for-each-ref").contains("refs/pace"));
        let fetched = place.fixture.dir.path().join("clone");
        let remote = place.fixture.remote();
        git(Path::new("/"), &format!("clone -q --no-local {} {}", remote.display(), fetched.display()));
        assert!(!git(&fetched, "cat-file --batch-all-objects --batch-check").contains(&first));
        let other = colleague.refs();
        let kept = other.read(NAME).await.unwrap().unwrap();
        assert_eq!((kept.id.as_str(), kept.message.as_str()), (first.as_str(), "one"));
        assert_eq!(kept.files, files("a", b"1\0\xff"));

        let second = other.seal("two", &BTreeMap::new(), &[&first]).unwrap();
        let late = other.seal("late", &BTreeMap::new(), &[]).unwrap();
        assert_eq!(other.swap(NAME, None, Some(&late)).await.unwrap(), Swapped::Moved(Some(first.clone())));
        assert_eq!(other.swap(NAME, Some(&late), None).await.unwrap(), Swapped::Moved(Some(first.clone())));
        assert_eq!(other.swap(NAME, Some(&first), Some(&second)).await.unwrap(), Swapped::Done);
        assert_eq!(other.swap(NAME, Some(&first), Some(&second)).await.unwrap(), Swapped::Done, "again");
        assert_eq!(refs.swap(NAME, Some(&first), None).await.unwrap(), Swapped::Moved(Some(second.clone())));
        assert_eq!(place.there().as_ref(), Some(&second));
        let seen = refs.look(&[NAME, "refs/heads/absent"]).await.unwrap();
        assert_eq!(seen.ids, [(NAME.to_owned(), second.clone())].into());
        assert_eq!(refs.swap(NAME, Some(&second), None).await.unwrap(), Swapped::Done);
        assert_eq!(
            (place.there(), refs.swap(NAME, Some(&second), None).await.unwrap()),
            (None, Swapped::Done)
        );
        assert_eq!(place.fixture.git("for-each-ref refs/pace"), "");
    }
}

/// Of many that swap the same value at the same time, exactly one does, whatever the value was.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_wins() {
    const RUNNERS: usize = 12;
    for place in Place::all() {
        let refs = place.refs();
        let mut expected: Option<String> = None;
        for round in 0..6 {
            let runners = (0..RUNNERS).map(|runner| {
                let (refs, expected) = (refs.clone(), expected.clone());
                let id = refs.seal(&format!("{round}/{runner}"), &BTreeMap::new(), &[]).unwrap();
                tokio::spawn(
                    async move { (refs.swap(NAME, expected.as_deref(), Some(&id)).await.unwrap(), id) },
                )
            });
            let runners: Vec<_> = runners.collect();
            let mut winners = Vec::new();
            let mut seen = Vec::new();
            for runner in runners {
                match runner.await.unwrap() {
                    (Swapped::Done, id) => winners.push(id),
                    (Swapped::Moved(there), _) => seen.extend(there),
                    (Swapped::Refused(reason), _) => panic!("{reason}"),
                }
            }
            assert_eq!(winners.len(), 1, "round {round}");
            assert_eq!(place.there().as_ref(), Some(&winners[0]));
            assert!(seen.len() == RUNNERS - 1 && seen.iter().all(|id| *id == winners[0]));
            expected = winners.pop();
            if round % 3 == 2 {
                assert_eq!(refs.swap(NAME, expected.as_deref(), None).await.unwrap(), Swapped::Done);
                expected = None;
            }
        }
    }
}

#[tokio::test]
async fn a_remote_that_takes_no_such_name_is_told_from_one_that_refuses_the_credential() {
    let [_, place, _] = Place::all();
    let refs = place.refs();
    let id = refs.seal("x", &BTreeMap::new(), &[]).unwrap();
    git(&place.fixture.remote(), "config receive.hideRefs refs/pace");
    let refused = refs.swap(NAME, None, Some(&id)).await.unwrap();
    assert!(matches!(&refused, Swapped::Refused(reason) if reason.contains("hidden ref")), "{refused:?}");
    git(&place.fixture.remote(), "config --unset receive.hideRefs");
    let hook = place.fixture.remote().join("hooks/update");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho 'no such names here' >&2; exit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let refused = refs.swap(NAME, None, Some(&id)).await.unwrap();
    assert!(matches!(&refused, Swapped::Refused(r) if r.contains("no such names here")), "{refused:?}");
    let wrong = place.refs_with("wrong");
    let error = wrong.swap(NAME, None, Some(&id)).await.unwrap_err();
    assert!(matches!(&error, RepoError::Unusable(text) if text.contains("401")), "{error}");
    assert!(wrong.look(&[NAME]).await.is_err());
    let never = place.fixture.with(|options| options.push.never = Some("PACE_PUSH=false".into()));
    assert!(never.own_refs().is_none());
}

/// A history that only this clone has goes along and comes back, also where the other side is a path.
#[tokio::test]
async fn unpushed_history_travels_with_the_commit_that_holds_it() {
    for place in Place::all() {
        let work = place.fixture.commit("src/new.txt", "made here\n");
        let refs = place.refs();
        let id = refs.seal("journal", &files("journal", b"{}\n"), &[&work]).unwrap();
        assert_eq!(refs.swap(NAME, None, Some(&id)).await.unwrap(), Swapped::Done);
        git(&place.fixture.remote(), "fsck --strict --full");
        let colleague = Place { fixture: place.fixture.colleague(), server: None };
        let kept = colleague.refs().read(NAME).await.unwrap().unwrap();
        assert_eq!(kept.parents, std::slice::from_ref(&work));
        assert_eq!(colleague.fixture.git(&format!("show {work}:src/new.txt")), "made here");
    }
}

#[tokio::test]
async fn the_servers_clock_is_the_clock() {
    let fixture = Fixture::with_remote();
    let url = listen(|mut stream| {
        request(&stream);
        let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let refs = format!("{} capabilities^{{}}\0report-status delete-refs\n", "0".repeat(40));
        let body = format!("{}0000{}0000", line("# service=git-receive-pack\n"), line(&refs));
        let _ = write!(
            stream,
            "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
             Content-Type: application/x-git-receive-pack-advertisement\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    });
    let repo = fixture.with(|options| options.remote = Some(format!("{url}/remote.git")));
    assert_eq!(repo.own_refs().unwrap().look(&[NAME]).await.unwrap().now, 784_111_777);
    let local = fixture.open().own_refs().unwrap().look(&[NAME]).await.unwrap().now;
    assert!((jiff::Timestamp::now().as_second() - local).abs() < 60);
}

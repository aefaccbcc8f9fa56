//! Fetch and push over HTTP against a server with authentication.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::fixture::{Fixture, ci, credential, git};
use super::server::{Server, TOKEN, listen, request};
use crate::repo::{GitRepo, Pushed, RepoError, Repository};
use crate::secret::Secret;

/// A work tree whose origin is `remote.git` on a server.
fn served(start: impl Fn(&Path) -> Server) -> (Fixture, Server) {
    let fixture = Fixture::with_remote();
    git(&fixture.remote(), "config http.receivepack true");
    let server = start(fixture.dir.path());
    fixture.git(&format!("remote set-url origin {}/remote.git", server.url));
    (fixture, server)
}

fn opened(fixture: &Fixture, server: &Server, token: &str) -> GitRepo {
    fixture.with(|options| {
        options.rules = ci("main");
        options.push.credential = credential(token, &server.url);
    })
}

fn hook(fixture: &Fixture, script: &str) {
    let path = fixture.remote().join("hooks/pre-receive");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn commit(repo: &GitRepo, fixture: &Fixture, path: &str, content: &str) -> String {
    fixture.write(path, content);
    repo.commit(&[path.into()], "work").unwrap()
}

fn push_reason(result: Result<Pushed, RepoError>) -> String {
    match result {
        Err(RepoError::Push { reason, .. } | RepoError::Behind { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

/// Fails where the token stands in a file below `at`.
fn no_canary(at: &Path) {
    for entry in fs::read_dir(at).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            no_canary(&path);
        } else {
            let content = fs::read(&path).unwrap();
            let found = content.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

async fn pushes_and_fetches(start: impl Fn(&Path) -> Server) {
    let (fixture, server) = served(start);
    let repo = opened(&fixture, &server, TOKEN);
    let branch = repo.prepare_branch().await.unwrap();
    assert_eq!((branch.name.as_str(), branch.base.as_str()), ("pace/sprint", "main"));

    let first = commit(&repo, &fixture, "new.txt", "1\n");
    let url = format!("{}/remote.git", server.url);
    assert_eq!(repo.push("pace/sprint").await.unwrap(), Pushed::To(url));
    assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), first);
    let second = commit(&repo, &fixture, "new.txt", "2\n");
    repo.push("pace/sprint").await.unwrap();
    repo.push("pace/sprint").await.unwrap();
    assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), second);
    assert_eq!(fixture.git("rev-parse origin/pace/sprint"), second);

    // A fresh runner: a clone of main alone, HEAD detached.
    let runner = fixture.colleague();
    runner.git("checkout -q --detach");
    runner.git("update-ref -d refs/remotes/origin/pace/sprint");
    runner.git(&format!("remote set-url origin {}/remote.git", server.url));
    let branch = opened(&runner, &server, TOKEN).prepare_branch().await.unwrap();
    assert_eq!((branch.name.as_str(), branch.head), ("pace/sprint", second));
    assert_eq!(runner.read("new.txt"), "2\n");
    assert_eq!(runner.git("status --porcelain"), "");
    no_canary(&fixture.root);
    no_canary(&runner.root);
}

#[tokio::test]
async fn a_branch_is_pushed_updated_and_fetched() {
    pushes_and_fetches(Server::start).await;
}

#[tokio::test]
async fn the_credential_travels_in_a_header_alone() {
    let (fixture, server) = served(Server::bridge);
    let repo = opened(&fixture, &server, TOKEN);
    repo.prepare_branch().await.unwrap();
    commit(&repo, &fixture, "a", "a");
    repo.push("pace/sprint").await.unwrap();
    let requests = server.requests.lock().unwrap();
    assert!(requests.len() >= 3);
    for head in requests.iter() {
        let lower = head.to_lowercase();
        assert!(lower.contains("authorization: basic ") && !head.contains(TOKEN), "{head}");
        assert!(!lower.contains("transfer-encoding"), "{head}");
    }
}

#[tokio::test]
async fn a_wrong_token_is_refused_without_being_shown() {
    let (fixture, server) = served(Server::start);
    let wrong = format!("{TOKEN}-wrong");
    let repo = opened(&fixture, &server, &wrong);
    let error = repo.prepare_branch().await.unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(matches!(error, RepoError::Unusable(_)) && text.contains("401"), "{text}");
    let reason = push_reason(repo.push("main").await);
    assert!(reason.contains("refused the credential (HTTP 401"), "{reason}");
    assert!(!text.contains(TOKEN) && !reason.contains(TOKEN));
    no_canary(&fixture.root);
}

#[tokio::test]
async fn without_a_credential_the_host_is_named() {
    let (fixture, server) = served(Server::start);
    let elsewhere = fixture.with(|options| options.push.credential = credential(TOKEN, "http://example.org"));
    let reason = push_reason(elsewhere.push("main").await);
    assert!(reason.contains("asks for a credential (HTTP 401"), "{reason}");
    // Not pushing anyway: the run goes on with what the clone knows, and says so.
    let local = fixture.with(|options| {
        options.rules = ci("main");
        options.push.never = Some("PACE_PUSH=false".into());
    });
    let branch = local.prepare_branch().await.unwrap();
    assert!(branch.actions[0].starts_with("did not fetch: ") && branch.name == "pace/sprint", "{branch:?}");
    assert_eq!(local.push("pace/sprint").await.unwrap(), Pushed::Skipped("PACE_PUSH=false".into()));
    drop(server);
}

#[tokio::test]
async fn a_credential_inside_the_url_is_used_and_never_shown() {
    let (fixture, server) = served(Server::start);
    let with_token = server.url.replace("http://", &format!("http://x-access-token:{TOKEN}@"));
    let repo = fixture.with(|options| options.remote = Some(format!("{with_token}/remote.git")));
    repo.prepare_branch().await.unwrap();
    let pushed = repo.push("pace/sprint").await.unwrap();
    assert_eq!(pushed, Pushed::To(format!("{}/remote.git", server.url)));
    assert!(!format!("{repo:?}").contains(TOKEN));
    no_canary(&fixture.root);
}

#[tokio::test]
async fn a_missing_repository_is_named() {
    let (fixture, server) = served(Server::start);
    let repo = fixture.with(|options| {
        options.remote = Some(format!("{}/absent.git", server.url));
        options.push.credential = credential(TOKEN, &server.url);
    });
    let error = repo.prepare_branch().await.unwrap_err().to_string();
    assert!(error.contains("no repository at /absent.git") && error.contains("404"), "{error}");
}

#[tokio::test]
async fn a_push_of_several_megabytes_arrives() {
    for start in [Server::start, Server::bridge] {
        let (fixture, server) = served(start);
        let repo = opened(&fixture, &server, TOKEN);
        repo.prepare_branch().await.unwrap();
        // Bytes that zlib cannot shrink much: a linear congruential sequence.
        let mut state = 7_u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) as u8
        };
        let noise: Vec<u8> = (0..3 * 1024 * 1024).map(|_| next()).collect();
        fs::write(fixture.root.join("noise.bin"), noise).unwrap();
        let sha = repo.commit(&["noise.bin".into()], "noise").unwrap();
        repo.push("pace/sprint").await.unwrap();
        assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), sha);
        git(&fixture.remote(), "fsck --strict");
    }
}

#[tokio::test]
async fn a_branch_that_moved_on_is_not_forced() {
    let (fixture, server) = served(Server::start);
    let repo = opened(&fixture, &server, TOKEN);
    repo.prepare_branch().await.unwrap();
    let colleague = fixture.colleague();
    colleague.git("checkout -q -b pace/sprint");
    let theirs = colleague.commit("theirs.txt", "x");
    colleague.git("push -q origin pace/sprint");
    commit(&repo, &fixture, "ours.txt", "y");
    let reason = push_reason(repo.push("pace/sprint").await);
    assert!(reason.contains("non-fast-forward"), "{reason}");
    assert_eq!(git(&fixture.remote(), "rev-parse pace/sprint"), theirs);
}

#[tokio::test]
async fn a_declining_hook_is_quoted() {
    let (fixture, server) = served(Server::start);
    hook(&fixture, &format!("echo 'GL-HOOK: this branch is protected {TOKEN}' >&2; exit 1"));
    let repo = opened(&fixture, &server, TOKEN);
    repo.prepare_branch().await.unwrap();
    commit(&repo, &fixture, "a", "a");
    let reason = push_reason(repo.push("pace/sprint").await);
    assert!(reason.contains("pre-receive hook declined"), "{reason}");
    assert!(reason.contains("GL-HOOK: this branch is protected ***"), "{reason}");
    assert!(!reason.contains(TOKEN));
}

#[tokio::test]
async fn a_checkout_that_lost_its_empty_folders_is_fetched_into() {
    let (fixture, server) = served(Server::start);
    fixture.git("checkout -q -b pace/sprint");
    let theirs = fixture.commit("new.txt", "1\n");
    git(&fixture.root, &format!("push -q {} pace/sprint", fixture.remote().display()));
    let runner = Fixture::unborn();
    runner.git(&format!("fetch -q {} main", fixture.remote().display()));
    runner.git("checkout -q -B main FETCH_HEAD");
    runner.git(&format!("remote add origin {}/remote.git", server.url));
    fs::remove_dir_all(runner.root.join(".git/objects/pack")).unwrap();
    let branch = opened(&runner, &server, TOKEN).prepare_branch().await.unwrap();
    assert_eq!((branch.name.as_str(), branch.head), ("pace/sprint", theirs));
    assert_eq!(runner.read("new.txt"), "1\n");
}

/// What GitHub, GitLab and a hook of one's own say, by the real git server.
#[tokio::test]
async fn a_rejection_names_the_rule_and_its_mend() {
    let (fixture, server) = served(Server::start);
    let repo = opened(&fixture, &server, TOKEN);
    repo.prepare_branch().await.unwrap();
    commit(&repo, &fixture, "a", "a");
    for (said, mend) in [
        (
            "error: GH006: Protected branch update failed for refs/heads/pace/sprint.|error: Commits must have verified signatures.",
            "the branch requires signed commits",
        ),
        (
            "error: GH013: Repository rule violations found for refs/heads/pace/sprint.",
            "the branch is protected",
        ),
        (
            "GitLab: You are not allowed to push code to protected branches on this project.",
            "the branch is protected: let pace's token push to it",
        ),
        ("GitLab: Author 'pace@example.org' is not a member of team", "PACE_GIT_EMAIL"),
        ("Not on a Friday", "a hook of the server decided that"),
    ] {
        let lines: String = said.split('|').map(|line| format!("echo \"{line}\" >&2; ")).collect();
        hook(&fixture, &format!("{lines}exit 1"));
        let reason = push_reason(repo.push("pace/sprint").await);
        let last = said.rsplit('|').next().unwrap();
        assert!(reason.contains(last) && reason.contains(mend), "{said}: {reason}");
    }
    let head = git(&fixture.remote(), "for-each-ref --format=%(refname) refs/heads/pace");
    assert_eq!(head, "", "nothing was pushed");
}

#[tokio::test]
async fn a_token_that_may_only_read_is_named_before_anything_is_done() {
    let (fixture, server) = served(Server::start);
    git(&fixture.remote(), "config http.receivepack false");
    for (user, token, mend) in [
        ("x-access-token", TOKEN, "needs write access"),
        (crate::repo::JOB_USER, "glcbt-canary9Zz", "CI_JOB_TOKEN may push only where the project allows it"),
    ] {
        let repo = fixture.with(|options| {
            options.rules = ci("main");
            options.push.credential = Some((user.into(), Secret::new(token), server.url.clone()));
        });
        repo.prepare_branch().await.unwrap();
        let refused = repo.may_push().await.unwrap_err();
        assert!(matches!(refused, RepoError::Unusable(_)), "{refused:?}");
        for text in [refused.to_string(), push_reason(repo.push("main").await)] {
            assert!(text.contains(mend) && text.contains("HTTP 403") && !text.contains(token), "{text}");
        }
        fixture.git("checkout -q main");
    }
}

#[tokio::test]
async fn gitlabs_tokens_push_under_their_own_names() {
    let (fixture, server) = served(Server::start);
    for (user, token) in [("oauth2", "glpat-canary7Qd0x1Kp"), (crate::repo::JOB_USER, "glcbt-canary9Zz")] {
        let repo = fixture.with(|options| {
            options.rules = ci("main");
            options.push.credential = Some((user.into(), Secret::new(token), server.url.clone()));
        });
        let branch = repo.prepare_branch().await.unwrap();
        repo.may_push().await.unwrap();
        let sha = commit(&repo, &fixture, "who.txt", user);
        repo.push(&branch.name).await.unwrap();
        assert_eq!(git(&fixture.remote(), &format!("rev-parse {}", branch.name)), sha);
    }
}

#[tokio::test]
async fn a_redirect_gets_no_credential() {
    let fixture = Fixture::with_remote();
    let other = Server::bridge(fixture.dir.path());
    let to = other.url.clone();
    let url = listen(move |mut stream| {
        let (head, _) = request(&stream);
        let path = head.split(' ').nth(1).unwrap().to_owned();
        let _ = write!(stream, "HTTP/1.1 307 Moved\r\nLocation: {to}{path}\r\nContent-Length: 0\r\n\r\n");
    });
    for follow in [false, true] {
        let repo = fixture.with(|options| {
            options.remote = Some(format!("{url}/remote.git"));
            options.push.credential = credential(TOKEN, &url);
            if follow {
                options.http = reqwest::Client::new();
            }
        });
        let error = repo.prepare_branch().await.unwrap_err().to_string();
        assert!(error.contains("redirects to") || error.contains("final URL"), "{error}");
    }
    for head in other.requests.lock().unwrap().iter() {
        assert!(!head.to_lowercase().contains("authorization"), "{head}");
    }
}

#[tokio::test]
async fn a_dead_host_and_a_plain_web_server_are_named() {
    let fixture = Fixture::with_remote();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let repo = fixture.with(|options| options.remote = Some(format!("http://{closed}/r.git")));
    let error = format!("{:#}", anyhow::Error::new(repo.prepare_branch().await.unwrap_err()));
    assert!(error.contains("cannot be reached"), "{error}");
    let web = listen(|mut stream| {
        request(&stream);
        let _ =
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi");
    });
    let repo = fixture.with(|options| options.remote = Some(format!("{web}/r.git")));
    let error = repo.prepare_branch().await.unwrap_err().to_string();
    assert!(error.contains("does not answer as a git server"), "{error}");
}

#[tokio::test]
async fn an_empty_repository_takes_its_first_branch() {
    let (fixture, server) = served(Server::start);
    git(fixture.dir.path(), "init -q --bare empty.git");
    git(&fixture.dir.path().join("empty.git"), "config http.receivepack true");
    for url in [format!("{}/empty.git", server.url), format!("{}/empty.git", fixture.dir.path().display())] {
        let repo = fixture.with(|options| {
            options.remote = Some(url);
            options.push.credential = credential(TOKEN, &server.url);
        });
        let branch = repo.prepare_branch().await.unwrap();
        assert!(matches!(repo.push(&branch.name).await.unwrap(), Pushed::To(_)));
    }
}

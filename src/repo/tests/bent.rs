//! Servers that speak git's smart HTTP and lie: lines cut, lengths that are none, capabilities and references that cannot
//! be, packs that are no packs, reports of what was not done. Every call ends with an error or finds nothing, soon, nothing
//! is taken for done, and the work tree is what it was.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::fixture::Fixture;
use super::server::{listen, request};
use crate::repo::{GitRepo, OwnRefs, Repository, Swapped};

/// Far beyond what an answer on loopback takes, on any machine.
const PATIENCE: Duration = Duration::from_secs(120);
const NAME: &str = "refs/pace/lock/sprint/day-1";
const ID: &str = "1111111111111111111111111111111111111111";

/// A line as git frames it.
fn line(text: &str) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text.as_bytes()].concat()
}

fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// An honest list of references for `service`.
fn list(service: &str, references: &[String]) -> Vec<u8> {
    let mut bytes = join(&[&line(&format!("# service={service}\n")), b"0000"]);
    for (at, reference) in references.iter().enumerate() {
        let capabilities = if at == 0 { "\0report-status delete-refs side-band-64k ofs-delta" } else { "" };
        bytes.extend(line(&format!("{reference}{capabilities}\n")));
    }
    bytes.extend(b"0000");
    bytes
}

/// Answers every list with `list` (`SERVICE` in it is the one asked for) and every request with `result`.
fn server(list: Vec<u8>, result: Vec<u8>) -> String {
    listen(move |mut stream| {
        let (head, _) = request(&stream);
        let service = if head.contains("receive-pack") { "git-receive-pack" } else { "git-upload-pack" };
        let (kind, body) = match head.starts_with("GET ") {
            true => ("advertisement", replaced(&list, service)),
            false => ("result", result.clone()),
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-{service}-{kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        drop(stream.write_all(&[head.as_bytes(), &body].concat()));
    })
}

/// `git-SERVICE-pack` is as long as the longer name, so that frames stay right; the other one is told in its own frame.
fn replaced(list: &[u8], service: &str) -> Vec<u8> {
    let honest = line("# service=SERVICE\n");
    match list.strip_prefix(honest.as_slice()) {
        Some(rest) => join(&[&line(&format!("# service={service}\n")), rest]),
        None => list.to_vec(),
    }
}

fn opened(fixture: &Fixture, url: &str) -> GitRepo {
    fixture.with(|options| options.remote = Some(format!("{url}/remote.git")))
}

async fn soon<T>(case: &str, call: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, call).await.unwrap_or_else(|_| panic!("{case}: no end"))
}

/// All that pace asks of a git server, one after the other; what was taken for good.
///
/// Taking away what the list does not have is nothing to do, and is not asked.
async fn believed(case: &str, fixture: &Fixture, url: &str) -> Vec<String> {
    let repo = opened(fixture, url);
    let refs: OwnRefs = repo.own_refs().unwrap();
    let new = refs.seal("pace: a lock\n", &Default::default(), &[]).unwrap();
    let mut believed = Vec::new();
    if soon(case, refs.look(&[NAME])).await.is_ok_and(|seen| !seen.ids.is_empty()) {
        believed.push("look".to_owned());
    }
    if soon(case, refs.read(NAME)).await.is_ok_and(|kept| kept.is_some()) {
        believed.push("read".to_owned());
    }
    let listed = believed.iter().any(|what| what == "look");
    let mut swaps = vec![("made", None, Some(new.as_str())), ("changed", Some(ID), Some(new.as_str()))];
    swaps.extend(listed.then_some(("removed", Some(ID), None)));
    for (what, expected, value) in swaps {
        if let Ok(Swapped::Done) = soon(case, refs.swap(NAME, expected, value)).await {
            believed.push(what.to_owned());
        }
    }
    if soon(case, repo.push("main")).await.is_ok() {
        believed.push("push".to_owned());
    }
    believed
}

/// Lists of references that are none.
fn lists() -> Vec<(&'static str, Vec<u8>)> {
    let service = line("# service=SERVICE\n");
    let after = |rest: &[u8]| join(&[&service, b"0000", rest]);
    let reference = |text: &str| after(&join(&[&line(text), b"0000"]));
    vec![
        ("nothing", vec![]),
        ("half a length", b"00".to_vec()),
        ("a length that is none", b"zzzz# service=git-upload-pack\n0000".to_vec()),
        ("a negative length", b"-001# service=git-upload-pack\n0000".to_vec()),
        ("lengths below that of a frame", b"000100020003".to_vec()),
        ("a frame that is longer than the answer", b"ffff# service=git-upload-pack\n".to_vec()),
        (
            "another service",
            join(&[&line("# service=git-evil-pack\n"), b"0000", &line(&format!("{ID} {NAME}\n")), b"0000"]),
        ),
        ("no service", join(&[&line(&format!("{ID} {NAME}\0report-status\n")), b"0000"])),
        ("cut after the service", service.clone()),
        ("cut in a reference", after(&line(&format!("{ID} {NAME}\0report-status\n"))[..30])),
        ("half an id", reference(&format!("1111 {NAME}\0report-status\n"))),
        ("an id that is none", reference(&format!("{} {NAME}\0report-status\n", "g".repeat(40)))),
        ("no name", reference(&format!("{ID}\n"))),
        ("an empty name", reference(&format!("{ID} \0report-status\n"))),
        ("an error of the server", after(&line("ERR access denied\n"))),
        ("bytes that are no text", after(&join(&[b"0010", &[0xff; 12], b"0000"]))),
        ("only zeros", vec![0; 4096]),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_none_yields_nothing() {
    for (case, list) in lists() {
        let fixture = Fixture::with_remote();
        let url = server(list, vec![]);
        let head = fixture.head();
        let believed = believed(case, &fixture, &url).await;
        assert_eq!(believed, Vec::<String>::new(), "{case}");
        assert_eq!((fixture.head(), fixture.git("status --porcelain")), (head, String::new()), "{case}");
    }
}

/// What a server says of a push, with a list that holds another value or none: only its word for this reference counts.
#[tokio::test(flavor = "multi_thread")]
async fn a_report_of_something_else_is_no_swap() {
    let honest =
        |text: &[&str]| join(&[&text.iter().flat_map(|text| line(text)).collect::<Vec<u8>>(), b"0000"]);
    let reports: [(&str, Vec<u8>); 13] = [
        ("nothing", vec![]),
        ("an end", b"0000".to_vec()),
        ("half a length", b"000".to_vec()),
        ("cut", line("unpack ok\n")[..8].to_vec()),
        ("unpacked alone", honest(&["unpack ok\n"])),
        ("another reference", honest(&["unpack ok\n", "ok refs/heads/other\n"])),
        ("part of the name", honest(&["unpack ok\n", "ok refs/pace/lock/sprint/day\n"])),
        ("refused", honest(&["unpack ok\n", "ng refs/pace/lock/sprint/day-1 hook declined\n"])),
        (
            "not unpacked",
            honest(&["unpack index-pack abnormal exit\n", "ng refs/pace/lock/sprint/day-1 unpacker error\n"]),
        ),
        ("neither", honest(&["unpack ok\n", "perhaps refs/pace/lock/sprint/day-1\n"])),
        ("a band that is none", honest(&["\u{9}unpack ok\n"])),
        ("an error band", honest(&["\u{3}the disk is full\n"])),
        ("noise", (0..=255).cycle().take(5000).collect()),
    ];
    let lists = [vec![format!("{ID} {NAME}")], vec![format!("{ID} refs/heads/main")]];
    // Each is tried several times with pauses: all at once.
    let cases =
        reports.iter().flat_map(|(case, report)| lists.iter().map(move |there| (case, report, there)));
    let cases = cases.map(async |(case, report, there)| {
        let fixture = Fixture::with_remote();
        let url = server(list("SERVICE", there), report.clone());
        let mut believed = believed(case, &fixture, &url).await;
        // The list itself is an honest one.
        believed.retain(|what| what != "look");
        assert_eq!(believed, Vec::<String>::new(), "{case}");
    });
    futures_util::future::join_all(cases).await;
}

/// What comes in the place of a pack.
#[tokio::test(flavor = "multi_thread")]
async fn a_pack_that_is_none_is_not_read() {
    let band =
        |number: u8, bytes: &[u8]| join(&[format!("{:04x}", bytes.len() + 5).as_bytes(), &[number], bytes]);
    let pack =
        |objects: u32, rest: &[u8]| join(&[b"PACK", &2_u32.to_be_bytes(), &objects.to_be_bytes(), rest]);
    let after = |rest: &[u8]| join(&[&line("NAK\n"), rest]);
    let packs: [(&str, Vec<u8>); 11] = [
        ("nothing", vec![]),
        ("an end", b"0000".to_vec()),
        ("a word and nothing", line("NAK\n")),
        ("an error", line("ERR upload-pack: not our ref\n")),
        ("an error band", after(&join(&[&band(3, b"the disk is full"), b"0000"]))),
        ("no pack", after(&join(&[&band(1, b"no pack at all, but text"), b"0000"]))),
        ("four billion objects", after(&join(&[&band(1, &pack(u32::MAX, &[])), b"0000"]))),
        ("an empty pack", after(&join(&[&band(1, &pack(0, &[0; 20])), b"0000"]))),
        (
            "an object of 2^60 bytes",
            after(&join(&[
                &band(1, &pack(1, &[0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f])),
                b"0000",
            ])),
        ),
        ("a difference to nothing", after(&join(&[&band(1, &pack(1, &[0x70; 64])), b"0000"]))),
        ("cut in its header", after(&band(1, b"PACK\0\0")[..9])),
    ];
    for (case, pack) in packs {
        let fixture = Fixture::with_remote();
        let url =
            server(list("SERVICE", &[format!("{ID} {NAME}"), format!("{ID} refs/heads/pace/sprint")]), pack);
        let refs = opened(&fixture, &url).own_refs().unwrap();
        let read = soon(case, refs.read(NAME)).await;
        assert!(read.is_err(), "{case}: {read:?}");
        let branch = soon(case, opened(&fixture, &url).prepare_branch()).await;
        assert!(branch.is_err(), "{case}: {branch:?}");
        fixture.git("fsck --strict");
        assert_eq!(fixture.git("status --porcelain"), "", "{case}");
    }
}

/// References that would lie outside of a repository, as many as there are.
#[tokio::test(flavor = "multi_thread")]
async fn references_of_any_name_stay_on_the_server() {
    let names = [
        "refs/heads/../../../escaped",
        "../escaped",
        "/etc/passwd",
        "refs/heads/a b",
        "HEAD",
        "refs/heads/\u{1}",
    ];
    let mut there: Vec<String> = names.iter().map(|name| format!("{ID} {name}")).collect();
    there.extend((0..20_000).map(|n| format!("{ID} refs/heads/many-{n}")));
    let fixture = Fixture::with_remote();
    let tracked = "for-each-ref refs/remotes refs/tags";
    let before = fixture.git(tracked);
    let url = server(list("SERVICE", &there), vec![]);
    let refs = opened(&fixture, &url).own_refs().unwrap();
    assert!(soon("many", refs.look(&[NAME])).await.unwrap().ids.is_empty());
    // The sprint's branch is not among them, so there is nothing to fetch.
    drop(soon("many", opened(&fixture, &url).prepare_branch()).await);
    assert_eq!(fixture.git(tracked), before);
    assert!(!fixture.dir.path().join("escaped").exists());
}

/// A list that never ends is left, and not kept in memory.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_without_an_end_is_left() {
    let sent = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&sent);
    let url = listen(move |mut stream| {
        let (head, _) = request(&stream);
        let service = if head.contains("receive-pack") { "git-receive-pack" } else { "git-upload-pack" };
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-{service}-advertisement\r\nConnection: close\r\n\r\n"
        );
        let start = join(&[head.as_bytes(), &line(&format!("# service={service}\n")), b"0000"]);
        let reference = line(&format!("{ID} refs/heads/{}\n", "x".repeat(60_000)));
        let mut told = stream.write_all(&start);
        // Far more than may be taken, and no more than this machine can bear where it is.
        for _ in 0..8 * 1024 {
            if told.is_err() {
                return;
            }
            count.fetch_add(reference.len() as u64, Ordering::SeqCst);
            told = stream.write_all(&reference);
        }
    });
    let fixture = Fixture::with_remote();
    let refs = opened(&fixture, &url).own_refs().unwrap();
    let error = soon("endless", refs.look(&[NAME])).await.unwrap_err();
    let text = format!("{:#}", anyhow::Error::new(error));
    assert!(text.contains("sent more than 128 MiB"), "{text}");
    let sent = sent.load(Ordering::SeqCst);
    assert!(sent < 400 << 20, "{sent} bytes were sent");
}

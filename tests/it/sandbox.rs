//! Escapes from the rooms of a child, against the real binary: as root and as an unprivileged user, where
//! namespaces are allowed and where a container forbids them. A probe that could not be tried counts as failed.

mod itself;
mod limits;
mod machine;
mod network;
mod toolchains;
mod top;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

pub(crate) use self::machine::Machine;
use self::machine::{copy_program, in_a};
use crate::binary::PACE;
use crate::project::{Project, collect};

pub(crate) const CANARY: &str = "canary-secret-value";
const NOBODY: u32 = 65534;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    Root,
    Nobody,
}

#[test]
fn root_cannot_leave_tier_1() {
    probe(User::Root, Machine::Free);
}

#[test]
fn an_unprivileged_user_cannot_leave_tier_1() {
    probe(User::Nobody, Machine::Free);
}

#[test]
fn root_cannot_leave_tier_2() {
    probe(User::Root, Machine::Container);
}

#[test]
fn an_unprivileged_user_cannot_leave_tier_2() {
    probe(User::Nobody, Machine::Container);
}

#[test]
fn root_cannot_leave_tier_2_where_landlock_holds_no_signals() {
    probe(User::Root, Machine::Aged);
}

#[test]
fn an_unprivileged_user_cannot_leave_tier_2_where_landlock_holds_no_signals() {
    probe(User::Nobody, Machine::Aged);
}

#[test]
fn without_landlock_namespaces_hold_roots_child() {
    probe(User::Root, Machine::NoLandlock);
}

#[test]
fn without_landlock_namespaces_hold_an_unprivileged_users_child() {
    probe(User::Nobody, Machine::NoLandlock);
}

#[test]
fn where_user_namespaces_are_refused_sudo_makes_tier_1() {
    probe(User::Nobody, Machine::Sudo);
}

#[test]
fn where_namespaces_are_refused_bwrap_makes_tier_1_for_root() {
    probe(User::Root, Machine::Bubblewrap);
}

#[test]
fn where_namespaces_are_refused_bwrap_makes_tier_1_for_an_unprivileged_user() {
    probe(User::Nobody, Machine::Bubblewrap);
}

#[test]
fn below_tier_2_nothing_runs() {
    for user in [User::Root, User::Nobody] {
        let site = Site::new(user);
        let output = site.pace(Machine::Old, "run", &[("DAY", "1")]);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{}", told(&output));
        for part in ["sandbox refused", "Landlock", "PACE_SANDBOX=off"] {
            assert!(stderr.contains(part), "{}", told(&output));
        }
        assert!(!site.project.dir.join("ran").exists());
    }
}

#[test]
fn strict_wants_tier_1() {
    let site = Site::new(User::Nobody);
    let output = site.pace(Machine::Container, "run", &[("DAY", "1"), ("PACE_SANDBOX", "strict")]);
    assert_eq!(output.status.code(), Some(4), "{}", told(&output));
    assert!(text(&output.stderr).contains("tier 1"), "{}", told(&output));
}

#[test]
fn exits_output_and_time_outs_are_the_childs_own() {
    for machine in [Machine::Free, Machine::Sudo, Machine::Container] {
        let site = Site::new(User::Nobody);
        for (command, seen) in [
            ("exit 7", "exit code 7"),
            ("kill -9 $$", "signal 9"),
            ("sh -c 'kill -9 $$'", "137"),
            ("kill -TERM $$; sleep 5", if machine.tier() == 1 { "" } else { "signal 15" }),
        ] {
            let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", command)]);
            assert!(text(&output.stdout).contains(seen), "{command}: {}", told(&output));
        }
    }
}

#[test]
fn nobody_outlives_a_pace_that_was_killed() {
    for (user, machine) in [
        (User::Root, Machine::Free),
        (User::Nobody, Machine::Free),
        (User::Nobody, Machine::Sudo),
        (User::Root, Machine::Container),
        (User::Nobody, Machine::Container),
    ] {
        let site = Site::new(user);
        let command = "echo began > results.txt; setsid sleep 1000 & sleep 1000";
        let mut pace = site.command(machine, "check", &[("PACE_TEST_COMMAND", command)]);
        let mut pace = pace.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while site.project.read("results.txt").as_deref() != Some("began\n") {
            assert!(
                pace.try_wait().unwrap().is_none(),
                "{user:?} {machine:?}: it ended before its command began"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        let process = site.process("check").unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
        pace.wait().unwrap();
        // What leaves the walls with its helper needs a moment; what does not would stay for good.
        for _ in 0..500 {
            if !daemon_lives(&site) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!(!daemon_lives(&site), "{user:?} {machine:?}");
    }
}

/// Runs every probe and looks at what it left, from inside and outside.
fn probe(user: User, machine: Machine) {
    let site = Site::new(user);
    let before = site.outside();
    let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", "/usr/bin/python3 probes.py")]);
    let stdout = text(&output.stdout);
    assert!(stdout.contains(&format!("sandbox: {}", machine.sandbox())), "{}", told(&output));
    assert!(!stdout.contains(CANARY), "{}", told(&output));
    let results = site.project.read("results.txt").unwrap();
    let bad: Vec<_> =
        results.lines().filter(|line| line.contains(" ESCAPED") || line.contains(" BROKEN")).collect();
    assert!(bad.is_empty() && results.ends_with("end\n"), "{}\n{results}{}", bad.join("\n"), told(&output));
    let tried = results.lines().filter(|line| line.contains(" held ")).count();
    assert!(tried >= 31, "only {tried} escapes were tried:\n{results}");
    tell(&format!("{tried} escapes held, {user:?}, {machine:?}"));
    let after = site.outside();
    // bwrap lays no layers, and pace says so: caches are written in place.
    let in_place = site.project.home.join(".cache");
    let kept = |path: &&PathBuf| machine != Machine::Bubblewrap || !path.starts_with(&in_place);
    let paths = after.keys().chain(before.keys()).filter(kept);
    let changed: Vec<_> = paths.filter(|path| after.get(*path) != before.get(*path)).collect();
    assert!(changed.is_empty(), "changed outside: {changed:?}");
    site.was_not_reached();
}

/// A project with everything that a child must not reach around it.
pub(crate) struct Site {
    pub(crate) project: Project,
    user: User,
    pub(crate) place: tempfile::TempDir,
    pace: PathBuf,
    pub(crate) tcp: TcpListener,
    pub(crate) udp: UdpSocket,
    unix: UnixListener,
    datagrams: UnixDatagram,
    _abstract: UnixListener,
    pub(crate) name: String,
}

impl Site {
    pub(crate) fn new(user: User) -> Self {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let project = Project::new(&[data.join("scenarios/_trees/shell"), data.join("data/sandbox")]);
        for (path, content) in [
            ("src/a.txt", "a"),
            ("results.txt", ""),
            ("bait.json", "{}"),
            (".github/workflows/test.yml", "on: push\n"),
            (".pace/state", "x"),
        ] {
            project.write(path, content);
        }
        project.commit_all("Prepare");
        let config = project.dir.join(".git/config");
        let old = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{old}[http]\n\textraheader = {CANARY}\n")).unwrap();
        std::fs::create_dir_all(project.home.join(".ssh")).unwrap();
        std::fs::create_dir_all(project.home.join(".cache")).unwrap();
        std::fs::write(project.home.join(".ssh/id"), CANARY).unwrap();
        std::fs::write(project.home.join(".netrc"), CANARY).unwrap();

        let place = tempfile::Builder::new().prefix("pace-outside-").tempdir().unwrap();
        for folder in ["outside", "runner"] {
            std::fs::create_dir(place.path().join(folder)).unwrap();
        }
        std::fs::write(place.path().join("outside/file"), "original").unwrap();
        std::fs::write(place.path().join("runner/env"), CANARY).unwrap();
        let pace = place.path().join("pace");
        copy_program(Path::new(PACE), &pace);
        let unix = UnixListener::bind(place.path().join("socket")).unwrap();
        unix.set_nonblocking(true).unwrap();
        let datagrams = UnixDatagram::bind(place.path().join("datagrams")).unwrap();
        datagrams.set_nonblocking(true).unwrap();
        let name = format!("pace-it-{}", place.path().file_name().unwrap().display());
        let address =
            <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name);
        let hidden = UnixListener::bind_addr(&address.unwrap()).unwrap();
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        udp.set_nonblocking(true).unwrap();
        let site = Self { project, user, place, pace, tcp, udp, unix, datagrams, _abstract: hidden, name };
        site.hand_over();
        site
    }

    /// The user owns the project, its home, and what lies outside too: no file right may be what holds.
    pub(crate) fn hand_over(&self) {
        self.give(if self.user == User::Root { 0 } else { NOBODY });
    }

    /// This process owns everything again, so that git reads it.
    pub(crate) fn take_back(&self) {
        self.give(0);
    }

    fn give(&self, id: u32) {
        let mut paths = vec![];
        for root in [self.project.dir.parent().unwrap(), self.place.path()] {
            paths.push(root.to_owned());
            walk(root, &mut paths);
        }
        for path in paths {
            std::os::unix::fs::lchown(&path, Some(id), Some(id)).unwrap();
        }
    }

    /// Runs pace with canaries in its environment.
    pub(crate) fn pace(&self, machine: Machine, verb: &str, env: &[(&str, &str)]) -> Output {
        self.command(machine, verb, env).output().unwrap()
    }

    fn command(&self, machine: Machine, verb: &str, env: &[(&str, &str)]) -> std::process::Command {
        let bait = serde_json::json!({
            "outside": self.place.path().join("outside"),
            "runner": self.place.path().join("runner"),
            "socket": self.place.path().join("socket"),
            "datagrams": self.place.path().join("datagrams"),
            "abstract": self.name,
            "port": self.tcp.local_addr().unwrap().port(),
            "udp": self.udp.local_addr().unwrap().port(),
            "tier": machine.tier(),
            "aged": machine == Machine::Aged,
        });
        std::fs::write(self.project.dir.join("bait.json"), bait.to_string()).unwrap();
        let mut command = in_a(machine, &self.pace, verb);
        if self.user == User::Nobody {
            machine::as_nobody(&mut command, machine);
        }
        command
            .current_dir(&self.project.dir)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", &self.project.home)
            .env("ANTHROPIC_API_KEY", CANARY)
            .env("ACTIONS_RUNTIME_TOKEN", CANARY)
            .env("GITHUB_ENV", self.place.path().join("runner/env"))
            .env("RUNNER_TEMP", self.place.path().join("runner"))
            .env("PACE_PLATFORM", "local")
            .env("PACE_TEST_COMMAND", "touch ran")
            .envs(env.iter().copied());
        command
    }

    /// The process of pace itself, by its verb.
    fn process(&self, verb: &str) -> Option<rustix::process::Pid> {
        let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
        let arguments = [self.pace.as_os_str().as_encoded_bytes(), b"\0", verb.as_bytes(), b"\0"].concat();
        let mut found = processes
            .filter(|entry| std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line == arguments))
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        rustix::process::Pid::from_raw(found.next()?)
    }

    /// Nothing came to a listener, and nothing that was started still runs.
    pub(crate) fn was_not_reached(&self) {
        assert!(self.tcp.accept().is_err() && self.unix.accept().is_err(), "a listener was reached");
        assert!(self.udp.recv(&mut [0; 16]).is_err(), "a datagram came through");
        assert!(!daemon_lives(self), "a daemon outlived its command");
    }

    /// Every file that a child must leave alone, with its content.
    pub(crate) fn outside(&self) -> BTreeMap<PathBuf, String> {
        let mut roots =
            [".git", ".github", ".pace", "plan.yaml"].map(|path| self.project.dir.join(path)).to_vec();
        roots.push(self.project.home.clone());
        roots.extend(["outside", "runner"].map(|path| self.place.path().join(path)));
        let mut files = BTreeMap::new();
        let mut keep = |path: &Path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            files.insert(
                path.to_owned(),
                String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]).into_owned(),
            );
        };
        for root in &roots {
            if root.is_file() { keep(root) } else { collect(root, &mut keep) }
        }
        files
    }
}

fn walk(root: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(root).unwrap().map(Result::unwrap) {
        paths.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), paths);
        }
    }
}

/// Whether a process still has the site's work tree as its folder.
pub(crate) fn daemon_lives(site: &Site) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok())
        .any(|folder| folder.starts_with(&site.project.dir))
}

/// Says a figure, also where the outputs of tests that pass are not shown.
pub(crate) fn tell(figure: &str) {
    let _ = writeln!(std::io::stderr(), "{figure}");
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}\n--- stdout\n{}--- stderr\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

//! Escapes from the rooms of a child, against the real binary: as root and as an unprivileged user, where
//! namespaces are allowed and where a container forbids them. A probe that could not be tried counts as failed.

mod network;

use std::collections::BTreeMap;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch, apply_filter};

use crate::binary::PACE;
use crate::project::{Project, collect};

pub(crate) const CANARY: &str = "canary-secret-value";
const NOBODY: u32 = 65534;
/// Capabilities of a process in an ordinary container.
const CONTAINER: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::MKNOD)
    .union(CapabilitySet::NET_RAW)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::KILL);

/// What the machine allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Machine {
    /// Whatever this one does: tier 1.
    Free,
    /// No namespaces, no mounts: tier 2.
    Container,
    /// A container on a kernel without Landlock.
    Old,
}

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
    for machine in [Machine::Free, Machine::Container] {
        let site = Site::new(User::Nobody);
        for (command, seen) in [
            ("exit 7", "exit code 7"),
            ("kill -9 $$", "signal 9"),
            ("sh -c 'kill -9 $$'", "137"),
            ("kill -TERM $$; sleep 5", if machine == Machine::Free { "" } else { "signal 15" }),
        ] {
            let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", command)]);
            assert!(text(&output.stdout).contains(seen), "{command}: {}", told(&output));
        }
    }
}

/// Runs every probe and looks at what it left, from inside and outside.
fn probe(user: User, machine: Machine) {
    let site = Site::new(user);
    let before = site.outside();
    let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", "/usr/bin/python3 probes.py")]);
    let tier = if machine == Machine::Free { "tier 1" } else { "tier 2" };
    let stdout = text(&output.stdout);
    assert!(stdout.contains(tier), "{}", told(&output));
    assert!(!stdout.contains(CANARY), "{}", told(&output));
    let results = site.project.read("results.txt").unwrap();
    let bad: Vec<_> =
        results.lines().filter(|line| line.contains(" ESCAPED") || line.contains(" BROKEN")).collect();
    assert!(bad.is_empty() && results.ends_with("end\n"), "{}\n{results}{}", bad.join("\n"), told(&output));
    let tried = results.lines().filter(|line| line.contains(" held ")).count();
    assert!(tried >= 31, "only {tried} escapes were tried:\n{results}");
    let after = site.outside();
    let changed: Vec<_> =
        after.keys().chain(before.keys()).filter(|path| after.get(*path) != before.get(*path)).collect();
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
        let name = format!("pace-it-{}", place.path().file_name().unwrap().display());
        let address =
            <std::os::unix::net::SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(&name);
        let hidden = UnixListener::bind_addr(&address.unwrap()).unwrap();
        let tcp = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        tcp.set_nonblocking(true).unwrap();
        let udp = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        udp.set_nonblocking(true).unwrap();
        let site = Self { project, user, place, pace, tcp, udp, unix, _abstract: hidden, name };
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
        let tier = if machine == Machine::Free { 1 } else { 2 };
        let bait = serde_json::json!({
            "outside": self.place.path().join("outside"),
            "runner": self.place.path().join("runner"),
            "socket": self.place.path().join("socket"),
            "abstract": self.name,
            "port": self.tcp.local_addr().unwrap().port(),
            "udp": self.udp.local_addr().unwrap().port(),
            "tier": tier,
        });
        std::fs::write(self.project.dir.join("bait.json"), bait.to_string()).unwrap();
        let mut command = in_a(machine, &self.pace, verb);
        if self.user == User::Nobody {
            command.uid(NOBODY).gid(NOBODY);
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
            .envs(env.iter().copied())
            .output()
            .unwrap()
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

/// Copies in a process of its own: a file that this one had open for writing, some other test's child may still
/// have, and it could not be started.
#[expect(clippy::disallowed_methods, reason = "a test may start programs")]
fn copy_program(from: &Path, to: &Path) {
    let status = std::process::Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap();
    assert!(status.success());
}

/// `pace VERB` on such a machine. This test binary starts itself, gives up what the machine does not allow, and
/// becomes pace.
#[expect(clippy::disallowed_methods, reason = "a black-box test starts the binary itself")]
fn in_a(machine: Machine, pace: &Path, verb: &str) -> std::process::Command {
    let mut command = if machine == Machine::Free {
        std::process::Command::new(pace)
    } else {
        let me = pace.with_file_name("tests");
        if !me.exists() {
            copy_program(&std::env::current_exe().unwrap(), &me);
        }
        let mut command = std::process::Command::new(me);
        command.args(["--exact", "sandbox::become_pace_in_a_container", "--ignored", "--nocapture"]);
        command
    };
    command.env_clear();
    if machine == Machine::Free {
        command.arg(verb);
    } else {
        command.env("BECOME", pace).env("VERB", verb).env("OLD", (machine == Machine::Old).to_string());
    }
    command
}

/// No test by itself: see [`in_a`].
#[test]
#[ignore = "started by the other tests"]
#[expect(clippy::disallowed_methods, reason = "it becomes the binary under test")]
fn become_pace_in_a_container() {
    let variable = |name| crate::binary::own_variable(name);
    let Some(pace) = variable("BECOME") else { return };
    let mut calls = vec![libc::SYS_unshare, libc::SYS_mount, libc::SYS_setns];
    if variable("OLD").as_deref() == Some("true") {
        calls.push(libc::SYS_landlock_create_ruleset);
    }
    if rustix::process::getuid().is_root() {
        for bit in 0..41 {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            if !CONTAINER.contains(one) {
                let _ = remove_capability_from_bounding_set(one);
            }
        }
    }
    let rules = calls.into_iter().map(|call| (call, vec![])).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    apply_filter(&seccompiler::BpfProgram::try_from(filter).unwrap()).unwrap();
    let verb = variable("VERB").unwrap();
    let error = std::process::Command::new(pace)
        .arg(verb)
        .env_remove("BECOME")
        .env_remove("VERB")
        .env_remove("OLD")
        .exec();
    panic!("{error}");
}

/// Whether a process still has the site's work tree as its folder.
pub(crate) fn daemon_lives(site: &Site) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    processes
        .filter_map(|entry| std::fs::read_link(entry.path().join("cwd")).ok())
        .any(|folder| folder.starts_with(&site.project.dir))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub(crate) fn told(output: &Output) -> String {
    format!("{}\n--- stdout\n{}--- stderr\n{}", output.status, text(&output.stdout), text(&output.stderr))
}

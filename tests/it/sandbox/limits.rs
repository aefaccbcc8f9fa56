//! What a child may have: a swarm that doubles and a process that eats memory are ended by name, on a machine that says it
//! is small. Both are bounded by themselves too: a pace that fails here starves nobody.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Machine, NOBODY, Site, User, daemon_lives, text, told};

/// Without a process list of their own over the small machine's, user namespaces cannot be had: tier 1 is root's here.
const HERE: [(User, Machine); 4] = [
    (User::Root, Machine::Free),
    (User::Nobody, Machine::Sudo),
    (User::Root, Machine::Container),
    (User::Nobody, Machine::Container),
];

/// Far below what giving up on a process that cannot be ended takes.
const AT_ONCE: Duration = Duration::from_secs(12);

/// Doubles seven times, every second process in a session of its own.
const BOMB: &str =
    "if [ \"$1\" -lt 7 ]; then sh bomb.sh $(($1 + 1)) & setsid sh bomb.sh $(($1 + 1)) & fi; sleep 1000";

/// `pace check` of this command where the machine says that it has so many kB of memory and bears 400 threads.
#[expect(clippy::disallowed_methods, reason = "a black-box test starts the binary itself")]
fn on_a_small_machine(site: &Site, machine: Machine, memory: u32, command: &str) -> std::process::Output {
    const SMALL: &str = r#"mount --bind "$1/meminfo" /proc/meminfo
        mount --bind "$1/threads-max" /proc/sys/kernel/threads-max
        uid=$2; shift 2; exec setpriv --reuid "$uid" --regid "$uid" --clear-groups -- "$@""#;
    let place = site.place.path().join("small");
    if !place.exists() {
        std::fs::create_dir(&place).unwrap();
        std::fs::write(place.join("meminfo"), format!("MemTotal:   {memory} kB\n")).unwrap();
        std::fs::write(place.join("threads-max"), "400\n").unwrap();
        std::fs::set_permissions(&place, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let mut pace = site.command(machine, "check", &[("PACE_TEST_COMMAND", command)]);
    if machine == Machine::Sudo {
        // It says so itself, in there: a mount from outside would forbid that machine a process list of its own.
        return pace.env("SMALL", &place).output().unwrap();
    }
    let user = if site.user == User::Root { 0 } else { NOBODY };
    let mut small = Command::new("unshare");
    small.args(["--mount", "sh", "-ec", SMALL, "sh"]).arg(&place).arg(user.to_string());
    small.arg(pace.get_program()).args(pace.get_args());
    small.env_clear().envs(pace.get_envs().filter_map(|(name, value)| Some((name, value?))));
    small.current_dir(&site.project.dir).output().unwrap()
}

#[test]
fn a_swarm_is_ended_and_named() {
    for (user, machine) in HERE {
        let site = Site::new(user);
        site.take_back();
        site.project.write("bomb.sh", BOMB);
        site.hand_over();
        let began = Instant::now();
        let output = on_a_small_machine(&site, machine, 4_000_000, "sh bomb.sh 0");
        assert!(began.elapsed() < AT_ONCE, "{user:?} {machine:?}: {:?}", began.elapsed());
        let said = text(&output.stdout);
        assert!(
            said.contains(&format!("sandbox: {}", machine.sandbox())),
            "{user:?} {machine:?}: {}",
            told(&output)
        );
        assert!(said.contains("processes; 100 are allowed"), "{user:?} {machine:?}: {}", told(&output));
        assert!(!daemon_lives(&site), "{user:?} {machine:?}");
    }
}

#[test]
fn an_eater_of_memory_is_ended_and_named() {
    for (user, machine) in HERE {
        let site = Site::new(user);
        // A line without an end: `tail` must keep all of it.
        let output = on_a_small_machine(
            &site,
            machine,
            160_000,
            "head -c 300000000 /dev/zero | tail -n 1 | sleep 1000",
        );
        let said = text(&output.stdout);
        assert!(
            said.contains("MiB of memory; 140 MiB are allowed"),
            "{user:?} {machine:?}: {}",
            told(&output)
        );
        assert!(!daemon_lives(&site), "{user:?} {machine:?}");
    }
}

#[test]
fn folders_in_memory_have_their_shares() {
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap();
    let memory: u64 = memory.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    for machine in [Machine::Free, Machine::Sudo, Machine::Bubblewrap] {
        let site = Site::new(User::Nobody);
        let command = "df -k --output=size /tmp /dev/shm > src/sizes";
        let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", command)]);
        let sizes = site.project.read("src/sizes").unwrap_or_default();
        let sizes: Vec<u64> = sizes.lines().filter_map(|line| line.trim().parse().ok()).collect();
        let shares: Vec<u64> = sizes.iter().map(|size| (size * 100 + memory / 2) / memory).collect();
        assert_eq!(shares, [40, 20], "{machine:?}: {}", told(&output));
    }
}

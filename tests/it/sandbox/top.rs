//! The top of the work tree, in both tiers and as both users: files and folders are made, moved and removed there like
//! anywhere else, and what is git's, pace's or the pipeline's stays as it is, whatever name or race leads there.

use super::{Machine, Site, User, tell, text, told};

const ALL: [(User, Machine); 5] = [
    (User::Root, Machine::Free),
    (User::Nobody, Machine::Free),
    (User::Nobody, Machine::Sudo),
    (User::Root, Machine::Container),
    (User::Nobody, Machine::Container),
];

#[test]
fn what_is_made_at_the_top_works_and_leaves_the_rest_alone() {
    for (user, machine) in ALL {
        let site = Site::new(user);
        let before = site.outside();
        let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", "/usr/bin/python3 top.py")]);
        let results = site.project.read("results.txt").unwrap();
        let bad: Vec<_> =
            results.lines().filter(|line| line.contains(" ESCAPED") || line.contains(" BROKEN")).collect();
        assert!(
            bad.is_empty() && results.ends_with("end\n"),
            "{user:?} {machine:?}: {}\n{results}{}",
            bad.join("\n"),
            told(&output)
        );
        let count = |mark: &str| results.lines().filter(|line| line.contains(mark)).count();
        tell(&format!(
            "at the top {} held, {} work, {user:?}, {machine:?}",
            count(" held "),
            count(" works")
        ));
        assert!(count(" works") >= 14 && (machine.tier() == 1 || count(" held ") >= 38), "{results}");
        let kept = |path: &&std::path::PathBuf| !path.starts_with(&site.project.home);
        let after = site.outside();
        let paths = after.keys().chain(before.keys()).filter(kept);
        let changed: Vec<_> = paths.filter(|path| after.get(*path) != before.get(*path)).collect();
        assert!(changed.is_empty(), "{user:?} {machine:?}: {changed:?}");
        assert!(!site.project.dir.join(".pace/.run").exists(), "{user:?} {machine:?}: something is left");
    }
}

/// In a setup whose network is open too.
#[test]
fn what_is_refused_is_named() {
    let udp = "/usr/bin/python3 -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b\"x\", (\"192.0.2.1\", 9))'";
    for user in [User::Root, User::Nobody] {
        for (command, network, said) in [
            ("echo x > .gitmodules", "setup", "[pace: files: .gitmodules at the top of the repository stays"),
            ("mkdir .gitlab", "deny", "[pace: files: .gitlab at the top of the repository stays"),
            (
                "for i in $(seq 99); do echo x > f$i || exit 1; done",
                "deny",
                "64 new files and 24 new folders",
            ),
            (udp, "deny", "[pace: network: datagram to 192.0.2.1:9 refused"),
        ] {
            let site = Site::new(user);
            let env = [("PACE_SETUP_COMMAND", command), ("PACE_NETWORK", network)];
            let output = site.pace(Machine::Container, "check", &env);
            let all = text(&output.stdout) + &text(&output.stderr);
            assert!(all.contains(said), "{user:?} {command}: {}", told(&output));
        }
    }
}

/// Processes that are gone before anybody can end them: each has become another one by then.
#[test]
fn nobody_runs_away_from_the_end_of_a_command() {
    const CHAINS: &str =
        "/usr/bin/python3 hop.py & while [ ! -e src/hopping ]; do sleep 0.05; done; sleep 0.3";
    for (user, machine) in ALL {
        let site = Site::new(user);
        let output = site.pace(machine, "check", &[("PACE_TEST_COMMAND", CHAINS)]);
        assert!(
            text(&output.stdout).contains("starts: exit code 0"),
            "{user:?} {machine:?}: {}",
            told(&output)
        );
        // One look might miss one that hops.
        for _ in 0..50 {
            assert!(!super::daemon_lives(&site), "{user:?} {machine:?}: it outlived its command");
        }
    }
}

/// The same where a command ran out of time, by processes in pace's own group: of those some are nobody's but pace's.
#[test]
fn nobody_hides_in_paces_own_group() {
    for user in [User::Root, User::Nobody] {
        let site = Site::new(user);
        let command = "exec /usr/bin/python3 hop.py group";
        let env = [("PACE_TEST_COMMAND", command), ("PACE_TEST_TIMEOUT", "2s")];
        let output = site.pace(Machine::Container, "check", &env);
        assert!(text(&output.stdout).contains("timed out"), "{user:?}: {}", told(&output));
        assert!(site.project.dir.join("src/hopping").exists(), "{user:?}: {}", told(&output));
        for _ in 0..50 {
            assert!(!super::daemon_lives(&site), "{user:?}: it outlived its command");
        }
    }
}

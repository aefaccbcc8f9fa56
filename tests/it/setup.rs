//! What a setup may do that other commands may not, and what limits all of them: against the real binary, in both
//! tiers.

use std::fs;
use std::process::Output;

use crate::sandbox::{CANARY, Machine, Site, User, daemon_lives, text, told};

const TIERS: [(User, Machine); 3] =
    [(User::Nobody, Machine::Free), (User::Root, Machine::Free), (User::Nobody, Machine::Container)];

fn check(site: &Site, machine: Machine, setup: &str, tests: &str) -> Output {
    let env = [("PACE_SETUP_COMMAND", setup), ("PACE_TEST_COMMAND", tests)];
    site.pace(machine, "check", &env)
}

fn holds(output: &Output, words: &[&str]) {
    for word in words {
        assert!(text(&output.stdout).contains(word), "{word}: {}", told(output));
    }
    assert!(
        !text(&output.stdout).contains(CANARY) && !text(&output.stderr).contains(CANARY),
        "{}",
        told(output)
    );
}

#[test]
fn what_a_setup_fetches_lasts_and_is_used_by_tests_that_cannot_poison_it() {
    for (user, machine) in TIERS {
        let site = Site::new(user);
        fs::write(site.project.home.join(".cache/warm"), "warm\n").unwrap();
        site.hand_over();
        let setup = "mkdir -p node_modules/dep && echo dep >node_modules/dep/index && : cargo npm go \
                     && echo fetched >~/.cargo/registry/fetched && echo fetched >~/.npm/fetched && echo fetched >~/go/fetched";
        let tests = "cat ~/.cargo/registry/fetched ~/.npm/fetched ~/go/fetched ~/.cache/warm node_modules/dep/index || exit 40
             if echo poison 2>/dev/null >node_modules/dep/index; then exit 41; fi
             if rm -rf node_modules/dep 2>/dev/null; then exit 42; fi
             if mv node_modules elsewhere 2>/dev/null; then exit 43; fi
             echo tool >node_modules/.vite/tool || exit 44
             echo x >~/.cargo/registry/poison && echo y >~/.cache/written && cat ~/.cargo/registry/poison || exit 45";
        let output = check(&site, machine, setup, tests);
        holds(&output, &["succeeds", "starts: exit code 0"]);
        assert_eq!(site.project.read("node_modules/dep/index").as_deref(), Some("dep\n"));
        assert!(site.project.home.join(".cargo/registry/fetched").exists());
        let in_place = machine == Machine::Container;
        assert_eq!(site.project.home.join(".cargo/registry/poison").exists(), in_place, "{}", told(&output));
        assert_eq!(site.project.home.join(".cache/written").exists(), in_place);
        let says = text(&output.stdout).contains("tool caches are written in place");
        assert_eq!(says, in_place, "{}", told(&output));
    }
}

#[test]
fn a_setup_sees_no_credential_and_not_the_runners_own() {
    const PLACES: &[&str] = &[
        ".npmrc",
        ".netrc",
        ".git-credentials",
        ".aws/credentials",
        ".docker/config.json",
        ".config/gh/hosts.yml",
        ".kube/config",
        ".cargo/credentials.toml",
        ".m2/settings.xml",
        ".gradle/gradle.properties",
        ".pypirc",
    ];
    for (user, machine) in TIERS {
        let site = Site::new(user);
        for place in PLACES {
            let path = site.project.home.join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, CANARY).unwrap();
        }
        site.hand_over();
        let read: Vec<String> = PLACES.iter().map(|place| format!("~/{place}")).collect();
        let look = format!(
            "! cat {} \"$GITHUB_ENV\" 2>/dev/null | grep . && ! env | grep canary && ! touch .git/x .pace/x plan.yaml/x 2>/dev/null",
            read.join(" ")
        );
        let output = check(&site, machine, &look, &look);
        holds(&output, &["succeeds", "starts: exit code 0"]);
    }
}

#[test]
fn a_gigabyte_of_output_takes_no_memory_and_a_daemon_goes_with_its_command() {
    let site = Site::new(User::Nobody);
    let script =
        "(setsid sh -c 'trap \"\" TERM HUP; sleep 1000' >/dev/null 2>&1 &); head -c 1000000000 /dev/zero";
    for machine in [Machine::Free, Machine::Container] {
        // Far less than what is written: a binary that kept it could not go on.
        let output = check(&site, machine, "ulimit -n 256", script);
        holds(&output, &["starts: exit code 0"]);
        assert!(!daemon_lives(&site), "a daemon outlived its command");
    }
}

#[test]
fn too_many_processes_are_ended_and_named() {
    for machine in [Machine::Free, Machine::Container] {
        let site = Site::new(User::Nobody);
        let swarm = "i=0; while test $i -lt 1400; do sleep 1000 & i=$((i + 1)); done; wait";
        let env = [("PACE_SETUP_COMMAND", swarm), ("PACE_TEST_COMMAND", "true")];
        let output = site.pace(machine, "check", &env);
        assert_eq!(output.status.code(), Some(2), "{}", told(&output));
        for words in ["failed (ended by signal 9)", "processes; 1024 are allowed"] {
            assert!(text(&output.stdout).contains(words), "{}", told(&output));
        }
        assert!(!daemon_lives(&site));
    }
}

//! Sockets of a confined child, in both tiers and as both users: its own servers work, everything else is out of
//! reach however it is named and whatever changes meanwhile, and opened hosts are reached at their ports alone.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use super::{Machine, Site, User, tell, told};

const LOOP: &str = "/usr/bin/python3 network.py loop";
const ALL: [(User, Machine); 4] = [
    (User::Root, Machine::Free),
    (User::Nobody, Machine::Free),
    (User::Root, Machine::Container),
    (User::Nobody, Machine::Container),
];

#[test]
fn roots_sockets_stay_in_tier_1() {
    own_and_others(User::Root, Machine::Free);
}

#[test]
fn an_unprivileged_users_sockets_stay_in_tier_1() {
    own_and_others(User::Nobody, Machine::Free);
}

#[test]
fn roots_sockets_stay_in_tier_2() {
    own_and_others(User::Root, Machine::Container);
}

#[test]
fn an_unprivileged_users_sockets_stay_in_tier_2() {
    own_and_others(User::Nobody, Machine::Container);
}

#[test]
fn an_unprivileged_users_sockets_stay_in_a_tier_1_that_sudo_made() {
    own_and_others(User::Nobody, Machine::Sudo);
}

fn own_and_others(user: User, machine: Machine) {
    let site = Site::new(user);
    let results = run(&site, machine, "own", &[]);
    let count = |mark: &str| results.lines().filter(|line| line.contains(mark)).count();
    tell(&format!("{} sockets held, {} worked, {user:?}, {machine:?}", count(" held "), count(" works")));
    let held = if machine.tier() == 2 { 50 } else { 35 };
    assert!(count(" held ") >= held && count(" works") >= 20, "{results}");
    assert!(site.tcp.accept().is_err() && site.unix.accept().is_err(), "a listener was reached:\n{results}");
    assert!(site.udp.recv(&mut [0; 16]).is_err(), "a datagram came through:\n{results}");
    assert!(site.datagrams.recv(&mut [0; 16]).is_err(), "a Unix datagram came through:\n{results}");
}

/// Whom an open network is open to still reaches no service of the machine by its path.
#[test]
fn an_open_network_opens_no_unix_socket() {
    for (user, machine) in ALL {
        let site = Site::new(user);
        run(&site, machine, "pairs", &[("PACE_NETWORK", "allow")]);
        assert!(
            site.datagrams.recv(&mut [0; 16]).is_err(),
            "{user:?} {machine:?}: a Unix datagram came through"
        );
    }
}

#[test]
fn opened_hosts_are_reached_at_their_ports_alone() {
    let allowed = serve();
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    other.set_nonblocking(true).unwrap();
    let closed = other.local_addr().unwrap().port();
    for (user, machine) in ALL {
        for (name, open) in
            [("localhost", format!("localhost:{allowed}")), ("127.0.0.1", format!("127.0.0.1:{allowed}"))]
        {
            let site = Site::new(user);
            let results =
                run(&site, machine, &format!("hosts {name} {allowed} {closed}"), &[("PACE_NETWORK", &open)]);
            assert!(results.contains("+by_name works"), "{user:?} {machine:?}\n{results}");
            assert!(other.accept().is_err(), "{user:?} {machine:?}: another port was reached\n{results}");
            assert!(site.udp.recv(&mut [0; 16]).is_err(), "a datagram came through:\n{results}");
        }
    }
}

/// A name that the machine knows stands for an address of its own in tier 1, and is found in its hosts file in tier 2.
#[test]
fn opened_hosts_are_reached_by_name() {
    let (name, allowed) = (own_name(), serve());
    let other = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    other.set_nonblocking(true).unwrap();
    let closed = other.local_addr().unwrap().port();
    for (user, machine) in ALL {
        let site = Site::new(user);
        let open = format!("{name}:{allowed}");
        let results =
            run(&site, machine, &format!("hosts {name} {allowed} {closed}"), &[("PACE_NETWORK", &open)]);
        assert!(other.accept().is_err(), "{user:?} {machine:?}: another port was reached\n{results}");
    }
}

#[test]
fn without_its_supervisor_a_child_reaches_nobody() {
    for (user, machine) in ALL {
        let site = Site::new(user);
        std::thread::scope(|scope| {
            let pace = scope.spawn(|| site.pace(machine, "check", &[("PACE_TEST_COMMAND", LOOP)]));
            while !site.project.read("results.txt").unwrap_or_default().contains("looping") {
                assert!(!pace.is_finished(), "it ended before the loop began");
                std::thread::sleep(Duration::from_millis(20));
            }
            let helper = helper_of(&site);
            rustix::process::kill_process(helper, rustix::process::Signal::KILL).unwrap();
            let output = pace.join().unwrap();
            assert!(site.tcp.accept().is_err(), "the listener was reached: {}", told(&output));
        });
        assert!(!super::daemon_lives(&site), "the child outlived its supervisor");
    }
}

/// What the child wrote into its results, none of which may be bad.
fn run(site: &Site, machine: Machine, task: &str, env: &[(&str, &str)]) -> String {
    let command = format!("/usr/bin/python3 network.py {task}");
    let mut all = vec![("PACE_TEST_COMMAND", command.as_str())];
    all.extend(env);
    let output = site.pace(machine, "check", &all);
    let results = site.project.read("results.txt").unwrap();
    let bad: Vec<_> =
        results.lines().filter(|line| line.contains(" ESCAPED") || line.contains(" BROKEN")).collect();
    assert!(bad.is_empty() && results.ends_with("end\n"), "{}\n{results}{}", bad.join("\n"), told(&output));
    results
}

/// A server on loopback that says hello; its port.
fn serve() -> u16 {
    let server = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = server.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in server.incoming() {
            let _ = client.and_then(|mut client| client.write_all(b"hello"));
        }
    });
    port
}

/// A name of the hosts file, other than `localhost`, that is on loopback.
fn own_name() -> String {
    let text = std::fs::read_to_string("/etc/hosts").unwrap();
    let mut lines = text.lines().filter(|line| line.starts_with("127."));
    let name = lines.find_map(|line| line.split_whitespace().skip(1).find(|name| *name != "localhost"));
    let Some(name) = name else { panic!("/etc/hosts gives this machine no name on loopback") };
    name.to_owned()
}

/// The process that supervises the site's child: pace's own, by the helper's name.
fn helper_of(site: &Site) -> rustix::process::Pid {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().map(Result::unwrap) {
        let name = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)).unwrap_or("0");
        let at = std::fs::read_link(format!("/proc/{parent}/cwd")).unwrap_or_default();
        if name.starts_with(b"pace: confine\0") && at.starts_with(&site.project.dir) {
            found.push(entry.file_name().to_str().unwrap().parse().unwrap());
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    rustix::process::Pid::from_raw(found[0]).unwrap()
}

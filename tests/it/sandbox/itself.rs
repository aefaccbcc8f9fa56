//! pace's own binary where a child may write it, as an action's input may have it: whatever a command puts in its place is
//! never run, neither as root nor within fewer walls.

use std::os::unix::fs::PermissionsExt;

use super::{Machine, PACE, Site, User, copy_program, text, told};

/// Puts another program where the kernel says that a removed binary was, and one where it was.
const SWAP: &str = "rm tools/pace && cp tools/evil 'tools/pace (deleted)' && cp tools/evil tools/pace";

#[test]
fn what_a_command_puts_in_its_place_is_never_run() {
    for (user, machine) in [
        (User::Nobody, Machine::Free),
        (User::Nobody, Machine::Sudo),
        (User::Nobody, Machine::Bubblewrap),
        (User::Nobody, Machine::Container),
    ] {
        let mut site = Site::new(user);
        let tools = site.project.dir.join("tools");
        std::fs::create_dir(&tools).unwrap();
        let evil = format!("#!/bin/sh\nid -u >> {}\n", site.project.dir.join("src/evil").display());
        std::fs::write(tools.join("evil"), evil).unwrap();
        std::fs::set_permissions(tools.join("evil"), PermissionsExt::from_mode(0o755)).unwrap();
        site.pace = tools.join("pace");
        copy_program(PACE.as_ref(), &site.pace);
        site.hand_over();
        let commands = [("PACE_SETUP_COMMAND", SWAP), ("PACE_TEST_COMMAND", "echo ran > src/ran")];
        let output = site.pace(machine, "check", &commands);
        assert!(
            text(&output.stdout).contains(&format!("sandbox: {}", machine.sandbox())),
            "{machine:?}: {}",
            told(&output)
        );
        assert!(tools.join("pace (deleted)").exists(), "{machine:?}: {}", told(&output));
        assert_eq!(site.project.read("src/evil"), None, "{machine:?}: {}", told(&output));
        assert_eq!(site.project.read("src/ran").as_deref(), Some("ran\n"), "{machine:?}: {}", told(&output));
    }
}

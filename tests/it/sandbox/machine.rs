//! Machines that allow more or less than this one, for the binary under test: how it is started so that the kernel refuses
//! it what such a machine refuses.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use seccompiler::{SeccompAction, SeccompFilter, TargetArch, apply_filter};

use super::NOBODY;
use crate::traced::{self, Call, Then};

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
    /// The same on a kernel without Landlock.
    NoLandlock,
    /// Nobody leaves a namespace for another but `bwrap`, which is born in its own.
    Bubblewrap,
    /// No user namespace for anybody, and everybody may become root, as on hosted runners.
    Sudo,
    /// No namespaces, no mounts: tier 2.
    Container,
    /// A container on a kernel whose Landlock does not hold signals (before Linux 6.12).
    Aged,
    /// A container on a kernel without Landlock.
    Old,
}

impl Machine {
    pub(crate) const fn tier(self) -> u8 {
        match self {
            Self::Free | Self::NoLandlock | Self::Bubblewrap | Self::Sudo => 1,
            Self::Container | Self::Aged | Self::Old => 2,
        }
    }

    /// How pace calls the sandbox that it must have there.
    pub(crate) const fn sandbox(self) -> &'static str {
        match self {
            Self::Free => "tier 1 (namespaces, Landlock, seccomp)",
            Self::NoLandlock => "tier 1 (namespaces, seccomp)",
            Self::Bubblewrap => "tier 1 (namespaces made by bwrap, Landlock, seccomp)",
            Self::Sudo => "tier 1 (namespaces made by sudo, Landlock, seccomp)",
            Self::Container | Self::Aged | Self::Old => "tier 2 (Landlock, seccomp)",
        }
    }

    /// System calls that fail there.
    fn refused(self) -> &'static [libc::c_long] {
        match self {
            Self::Free | Self::Sudo => &[],
            Self::Bubblewrap => &[libc::SYS_unshare, libc::SYS_setns],
            Self::NoLandlock => &[libc::SYS_landlock_create_ruleset],
            Self::Container | Self::Aged => &[libc::SYS_unshare, libc::SYS_mount, libc::SYS_setns],
            Self::Old => {
                &[libc::SYS_unshare, libc::SYS_mount, libc::SYS_setns, libc::SYS_landlock_create_ruleset]
            }
        }
    }
}

/// A user namespace that knows every user and allows no further one, with a rule for sudo. It is entered by a program, so
/// that another process can say who is who in there.
const EXHAUSTED: &str = r#"
if [ "$1" = inside ]; then
    echo 0 >/proc/sys/user/max_user_namespaces
    mount --bind "$RULE" /etc/sudoers
    if [ "$SMALL" ]; then
        mount --bind "$SMALL/meminfo" /proc/meminfo
        mount --bind "$SMALL/threads-max" /proc/sys/kernel/threads-max
    fi
    pace=$BECOME verb=$VERB
    unset BECOME VERB RULE SMALL
    exec setpriv --reuid "$2" --regid "$2" --clear-groups -- "$pace" "$verb"
fi
unshare --user --mount sh -c 'while ! grep -q 65536 /proc/self/uid_map; do sleep 0.01; done; exec sh -ec "$1" sh inside "$2"' \
    sh "$2" "$3" &
until [ "$(readlink /proc/$!/ns/user)" != "$(readlink /proc/self/ns/user)" ]; do sleep 0.01; done
echo '0 0 65536' >/proc/$!/gid_map
echo '0 0 65536' >/proc/$!/uid_map
wait $!
"#;

/// `pace VERB` on such a machine. This test binary starts itself, gives up what the machine does not allow, and
/// becomes pace.
#[expect(clippy::disallowed_methods, reason = "a black-box test starts the binary itself")]
pub(super) fn in_a(machine: Machine, pace: &Path, verb: &str) -> Command {
    let mut command = match machine {
        Machine::Free => Command::new(pace),
        Machine::Sudo => {
            let rule = pace.with_file_name("sudoers");
            if !rule.exists() {
                std::fs::write(&rule, format!("#{NOBODY} ALL=(ALL) NOPASSWD: ALL\n")).unwrap();
                std::fs::set_permissions(&rule, std::os::unix::fs::PermissionsExt::from_mode(0o440)).unwrap();
            }
            std::os::unix::fs::chown(&rule, Some(0), Some(0)).unwrap();
            let mut command = Command::new("sh");
            command.args(["-ec", EXHAUSTED, "sh", "outside", EXHAUSTED, &NOBODY.to_string()]);
            command.env_clear().env("RULE", rule);
            command
        }
        Machine::NoLandlock | Machine::Bubblewrap | Machine::Container | Machine::Aged | Machine::Old => {
            let me = pace.with_file_name("tests");
            if !me.exists() {
                copy_program(&std::env::current_exe().unwrap(), &me);
            }
            let mut command = Command::new(me);
            command.args(["--exact", "sandbox::machine::become_pace", "--ignored", "--nocapture"]);
            let refused: Vec<_> = machine.refused().iter().map(ToString::to_string).collect();
            let drops = machine.tier() == 2;
            command.env_clear().env("REFUSED", refused.join(" ")).env("DROPS", drops.to_string());
            if machine == Machine::Aged {
                command.env("LANDLOCK", "5");
            }
            command
        }
    };
    if machine == Machine::Free {
        command.env_clear().arg(verb);
    } else {
        command.env("BECOME", pace).env("VERB", verb);
    }
    command
}

/// Starts it as an unprivileged user.
pub(super) fn as_nobody(command: &mut Command, machine: Machine) {
    // There the user is another only inside.
    if machine != Machine::Sudo {
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// No test by itself: see [`in_a`].
#[test]
#[ignore = "started by the other tests"]
#[expect(clippy::disallowed_methods, clippy::exit, reason = "it becomes the binary under test")]
fn become_pace() {
    let variable = |name| crate::binary::own_variable(name);
    let Some(pace) = variable("BECOME") else { return };
    if rustix::process::getuid().is_root() && variable("DROPS").as_deref() == Some("true") {
        for bit in 0..41 {
            let one = CapabilitySet::from_bits_retain(1 << bit);
            if !CONTAINER.contains(one) {
                let _ = remove_capability_from_bounding_set(one);
            }
        }
    }
    let refused = variable("REFUSED").unwrap();
    let rules = refused.split(' ').map(|call| (call.parse().unwrap(), vec![])).collect();
    let arch = TargetArch::try_from(std::env::consts::ARCH).unwrap();
    let refuse = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, arch).unwrap();
    apply_filter(&seccompiler::BpfProgram::try_from(filter).unwrap()).unwrap();
    let mut command = Command::new(pace);
    command.arg(variable("VERB").unwrap());
    for name in ["BECOME", "VERB", "REFUSED", "DROPS", "LANDLOCK"] {
        command.env_remove(name);
    }
    if let Some(abi) = variable("LANDLOCK") {
        let abi: i32 = abi.parse().unwrap();
        let asks_for_it = |call: &Call| call.arguments[2] & 1 == 1;
        let code = traced::with_children(&mut command, &[libc::SYS_landlock_create_ruleset], |call| {
            if asks_for_it(call) { Then::Fail(-abi) } else { Then::Go }
        });
        std::process::exit(code);
    }
    panic!("{}", command.exec());
}

/// Copies in a process of its own: a file that this one had open for writing, some other test's child may still
/// have, and it could not be started.
#[expect(clippy::disallowed_methods, reason = "a test may start programs")]
pub(super) fn copy_program(from: &Path, to: &Path) {
    let status = Command::new("install").args(["-m", "755"]).args([from, to]).status().unwrap();
    assert!(status.success());
}

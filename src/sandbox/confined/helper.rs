//! The re-executed binary: confines itself, then becomes the child. It runs on one thread and sees nothing of
//! pace but its order. In order: namespaces, mounts, capabilities, `no_new_privs`, Landlock, seccomp, shell.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};

use anyhow::Context;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};
use rustix::process::{DumpableBehavior, Signal, WaitOptions};
use rustix::thread::UnshareFlags;

use super::order::{CONFINED, INIT, Order, SIGNAL, Task, Tier};
use super::{calls, files, mounts, powers, probe, raw};

/// What a helper that could not confine ends with; pace reads the reason from the helper's socket.
const REFUSED: u8 = 125;

/// Runs the helper that `name` (argument 0) asks for; its exit code.
pub(crate) fn main(name: &str) -> u8 {
    let done = if name == INIT { init() } else { outer() };
    done.unwrap_or_else(|error| {
        tell(&format!("{error:#}"));
        REFUSED
    })
}

/// Says something to pace over the socket that is standard input.
fn tell(text: &str) {
    // If pace is gone there is nobody to tell.
    let _ = rustix::io::write(std::io::stdin().as_fd(), text.as_bytes());
}

/// The next order. Not through a buffer, which would swallow the one behind it.
fn order() -> anyhow::Result<Order> {
    Order::receive(fs::File::from(std::io::stdin().as_fd().try_clone_to_owned()?))
}

/// Makes the namespaces and mounts; without namespaces it becomes the child itself.
fn outer() -> anyhow::Result<u8> {
    raw::close_rest_on_exec().context("open files cannot be closed")?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let order = order()?;
    let Tier::Namespaces { user } = order.tier else {
        confine(&order)?;
        return carry_out(order);
    };
    separate(user, order.network)?;
    mounts::arrange(&order)?;
    powers::hand_down_mounting()?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // The path is resolved by the new process, so it is its own `/proc/self`.
    #[expect(clippy::disallowed_methods, reason = "the sandbox starts its own inner helper")]
    let mut init = std::process::Command::new("/proc/self/exe")
        .arg0(INIT)
        .stdin(Stdio::from(std::io::stdin().as_fd().try_clone_to_owned()?))
        .spawn()
        .context("the first process of the namespace cannot be started")?;
    raw::ignore_term();
    let status = init.wait().context("the first process of the namespace was lost")?;
    Ok(code(status))
}

/// New namespaces for this process and those that it starts.
fn separate(user: bool, network: bool) -> anyhow::Result<()> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let mut flags = UnshareFlags::NEWNS | UnshareFlags::NEWPID | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    if user {
        raw::unshare(UnshareFlags::NEWUSER).context("user namespaces are not allowed")?;
        fs::write("/proc/self/setgroups", "deny").context("user namespaces cannot be set up")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")).context("the user cannot be mapped")?;
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")).context("the group cannot be mapped")?;
    }
    if !network {
        flags |= UnshareFlags::NEWNET;
    }
    raw::unshare(flags).context("namespaces are not allowed")?;
    if !network {
        raise_loopback().context("the loopback of a network namespace cannot be used")?;
    }
    Ok(())
}

/// Switches the namespace's own loopback on: one `RTM_NEWLINK` message of rtnetlink(7).
fn raise_loopback() -> anyhow::Result<()> {
    const NEW_LINK: u16 = 16;
    const REQUEST_AND_ACKNOWLEDGE: u16 = 1 | 4;
    const LENGTH: u32 = 32;
    const FIRST: i32 = 1;
    const UP: u32 = 1;
    let mut message = Vec::new();
    message.extend(LENGTH.to_ne_bytes());
    message.extend(NEW_LINK.to_ne_bytes());
    message.extend(REQUEST_AND_ACKNOWLEDGE.to_ne_bytes());
    // Sequence number, sender; then family, padding and type of the link.
    message.extend([0; 8 + 4]);
    message.extend(FIRST.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    message.extend(UP.to_ne_bytes());
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    send(&socket, &message, SendFlags::empty())?;
    let mut answer = [0; 256];
    let (length, _) = recv(&socket, &mut answer, RecvFlags::empty())?;
    let error = answer.get(16..20).filter(|_| length >= 20).and_then(|bytes| bytes.try_into().ok());
    match error.map(i32::from_ne_bytes) {
        Some(0) => Ok(()),
        Some(error) => Err(std::io::Error::from_raw_os_error(-error).into()),
        None => anyhow::bail!("the kernel gave no answer"),
    }
}

/// The first process of the new process namespace: when it ends, so does everything in there.
fn init() -> anyhow::Result<u8> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let order = order()?;
    mounts::show_own_processes()?;
    confine(&order)?;
    let Task::Shell { script } = &order.task else { return carry_out(order) };
    // What it starts must not look into it: the child's exit code goes through here.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let child = shell(script).stdin(Stdio::null()).spawn().context("the shell cannot be started")?;
    tell(CONFINED);
    let child = rustix::process::Pid::from_child(&child);
    loop {
        // Also whoever was left behind by its parent is waited for.
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if pid == child => {
                return Ok(code(ExitStatus::from_raw(status.as_raw())));
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).context("the shell was lost"),
        }
    }
}

/// Its exit code; a signal is told to pace, since the exit code of a helper cannot.
fn code(status: ExitStatus) -> u8 {
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code & 0xff).unwrap_or(REFUSED),
        (None, Some(signal)) => {
            tell(&format!("{SIGNAL}{signal}\n"));
            u8::try_from(128 + signal).unwrap_or(REFUSED)
        }
        (None, None) => REFUSED,
    }
}

/// The walls that hold whatever the mounts are.
fn confine(order: &Order) -> anyhow::Result<()> {
    powers::drop_powers()?;
    rustix::thread::set_no_new_privs(true)?;
    files::restrict(order)?;
    let own_loopback = matches!(order.tier, Tier::Namespaces { .. });
    let sockets = if own_loopback || order.network { calls::Sockets::Internet } else { calls::Sockets::None };
    calls::restrict(sockets)
}

/// Does what was ordered, in this process.
fn carry_out(order: Order) -> anyhow::Result<u8> {
    match order.task {
        Task::Shell { script } => {
            tell(CONFINED);
            let null = fs::File::open("/dev/null").context("/dev/null")?;
            rustix::stdio::dup2_stdin(&null)?;
            Err(shell(&script).exec()).context("the shell cannot be started")
        }
        Task::Probe(bait) => {
            tell(CONFINED);
            let found = probe::escape(&bait, &order.rooms);
            let mut out = std::io::stdout().lock();
            out.write_all(&serde_json::to_vec(&found)?).and_then(|()| out.flush())?;
            Ok(0)
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that becomes a confined child")]
fn shell(script: &str) -> std::process::Command {
    let mut shell = std::process::Command::new("/bin/sh");
    shell.arg("-c").arg(script);
    shell
}

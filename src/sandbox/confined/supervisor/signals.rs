//! Signals, where neither a process namespace nor Landlock (before ABI 6, Linux 6.12) holds them: a child signals its
//! command's own processes and nobody else. Must not know what they are for.
//!
//! Every process of the command descends from this one, which adopts whom the others leave behind. The kernel makes the
//! call once it was looked at; a number that means another process by then would have had to go round all numbers.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid};

use super::{Call, Supervisor, number};
use crate::sandbox::tree::{self, Stat};

/// No honest family is deeper.
const DEEPEST: usize = 10_000;

impl Supervisor {
    /// Answers a call that names whom it signals.
    pub(super) fn signal(&self, call: &Call) {
        let argument = |index: usize| number(call.arguments[index]).cast_signed();
        let named = match call.number {
            libc::SYS_kill => target(argument(0), call.thread),
            libc::SYS_fcntl => target(argument(2), call.thread),
            _ => Some(Target::Process(argument(0))),
        };
        let done = match named {
            Some(Target::Process(process)) if is_ours(process, call.thread) => Ok(true),
            Some(Target::Group(group)) => self.may_reach(group, call),
            _ => Err(Errno::PERM),
        };
        match done {
            Ok(true) => self.listener.proceed(call),
            Ok(false) => self.listener.answer(call, Ok(())),
            Err(error) => self.listener.answer(call, Err(error)),
        }
    }

    /// Whether the kernel may signal all of `group`. This process is in the first one of its command: there the others get
    /// the signal from it.
    fn may_reach(&self, group: i32, call: &Call) -> Result<bool, Errno> {
        let members: Vec<Stat> =
            tree::processes().map_err(|_| Errno::PERM)?.filter(|process| process.group == group).collect();
        let me = getpid().as_raw_nonzero().get();
        let (own, others): (Vec<_>, Vec<_>) = members.iter().partition(|member| descends(member.pid));
        match others.iter().all(|other| other.pid == me) {
            false => Err(Errno::PERM),
            true if others.is_empty() => Ok(true),
            true if call.number != libc::SYS_kill => Err(Errno::PERM),
            true => {
                let signal = number(call.arguments[1]).cast_signed();
                for pid in own.iter().filter_map(|member| Pid::from_raw(member.pid)) {
                    send(pid, signal)?;
                }
                Ok(false)
            }
        }
    }
}

/// One that ended meanwhile needs none. Number 0 only asks.
fn send(pid: Pid, signal: i32) -> Result<(), Errno> {
    let Some(signal) = Signal::from_named_raw(signal) else {
        return if signal == 0 { Ok(()) } else { Err(Errno::INVAL) };
    };
    match rustix::process::kill_process(pid, signal) {
        Err(Errno::SRCH) => Ok(()),
        sent => sent,
    }
}

/// Whom kill(2) and `F_SETOWN` mean.
enum Target {
    Process(i32),
    Group(i32),
}

/// `None` for all processes at once, and for a caller that is gone.
fn target(named: i32, caller: u32) -> Option<Target> {
    match named {
        -1 | i32::MIN => None,
        0 => Some(Target::Group(tree::stat_of(leader(caller)?)?.group)),
        1.. => Some(Target::Process(named)),
        _ => Some(Target::Group(-named)),
    }
}

/// Whether the process or thread `named` is one of the command's.
fn is_ours(named: i32, caller: u32) -> bool {
    let Some(process) = u32::try_from(named).ok().and_then(leader) else {
        // Nobody: the kernel says so.
        return named > 0;
    };
    leader(caller) == Some(process) || descends(process)
}

/// The process of a thread.
fn leader(thread: u32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

/// Whether `process` is below this one.
fn descends(process: i32) -> bool {
    let me = getpid().as_raw_nonzero().get();
    let parents = std::iter::successors(tree::stat_of(process), |stat| tree::stat_of(stat.parent));
    parents.take(DEEPEST).any(|stat| stat.parent == me)
}

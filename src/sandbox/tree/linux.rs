//! Processes as Linux shows them: in `/proc`, with pace as the subreaper of those that detach.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use rustix::process::Pid;

use super::Member;

/// Whether whoever detaches from a command becomes a child of this process.
static ADOPTS: LazyLock<bool> = LazyLock::new(|| {
    let adopts = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    if let Err(error) = adopts {
        tracing::warn!("daemons that a command leaves behind may outlive it: {error}");
    }
    adopts.is_ok()
});

/// Makes this process the parent of whoever detaches from a command.
pub(super) fn adopt_orphans() {
    LazyLock::force(&ADOPTS);
}

/// Whether this process has no child at all, not even one that ended: whoever a command leaves behind becomes one, so
/// nobody is left.
pub(super) fn childless() -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    *ADOPTS && waitid(WaitId::All, options).is_err_and(|error| error == rustix::io::Errno::CHILD)
}

/// Processes and threads of the whole machine; the kernel's number ends at 65535.
pub(super) fn running_on_machine() -> usize {
    usize::from(rustix::system::sysinfo().procs)
}

/// The children of this process that have not ended.
pub(in crate::sandbox) fn children() -> Vec<Pid> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let all = processes().into_iter().flatten();
    all.filter(|process| process.parent == me && !process.zombie)
        .filter_map(|process| Pid::from_raw(process.pid))
        .collect()
}

/// All processes of the tree below `shell`; `None` where `/proc` cannot be read.
pub(super) fn members(shell: Pid) -> Option<Vec<Member>> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let my_group = rustix::process::getpgrp().as_raw_nonzero().get();
    let shell = shell.as_raw_nonzero().get();
    let all: Vec<Stat> = processes().ok()?.collect();
    // Children of pace in pace's own group were not started by a command.
    let mut found: Vec<&Stat> = all
        .iter()
        .filter(|p| {
            (p.parent == me && p.group != my_group)
                || p.pid == shell
                || p.group == shell
                || p.session == shell
        })
        .collect();
    // A swarm has thousands: every process is looked at once.
    let mut children: HashMap<i32, Vec<&Stat>> = HashMap::new();
    for p in &all {
        children.entry(p.parent).or_default().push(p);
    }
    let mut known: HashSet<i32> = found.iter().map(|p| p.pid).collect();
    let mut next = 0;
    while next < found.len() {
        let below = children.get(&found[next].pid).into_iter().flatten();
        let new: Vec<&Stat> = below.copied().filter(|p| known.insert(p.pid)).collect();
        found.extend(new);
        next += 1;
    }
    Some(found.iter().filter_map(|p| p.member(me, shell)).collect())
}

/// Every process of the machine that is there while `/proc` is read.
pub(in crate::sandbox) fn processes() -> std::io::Result<impl Iterator<Item = Stat>> {
    let ids = std::fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(ids.filter_map(stat_of))
}

/// What `/proc/PID/stat` says, as proc_pid_stat(5) describes it.
pub(in crate::sandbox) struct Stat {
    pub pid: i32,
    zombie: bool,
    pub parent: i32,
    pub group: i32,
    session: i32,
    /// Bytes.
    resident: u64,
}

impl Stat {
    fn member(&self, me: i32, shell: i32) -> Option<Member> {
        Some(Member {
            pid: Pid::from_raw(self.pid)?,
            zombie: self.zombie,
            adopted: self.parent == me && self.pid != shell,
            resident: self.resident,
        })
    }
}

/// `None` where the process is gone.
pub(in crate::sandbox) fn stat_of(pid: i32) -> Option<Stat> {
    let line = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let line = String::from_utf8_lossy(&line);
    // The program's name stands in parentheses and may itself hold some.
    let mut fields = line.rsplit_once(") ")?.1.split_ascii_whitespace();
    let state = fields.next()?;
    let mut number = || fields.next()?.parse().ok();
    let (parent, group, session) = (number()?, number()?, number()?);
    // `rss` is the 24th field, 17 behind `session`.
    let pages: u64 = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        pid,
        zombie: matches!(state, "Z" | "X"),
        parent,
        group,
        session,
        resident: pages * rustix::param::page_size() as u64,
    })
}

//! What belongs to a command: its process tree, daemons included, and how all of it ends.
//!
//! On Linux pace makes itself the subreaper: whoever detaches from a command (double fork, `setsid`) becomes a
//! child of pace instead of getting lost, and is found in `/proc`. Commands take turns, so that everything
//! found belongs to the one that runs now.
//!
//! Limits: a process of another user cannot be signalled, and one that hangs in the kernel dies only when the
//! kernel lets go; both are given up on after [`PATIENCE`]. A child that joins pace's own process group is
//! taken for pace's own. Where there is no `/proc` (other systems) the process group is all that is known, so
//! a daemon with a session of its own gets away. The output pipe is given up on in any case.

#[cfg(target_os = "linux")]
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How long an ended tree is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(2);

/// Processes that a command may have at a time, on a machine that is not small.
const MOST_PROCESSES: usize = 1024;

/// What a command may have at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Bytes of resident memory; `None` where the machine does not tell what it has.
    pub memory: Option<u64>,
    pub processes: usize,
}

impl Limits {
    /// What this machine can bear.
    pub(super) fn of_machine() -> Self {
        Self { memory: memory_limit(), processes: most_processes() }
    }
}

/// What a tree has too much of.
#[derive(Debug)]
pub(super) enum Excess {
    /// Bytes.
    Memory {
        used: u64,
        limit: u64,
    },
    Processes {
        count: usize,
        limit: usize,
    },
}

/// The right to run a command; one at a time in this process.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Waits for the right to run a command.
pub(super) async fn turn() -> Turn {
    static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(|| {
        adopt_orphans();
        Arc::default()
    });
    Arc::clone(&TURN).lock_owned().await
}

/// Notices that processes multiply: by one number of the kernel's, which is there at once however many want to run. A look
/// at all processes may take seconds by then.
#[derive(Debug)]
pub(super) struct Swarm {
    /// Above so many on the whole machine the command has a crowd, of processes or threads, or somebody else has.
    crowd: usize,
    /// Above so many it is worth a look at once.
    look_above: usize,
    step: usize,
}

impl Swarm {
    /// From now on; `limits` are those of the command that begins.
    pub(super) fn watch(limits: Limits) -> Self {
        let step = limits.processes / 4;
        let crowd = running_on_machine().saturating_add(step);
        Self { crowd, look_above: crowd, step }
    }

    /// Whether the tree must stand still to be looked at: a crowd that wants to run leaves no time for looking.
    pub(super) fn is_crowd(&self) -> bool {
        running_on_machine() > self.crowd
    }

    /// Whether so many came since the last look that the next cannot wait.
    pub(super) fn grows(&mut self) -> bool {
        let now = running_on_machine();
        let grows = now > self.look_above;
        if grows {
            // They may be another's, or threads: the next look is due when as many came again.
            self.look_above = now.saturating_add(self.step);
        }
        grows
    }
}

/// Processes and threads of the whole machine; the kernel's number ends at 65535.
#[cfg(target_os = "linux")]
fn running_on_machine() -> usize {
    usize::from(rustix::system::sysinfo().procs)
}

#[cfg(not(target_os = "linux"))]
fn running_on_machine() -> usize {
    0
}

/// The process tree of one shell. Dropping it ends the whole tree; that blocks for at most [`PATIENCE`] and,
/// unless something cannot be killed, for some milliseconds.
pub(super) struct Tree {
    shell: Pid,
    _turn: Turn,
}

impl Tree {
    /// The tree below the shell with this process id, which leads its own process group.
    pub(super) fn of(shell: Option<u32>, turn: Turn) -> anyhow::Result<Self> {
        let shell = shell
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw)
            .context("the shell ended before it was known")?;
        Ok(Self { shell, _turn: turn })
    }

    /// Sends TERM to every process of the tree.
    pub(super) fn ask_to_end(&self) {
        self.signal(Signal::TERM);
    }

    /// Whether any process of the tree still runs.
    pub(super) fn alive(&self) -> bool {
        match members(self.shell) {
            Some(members) => members.iter().any(|member| !member.zombie),
            None => rustix::process::test_kill_process_group(self.shell).is_ok(),
        }
    }

    /// What the tree has too much of, if anything; `hold`: it stands still meanwhile, and what has too much is not let
    /// go again.
    pub(super) fn excess(&self, limits: Limits, hold: bool) -> Option<Excess> {
        if hold {
            // An error means that it is gone.
            let _ = rustix::process::kill_process_group(self.shell, Signal::STOP);
        }
        let excess = self.measure(limits);
        if hold && excess.is_none() {
            let _ = rustix::process::kill_process_group(self.shell, Signal::CONT);
        }
        excess
    }

    /// Resident memory counts, never address space: the JVM, Go and
    /// Node reserve terabytes. Pages that processes share are counted for each of them.
    fn measure(&self, limits: Limits) -> Option<Excess> {
        let members = members(self.shell)?;
        let count = members.iter().filter(|member| !member.zombie).count();
        if count > limits.processes {
            return Some(Excess::Processes { count, limit: limits.processes });
        }
        let limit = limits.memory?;
        let used = members.iter().map(|member| member.resident).sum::<u64>();
        (used > limit).then_some(Excess::Memory { used, limit })
    }

    /// Signals all that are found now; how many ran.
    fn signal(&self, signal: Signal) -> usize {
        // An error means that the process is gone or another user's: the next look tells.
        let _ = rustix::process::kill_process_group(self.shell, signal);
        let mut running = 0;
        for member in members(self.shell).unwrap_or_default() {
            if !member.zombie {
                running += 1;
                let _ = rustix::process::kill_process(member.pid, signal);
            } else if member.adopted {
                let _ = rustix::process::waitpid(Some(member.pid), rustix::process::WaitOptions::NOHANG);
            }
        }
        running
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if childless() {
            return;
        }
        let end = Instant::now() + PATIENCE;
        let mut quiet = 0;
        // One look is no snapshot: a process may fork behind it. Two quiet looks in a row end it.
        while quiet < 2 {
            quiet = if self.signal(Signal::KILL) == 0 { quiet + 1 } else { 0 };
            if Instant::now() > end {
                tracing::warn!("a process that a command left behind cannot be ended");
                return;
            }
            if quiet == 0 {
                std::thread::sleep(LOOK);
            }
        }
    }
}

/// A process of the tree.
struct Member {
    pid: Pid,
    /// Has ended, its parent has not looked yet.
    zombie: bool,
    /// A child of pace that pace did not start: pace must reap it.
    adopted: bool,
    /// Bytes of resident memory.
    resident: u64,
}

/// Whether this process has no child at all, not even one that ended: whoever a command leaves behind becomes one, so
/// nobody is left.
#[cfg(target_os = "linux")]
fn childless() -> bool {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    *ADOPTS && waitid(WaitId::All, options).is_err_and(|error| error == rustix::io::Errno::CHILD)
}

#[cfg(not(target_os = "linux"))]
fn childless() -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn adopt_orphans() {}

#[cfg(not(target_os = "linux"))]
fn members(_shell: Pid) -> Option<Vec<Member>> {
    None
}

#[cfg(not(target_os = "linux"))]
fn memory_limit() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn most_processes() -> usize {
    MOST_PROCESSES
}

/// Nine tenths of what this machine, or the container that pace runs in, has: beyond it the kernel would end
/// processes at random, pace among them.
#[cfg(target_os = "linux")]
fn memory_limit() -> Option<u64> {
    static LIMIT: LazyLock<Option<u64>> = LazyLock::new(|| {
        let read = |path: &str| std::fs::read_to_string(path).ok();
        let machine = read("/proc/meminfo")?
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse().ok())
            .map(|kilobytes: u64| kilobytes * 1024)?;
        let groups = read("/proc/self/cgroup").unwrap_or_default();
        let container =
            limit_files(&groups).iter().filter_map(|path| read(path)?.trim().parse::<u64>().ok()).min();
        Some(container.map_or(machine, |bytes| bytes.min(machine)) / 10 * 9)
    });
    *LIMIT
}

/// A quarter of what this machine could run at most.
#[cfg(target_os = "linux")]
fn most_processes() -> usize {
    let all = std::fs::read_to_string("/proc/sys/kernel/threads-max");
    let all = all.ok().and_then(|all| all.trim().parse::<usize>().ok());
    all.map_or(MOST_PROCESSES, |all| MOST_PROCESSES.min(all / 4))
}

/// Files that may hold a limit for the control groups of this process, which `/proc/self/cgroup` names: those of every
/// group above them too. A container often sees its own group as the root.
#[cfg(target_os = "linux")]
fn limit_files(groups: &str) -> Vec<String> {
    let mut files = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (parts.next(), parts.next()) else { continue };
        let (root, name) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max"),
            "memory" => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let ups = std::path::Path::new(group).ancestors();
        files
            .extend(ups.map(|up| format!("{root}{}/{name}", up.display().to_string().trim_end_matches('/'))));
    }
    files
}

/// Whether whoever detaches from a command becomes a child of this process.
#[cfg(target_os = "linux")]
static ADOPTS: LazyLock<bool> = LazyLock::new(|| {
    let adopts = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    if let Err(error) = adopts {
        tracing::warn!("daemons that a command leaves behind may outlive it: {error}");
    }
    adopts.is_ok()
});

#[cfg(target_os = "linux")]
fn adopt_orphans() {
    LazyLock::force(&ADOPTS);
}

/// The children of this process that have not ended.
#[cfg(target_os = "linux")]
pub(super) fn children() -> Vec<Pid> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let all = std::fs::read_dir("/proc").into_iter().flatten();
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(stat_of)
        .filter(|process| process.parent == me && !process.zombie)
        .filter_map(|process| Pid::from_raw(process.pid))
        .collect()
}

/// All processes of the tree below `shell`; `None` where `/proc` cannot be read.
#[cfg(target_os = "linux")]
fn members(shell: Pid) -> Option<Vec<Member>> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let my_group = rustix::process::getpgrp().as_raw_nonzero().get();
    let shell = shell.as_raw_nonzero().get();
    let all: Vec<Stat> = std::fs::read_dir("/proc")
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(stat_of)
        .collect();
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

/// What `/proc/PID/stat` says, as proc_pid_stat(5) describes it.
#[cfg(target_os = "linux")]
struct Stat {
    pid: i32,
    zombie: bool,
    parent: i32,
    group: i32,
    session: i32,
    resident: u64,
}

#[cfg(target_os = "linux")]
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

#[cfg(target_os = "linux")]
fn stat_of(pid: i32) -> Option<Stat> {
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::limit_files;

    #[test]
    fn limits_of_every_group_above_count() {
        assert_eq!(
            limit_files("0::/system.slice/runner.service\n"),
            [
                "/sys/fs/cgroup/system.slice/runner.service/memory.max",
                "/sys/fs/cgroup/system.slice/memory.max",
                "/sys/fs/cgroup/memory.max"
            ]
        );
        assert_eq!(
            limit_files("8:pids:/x\n4:memory:/docker/ab\n"),
            [
                "/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes"
            ]
        );
    }
}

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

mod limits;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
mod swarm;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal};
use tokio::sync::{Mutex, OwnedMutexGuard};

pub(super) use self::limits::{Excess, Limits};
#[cfg(target_os = "linux")]
use self::linux as system;
#[cfg(target_os = "linux")]
pub(super) use self::linux::{Stat, children, processes, stat_of};
#[cfg(not(target_os = "linux"))]
use self::other as system;
pub(super) use self::swarm::Swarm;

/// How long an ended tree is waited for.
const PATIENCE: Duration = Duration::from_secs(15);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(2);

/// The right to run a command; one at a time in this process.
pub(super) type Turn = OwnedMutexGuard<()>;

/// Waits for the right to run a command.
pub(super) async fn turn() -> Turn {
    static TURN: LazyLock<Arc<Mutex<()>>> = LazyLock::new(|| {
        system::adopt_orphans();
        Arc::default()
    });
    Arc::clone(&TURN).lock_owned().await
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
        match system::members(self.shell) {
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

    /// Resident memory counts, never address space: the JVM, Go and Node reserve terabytes. Pages that processes share are counted for each of them.
    fn measure(&self, limits: Limits) -> Option<Excess> {
        let members = system::members(self.shell)?;
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
        if signal == Signal::KILL {
            // Another user's process of this session takes this one alone: a stopped `sudo` would never see that its
            // command is gone.
            let _ = rustix::process::kill_process(self.shell, Signal::CONT);
        }
        let mut running = 0;
        for member in system::members(self.shell).unwrap_or_default() {
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
        if system::childless() {
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

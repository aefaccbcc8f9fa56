//! How a child is watched and ends, however it was started: its output is kept, its time and its size are
//! limited, its whole process tree ends with it. Must not know how it is confined.

use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::Child;
use tokio::time::{Instant, MissedTickBehavior};

use super::Command;
use super::capture::Capture;
use super::tree::{self, Excess, Swarm, Tree, Turn};
use crate::domain::observation::{CommandRun, ENDED, Exit};
use crate::secret::Redactor;

/// Between TERM and KILL of a command that ran out of time.
const GRACE: Duration = Duration::from_secs(2);
/// How long output is still read after the tree was ended. With the tree gone the pipe is at its end at
/// once; only a process that escaped the sweep can keep it open, and that must never hang a run.
const DRAIN: Duration = Duration::from_secs(1);
/// How often a tree that was asked to end is looked at.
const LOOK: Duration = Duration::from_millis(20);
/// How often a running tree is measured.
const MEASURE: Duration = Duration::from_millis(250);
/// How often it is looked whether processes multiply, which costs next to nothing.
const GLANCE: Duration = Duration::from_millis(20);

/// The end of a command that has too much of something.
const KILLED: Exit = Exit::Signal(rustix::process::Signal::KILL.as_raw());

/// Runs what `shell` starts to its end or time-out and ends the whole tree. `shell` gets its outputs and its
/// process group here, all else is the caller's. What the child says is kept without the secrets of `redactor`.
pub(super) async fn run_to_end(
    command: &Command,
    redactor: &Redactor,
    shell: impl FnOnce() -> anyhow::Result<tokio::process::Command>,
) -> anyhow::Result<CommandRun> {
    run_within(tree::Limits::of_machine(), command, redactor, shell).await
}

/// The same within limits of its own.
pub(super) async fn run_within(
    limits: tree::Limits,
    command: &Command,
    redactor: &Redactor,
    shell: impl FnOnce() -> anyhow::Result<tokio::process::Command>,
) -> anyhow::Result<CommandRun> {
    let turn = tree::turn().await;
    let mut capture = Capture::new(command.spool.as_deref(), redactor)?;
    // Ending a tree may take some looks at it, which must not block the runtime. The thread for it is there before the
    // child, which might leave no room for one.
    let (hand_over, handed) = mpsc::channel::<Tree>();
    let ending = tokio::task::spawn_blocking(move || drop(handed.recv()));
    let started = Instant::now();
    let (mut child, mut pipe, tree) = start(shell()?, command, turn)?;
    let (exit, excess) =
        watch(&mut child, &mut pipe, &mut capture, (&tree, limits), started + command.timeout).await?;
    // If there is nobody to take it, it ends here.
    drop(hand_over.send(tree));
    ending.await?;
    drain(&mut pipe, &mut capture).await;
    // Behind everything that the tree still said.
    if let Some(excess) = excess {
        capture.push(told(&excess).as_bytes());
    }
    Ok(CommandRun {
        command: command.script.clone(),
        exit,
        output: capture.finish()?,
        duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
    })
}

/// Starts the shell in a process group of its own, both outputs on one pipe so that their order is kept.
/// The order of the results matters to a caller that is cancelled: the tree ends before the child drops.
fn start(
    mut shell: tokio::process::Command,
    command: &Command,
    turn: Turn,
) -> anyhow::Result<(Child, Receiver, Tree)> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe for a child's output")?;
    let pipe = Receiver::from_owned_fd(OwnedFd::from(reader)).context("cannot watch a child's output")?;
    shell
        .stdout(writer.try_clone().context("cannot share a child's output pipe")?)
        .stderr(writer)
        .process_group(0)
        .kill_on_drop(true);
    let child =
        shell.spawn().with_context(|| format!("cannot start a shell in {}", command.dir.display()))?;
    // `shell` holds the write ends until here; the pipe could not come to its end before.
    drop(shell);
    let tree = Tree::of(child.id(), turn)?;
    Ok((child, pipe, tree))
}

/// Reads output until the shell has ended, by itself or by the time-out, or has too much of something.
async fn watch(
    child: &mut Child,
    pipe: &mut Receiver,
    capture: &mut Capture,
    (tree, limits): (&Tree, tree::Limits),
    deadline: Instant,
) -> anyhow::Result<(Exit, Option<Excess>)> {
    let mut buffer = vec![0; 64 * 1024];
    let mut open = true;
    // Most commands have ended before the first of them.
    let now = Instant::now();
    let mut measure = tokio::time::interval_at(now + MEASURE, MEASURE);
    let mut glance = tokio::time::interval_at(now + GLANCE, GLANCE);
    measure.set_missed_tick_behavior(MissedTickBehavior::Delay);
    glance.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut swarm = Swarm::watch(limits);
    loop {
        tokio::select! {
            status = child.wait() => return Ok((exit_of(status.context("cannot wait for a child")?), None)),
            read = pipe.read(&mut buffer), if open => open = keep(read, &buffer, capture),
            _ = measure.tick() => if let Some(excess) = tree.excess(limits, swarm.is_crowd()) {
                return Ok((KILLED, Some(excess)));
            },
            _ = glance.tick() => if swarm.grows() && let Some(excess) = tree.excess(limits, true) {
                return Ok((KILLED, Some(excess)));
            },
            () = tokio::time::sleep_until(deadline) => break,
        }
    }
    tree.ask_to_end();
    let patience = Instant::now() + GRACE;
    while Instant::now() < patience && tree.alive() {
        tokio::select! {
            read = pipe.read(&mut buffer), if open => open = keep(read, &buffer, capture),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
    Ok((Exit::TimedOut, None))
}

fn told(excess: &Excess) -> String {
    match excess {
        Excess::Memory { used, limit } => format!(
            "\n{ENDED}its processes held {} MiB of memory; {} MiB are allowed]\n",
            used >> 20,
            limit >> 20
        ),
        Excess::Processes { count, limit } => {
            format!("\n{ENDED}it had {count} processes; {limit} are allowed]\n")
        }
    }
}

/// Reads what the ended tree left in the pipe.
async fn drain(pipe: &mut Receiver, capture: &mut Capture) {
    let mut buffer = vec![0; 64 * 1024];
    let end = Instant::now() + DRAIN;
    while let Ok(read) = tokio::time::timeout_at(end, pipe.read(&mut buffer)).await {
        // The second look at the clock is for a writer that is always faster.
        if !keep(read, &buffer, capture) || Instant::now() > end {
            return;
        }
    }
}

/// Hands over what was read; false at the end of the output.
fn keep(read: std::io::Result<usize>, buffer: &[u8], capture: &mut Capture) -> bool {
    match read {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            capture.push(&buffer[..length]);
            true
        }
    }
}

fn exit_of(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Code(-1),
    }
}

//! Children that are confined: what the model runs reaches no secret, no network and nothing outside its rooms.
//!
//! Owns which tier this machine offers, proved by real escapes at start, and how a confined child is started. The
//! walls are the helper's: the binary starts itself under another name, builds them around itself and becomes the
//! child. Must not know why a command is run.

mod calls;
mod files;
mod helper;
mod mounts;
pub(super) mod order;
mod powers;
mod probe;
mod raw;
mod rooms;

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use self::order::{CONFINED, HELPER, Order, Rooms, SIGNAL, Task, Tier};
use self::probe::{Found, Trap};
use super::ground::{Ground, Reach};
use super::{Command, Sandbox, running};
use crate::domain::observation::{CommandRun, Exit};

pub(crate) use self::helper::main;

/// Time of a probe: it waits for nothing.
const PROBE: Duration = Duration::from_secs(20);

/// Runs commands inside walls.
#[derive(Debug)]
pub(crate) struct Confined {
    tier: Tier,
    ground: Ground,
    /// Who reaches whatever the machine reaches.
    reach: Reach,
    /// What this tier lacks here, in words.
    lacks: Vec<String>,
}

impl Confined {
    /// The strongest tier that this machine offers and a probe proves; with `strict` none but the first. An `Err`
    /// says what is missing for each.
    pub(crate) async fn establish(ground: Ground, reach: Reach, strict: bool) -> anyhow::Result<Self> {
        let first = Tier::Namespaces { user: !powers::may_mount() };
        let tiers: &[Tier] = if strict { &[first] } else { &[first, Tier::Rules] };
        let mut missing = Vec::new();
        for &tier in tiers {
            let mut confined = Self { tier, ground: ground.clone(), reach, lacks: vec![] };
            match confined.prove().await {
                Ok(found) => {
                    confined.lacks.extend(confined.shortcomings(&found));
                    confined.lacks.extend(missing);
                    return Ok(confined);
                }
                Err(error) => missing.push(format!("{}: {error:#}", name(tier))),
            }
        }
        anyhow::bail!("{}", missing.join("; "))
    }

    /// Runs the probe and an ordinary command; fails unless every escape failed.
    async fn prove(&self) -> anyhow::Result<Found> {
        let trap = Trap::set().context("the self-probe cannot be prepared")?;
        let command = Command {
            script: "exit 7".into(),
            dir: self.ground.root.clone(),
            env: vec![],
            timeout: PROBE,
            spool: None,
        };
        let shell = Task::Shell { script: command.script.clone() };
        let run = self.carry_out(&command, shell, false).await?;
        anyhow::ensure!(
            run.exit == Exit::Code(7),
            "a shell does not run: {}, {}",
            run.exit,
            run.output.text()
        );
        let run = self.carry_out(&command, Task::Probe(trap.bait()?), false).await?;
        anyhow::ensure!(run.exit.ok(), "the self-probe failed: {}, {}", run.exit, run.output.text());
        let found: Found = serde_json::from_str(&run.output.text())
            .context("the self-probe said nothing that can be read")?;
        let known: Vec<_> = self.ground.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let rooms = self.ground.rooms(&std::env::temp_dir(), None);
        let escapes = trap.escapes(&found, &rooms, &known, self.reach.all);
        anyhow::ensure!(escapes.is_empty(), "{}", escapes.join(", "));
        // The first process of a namespace of its own is alone.
        let alone = found.processes == 1 || self.tier == Tier::Rules;
        anyhow::ensure!(alone, "a child sees processes of others");
        Ok(found)
    }

    fn shortcomings(&self, found: &Found) -> Vec<String> {
        let mut lacks = Vec::new();
        let mut lack = |missing: bool, text: &str| {
            if missing {
                lacks.push(text.to_owned());
            }
        };
        lack(self.reach.all, "the network is open, by PACE_NETWORK");
        if self.tier == Tier::Rules {
            lack(!found.loopback, "no server on loopback");
            lack(!found.top, "no new file at the top of the repository");
            lack(true, "git's own files are out of reach");
            lack(true, "/tmp is $TMPDIR, /dev/shm is shared");
            lack(true, "tool caches are written in place");
            lack(true, "file modes outside the rooms can be changed");
        } else {
            lack(!found.loopback && !self.reach.all, "no server on loopback");
        }
        lack(true, "no Unix socket by name");
        lacks
    }

    /// Runs `task`; a `setup` has more rooms and perhaps the network.
    async fn carry_out(&self, command: &Command, task: Task, setup: bool) -> anyhow::Result<CommandRun> {
        // Dropped, and with it all that the child left there, at the end of this function.
        let temporary =
            tempfile::Builder::new().prefix("pace-tmp-").tempdir().context("no temporary folder")?;
        let (ours, theirs) = UnixStream::pair().context("cannot speak with the sandbox helper")?;
        let order = self.order(command, task, setup, &temporary)?;
        let frame = order.to_bytes()?;
        let twice = matches!(order.tier, Tier::Namespaces { .. });
        let talk = tokio::task::spawn_blocking(move || converse(ours, &frame, twice));
        let run = running::run_to_end(command, || Ok(self.helper(command, &order, theirs.into()))).await;
        // The helper's end of the socket is closed by now, whatever became of it.
        let said = talk.await.context("the sandbox helper")?;
        let mut run = run?;
        let Some(ending) = said.strip_prefix(CONFINED) else {
            // A command that ran out of time before it began ran out of time.
            if run.exit == Exit::TimedOut {
                return Ok(run);
            }
            let reason = if said.trim().is_empty() { run.exit.to_string() } else { said.trim().to_owned() };
            anyhow::bail!("a command cannot be confined: {reason}");
        };
        if let Some(signal) = ending.lines().next().and_then(|line| line.strip_prefix(SIGNAL))
            && run.exit != Exit::TimedOut
        {
            run.exit = Exit::Signal(signal.trim().parse().unwrap_or(0));
        } else if let Some(reason) = ending.lines().next().filter(|line| !line.starts_with(SIGNAL)) {
            anyhow::bail!("a command cannot be started: {reason}");
        }
        Ok(run)
    }

    fn order(
        &self,
        command: &Command,
        task: Task,
        setup: bool,
        temporary: &TempDir,
    ) -> anyhow::Result<Order> {
        let temporary = match self.tier {
            Tier::Namespaces { .. } => "/tmp".into(),
            Tier::Rules => std::fs::canonicalize(temporary.path())?,
        };
        let network = self.reach.all || (setup && self.reach.setup);
        let mut rooms: Rooms = self.ground.rooms(&temporary, setup.then_some(command.script.as_str()));
        rooms.shown = if network { rooms::resolver(&rooms.hidden) } else { None };
        // Where a test runner leaves the reports that it was asked for.
        let reports = command.spool.as_ref().map(|spool| spool.with_extension("reports"));
        rooms.writable.extend(reports.and_then(|folder| std::fs::canonicalize(folder).ok()));
        let dir = std::fs::canonicalize(&command.dir)
            .with_context(|| format!("cannot enter {}", command.dir.display()))?;
        Ok(Order { tier: self.tier, rooms, dir, network, task })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts a confined child")]
    fn helper(&self, command: &Command, order: &Order, socket: OwnedFd) -> tokio::process::Command {
        let mut helper = tokio::process::Command::new("/proc/self/exe");
        helper
            .arg0(HELPER)
            .current_dir(&command.dir)
            .env_clear()
            .envs(self.ground.dependencies.environment(&self.ground.env))
            .envs(command.env.iter().map(|(name, value)| (name, value)))
            .env("TMPDIR", &order.rooms.temporary)
            .stdin(Stdio::from(socket));
        helper
    }
}

impl Sandbox for Confined {
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
        Box::pin(self.carry_out(command, Task::Shell { script: command.script.clone() }, false))
    }

    fn set_up<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
        Box::pin(self.carry_out(command, Task::Shell { script: command.script.clone() }, true))
    }

    fn describe(&self) -> String {
        let lacks = self.lacks.join("; ");
        format!("{}, proved by escapes that failed; lacks: {lacks}", name(self.tier))
    }
}

const fn name(tier: Tier) -> &'static str {
    match tier {
        Tier::Namespaces { .. } => "tier 1 (namespaces, Landlock, seccomp)",
        Tier::Rules => "tier 2 (Landlock, seccomp)",
    }
}

/// Gives the helper its order and hears it out.
fn converse(mut socket: UnixStream, frame: &[u8], twice: bool) -> String {
    let frames = if twice { [frame, frame].concat() } else { frame.to_vec() };
    // A helper that ended early says why, or its exit does.
    let _ = socket.write_all(&frames);
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

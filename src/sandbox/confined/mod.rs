//! Children that are confined: what the model runs reaches no secret, no network and nothing outside its rooms.
//!
//! Owns which tier this machine offers, proved by real escapes at start, and how a confined child is started. The
//! walls are the helper's: the binary starts itself under another name, builds them around itself and becomes the
//! child. Must not know why a command is run.

mod bubblewrap;
mod calls;
mod files;
mod helper;
mod mounts;
mod notify;
pub(super) mod order;
mod powers;
mod probe;
mod raw;
mod rooms;
mod spares;
pub(super) mod supervisor;
mod without_git;
mod without_tmp;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::Mutex;

use self::order::{
    CONFINED, FILES, HELPER, Identity, NETWORK, Network, Order, Right, Rooms, SIGNAL, Task, Tier,
};
use self::probe::{Found, Trap};
use self::spares::Spares;
use self::supervisor::hosts::{self, Host};
use super::ground::{Ground, Reach};
use super::{Command, Sandbox, running};
use crate::domain::observation::{CommandRun, Exit};

pub(crate) use self::helper::main;

/// Where hosted runners let everybody become root. `PATH` may name anything.
const SUDO: &str = "/usr/bin/sudo";

/// Time of a probe: it waits for nothing.
const PROBE: Duration = Duration::from_secs(20);

/// Runs commands inside walls.
#[derive(Debug)]
pub(crate) struct Confined {
    tier: Tier,
    ground: Ground,
    network: Network,
    /// Whether the setup reaches whatever the machine reaches.
    open_setup: bool,
    /// What this tier lacks here, in words.
    lacks: Vec<String>,
    /// For the top of the work tree, without mounts.
    spares: Mutex<Option<Spares>>,
}

impl Confined {
    /// The strongest tier that this machine offers and a probe proves; with `strict` none but the first. An `Err`
    /// says what is missing for each.
    pub(crate) async fn establish(ground: Ground, reach: &Reach, strict: bool) -> anyhow::Result<Self> {
        let hosts = reach.hosts.iter().filter_map(|host| Host::parse(host)).collect();
        let network = if reach.all { Network::Open } else { Network::Supervised { hosts } };
        let mut missing = Vec::new();
        let mut tiers: VecDeque<Tier> =
            rights(reach).map(|by| Tier::Namespaces { by, landlock: true }).collect();
        if !strict {
            tiers.push_back(Tier::Rules);
        }
        while let Some(tier) = tiers.pop_front() {
            let mut confined = Self {
                tier,
                ground: ground.clone(),
                network: network.clone(),
                open_setup: reach.setup,
                lacks: vec![],
                spares: Mutex::default(),
            };
            match confined.prove().await {
                Ok(found) => {
                    confined.lacks.extend(confined.shortcomings(&found));
                    // Why it is no better tier; which right it took makes none worse.
                    confined.lacks.extend(missing.into_iter().filter(|_| tier == Tier::Rules));
                    return Ok(confined);
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    if let Tier::Namespaces { by, landlock: true } = tier
                        && error.contains(files::MISSING)
                    {
                        tiers.push_front(Tier::Namespaces { by, landlock: false });
                    }
                    missing.push(format!("{}: {error}", name(tier)));
                }
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
        let (run, _) = self.carry_out(&command, shell, false).await?;
        anyhow::ensure!(
            run.exit == Exit::Code(7),
            "a shell does not run: {}, {}",
            run.exit,
            run.output.text()
        );
        let task = Task::Probe(trap.bait()?);
        let (run, _) = self.carry_out(&command, task, false).await?;
        anyhow::ensure!(run.exit.ok(), "the self-probe failed: {}, {}", run.exit, run.output.text());
        let found: Found = serde_json::from_str(&run.output.text())
            .context("the self-probe said nothing that can be read")?;
        let known: Vec<_> = self.ground.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let rooms = self.ground.rooms(&std::env::temp_dir(), None);
        let escapes = trap.escapes(&found, &rooms, &known, self.network == Network::Open);
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
        let open = self.network == Network::Open;
        lack(open, "the network is open, by PACE_NETWORK");
        lack(!open && !found.loopback, "no server on loopback");
        let landlock = !matches!(self.tier, Tier::Namespaces { landlock: false, .. });
        lack(!landlock, "no second wall around files: this kernel has no Landlock");
        if let Tier::Namespaces { by: Right::Bubblewrap, .. } = self.tier {
            lack(true, "tool caches are written in place, the rest of HOME is read only");
            lack(!bubblewrap::limits_sizes(), "no limit to what lies in /tmp: this bwrap knows no --size");
        }
        if self.tier == Tier::Rules {
            lack(!open && !found.datagrams, "no datagrams on loopback");
            lack(!open && found.datagrams, "datagrams one by one alone");
            lack(!found.top, "no new file at the top of the repository");
            lack(true, "git's own files are out of reach");
            lack(true, "/tmp is $TMPDIR, /dev/shm is shared");
            lack(true, "tool caches are written in place");
            lack(true, "file modes outside the rooms can be changed");
        }
        lack(!found.named, "no Unix socket by name");
        lacks
    }

    /// Runs a command; what was refused to it stands below its output.
    async fn shell(&self, command: &Command, setup: bool) -> anyhow::Result<CommandRun> {
        let task = Task::Shell { script: command.script.clone() };
        let (mut run, refused) = self.carry_out(command, task, setup).await?;
        run.output.append(&refused.iter().map(|line| format!("[pace: {line}]\n")).collect::<String>());
        Ok(run)
    }

    /// Runs `task`; what it came to, and what was refused to it. A `setup` has more rooms and perhaps the network.
    async fn carry_out(
        &self,
        command: &Command,
        task: Task,
        setup: bool,
    ) -> anyhow::Result<(CommandRun, Vec<String>)> {
        // Dropped, and with it all that the child left there, at the end of this function. Where `/tmp` can be private
        // there is none.
        let temporary = if self.tier == Tier::Rules {
            let folder = tempfile::Builder::new().prefix("pace-tmp-").tempdir();
            Some(folder.context("no temporary folder")?)
        } else {
            None
        };
        // In this tier a child makes nothing new at the top of the work tree.
        let made = if self.tier == Tier::Rules { rooms::make_outputs(&self.ground.root) } else { vec![] };
        let (ours, theirs) = UnixStream::pair().context("cannot speak with the sandbox helper")?;
        let mut order = self.order(command, task, setup, temporary.as_ref())?;
        // One command at a time uses them. Where nothing can lie ready nothing new is made there, as the probe sees.
        let mut spares = self.spares.lock().await;
        if self.tier == Tier::Rules {
            order.rooms.spares = self.ready(&mut spares);
        }
        let frame = order.to_bytes()?;
        let talk = tokio::task::spawn_blocking(move || converse(ours, &frame));
        let run = running::run_to_end(command, &self.ground.redactor, || {
            self.helper(command, &order, theirs.into())
        })
        .await;
        // The helper's end of the socket is closed by now, whatever became of it.
        let said = talk.await.context("the sandbox helper")?;
        for folder in made {
            // One that was filled stays.
            let _ = std::fs::remove_dir(folder);
        }
        drop(spares);
        let mut run = run?;
        let Some(ending) = said.strip_prefix(CONFINED) else {
            // A command that ran out of time before it began ran out of time.
            if run.exit == Exit::TimedOut {
                return Ok((run, vec![]));
            }
            let reason = if said.trim().is_empty() { run.exit.to_string() } else { said.trim().to_owned() };
            anyhow::bail!("a command cannot be confined: {reason}");
        };
        let (refused, ending): (Vec<&str>, Vec<&str>) =
            ending.lines().partition(|line| [NETWORK, FILES].iter().any(|about| line.starts_with(about)));
        if let Some(signal) = ending.first().and_then(|line| line.strip_prefix(SIGNAL)) {
            if run.exit != Exit::TimedOut {
                run.exit = Exit::Signal(signal.trim().parse().unwrap_or(0));
            }
        } else if let Some(reason) = ending.first() {
            anyhow::bail!("a command cannot be started: {reason}");
        }
        Ok((run, refused.into_iter().map(str::to_owned).collect()))
    }

    /// Where files and folders for the top of the work tree lie ready.
    fn ready(&self, spares: &mut Option<Spares>) -> Option<PathBuf> {
        if spares.as_ref().is_none_or(|spares| spares.fill().is_err()) {
            // Dropped first: it goes with what it lay in.
            *spares = None;
            *spares = Spares::lay(&self.ground.root).ok();
        }
        std::fs::canonicalize(spares.as_ref()?.folder()).ok()
    }

    fn order(
        &self,
        command: &Command,
        task: Task,
        setup: bool,
        temporary: Option<&TempDir>,
    ) -> anyhow::Result<Order> {
        let temporary = match temporary {
            None => "/tmp".into(),
            Some(folder) => std::fs::canonicalize(folder.path())?,
        };
        let network = if setup && self.open_setup { &Network::Open } else { &self.network };
        let mut rooms: Rooms = self.ground.rooms(&temporary, setup.then_some(command.script.as_str()));
        rooms.shown = if *network == Network::Open { rooms::resolver(&rooms.hidden) } else { None };
        // Where a test runner leaves the reports that it was asked for.
        let reports = command.spool.as_ref().map(|spool| spool.with_extension("reports"));
        rooms.writable.extend(reports.and_then(|folder| std::fs::canonicalize(folder).ok()));
        rooms.replaced.extend(names(network));
        let dir = std::fs::canonicalize(&command.dir)
            .with_context(|| format!("cannot enter {}", command.dir.display()))?;
        let by_sudo = matches!(self.tier, Tier::Namespaces { by: Right::Sudo, .. });
        let mut env = self.ground.dependencies.environment(&self.ground.env);
        env.extend(command.env.iter().cloned());
        let temporary = rooms.temporary.to_str().context("the folder for temporary files")?;
        if self.tier == Tier::Rules {
            // The last one of a name counts.
            env.extend(without_git::told(&env));
            env.extend(without_tmp::told(&env, temporary));
        }
        env.push(("TMPDIR".into(), temporary.into()));
        let identity = by_sudo.then(Identity::own);
        let group = rustix::process::getpgrp().as_raw_nonzero().get();
        Ok(Order { tier: self.tier, rooms, dir, env, identity, network: network.clone(), group, task })
    }

    #[expect(clippy::disallowed_methods, reason = "this is the one place that starts a confined child")]
    fn helper(
        &self,
        command: &Command,
        order: &Order,
        socket: OwnedFd,
    ) -> anyhow::Result<tokio::process::Command> {
        let mut helper = if order.identity.is_some() {
            // Never by the path where the binary lies: who may write there would be root. The kernel keeps this one to
            // the file that runs, whatever lies at its place by now; root may follow it.
            let me = format!("/proc/{}/exe", rustix::process::getpid());
            // It gives the program another name and takes its environment: what the helper must know is in its order.
            let mut sudo = tokio::process::Command::new(SUDO);
            sudo.args(["-n", "--", &me, HELPER]).current_dir(&command.dir);
            sudo
        } else {
            let mut helper = tokio::process::Command::new("/proc/self/exe");
            helper.arg0(HELPER);
            helper
        };
        // The helper goes to its folder itself: to start a program in another one the standard library copies this whole
        // process first, and a copy of so much memory is not cheap.
        helper.env_clear().stdin(Stdio::from(socket));
        Ok(helper)
    }
}

/// What may let a helper make namespaces here, in the order in which it is tried.
fn rights(reach: &Reach) -> impl Iterator<Item = Right> + use<> {
    let own = if powers::may_mount() { Right::Own } else { Right::UserNamespace };
    let sudo = !rustix::process::getuid().is_root() && Path::new(SUDO).exists();
    // Nobody supervises sockets there, so nobody connects to single hosts.
    let bubblewrap = reach.hosts.is_empty() && Path::new(bubblewrap::PROGRAM).exists();
    // sudo's is the better one: it lays layers and is supervised.
    let others = [sudo.then_some(Right::Sudo), bubblewrap.then_some(Right::Bubblewrap)];
    [own].into_iter().chain(others.into_iter().flatten())
}

impl Sandbox for Confined {
    fn run<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
        Box::pin(self.shell(command, false))
    }

    fn set_up<'a>(&'a self, command: &'a Command) -> BoxFuture<'a, anyhow::Result<CommandRun>> {
        Box::pin(self.shell(command, true))
    }

    fn clean<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.ground.redactor.redact(text)
    }

    fn describe(&self) -> String {
        let proved = format!("{}, proved by escapes that failed", name(self.tier));
        if self.lacks.is_empty() {
            return proved;
        }
        format!("{proved}; lacks: {}", self.lacks.join("; "))
    }
}

fn name(tier: Tier) -> String {
    let Tier::Namespaces { by, landlock } = tier else { return "tier 2 (Landlock, seccomp)".into() };
    let by = match by {
        Right::Own | Right::UserNamespace => "",
        Right::Bubblewrap => " made by bwrap",
        Right::Sudo => " made by sudo",
    };
    let landlock = if landlock { ", Landlock" } else { "" };
    format!("tier 1 (namespaces{by}{landlock}, seccomp)")
}

/// The hosts file in which opened hosts are found by name, where a child sees files of its own.
fn names(network: &Network) -> Option<(PathBuf, String)> {
    let Network::Supervised { hosts } = network else { return None };
    let lines = Some(hosts::stand_ins(hosts)).filter(|lines| !lines.is_empty())?;
    let file = std::fs::canonicalize("/etc/hosts").ok()?;
    let known = std::fs::read_to_string(&file).unwrap_or_default();
    Some((file, lines + &known))
}

/// Gives the helper its order and hears it out.
fn converse(mut socket: UnixStream, frame: &[u8]) -> String {
    // A helper that ended early says why, or its exit does.
    let _ = socket.write_all(frame);
    let mut said = Vec::new();
    let _ = socket.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

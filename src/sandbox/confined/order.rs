//! What pace tells the helper that confines a child: plain data, sent over the helper's standard input. Holds nothing
//! that the child itself must not see.

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::supervisor::hosts::Host;

/// The name under which the binary is started to become a helper.
pub(in crate::sandbox) const HELPER: &str = "pace: confine";
/// The same for the process that becomes the child, where another program makes its namespaces.
pub(in crate::sandbox) const INIT: &str = "pace: init";

/// Written by the helper when the child is confined; what follows tells how it ended.
pub(super) const CONFINED: &str = "confined\n";
/// Before the number of the signal that ended the child.
pub(super) const SIGNAL: &str = "signal ";

/// Before what was refused to the child, a line each.
pub(super) const NETWORK: &str = "network: ";

/// The same for files.
pub(super) const FILES: &str = "files: ";

/// How far a child is confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Tier {
    /// Own namespaces, private mounts, Landlock where the kernel has it, seccomp.
    Namespaces { by: Right, landlock: bool },
    /// Landlock and seccomp.
    Rules,
}

/// What lets the helper make namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Right {
    /// This process may.
    Own,
    /// A user namespace, which it makes first.
    UserNamespace,
    /// Another program makes them, which the machine trusts.
    Bubblewrap,
    /// It is root, by sudo, until they are made.
    Sudo,
}

/// Who the child is, where the helper is somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Identity {
    pub user: u32,
    pub group: u32,
    pub groups: Vec<u32>,
}

impl Identity {
    /// That of this process.
    pub(super) fn own() -> Self {
        let groups = rustix::process::getgroups().unwrap_or_default();
        Self {
            user: rustix::process::getuid().as_raw(),
            group: rustix::process::getgid().as_raw(),
            groups: groups.into_iter().map(rustix::process::Gid::as_raw).collect(),
        }
    }
}

/// One confined child.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Order {
    pub tier: Tier,
    pub rooms: Rooms,
    /// Where the child starts.
    pub dir: PathBuf,
    /// All that the child's environment holds.
    pub env: Vec<(String, String)>,
    /// To be taken on when the namespaces are made.
    pub identity: Option<Identity>,
    pub network: Network,
    /// pace's own process group, as pace numbers it.
    pub group: i32,
    pub task: Task,
}

/// Whom a child reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Network {
    /// Its own servers on loopback and these hosts.
    Supervised { hosts: Vec<Host> },
    /// Whatever the machine reaches.
    Open,
}

/// What a child may see and change. Every path is absolute and exists.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Rooms {
    /// The work tree.
    pub work: PathBuf,
    /// Inside the work tree: to be read only.
    pub readonly: Vec<PathBuf>,
    /// Git folders and files: read only with namespaces, unreachable without.
    pub git: Vec<PathBuf>,
    /// Files of git's configuration and what stands in their place.
    pub replaced: Vec<(PathBuf, String)>,
    /// Unreachable: credentials, the runner's own.
    pub hidden: Vec<PathBuf>,
    /// Inside `readonly` or outside the work tree: may be written all the same.
    pub writable: Vec<PathBuf>,
    /// Written to as a discarded layer with namespaces, in place without.
    pub caches: Vec<PathBuf>,
    pub home: Option<PathBuf>,
    /// Folders of programs: seen even below `/tmp`.
    pub programs: Vec<PathBuf>,
    /// Stands for `/tmp` where that cannot be private.
    pub temporary: PathBuf,
    /// Names at the top of the work tree that a child neither makes nor changes, whether they exist or not.
    pub reserved: Vec<String>,
    /// Where the files and folders lie ready that a child makes at the top of the work tree, without mounts.
    pub spares: Option<PathBuf>,
    /// A file inside a hidden folder that is seen all the same.
    pub shown: Option<Shown>,
}

/// One file of a hidden folder.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Shown {
    /// The hidden folder.
    pub folder: PathBuf,
    /// From there.
    pub path: PathBuf,
    pub text: String,
}

/// What the confined child does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Task {
    /// `sh -c`.
    Shell { script: String },
    /// Tries to escape and prints what it came to.
    Probe(super::probe::Bait),
}

impl Order {
    /// As bytes for [`Order::receive`].
    pub(super) fn to_bytes(&self) -> anyhow::Result<Vec<u8>> {
        let body = serde_json::to_vec(self).context("a child's rooms cannot be written down")?;
        let length = u32::try_from(body.len()).context("a child's command is too long")?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.write_all(&body)?;
        Ok(bytes)
    }

    /// Reads it from the other end.
    pub(super) fn receive(mut from: impl Read) -> anyhow::Result<Self> {
        let mut length = [0; 4];
        from.read_exact(&mut length).context("no order came")?;
        let mut body = vec![0; u32::from_le_bytes(length) as usize];
        from.read_exact(&mut body).context("the order was cut off")?;
        serde_json::from_slice(&body).context("the order cannot be read")
    }
}

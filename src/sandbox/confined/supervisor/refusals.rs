//! What was refused, told once each and in the words that a reader of the command's output gets. Must not know who
//! listens.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;

use super::super::order::{FILES, NETWORK};

/// Told of one command.
const MOST: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Refusals {
    told: BTreeSet<String>,
    tell: Option<fn(&str)>,
}

impl Refusals {
    pub(super) fn new(tell: fn(&str)) -> Self {
        Self { told: BTreeSet::new(), tell: Some(tell) }
    }

    pub(super) fn host(&mut self, address: SocketAddr, by_name: bool) {
        let names =
            if by_name { "" } else { " (by address, or by a name of /etc/hosts: this tier looks none up)" };
        self.add(&format!("connect to {address} refused; PACE_NETWORK opens hosts{names}"));
    }

    pub(super) fn datagram(&mut self, address: SocketAddr) {
        self.add(&format!(
            "datagram to {address} refused; nothing but loopback takes datagrams, by its own address"
        ));
    }

    pub(super) fn others_datagram(&mut self, address: SocketAddr) {
        self.add(&format!("datagram to {address} refused; what receives there is not this command's own"));
    }

    pub(super) fn datagrams_by(&mut self, what: &str) {
        self.add(&format!(
            "{what} refused; in this tier datagrams go one by one, from a socket to another of this command's own on loopback"
        ));
    }

    pub(super) fn no_datagrams(&mut self) {
        self.add(
            "no UDP socket on this kernel in this tier (whoever looks a name up asks for one too); TCP on loopback works",
        );
    }

    pub(super) fn name_service(&mut self) {
        self.add("no name is looked up in here; a host that PACE_NETWORK opens is known by its name");
    }

    pub(super) fn loopback(&mut self, address: SocketAddr) {
        let port = address.port();
        self.add(&format!(
            "connect to {address} refused; what listens there is not this command's own, PACE_NETWORK=localhost:{port} opens it"
        ));
    }

    pub(super) fn path(&mut self, path: &Path) {
        self.add(&format!(
            "connect to the socket {} refused; sockets are open below the work tree and the temporary folder",
            path.display()
        ));
    }

    pub(super) fn name(&mut self, name: &[u8]) {
        let name = String::from_utf8_lossy(name);
        self.add(&format!(
            "connect to the abstract socket @{name} refused; name one below the temporary folder"
        ));
    }

    pub(super) fn bound(&mut self) {
        self.add("connect of a bound socket refused; this machine lets nobody look after it");
    }

    pub(super) fn closed_at_top(&mut self, name: &OsStr) {
        self.add_to(
            FILES,
            &format!(
                "{} at the top of the repository stays as it is: git, pace, the pipeline or the setup need it so",
                name.display()
            ),
        );
    }

    pub(super) fn exhausted_at_top(&mut self, files: usize, folders: usize) {
        self.add_to(
            FILES,
            &format!(
                "one command makes {files} new files and {folders} new folders at the top of the repository at most; make more in a folder, or by another command"
            ),
        );
    }

    fn add(&mut self, text: &str) {
        self.add_to(NETWORK, text);
    }

    fn add_to(&mut self, about: &str, text: &str) {
        // A path may hold anything: one refusal is one line.
        let text: String = text.chars().map(|c| if c.is_control() { '?' } else { c }).take(300).collect();
        if self.told.len() > MOST || !self.told.insert(text.clone()) {
            return;
        }
        let text = if self.told.len() > MOST { "more was refused" } else { &text };
        if let Some(tell) = self.tell {
            tell(&format!("{about}{text}\n"));
        }
    }
}

//! The hosts that the operator opened: which of them an address means, and connections to them. Works in the machine's
//! own network, whatever network the child has. Must not know system calls.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// For one address of a host.
const PATIENCE: Duration = Duration::from_secs(10);

/// `host:port` of `PACE_NETWORK`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::sandbox) struct Host {
    pub name: String,
    pub port: u16,
}

impl Host {
    /// Reads `host:port`; an IPv6 address stands in brackets.
    pub(in crate::sandbox) fn parse(text: &str) -> Option<Self> {
        let (name, port) = text.rsplit_once(':')?;
        let name = name.trim_start_matches('[').trim_end_matches(']');
        Some(Self { name: name.to_owned(), port: port.parse().ok()? })
    }

    fn literal(&self) -> Option<IpAddr> {
        self.name.parse().ok()
    }
}

/// Lines of a hosts file that give every name that needs one an address of its own, which means nothing outside.
pub(in crate::sandbox) fn stand_ins(hosts: &[Host]) -> String {
    let mut lines = String::new();
    for (name, address) in addresses(hosts) {
        lines.push_str(&format!("{address} {name}\n"));
    }
    lines
}

fn addresses(hosts: &[Host]) -> BTreeMap<&str, Ipv4Addr> {
    let mut named = BTreeMap::new();
    for host in hosts.iter().filter(|host| host.literal().is_none() && !is_this_machine(&host.name)) {
        let next = u16::try_from(named.len() + 1).unwrap_or(u16::MAX).to_be_bytes();
        named.entry(host.name.as_str()).or_insert_with(|| Ipv4Addr::new(127, 83, next[0], next[1]));
    }
    named
}

fn is_this_machine(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
}

/// What an address means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// None of the hosts.
    Nothing,
    /// This one: to be connected by its name.
    Host(Host),
    /// This one, by its address.
    Address(SocketAddr),
    /// One of these, if the name has that address.
    Perhaps(Vec<Host>, SocketAddr),
}

/// Connects to the hosts. The threads that do live in the network namespace that it was made in.
#[derive(Debug)]
pub(in crate::sandbox) struct Outside {
    hosts: Vec<Host>,
    /// Without hosts there is nothing to do, and nobody to do it.
    work: Option<mpsc::Sender<Job>>,
}

type Job = Box<dyn FnOnce() + Send>;

impl Outside {
    pub(in crate::sandbox) fn here(hosts: Vec<Host>) -> io::Result<Self> {
        if hosts.is_empty() {
            return Ok(Self { hosts, work: None });
        }
        let (work, jobs) = mpsc::channel::<Job>();
        thread::Builder::new().name("outside".into()).spawn(move || {
            for job in jobs {
                // Without a thread the caller's connection fails, since the job and its answer are dropped.
                let _ = thread::Builder::new().spawn(job);
            }
        })?;
        Ok(Self { hosts, work: Some(work) })
    }

    /// What `address` means; looks no name up.
    pub(super) fn meaning(&self, address: SocketAddr) -> Meaning {
        let ip = address.ip().to_canonical();
        let stand_ins = addresses(&self.hosts);
        let mut perhaps = Vec::new();
        for host in self.hosts.iter().filter(|host| host.port == address.port()) {
            if host.literal().map(|literal| literal.to_canonical()) == Some(ip) {
                return Meaning::Address(SocketAddr::new(ip, address.port()));
            }
            if is_this_machine(&host.name) {
                if ip.is_loopback() || ip.is_unspecified() {
                    return Meaning::Host(host.clone());
                }
            } else if let Some(&own) = stand_ins.get(host.name.as_str()) {
                if ip == IpAddr::V4(own) {
                    return Meaning::Host(host.clone());
                }
                perhaps.push(host.clone());
            }
        }
        if perhaps.is_empty() {
            Meaning::Nothing
        } else {
            Meaning::Perhaps(perhaps, SocketAddr::new(ip, address.port()))
        }
    }

    /// Does `job` there, on a thread of its own.
    pub(super) fn have(&self, job: impl FnOnce() + Send + 'static) {
        // The receiver lives as long as this process.
        let _ = self.work.as_ref().map(|work| work.send(Box::new(job)));
    }
}

/// Connects to what an address means; `None`: it means nothing. To be called outside.
pub(super) fn connect(meaning: Meaning) -> Option<io::Result<TcpStream>> {
    let addresses = match meaning {
        Meaning::Nothing => return None,
        Meaning::Address(address) => Ok(vec![address]),
        Meaning::Host(host) => resolve(&host),
        Meaning::Perhaps(hosts, address) => {
            let known = |host: &Host| resolve(host).is_ok_and(|all| all.contains(&address));
            if !hosts.iter().any(known) {
                return None;
            }
            Ok(vec![address])
        }
    };
    Some(addresses.and_then(|addresses| {
        let mut last = io::ErrorKind::HostUnreachable.into();
        for address in addresses {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }))
}

fn resolve(host: &Host) -> io::Result<Vec<SocketAddr>> {
    let found = (host.name.as_str(), host.port).to_socket_addrs()?;
    Ok(found.map(|address| SocketAddr::new(address.ip().to_canonical(), address.port())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_mean_hosts_by_port_too() {
        let hosts = ["db:5432", "db:5433", "localhost:80", "192.0.2.7:443", "[2001:db8::1]:443", "web:443"];
        let hosts: Vec<Host> = hosts.iter().map(|text| Host::parse(text).unwrap()).collect();
        assert_eq!(stand_ins(&hosts), "127.83.0.1 db\n127.83.0.2 web\n");
        let outside = Outside::here(hosts.clone()).unwrap();
        let meaning = |text: &str| outside.meaning(text.parse().unwrap());
        assert_eq!(meaning("127.83.0.1:5432"), Meaning::Host(hosts[0].clone()));
        assert_eq!(meaning("127.83.0.1:5433"), Meaning::Host(hosts[1].clone()));
        assert_eq!(meaning("127.83.0.1:80"), Meaning::Host(hosts[2].clone()));
        assert_eq!(meaning("127.83.0.2:5432"), {
            Meaning::Perhaps(vec![hosts[0].clone()], "127.83.0.2:5432".parse().unwrap())
        });
        assert_eq!(meaning("[::1]:80"), Meaning::Host(hosts[2].clone()));
        assert_eq!(meaning("127.0.0.1:81"), Meaning::Nothing);
        assert_eq!(meaning("[::ffff:192.0.2.7]:443"), Meaning::Address("192.0.2.7:443".parse().unwrap()));
        assert_eq!(meaning("192.0.2.7:444"), Meaning::Nothing);
        assert_eq!(meaning("[2001:db8::1]:443"), Meaning::Address("[2001:db8::1]:443".parse().unwrap()));
        assert!(matches!(meaning("198.51.100.1:5432"), Meaning::Perhaps(..)));
    }
}

//! Addresses as programs hand them to the kernel: bytes in another process's memory, looked at once. Must not know
//! what is decided about them.

use std::ffi::OsStr;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use rustix::io::Errno;

/// More than any address has.
pub(super) const LONGEST: u64 = 128;

/// Where a call leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    Internet(SocketAddr),
    /// A Unix socket in the file system, as the caller names it.
    Path(PathBuf),
    /// A Unix socket by a name that is no file.
    Name(Vec<u8>),
    /// Ends a connection.
    None,
}

/// Reads the bytes of a `sockaddr`.
pub(super) fn parse(bytes: &[u8]) -> Result<Address, Errno> {
    let family = bytes.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes)).ok_or(Errno::INVAL)?;
    let port = || bytes.get(2..4)?.try_into().ok().map(u16::from_be_bytes);
    match i32::from(family) {
        libc::AF_UNSPEC => Ok(Address::None),
        libc::AF_INET => {
            let ip = bytes.get(4..8).and_then(|ip| <[u8; 4]>::try_from(ip).ok()).ok_or(Errno::INVAL)?;
            let port = port().ok_or(Errno::INVAL)?;
            Ok(Address::Internet((Ipv4Addr::from(ip), port).into()))
        }
        libc::AF_INET6 => {
            let ip = bytes.get(8..24).and_then(|ip| <[u8; 16]>::try_from(ip).ok()).ok_or(Errno::INVAL)?;
            let port = port().ok_or(Errno::INVAL)?;
            let scope =
                bytes.get(24..28).and_then(|scope| scope.try_into().ok()).map_or(0, u32::from_ne_bytes);
            Ok(Address::Internet(SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, scope).into()))
        }
        libc::AF_UNIX => Ok(unix(&bytes[2..])),
        _ => Err(Errno::AFNOSUPPORT),
    }
}

fn unix(name: &[u8]) -> Address {
    match name {
        [] => Address::Name(vec![]),
        [0, name @ ..] => Address::Name(name.to_vec()),
        path => {
            let end = path.iter().position(|&byte| byte == 0).unwrap_or(path.len());
            Address::Path(OsStr::from_bytes(&path[..end]).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_the_kernel_reads_them() {
        let with = |family: i32, rest: &[u8]| {
            let mut bytes = u16::try_from(family).unwrap().to_ne_bytes().to_vec();
            bytes.extend_from_slice(rest);
            parse(&bytes)
        };
        let internet = |text: &str| Ok(Address::Internet(text.parse().unwrap()));
        assert_eq!(with(libc::AF_INET, &[1, 187, 127, 0, 0, 1]), internet("127.0.0.1:443"));
        let mut six = [0; 26];
        (six[1], six[21]) = (80, 1);
        assert_eq!(with(libc::AF_INET6, &six), internet("[::1]:80"));
        assert_eq!(with(libc::AF_UNIX, b"/run/x\0rest"), Ok(Address::Path("/run/x".into())));
        assert_eq!(with(libc::AF_UNIX, b"\0name"), Ok(Address::Name(b"name".to_vec())));
        assert_eq!(with(libc::AF_UNIX, b""), Ok(Address::Name(vec![])));
        assert_eq!(with(libc::AF_UNSPEC, b""), Ok(Address::None));
        assert_eq!(with(libc::AF_INET, &[1]), Err(Errno::INVAL));
        assert_eq!(with(libc::AF_INET6, &six[..20]), Err(Errno::INVAL));
        assert_eq!(with(libc::AF_VSOCK, &six), Err(Errno::AFNOSUPPORT));
        assert_eq!(parse(&[2]), Err(Errno::INVAL));
    }
}

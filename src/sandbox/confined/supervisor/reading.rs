//! What a call that waits says: bytes of its process's memory, and paths as that process sees them. Must not know what is
//! decided about it.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::address::{self, Address};
use super::{Call, Supervisor};

/// Linux takes no longer one.
const LONGEST_PATH: usize = 4096;
/// No processor has smaller ones.
const PAGE: u64 = 4096;

impl Supervisor {
    /// The address that a call names, copied once.
    pub(super) fn address(&self, call: &Call, at: u64, length: u64) -> Result<Address, Errno> {
        // A length is an `int`.
        let length = length & u64::from(u32::MAX);
        if length > address::LONGEST {
            return Err(Errno::INVAL);
        }
        let mut bytes = [0; address::LONGEST as usize];
        let bytes = bytes.get_mut(..length as usize).ok_or(Errno::INVAL)?;
        let memory = File::open(format!("{}/mem", call.thread)).map_err(|_| Errno::ACCESS)?;
        memory.read_exact_at(bytes, at).map_err(|_| Errno::FAULT)?;
        if !self.listener.waits(call) {
            return Err(Errno::SRCH);
        }
        address::parse(bytes)
    }

    /// Bytes of the caller's memory, copied once.
    pub(super) fn memory(&self, call: &Call, at: u64, length: u64) -> Result<Vec<u8>, Errno> {
        let mut bytes = vec![0; usize::try_from(length).map_err(|_| Errno::INVAL)?];
        let memory = File::open(format!("{}/mem", call.thread)).map_err(|_| Errno::ACCESS)?;
        memory.read_exact_at(&mut bytes, at).map_err(|_| Errno::FAULT)?;
        Ok(bytes)
    }

    /// The path that begins at `at` in the caller's memory, copied once.
    pub(super) fn path(&self, call: &Call, at: u64) -> Option<Vec<u8>> {
        let memory = File::open(format!("{}/mem", call.thread)).ok()?;
        let mut path = Vec::new();
        while path.len() < LONGEST_PATH {
            // What lies behind the path's own page may be nobody's.
            let here = at.checked_add(path.len() as u64)?;
            let mut part = [0; PAGE as usize];
            let part = &mut part[..(PAGE - here % PAGE) as usize];
            let length = memory.read_at(part, here).ok().filter(|&length| length > 0)?;
            let end = part[..length].iter().position(|&byte| byte == 0);
            path.extend_from_slice(&part[..end.unwrap_or(length)]);
            if end.is_some() {
                return self.listener.waits(call).then_some(path);
            }
        }
        None
    }

    /// Opens the file of a Unix socket as the child would; where it really is.
    pub(super) fn open(&self, call: &Call, path: &Path) -> Result<(OwnedFd, PathBuf), Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let folder = format!("{}/cwd", call.thread);
        let folder = rustix::fs::open(folder, flags | OFlags::DIRECTORY, Mode::empty())?;
        let resolve = ResolveFlags::NO_MAGICLINKS;
        let file = match rustix::fs::openat2(&folder, path, flags, Mode::empty(), resolve) {
            Ok(file) => file,
            // So does a file that is there and hidden.
            Err(Errno::LOOP) => return Err(Errno::ACCESS),
            Err(error) => return Err(error),
        };
        let real = rustix::fs::readlinkat(CWD, format!("self/fd/{}", file.as_raw_fd()), vec![])?;
        let real = PathBuf::from(OsString::from_vec(real.into_bytes()));
        Ok((file, real))
    }
}

//! A run that the disk of its machine ended: it came to no end that its journal should tell of, so the next run goes on
//! where it stopped.

use std::io::ErrorKind;

use rustix::io::Errno;
use rustix::process::Signal;

use crate::error::Error;

/// What is to be done about it.
const MEND: &str = "fix the disk of this machine (free space or inodes, make it writable, or raise its quota or `ulimit -f`) \
                    and run the day again: it continues where it stopped, and nothing is paid twice";
const FAULTS: [Errno; 5] = [Errno::NOSPC, Errno::DQUOT, Errno::FBIG, Errno::ROFS, Errno::IO];
/// The kinds of the same, as far as they have one.
const KINDS: [ErrorKind; 4] = [
    ErrorKind::StorageFull,
    ErrorKind::QuotaExceeded,
    ErrorKind::FileTooLarge,
    ErrorKind::ReadOnlyFilesystem,
];

/// Has a write that the limit of file sizes forbids fail as any other one, where it would end the process. Children begin
/// without this.
pub(crate) fn outlive_size_limit() {
    use tokio::signal::unix::{SignalKind, signal};
    // The handler stays when its stream is gone.
    if let Err(problem) = signal(SignalKind::from_raw(Signal::XFSZ.as_raw())) {
        tracing::debug!("a limit of file sizes ends the run: {problem}");
    }
}

/// Whether `error` comes from a disk that is full, read-only or broken, and not from what the day did.
pub(crate) fn is_at_fault(error: &Error) -> bool {
    matches!(error, Error::Abort(cause) if is_fault(cause))
}

/// `error` with what is to be done, where the disk is at fault.
pub(crate) fn explained(error: Error) -> Error {
    match error {
        Error::Abort(cause) if is_fault(&cause) => Error::Abort(anyhow::anyhow!("{cause:#}; {MEND}")),
        error => error,
    }
}

fn is_fault(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        if let Some(error) = cause.downcast_ref::<std::io::Error>() {
            // An error that names its path keeps nothing but the kind.
            let raw = error.raw_os_error().unwrap_or_default();
            return FAULTS.iter().any(|fault| fault.raw_os_error() == raw) || KINDS.contains(&error.kind());
        }
        if let Some(errno) = cause.downcast_ref::<Errno>() {
            return FAULTS.contains(errno);
        }
        // libgit2 keeps nothing but the words.
        let by_git =
            cause.downcast_ref::<git2::Error>().filter(|error| error.class() == git2::ErrorClass::Os);
        by_git.is_some_and(|error| FAULTS.iter().any(|fault| error.message().contains(&words(*fault))))
    })
}

/// `No space left on device`.
fn words(errno: Errno) -> String {
    let text = std::io::Error::from(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_told_from_a_day() {
        let full = || std::io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error());
        let of = |error: anyhow::Error| is_at_fault(&Error::Abort(error.context("writing x")));
        assert!(of(full().into()));
        for fault in FAULTS {
            assert!(of(anyhow::Error::from(fault)), "{fault}");
        }
        let named = std::io::Error::new(full().kind(), "at path \"/tmp/x\"");
        assert!(of(named.into()));
        let git = |words: &str| git2::Error::new(git2::ErrorCode::GenericError, git2::ErrorClass::Os, words);
        assert!(of(git("failed to write: No space left on device").into()));
        assert!(!of(git("failed to open: Permission denied").into()));
        assert!(!of(std::io::Error::other("No space left on device").into()));
        assert!(!of(anyhow::anyhow!("the model said: No space left on device")));
        let text = explained(Error::Abort(full().into())).to_string();
        assert!(text.contains("No space left") && text.contains("free space"), "{text}");
    }
}

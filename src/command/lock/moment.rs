//! Moments by a clock that also runs while the machine sleeps or a virtual machine is stopped: whoever holds a day on the git
//! server must notice how long it was away. Knows no lock.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Linux' monotonic clock stands still while the machine sleeps; that of macOS does not.
#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Monotonic;

/// A moment of this machine.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment(Duration);

impl Moment {
    pub(super) fn now() -> Self {
        let now = clock_gettime(CLOCK);
        let (seconds, nanos) = (u64::try_from(now.tv_sec), u32::try_from(now.tv_nsec));
        Self(Duration::new(seconds.unwrap_or_default(), nanos.unwrap_or_default()))
    }

    /// Time since then, sleep included.
    pub(super) fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}

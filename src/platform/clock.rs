//! Waiting, so that tests need not wait. Knows nothing of what is waited for.

use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;

/// Time as this room sees it.
pub(super) trait Clock: Send + Sync {
    /// Seconds since 1970, as `x-ratelimit-reset` counts.
    fn unix(&self) -> u64;
    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()>;
}

/// The machine's own.
pub(super) struct SystemClock;

impl Clock for SystemClock {
    fn unix(&self) -> u64 {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }

    fn sleep(&self, pause: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(pause))
    }
}

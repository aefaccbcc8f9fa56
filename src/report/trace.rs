//! Tracing of what goes on inside, for people who look for a fault: to stderr, as `PACE_LOG` filters it.

use std::io;

use anyhow::Context as _;
use tracing_subscriber::EnvFilter;

/// Starts tracing with a filter such as `info` or `pace=debug`; only the first call of a process counts.
pub(crate) fn init(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("{filter} is not a filter"))?;
    let subscriber =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_target(false);
    // A second start would be a caller that runs pace twice in a process; the first stays in force.
    let _ = subscriber.without_time().with_ansi(false).try_init();
    Ok(())
}

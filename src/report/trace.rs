//! Tracing of what goes on inside, for people who look for a fault: to stderr, as `PACE_LOG` filters it.

use std::{fmt, io};

use anyhow::Context as _;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Starts tracing with a filter such as `info` or `pace=debug`; only the first call of a process counts.
pub(crate) fn init(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).with_context(|| format!("{filter} is not a filter"))?;
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    // A second start would be a caller that runs pace twice in a process; the first stays in force.
    let _ = subscriber.with_ansi(false).event_format(Lines).try_init();
    Ok(())
}

/// `[PACE] warning: …`, as every other line of the log.
struct Lines;

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = match *event.metadata().level() {
            Level::ERROR => "error: ",
            Level::WARN => "warning: ",
            Level::INFO => "",
            Level::DEBUG => "debug: ",
            Level::TRACE => "trace: ",
        };
        write!(out, "[PACE] {level}")?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

//! (interim)
use crate::domain::event::{Event, Events};
use crate::settings::LogStyle;
use std::time::Duration;
pub(crate) struct Style {
    pub colour: bool,
    pub log: LogStyle,
}
pub(crate) struct Terminal<W> {
    w: std::sync::Mutex<W>,
    redact: Box<dyn Fn(&str) -> String + Send + Sync>,
}
impl<W: std::io::Write> Terminal<W> {
    pub(crate) fn new(
        w: W,
        _s: Style,
        _c: Box<dyn Fn() -> Duration + Send + Sync>,
        redact: Box<dyn Fn(&str) -> String + Send + Sync>,
    ) -> Self {
        Self { w: std::sync::Mutex::new(w), redact }
    }
}
impl<W: std::io::Write + Send> Events for Terminal<W> {
    fn emit(&self, event: Event) {
        if let Ok(mut w) = self.w.lock() {
            let _ = match event {
                Event::Decided { decision, hold } => {
                    let _ = writeln!(w, "[PACE] day: {decision}");
                    hold.map_or(Ok(()), |h| {
                        writeln!(
                            w,
                            "[PACE] {}: HOLD\n[PACE] hold_reason: {}",
                            h.agent,
                            (self.redact)(&h.reason)
                        )
                    })
                }
                Event::Step { agent, text } => writeln!(w, "[{agent}] {}", (self.redact)(&text)),
                Event::AgentFinished { agent, decision: Some(d), .. } => writeln!(w, "[PACE] {agent}: {d}"),
                Event::Notice { text, .. } => writeln!(w, "[PACE] {}", (self.redact)(&text)),
                _ => Ok(()),
            };
        }
    }
}

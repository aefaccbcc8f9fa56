//! How long and how often a call is tried. Knows no endpoint.

use std::time::{Duration, Instant};

use super::ModelError;
use super::failure::Transient;

/// How long a call goes on trying.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// No further attempt begins, and no wait reaches, beyond this time after the first. A reply that is arriving by
    /// then may still arrive: cutting it off would only waste what it cost.
    pub total: Duration,
    /// Longest silence before and within a reply. Models that think without showing it are silent for minutes.
    pub idle: Duration,
    /// Longest time for one reply, so that a server that only sends keep-alives ends too.
    pub stream: Duration,
    /// How often a reply may break off after it began: each attempt is paid.
    pub broken: u32,
    /// How often no connection may come about: a wrong host or port does not pass in minutes.
    pub unconnected: u32,
    /// First upper bound of the wait, doubled with every attempt up to `longest_wait`.
    pub first_wait: Duration,
    pub longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self::with(Duration::from_mins(5))
    }
}

impl Patience {
    /// With a model that may be silent for `idle`.
    pub(crate) fn with(idle: Duration) -> Self {
        Self {
            total: idle.saturating_mul(2),
            idle,
            stream: idle.saturating_mul(6),
            broken: 3,
            unconnected: 7,
            first_wait: Duration::from_secs(1),
            longest_wait: Duration::from_mins(1),
        }
    }
}

/// The attempts of one call so far.
pub(super) struct Tries {
    patience: Patience,
    started: Instant,
    failed: u32,
    broken: u32,
    unconnected: u32,
}

impl Tries {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, started: Instant::now(), failed: 0, broken: 0, unconnected: 0 }
    }

    /// How long to wait before the next attempt: full jitter over an exponential bound, at least what the server asks.
    ///
    /// # Errors
    /// Patience is over, or the run's time (`until`) would be.
    pub(super) fn next_wait(
        &mut self,
        failure: Transient,
        until: Option<Instant>,
    ) -> Result<Duration, ModelError> {
        let bound =
            self.patience.first_wait.saturating_mul(1 << self.failed.min(16)).min(self.patience.longest_wait);
        self.failed += 1;
        self.broken += u32::from(failure.begun || failure.garbled);
        self.unconnected += u32::from(failure.unconnected);
        let wait = bound.mul_f64(fastrand::f64()).max(failure.wait.unwrap_or_default());
        let over = self.started.elapsed().saturating_add(wait) > self.patience.total;
        let late = until.is_some_and(|until| Instant::now() + wait >= until);
        let lasting = self.broken >= self.patience.broken || self.unconnected >= self.patience.unconnected;
        if late && !over && !lasting {
            let why = format!("{}; PACE_RUN_TIMEOUT is over before the next try", failure.why);
            return Err(self.give_up(Transient { why, ..failure }));
        }
        if over || lasting {
            return Err(self.give_up(failure));
        }
        tracing::warn!(
            "the model did not answer: {}; trying again in {:.1} s",
            failure.why,
            wait.as_secs_f32()
        );
        Ok(wait)
    }

    fn give_up(&self, failure: Transient) -> ModelError {
        if failure.garbled {
            return ModelError::Malformed(failure.why);
        }
        let mut last = failure.why;
        if let Some(wait) = failure.wait.filter(|wait| *wait > self.patience.total) {
            last = format!("{last} (it asks to wait {} s)", wait.as_secs());
        }
        ModelError::Unreachable { seconds: self.started.elapsed().as_secs(), attempts: self.failed, last }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_jitter_and_honour_the_server() {
        let mut tries = Tries::new(Patience::default());
        let mut waits = Vec::new();
        for attempt in 0..8 {
            let wait = tries.next_wait(Transient::default(), None).unwrap();
            assert!(
                wait <= Duration::from_secs(1 << attempt).min(Duration::from_mins(1)),
                "{attempt}: {wait:?}"
            );
            waits.push(wait);
        }
        waits.dedup();
        assert!(waits.len() > 1, "no jitter");
        let asked = Transient { wait: Some(Duration::from_secs(90)), ..Transient::default() };
        assert!(tries.next_wait(asked, None).unwrap() >= Duration::from_secs(90));
    }

    #[test]
    fn a_server_that_asks_for_more_than_our_patience_is_given_up_at_once() {
        let mut tries = Tries::new(Patience::default());
        let asked = Transient {
            why: "status 429: slow down".to_owned(),
            wait: Some(Duration::from_hours(1)),
            ..Transient::default()
        };
        let error = tries.next_wait(asked, None).unwrap_err().to_string();
        assert_eq!(
            error,
            "the model could not be reached (1 try): status 429: slow down (it asks to wait 3600 s)"
        );
    }
}

//! Who runs a day: what a lock on the git server says, and what follows from its age. Pure rules: every time is
//! seconds since 1970 by the server's clock, given by the caller.

use serde::{Deserialize, Serialize};

/// Seconds between two signs of life of an owner.
pub(crate) const BEAT: u64 = 60;
/// Seconds without a sign of life after which an owner is dead. The owner itself stops before that.
pub(crate) const EXPIRY: i64 = 300;

/// Characters of a host or address that people are shown.
const SHOWN: usize = 200;

/// The owner of a day, as its lock says it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    /// Random; tells one run from every other.
    pub run: String,
    /// Name of the machine.
    pub host: String,
    /// Page of the CI run.
    #[serde(default)]
    pub url: Option<String>,
    pub day: u32,
    pub sprint: String,
    /// When the lock was taken.
    pub since: i64,
    /// The last sign of life.
    pub at: i64,
    /// The run ended, where the server takes no reference away.
    #[serde(default)]
    pub released: bool,
}

/// What a lock that lies there means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Alive,
    /// The owner ended and said so.
    Released,
    /// No sign of life for [`EXPIRY`].
    Dead,
    /// Its time lies far ahead: some clock was wrong. Only watching it tells whether the owner lives.
    Unclear,
}

impl Owner {
    /// Of a lock that pace did not write: as old as what holds it.
    pub(crate) fn unknown(time: i64) -> Self {
        Self {
            run: "unknown".into(),
            host: "an unknown host".into(),
            url: None,
            day: 0,
            sprint: String::new(),
            since: time,
            at: time,
            released: false,
        }
    }

    pub(crate) fn standing(&self, now: i64) -> Standing {
        if self.released {
            return Standing::Released;
        }
        match now.saturating_sub(self.at) {
            age if age >= EXPIRY => Standing::Dead,
            age if age <= -EXPIRY => Standing::Unclear,
            _ => Standing::Alive,
        }
    }

    /// For people: `run 3f2a… on ci-7 (https://…)`. Whoever may push wrote it, so only plain characters of it are
    /// shown.
    pub(crate) fn name(&self) -> String {
        let plain = |text: &str, most: usize| -> String {
            text.chars().filter(char::is_ascii_graphic).take(most).collect()
        };
        let url = self.url.as_deref().map(|url| plain(url, SHOWN)).filter(|url| url.starts_with("http"));
        let url = url.map(|url| format!(" ({url})")).unwrap_or_default();
        format!("run {} on {}{url}", plain(&self.run, 8), plain(&self.host, SHOWN))
    }

    /// The name with its age: `…, last sign of life 12 s ago`.
    pub(crate) fn describe(&self, now: i64) -> String {
        let age = now.saturating_sub(self.at).max(0);
        format!("{}, last sign of life {age} s ago", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(at: i64) -> Owner {
        Owner {
            run: "0123456789abcdef".into(),
            host: "ci-7".into(),
            url: Some("https://ci.example.org/run/7".into()),
            day: 2,
            sprint: "spring".into(),
            since: 900,
            at,
            released: false,
        }
    }

    #[test]
    fn an_owner_is_dead_once_it_was_silent_for_too_long() {
        for (at, standing) in [
            (1_000, Standing::Alive),
            (1_000 - EXPIRY + 1, Standing::Alive),
            (1_000 - EXPIRY, Standing::Dead),
            (i64::MIN, Standing::Dead),
            (1_000 + EXPIRY - 1, Standing::Alive),
            (1_000 + EXPIRY, Standing::Unclear),
            (i64::MAX, Standing::Unclear),
        ] {
            assert_eq!(owner(at).standing(1_000), standing, "{at}");
        }
        let ended = Owner { released: true, ..owner(1_000) };
        assert_eq!(ended.standing(1_000), Standing::Released);
        // Several beats fit into the time after which others take over.
        assert!(4 * i64::try_from(BEAT).unwrap() < EXPIRY);
    }

    #[test]
    fn an_owner_is_described_in_plain_characters() {
        let text = owner(990).describe(1_002);
        assert_eq!(text, "run 01234567 on ci-7 (https://ci.example.org/run/7), last sign of life 12 s ago");
        let hostile = Owner {
            host: "a\n::set-output x\u{1b}[31m\u{202e}".into(),
            url: Some("javascript:x".into()),
            ..owner(9)
        };
        assert_eq!(hostile.describe(0), "run 01234567 on a::set-outputx[31m, last sign of life 0 s ago");
    }
}

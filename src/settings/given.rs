//! One value as it was given, and how it is read: numbers, durations, money, folders, URLs. Every error names
//! where the value stands, what it looks like and the mend. Knows no particular variable.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use url::{Host, Url};

use super::variables::RawEnv;
use crate::secret::Secret;

/// A read value; `Ok(None)` = unset, `Err` = the problem in one line.
pub(super) type Read<T> = Result<Option<T>, String>;

/// Values are quoted in problems up to this length.
const QUOTED: usize = 60;

/// The longest duration that makes sense in a CI: a week.
const LONGEST: Duration = Duration::from_hours(7 * 24);

/// The environment above the legacy file.
#[derive(Default)]
pub(super) struct Inputs {
    pub(super) raw: RawEnv,
    /// Where a value of the legacy file stands, e.g. `pace.config.yaml:3: llm.model`, by variable.
    places: BTreeMap<&'static str, String>,
}

impl Inputs {
    /// `pairs` hold cleaned values under their variables' names.
    pub(super) fn new(
        pairs: impl Iterator<Item = (String, String)>,
        places: BTreeMap<&'static str, String>,
    ) -> Result<Self, envy::Error> {
        Ok(Self { raw: envy::from_iter(pairs)?, places })
    }

    pub(super) fn given<'a>(&'a self, name: &'static str, text: Option<&'a str>) -> Given<'a> {
        Given { name, text, place: self.places.get(name).map(String::as_str) }
    }
}

/// One variable's value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'a> {
    pub(super) name: &'static str,
    pub(super) text: Option<&'a str>,
    place: Option<&'a str>,
}

impl<'a> Given<'a> {
    /// Where the value stands, for messages.
    pub(super) fn label(&self) -> &'a str {
        self.place.unwrap_or(self.name)
    }

    /// A problem with this value: `is` says what is wrong, `mend` what to do.
    pub(super) fn problem(&self, is: &str, mend: &str) -> String {
        format!("{} is {}, {is}; {mend}", self.label(), quoted(self.text.unwrap_or_default()))
    }

    fn parsed<T>(&self, read: impl FnOnce(&'a str) -> Option<T>, is: &str, mend: &str) -> Read<T> {
        self.text.map(|text| read(text).ok_or_else(|| self.problem(is, mend))).transpose()
    }

    pub(super) fn text(&self) -> Option<String> {
        self.text.map(str::to_owned)
    }

    /// Text on one line, without control characters.
    pub(super) fn line(&self) -> Read<String> {
        self.parsed(
            |text| (!text.chars().any(char::is_control)).then(|| text.to_owned()),
            "not a single line",
            "remove line breaks and control characters",
        )
    }

    /// One word, as model names are.
    pub(super) fn word(&self) -> Read<String> {
        self.parsed(
            |text| (!text.chars().any(|c| c.is_whitespace() || c.is_control())).then(|| text.to_owned()),
            "not one word",
            "remove the blanks",
        )
    }

    pub(super) fn flag(&self) -> Read<bool> {
        self.parsed(flag, "neither true nor false", "use true or false")
    }

    pub(super) fn count(&self, range: RangeInclusive<u32>) -> Read<u32> {
        self.parsed(
            |text| text.parse().ok().filter(|count| range.contains(count)),
            "not a whole number in range",
            &format!("use {} to {}", range.start(), range.end()),
        )
    }

    /// US dollars above zero; a leading `$` is fine.
    pub(super) fn dollars(&self) -> Read<f64> {
        let read = |text: &str| {
            let amount: f64 = text.strip_prefix('$').unwrap_or(text).trim().parse().ok()?;
            (amount.is_finite() && amount > 0.0).then_some(amount)
        };
        self.parsed(read, "not an amount above zero", "use US dollars, e.g. 2.50")
    }

    /// Percent from 1 to 100, or 0; a trailing `%` is fine. What lies between 0 and 1 is a fraction by mistake.
    pub(super) fn percent(&self) -> Read<f64> {
        let read = |text: &str| {
            let percent: f64 = text.strip_suffix('%').unwrap_or(text).trim().parse().ok()?;
            (percent == 0.0 || (1.0..=100.0).contains(&percent)).then_some(percent)
        };
        self.parsed(read, "not a percentage", "use 1 to 100, e.g. 80")
    }

    /// `15m`, `90s`, `1h30m`, or plain seconds; one second to seven days.
    pub(super) fn duration(&self) -> Read<Duration> {
        let read = |text: &str| {
            let duration = match text.parse::<u64>() {
                Ok(seconds) => Duration::from_secs(seconds),
                Err(_) => Duration::try_from(text.parse::<SignedDuration>().ok()?).ok()?,
            };
            (Duration::from_secs(1)..=LONGEST).contains(&duration).then_some(duration)
        };
        self.parsed(
            read,
            "not a duration from one second to seven days",
            "use e.g. 15m, 90s, 1h30m or plain seconds",
        )
    }

    pub(super) fn timezone(&self) -> Read<TimeZone> {
        self.parsed(
            |text| TimeZone::get(text).ok(),
            "not a known time zone",
            "use a name such as UTC or Europe/Berlin",
        )
    }

    /// One of `words`, in any case.
    pub(super) fn choice<T: Copy>(&self, words: &[(&str, T)]) -> Read<T> {
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.parsed(
            |text| words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, choice)| *choice),
            "not a known word",
            &format!("use {}", names.join(", ")),
        )
    }

    /// A file or folder inside the repository, `/`-separated, `.` for the root.
    pub(super) fn inside(&self) -> Read<String> {
        self.text.map(|text| self.inside_path(text)).transpose()
    }

    /// A comma list of such folders, each once.
    pub(super) fn all_inside(&self) -> Read<Vec<String>> {
        let Some(text) = self.text else { return Ok(None) };
        let mut folders = Vec::new();
        for folder in list(text) {
            let folder = self.inside_path(folder)?;
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        if folders.is_empty() {
            return Err(self.problem("an empty list", "name folders, or remove it for the whole repository"));
        }
        Ok(Some(folders))
    }

    fn inside_path(&self, path: &str) -> Result<String, String> {
        let refuse =
            |is: &str, mend: &str| Err(format!("{} names {}, {is}; {mend}", self.label(), quoted(path)));
        if path.starts_with(['/', '~']) || path.as_bytes().get(1) == Some(&b':') {
            return refuse("which is not inside the repository", "use a path relative to its root");
        }
        if path.contains('\\') {
            return refuse("which has a backslash", "use / between folders");
        }
        if path.contains(['*', '?', '[', '{']) || path.chars().any(char::is_control) {
            return refuse("which is a pattern", "name the folder itself");
        }
        let parts: Vec<&str> = path.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return refuse("which leaves the repository", "use a path without ..");
        }
        if parts.iter().any(|part| part.eq_ignore_ascii_case(".git")) {
            return refuse("which is git's own", "name a folder of the work tree");
        }
        Ok(if parts.is_empty() { ".".to_owned() } else { parts.join("/") })
    }

    /// A path anywhere on this machine; relative ones start at `base`.
    pub(super) fn path(&self, base: &std::path::Path) -> Option<PathBuf> {
        self.text.map(|text| base.join(text))
    }

    /// An http or https address without user, query and trailing slash. Its value is never shown where it may
    /// hold a credential.
    pub(super) fn address(&self) -> Read<Url> {
        let Some(text) = self.text else { return Ok(None) };
        let Ok(url) = Url::parse(text) else {
            return Err(if text.contains('@') {
                format!("{} is not a URL; use https://host/path without user and password", self.label())
            } else {
                self.problem("not a URL", "use https://host/path")
            });
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(format!(
                "{} holds a user or password; remove it, credentials have variables of their own",
                self.label()
            ));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(format!("{} has a ?query or #fragment; remove it", self.label()));
        }
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(self.problem("not an http or https address", "use https://host/path"));
        }
        if is_link_local(&url) {
            return Err(self.problem("a link-local address", "use the host's name or another address"));
        }
        Ok(Some(url))
    }

    /// A branch name; `refs/heads/` is taken off.
    pub(super) fn branch(&self) -> Read<String> {
        let read = |text: &str| {
            let name = text.strip_prefix("refs/heads/").unwrap_or(text);
            git2::Branch::name_is_valid(name).ok()?.then(|| name.to_owned())
        };
        self.parsed(read, "not a valid branch name", "use a name such as pace/sprint")
    }

    /// Names of other variables, separated by commas or blanks, each once.
    pub(super) fn names(&self) -> Read<Vec<String>> {
        let Some(text) = self.text else { return Ok(None) };
        let mut names = Vec::new();
        for name in text.split([',', ' ', '\n', '\t']).map(str::trim).filter(|name| !name.is_empty()) {
            let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !name.starts_with(|first: char| first.is_ascii_digit());
            if !fits {
                // It may be `NAME=value`, and the value a secret.
                return Err(format!(
                    "{} holds something that is not a variable's name; list names only, e.g. NPM_TOKEN,DATABASE_URL",
                    self.label()
                ));
            }
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        Ok(Some(names))
    }

    /// A credential, fit for a request header.
    pub(super) fn secret(&self) -> Read<Secret> {
        let Some(text) = self.text else { return Ok(None) };
        if let Some(bad) = text.chars().position(|c| !c.is_ascii_graphic()) {
            return Err(format!(
                "{} has a character that no credential has, at position {} of {}; copy it again",
                self.label(),
                bad + 1,
                text.chars().count()
            ));
        }
        Ok(Some(Secret::new(text)))
    }

    /// Whether the text is one word of "nothing".
    pub(super) fn is_none(&self) -> bool {
        self.text.is_some_and(|text| text.eq_ignore_ascii_case("none"))
    }

    /// The value, unset where it says `none` or one of `nothing`.
    pub(super) fn unless(self, nothing: &[&str]) -> Self {
        let unset = self.is_none() || self.text.is_some_and(|text| nothing.contains(&text));
        Self { text: self.text.filter(|_| !unset), ..self }
    }
}

/// `true`, `false` and their usual spellings in any case.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "y" | "t" => Some(true),
        "false" | "0" | "no" | "off" | "n" | "f" => Some(false),
        _ => None,
    }
}

/// The parts of a comma list, trimmed, without empty ones.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty())
}

/// A value in quotes, on one line, shortened.
pub(super) fn quoted(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

/// Whether the address is this machine itself.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// Addresses at which clouds hand out credentials; no model and no forge lives there.
fn is_link_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_link_local(),
        Some(Host::Ipv6(ip)) => {
            ip.is_unicast_link_local() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_link_local())
        }
        _ => false,
    }
}

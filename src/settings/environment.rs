//! The process environment, cleaned: text only, trimmed, empty means unset, unknown `PACE_*` names told. Knows
//! the list of variables, not their meaning.

use std::collections::BTreeMap;
use std::ffi::OsString;

use super::Findings;
use super::given::quoted;
use super::variables::{self, VARIABLES};

/// The environment of one run.
pub(super) struct Environment {
    /// pace's own variables by their proper names, trimmed, none empty.
    pub(super) own: BTreeMap<&'static str, String>,
    /// Everything that is text, untouched: what children may inherit.
    pub(super) all: BTreeMap<String, String>,
    /// Names whose value is not UTF-8.
    pub(super) unreadable: Vec<String>,
}

impl Environment {
    /// Sorts `pairs` out; a name that comes twice keeps its first value.
    pub(super) fn clean(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
        findings: &mut Findings,
    ) -> Self {
        let mut environment = Self { own: BTreeMap::new(), all: BTreeMap::new(), unreadable: Vec::new() };
        for (name, value) in pairs {
            // A name that is not UTF-8 is nobody's.
            let Ok(name) = name.into_string() else { continue };
            let Ok(value) = value.into_string() else {
                if variables::find(&name).is_some() {
                    findings.problem(format!("{name} is not UTF-8 text; set it again or remove it"));
                }
                environment.unreadable.push(name);
                continue;
            };
            environment.all.entry(name).or_insert(value);
        }
        environment.take_own(findings);
        environment.warn_of_unknown(findings);
        environment
    }

    fn take_own(&mut self, findings: &mut Findings) {
        for variable in VARIABLES {
            let value =
                |name: &str| self.all.get(name).map(|value| value.trim()).filter(|value| !value.is_empty());
            let (by_name, by_alias) = (value(variable.name), variable.alias.and_then(value));
            if let (Some(one), Some(other), Some(alias)) = (by_name, by_alias, variable.alias)
                && one != other
            {
                findings.problem(format!(
                    "{} is {} and {alias} is {}; they mean the same, set one of them",
                    variable.name,
                    quoted(one),
                    quoted(other)
                ));
            }
            if let Some(value) = by_name.or(by_alias) {
                self.own.insert(variable.name, value.to_owned());
            }
        }
    }

    fn warn_of_unknown(&self, findings: &mut Findings) {
        let names = self.all.keys().chain(&self.unreadable);
        let unknown = |name: &str| variables::find(name).is_none() && !variables::RESULTS.contains(&name);
        for name in names.filter(|name| is_ours_by_prefix(name) && unknown(name)) {
            let shown: String = name.escape_debug().take(80).collect();
            findings.warning(match nearest(name) {
                Some(known) => format!("{shown} is not a variable of pace; did you mean {known}?"),
                None => format!("{shown} is not a variable of pace and has no effect"),
            });
        }
    }
}

impl Environment {
    /// A variable that is set and whose name is that of the unset `meant` but for a slip.
    pub(super) fn slip_of(&self, meant: &str) -> Option<String> {
        let names = self.all.keys().filter(|name| variables::find(name).is_none());
        let name = names.map(|name| (distance(name, meant), name)).min()?;
        (name.0 <= 2).then(|| name.1.escape_debug().to_string())
    }
}

fn is_ours_by_prefix(name: &str) -> bool {
    name.get(..5).is_some_and(|prefix| prefix.eq_ignore_ascii_case("PACE_"))
}

/// The known name or alias that is closest to `name`, if one is close.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_uppercase();
    let bare = |name: &str| name.strip_prefix("PACE_").unwrap_or(name).to_owned();
    VARIABLES
        .iter()
        .filter(|variable| !variable.is_of_ci())
        .flat_map(|variable| [Some(variable.name), variable.alias])
        .flatten()
        .filter(|known| name.len() < 2 * known.len() + 10)
        .filter_map(|known| {
            let (typed, meant) = (bare(&name), bare(known));
            let (apart, whole) = (distance(&typed, &meant), distance(&name, known));
            let close = apart <= (typed.len().max(meant.len()) + 1) / 3 || ends_alike(&typed, &meant);
            close.then_some((apart, whole, known))
        })
        .min()
        .map(|(_, _, known)| known)
}

/// Whether one is the other with more words before it: `LLM_MODEL` and `MODEL`.
fn ends_alike(one: &str, other: &str) -> bool {
    let (long, short) = if one.len() > other.len() { (one, other) } else { (other, one) };
    long.strip_suffix(short).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
}

/// How many characters must be put in, taken out or replaced to make one of the other (Levenshtein).
pub(super) fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, from) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_that_was_meant() {
        for (typed, meant) in [
            ("PACE_MODLE", Some("PACE_MODEL")),
            ("PACE_PROVIDER", Some("PACE_LLM_PROVIDER")),
            ("PACE_LLM_MODEL", Some("PACE_MODEL")),
            ("pace_sandbox", Some("PACE_SANDBOX")),
            ("PACE_RETRY", Some("RETRY")),
            ("PACE_TEST_CMD", Some("PACE_TEST_COMMAND")),
            ("PACE_API_KEY", Some("LLM_API_KEY")),
            ("PACE_TOTALLY_DIFFERENT_THING", None),
            ("PACE_FOO", None),
        ] {
            assert_eq!(nearest(typed), meant, "{typed}");
        }
    }

    #[test]
    fn counts_edits() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}

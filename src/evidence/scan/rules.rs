//! The rules as data: gitleaks' own (`rules.json`, their licence beside them) and those that it lacks (`more.json`),
//! read at the first scan; each pattern compiled when first needed.
//!
//! gitleaks speaks Go's RE2, whose classes are ASCII: hence bytes without Unicode, a tenth of the size and time.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use super::Kind;

static GIVEN: &str = include_str!("rules.json");
static MORE: &str = include_str!("more.json");

/// The rules, and which keyword calls for which of them.
pub(super) struct Rules {
    pub rules: Vec<Rule>,
    /// What is never a secret, whatever the rule.
    pub allow: AllowList,
    pub keywords: AhoCorasick,
    /// For every keyword of the automaton the rules that it calls for.
    pub called: Vec<Vec<usize>>,
}

/// One rule. See gitleaks' configuration for the meaning of its fields.
#[derive(Deserialize)]
pub(super) struct Rule {
    pub id: String,
    pub description: String,
    #[serde(deserialize_with = "kind")]
    pub kind: Kind,
    #[serde(default)]
    pub regex: Pattern,
    #[serde(default)]
    pub path: Pattern,
    #[serde(default)]
    keywords: Vec<String>,
    pub entropy: Option<f64>,
    /// The capture group of the value; without it the first that took part, else the whole match.
    pub secret_group: Option<usize>,
    #[serde(default)]
    pub allowlists: Vec<AllowList>,
}

/// What is not a secret although a rule says so.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct AllowList {
    #[serde(deserialize_with = "and")]
    #[serde(rename = "condition")]
    pub all: bool,
    pub target: Target,
    pub paths: Vec<Pattern>,
    pub regexes: Vec<Pattern>,
    pub stopwords: Vec<String>,
    #[serde(skip)]
    stop: OnceLock<Option<AhoCorasick>>,
}

/// What an allow list's expressions are held against.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Target {
    #[default]
    Secret,
    Match,
    Line,
}

/// A candidate for a secret.
pub(super) struct Candidate<'a> {
    pub path: &'a str,
    pub secret: &'a [u8],
    pub matched: &'a [u8],
    pub line: &'a [u8],
}

impl AllowList {
    /// Whether the candidate is none.
    pub(super) fn allows(&self, it: &Candidate<'_>) -> bool {
        let text = match self.target {
            Target::Secret => it.secret,
            Target::Match => it.matched,
            Target::Line => it.line,
        };
        let path = || self.paths.iter().any(|p| p.is_match(it.path.as_bytes()));
        let regex = || self.regexes.iter().any(|r| r.is_match(text));
        if !self.all {
            return self.stops(it.secret) || regex() || path();
        }
        let empty = self.paths.is_empty() && self.regexes.is_empty() && self.stopwords.is_empty();
        !empty
            && (self.stopwords.is_empty() || self.stops(it.secret))
            && (self.regexes.is_empty() || regex())
            && (self.paths.is_empty() || path())
    }

    fn stops(&self, secret: &[u8]) -> bool {
        let build = || AhoCorasick::builder().ascii_case_insensitive(true).build(&self.stopwords).ok();
        !self.stopwords.is_empty()
            && self.stop.get_or_init(build).as_ref().is_some_and(|stop| stop.is_match(secret))
    }
}

/// An expression, compiled when first used; an empty one matches nothing.
#[derive(Default, Deserialize)]
#[serde(from = "String")]
pub(super) struct Pattern {
    source: String,
    compiled: OnceLock<Option<Regex>>,
}

impl From<String> for Pattern {
    fn from(source: String) -> Self {
        Self { source, compiled: OnceLock::new() }
    }
}

impl Pattern {
    pub(super) fn is_empty(&self) -> bool {
        self.source.is_empty()
    }

    pub(super) fn is_match(&self, text: &[u8]) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    pub(super) fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| compile(&self.source).ok()).as_ref()
    }
}

/// Compiles an expression as the rules mean it.
pub(super) fn compile(source: &str) -> Result<Regex, regex::Error> {
    if source.is_empty() {
        return Err(regex::Error::Syntax("an empty expression".into()));
    }
    let build = |source: &str| RegexBuilder::new(source).unicode(false).build();
    build(source).or_else(|error| build(&literal_braces(source)).map_err(|_| error))
}

/// To RE2 a brace that opens no repetition is itself.
fn literal_braces(source: &str) -> String {
    let mut written = String::with_capacity(source.len() + 8);
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let mut taken = c.len_utf8();
        if c == '\\' {
            taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
            if matches!(&rest[..taken], r"\x" | r"\p" | r"\P") && rest[taken..].starts_with('{') {
                taken = rest.find('}').map_or(rest.len(), |end| end + 1);
            }
        } else if c == '{' && !opens_repetition(rest) {
            written.push('\\');
        }
        written.push_str(&rest[..taken]);
        rest = &rest[taken..];
    }
    written
}

fn opens_repetition(rest: &str) -> bool {
    let Some((inside, _)) = rest[1..].split_once('}') else { return false };
    inside.starts_with(|c: char| c.is_ascii_digit()) && inside.chars().all(|c| c.is_ascii_digit() || c == ',')
}

/// All rules.
pub(super) fn rules() -> &'static Rules {
    static RULES: LazyLock<Rules> = LazyLock::new(load);
    &RULES
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    allowlist: AllowList,
    rules: Vec<Rule>,
}

#[expect(clippy::expect_used, reason = "the rules are part of the binary, and a test loads them")]
fn load() -> Rules {
    let given: File = serde_json::from_str(GIVEN).expect("rules.json");
    let more: File = serde_json::from_str(MORE).expect("more.json");
    let rules: Vec<Rule> = given.rules.into_iter().chain(more.rules).collect();
    let mut words: Vec<&str> = Vec::new();
    let mut called: Vec<Vec<usize>> = Vec::new();
    for (index, rule) in rules.iter().enumerate() {
        for word in &rule.keywords {
            let at = words.iter().position(|known| known == word).unwrap_or_else(|| {
                words.push(word);
                called.push(Vec::new());
                words.len() - 1
            });
            called[at].push(index);
        }
    }
    let keywords =
        AhoCorasick::builder().ascii_case_insensitive(true).build(&words).expect("the keywords of the rules");
    Rules { allow: given.allowlist, keywords, called, rules }
}

fn kind<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Kind, D::Error> {
    match <&str>::deserialize(from)? {
        "provider" => Ok(Kind::Provider),
        "generic" => Ok(Kind::Generic),
        other => Err(serde::de::Error::custom(format!("kind {other}"))),
    }
}

fn and<'de, D: serde::Deserializer<'de>>(from: D) -> Result<bool, D::Error> {
    Ok(String::deserialize(from)?.eq_ignore_ascii_case("and"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_compiles_and_is_called_for() {
        let rules = rules();
        assert!(rules.rules.len() > 220, "{}", rules.rules.len());
        for rule in &rules.rules {
            let all = rule.allowlists.iter().chain([&rules.allow]);
            let lists = all.flat_map(|list| list.paths.iter().chain(&list.regexes));
            for pattern in lists.chain([&rule.regex, &rule.path]).filter(|p| !p.is_empty()) {
                assert!(pattern.regex().is_some(), "{}: {}", rule.id, pattern.source);
            }
            assert!(!rule.regex.is_empty() || !rule.path.is_empty(), "{} says nothing", rule.id);
            assert_eq!(rule.regex.is_empty(), rule.keywords.is_empty(), "{}: keywords", rule.id);
            assert!(rule.keywords.iter().all(|w| *w == w.to_lowercase()), "{}: keywords", rule.id);
        }
        let mut ids: Vec<_> = rules.rules.iter().map(|rule| &rule.id).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), rules.rules.len(), "an id stands twice");
    }

    #[test]
    fn braces_mean_what_they_mean_in_re2() {
        for (source, text) in [
            (r"^\$(?:\d+|{\d+})$", "${12}"),
            (r"^\${(?:[A-Z_]+)}$", "${NAME}"),
            (r"^\{\{x{2,}}}$", "{{xx}}"),
            (r"^\x{41}{3}{$", "AAA{"),
        ] {
            assert!(compile(source).unwrap().is_match(text.as_bytes()), "{source}");
        }
        assert!(compile("(").is_err());
    }
}

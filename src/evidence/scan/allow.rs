//! The repository's own exceptions, as they stood at the day base: gitleaks' configuration and ignore file, and the
//! baseline of detect-secrets. Marks in a line are looked at in [`super::judge`], against the base too.

use std::collections::BTreeSet;

use regex::bytes::Regex;
use serde::Deserialize;

use super::Kind;
use super::place::Lines;
use super::rules::compile;

/// The files that hold exceptions, from the repository root.
const CONFIGURATION: &str = ".gitleaks.toml";
const IGNORED: &str = ".gitleaksignore";
const BASELINE: &str = ".secrets.baseline";

/// What the repository excepts.
#[derive(Default)]
pub(crate) struct Allow {
    lists: Vec<List>,
    disabled: BTreeSet<String>,
    /// `path`, rule id and line of the day base.
    ignored: BTreeSet<(String, String, u32)>,
    /// `path` and line of the day base.
    baseline: BTreeSet<(String, u32)>,
    /// What could not be read, for the log.
    pub problems: Vec<String>,
}

/// A find in its surroundings.
pub(super) struct Found<'a> {
    pub rule: &'a str,
    pub kind: Kind,
    pub path: &'a str,
    pub secret: &'a [u8],
    pub matched: &'a [u8],
    pub line: &'a [u8],
    /// The file at the day base.
    pub base: Option<&'a Lines<'a>>,
}

impl Allow {
    /// Paths of the files to hand over, from the repository root.
    pub(crate) const FILES: [&str; 3] = [CONFIGURATION, IGNORED, BASELINE];

    /// Reads the allow files of the day base, given as path and content. What cannot be read excepts nothing and is
    /// named in `problems`.
    pub(crate) fn parse(files: &[(String, String)]) -> Self {
        let mut allow = Self::default();
        for (path, text) in files {
            match path.as_str() {
                CONFIGURATION => allow.configuration(text),
                IGNORED => allow.ignore_file(text),
                BASELINE => allow.baseline(text),
                _ => {}
            }
        }
        allow
    }

    /// Whether the repository excepts the find. Hidden Unicode is never excepted.
    pub(super) fn covers(&self, it: &Found<'_>) -> bool {
        if it.kind == Kind::HiddenUnicode {
            return false;
        }
        // An entry that names a line of the base stands for the value that stood there, not for the line.
        let stood = |line: u32| {
            let secret = it.secret.split(|byte| *byte == b'\n').next().unwrap_or_default();
            it.base.is_some_and(|base| !secret.is_empty() && contains(base.line(line), secret))
        };
        self.disabled.contains(it.rule)
            || self.lists.iter().any(|list| list.covers(it))
            || self
                .ignored
                .iter()
                .any(|(path, rule, line)| path == it.path && rule == it.rule && stood(*line))
            || self.baseline.iter().any(|(path, line)| path == it.path && stood(*line))
    }

    fn configuration(&mut self, text: &str) {
        let read: Configuration = match toml::from_str(text) {
            Ok(read) => read,
            Err(error) => {
                let error = error.message().to_owned();
                return self.problems.push(format!("{CONFIGURATION} is not used: {error}"));
            }
        };
        self.disabled.extend(read.extend.disabled_rules);
        let global = read.allowlist.into_iter().chain(read.allowlists).map(|list| (None, list));
        let of_rules = read.rules.into_iter().flat_map(|rule| {
            let lists = rule.allowlist.into_iter().chain(rule.allowlists).collect::<Vec<_>>();
            lists.into_iter().map(move |list| (Some(rule.id.clone()), list))
        });
        for (rule, written) in global.chain(of_rules) {
            let list = List::new(rule, written, &mut self.problems);
            self.lists.push(list);
        }
    }

    /// Lines of the form `path:rule:line`, with or without a commit before them.
    fn ignore_file(&mut self, text: &str) {
        for entry in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let parts: Vec<&str> = entry.split(':').collect();
            let (path, rule, line) = match parts[..] {
                [path, rule, line] | [_, path, rule, line] => (path, rule, line.parse::<u32>()),
                _ => ("", "", "".parse()),
            };
            match line {
                Ok(line) => _ = self.ignored.insert((path.to_owned(), rule.to_owned(), line)),
                Err(_) => self.problems.push(format!("{IGNORED}: `{entry}` is no path:rule:line")),
            }
        }
    }

    fn baseline(&mut self, text: &str) {
        let read: Baseline = match serde_json::from_str(text) {
            Ok(read) => read,
            Err(error) => return self.problems.push(format!("{BASELINE} is not used: {error}")),
        };
        for (path, entries) in read.results {
            let known = entries.into_iter().filter(|entry| entry.is_secret != Some(true));
            self.baseline.extend(known.map(|entry| (path.clone(), entry.line_number)));
        }
    }
}

/// An allow list with its expressions compiled.
struct List {
    /// The rules that it is for; all where empty.
    rules: Vec<String>,
    all: bool,
    target: String,
    paths: Vec<Regex>,
    regexes: Vec<Regex>,
    stopwords: Vec<String>,
}

impl List {
    fn new(rule: Option<String>, written: Written, problems: &mut Vec<String>) -> Self {
        let mut compiled = |sources: Vec<String>| -> Vec<Regex> {
            let each = sources.iter().filter_map(|source| match compile(source) {
                Ok(regex) => Some(regex),
                Err(_) => {
                    problems.push(format!("{CONFIGURATION}: the expression `{source}` cannot be read"));
                    None
                }
            });
            each.collect()
        };
        Self {
            rules: rule.into_iter().chain(written.target_rules).collect(),
            all: written.condition.eq_ignore_ascii_case("and") || written.condition == "&&",
            target: written.regex_target,
            paths: compiled(written.paths),
            regexes: compiled(written.regexes),
            stopwords: written.stopwords.iter().filter(|w| !w.is_empty()).map(|w| w.to_lowercase()).collect(),
        }
    }

    fn covers(&self, it: &Found<'_>) -> bool {
        if !self.rules.is_empty() && !self.rules.iter().any(|rule| rule == it.rule) {
            return false;
        }
        let text = match self.target.as_str() {
            "match" => it.matched,
            "line" => it.line,
            _ => it.secret,
        };
        let secret = it.secret.to_ascii_lowercase();
        let checks = [
            (self.paths.is_empty(), self.paths.iter().any(|path| path.is_match(it.path.as_bytes()))),
            (self.regexes.is_empty(), self.regexes.iter().any(|regex| regex.is_match(text))),
            (self.stopwords.is_empty(), self.stopwords.iter().any(|word| contains(&secret, word.as_bytes()))),
        ];
        let mut asked = checks.into_iter().filter(|(empty, _)| !empty).map(|(_, holds)| holds).peekable();
        if self.all { asked.peek().is_some() && asked.all(|holds| holds) } else { asked.any(|holds| holds) }
    }
}

pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    part.is_empty() || aho_corasick::AhoCorasick::new([part]).is_ok_and(|search| search.is_match(text))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Configuration {
    extend: Extend,
    allowlist: Option<Written>,
    allowlists: Vec<Written>,
    rules: Vec<WrittenRule>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Extend {
    #[serde(rename = "disabledRules")]
    disabled_rules: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenRule {
    id: String,
    #[serde(default)]
    allowlist: Option<Written>,
    #[serde(default)]
    allowlists: Vec<Written>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written {
    condition: String,
    regex_target: String,
    target_rules: Vec<String>,
    paths: Vec<String>,
    regexes: Vec<String>,
    stopwords: Vec<String>,
}

#[derive(Deserialize)]
struct Baseline {
    #[serde(default)]
    results: std::collections::BTreeMap<String, Vec<Known>>,
}

#[derive(Deserialize)]
struct Known {
    line_number: u32,
    /// What a person said of it when auditing.
    is_secret: Option<bool>,
}

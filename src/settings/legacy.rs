//! The configuration file of the Python PACE, `pace/pace.config.yaml` or `pace.config.yaml`: its keys become
//! values of variables, read below the environment. It lies in the repository, so it may choose no host, no
//! credential and no code. Knows which key is which variable, not what the values mean.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{MessageFormatter as _, Spanned, UserMessageFormatter};

use super::Findings;
use super::environment::distance;

/// Where the file may lie, below the root of the repository; the first one counts.
const PLACES: [&str; 2] = ["pace/pace.config.yaml", "pace.config.yaml"];

/// The largest file that is read.
const LARGEST: u64 = 1024 * 1024;

/// Key → variable.
const KEYS: &[(&str, &str)] = &[
    ("product.name", "PACE_PRODUCT_NAME"),
    ("product.description", "PACE_PRODUCT_DESCRIPTION"),
    ("source.dirs", "PACE_SOURCE_DIRS"),
    ("source.docs_dir", "PACE_DOCS_DIR"),
    ("tech.test_command", "PACE_TEST_COMMAND"),
    ("tech.build_command", "PACE_BUILD_COMMAND"),
    ("platform.ci", "PACE_PLATFORM"),
    ("platform.type", "PACE_PLATFORM"),
    ("platform.tracker", "PACE_TRACKER"),
    ("llm.provider", "PACE_LLM_PROVIDER"),
    ("llm.model", "PACE_MODEL"),
    ("llm.analysis_model", "PACE_ANALYSIS_MODEL"),
    ("cost_control.max_story_ac", "PACE_MAX_STORY_AC"),
    ("cost_control.max_story_cost_usd", "PACE_MAX_STORY_COST_USD"),
    ("cost_control.max_run_cost_usd", "PACE_MAX_RUN_COST_USD"),
    ("cost_control.daily_budget", "PACE_DAILY_BUDGET"),
    ("cost_control.daily_budget_usd", "PACE_DAILY_BUDGET"),
    ("forge.tdd_enforcement", "PACE_TDD"),
    ("forge.coverage_rule", "PACE_COVERAGE_RULE"),
    ("forge.max_iterations", "PACE_MAX_ITERATIONS"),
    ("advisory.push_to_issues", "PACE_PUSH_ADVISORIES"),
    ("reporter.timezone", "PACE_TIMEZONE"),
];

/// Keys of the Python tool that describe what pace finds out by itself; they are passed over in silence.
const WITHOUT_EFFECT: &[&str] = &[
    "framework_version",
    "product.github_org",
    "sprint",
    "tech.primary_language",
    "tech.secondary_language",
    "tech.ci_system",
];

/// Sections and keys that a file in the repository may not hold, and the mend.
const REFUSED: &[(&str, &str)] = &[
    ("llm.base_url", "set PACE_LLM_BASE_URL in the CI instead"),
    ("llm.api_key", "set ANTHROPIC_API_KEY, OPENAI_API_KEY or LLM_API_KEY in the CI instead"),
    ("credentials", "set GITHUB_TOKEN, GITLAB_TOKEN, ANTHROPIC_API_KEY or the like in the CI instead"),
    ("platform.token", "set GITHUB_TOKEN or GITLAB_TOKEN in the CI instead"),
    ("platform.url", "set GITHUB_API_URL or GITLAB_URL in the CI instead"),
    ("notifications", "pace sends no notifications, let the CI do it by exit code; remove it"),
    ("alerts", "pace sends no notifications, let the CI do it by exit code; remove it"),
    ("webhooks", "pace calls no webhooks, let the CI do it by exit code; remove it"),
    ("plugins", "pace loads no plugins; remove it"),
];

/// What the file said: values by variable, and where each stands.
#[derive(Debug, Default)]
pub(super) struct Legacy {
    pub(super) values: BTreeMap<&'static str, String>,
    /// E.g. `pace.config.yaml:3: llm.model`.
    pub(super) places: BTreeMap<&'static str, String>,
}

/// Reads the file of the repository at `root`, if there is one.
pub(super) fn read(root: &Path, findings: &mut Findings) -> Legacy {
    let mut present = PLACES.into_iter().filter(|place| root.join(place).symlink_metadata().is_ok());
    let Some(file) = present.next() else {
        return Legacy::default();
    };
    if let Some(other) = present.next() {
        findings.warning(format!("{other} is not read, because there is {file}"));
    }
    match contents(&root.join(file)) {
        Ok(text) => parse(file, &text, findings),
        Err(problem) => {
            findings.problem(format!("{file} {problem}"));
            Legacy::default()
        }
    }
}

fn contents(path: &Path) -> Result<String, String> {
    let unreadable = |error| format!("cannot be read ({error}); fix or remove it");
    // A link could point anywhere, and opening a pipe would wait for ever.
    if !path.symlink_metadata().map_err(unreadable)?.is_file() {
        return Err("is not a plain file; replace or remove it".to_owned());
    }
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err("is larger than 1 MiB; it should hold settings only".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text; save it as UTF-8".to_owned())
}

fn parse(file: &'static str, text: &str, findings: &mut Findings) -> Legacy {
    let mut reader = Reader { file, legacy: Legacy::default(), findings };
    if text.trim().is_empty() {
        return reader.legacy;
    }
    // The keys lie three deep at most; a file that nests without end is refused while it is read.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: 32, flow_nesting_limit: 32 },
    };
    match serde_saphyr::from_str_with_options::<Node>(text, options) {
        Ok(root) => reader.root(&root),
        Err(error) => {
            let line = error.location().map(|at| format!(":{}", at.line())).unwrap_or_default();
            let what = UserMessageFormatter.format_message(error.without_snippet());
            let what = what.lines().next().unwrap_or_default();
            reader.findings.problem(format!("{file}{line}: {what}; fix the YAML there or just above"));
        }
    }
    reader.legacy
}

struct Reader<'a> {
    file: &'static str,
    legacy: Legacy,
    findings: &'a mut Findings,
}

impl Reader<'_> {
    fn root(&mut self, root: &Node) {
        match &root.value {
            Tree::Nothing => {}
            Tree::Map(sections) => {
                for (name, section) in sections {
                    self.section(name, section);
                }
            }
            other => {
                let problem =
                    format!("{} is {}, not a map; use sections such as llm:", self.file, other.shape());
                self.findings.problem(problem);
            }
        }
    }

    fn section(&mut self, name: &str, section: &Node) {
        let prefix = format!("{name}.");
        let known = KEYS.iter().any(|(key, _)| key.starts_with(&prefix));
        match &section.value {
            Tree::Map(keys) if known => {
                for (key, node) in keys {
                    self.key(&format!("{prefix}{key}"), node);
                }
            }
            Tree::Nothing => {}
            other if known => {
                let problem = format!(
                    "{} is {}, not a map of settings; indent its keys below it",
                    self.at(section, name),
                    other.shape()
                );
                self.findings.problem(problem);
            }
            _ => self.key(name, section),
        }
    }

    fn key(&mut self, key: &str, node: &Node) {
        if matches!(node.value, Tree::Nothing) {
            return;
        }
        let place = self.at(node, key);
        if let Some((_, mend)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
            self.findings.problem(format!("{place} is not taken from a file; {mend}"));
        } else if is_credential(key) {
            self.findings.problem(format!(
                "{place} looks like a credential, which is not taken from a file; set it as a variable in the CI instead"
            ));
        } else if let Some((_, variable)) = KEYS.iter().find(|(known, _)| *known == key) {
            match text(node, key == "source.dirs") {
                Ok(Some(value)) => self.take(variable, value, place),
                Ok(None) => {}
                Err(shape) => self.findings.problem(format!("{place} is {shape}; {}", wanted(key))),
            }
        } else if !WITHOUT_EFFECT.contains(&key) {
            self.findings.warning(match nearest(key) {
                Some(known) => format!("{place} is not a known key; did you mean {known}?"),
                None => format!("{place} is not a known key and has no effect"),
            });
        }
    }

    fn take(&mut self, variable: &'static str, value: String, place: String) {
        match self.legacy.values.get(variable) {
            Some(known) if *known != value => {
                let first = &self.legacy.places[variable];
                self.findings
                    .problem(format!("{place} and {first} mean the same and differ; keep one of them"));
            }
            Some(_) => {}
            None => {
                self.legacy.values.insert(variable, value);
                self.legacy.places.insert(variable, place);
            }
        }
    }

    fn at(&self, node: &Node, key: &str) -> String {
        let key: String = key.escape_debug().take(80).collect();
        match node.referenced.line() {
            0 => format!("{}: {key}", self.file),
            line => format!("{}:{line}: {key}", self.file),
        }
    }
}

/// The value as a variable would hold it; `Err` names the shape that does not fit.
fn text(node: &Node, folders: bool) -> Result<Option<String>, &'static str> {
    let shape = node.value.shape();
    match &node.value {
        Tree::Nothing => Ok(None),
        Tree::Scalar(text) => Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty())),
        Tree::List(items) if folders => {
            let mut paths = Vec::new();
            for item in items {
                paths.push(
                    folder(&item.value).ok_or("a list with an entry that is neither text nor {path: …}")?,
                );
            }
            Ok(Some(paths.join(",")).filter(|paths| !paths.is_empty()))
        }
        Tree::List(_) | Tree::Map(_) => Err(shape),
    }
}

/// A folder of `source.dirs`: text, or a map with `path`.
fn folder(tree: &Tree) -> Option<&str> {
    match tree {
        Tree::Scalar(path) => Some(path),
        Tree::Map(keys) => match &keys.iter().find(|(key, _)| key == "path")?.1.value {
            Tree::Scalar(path) => Some(path),
            _ => None,
        },
        _ => None,
    }
}

fn wanted(key: &str) -> &'static str {
    if key == "source.dirs" { "list folders, each as text or as {path: src/}" } else { "use a single value" }
}

fn is_credential(key: &str) -> bool {
    let last = key.rsplit('.').next().unwrap_or(key).to_ascii_lowercase();
    ["token", "api_key", "apikey", "password", "secret", "credentials", "webhook", "webhook_url"]
        .iter()
        .any(|word| last == *word || last.ends_with(&format!("_{word}")))
}

fn nearest(key: &str) -> Option<&'static str> {
    KEYS.iter()
        .filter(|(known, _)| key.len() < 2 * known.len())
        .map(|(known, _)| (distance(key, known), *known))
        .min()
        .filter(|(distance, known)| *distance <= known.len() / 4)
        .map(|(_, known)| known)
}

type Node = Spanned<Tree>;

/// YAML of any shape, with the line of every node.
#[derive(Debug)]
enum Tree {
    Nothing,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Tree {
    fn shape(&self) -> &'static str {
        match self {
            Self::Nothing => "empty",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Nothing)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::Scalar(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Tree::Map(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::variables;

    #[test]
    fn every_key_is_a_variable_that_is_no_secret() {
        for (key, name) in KEYS {
            assert!(variables::find(name).is_some_and(|variable| !variable.is_secret()), "{key}");
        }
    }
}

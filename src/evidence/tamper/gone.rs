//! What the change takes out of the production code: names and routes that are nowhere any more, not under another
//! name either. A test of them may go with them.

use std::collections::{BTreeSet, HashSet};
use std::sync::LazyLock;

use regex::Regex;

use super::{Changed, Named, items};
use crate::evidence::files::{FileKind, kind_of};
use crate::evidence::pattern;

/// Words that production code no longer has.
pub(super) struct Gone {
    words: BTreeSet<String>,
    /// Those with other characters, as routes have.
    others: BTreeSet<String>,
}

static DEFINITION: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\b(?:def|class|fn|func|function|struct|enum|trait|interface|type|const|object|record|module|static|mod)\s+(?:\([^)]*\)\s*)?(\w{3,})
          | ^\s*(\w{3,})\s*\(\)\s*\{
          | ^\s*(?:(?:public|protected|internal|static|final|async|override|virtual)\s+)+[\w<>\[\],.?]+\s+(\w{3,})\s*\(",
    )
});
static ROUTE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"["'`](/[\w/{}:<>.-]{2,})["'`]"#));

impl Gone {
    /// Of what is no definition, such as a field or a format, only what the plan says goes.
    pub(super) fn of(changed: &[Changed], named: &Named) -> Self {
        let production: Vec<&Changed> =
            changed.iter().filter(|file| kind_of(&file.path) == FileKind::Production).collect();
        let now: Vec<String> = production
            .iter()
            .filter_map(|file| file.after.as_deref().map(without_tests(&file.path)))
            .collect();
        let lines: BTreeSet<&str> = now.iter().flat_map(|text| text.lines()).map(str::trim).collect();
        let there: HashSet<&str> = now.iter().flat_map(|text| runs(text)).collect();
        let mut words = BTreeSet::new();
        let removed = named.removed();
        for file in production {
            let Some(before) = &file.before else { continue };
            let before = without_tests(&file.path)(before);
            let asked = |run: &&str| !there.contains(run) && removed.contains(run.to_lowercase().as_str());
            words.extend(runs(&before).filter(asked).map(str::to_owned));
            let before: Vec<&str> = before.lines().collect();
            for (at, line) in before.iter().enumerate() {
                let defined =
                    DEFINITION.captures_iter(line).filter_map(|c| c.iter().skip(1).flatten().next());
                let routes = ROUTE.captures_iter(line).filter_map(|c| c.get(1));
                for word in defined.chain(routes).map(|m| m.as_str()) {
                    let still = if is_run(word) {
                        there.contains(word)
                    } else {
                        now.iter().any(|text| holds_word(text, word))
                    };
                    if !still && !lives_on(&before[at + 1..], &lines) {
                        words.insert(word.to_owned());
                    }
                }
            }
            if file.after.is_none() && !lives_on(&before, &lines) {
                let name = file.path.rsplit('/').next().unwrap_or(&file.path);
                let stem = name.split('.').next().unwrap_or(name);
                words.extend((stem.len() >= 3).then(|| stem.to_owned()));
            }
        }
        let (words, others) = words.into_iter().partition(|word: &String| is_run(word));
        Self { words, others }
    }

    /// Whether a line of test code speaks of something that is gone.
    pub(super) fn is_in(&self, line: &str) -> bool {
        runs(line).any(|run| self.words.contains(run))
            || self.others.iter().any(|word| holds_word(line, word))
    }
}

/// Rust keeps tests beside the code: they say nothing of what production has.
fn without_tests(path: &str) -> impl Fn(&str) -> String {
    let path = path.to_owned();
    move |text: &str| {
        let tests: Vec<(u32, u32)> = items::items(&path, text).iter().map(|i| (i.line, i.end)).collect();
        let kept =
            (1_u32..).zip(text.lines()).filter(|(n, _)| !tests.iter().any(|(a, b)| (a..=b).contains(&n)));
        kept.map(|(_, line)| format!("{line}\n")).collect()
    }
}

/// Whether most of what follows a definition is still there: it has got another name, no more.
fn lives_on(following: &[&str], lines: &BTreeSet<&str>) -> bool {
    let telling = |line: &&&str| line.trim().chars().filter(|c| c.is_alphanumeric()).count() >= 4;
    let first: Vec<_> = following.iter().filter(telling).take(6).collect();
    let kept = first.iter().filter(|line| lines.contains(line.trim())).count();
    !first.is_empty() && kept * 2 >= first.len()
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Names and numbers.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c| !is_part(c)).filter(|run| !run.is_empty())
}

fn is_run(word: &str) -> bool {
    word.chars().all(is_part)
}

fn holds_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(is_part);
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

//! What the plan itself asks for: a criterion or a note that names a file or a test and says what becomes of it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::domain::plan::DayPlan;
use crate::evidence::pattern;

/// The sentences of a day's plan that may ask for a change of tests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Named {
    sentences: Vec<String>,
}

impl Named {
    /// Criteria and notes of the day.
    pub(crate) fn of(plan: &DayPlan) -> Self {
        let notes = plan.notes.iter().chain(plan.stories.iter().filter_map(|s| s.notes.as_ref()));
        let texts = plan.criteria().map(str::to_owned).chain(notes.cloned());
        Self { sentences: texts.flat_map(|text| sentences(&text)).collect() }
    }

    /// Of a text whose lines are sentences, as a plan that is written down.
    pub(crate) fn of_text(text: &str) -> Self {
        Self { sentences: text.lines().flat_map(sentences).collect() }
    }

    /// Whether a sentence names `path` or `test` and speaks of a change. `tests/test_a.py passes` names a file and
    /// asks for nothing of the kind.
    pub(crate) fn allows(&self, path: &str, test: Option<&str>) -> bool {
        let file = path.rsplit('/').next().unwrap_or(path).to_lowercase();
        let test = test.map(|t| t.rsplit("::").next().unwrap_or(t).to_lowercase()).filter(|t| t.len() >= 4);
        self.sentences.iter().any(|sentence| {
            let names = holds(sentence, &file) || test.as_deref().is_some_and(|test| holds(sentence, test));
            names && CHANGES.is_match(sentence)
        })
    }

    /// Words of the sentences that speak of something that goes, in lower case.
    pub(crate) fn removed(&self) -> BTreeSet<&str> {
        let of = |sentence: &String| REMOVES.is_match(sentence);
        let sentences = self.sentences.iter().filter(|sentence| of(sentence));
        sentences.flat_map(|sentence| words(sentence)).filter(|word| word.len() >= 3).collect()
    }
}

/// Names and numbers.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
}

static REMOVES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"\b(?:remov\w*|delet\w*|drop(?:s|ped|ping)?|gone|goes|no\s+longer|retire[ds]?|discontinu\w*)\b")
});

fn sentences(text: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for line in text.lines() {
        for part in line.split_inclusive([';', '!', '?']) {
            for part in part.split_inclusive(". ") {
                if let Some(last) = all.last_mut() {
                    last.push_str(&part.to_lowercase());
                    last.push(' ');
                }
                if part.trim_end().ends_with([';', '!', '?', '.']) {
                    all.push(String::new());
                }
            }
        }
    }
    all.retain(|sentence| !sentence.trim().is_empty());
    all
}

/// `name` as a whole word of `text`.
fn holds(text: &str, name: &str) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(name)
        .any(|(at, _)| !word(text[..at].chars().next_back()) && !word(text[at + name.len()..].chars().next()))
}

static CHANGES: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?x)\b(?: remov\w* | delet\w* | drop(?:s|ped|ping)? | gone | no\ longer | retire[ds]? | replac\w* | renam\w* | mov(?:e|es|ed|ing)
          | skip(?:s|ped|ping)? | disabl\w* | ignor\w* | exclud\w* | relax\w* | loosen\w* | weaken\w* | chang\w* | rewrit\w* | rewrote
          | rework\w* | updat\w* | adapt\w* | adjust\w* | merg(?:e|es|ed) | split\w* | quarantin\w* | obsolete | deprecat\w* | shorten\w*
          | simplif\w* | limit\w* | restrict\w* | configur\w* | set(?:s|ting)? | instead )\b",
    )
});

//! What a change does to a document: paragraphs that somebody wrote by hand must stay, and a section that changed must be
//! accounted for. Looks at texts alone; whose a line is, the caller knows from git.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::domain::artifact::DocUpdate;

/// Words below which a block is no paragraph that could be lost.
const FEW: usize = 3;

/// A document before and after a change.
#[derive(Debug, Clone, Default)]
pub(crate) struct Edited {
    pub path: String,
    /// Empty for a document that is new.
    pub before: String,
    /// Empty for a document that is gone.
    pub after: String,
    /// Lines of `before` that pace's own commits brought; all others are people's.
    pub own: BTreeSet<String>,
}

/// Paragraphs, list items, table rows and code blocks that people wrote and of which less than half the words are left
/// in any one place of the documents: what they are told to put back.
pub(crate) fn lost(documents: &[Edited]) -> Vec<String> {
    let left = Left::of(documents.iter().flat_map(|doc| blocks(&doc.after)).map(|block| words(&block.text)));
    let mut problems = Vec::new();
    for document in documents {
        for block in blocks(&document.before) {
            let known = words(&block.text);
            let by_hand = block.text.lines().any(|line| !document.own.contains(line));
            if by_hand && known.len() >= FEW && !left.has_half(&known) {
                problems.push(format!(
                    "{}:{}: a paragraph that somebody wrote by hand is gone ({:?}); put it back, you may correct words in \
                     it and add to it",
                    document.path,
                    block.line,
                    shown(&block.text)
                ));
            }
        }
    }
    problems
}

/// The words of every place that is left, by word: a long document has as many places as it had paragraphs.
#[derive(Default)]
struct Left {
    whole: HashSet<BTreeSet<String>>,
    places: HashMap<String, Vec<usize>>,
}

impl Left {
    fn of(blocks: impl Iterator<Item = BTreeSet<String>>) -> Self {
        let mut left = Self::default();
        for (place, words) in blocks.enumerate() {
            for word in &words {
                left.places.entry(word.clone()).or_default().push(place);
            }
            left.whole.insert(words);
        }
        left
    }

    /// Whether half of these words are in one place.
    fn has_half(&self, words: &BTreeSet<String>) -> bool {
        if self.whole.contains(words) {
            return true;
        }
        let mut there: HashMap<usize, usize> = HashMap::new();
        words.iter().filter_map(|word| self.places.get(word)).flatten().any(|place| {
            let count = there.entry(*place).or_default();
            *count += 1;
            *count * 2 >= words.len()
        })
    }
}

/// Sections that were there before, changed, and stand in none of the report's updates.
pub(crate) fn unaccounted(documents: &[Edited], updates: &[DocUpdate]) -> Vec<String> {
    let mut problems = Vec::new();
    for document in documents.iter().filter(|doc| doc.before != doc.after) {
        let told: Vec<&DocUpdate> = updates.iter().filter(|update| update.file == document.path).collect();
        if told.is_empty() {
            problems
                .push(format!("updates: {} changed and has no entry; add one per section", document.path));
            continue;
        }
        for section in changed_sections(&document.before, &document.after) {
            if !told.iter().any(|update| speaks_of(&update.section, &section)) {
                problems.push(format!(
                    "updates: the section {section:?} of {} changed and has no entry; leave it as it was if today's work \
                     does not touch it, else add the entry",
                    document.path
                ));
            }
        }
    }
    problems
}

fn speaks_of(said: &str, section: &str) -> bool {
    let (said, section) = (plain(said), plain(section));
    !said.is_empty() && (said.contains(&section) || section.contains(&said))
}

/// Headings of `before` under which something changed. What stands above the first heading belongs to none.
fn changed_sections(before: &str, after: &str) -> Vec<String> {
    let now: HashSet<(String, Vec<&str>)> = sections(after).into_iter().collect();
    sections(before)
        .into_iter()
        .filter(|section| !section.0.is_empty() && !now.contains(section))
        .map(|(heading, _)| heading)
        .collect()
}

/// Heading and text of every section, without blank lines: those between sections belong to nobody.
fn sections(text: &str) -> Vec<(String, Vec<&str>)> {
    let mut sections = vec![(String::new(), vec![])];
    let mut fence = None;
    for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let inside = fence.is_some();
        follow(&mut fence, line);
        match heading(line).filter(|_| !inside) {
            Some(heading) => sections.push((heading.to_owned(), vec![])),
            None => {
                if let Some((_, text)) = sections.last_mut() {
                    text.push(line);
                }
            }
        }
    }
    sections
}

struct Block {
    /// From 1.
    line: usize,
    text: String,
}

/// Paragraphs, list items, table rows and code blocks; headings are none of them.
fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut fence = None;
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        let inside = fence.is_some();
        follow(&mut fence, line);
        if !inside && (line.trim().is_empty() || heading(line).is_some()) {
            open = false;
            continue;
        }
        let begins = !inside && (fence.is_some() || starts_a_block(line));
        match blocks.last_mut().filter(|_| open && !begins) {
            Some(block) => {
                block.text.push('\n');
                block.text.push_str(line);
            }
            None => blocks.push(Block { line: number + 1, text: line.to_owned() }),
        }
        open = !(inside && fence.is_none());
    }
    blocks
}

/// Keeps track of fenced code: `fence` holds what ends it.
fn follow(fence: &mut Option<&'static str>, line: &str) {
    let line = line.trim_start();
    match *fence {
        Some(end) if line.starts_with(end) => *fence = None,
        Some(_) => {}
        None => *fence = ["```", "~~~"].into_iter().find(|mark| line.starts_with(mark)),
    }
}

fn heading(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches('#');
    let level = line.len() - rest.len();
    ((1..=6).contains(&level) && rest.starts_with(' ')).then(|| rest.trim().trim_end_matches('#').trim())
}

/// A list item or a table row.
fn starts_a_block(line: &str) -> bool {
    let line = line.trim_start();
    let number = line.trim_start_matches(|c: char| c.is_ascii_digit());
    ["- ", "* ", "+ ", "|"].iter().any(|mark| line.starts_with(mark))
        || number.len() < line.len() && (number.starts_with(". ") || number.starts_with(") "))
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect()
}

fn plain(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "# Shop\n\nSells apples to everyone in town.\n\n## Usage\n\n- Run `shop open` in the \
                          morning.\n- Run `shop close` at night.\n\n```sh\nshop open --door front\n```\n\n## History\n\n\
                          Founded by two friends\nin a garage.\n";

    fn edited(after: &str) -> Vec<Edited> {
        vec![Edited {
            path: "README.md".into(),
            before: BEFORE.into(),
            after: after.into(),
            own: BTreeSet::new(),
        }]
    }

    #[test]
    fn what_people_wrote_must_stay() {
        for (from, to, lost_line) in [
            ("Sells apples to everyone in town.", "Sells apples and pears to everyone in town.", None),
            ("Sells apples to everyone in town.", "", Some(3)),
            ("Sells apples to everyone in town.", "A modern platform with a login.", Some(3)),
            ("- Run `shop close` at night.\n", "", Some(8)),
            ("- Run `shop close` at night.", "- At night, run `shop close --all`.", None),
            ("shop open --door front", "", Some(10)),
            ("Founded by two friends\nin a garage.", "In a garage, Founded by\ntwo friends.", None),
            ("## History\n\nFounded by two friends\nin a garage.\n", "", Some(16)),
            ("## History", "## Where it comes from", None),
        ] {
            assert!(BEFORE.contains(from));
            let problems = lost(&edited(&BEFORE.replace(from, to)));
            let place = lost_line.map(|line| format!("README.md:{line}: "));
            match place {
                None => assert!(problems.is_empty(), "{from:?} → {to:?}: {problems:?}"),
                Some(place) => {
                    assert!(problems.len() == 1 && problems[0].starts_with(&place), "{from:?}: {problems:?}");
                }
            }
        }
        assert_eq!(lost(&edited("")).len(), 5, "every block of a document that is gone");
    }

    #[test]
    fn what_pace_wrote_may_go_and_what_moved_is_not_lost() {
        let mut documents = edited(&BEFORE.replace("Sells apples to everyone in town.\n", ""));
        documents[0].own.insert("Sells apples to everyone in town.".into());
        assert!(lost(&documents).is_empty());
        documents[0].own.clear();
        documents.push(Edited {
            path: "docs/about.md".into(),
            after: "It sells apples to everyone in town.\n".into(),
            ..Edited::default()
        });
        assert!(lost(&documents).is_empty());
    }

    #[test]
    fn a_changed_section_needs_an_entry() {
        let update = |file: &str, section: &str| DocUpdate {
            file: file.into(),
            section: section.into(),
            change: "c".into(),
            reason: "r".into(),
        };
        let usage = BEFORE.replace("in the morning", "at eight");
        for (after, updates, problems) in [
            (BEFORE.to_owned(), vec![], 0),
            (usage.clone(), vec![], 1),
            (usage.clone(), vec![update("docs/a.md", "Usage")], 1),
            (usage.clone(), vec![update("README.md", "Usage")], 0),
            (usage.clone(), vec![update("README.md", "the usage section")], 0),
            (usage.clone(), vec![update("README.md", "History")], 1),
            (usage.replace("two friends", "three friends"), vec![update("README.md", "Usage")], 1),
            (format!("{BEFORE}\n## New\n\nText.\n"), vec![update("README.md", "New")], 0),
            (format!("{BEFORE}\n\n"), vec![update("README.md", "anything")], 0),
        ] {
            let found = unaccounted(&edited(&after), &updates);
            assert_eq!(found.len(), problems, "{after:?} {updates:?}: {found:?}");
        }
    }
}

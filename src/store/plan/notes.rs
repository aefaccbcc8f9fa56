//! Reading fields of a YAML tree while collecting every complaint with its line. Knows no plan shape.

use crate::schema::yaml::{Entry, Node, Tree};

/// Complaints so far: problems stop the run, warnings do not.
#[derive(Debug, Default)]
pub(super) struct Notes {
    problems: Vec<(u64, String)>,
    warnings: Vec<(u64, String)>,
}

/// A mapping of the plan and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Fields<'n> {
    /// Line on which the mapping starts.
    pub line: u64,
    /// How a reader writes the way to it, e.g. `stories[2]`; empty for the root.
    pub place: String,
    entries: &'n [Entry],
}

/// A text of the plan, trimmed, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text {
    pub line: u64,
    pub place: String,
    pub text: String,
}

impl<'n> Fields<'n> {
    /// The entry called `key`; one that holds nothing counts as absent.
    pub(super) fn get(&self, key: &str) -> Option<&'n Entry> {
        self.entries.iter().find(|e| e.key == key && e.node.tree != Tree::Null)
    }

    /// How a reader writes the way to `key`.
    pub(super) fn place_of(&self, key: &str) -> String {
        if self.place.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place) }
    }
}

impl Notes {
    pub(super) fn problem(&mut self, line: u64, place: &str, what: impl AsRef<str>) {
        self.problems.push((line, at(place, what.as_ref())));
    }

    pub(super) fn warning(&mut self, line: u64, place: &str, what: impl AsRef<str>) {
        self.warnings.push((line, at(place, what.as_ref())));
    }

    /// Problems and warnings as `path:line: place: what`, each in the order of the file.
    pub(super) fn lines(self, path: &str) -> (Vec<String>, Vec<String>) {
        let ordered = |mut list: Vec<(u64, String)>| {
            list.sort_by_key(|(line, _)| *line);
            list.into_iter().map(|(line, what)| format!("{path}:{line}: {what}")).collect()
        };
        (ordered(self.problems), ordered(self.warnings))
    }

    /// `node` as a mapping; keys outside `known` are warned about.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, place: String, known: &[&str]) -> Option<Fields<'n>> {
        let Tree::Map(entries) = &node.tree else {
            self.problem(node.line, &place, format!("expected a mapping, found {}", node.kind()));
            return None;
        };
        let fields = Fields { line: node.line, place, entries };
        for entry in entries.iter().filter(|e| !known.contains(&e.key.as_str())) {
            let what = format!("unknown key, ignored; known are {}", known.join(", "));
            self.warning(entry.line, &fields.place_of(&entry.key), what);
        }
        Some(fields)
    }

    /// The nodes of a list with their places; `of` says what it should hold, e.g. `stories`.
    pub(super) fn list<'n>(
        &mut self,
        entry: &'n Entry,
        place: &str,
        of: &str,
    ) -> impl Iterator<Item = (String, &'n Node)> + use<'n> {
        let items: &[Node] = if let Tree::List(items) = &entry.node.tree {
            items
        } else {
            let what = format!("expected a list of {of}, found {}", entry.node.kind());
            self.problem(entry.line, place, what);
            &[]
        };
        let place = place.to_owned();
        items.iter().enumerate().map(move |(i, node)| (format!("{place}[{i}]"), node))
    }

    /// A list of texts that are not blank; absent means empty.
    pub(super) fn texts(&mut self, fields: &Fields<'_>, key: &str) -> Vec<Text> {
        let Some(entry) = fields.get(key) else {
            return Vec::new();
        };
        let items: Vec<_> = self.list(entry, &fields.place_of(key), "strings").collect();
        items.into_iter().filter_map(|(place, node)| self.text_of(node, node.line, place)).collect()
    }

    /// A text that is not blank; `None` where the key is absent.
    pub(super) fn text(&mut self, fields: &Fields<'_>, key: &str) -> Option<Text> {
        let entry = fields.get(key)?;
        self.text_of(&entry.node, entry.line, fields.place_of(key))
    }

    /// A text that must be there.
    pub(super) fn required(&mut self, fields: &Fields<'_>, key: &str) -> Option<Text> {
        if fields.get(key).is_none() {
            self.problem(fields.line, &fields.place_of(key), "missing");
        }
        self.text(fields, key)
    }

    fn text_of(&mut self, node: &Node, line: u64, place: String) -> Option<Text> {
        let mend = match &node.tree {
            Tree::Text(text) if text.trim().is_empty() => {
                self.problem(line, &place, "must not be empty");
                return None;
            }
            Tree::Text(text) => {
                let text = text.trim().to_owned();
                return Some(Text { line, place, text });
            }
            Tree::Map(_) => "; put quotes around a text that contains `: `",
            Tree::Number(_) | Tree::Bool(_) => "; put quotes around it",
            Tree::Null | Tree::List(_) => "",
        };
        let what = format!("expected a string, found {}{mend}", node.kind());
        self.problem(line, &place, what);
        None
    }

    /// A switch; absent means `None`. `yes`, `no`, `on` and `off` are understood as YAML 1.1 readers do.
    pub(super) fn flag(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let entry = fields.get(key)?;
        let word = match &entry.node.tree {
            Tree::Bool(flag) => return Some(*flag),
            Tree::Text(word) => word.to_ascii_lowercase(),
            _ => String::new(),
        };
        match word.as_str() {
            "yes" | "on" => Some(true),
            "no" | "off" => Some(false),
            _ => {
                let what = format!("expected true or false, found {}", shown(&entry.node));
                self.problem(entry.line, &fields.place_of(key), what);
                None
            }
        }
    }

    /// A whole number from 1 to [`MAX_DAY`]; absent means `None`.
    pub(super) fn count(&mut self, fields: &Fields<'_>, key: &str) -> Option<u32> {
        let entry = fields.get(key)?;
        let number = match &entry.node.tree {
            Tree::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()),
            _ => None,
        };
        let count = number.filter(|n| (1..=MAX_DAY).contains(n));
        if count.is_none() {
            let what = format!("expected a whole number from 1 to {MAX_DAY}, found {}", shown(&entry.node));
            self.problem(entry.line, &fields.place_of(key), what);
        }
        count
    }
}

/// Longest sprint, in days.
pub(super) const MAX_DAY: u32 = 9999;

/// A scalar as written, else what it is.
pub(super) fn shown(node: &Node) -> String {
    match &node.tree {
        Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) => node.to_json().to_string(),
        _ => node.kind().to_owned(),
    }
}

fn at(place: &str, what: &str) -> String {
    if place.is_empty() { what.to_owned() } else { format!("{place}: {what}") }
}

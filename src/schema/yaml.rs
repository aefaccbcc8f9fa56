//! YAML text to a tree that knows its lines, so that every complaint can name one. Wraps the YAML reader with
//! our limits; knows nothing of what the documents mean.

use std::collections::HashSet;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DefaultMessageFormatter, Location, SnippetMode, Spanned};

/// Largest document that is read: 1 MiB.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// Reads one YAML document. A BOM and CRLF line ends are fine; duplicate keys, a second document, `.nan` and
/// alias bombs are not.
///
/// The error is one line, `12:5: what is wrong`, without the file's name; `1:1` where the place is unknown.
pub(crate) fn parse(text: &str) -> Result<Node, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("1:1: the document has {} bytes; at most {MAX_BYTES} are read", text.len()));
    }
    let spanned: Spanned<Tree> =
        serde_saphyr::from_str_with_options(text, options()).map_err(|error| describe(&error))?;
    Ok(spanned.into())
}

/// A value and the line on which it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Line, counted from 1; an alias is where it is used.
    pub line: u64,
    pub tree: Tree,
}

/// What a node holds. Words like `yes` and `no` are text; only `true` and `false` are booleans.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a mapping with its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub key: String,
    /// Line of the key, counted from 1.
    pub line: u64,
    pub node: Node,
}

impl Node {
    /// The value without its lines.
    pub(crate) fn to_json(&self) -> Value {
        match &self.tree {
            Tree::Null => Value::Null,
            Tree::Bool(flag) => Value::Bool(*flag),
            Tree::Number(number) => Value::Number(number.clone()),
            Tree::Text(text) => Value::String(text.clone()),
            Tree::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Tree::Map(entries) => Value::Object(
                entries.iter().map(|e| (e.key.clone(), e.node.to_json())).collect::<Map<_, _>>(),
            ),
        }
    }

    /// Line of the value at a path of keys and indices; of its nearest ancestor where it does not exist.
    pub(crate) fn line_at<'p>(&self, path: impl IntoIterator<Item = &'p str>) -> u64 {
        let mut line = self.line;
        let mut here = self;
        for step in path {
            let next = match &here.tree {
                Tree::Map(entries) => entries.iter().find(|e| e.key == step).map(|e| (e.line, &e.node)),
                Tree::List(items) => {
                    step.parse::<usize>().ok().and_then(|i| items.get(i)).map(|node| (node.line, node))
                }
                _ => None,
            };
            match next {
                Some((at, node)) => (line, here) = (at, node),
                None => break,
            }
        }
        line
    }

    /// What the value is, in a reader's words: `a mapping`, `a list`, `a string`, …
    pub(crate) fn kind(&self) -> &'static str {
        match &self.tree {
            Tree::Null => "nothing",
            Tree::Bool(_) => "a boolean",
            Tree::Number(_) => "a number",
            Tree::Text(_) => "a string",
            Tree::List(_) => "a list",
            Tree::Map(_) => "a mapping",
        }
    }
}

fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_events: 200_000,
            max_nodes: 100_000,
            max_aliases: 1_000,
            max_anchors: 1_000,
            max_merge_keys: 1_000,
            max_depth: 32,
            flow_nesting_limit: 32,
            max_total_scalar_bytes: 8 * MAX_BYTES,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 20_000 },
        emit_comments: false,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn describe(error: &serde_saphyr::Error) -> String {
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    format!("{line}:{column}: {}", wording(error.without_snippet()))
}

/// The reader's message, or our own where its words speak of its API.
fn wording(error: &serde_saphyr::Error) -> String {
    use serde_saphyr::Error as E;
    match error {
        E::AliasError { error, .. } => wording(error),
        E::DuplicateMappingKey { key: Some(key), .. } => format!("the key {key:?} stands here a second time"),
        E::MultipleDocuments { .. } => "a second document starts here; one is read".to_owned(),
        // Only keys are asked for as text.
        E::NullIntoString { .. } | E::Unexpected { .. } => "a key must be text".to_owned(),
        E::NonFiniteFloat { value, .. } => format!("{value} is not a number that can be read"),
        E::RecursiveReferencesRequireWeakTypes { .. } => "an alias refers to itself".to_owned(),
        E::AliasReplayLimitExceeded { .. } => "aliases expand to more than can be read".to_owned(),
        other => {
            let formatter = DefaultMessageFormatter.with_localizer(&WithoutPlace);
            let render = serde_saphyr::render_options! {
                formatter: &formatter,
                snippets: SnippetMode::Off,
            };
            other.render_with_options(render)
        }
    }
}

/// Wording without `at line X`: the place already leads the message.
struct WithoutPlace;

impl serde_saphyr::Localizer for WithoutPlace {
    fn attach_location<'a>(&self, base: std::borrow::Cow<'a, str>, _: Location) -> std::borrow::Cow<'a, str> {
        base
    }
}

impl From<Spanned<Tree>> for Node {
    fn from(spanned: Spanned<Tree>) -> Self {
        Self { line: spanned.referenced.line(), tree: spanned.value }
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

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(number.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Tree, E> {
        Number::from_f64(number).map(Tree::Number).ok_or_else(|| E::custom("numbers must be finite"))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree, E> {
        Ok(Tree::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Tree>>()? {
            items.push(item.into());
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut keys: HashSet<String> = HashSet::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            // The reader compares keys as YAML values; as text two of them can still be equal.
            if !keys.insert(key.value.clone()) {
                return Err(A::Error::custom(format!("the key {:?} stands here a second time", key.value)));
            }
            let node = access.next_value::<Spanned<Tree>>()?.into();
            entries.push(Entry { key: key.value, line: key.referenced.line(), node });
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_node_knows_its_line() {
        let text = "\u{feff}a: 1\r\nb:\r\n  - x\r\n  - {c: d,\r\n     e: [1.5, null, true]}\r\n";
        let root = parse(text).unwrap();
        assert_eq!(root.to_json(), json!({"a": 1, "b": ["x", {"c": "d", "e": [1.5, null, true]}]}));
        for (path, line) in [
            (&["a"][..], 1),
            (&["b"], 2),
            (&["b", "0"], 3),
            (&["b", "1"], 4),
            (&["b", "1", "e"], 5),
            (&["b", "1", "e", "2"], 5),
            (&["b", "1", "missing"], 4),
            (&["b", "7"], 2),
            (&["b", "x", "y"], 2),
        ] {
            assert_eq!(root.line_at(path.iter().copied()), line, "{path:?}");
        }
    }

    #[test]
    fn scalars_are_read_as_yaml_1_2_does() {
        for (text, expected) in [
            ("yes", json!("yes")),
            ("no", json!("no")),
            ("True", json!(true)),
            ("~", json!(null)),
            ("", json!(null)),
            ("0x1F", json!(31)),
            ("-7", json!(-7)),
            ("1e3", json!(1000.0)),
            ("2026-03-13T05:47:11Z", json!("2026-03-13T05:47:11Z")),
            ("\"1\"", json!("1")),
            ("!custom x", json!("x")),
            ("&a x", json!("x")),
        ] {
            assert_eq!(parse(text).unwrap().to_json(), expected, "{text:?}");
        }
    }

    #[test]
    fn aliases_and_merges_stand_where_they_are_used() {
        let root = parse("a: &x {p: 1}\nb: *x\nc:\n  <<: *x\n  q: 2\n").unwrap();
        assert_eq!(root.to_json(), json!({"a": {"p": 1}, "b": {"p": 1}, "c": {"q": 2, "p": 1}}));
        assert_eq!(root.line_at(["b", "p"]), 2);
        assert_eq!(root.line_at(["c", "p"]), 4);
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let bomb = "a: &x [1,1,1,1,1,1,1,1,1]\nb: &y [*x,*x,*x,*x,*x,*x,*x,*x,*x]\n\
                    c: &z [*y,*y,*y,*y,*y,*y,*y,*y,*y]\nd: &w [*z,*z,*z,*z,*z,*z,*z,*z,*z]\n\
                    e: [*w,*w,*w,*w,*w,*w,*w,*w,*w]\n";
        for (text, expected) in [
            ("a: 1\nb: 2\na: 3\n", "3:1: the key \"a\" stands here a second time"),
            ("\"1\": a\n'1': b\n", "2:1: the key \"1\" stands here a second time"),
            ("a: 1\n---\nb: 2\n", "3:1: a second document starts here; one is read"),
            ("a: [1\n", "1:4: unclosed bracket '['"),
            ("a:\n\t- b\n", "2:2: tabs disallowed within this context (block indentation)"),
            ("a: .nan\n", "1:4: .nan is not a number that can be read"),
            ("a: *q\n", "1:4: alias references unknown anchor"),
            ("a: &x [*x]\n", "1:8: an alias refers to itself"),
            ("~: x\n", "1:1: a key must be text"),
            ("? [a]\n: b\n", "1:3: a key must be text"),
            ("a: b: c\n", "1:5: mapping values are not allowed in this context"),
            (bomb, "5:8: aliases expand to more than can be read"),
        ] {
            assert_eq!(parse(text).unwrap_err(), expected, "{text:?}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let error = parse(&"# x\n".repeat(MAX_BYTES / 4 + 1)).unwrap_err();
        assert_eq!(error, "1:1: the document has 1048580 bytes; at most 1048576 are read");
        for deep in ["[".repeat(5000), "- ".repeat(5000), "a: [{".repeat(2000)] {
            parse(&deep).unwrap_err();
        }
    }
}

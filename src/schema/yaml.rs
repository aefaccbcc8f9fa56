//! YAML text to a tree that knows its lines, so that every complaint can name one. Wraps the YAML reader with
//! our limits; knows nothing of what the documents mean.

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
        return Err(format!(
            "1:1: the document has {} bytes; at most {MAX_BYTES} are read",
            text.len()
        ));
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
                entries
                    .iter()
                    .map(|e| (e.key.clone(), e.node.to_json()))
                    .collect::<Map<_, _>>(),
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
                Tree::List(items) => step
                    .parse::<usize>()
                    .ok()
                    .and_then(|i| items.get(i))
                    .map(|node| (node.line, node)),
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
            Tree::Bool(_) => "true or false",
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
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 100_000 },
        emit_comments: false,
        strict_booleans: true,
        with_snippet: false,
    }
}

fn describe(error: &serde_saphyr::Error) -> String {
    let formatter = DefaultMessageFormatter.with_localizer(&WithoutPlace);
    let render = serde_saphyr::render_options! {
        formatter: &formatter,
        snippets: SnippetMode::Off,
    };
    let message = error.render_with_options(render);
    let (line, column) = error.location().map_or((1, 1), |at| (at.line(), at.column()));
    format!("{line}:{column}: {message}")
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
        Self {
            line: spanned.referenced.line(),
            tree: spanned.value,
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
        Number::from_f64(number)
            .map(Tree::Number)
            .ok_or_else(|| E::custom("numbers must be finite"))
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
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            // The reader compares keys as YAML values; as text two of them can still be equal.
            if entries.iter().any(|e| e.key == key.value) {
                return Err(A::Error::custom(format!("duplicate key {:?}", key.value)));
            }
            let node = access.next_value::<Spanned<Tree>>()?.into();
            entries.push(Entry {
                key: key.value,
                line: key.referenced.line(),
                node,
            });
        }
        Ok(Tree::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiment() {
        for t in [
            "a: 1\nb:\n  - x\n  - {c: d, e: [1, 2.5, null, ~, true, yes]}\n",
            "\u{feff}a: 1\r\nb: x\r\nc:\r\n  - y\r\n",
            "a: &x {p: 1}\nb: *x\nc:\n  <<: *x\n  q: 2\n",
            "a: 1\na: 2\n",
            "1: a\n\"1\": b\n",
            "? [a]\n: b\n",
            "~: x\n",
            "a: [1\n",
            "a:\n\t- b\n",
            "",
            "# c\n",
            "a: .nan\n",
            "a: 1\n---\nb: 2\n",
            "a: *q\n",
            "a: \"x\n",
            "- a\nb: c\n",
            "a: b: c\n",
            "a: @x\n",
            "a: %x\n",
            "a: !!int x\n",
            "a: !foo x\n",
            "a: 99999999999999999999999\n",
            "x: 0x1F\ny: 0o17\nz: 017\nw: 1_000\nv: +1\nu: 1e3\n",
            "a: 2026-03-13T05:47:11Z\n",
            "a:   \n  b:   # c\n",
            "a\u{0}b: c\n",
            "a: |\n  x\n  y\n\nb: >-\n  p\n  q\n",
            &("[".repeat(40)),
            &("a: ".to_owned() + &"[".repeat(400)),
            "a: &x [1,1,1,1,1,1,1,1,1]\nb: &y [*x,*x,*x,*x,*x,*x,*x,*x,*x]\nc: &z [*y,*y,*y,*y,*y,*y,*y,*y,*y]\nd: &w [*z,*z,*z,*z,*z,*z,*z,*z,*z]\ne: &v [*w,*w,*w,*w,*w,*w,*w,*w,*w]\nf: [*v,*v,*v,*v,*v,*v,*v,*v,*v]\n",
            "a: &x [*x]\n",
            "%YAML 3.0\n---\na: 1\n",
            "hello",
            "a: \"\\q\"\n",
        ] {
            let short: String = t.chars().take(70).collect();
            match parse(t) {
                Ok(n) => println!("{short:?}\n   => {n:?}"),
                Err(e) => println!("{short:?}\n   !! {e}"),
            }
        }
        for s in [
            "x",
            "no",
            "1_000",
            "0b11",
            "0x_1",
            "+1",
            ".5",
            "1e3",
            "null",
            "~",
            "",
            " a",
            "a: b",
            "a #b",
            "- x",
            "é — x",
            "\u{85}",
            "\u{2028}",
            "\u{feff}x",
            "a\nb",
            "a\nb\n",
            "\n",
            " \n x\n",
            "\ta",
            "a\tb\nc",
            "'q'",
            "\"q\"",
            "12:30:45",
            "2026-03-13",
            "=",
            "<<",
            "0777",
            "@x",
            "%x",
            "`x`",
            "{a",
            "[a",
            "?",
            "!x",
            "*x",
            "&x",
            "a\r\nb",
            "\u{1b}[31m",
            "😀",
            "x\u{7f}",
            "---",
            "...",
            "a:\nb: c",
            "# x\n y",
            "very long text that goes on and on and on and on and on and on and on and on and on and on and on over 80 characters",
        ] {
            let v = serde_json::json!({"k": s, "l": [s]});
            let a = serde_yaml::to_string(&v).unwrap();
            let b = serde_saphyr::to_string(&v).unwrap();
            let ra = parse(&a).map(|n| n.to_json() == v);
            let rb = parse(&b).map(|n| n.to_json() == v);
            let c = serde_saphyr::to_string(&serde_saphyr::DoubleQuoted(s)).unwrap();
            println!("{s:?} yaml:{ra:?} saphyr:{rb:?}\n{a}{b}{c}");
        }
    }
}

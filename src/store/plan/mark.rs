//! Writes `status: shipped` into a plan of stories by id, by editing the text at the places that the parser
//! names: comments, order, quoting, line ends and indentation stay as their author left them.

use std::ops::Range;

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

use super::shapes::day_of;
use crate::schema::yaml;

/// `text` with `status: shipped` and `shipped_at: "<shipped_at>"` on the story of `day`; `None` for a plan whose
/// days are not stories by id. `shipped_at` is an ISO 8601 time stamp.
///
/// The result is parsed again: where anything but those two values would change, as with an anchor that other
/// stories share, the edit is refused and the error says so.
pub(crate) fn mark_shipped(text: &str, day: u32, shipped_at: &str) -> Result<Option<String>> {
    let before = yaml::parse(text).map_err(|e| anyhow!("{e}"))?.to_json();
    let Some(stories) = before.get("stories").and_then(Value::as_array) else {
        return Ok(None);
    };
    let index = stories
        .iter()
        .position(|story| story["id"].as_str().and_then(day_of) == Some(day))
        .with_context(|| format!("story-{day} is not in the plan"))?;

    let bom = if text.starts_with('\u{feff}') { "\u{feff}" } else { "" };
    let body = &text[bom.len()..];
    let story = story_at(body, index).with_context(|| refusal(day))?;
    let mut edits = edits(body, &story, shipped_at).with_context(|| refusal(day))?;
    edits.sort_by_key(|edit| (edit.at.start, edit.rank));
    let mut edited = body.to_owned();
    for edit in edits.into_iter().rev() {
        edited.replace_range(edit.at, &edit.with);
    }
    edited.insert_str(0, bom);

    let mut expected = before;
    expected["stories"][index]["status"] = "shipped".into();
    expected["stories"][index]["shipped_at"] = shipped_at.into();
    match yaml::parse(&edited) {
        Ok(after) if after.to_json() == expected => Ok(Some(edited)),
        _ => bail!("{}", refusal(day)),
    }
}

fn refusal(day: u32) -> String {
    format!(
        "the plan is laid out so that story-{day} cannot be marked without touching more than its status; set \
         `status: shipped` there by hand"
    )
}

/// A replacement of bytes; `rank` keeps two insertions at one place in order.
struct Edit {
    at: Range<usize>,
    with: String,
    rank: u8,
}

fn edits(text: &str, story: &Map, shipped_at: &str) -> Option<Vec<Edit>> {
    let quoted = format!("\"{shipped_at}\"");
    let mut edits = Vec::new();
    let mut missing = Vec::new();
    for (rank, key, value) in [(0, "status", "shipped"), (1, "shipped_at", quoted.as_str())] {
        match story.get(key) {
            Some((key, node)) => edits.push(replace(text, key, node, value)?),
            None => missing.push((rank, key, value)),
        }
    }
    for (rank, key, value) in missing {
        // The date stands below the status where there is one already, else both stand below title or id.
        let below_status = story.get("status").filter(|_| key == "shipped_at");
        let anchor = below_status.or_else(|| story.get("title").filter(|(_, node)| node.is_one_line(text)));
        let (near, node) = anchor.or_else(|| story.get("id"))?;
        edits.push(insert(text, story.style, near, node, rank, key, value));
    }
    Some(edits)
}

/// Replaces a value, in the quotes that it has.
fn replace(text: &str, key: &Scalar, node: &Mark, value: &str) -> Option<Edit> {
    let (at, with) = match node {
        // `status:` without a value: behind its colon.
        Mark::Scalar(scalar) if scalar.at.is_empty() => {
            let colon = key.at.end + text[key.at.end..].find(':')? + 1;
            (colon..colon, format!(" {value}"))
        }
        Mark::Scalar(scalar) => {
            let bare = value.trim_matches('"');
            let with = match scalar.style {
                ScalarStyle::SingleQuoted => format!("'{bare}'"),
                ScalarStyle::DoubleQuoted => format!("\"{bare}\""),
                ScalarStyle::Plain => value.to_owned(),
                _ => return None,
            };
            (scalar.at.clone(), with)
        }
        Mark::Alias(at) => (at.clone(), value.to_owned()),
        Mark::List(_) | Mark::Map(_) => return None,
    };
    Some(Edit { at, with, rank: 0 })
}

/// Adds an entry behind the one whose key is `near` and whose value is `node`.
fn insert(
    text: &str,
    style: StructureStyle,
    near: &Scalar,
    node: &Mark,
    rank: u8,
    key: &str,
    value: &str,
) -> Edit {
    let end = node.end().unwrap_or(near.at.end).max(near.at.end);
    if style == StructureStyle::Flow {
        let with = if near.style == ScalarStyle::DoubleQuoted {
            format!(", \"{key}\": \"{}\"", value.trim_matches('"'))
        } else {
            format!(", {key}: {value}")
        };
        return Edit { at: end..end, with, rank };
    }
    let indent = " ".repeat(near.column);
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let (at, with) = match text[end..].find('\n') {
        Some(offset) => (end + offset + 1, format!("{indent}{key}: {value}{line_end}")),
        None => (text.len(), format!("{line_end}{indent}{key}: {value}")),
    };
    Edit { at: at..at, with, rank }
}

/// A node of the text, with the bytes that it takes.
enum Mark {
    Scalar(Scalar),
    Alias(Range<usize>),
    List(Vec<Mark>),
    Map(Map),
}

struct Scalar {
    at: Range<usize>,
    /// Column of the first character, counted from 0.
    column: usize,
    style: ScalarStyle,
    value: String,
}

struct Map {
    style: StructureStyle,
    entries: Vec<(Mark, Mark)>,
}

impl Map {
    fn get(&self, wanted: &str) -> Option<(&Scalar, &Mark)> {
        self.entries.iter().find_map(|(key, node)| match key {
            Mark::Scalar(key) if key.value == wanted => Some((key, node)),
            _ => None,
        })
    }
}

impl Mark {
    /// Byte behind the last of a scalar or alias.
    fn end(&self) -> Option<usize> {
        match self {
            Self::Scalar(scalar) => Some(scalar.at.end),
            Self::Alias(at) => Some(at.end),
            Self::List(_) | Self::Map(_) => None,
        }
    }

    fn is_one_line(&self, text: &str) -> bool {
        match self {
            Self::Scalar(scalar) => !scalar.at.is_empty() && !text[scalar.at.clone()].contains('\n'),
            _ => false,
        }
    }
}

/// The story at `index` of the root's `stories`, where it is a mapping that stands there itself.
fn story_at(text: &str, index: usize) -> Option<Map> {
    let options = serde_saphyr::granit_parser::options! { emit_comments: false };
    let mut events = Parser::new_from_str_with_options(text, options);
    let Mark::Map(root) = node(&mut events)? else {
        return None;
    };
    let stories = root.entries.into_iter().find_map(|(key, node)| match (key, node) {
        (Mark::Scalar(key), Mark::List(items)) if key.value == "stories" => Some(items),
        _ => None,
    })?;
    match stories.into_iter().nth(index)? {
        Mark::Map(story) => Some(story),
        _ => None,
    }
}

/// The next node; `None` at the end of a collection. Depth is bounded: the text was parsed with limits before.
fn node<'t>(events: &mut impl Iterator<Item = Next<'t>>) -> Option<Mark> {
    loop {
        let (event, span) = events.next()?.ok()?;
        return Some(match event {
            Event::Scalar(value, style, ..) => Mark::Scalar(Scalar {
                at: bytes(&span)?,
                column: span.start.col(),
                style,
                value: value.into_owned(),
            }),
            Event::Alias(_) => Mark::Alias(bytes(&span)?),
            Event::SequenceStart(..) => Mark::List(std::iter::from_fn(|| node(events)).collect()),
            Event::MappingStart(style, ..) => {
                let entries = std::iter::from_fn(|| node(events).and_then(|key| Some((key, node(events)?))));
                let entries = entries.collect();
                Mark::Map(Map { style, entries })
            }
            Event::SequenceEnd | Event::MappingEnd | Event::DocumentEnd | Event::StreamEnd => return None,
            _ => continue,
        });
    }
}

type Next<'t> = Result<(Event<'t>, Span), serde_saphyr::granit_parser::ScanError>;

fn bytes(span: &Span) -> Option<Range<usize>> {
    Some(span.start.byte_offset()?..span.end.byte_offset()?)
}

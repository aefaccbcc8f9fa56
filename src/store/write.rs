//! How artifacts look as YAML: free text in double quotes, words of the vocabulary bare, text of several lines
//! as a block. What is written means the same to readers of YAML 1.1 and 1.2.

use anyhow::Result;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::Value;
use serde_saphyr::DoubleQuoted;

/// `value` as a YAML document; fields keep their order.
pub(super) fn yaml(value: &Value) -> Result<String> {
    let options = serde_saphyr::ser_options! { compact_list_indent: false };
    Ok(serde_saphyr::to_string_with_options(&Styled(value), options)?)
}

/// Words that stand without quotes, as artifacts have always shown them.
const VOCABULARY: [&str; 27] = [
    "PRIME",
    "FORGE",
    "GATE",
    "SENTINEL",
    "CONDUIT",
    "SCRIBE",
    "PASS",
    "PARTIAL",
    "FAIL",
    "SHIP",
    "ADVISORY",
    "HOLD",
    "ABORT",
    "added",
    "modified",
    "deleted",
    "renamed",
    "test",
    "output",
    "file",
    "ci",
    "command",
    "open",
    "closed",
    "escalated",
    "code",
    "outside",
];

struct Styled<'v>(&'v Value);

impl Serialize for Styled<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::String(text) if VOCABULARY.contains(&text.as_str()) || is_block(text) => {
                serializer.serialize_str(text)
            }
            Value::String(text) => DoubleQuoted(text.as_str()).serialize(serializer),
            Value::Array(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                for item in items {
                    list.serialize_element(&Styled(item))?;
                }
                list.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (key, value) in fields {
                    map.serialize_entry(key, &Styled(value))?;
                }
                map.end()
            }
            scalar => scalar.serialize(serializer),
        }
    }
}

/// Several lines of ordinary text; odd spaces and controls are safer in quotes, where they can be seen.
fn is_block(text: &str) -> bool {
    text.trim_end_matches('\n').contains('\n')
        && !text.ends_with("\n\n")
        && text.split('\n').all(|line| {
            !line.starts_with(char::is_whitespace)
                && !line.ends_with(char::is_whitespace)
                && !line.contains(char::is_control)
        })
}

//! The filters that templates have beside minijinja's own. Knows no template.
//!
//! | Filter | Yields |
//! |---|---|
//! | `md` | text within a line of Markdown |
//! | `cell` | text within a table cell |
//! | `code` or `code("diff")` | a fenced block; has to stand at the start of a line |
//! | `cut(n)` | at most n characters; comes before the others |
//! | `link` | a web address as a link |
//! | `marker` | part of a hidden marker |
//! | `mermaid` | text within the quotes of a Mermaid label |
//! | `subject(n)`, `body` | first line and paragraphs of a commit message |
//! | `usd`, `cents`, `tokens` | money with four and two decimals, and token counts |

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::{figures, markdown, plain};

/// Adds all filters to `env`.
pub(super) fn register(env: &mut Environment<'_>) {
    env.add_filter("md", |v: Value| safe(&v, markdown::inline));
    env.add_filter("cell", |v: Value| safe(&v, markdown::cell));
    env.add_filter("code", |v: Value, language: Option<String>| {
        safe(&v, |text| markdown::code(text, language.as_deref().unwrap_or("text")))
    });
    env.add_filter("link", |v: Value| safe(&v, markdown::link));
    env.add_filter("marker", |v: Value| safe(&v, markdown::marker));
    env.add_filter("mermaid", |v: Value| safe(&v, markdown::mermaid));
    env.add_filter("subject", |v: Value, max: usize| {
        safe(&v, |text| plain::cut(&plain::message_line(text), max))
    });
    env.add_filter("body", |v: Value| safe(&v, plain::message_body));
    env.add_filter("cut", |v: Value, max: usize| {
        if v.is_safe() {
            // An entity or a fence would be cut in half.
            return Err(refused("`cut` has to come before the filter that makes the value inert"));
        }
        Ok(Value::from(plain::cut(&text(&v)?, max)))
    });
    env.add_filter("usd", usd);
    env.add_filter("cents", cents);
    env.add_filter("tokens", |count: u64| Value::from_safe_string(figures::tokens(count)));
}

/// Makes `value` inert with `rule`; one that already is stays as it is.
fn safe(value: &Value, rule: impl Fn(&str) -> String) -> Result<Value, Error> {
    if value.is_safe() { Ok(value.clone()) } else { Ok(Value::from_safe_string(rule(&text(value)?))) }
}

fn text(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(value.to_string()),
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Err(refused("the value is none here; test it with `is none` first")),
        kind => Err(refused(&format!("the filter takes text, not a {kind}"))),
    }
}

fn usd(value: Value) -> Result<Value, Error> {
    Ok(Value::from_safe_string(figures::usd(cost(value)?)))
}

fn cents(value: Value) -> Result<Value, Error> {
    Ok(Value::from_safe_string(figures::cents(cost(value)?)))
}

fn cost(value: Value) -> Result<Option<f64>, Error> {
    match value.kind() {
        ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => Ok(None),
        _ => Ok(Some(f64::try_from(value)?)),
    }
}

fn refused(why: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.to_owned())
}

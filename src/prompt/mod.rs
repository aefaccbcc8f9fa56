//! Prompts and bodies from minijinja templates: embedded ones, and a user's own that replace them file by file.
//!
//! An undefined value is an error, a render has bounded fuel, and a value is never rendered a second time.
//! In Markdown bodies (`*.md.j2` outside `prompts/`), pages (`*.html.j2`) and plain texts (`*.txt.j2`) a value that no filter made
//! inert is made so when it is printed, so that a template that forgets a filter is still safe. Prompts are
//! left as they are. Knows no agent, no platform and no view: it takes anything that serialises.

pub(crate) mod figures;
pub(crate) mod markdown;
pub(crate) mod plain;

mod filters;
mod own;
mod sources;

use std::fmt;
use std::path::Path;

use anyhow::{anyhow, bail};
use include_dir::{Dir, include_dir};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::domain::hex::hex;
use sources::Source;

/// Everything below `templates/`, as it was when the binary was built.
pub(crate) static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Instructions that one render may execute: far above any real body, far below a second of work.
const FUEL: u64 = 2_000_000;

/// Takes the secrets out of a text.
pub(crate) type Redact = Box<dyn Fn(&str) -> String + Send + Sync>;

/// All templates, parsed.
pub(crate) struct Templates {
    env: Environment<'static>,
    sources: Vec<Source>,
    redact: Option<Redact>,
}

impl fmt::Debug for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|source| &source.place)).finish()
    }
}

impl Templates {
    /// Reads and parses the embedded templates and those of `user_dir`, which win by name.
    ///
    /// The files are read here and never again, so that a change during the run has no effect.
    /// Errors list every file that cannot be read or parsed, with its line.
    pub(crate) fn new(user_dir: Option<&Path>) -> anyhow::Result<Self> {
        let sources = sources::collect(user_dir)?;
        let mut templates = Self { env: environment()?, sources, redact: None };
        let mut problems = Vec::new();
        for source in &templates.sources {
            let added = templates.env.add_template_owned(source.name.clone(), source.text.clone());
            if let Err(error) = added {
                problems.push(templates.describe(&error));
            }
        }
        if problems.is_empty() { Ok(templates) } else { bail!(problems.join("\n")) }
    }

    /// Name and text of every embedded template.
    #[cfg(test)]
    pub(crate) fn embedded() -> Vec<(String, String)> {
        let sources = sources::collect(None).unwrap_or_default();
        sources.into_iter().map(|source| (source.name, source.text)).collect()
    }

    /// Digest of all of them, to tell whether any changed.
    pub(crate) fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for source in &self.sources {
            digest.update(format!("{}\0{}\0{}", source.name, source.text.len(), source.text));
        }
        hex(&digest.finalize()[..8])
    }

    /// Redacts every text of the values before a template sees it, so that cutting cannot leave half a secret.
    pub(crate) fn redacting(mut self, redact: Redact) -> Self {
        self.redact = Some(redact);
        self
    }

    /// The template `name` (a path below `templates/`, e.g. `summary.md.j2`) filled with `values`.
    ///
    /// Errors name the file and the line, and what is undefined there.
    pub(crate) fn render<T: Serialize>(&self, name: &str, values: &T) -> anyhow::Result<String> {
        let values = match &self.redact {
            Some(redact) => Value::from(Serde(redacted(serde_json::to_value(values)?, redact))),
            None => Value::from(Serde(values)),
        };
        self.env
            .get_template(name)
            .and_then(|template| template.render(values))
            .map_err(|error| anyhow!(self.describe(&error)))
    }

    /// Whether a user's folder brought any template.
    pub(crate) fn has_own(&self) -> bool {
        self.sources.iter().any(|source| source.own)
    }

    /// Templates of a user's folder that nothing asks for, and names in their prompts that pace does not fill.
    pub(crate) fn own_without_effect(&self) -> Vec<String> {
        own::without_effect(&self.env, &self.sources)
    }

    /// A commit message: the words of the template `name`, then pace's trailers, by which it knows its own commits. They are
    /// never a template's business.
    pub(crate) fn message<T: Serialize>(
        &self,
        name: &str,
        values: &T,
        day: Option<u32>,
        sprint: &str,
    ) -> anyhow::Result<String> {
        let words = self.render(name, values)?;
        let sprint = self.redact.as_ref().map_or_else(|| sprint.to_owned(), |redact| redact(sprint));
        let day = day.map(|day| format!("Pace-Day: {day}\n")).unwrap_or_default();
        Ok(format!(
            "{}\n\n{day}Pace-Sprint: {}\n",
            words.trim(),
            plain::message_line(&plain::cut(&sprint, 200))
        ))
    }

    /// `file:line: what is wrong, in the expression`. A problem in an included file is told where it is.
    fn describe(&self, error: &Error) -> String {
        let mut deepest = error;
        let mut cause = std::error::Error::source(error);
        while let Some(inner) = cause {
            if let Some(inner) = inner.downcast_ref::<Error>() {
                deepest = inner;
            }
            cause = inner.source();
        }
        let kind = deepest.kind().to_string();
        let what = match deepest.detail() {
            Some(detail) => format!("{kind}: {detail}"),
            None => kind,
        };
        let Some(source) = deepest.name().and_then(|name| self.sources.iter().find(|s| s.name == name))
        else {
            return what;
        };
        let expression = deepest
            .range()
            .and_then(|range| source.text.get(range))
            .filter(|text| !text.trim().is_empty() && !what.contains(text))
            .map(|text| format!(", in `{}`", plain::cut(&plain::line(text), 80)))
            .unwrap_or_default();
        format!("{}:{}: {what}{expression}", source.place, deepest.line().unwrap_or(1))
    }
}

fn redacted(value: serde_json::Value, redact: &Redact) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::String(text) => Json::String(without_secrets(&text, redact)),
        Json::Array(items) => items.into_iter().map(|item| redacted(item, redact)).collect(),
        Json::Object(fields) => {
            fields.into_iter().map(|(name, field)| (name, redacted(field, redact))).collect()
        }
        other => other,
    }
}

/// `text` without secrets, also those that show only once hidden characters are taken out. Else it stays as it is.
fn without_secrets(text: &str, redact: &Redact) -> String {
    let text = redact(text);
    let seen = plain::visible(&text);
    let again = redact(&seen);
    if again == seen { text } else { again }
}

fn environment() -> anyhow::Result<Environment<'static>> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_fuel(Some(FUEL));
    env.set_syntax(
        SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).keep_trailing_newline(true).build()?,
    );
    env.set_auto_escape_callback(|name| match Form::of(name) {
        Some(form) => AutoEscape::Custom(form.name().into()),
        None => AutoEscape::None,
    });
    env.set_formatter(print);
    filters::register(&mut env);
    Ok(env)
}

/// What a template yields; `None` stands for a prompt, whose values stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Markdown,
    Text,
    /// A page of its own.
    Html,
}

impl Form {
    fn of(template: &str) -> Option<Self> {
        if template.starts_with("prompts/") {
            None
        } else if template.ends_with(".md.j2") {
            Some(Self::Markdown)
        } else if template.ends_with(".txt.j2") {
            Some(Self::Text)
        } else if template.ends_with(".html.j2") {
            Some(Self::Html)
        } else {
            None
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::Html => "html",
        }
    }
}

/// Prints one value. `none` is refused: the template has to say what stands in its place.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.is_undefined() {
        return Err(Error::from(ErrorKind::UndefinedError));
    }
    if value.is_none() {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "the value is none here; test it with `is none` first",
        ));
    }
    let inert = |form: &str| match form {
        "markdown" => markdown::inline(&value.to_string()),
        "html" => plain::html(&value.to_string()),
        _ => plain::message_line(&value.to_string()),
    };
    let text = match state.auto_escape() {
        AutoEscape::Custom(form) if !value.is_safe() => inert(form),
        _ => value.to_string(),
    };
    out.write_str(&text).map_err(Error::from)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod prompt_tests;

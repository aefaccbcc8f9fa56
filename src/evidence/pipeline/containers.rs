//! Container and compose files: the images that they build on.
//!
//! What a build argument without default decides is not judged.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::flaw::{Family, Flaw, Found};
use super::references::loose_image;
use super::source::{Source, entries, entry, get, line, text};
use crate::evidence::pattern;

/// Checks the images of a Dockerfile or Containerfile.
pub(super) fn check_container(source: &Source<'_>, found: &mut Found) {
    let mut arguments: BTreeMap<String, (u32, Option<String>)> = BTreeMap::new();
    let mut stages: Vec<String> = Vec::new();
    for (at, instruction) in instructions(source.text) {
        let mut words = instruction.split_whitespace();
        let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
        match keyword.as_str() {
            // Only arguments before the first stage reach a FROM.
            "ARG" if stages.is_empty() => {
                for word in words {
                    let (name, value) = word.split_once('=').map_or((word, None), |(n, v)| (n, Some(v)));
                    let value = value.map(|v| v.trim_matches(['"', '\'']).to_owned());
                    arguments.insert(name.to_owned(), (at, value));
                }
            }
            "FROM" => {
                let mut words = words.filter(|w| !w.starts_with("--"));
                let image = words.next().unwrap_or_default();
                let name = match words.next() {
                    Some(word) if word.eq_ignore_ascii_case("as") => words.next(),
                    _ => None,
                };
                base(source, at, image, &arguments, &stages, found);
                stages.push(name.unwrap_or_default().to_ascii_lowercase());
            }
            "COPY" | "ADD" | "RUN" => {
                for from in FROM.captures_iter(&instruction) {
                    base(source, at, &from[1], &BTreeMap::new(), &stages, found);
                }
            }
            _ => {}
        }
    }
}

/// Checks the images of a compose file; what a service builds itself is its own.
pub(super) fn check_compose(source: &Source<'_>, found: &mut Found) {
    let services =
        source.yaml.as_ref().and_then(|root| get(root, "services")).map(entries).unwrap_or_default();
    for service in services {
        let Some(image) = entry(&service.node, "image").filter(|_| entry(&service.node, "build").is_none())
        else {
            continue;
        };
        let Some(name) = text(&image.node) else { continue };
        found.look(Family::Images, source.path);
        let resolved = DEFAULT.replace_all(name, |c: &Captures<'_>| c[1].to_owned());
        if let Some(why) = loose_image(&resolved) {
            let what = format!(
                "image `{name}` of service `{}` is not pinned: {why}. Name a version tag or a digest",
                service.key
            );
            found.add(Flaw::new(Family::Images, source.path, line(image.line), what));
        }
    }
}

fn base(
    source: &Source<'_>,
    at: u32,
    image: &str,
    arguments: &BTreeMap<String, (u32, Option<String>)>,
    stages: &[String],
    found: &mut Found,
) {
    let mut used = None;
    let resolved = VARIABLE.replace_all(image, |c: &Captures<'_>| {
        let name = c.get(1).or(c.get(3)).map_or("", |m| m.as_str());
        let argument = arguments.get(name);
        used = argument.map(|(at, _)| *at).or(used);
        let value =
            argument.and_then(|(_, value)| value.clone()).or_else(|| c.get(2).map(|m| m.as_str().to_owned()));
        value.unwrap_or_else(|| c[0].to_owned())
    });
    let name = resolved.to_ascii_lowercase();
    // An underscore in a name without a registry is one of the machine's own images.
    let own = stages.iter().any(|s| !s.is_empty() && *s == name) || name.parse::<u32>().is_ok();
    if own || !name.contains('/') && name.contains('_') {
        return;
    }
    found.look(Family::Images, source.path);
    if let Some(why) = loose_image(&resolved) {
        let what = format!("image `{resolved}` is not pinned: {why}. Name a version tag or a digest");
        let flaw = Flaw::new(Family::Images, source.path, at, what);
        found.add(if let Some(at) = used { flaw.or_added(source.path, at) } else { flaw });
    }
}

/// Instructions with the line on which they start; comments and bodies of here-documents are left out.
fn instructions(text: &str) -> Vec<(u32, String)> {
    let mut found: Vec<(u32, String)> = Vec::new();
    let mut open = false;
    let mut until: Option<String> = None;
    for (number, raw) in (1..).zip(text.lines()) {
        let line = raw.trim();
        if let Some(end) = &until {
            if line == end {
                until = None;
            }
            continue;
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let (part, continues) =
            line.strip_suffix(['\\', '`']).map_or((line, false), |part| (part.trim(), true));
        match found.last_mut() {
            Some((_, last)) if open => {
                last.push(' ');
                last.push_str(part);
            }
            _ => found.push((number, part.to_owned())),
        }
        open = continues;
        if !open && let Some((_, last)) = found.last() {
            let body = ["RUN", "COPY", "ADD"]
                .iter()
                .any(|k| last.len() > 3 && last.to_ascii_uppercase().starts_with(k));
            until = HERE.captures(last).filter(|_| body).map(|c| c[1].to_owned());
        }
    }
    found
}

static FROM: LazyLock<Regex> = LazyLock::new(|| pattern(r"(?:--from=|[,=]from=)([^\s,]+)"));
static HERE: LazyLock<Regex> = LazyLock::new(|| pattern(r#"<<-?['"]?([A-Za-z_]\w*)['"]?"#));
static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"\$\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|\$([A-Za-z_]\w*)"));
static DEFAULT: LazyLock<Regex> = LazyLock::new(|| pattern(r"\$\{[A-Za-z_]\w*:?-([^}]*)\}"));

//! A user's own templates, looked through without values: those that nothing asks for, and prompts that name what is never
//! filled in. Knows no agent: what a prompt may name is what the embedded one of the same name does.

use std::collections::BTreeSet;

use minijinja::Environment;

use super::sources::{self, Source};

/// What every prompt is filled with.
const SHARED: [&str; 3] = ["terms", "plan", "context"];

/// The engine's own names.
const BUILT_IN: [&str; 8] = ["range", "dict", "namespace", "debug", "self", "super", "caller", "loop"];

/// Each with the file, and what to do.
pub(super) fn without_effect(env: &Environment<'_>, all: &[Source]) -> Vec<String> {
    let embedded = sources::collect(None).unwrap_or_default();
    let mut problems = Vec::new();
    for own in all.iter().filter(|source| source.own) {
        let Some(original) = embedded.iter().find(|source| source.name == own.name) else {
            if !all.iter().any(|other| other.name != own.name && asks_for(other, &own.name)) {
                problems.push(misnamed(own, &embedded));
            }
            continue;
        };
        if own.name.starts_with("prompts/") {
            let mut known: BTreeSet<String> = names(env, &own.name, &original.text);
            known.extend(SHARED.into_iter().chain(BUILT_IN).map(str::to_owned));
            let unknown = names(env, &own.name, &own.text);
            problems.extend(unknown.difference(&known).map(|name| undefined(own, name)));
        }
    }
    problems
}

fn asks_for(source: &Source, name: &str) -> bool {
    source.text.contains(&format!("\"{name}\"")) || source.text.contains(&format!("'{name}'"))
}

fn names(env: &Environment<'_>, name: &str, text: &str) -> BTreeSet<String> {
    let template = env.template_from_named_str(name, text);
    template.map(|template| template.undeclared_variables(false).into_iter().collect()).unwrap_or_default()
}

fn undefined(own: &Source, name: &str) -> String {
    let word = |line: &str| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
    let line = own.text.lines().position(word).map_or(1, |at| at + 1);
    format!("{}:{line}: undefined value: `{name}` is undefined", own.place)
}

fn misnamed(own: &Source, embedded: &[Source]) -> String {
    let names: Vec<&str> = embedded.iter().map(|source| source.name.as_str()).collect();
    format!(
        "{}: no template of pace has this name, and none includes it; name it as one of {}",
        own.place,
        names.join(", ")
    )
}

//! Holds what ships beside the binary against [`VARIABLES`]: the inputs of the GitHub action and of the GitLab
//! component. Run with `UPDATE_SHIPPED=1` in the environment to write them anew.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::super::variables::{Kind, VARIABLES, Variable};

/// Set by GitHub for every step, whatever a workflow says.
const OF_GITHUB: [&str; 3] = ["GITHUB_REPOSITORY", "GITHUB_API_URL", "GITHUB_SERVER_URL"];

#[test]
fn the_action_has_an_input_for_every_setting() {
    let inputs = settings(|variable| !OF_GITHUB.contains(&variable.name)).map(|variable| {
        let name = input(variable);
        format!("{name}:\n  description: {}\n  default: \"\"", quoted(&description(variable)))
    });
    let inputs = lines(inputs.collect());
    // An input that is not given leaves a variable of the workflow as it is.
    let variables = settings(|variable| !OF_GITHUB.contains(&variable.name)).map(|variable| {
        let (name, input) = (variable.name, input(variable));
        let alias = variable.alias.map(|alias| format!(" || env.{alias}")).unwrap_or_default();
        let last = if name == "GITHUB_TOKEN" { " || github.token" } else { "" };
        format!("{name}: ${{{{ inputs.{input} || env.{name}{alias}{last} }}}}")
    });
    let variables = lines(variables.collect());
    hold("action.yml", "settings", &[inputs, variables]);
}

#[test]
fn the_component_has_a_typed_input_for_every_setting_that_is_no_secret() {
    // Inputs can be read by everyone who sees the pipeline; credentials are masked variables.
    let plain = || settings(|variable| !variable.is_secret() && !variable.name.starts_with("GITHUB_"));
    let inputs = plain().map(|variable| {
        let default = quoted(match variable.name {
            "DAY" => "1",
            "RETRY" => "false",
            _ => "",
        });
        let shape = shape(variable);
        let description = quoted(&description(variable));
        format!("{}:\n  default: {default}{shape}\n  description: {description}", input(variable))
    });
    let inputs = lines(inputs.collect());
    let variables =
        plain().map(|variable| format!("{}: \"$[[ inputs.{} ]]\"", variable.name, input(variable)));
    let variables = lines(variables.collect());
    hold("templates/pace.yml", "settings", &[inputs, variables]);
}

#[test]
fn the_component_installs_as_the_action_does() {
    let script = std::fs::read_to_string(root().join("scripts/install.sh")).unwrap();
    let table = std::fs::read_to_string(root().join("scripts/checksums.txt")).unwrap();
    let mut text = vec![format!("table='{}'", table.trim_end())];
    text.push(script.trim_end().to_owned());
    assert!(!table.contains('\''), "the table stands between single quotes");
    hold("templates/pace.yml", "install", &[lines(text)]);
}

/// Two tests write one file.
static WRITING: Mutex<()> = Mutex::new(());

/// What people set, where `wanted`.
fn settings(wanted: impl Fn(&Variable) -> bool) -> impl Iterator<Item = &'static Variable> {
    VARIABLES.iter().filter(move |variable| !variable.is_of_ci() && wanted(variable))
}

/// The variable's name in kebab case and without `PACE_`; `stage` is already a word of pipelines.
fn input(variable: &Variable) -> String {
    let name = variable.name.strip_prefix("PACE_").filter(|name| *name != "STAGE").unwrap_or(variable.name);
    name.to_ascii_lowercase().replace('_', "-")
}

fn description(variable: &Variable) -> String {
    let default =
        if variable.default == "—" { String::new() } else { format!("; default: {}", variable.default) };
    format!("{}{default}", variable.meaning)
}

/// The lines that narrow an input of the component down. All are strings: an empty one leaves the setting unset.
fn shape(variable: &Variable) -> &'static str {
    let none = variable.default.contains("none");
    match variable.kind {
        Kind::Flag => "\n  options: [\"\", \"true\", \"false\"]",
        Kind::Day => "\n  regex: ^(auto|[0-9]*)$",
        Kind::Count if none => "\n  regex: ^(none|[0-9]*)$",
        Kind::Count => "\n  regex: ^[0-9]*$",
        Kind::Money => "\n  regex: ^(none|[0-9.]*)$",
        Kind::Percent => "\n  regex: ^[0-9.]*%?$",
        Kind::Duration => "\n  regex: ^(none|[0-9dhms ]*)$",
        _ => "",
    }
}

fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

fn lines(entries: Vec<String>) -> Vec<String> {
    entries.iter().flat_map(|entry| entry.lines()).map(str::to_owned).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The blocks between `mark: begin` and `mark: end` of `file` are `blocks`, each line as far in as its mark.
#[expect(clippy::disallowed_methods, reason = "the one switch of these tests")]
fn hold(file: &str, mark: &str, blocks: &[Vec<String>]) {
    let _alone = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = root().join(file);
    let text = std::fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("{mark}: begin"), format!("{mark}: end"));
    let mut blocks_left = blocks.iter();
    let (mut wanted, mut inside) = (String::new(), false);
    for line in text.lines() {
        inside &= !line.contains(&end);
        if !inside {
            wanted.push_str(line);
            wanted.push('\n');
        }
        if line.contains(&begin) {
            inside = true;
            let indent = " ".repeat(line.len() - line.trim_start().len());
            for entry in blocks_left.next().unwrap_or_else(|| panic!("{file}: one `{begin}` too many")) {
                wanted.push_str(format!("{indent}{entry}").trim_end());
                wanted.push('\n');
            }
        }
    }
    assert!(!inside && blocks_left.next().is_none(), "{file}: a `{begin}` or `{end}` is missing");
    if std::env::var_os("UPDATE_SHIPPED").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    let update = format!("{file} is behind; UPDATE_SHIPPED=1 cargo test --lib shipped writes it anew");
    assert!(std::fs::read_to_string(&path).unwrap() == wanted, "{update}");
}

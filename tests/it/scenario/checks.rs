//! What a step must have left behind: files, commits, prompts, artifacts as expected, and no secret anywhere.

use std::collections::BTreeMap;
use std::path::Path;

use super::format::{PromptCheck, Step};
use super::normal::normal;
use crate::binary::Finished;
use crate::model_server::{Exchange, KEY, invariants};
use crate::project::{Project, collect};

/// `expected/` is written instead of compared.
const UPDATE: bool = option_env!("UPDATE_EXPECTED").is_some();

/// Substrings that must and must not be in `text`.
pub(super) fn text(place: &str, text: &str, has: &[String], lacks: &[String], problems: &mut Vec<String>) {
    for wanted in has.iter().filter(|w| !text.contains(w.as_str())) {
        problems.push(format!("{place} lacks {wanted:?}"));
    }
    for unwanted in lacks.iter().filter(|w| text.contains(w.as_str())) {
        problems.push(format!("{place} has {unwanted:?}"));
    }
}

/// The files and the repository.
pub(super) fn files(folder: &Path, step: &Step, project: &Project) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, check) in &step.files {
        match project.read(path) {
            Some(_) if check.absent => problems.push(format!("{path} should not be there")),
            None if check.absent => {}
            None => {
                problems.push(format!("{path} is not there; there are {:?}", project.files_below(".pace")))
            }
            Some(content) => {
                let before = problems.len();
                text(path, &content, &check.has, &check.lacks, &mut problems);
                if let Some(expected) = &check.equals {
                    let expected = std::fs::read_to_string(folder.join(expected)).unwrap_or_default();
                    problems.extend(difference(path, &normal(&expected), &normal(&content)));
                }
                if problems.len() > before {
                    problems.push(format!("--- {path}\n{content}---"));
                }
            }
        }
    }
    problems.extend(repository(step, project));
    if step.expected {
        problems.extend(expected(folder, project));
    }
    problems
}

fn repository(step: &Step, project: &Project) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(branch) = &step.git.branch
        && project.branch() != *branch
    {
        problems.push(format!("HEAD is on {} instead of {branch}", project.branch()));
    }
    if !step.git.log_has.is_empty() {
        text("git log", &project.log(), &step.git.log_has, &[], &mut problems);
    }
    let left = project.uncommitted();
    if step.git.clean && !left.is_empty() {
        problems.push(format!("left uncommitted: {left:?}"));
    }
    problems
}

/// Artifacts against `expected/`: the same files with the same content, accidents of the run apart.
fn expected(folder: &Path, project: &Project) -> Vec<String> {
    let root = folder.join("expected");
    let artifacts: BTreeMap<String, String> = project
        .files_below(".pace")
        .into_iter()
        .filter(|path| !path.starts_with(".pace/.run/"))
        .chain(project.read("PROGRESS.md").map(|_| "PROGRESS.md".to_owned()))
        .filter_map(|path| Some((path.clone(), normal(&project.read(&path)?))))
        .collect();
    if UPDATE {
        drop(std::fs::remove_dir_all(&root));
        for (path, content) in &artifacts {
            let target = root.join(path.trim_start_matches('.'));
            std::fs::create_dir_all(target.parent().unwrap()).unwrap();
            std::fs::write(target, content).unwrap();
        }
        return vec![];
    }
    let mut wanted = BTreeMap::new();
    collect(&root, &mut |file| {
        let name = file.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let name = if name.starts_with("pace/") { format!(".{name}") } else { name };
        wanted.insert(name, std::fs::read_to_string(file).unwrap());
    });
    let mut problems = Vec::new();
    for path in wanted.keys().filter(|p| !artifacts.contains_key(*p)) {
        problems.push(format!("artifact {path} is missing"));
    }
    for (path, content) in &artifacts {
        match wanted.get(path) {
            None => problems.push(format!("artifact {path} is not expected:\n{content}")),
            Some(wanted) => problems.extend(difference(path, wanted, content)),
        }
    }
    problems
}

fn difference(path: &str, wanted: &str, found: &str) -> Option<String> {
    let line = wanted
        .lines()
        .zip(found.lines())
        .position(|(a, b)| a != b)
        .unwrap_or_else(|| wanted.lines().count().min(found.lines().count()));
    let show = |text: &str| text.lines().nth(line).unwrap_or("(end)").to_owned();
    (wanted != found).then(|| {
        format!(
            "{path} differs from what is expected in line {}:\n  expected {}\n  found    {}",
            line + 1,
            show(wanted),
            show(found)
        )
    })
}

/// The bytes of files that a step must leave alone: whole folders by their name.
pub(super) fn snapshot(project: &Project, paths: &[String]) -> Vec<(String, BTreeMap<String, String>)> {
    paths.iter().map(|path| (path.clone(), contents(project, path))).collect()
}

fn contents(project: &Project, path: &str) -> BTreeMap<String, String> {
    let mut paths = project.files_below(path);
    paths.insert(path.to_owned());
    paths.into_iter().filter_map(|p| Some((p.clone(), project.read(&p)?))).collect()
}

/// What changed since [`snapshot`].
pub(super) fn unchanged(project: &Project, before: &[(String, BTreeMap<String, String>)]) -> Vec<String> {
    let mut problems = Vec::new();
    for (path, old) in before {
        let new = contents(project, path);
        if old.is_empty() {
            problems.push(format!("{path} was not there before this step"));
        }
        let names: std::collections::BTreeSet<_> = old.keys().chain(new.keys()).collect();
        let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
        problems.extend(changed.map(|name| format!("{name} changed")));
    }
    problems
}

/// What agents were told.
pub(super) fn prompts(checks: &[PromptCheck], exchanges: &[Exchange]) -> Vec<String> {
    let mut problems = Vec::new();
    for check in checks {
        let place = format!("what {} was told in round {}", check.agent, check.round);
        match conversation(exchanges, check) {
            Some(told) => {
                let before = problems.len();
                text(&place, &told, &check.has, &check.lacks, &mut problems);
                if problems.len() > before {
                    problems.push(format!("--- {place}\n{told}\n---"));
                }
            }
            None => problems.push(format!("{} had no round {}", check.agent, check.round)),
        }
    }
    problems
}

/// All text of the opening, or of the last and longest request, of an agent's n-th conversation.
fn conversation(exchanges: &[Exchange], check: &PromptCheck) -> Option<String> {
    let mut round = 0;
    let mut told = None;
    for exchange in exchanges.iter().filter(|e| e.agent == check.agent) {
        let messages = invariants::messages(exchange);
        let opens = messages.len() <= 1;
        round += usize::from(opens);
        if round == check.round && (opens || check.anywhere) {
            let mut whole = exchange.protocol.system(&exchange.body);
            for message in messages {
                strings(message, &mut whole);
            }
            told = Some(whole);
        }
    }
    told
}

fn strings(value: &serde_json::Value, text: &mut String) {
    match value {
        serde_json::Value::String(s) => {
            text.push('\n');
            text.push_str(s);
        }
        serde_json::Value::Array(items) => items.iter().for_each(|v| strings(v, text)),
        serde_json::Value::Object(map) => map.values().for_each(|v| strings(v, text)),
        _ => {}
    }
}

/// The model's key is nowhere: not in what was printed, not in a file that the run wrote.
pub(super) fn secrets(project: &Project, finished: &Finished) -> Vec<String> {
    let mut problems = Vec::new();
    if finished.stdout.contains(KEY) || finished.stderr.contains(KEY) {
        problems.push("the run printed the model's key".to_owned());
    }
    collect(project.dir.parent().unwrap_or(&project.dir), &mut |file| {
        let bytes = std::fs::read(file).unwrap_or_default();
        if bytes.windows(KEY.len()).any(|window| window == KEY.as_bytes()) {
            problems.push(format!("{} holds the model's key", file.display()));
        }
    });
    problems
}

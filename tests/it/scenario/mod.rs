//! Every folder of `tests/scenarios/` is a test: a project, scripted models, runs of the binary, and what must be
//! seen. Adding one needs no Rust. Set `SCENARIO` to a part of a name to run only those; compile with
//! `UPDATE_EXPECTED=1` to write `expected/` anew.

mod checks;
mod format;
mod frameworks;
mod made_up;
pub(crate) mod normal;
mod reports;

use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::binary::{Finished, Pace, own_variable};
use crate::model_server::script::Script;
use crate::model_server::{KEY, ModelServer, invariants};
use crate::project::Project;
use format::{Edit, Kind, ModelKind, Scenario, SignalName, Step};

/// Where the scenarios are.
pub(crate) fn scenarios_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// A script that scenarios share, by name, e.g. `forge`.
pub(crate) fn shared_script(names: &[&str]) -> Script {
    let mut whole = Script::default();
    for name in names {
        let folder = scenarios_dir().join("_");
        whole.replies.extend(format::read_part(&folder, name).unwrap().replies);
    }
    whole
}

#[test]
fn scenarios() {
    let wanted = own_variable("SCENARIO").unwrap_or_default();
    let folders: Vec<PathBuf> = folders().into_iter().filter(|f| name(f).contains(&wanted)).collect();
    assert!(!folders.is_empty(), "no scenario is called {wanted}");
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(folder) = folders.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let problems = run(folder);
                    let verdict = if problems.is_empty() { "ok" } else { "FAILED" };
                    eprintln!("scenario {} ... {verdict}", name(folder));
                    if !problems.is_empty() {
                        failures.lock().unwrap().push((name(folder), problems.join("\n")));
                    }
                }
            });
        }
    });
    let mut failures = failures.into_inner().unwrap();
    failures.sort();
    let of = |kind| folders.iter().filter(|f| Scenario::read(f).is_ok_and(|s| s.kind == Some(kind))).count();
    let (cheats, honest) = (of(Kind::Cheat), of(Kind::Honest));
    eprintln!("{cheats} cheats, {honest} honest stories");
    assert!(!wanted.is_empty() || cheats >= 30 && honest >= 30, "there are fewer stories than promised");
    let report: String = failures.iter().map(|(name, text)| format!("\n===== {name}\n{text}\n")).collect();
    assert!(failures.is_empty(), "{} of {} scenarios failed:\n{report}", failures.len(), folders.len());
}

/// Every scenario can be read, and so can every script that it names.
#[test]
fn scenarios_are_well_formed() {
    let mut problems = Vec::new();
    for folder in folders() {
        match Scenario::read(&folder) {
            Err(problem) => problems.push(problem),
            Ok(scenario) => {
                let scripts = scenario.steps.iter().map(|step| step.script(&folder));
                problems.extend(scripts.filter_map(Result::err));
                if scenario.kind == Some(Kind::Cheat) && scenario.steps.iter().any(Step::ships) {
                    problems.push(format!("{}: a cheat ends with exit 0 or 10", name(&folder)));
                }
                let missing = scenario.trees(&folder).into_iter().filter(|t| !t.is_dir());
                problems.extend(missing.map(|t| format!("{} is no folder", t.display())));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = std::fs::read_dir(scenarios_dir())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir() && !name(path).starts_with('_'))
        .collect();
    folders.sort();
    folders
}

fn name(folder: &Path) -> String {
    folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Plays a scenario; what went wrong, in words.
fn run(folder: &Path) -> Vec<String> {
    let scenario = match Scenario::read(folder) {
        Ok(scenario) => scenario,
        Err(problem) => return vec![problem],
    };
    let project = Project::new(&scenario.trees(folder));
    if let Some(packages) = &scenario.packages {
        frameworks::install(packages, &project.dir);
    }
    let service = scenario.service.as_deref().map(serve).unwrap_or_default();
    for (i, step) in scenario.steps.iter().enumerate() {
        let problems = play(folder, &scenario, step, &project, &service);
        if !problems.is_empty() {
            let title = format!("step {} of {}:", i + 1, scenario.steps.len());
            return [title].into_iter().chain(problems).collect();
        }
    }
    vec![]
}

fn play(folder: &Path, scenario: &Scenario, step: &Step, project: &Project, service: &str) -> Vec<String> {
    if let Some(edit) = &step.edit
        && let Err(problem) = apply(edit, project)
    {
        return vec![problem];
    }
    let script = match step.script(folder) {
        Ok(script) => script,
        Err(problem) => return vec![problem],
    };
    let before = checks::snapshot(project, &step.unchanged);
    let server = ModelServer::start(&script);
    let pace = command((scenario, step), project, &server, &script, service);
    let finished = match step.signal {
        None => pace.run(),
        Some(signal) => {
            let signal = match signal {
                SignalName::Int => Signal::INT,
                SignalName::Term => Signal::TERM,
            };
            pace.run_until(signal, || server.is_hanging())
        }
    };
    let mut problems = judge(step, &server, &finished);
    problems.extend(checks::files(folder, step, project));
    problems.extend(checks::unchanged(project, &before));
    problems.extend(checks::secrets(project, &finished));
    if step.kept_out {
        problems.extend(made_up::leaks(project, &finished));
    }
    problems.extend(reports::misshapen(project));
    if !problems.is_empty() {
        problems.push(finished.transcript());
    }
    problems
}

/// Starts a service that lives as long as the tests; its address.
fn serve(line: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let line = format!("{line}\n");
    std::thread::spawn(move || {
        for mut guest in listener.incoming().flatten() {
            // Who has left needs no answer.
            drop(guest.write_all(line.as_bytes()));
        }
    });
    address
}

fn command(
    (scenario, step): (&Scenario, &Step),
    project: &Project,
    server: &ModelServer,
    script: &Script,
    service: &str,
) -> Pace {
    let mut pace = Pace::new(&project.dir, &project.home)
        .args(step.args.clone())
        .env([("PACE_SANDBOX", "off"), ("PACE_PLATFORM", "local")]);
    let env = server.env(scenario.protocol);
    pace = match step.model {
        ModelKind::Scripted => pace.env(env),
        ModelKind::WrongKey => {
            let wrong = env.into_iter().map(|(name, value)| {
                let value = if value == KEY { "sk-wrong".to_owned() } else { value };
                (name, value)
            });
            pace.env(wrong)
        }
        // Port 1 is privileged and unused: connecting to it is refused at once.
        ModelKind::Unreachable => pace.env(env).env([("PACE_LLM_BASE_URL", "http://127.0.0.1:1")]),
        ModelKind::Replay => {
            let path = project.home.join("script.yaml");
            std::fs::write(&path, serde_yaml::to_string(script).unwrap()).unwrap();
            pace.env([("PACE_LLM_PROVIDER", "replay"), ("PACE_LLM_BASE_URL", &path.display().to_string())])
        }
        ModelKind::None => pace,
    };
    for (name, value) in scenario.env.iter().chain(&step.env) {
        pace = match value {
            Some(value) => {
                let value = value.replace("{{rust}}", RUST).replace("{{service}}", service);
                pace.env([(name, frameworks::filled(&value))])
            }
            None => pace.without(name),
        };
    }
    pace
}

/// Where the programs of the Rust toolchain are that builds these tests.
const RUST: &str = match env!("CARGO").as_bytes() {
    [folder @ .., b'/', b'c', b'a', b'r', b'g', b'o'] => match std::str::from_utf8(folder) {
        Ok(folder) => folder,
        Err(_) => panic!("the path of cargo is not UTF-8"),
    },
    _ => panic!("cargo is called otherwise"),
};

/// What the run said and asked.
fn judge(step: &Step, server: &ModelServer, finished: &Finished) -> Vec<String> {
    let mut problems = Vec::new();
    if finished.code != step.exit {
        problems.push(format!("exit {} instead of {}", finished.code, step.exit));
    }
    checks::text("stdout", &finished.stdout, &step.stdout_has, &step.stdout_lacks, &mut problems);
    checks::text("stderr", &finished.stderr, &step.stderr_has, &step.stderr_lacks, &mut problems);
    let calls = server.calls();
    for (agent, count) in &step.calls {
        let given = calls.get(agent).copied().unwrap_or(0);
        if given != *count {
            problems.push(format!("{agent} got {given} replies instead of {count}"));
        }
    }
    if !step.leftover && step.model == ModelKind::Scripted {
        let left = server.left_over();
        problems.extend(left.into_iter().map(|l| format!("replies left unsaid, {l}")));
    }
    problems.extend(server.problems());
    let exchanges = server.exchanges();
    problems.extend(invariants::breaches(&exchanges, &[KEY.to_owned()]));
    problems.extend(checks::prompts(&step.prompts, &exchanges));
    problems
}

fn apply(edit: &Edit, project: &Project) -> Result<(), String> {
    for (path, content) in &edit.write {
        project.write(path, content);
    }
    for path in &edit.delete {
        project.delete(path);
    }
    for (path, pairs) in &edit.replace {
        let mut text = project.read(path).ok_or_else(|| format!("edit: there is no {path}"))?;
        for (old, new) in pairs {
            if !text.contains(old.as_str()) {
                return Err(format!("edit: {path} has no {old:?}:\n{text}"));
            }
            text = text.replace(old, new);
        }
        project.write(path, &text);
    }
    if let Some(message) = &edit.commit {
        project.commit_all(message);
    }
    if let Some(branch) = &edit.fast_forward {
        project.fast_forward(branch);
    }
    Ok(())
}

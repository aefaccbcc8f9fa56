//! A disk that is full, read-only, out of inodes or broken, at every kind of file that a day writes: what stood there
//! stays whole, the error names the file, and the next run with a sound disk comes to the same end without paying twice.
//!
//! Errors are put in the way of single system calls (`traced`), and real ones come from a small file system of its own.

mod limited;
mod small;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex};

use regex::Regex;

use crate::binary::{Finished, Pace, own_variable};
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::{Project, collect};
use crate::scenario::normal::apart_from_cost;
use crate::scenario::{scenarios_dir, shared_script};
use crate::traced::{self, Call, Then};

/// Calls that change what a disk holds.
const CHANGES: [i64; 12] = [
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_ftruncate,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdir,
    libc::SYS_mkdirat,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
];

fn project() -> Project {
    Project::new(&[scenarios_dir().join("_trees/shell")])
}

fn model() -> ModelServer {
    ModelServer::start_repeating(&shared_script(&["prime", "forge", "gate", "sentinel", "scribe"]))
}

fn variables(server: &ModelServer, home: &Path) -> Vec<(String, String)> {
    let mut env = server.env(Protocol::Anthropic);
    let output = home.join("output").display().to_string();
    for (name, value) in [
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
        ("PACE_SANDBOX", "off"),
        ("PACE_PLATFORM", "local"),
        ("GITHUB_OUTPUT", &output),
    ] {
        env.push((name.to_owned(), value.to_owned()));
    }
    env
}

/// Names that are others in every run.
static OBJECTS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"objects/[0-9a-f]{2}.*|_git2_\w+|\b[0-9a-f]{8,}\b|-write-\d+-\d+").unwrap());

/// What a call changes, without what is another one in every run.
fn kind(call: &Call, project: &Project) -> Option<String> {
    let name = match call.number {
        libc::SYS_write | libc::SYS_pwrite64 => "write",
        libc::SYS_fsync | libc::SYS_fdatasync => "sync",
        libc::SYS_ftruncate => "truncate",
        libc::SYS_rename | libc::SYS_renameat | libc::SYS_renameat2 => "rename",
        libc::SYS_mkdir | libc::SYS_mkdirat => "mkdir",
        _ => "unlink",
    };
    if !["write", "sync", "truncate"].contains(&name) {
        return Some(name.to_owned());
    }
    let file = call.file()?;
    let below = file.strip_prefix(&project.dir).or_else(|_| file.strip_prefix(&project.home)).ok()?;
    Some(format!("{name} {}", OBJECTS.replace_all(&below.display().to_string(), "<object>")))
}

/// What is wrong with the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ill {
    /// From then on nothing can be written; what is there can be renamed and removed.
    Full,
    /// The same for the quota of the user.
    Quota,
    /// From then on no file can grow beyond a limit, and each has come to it.
    Limited,
    /// From then on nothing can be changed at all.
    ReadOnly,
    /// Once.
    Broken,
}

impl Ill {
    const fn error(self) -> i32 {
        match self {
            Self::Full => libc::ENOSPC,
            Self::Quota => libc::EDQUOT,
            Self::Limited => libc::EFBIG,
            Self::ReadOnly => libc::EROFS,
            Self::Broken => libc::EIO,
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Full => "No space left on device",
            Self::Quota => "Disk quota exceeded",
            Self::Limited => "File too large",
            Self::ReadOnly => "Read-only file system",
            Self::Broken => "Input/output error",
        }
    }

    /// Whether a call of this kind fails once the disk is ill.
    fn befalls(self, kind: &str, first: bool) -> bool {
        match self {
            Self::Full | Self::Quota => kind.starts_with("write") || kind.starts_with("mkdir"),
            Self::Limited => kind.starts_with("write"),
            Self::ReadOnly => !kind.starts_with("sync"),
            Self::Broken => first,
        }
    }
}

/// The day without a fault: what it leaves, its calls, and how often it changes what.
struct Whole {
    left: BTreeMap<String, String>,
    calls: usize,
    kinds: BTreeMap<String, usize>,
}

fn whole() -> Whole {
    let (project, server) = (project(), model());
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    let run = traced::run(&pace(&project, &server), &CHANGES, |call| {
        if let Some(kind) = kind(call, &project) {
            *kinds.entry(kind).or_default() += 1;
        }
        Then::Go
    });
    assert_eq!(run.code, 0, "{}", run.transcript());
    Whole { left: left(&project.dir), calls: server.calls().values().sum(), kinds }
}

fn pace(project: &Project, server: &ModelServer) -> Pace {
    Pace::new(&project.dir, &project.home).env(variables(server, &project.home))
}

/// Everything in the work tree but what tells the time or the cost.
fn left(dir: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    collect(dir, &mut |file| {
        let name = file.strip_prefix(dir).unwrap().display().to_string();
        let own = name.starts_with(".git/") || name.starts_with(".pace/.run/") || name == ".pace/report.html";
        if !own {
            let text = String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned();
            files.insert(name, apart_from_cost(&text));
        }
    });
    files
}

/// What is wrong with a run that the disk failed.
fn bore(run: &Finished, ill: Ill) -> Vec<String> {
    let mut problems = Vec::new();
    if !matches!(run.code, 0 | 2 | 4) {
        problems.push(format!("exit {}", run.code));
    }
    let said = format!("{}{}", run.stdout, run.stderr);
    if said.contains("panicked") {
        problems.push("it panicked".into());
    }
    if run.code != 0 && !said.contains(ill.words()) && !said.contains("git could not store") {
        problems.push(format!("`{}` is not told", ill.words()));
    }
    if run.code == 4 && !said.contains("fix the disk of this machine") {
        problems.push("the mend is not told".into());
    }
    problems
}

/// What is not as after a day without a fault.
fn mended(whole: &Whole, dir: &Path, calls: usize) -> Vec<String> {
    let mut problems = Vec::new();
    let now = left(dir);
    for (path, text) in &whole.left {
        if now.get(path) != Some(text) {
            problems.push(format!("{path} differs:\n{text}\n--- now\n{:?}", now.get(path)));
        }
    }
    let more: Vec<_> = now.keys().filter(|path| !whole.left.contains_key(*path)).collect();
    if !more.is_empty() {
        problems.push(format!("left behind: {more:?}"));
    }
    if calls > whole.calls + 1 {
        problems.push(format!("{calls} calls instead of {}", whole.calls));
    }
    problems
}

/// Every artifact in the work tree is whole.
fn torn(dir: &Path) -> Vec<String> {
    let mut torn = Vec::new();
    collect(&dir.join(".pace"), &mut |file| {
        let name = file.display().to_string();
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let parses = match name.rsplit('.').next() {
            _ if name.contains("/.run/") || name.contains(".tmp") => true,
            Some("json" | "sarif") => serde_json::from_str::<serde_json::Value>(&text).is_ok(),
            Some("yaml") => !text.is_empty() && serde_yaml::from_str::<serde_yaml::Value>(&text).is_ok(),
            _ => !text.is_empty(),
        };
        if !parses {
            torn.push(format!("{name} is torn: {text:?}"));
        }
    });
    torn
}

/// A day whose disk falls ill at the `number`-th change of a kind, and the same day again on a sound one.
fn injected(whole: &Whole, ill: Ill, what: &str, number: usize) -> Vec<String> {
    let (project, server) = (project(), model());
    let (mut seen, mut since) = (0, false);
    let run = traced::run(&pace(&project, &server), &CHANGES, |call| {
        let Some(kind) = kind(call, &project) else { return Then::Go };
        seen += usize::from(kind == what);
        let first = !since && kind == what && seen == number;
        since |= first;
        if since && ill.befalls(&kind, first) { Then::Fail(ill.error()) } else { Then::Go }
    });
    let mut problems = bore(&run, ill);
    problems.extend(torn(&project.dir));
    let mut log = run.transcript();
    let shipped = run.code == 0;
    let again = pace(&project, &server).run();
    log.push_str(&again.transcript());
    if again.code != 0 {
        problems.push(format!("then exit {}", again.code));
    }
    if !shipped || again.code == 0 {
        problems.extend(mended(whole, &project.dir, server.calls().values().sum()));
    }
    if !problems.is_empty() {
        problems.push(log);
    }
    problems
}

/// Kinds of which one stands for many.
fn is_one_of_many(kind: &str) -> bool {
    let alike =
        ["conduit", "sentinel", "scribe", "gate-report.yaml", "gl-code", "findings", "junit", "cycle"];
    alike.iter().any(|name| kind.contains(name))
        || (kind.starts_with("sync") && !kind.contains("jsonl") && !kind.contains("story-card"))
}

/// One fault for every kind of change that a day makes, and more of them for its journal.
fn cases(whole: &Whole) -> Vec<(Ill, String, usize)> {
    let mut cases = Vec::new();
    let kinds = whole.kinds.iter().filter(|(kind, _)| !is_one_of_many(kind));
    let mut stops = [Ill::Full, Ill::Quota, Ill::Limited].into_iter().cycle();
    for (kind, count) in kinds {
        let middle = count.div_ceil(2);
        if kind.starts_with("write") {
            cases.extend(stops.next().map(|ill| (ill, kind.clone(), middle)));
        } else {
            cases.push((Ill::Broken, kind.clone(), middle));
        }
        if kind.starts_with("write") && kind.contains("jsonl") {
            cases.extend([
                (Ill::Broken, kind.clone(), *count),
                (Ill::Full, kind.clone(), 2),
                (Ill::Quota, kind.clone(), middle),
                (Ill::Limited, kind.clone(), *count),
                (Ill::ReadOnly, kind.clone(), middle),
            ]);
        }
    }
    cases
}

/// Every fault at every change of every kind.
fn all_cases(whole: &Whole) -> Vec<(Ill, String, usize)> {
    let of = |(kind, count): (&String, &usize)| {
        let ills = [Ill::Full, Ill::Quota, Ill::Limited, Ill::ReadOnly, Ill::Broken];
        let fitting = ills.into_iter().filter(|ill| ill.befalls(kind, true));
        fitting.flat_map(|ill| (1..=*count).map(move |number| (ill, number))).collect::<Vec<_>>()
    };
    whole
        .kinds
        .iter()
        .flat_map(|kind| of(kind).into_iter().map(|(ill, n)| (ill, kind.0.clone(), n)))
        .collect()
}

/// `EVERY_WRITE=10`: each tenth of all faults at all changes (`just soak`).
#[test]
fn a_disk_that_fails_at_any_write_costs_nothing_twice() {
    let whole = whole();
    let cases = match own_variable("EVERY_WRITE") {
        Some(share) => all_cases(&whole).into_iter().step_by(share.parse().unwrap()).collect(),
        None => cases(&whole),
    };
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while let Some((ill, kind, number)) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let problems = injected(&whole, *ill, kind, *number);
                    if !problems.is_empty() {
                        let title = format!("\n===== {ill:?} at {kind} number {number}");
                        failures.lock().unwrap().push(format!("{title}\n{}", problems.join("\n")));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    println!("{} faults of single calls", cases.len());
    assert!(failures.is_empty(), "{} of {}:{}", failures.len(), cases.len(), failures.concat());
}

//! Hostile names against real folders.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use super::{Door, Name, Rights};
use crate::tool::ToolError;

const CANARY: &str = "canary-7f31";

/// A work tree in `work`, with things beside it that must stay out of reach.
fn tree() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for folder in [
        "work/src/deep",
        "work/tests",
        "work/.git/hooks",
        "work/.pace/context",
        "work/.github/workflows",
        "work/vendor/sub/src",
        "work/src/nested/.git",
        "work/docs",
        "outside",
    ] {
        fs::create_dir_all(at(folder)).unwrap();
    }
    for (file, text) in [
        ("work/src/a.py", "a = 1\n"),
        ("work/.git/config", CANARY),
        ("work/.gitmodules", "[submodule \"sub\"]\n\tpath = vendor/sub\n\turl = https://example.invalid/x\n"),
        ("work/vendor/sub/src/x.c", "x"),
        ("work/plan.yaml", "stories: []\n"),
        ("work/README.md", "# x\n"),
        ("outside/secret", CANARY),
        ("outside/shared", CANARY),
    ] {
        fs::write(at(file), text).unwrap();
    }
    symlink("../../outside", at("work/src/way-out")).unwrap();
    symlink("../../outside/secret", at("work/src/link")).unwrap();
    symlink(at("outside/secret"), at("work/src/absolute")).unwrap();
    symlink("deep", at("work/src/inner")).unwrap();
    symlink("../.git", at("work/src/git-link")).unwrap();
    symlink("/proc/self/environ", at("work/src/environ")).unwrap();
    symlink("loop", at("work/src/loop")).unwrap();
    symlink("../../outside/none-yet", at("work/src/dangling")).unwrap();
    fs::hard_link(at("outside/shared"), at("work/src/hard")).unwrap();
    let fifo = std::ffi::CString::new(at("work/src/fifo").to_str().unwrap()).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, kind, rustix::fs::Mode::RUSR, 0).unwrap();
    std::os::unix::net::UnixListener::bind(at("work/src/socket")).unwrap();
    dir
}

fn strings(all: &[&str]) -> Vec<String> {
    all.iter().map(|&one| one.to_owned()).collect()
}

fn source_door(dir: &Path) -> Door {
    let rights = Rights::source(&strings(&["."]), &strings(&["plan.yaml", "ci/templates"])).unwrap();
    Door::new(&dir.join("work"), rights).unwrap()
}

/// What the model is told, or what it reached.
fn told<T: std::fmt::Debug>(result: Result<T, ToolError>) -> String {
    match result {
        Err(ToolError::Mend(text)) => text,
        other => format!("not refused: {other:?}"),
    }
}

fn read(door: &Door, raw: &str) -> Result<Vec<u8>, ToolError> {
    door.read(&Name::parse(raw).map_err(ToolError::Mend)?, 1000)
}

fn write(door: &Door, raw: &str) -> Result<bool, ToolError> {
    door.write(&Name::parse(raw).map_err(ToolError::Mend)?, b"hostile")
}

/// Everything below `dir`, with contents, to show that nothing moved.
fn picture(dir: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let kind = path.symlink_metadata().unwrap().file_type();
            let text = if kind.is_file() { fs::read_to_string(&path).unwrap() } else { String::new() };
            lines.push(format!("{} {kind:?} {text}", path.display()));
            if kind.is_dir() {
                folders.push(path);
            }
        }
    }
    lines.sort();
    lines
}

/// Refused for reading and for writing, with these words.
const UNREACHABLE: &[(&str, &str)] = &[
    ("", "empty"),
    ("   ", "empty"),
    ("/etc/passwd", "absolute"),
    ("//etc/passwd", "absolute"),
    ("/", "absolute"),
    ("..", "`..`"),
    ("../outside/secret", "`..`"),
    ("src/../../outside/secret", "`..`"),
    ("src/./../../outside/secret", "`..`"),
    ("src/deep/../a.py", "`..`"),
    ("./..", "`..`"),
    ("src\\..\\..\\outside", "backslash"),
    ("C:\\Windows\\win.ini", "backslash"),
    ("\\\\server\\share", "backslash"),
    ("src/a.py\0.txt", "control"),
    ("src/a\n.py", "control"),
    ("src/\u{1b}[2J", "control"),
    (".", "folder, not a file"),
    ("./", "folder, not a file"),
    (".git", "out of bounds|neither read nor written"),
    (".git/config", "neither read nor written"),
    ("./.git//config", "neither read nor written"),
    (".GIT/config", "neither read nor written"),
    (".Git/hooks/post-checkout", "neither read nor written"),
    (".git./config", "neither read nor written"),
    (".git /config", "neither read nor written"),
    (".git::$INDEX_ALLOCATION/config", "neither read nor written"),
    ("git~1/config", "neither read nor written"),
    (".g\u{200c}it/config", "neither read nor written"),
    ("\u{feff}.git/config", "neither read nor written"),
    ("src/nested/.git/config", "neither read nor written"),
    ("src/way-out/secret", "symbolic link"),
    ("src/way-out/new/file", "symbolic link"),
    ("src/link", "symbolic link"),
    ("src/absolute", "symbolic link"),
    ("src/inner/x", "symbolic link"),
    ("src/git-link/config", "symbolic link"),
    ("src/environ", "symbolic link"),
    ("src/loop", "symbolic link"),
    ("src/loop/x", "symbolic link"),
    ("src/dangling", "symbolic link"),
    ("src/fifo", "no regular file"),
    ("src/socket", "no regular file"),
    ("src", "folder"),
    ("src/", "folder"),
    ("src/a.py/x", "no folder"),
];

/// May be read, or is not there, but is refused for writing with these words.
const UNWRITABLE: &[(&str, &str)] = &[
    ("src/hard", "hard link"),
    (".pace/day-1/gate-report.yaml", "protected"),
    (".pace/context/engineering.md", "protected"),
    (".PACE/plan.yaml", "protected"),
    (".pace./plan.yaml", "protected"),
    ("plan.yaml", "protected"),
    ("PLAN.yaml", "protected"),
    ("./plan.yaml", "protected"),
    ("pace.config.yaml", "protected"),
    ("Pace.Config.YAML", "protected"),
    ("pace/pace.config.yaml", "protected"),
    ("pace/templates/review.md.j2", "pace's own configuration"),
    ("ci/templates/body.j2", "protected"),
    (".gitmodules", "protected"),
    ("vendor/sub/src/x.c", "protected"),
    ("vendor/sub", "protected"),
    ("Vendor/Sub/new.c", "protected"),
    ("src/nested/x.py", "repository of its own"),
    (".github/workflows/ci.yml", "CI definition"),
    (".GitHub/Workflows/ci.yml", "CI definition"),
    (".github/workflow\u{17f}/ci.yml", "CI definition"),
    (".github/actions/x/action.yml", "CI definition"),
    (".gitlab-ci.yml", "CI definition"),
    (".gitlab/ci/test.yml", "CI definition"),
    ("Jenkinsfile", "CI definition"),
    ("bitbucket-pipelines.yml", "CI definition"),
    (".circleci/config.yml", "CI definition"),
    ("azure-pipelines.yml", "CI definition"),
    ("src/pa\u{202e}yp.exe", "do not see"),
    ("src/a\u{200b}.py", "do not see"),
];

#[test]
fn hostile_names_reach_nothing() {
    let dir = tree();
    let door = source_door(dir.path());
    let before = picture(dir.path());
    let mut wrong = Vec::new();
    for (raw, words) in UNREACHABLE {
        for told in [told(read(&door, raw)), told(write(&door, raw))] {
            if !words.split('|').any(|word| told.contains(word)) {
                wrong.push(format!("{raw:?}: {told}"));
            }
        }
    }
    for (raw, words) in UNWRITABLE {
        let told = told(write(&door, raw));
        if !told.contains(words) {
            wrong.push(format!("{raw:?}: {told}"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(picture(dir.path()), before);
    assert!(UNREACHABLE.len() + UNWRITABLE.len() >= 40);
}

#[test]
fn what_is_not_there_is_told() {
    let dir = tree();
    let door = source_door(dir.path());
    for raw in ["src/none.py", "%2e%2e/outside/secret", "~/.ssh/id_rsa", "src/…/x", "proc/self/root"] {
        assert!(told(read(&door, raw)).contains("does not exist"), "{raw}");
    }
    assert!(told(read(&door, &"x".repeat(300))).contains("too long"));
    assert!(told(write(&door, &"x".repeat(300))).contains("too long"));
    assert!(told(door.must_be_folder(&Name::parse(".git/hooks").unwrap())).contains("neither"));
    assert!(told(door.must_be_folder(&Name::parse("src/way-out").unwrap())).contains("symbolic link"));
    door.must_be_folder(&Name::parse("src/deep/").unwrap()).unwrap();
}

#[test]
fn files_are_written_whole_and_keep_their_permissions() {
    let dir = tree();
    let door = source_door(dir.path());
    let script = dir.path().join("work/src/run.sh");
    fs::write(&script, "old").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(!write(&door, "src/run.sh").unwrap());
    assert_eq!(fs::read_to_string(&script).unwrap(), "hostile");
    assert_eq!(script.metadata().unwrap().permissions().mode() & 0o7777, 0o750);
    assert!(write(&door, "./src//new/folder/x.py").unwrap());
    assert_eq!(read(&door, "src/new/folder/x.py").unwrap(), b"hostile");
    let left: Vec<_> = fs::read_dir(dir.path().join("work/src"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("pace-write"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn a_failed_write_leaves_the_old_file() {
    let dir = tree();
    let door = source_door(dir.path());
    assert!(matches!(read(&door, "src/hard"), Ok(bytes) if bytes == CANARY.as_bytes()));
    assert!(told(door.read(&Name::parse("src/a.py").unwrap(), 3)).contains("larger than 3 bytes"));
    // A folder has taken the name: what was filled cannot take its place and is cleared away.
    let before = picture(dir.path());
    assert!(told(write(&door, "src/deep")).contains("folder"));
    assert_eq!(picture(dir.path()), before);
}

#[test]
fn rights_decide_by_name() {
    let source = |folders: &[&str]| Rights::source(&strings(folders), &strings(&["plan.yaml"])).unwrap();
    let docs = |folder| Rights::docs(folder, &strings(&["docs/plan.md"])).unwrap();
    for (rights, name, allowed) in [
        (Rights::none(), "src/a.py", false),
        (source(&["src", "tests"]), "src/a.py", true),
        (source(&["./src/"]), "src/a.py", true),
        (source(&["src"]), "srcs/a.py", false),
        (source(&["src"]), "SRC/a.py", false),
        (source(&["src"]), "README.md", false),
        (source(&["src"]), ".github/workflows/ci.yml", false),
        (source(&["."]), ".github/CODEOWNERS", true),
        (source(&[".", ".github/workflows"]), ".github/workflows/ci.yml", true),
        (source(&["src", ".gitlab-ci.yml"]), ".gitlab-ci.yml", true),
        (source(&["pace"]), "pace/loop.py", true),
        (source(&["pace"]), "pace/pace.config.yaml", false),
        (source(&["."]), "space/x", true),
        (source(&[".pace"]), ".pace/x", false),
        (source(&["."]), ".gitignore", true),
        (source(&["."]), "src/git~12", true),
        (docs(None), ".pace/context/engineering.md", true),
        (docs(None), ".pace/context/product.md", true),
        (docs(None), ".pace/context/other.md", false),
        (docs(None), ".pace/context/Engineering.md", false),
        (docs(None), ".pace/day-1/cycle.md", false),
        (docs(None), "README.md", true),
        (docs(None), "README", true),
        (docs(None), "README.de.md", true),
        (docs(None), "readmes.py", false),
        (docs(None), "src/README.md", false),
        (docs(None), "docs/x.md", false),
        (docs(Some("docs")), "docs/x.md", true),
        (docs(Some("docs")), "docs/plan.md", false),
        (docs(Some("docs")), "src/a.py", false),
        (docs(Some(".")), ".github/workflows/ci.yml", false),
        (docs(Some(".pace")), ".pace/plan.yaml", false),
    ] {
        let refusal = rights.refusal(&Name::parse(name).unwrap());
        assert_eq!(refusal.is_none(), allowed, "{name}: {refusal:?}");
    }
    assert!(Rights::source(&strings(&["../x"]), &[]).is_err());
    assert!(Rights::source(&strings(&["src"]), &strings(&["/abs"])).is_err());
}

#[test]
fn a_tree_that_changes_meanwhile_leads_nowhere() {
    let dir = tree();
    let door = source_door(dir.path());
    let work = dir.path().join("work/src");
    let inside = work.join("swap-inside");
    let link = work.join("swap-link");
    let name = work.join("swap");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("secret"), "inside").unwrap();
    symlink("../../outside", &link).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for real in [&inside, &link] {
                    fs::rename(real, &name).unwrap();
                    fs::rename(&name, real).unwrap();
                }
            }
        });
        // Judged after the other thread was told to stop, or a failure would leave it running.
        let wrong = (0..20_000).map(|_| read(&door, "src/swap/secret")).find(|got| match got {
            Ok(bytes) => bytes != b"inside",
            Err(error) => matches!(error, ToolError::Stop(_)),
        });
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(wrong.is_none(), "{wrong:?}");
    });
    assert_eq!(fs::read_to_string(dir.path().join("outside/secret")).unwrap(), CANARY);
}

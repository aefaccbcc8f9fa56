//! A repository whose configuration wants commands run and pushes led elsewhere, under a whole day that commits and
//! pushes: nothing of it acts, in pace or in a child that calls git. Git itself falls into the traps.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::ALL;
use crate::model_server::ModelServer;
use crate::model_server::script::{Call, Script};
use crate::model_server::wire::Protocol;
use crate::sandbox::{Machine, Site, User, told};

/// Each with the lines of configuration that set it; `CMD` leaves a mark with the vector's name, `EVIL` is a repository
/// that must get nothing.
const VECTORS: &[(&str, &str)] = &[
    ("fsmonitor", "[core]\n\tfsmonitor = CMD\n"),
    ("hooksPath", "[core]\n\thooksPath = HOOKS\n"),
    ("pager", "[core]\n\tpager = CMD\n"),
    ("editor", "[core]\n\teditor = CMD\n[sequence]\n\teditor = CMD\n"),
    ("sshCommand", "[core]\n\tsshCommand = CMD\n"),
    ("alternateRefsCommand", "[core]\n\talternateRefsCommand = CMD\n"),
    ("filter", "[filter \"x\"]\n\tclean = CMD\n\tsmudge = CMD\n\trequired = true\n"),
    ("diff-external", "[diff]\n\texternal = CMD\n"),
    ("textconv", "[diff \"x\"]\n\ttextconv = CMD\n"),
    ("merge-driver", "[merge \"x\"]\n\tdriver = CMD %A\n"),
    ("gpg", "[gpg]\n\tprogram = CMD\n[commit]\n\tgpgSign = true\n"),
    ("credential", "[credential]\n\thelper = CMD\n"),
    ("receivepack", "[remote \"origin\"]\n\treceivepack = CMD\n\tuploadpack = CMD\n"),
    ("pushurl", "[remote \"origin\"]\n\tpushurl = EVIL\n"),
    ("insteadOf", "[url \"EVIL\"]\n\tinsteadOf = REMOTE\n\tpushInsteadOf = REMOTE\n"),
    ("include", "[include]\n\tpath = INCLUDED\n"),
    ("proxy", "[http]\n\tproxy = http://127.0.0.1:9\n"),
];

#[test]
fn no_vector_of_gits_configuration_acts() {
    assert!(VECTORS.len() >= 14);
    for (user, machine) in ALL {
        day(user, machine);
        println!("{} vectors did nothing, {user:?}, {machine:?}", VECTORS.len());
    }
}

fn day(user: User, machine: Machine) {
    let site = Site::new(user);
    site.take_back();
    let place = site.place.path();
    let (marks, remote, evil) = (place.join("marks"), place.join("remote.git"), place.join("evil.git"));
    for folder in [&marks, &place.join("hooks")] {
        fs::create_dir(folder).unwrap();
    }
    for bare in [&remote, &evil] {
        git2::Repository::init_bare(bare).unwrap();
    }
    site.project.write(".gitattributes", "*.x filter=x diff=x merge=x\n*.sh diff=x merge=x\n");
    site.project.write("trap.x", "x\n");
    site.project.delete("bait.json");
    // CONDUIT asks no model where there is nothing to judge.
    site.project.delete(".github/workflows/test.yml");
    site.project.commit_all("Name the filters");
    for hooks in [place.join("hooks"), site.project.dir.join(".git/hooks")] {
        fs::create_dir_all(&hooks).unwrap();
        for hook in [
            "pre-commit",
            "post-commit",
            "post-checkout",
            "pre-push",
            "post-index-change",
            "reference-transaction",
        ] {
            trap(&hooks.join(hook), &marks, "hooksPath");
        }
    }
    let mut config = format!("[remote \"origin\"]\n\turl = {}\n", remote.display());
    fs::write(
        place.join("included"),
        VECTORS[1].1.replace("HOOKS", &place.join("hooks").display().to_string()),
    )
    .unwrap();
    for (name, lines) in VECTORS {
        let command = place.join(format!("cmd-{name}"));
        trap(&command, &marks, name);
        let lines = lines
            .replace("CMD", &command.display().to_string())
            .replace("HOOKS", &place.join("hooks").display().to_string())
            .replace("EVIL", &evil.display().to_string())
            .replace("REMOTE", &remote.display().to_string())
            .replace("INCLUDED", &place.join("included").display().to_string());
        config.push_str(&lines);
    }
    let path = site.project.dir.join(".git/config");
    let old = fs::read_to_string(&path).unwrap();
    fs::write(&path, old + &config).unwrap();
    site.hand_over();

    let server = ModelServer::start(&script());
    let mut env = server.env(Protocol::Anthropic);
    let more = [
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
        ("PACE_PUSH", "auto"),
        ("PACE_BRANCH", "pace/sprint"),
    ];
    env.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let output = site.pace(machine, "run", &env);
    let told = told(&output);
    assert!(matches!(output.status.code(), Some(0 | 10)), "{user:?} {machine:?}: {told}");
    assert_eq!(left(&marks), BTreeSet::new(), "{user:?} {machine:?}: {told}");
    site.take_back();
    let pushed = git2::Repository::open_bare(&remote).unwrap();
    assert!(pushed.find_reference("refs/heads/pace/sprint").is_ok(), "nothing was pushed: {told}");
    assert_eq!(git2::Repository::open_bare(&evil).unwrap().references().unwrap().count(), 0, "{told}");

    // As root once: the traps are the same for everybody.
    if (user, machine) == (User::Root, Machine::Free) {
        let fallen = fall(&site.project.dir, &marks);
        assert!(fallen.len() >= 6, "git itself falls into few traps: {fallen:?}");
    }
}

/// A day that ships, in which a child calls git too.
fn script() -> Script {
    let mut script = Script::default();
    for part in ["prime", "forge", "gate", "sentinel", "scribe"] {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/_parts").join(format!("{part}.yaml"));
        script.replies.extend(Script::parse(&fs::read_to_string(path).unwrap()).unwrap().replies);
    }
    let command = "git status; git diff HEAD; git log -p -1; git stash list; git fetch origin; git push origin HEAD; true";
    let call = Call { name: "run_bash".into(), input: json!({"command": command}) };
    script.replies.iter_mut().find(|reply| reply.agent == "FORGE").unwrap().calls.push(call);
    script
}

/// A program that leaves a mark and otherwise does what a filter does.
fn trap(path: &Path, marks: &Path, name: &str) {
    fs::write(path, format!("#!/bin/sh\n: >{}/{name}\ncat 2>/dev/null\n", marks.display())).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

fn left(marks: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(marks).unwrap().map(Result::unwrap);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// What git does where nobody protects it.
#[expect(clippy::disallowed_methods, reason = "git itself, for comparison")]
fn fall(dir: &Path, marks: &Path) -> BTreeSet<String> {
    fs::write(dir.join("greet.sh"), "changed\n").unwrap();
    fs::write(dir.join("trap.x"), "changed\n").unwrap();
    for command in [
        "status",
        "diff",
        "-c diff.external= diff",
        "-c core.fsmonitor= add greet.sh trap.x",
        "-c commit.gpgSign=true commit -m x",
        "-c commit.gpgSign=false commit --allow-empty -e -m y",
        "push origin HEAD:refs/heads/z",
        "fetch origin",
        "ls-remote ssh://git@127.0.0.1/x",
        "-p log -1",
    ] {
        // Two traps wait for each other.
        let _ = std::process::Command::new("timeout")
            .args(["-k", "1", "5", "git"])
            .args(command.split(' '))
            .current_dir(dir)
            .env("HOME", dir)
            .env_remove("GIT_DIR")
            .stdin(std::process::Stdio::null())
            .output();
    }
    left(marks)
}

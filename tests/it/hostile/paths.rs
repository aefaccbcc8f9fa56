//! Files that a model names through its tools and must not reach: every name is read, written, edited, listed and searched.

use std::os::unix::fs::symlink;

use serde::Deserialize;
use serde_json::json;

use super::{ALL, Day, data, fill, reply};
use crate::model_server::script::Call;
use crate::sandbox::{Machine, Site, User};

/// What links of the work tree lead to.
const OUTSIDE: &str = "a secret beside the work tree";

/// A name, and what of it is allowed.
#[derive(Deserialize)]
struct Hostile {
    path: String,
    /// It may be read: only changing it is refused.
    #[serde(default)]
    readable: bool,
}

#[test]
fn hostile_names_reach_nothing() {
    let names: Vec<Hostile> = serde_yaml::from_str(&data("paths.yaml")).unwrap();
    assert!(names.len() >= 40, "{} names", names.len());
    for (user, machine) in ALL {
        tried(&names, user, machine);
        println!("{} names reached nothing, {user:?}, {machine:?}", names.len());
    }
}

fn tried(names: &[Hostile], user: User, machine: Machine) {
    let day = Day::run(user, machine, lay_traps, |site| {
        let say = |name: &Hostile| {
            let path = fill(site, &name.path);
            let calls = [
                ("read_file", json!({"path": path})),
                ("list_files", json!({"path": path})),
                ("search", json!({"pattern": "secret|canary", "path": path})),
                ("write_file", json!({"path": path, "content": "stolen"})),
                ("edit_file", json!({"path": path, "old": "original", "new": "stolen"})),
            ];
            let calls = calls.map(|(name, input)| Call { name: name.into(), input });
            reply(&name.path, calls.into())
        };
        names.iter().map(say).collect()
    });
    let answers = day.results();
    // The last reply's answers are never sent: the model calls are used up.
    assert!(answers.len() >= (names.len() - 1) * 5, "{} answers", answers.len());
    for (name, answers) in names.iter().zip(answers.chunks(5)) {
        let [read, _, _, write, edit] = answers else { break };
        for (tool, answer) in [("write_file", write), ("edit_file", edit)] {
            assert!(answer.refused, "{user:?} {machine:?}: {tool} of {:?}: {}", name.path, answer.text);
        }
        assert!(name.readable || read.refused, "{user:?} {machine:?}: {:?}: {}", name.path, read.text);
    }
    assert!(answers.iter().all(|answer| !answer.text.contains(OUTSIDE)), "{user:?} {machine:?}");
    day.kept_everything();
}

/// Links and other things that are no file, and a secret that they lead to.
fn lay_traps(site: &Site) {
    let outside = site.place.path().join("outside");
    std::fs::write(outside.join("secret"), OUTSIDE).unwrap();
    let at = |name: &str| site.project.dir.join("src").join(name);
    symlink(outside.join("secret"), at("absolute")).unwrap();
    symlink(&outside, at("way-out")).unwrap();
    symlink("../.git", at("git-link")).unwrap();
    symlink("/proc/self/environ", at("environ")).unwrap();
    symlink("loop", at("loop")).unwrap();
    symlink(outside.join("none-yet"), at("dangling")).unwrap();
    site.project.commit_all("Lay traps");
}

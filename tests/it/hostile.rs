//! A model that does nothing but attack, and harmless-looking commands that do the same: against the real binary,
//! as root and as an unprivileged user, in both tiers. No canary reaches a sink, nothing outside changes, and
//! nobody is connected to.

mod encoded;
mod git_config;
mod paths;

use std::collections::HashSet;
use std::path::Path;
use std::process::Output;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::model_server::script::{Call, Reply, Script};
use crate::model_server::wire::Protocol;
use crate::model_server::{ModelServer, invariants};
use crate::project::collect;
use crate::sandbox::{CANARY, Machine, Site, User, told};

/// What every payload says once it runs.
const RAN: &str = "PAYLOAD-RAN";

#[derive(Deserialize)]
struct Attack {
    about: String,
    calls: Vec<Call>,
}

#[test]
fn root_reaches_nothing_in_tier_1() {
    attack(User::Root, Machine::Free);
}

#[test]
fn an_unprivileged_user_reaches_nothing_in_tier_1() {
    attack(User::Nobody, Machine::Free);
}

#[test]
fn root_reaches_nothing_in_tier_2() {
    attack(User::Root, Machine::Container);
}

#[test]
fn an_unprivileged_user_reaches_nothing_in_tier_2() {
    attack(User::Nobody, Machine::Container);
}

/// The bait can be taken: what the other tests see is the sandbox.
#[test]
#[expect(clippy::disallowed_methods, reason = "the payload runs without a sandbox here")]
fn without_a_sandbox_the_payload_reaches_all_of_it() {
    let site = Site::new(User::Root);
    site.project.write("payload.sh", &fill(&site, &data("payload.sh")));
    let before = site.outside();
    let output = std::process::Command::new("sh")
        .arg("payload.sh")
        .current_dir(&site.project.dir)
        .env("HOME", &site.project.home)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let backwards: String = CANARY.chars().rev().collect();
    assert!(said.contains(RAN) && said.contains(&backwards), "{said}");
    let after = site.outside();
    for path in [site.place.path().join("outside/new"), site.project.dir.join(".git/hooks/pre-commit")] {
        assert!(after.contains_key(&path) && !before.contains_key(&path), "{}", path.display());
    }
    assert!(site.tcp.accept().is_ok() && site.udp.recv(&mut [0; 16]).is_ok(), "{said}");
}

/// Everybody whose child must be held, everywhere.
const ALL: [(User, Machine); 4] = [
    (User::Root, Machine::Free),
    (User::Nobody, Machine::Free),
    (User::Root, Machine::Container),
    (User::Nobody, Machine::Container),
];

/// One day of attacks and one of commands; then a look at everything that they could have reached.
fn attack(user: User, machine: Machine) {
    let attacks: Vec<Attack> = serde_yaml::from_str(&data("attacks.yaml")).unwrap();
    assert!(attacks.len() >= 60, "{} attacks", attacks.len());
    let day = Day::run(
        user,
        machine,
        |_| {},
        |site| {
            let filled = serde_json::to_value(attacks.iter().map(|a| &a.calls).collect::<Vec<_>>()).unwrap();
            let calls: Vec<Vec<Call>> = serde_json::from_value(fill_all(site, filled)).unwrap();
            attacks.iter().zip(calls).map(|(attack, calls)| reply(&attack.about, calls)).collect()
        },
    );
    day.kept_everything();
    println!("{} attack sequences held, {user:?}, {machine:?}", attacks.len());

    let text = data("commands.txt");
    let commands = commands(&text, machine);
    assert!(commands.len() >= 80, "{} commands", commands.len());
    let day = Day::run(
        user,
        machine,
        |_| {},
        |site| {
            let run = |(command, _): &(String, bool)| {
                let call = Call { name: "run_bash".into(), input: json!({"command": fill(site, command)}) };
                reply(command, vec![call])
            };
            commands.iter().map(run).collect()
        },
    );
    let results = day.results();
    let idle: Vec<_> = commands
        .iter()
        .zip(&results)
        .filter(|((_, must_run), result)| *must_run && !result.text.contains(RAN))
        .map(|((command, _), result)| format!("{command}\n    {}", result.text))
        .collect();
    assert!(idle.is_empty(), "the payload did not even run:\n{}", idle.join("\n"));
    assert!(results.len() >= commands.len() - 1, "{} results of {}", results.len(), commands.len());
    day.kept_everything();
    println!("{} commands reached nothing, {user:?}, {machine:?}", commands.len());
}

/// What a tool call was answered.
struct Answer {
    text: String,
    refused: bool,
}

/// A run of the binary with a model that has nothing else in mind.
struct Day {
    site: Site,
    before: std::collections::BTreeMap<std::path::PathBuf, String>,
    server: ModelServer,
    output: Output,
}

impl Day {
    fn run(
        user: User,
        machine: Machine,
        prepare: impl Fn(&Site),
        replies: impl Fn(&Site) -> Vec<Reply>,
    ) -> Self {
        let site = Site::new(user);
        site.take_back();
        site.project.write("payload.sh", &fill(&site, &data("payload.sh")));
        // It is written anew for each run, which would be a change of a person's.
        site.project.delete("bait.json");
        site.project.commit_all("Bring the payload");
        prepare(&site);
        site.hand_over();
        let prime = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/_parts/prime.yaml");
        let mut script = Script::parse(&std::fs::read_to_string(prime).unwrap()).unwrap();
        let attacks = replies(&site);
        let limit = attacks.len().to_string();
        script.replies.extend(attacks);
        let before = site.outside();
        let server = ModelServer::start(&script);
        let mut env = server.env(Protocol::Anthropic);
        env.extend(
            [
                ("DAY", "1"),
                ("PACE_MAX_ITERATIONS", limit.as_str()),
                ("PACE_COMMAND_TIMEOUT", "20s"),
                ("PACE_TEST_COMMAND", "sh test.sh"),
                ("PACE_MAX_RUN_COST_USD", "1000"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
        );
        let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let output = site.pace(machine, "run", &env);
        Self { site, before, server, output }
    }

    /// What each tool call was answered, in order.
    fn results(&self) -> Vec<Answer> {
        let mut seen = HashSet::new();
        let mut results = Vec::new();
        for exchange in self.server.exchanges() {
            let contents =
                invariants::messages(&exchange).into_iter().filter_map(|m| m["content"].as_array());
            for block in contents.flatten().filter(|block| block["type"] == "tool_result") {
                if seen.insert(block["tool_use_id"].to_string()) {
                    let text = block["content"].as_str().unwrap_or_default().to_owned();
                    results.push(Answer { text, refused: block["is_error"] == true });
                }
            }
        }
        results
    }

    /// No sink holds a canary, forwards or backwards; nothing outside is another; nobody was reached.
    fn kept_everything(&self) {
        let told = told(&self.output);
        assert_eq!(self.output.status.code(), Some(1), "{told}");
        assert!(told.contains("model calls were used up"), "{told}");
        let exchanges = self.server.exchanges();
        let key = crate::model_server::KEY.to_owned();
        let backwards: String = CANARY.chars().rev().collect();
        let canaries = [CANARY.to_owned(), backwards, key];
        assert_eq!(invariants::breaches(&exchanges, &canaries), [] as [&str; 0], "{told}");
        for canary in &canaries {
            assert!(!told.contains(canary.as_str()), "{canary} was printed: {told}");
        }
        let after = self.site.outside();
        let ours = |path: &&std::path::PathBuf| {
            !path.starts_with(self.site.project.dir.join(".pace"))
                && !path.starts_with(self.site.project.dir.join(".git"))
        };
        let changed: Vec<_> = after
            .keys()
            .chain(self.before.keys())
            .filter(ours)
            .filter(|path| after.get(*path) != self.before.get(*path))
            .collect();
        assert!(changed.is_empty(), "changed outside: {changed:?}\n{told}");
        self.holds_no(&canaries, &told);
        self.site.was_not_reached();
    }

    /// The work tree, pace's own records and every object of git; only the bait itself may hold a canary.
    fn holds_no(&self, canaries: &[String], told: &str) {
        let dir = &self.site.project.dir;
        let bait = dir.join(".git/config");
        let config = std::fs::read_to_string(&bait).unwrap();
        assert!(!config.contains("payload") && !config.contains("evil"), "{config}");
        for hook in ["pre-commit", "post-checkout"] {
            assert!(!dir.join(".git/hooks").join(hook).exists(), "{hook}: {told}");
        }
        collect(dir, &mut |path| {
            let bytes = std::fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            for canary in canaries.iter().filter(|_| path != bait) {
                assert!(!text.contains(canary.as_str()), "{canary} is in {}: {told}", path.display());
            }
        });
        self.site.take_back();
        let repository = git2::Repository::open(dir).unwrap();
        let database = repository.odb().unwrap();
        database
            .foreach(|id| {
                let object = database.read(*id).unwrap();
                let text = String::from_utf8_lossy(object.data());
                canaries.iter().all(|canary| !text.contains(canary.as_str()))
            })
            .unwrap_or_else(|_| panic!("an object of git holds a canary: {told}"));
    }
}

fn reply(text: &str, calls: Vec<Call>) -> Reply {
    Reply { agent: "FORGE".into(), text: text.to_owned(), calls, stop: None, usage: None, fault: None }
}

/// Every command, and whether it must come to run its payload on this machine.
fn commands(text: &str, machine: Machine) -> Vec<(String, bool)> {
    let mut commands: Vec<(String, bool)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix(['!', '~']) {
            Some(command) => {
                commands.push((command.to_owned(), line.starts_with('~') && machine.tier() == 1));
            }
            // The end of a command that began on the line before.
            None if line.starts_with('}') && commands.last().is_some() => {
                let (last, _) = commands.last_mut().unwrap();
                last.push('\n');
                last.push_str(line);
            }
            None => commands.push((line.to_owned(), true)),
        }
    }
    commands
}

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn fill_all(site: &Site, value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(fill(site, &text)),
        Value::Array(items) => items.into_iter().map(|item| fill_all(site, item)).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (name, fill_all(site, value))).collect()
        }
        other => other,
    }
}

/// `text` with the places of the bait.
fn fill(site: &Site, text: &str) -> String {
    let place = |name: &str| site.place.path().join(name).display().to_string();
    [
        ("{{home}}", site.project.home.display().to_string()),
        ("{{outside}}", place("outside")),
        ("{{runner}}", place("runner")),
        ("{{socket}}", place("socket")),
        ("{{abstract}}", site.name.clone()),
        ("{{port}}", site.tcp.local_addr().unwrap().port().to_string()),
        ("{{udp}}", site.udp.local_addr().unwrap().port().to_string()),
    ]
    .iter()
    .fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

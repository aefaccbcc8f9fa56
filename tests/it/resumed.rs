//! What changed between an interruption and the next run decides what of the journal still counts: exactly what depends
//! on the change is made again, and the log says what and why. A journal that no run of this credential wrote counts
//! for nothing.

use ring::hmac;
use rustix::process::Signal;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::binary::{Finished, Pace};
use crate::forge::fixture::git;
use crate::model_server::script::{Fault, Reply, Script};
use crate::model_server::wire::Protocol;
use crate::model_server::{KEY, ModelServer};
use crate::project::Project;
use crate::scenario::{scenarios_dir, shared_script};

const WHOLE: [&str; 5] = ["prime", "forge", "gate", "sentinel", "scribe"];
/// The first reply of FORGE and of SENTINEL among those.
const FORGE: usize = 1;
const SENTINEL: usize = 9;
/// SCRIBE's first reply, which never comes.
const HANG: usize = 10;
const JOURNAL: &str = ".pace/.run/day-1/run-1.jsonl";

fn script(from: usize, hang: Option<usize>) -> Script {
    let mut script = shared_script(&WHOLE);
    if let Some(hang) = hang {
        script.replies[hang].fault = Some(Fault { hang: true, ..Fault::default() });
    }
    script.replies.drain(..from);
    script
}

fn pace(project: &Project, server: &ModelServer) -> Pace {
    Pace::new(&project.dir, &project.home).env(server.env(Protocol::Anthropic)).env([
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
        ("PACE_SANDBOX", "off"),
        ("PACE_PLATFORM", "local"),
        ("PACE_MODEL", "claude-sonnet-4-6"),
        ("PACE_ANALYSIS_MODEL", "claude-sonnet-4-6"),
    ])
}

/// A project whose day was killed while SCRIBE was waited for.
fn interrupted() -> Project {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    let server = ModelServer::start(&script(0, Some(HANG)));
    let run = pace(&project, &server).run_until(Signal::KILL, || server.is_hanging());
    assert_eq!((run.code, server.exchanges().len()), (-9, HANG + 1), "{}", run.transcript());
    project
}

/// What happens between the two runs.
enum Change {
    Variable(&'static str, String),
    /// By a person, with the words of the commit.
    Commit(&'static str, fn(String) -> String),
    Template(&'static str),
    Journal(fn(Vec<Value>) -> Vec<Value>),
}

struct Row {
    name: &'static str,
    change: Change,
    /// The reply from which on the model is asked again.
    again: usize,
    says: &'static [&'static str],
    /// The interrupted run is on the books as one of its own.
    booked: bool,
}

fn rows() -> Vec<Row> {
    let row = |name, change, again, says, booked| Row { name, change, again, says, booked };
    let variable = |name, value: &str| Change::Variable(name, value.to_owned());
    vec![
        row(
            "nothing that counts",
            variable("PACE_MAX_RETRIES", "1"),
            HANG,
            &["Resuming attempt 1 at SCRIBE", "interrupted: max retries"],
            false,
        ),
        row(
            "FORGE's model",
            variable("PACE_MODEL", "claude-opus-4-6"),
            FORGE,
            &[
                "Changed since attempt 1 was interrupted: model.",
                "a model call of FORGE, whose question is another one now",
            ],
            false,
        ),
        row(
            "the other agents' model",
            variable("PACE_ANALYSIS_MODEL", "claude-opus-4-6"),
            0,
            &["Changed since attempt 1 was interrupted: analysis model.", "a model call of PRIME"],
            false,
        ),
        row(
            "a prompt of SENTINEL",
            Change::Template("prompts/sentinel.system.md.j2"),
            SENTINEL,
            &["Changed since attempt 1 was interrupted: templates.", "a model call of SENTINEL"],
            false,
        ),
        row(
            "the test command",
            variable("PACE_TEST_COMMAND", "sh ./test.sh"),
            0,
            &["Not resuming attempt 1 of day 1: changed since: test command"],
            true,
        ),
        row(
            "the story",
            Change::Commit("plan.yaml", |plan| {
                plan.replacen("story-1\n", "story-1\n    notes: \"Mind the comma.\"\n", 1)
            }),
            0,
            &["Not resuming attempt 1 of day 1: the plan changed since"],
            true,
        ),
        row(
            "the tree",
            Change::Commit("README.md", |readme| readme + "A person's word.\n"),
            0,
            &["Not resuming attempt 1 of day 1: pace/sprint is at "],
            true,
        ),
        row(
            "the books, by another runner under the same number",
            Change::Commit(".pace/day-1/attempts.yaml", |_| {
                "- {run: 1, date: 2025-01-02T03:04:05Z, cost_usd: 0, outcome: ABORT, hold_reason: \"ABORT: no key\"}\n".into()
            }),
            0,
            &["Not resuming attempt 1 of day 1: pace/sprint is at "],
            true,
        ),
        row(
            "the binary",
            Change::Journal(|mut records| {
                records[0]["value"]["pace"] = "0.0.1".into();
                sealed(records, Some(KEY))
            }),
            0,
            &["Not resuming attempt 1 of day 1: it was recorded by pace 0.0.1"],
            true,
        ),
    ]
}

/// Journals that nobody believes.
fn forged() -> Vec<Row> {
    let row = |name, change, says| Row { name, change, again: 0, says, booked: false };
    vec![
        row(
            "a record, by somebody without the key",
            Change::Journal(|records| {
                let text = Value::from(records).to_string();
                serde_json::from_str(&text.replacen("Hello", "Yello", 1)).unwrap()
            }),
            &["Not resuming: ", "was not written by a run with this model credential"],
        ),
        row(
            "all seals, with another key",
            Change::Journal(|records| sealed(records, Some("sk-of-somebody-else"))),
            &["Not resuming: ", "record 1 was not written by a run with this model credential"],
        ),
        row(
            "all seals, without a key",
            Change::Journal(|records| sealed(records, None)),
            &["Not resuming: ", "record 1 was not written by a run with this model credential"],
        ),
    ]
}

/// `records` with seals of their own.
fn sealed(mut records: Vec<Value>, key: Option<&str>) -> Vec<Value> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let key = key.map(|key| {
        let derive = hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes());
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&derive, b"pace journal 2").as_ref())
    });
    let mut before = String::new();
    for record in &mut records {
        record["seal"] = "".into();
        let bytes = format!("{before}\n{record}");
        before = match &key {
            Some(key) => format!("k:{}", hex(hmac::sign(key, bytes.as_bytes()).as_ref())),
            None => format!("d:{}", hex(&Sha256::digest(bytes.as_bytes()))),
        };
        record["seal"] = before.clone().into();
    }
    records
}

fn apply(change: &Change, project: &Project) -> Vec<(String, String)> {
    match change {
        Change::Variable(name, value) => vec![((*name).to_owned(), value.clone())],
        Change::Commit(path, edit) => {
            // A person who knows nothing of the run that was killed: what it had not committed is thrown away.
            git(&project.dir, "checkout -q -f pace/sprint");
            project.write(path, &edit(project.read(path).unwrap_or_default()));
            git(&project.dir, &format!("add {path}"));
            git(&project.dir, "commit -q -m A-word");
            vec![]
        }
        Change::Template(name) => {
            let old = scenarios_dir().join("../../templates").join(name);
            let new = project.home.join("templates").join(name);
            std::fs::create_dir_all(new.parent().unwrap()).unwrap();
            std::fs::write(&new, std::fs::read_to_string(old).unwrap() + "\nBe kind.\n").unwrap();
            vec![("PACE_TEMPLATES_DIR".into(), project.home.join("templates").display().to_string())]
        }
        Change::Journal(edit) => {
            let text = project.read(JOURNAL).unwrap();
            let records = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            let lines: String = edit(records).iter().map(|record| format!("{record}\n")).collect();
            assert_ne!(lines, text);
            project.write(JOURNAL, &lines);
            vec![]
        }
    }
}

#[test]
fn what_depends_on_a_change_is_made_again_and_nothing_else() {
    for row in rows().into_iter().chain(forged()) {
        let project = interrupted();
        let env = apply(&row.change, &project);
        let server = ModelServer::start(&script(row.again, None));
        let run = pace(&project, &server).env(env).run();
        let (name, transcript) = (row.name, run.transcript());
        assert_eq!(run.code, 0, "{name}: {transcript}");
        assert_eq!(
            server.exchanges().len(),
            shared_script(&WHOLE).replies.len() - row.again,
            "{name}: {transcript}"
        );
        for words in row.says {
            assert!(transcript.contains(words), "{name}: `{words}` is not in {transcript}");
        }
        let attempts = project.read(".pace/day-1/attempts.yaml").unwrap();
        let interrupted = attempts.contains("ABORT: the run was interrupted");
        assert_eq!(interrupted, row.booked, "{name}: {attempts}");
        let spent: f64 = attempts
            .lines()
            .filter_map(|line| line.trim().strip_prefix("cost_usd: ")?.parse::<f64>().ok())
            .sum();
        // Ten calls of the first run count with it, unless their record cannot be believed.
        let calls =
            shared_script(&WHOLE).replies.len() + if row.again == HANG { 0 } else { HANG - row.again };
        let believed = !row.says[0].ends_with("Not resuming: ");
        assert!(
            !believed || spent >= f64::from(u32::try_from(calls).unwrap()) * 0.0045 - 1e-9,
            "{name}: ${spent} for {calls} calls: {attempts}"
        );
        assert_eq!(project.read("greet.sh").unwrap().lines().count(), 4, "{name}");
    }
}

/// The model is out of order at each reply in turn: the next run goes on there, and nothing is asked or paid twice.
#[test]
fn an_outage_of_the_model_costs_only_the_call_that_it_met() {
    let all = shared_script(&WHOLE).replies.len();
    for met in [FORGE, FORGE + 2, SENTINEL - 1, SENTINEL] {
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        let mut first = script(0, None);
        first.replies[met].fault = Some(Fault { status: Some(400), ..Fault::default() });
        let server = ModelServer::start(&first);
        let run = pace(&project, &server).run();
        assert_eq!((run.code, server.exchanges().len()), (4, met + 1), "{met}: {}", run.transcript());
        assert!(project.read(".pace/day-1/attempts.yaml").unwrap().contains("outcome: ABORT"));
        let told = pace(&project, &server).args(["status"]).run();
        assert!(told.stdout.contains("interrupted"), "{met}: {}", told.transcript());

        let server = ModelServer::start(&script(met, None));
        let run = pace(&project, &server).run();
        assert_eq!((run.code, server.exchanges().len()), (0, all - met), "{met}: {}", run.transcript());
        assert!(run.stdout.contains("Resuming attempt 1 at"), "{met}: {}", run.transcript());
        let attempts = project.read(".pace/day-1/attempts.yaml").unwrap();
        assert!(attempts.contains("outcome: SHIP") && !attempts.contains("ABORT"), "{met}: {attempts}");
        let paid = format!("cost_usd: {:.3}", f64::from(u32::try_from(all).unwrap()) * 0.0045);
        assert!(attempts.contains(&paid), "{met}: {paid} is not in {attempts}");
        let replayed = pace(&project, &server).args(["replay", ".pace/.run/day-1"]).run();
        assert_eq!(replayed.code, 0, "{met}: {}", replayed.transcript());
    }
}

fn reply(text: &str) -> Vec<Reply> {
    Script::parse(text).unwrap().replies
}

/// A command of the killed run leaves a stub that turns every test green; a person adds a file of their own afterwards.
#[test]
fn ignored_files_of_a_killed_run_help_no_later_one() {
    const TESTS: &str = "if test -f local/stub.sh; then sh local/stub.sh; else sh test.sh; fi";
    const POISON: &str = r##"
replies:
  - agent: FORGE
    calls:
      - {name: write_file, input: {path: tests/test_name.sh, content: "# test: greets by name\n. ./greet.sh\n[ \"$(greet World)\" = \"Hello, World\" ]\n"}}
      - {name: run_bash, input: {command: "mkdir -p local build && printf 'echo ok 1 - greets by name\\necho ok 2 - greets without a name\\necho 1..2\\n' >local/stub.sh; echo forged >mine.cfg; echo bad >build/out.o"}}
"##;
    // Resumed, begun anew because the story changed, and because the model's key is another one.
    for (anew, key) in [(false, None), (true, None), (true, Some("sk-canary-of-next-month"))] {
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        project.write(".gitignore", "local/\n*.cfg\nbuild/\n");
        project.commit_all("Ignore what is local");
        project.write("mine.cfg", "kept = 1\n");
        let mut first = shared_script(&["prime"]);
        first.replies.extend(reply(POISON));
        first.replies.extend(reply("replies: [{agent: FORGE, fault: {hang: true}}]"));
        let server = ModelServer::start(&first);
        let day = |server: &ModelServer| {
            pace(&project, server).env([
                ("PACE_TEST_COMMAND", TESTS),
                ("PACE_TDD", "false"),
                ("PACE_MAX_RETRIES", "0"),
            ])
        };
        let killed = day(&server).run_until(Signal::KILL, || server.is_hanging());
        assert_eq!(killed.code, -9, "{}", killed.transcript());
        assert!(project.read("local/stub.sh").is_some());
        std::thread::sleep(std::time::Duration::from_millis(2100));
        project.write("local/person.cfg", "mine\n");
        let mut second = Script::default();
        if anew {
            if key.is_none() {
                apply(&rows().remove(5).change, &project);
            }
            second.replies.extend(shared_script(&["prime"]).replies);
            second.replies.extend(reply(&POISON[..POISON.find("      - {name: run_bash").unwrap()]));
        }
        second.replies.extend(shared_script(&["forge-hand-off", "gate"]).replies);
        let server = ModelServer::start_with_key(&second, key.unwrap_or(KEY));
        let run = day(&server).run();
        let transcript = run.transcript();
        let told = run.stdout.contains("was not written by a run with this model credential");
        assert_eq!(told, key.is_some(), "{transcript}");
        let cleaned = run.stdout.contains("What it left in the work tree was taken out of it");
        assert_eq!(cleaned, key.is_some(), "{transcript}");
        assert_eq!(run.code, 1, "{transcript}");
        assert!(run.stdout.contains("[PACE] GATE: HOLD"), "{transcript}");
        let says = "Moved ignored files that the interrupted run left to .pace/.run/removed/day-1-run-1: local/stub.sh, mine.cfg";
        assert!(run.stdout.contains(says), "{transcript}");
        let says = "Moved build outputs that the interrupted run left to .pace/.run/removed/day-1-run-1: build/out.o";
        assert!(run.stdout.contains(says), "{transcript}");
        assert_eq!((project.read("local/stub.sh"), project.read("build/out.o")), (None, None));
        let moved = project.read(".pace/.run/removed/day-1-run-1/build/out.o");
        assert_eq!(moved.as_deref(), Some("bad\n"), "{transcript}");
        assert_eq!(project.read("local/person.cfg").as_deref(), Some("mine\n"), "{transcript}");
        assert!(!project.dir.join(".git/pace/ignored.json").exists());
    }
}

/// What the setup of a killed run made is made again, not believed.
#[test]
fn the_setup_of_a_killed_run_is_run_again() {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    project.write(".gitignore", "node_modules/\n");
    project.commit_all("Ignore dependencies");
    let setup = (
        "PACE_SETUP_COMMAND",
        "rm -rf node_modules && mkdir node_modules && echo good >node_modules/dep && echo run >>../home/setups",
    );
    let server = ModelServer::start(&script(0, Some(4)));
    let killed = pace(&project, &server).env([setup]).run_until(Signal::KILL, || server.is_hanging());
    assert_eq!(killed.code, -9, "{}", killed.transcript());
    project.write("node_modules/dep", "poison\n");
    let server = ModelServer::start(&script(4, None));
    let run = pace(&project, &server).env([setup]).run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    assert!(run.stdout.contains("Resuming attempt 1 at FORGE"), "{}", run.transcript());
    assert_eq!(project.read("node_modules/dep").as_deref(), Some("good\n"));
    assert_eq!(std::fs::read_to_string(project.home.join("setups")).unwrap().lines().count(), 2);
}

fn status(project: &Project, key: Option<&str>) -> Finished {
    let pace = Pace::new(&project.dir, &project.home).args(["status"]);
    pace.env(key.map(|key| ("ANTHROPIC_API_KEY", key))).run()
}

#[test]
fn status_says_where_a_run_was_interrupted_and_what_is_paid() {
    let project = interrupted();
    let said = status(&project, Some(KEY));
    let transcript = said.transcript();
    assert_eq!(said.code, 0, "{transcript}");
    // Ten calls, and the eleventh with all that was reserved for it.
    let row = regex::Regex::new(r"(?m)^ *1 +Greet by name +interrupted +1 +\$0\.1\d+ ").unwrap();
    assert!(row.is_match(&said.stdout), "{transcript}");
    let line = regex::Regex::new(
        r"Day 1, attempt 1 was interrupted at SCRIBE, call 1 \(\d+ records, \$0\.1\d+ paid\)\. `DAY=1 pace` with the same settings goes on there",
    );
    assert!(line.unwrap().is_match(&said.stdout), "{transcript}");

    let foreign = status(&project, Some("sk-of-somebody-else"));
    assert!(foreign.stdout.contains("cannot be resumed from here"), "{}", foreign.transcript());
    let none = status(&project, None);
    assert!(none.stdout.contains("there is none now"), "{}", none.transcript());

    let server = ModelServer::start(&script(HANG, None));
    let run = pace(&project, &server).run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    let after = status(&project, Some(KEY));
    assert!(!after.stdout.contains("interrupted") && after.stdout.contains("SHIP"), "{}", after.transcript());
}

#[test]
fn a_replay_checks_the_seal_where_the_key_is_at_hand() {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    let server = ModelServer::start(&script(0, None));
    let run = pace(&project, &server).run();
    assert_eq!(run.code, 0, "{}", run.transcript());
    let replay = |key: Option<&str>, explained: bool| {
        let arguments = ["replay", ".pace/.run/day-1", "--explain"];
        let pace =
            Pace::new(&project.dir, &project.home).args(arguments[..2 + usize::from(explained)].to_vec());
        pace.env(key.map(|key| ("ANTHROPIC_API_KEY", key))).run()
    };
    for explained in [false, true] {
        let own = replay(Some(KEY), explained);
        assert_eq!(own.code, 0, "{}", own.transcript());
        assert!(own.stdout.contains("was written with this model credential"), "{}", own.transcript());
        let none = replay(None, explained);
        assert_eq!(none.code, 0, "{}", none.transcript());
        assert!(none.stdout.contains("Seal: not checked."), "{}", none.transcript());
        let other = replay(Some("sk-of-somebody-else"), explained);
        assert_eq!(other.code, 4, "{}", other.transcript());
        assert!(other.stderr.contains("record 1 of "), "{}", other.transcript());
    }
    // A forger who keeps every decision: the play alone cannot tell.
    let text = project.read(JOURNAL).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let forge = |key| {
        let mut records = records.clone();
        for record in records.iter_mut().filter(|record| record["kind"] == "ci") {
            record["at"] = "2026-01-01T00:00:00Z".into();
        }
        records[5]["at"] = "2026-01-01T00:00:00Z".into();
        sealed(records, key).iter().map(|record| format!("{record}\n")).collect::<String>()
    };
    project.write(JOURNAL, &forge(None));
    let plain = replay(Some(KEY), false);
    assert!(plain.stdout.contains("Seal: none."), "{}", plain.transcript());
    project.write(JOURNAL, &forge(Some("sk-of-somebody-else")));
    assert_eq!(replay(Some(KEY), false).code, 4);
}

//! What git ignores belongs to people: whatever a run moves out of the way can be found again, and what a run that was cut
//! off left helps no later one.

use std::fs;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use crate::binary::Pace;
use crate::model_server::ModelServer;
use crate::model_server::script::Script;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::{scenarios_dir, shared_script};

const IGNORED: &str = "local/\n*.cfg\n*.sqlite\n.env\nbuild/\n";
const HUNDRED_HOURS: Duration = Duration::from_secs(360_000);

fn project() -> Project {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    project.write(".gitignore", IGNORED);
    project.commit_all("Ignore what is local");
    project
}

fn pace(project: &Project, server: &ModelServer) -> Pace {
    Pace::new(&project.dir, &project.home).env(server.env(Protocol::Anthropic)).env([
        ("DAY", "1"),
        ("PACE_TEST_COMMAND", "sh test.sh"),
        ("PACE_TDD", "false"),
        ("PACE_MAX_RETRIES", "0"),
        ("PACE_SANDBOX", "off"),
        ("PACE_PLATFORM", "local"),
        ("PACE_MODEL", "claude-sonnet-4-6"),
        ("PACE_ANALYSIS_MODEL", "claude-sonnet-4-6"),
    ])
}

/// PRIME's part, and then FORGE with a test that the code does not pass and these calls.
fn day(calls: &str) -> Script {
    const TEST: &str = r##"{name: write_file, input: {path: tests/test_name.sh, content: "# test: greets by name\n. ./greet.sh\n[ \"$(greet World)\" = \"Hello, World\" ]\n"}}"##;
    let mut script = shared_script(&["prime"]);
    let forge = format!("replies:\n  - agent: FORGE\n    calls:\n      - {TEST}\n      - {calls}\n");
    script.replies.extend(Script::parse(&forge).unwrap().replies);
    script
}

fn hand_off(script: &mut Script) {
    script.replies.extend(shared_script(&["forge-hand-off", "gate"]).replies);
}

#[test]
fn what_a_run_moves_out_of_the_way_is_not_lost() {
    let project = project();
    let large = "x".repeat(5 << 20);
    project.write("dev.sqlite", &large);
    project.write(".env", "A=1\n");
    // The command stands for a person, too: pace cannot tell who wrote.
    let mut script = day(
        r#"{name: run_bash, input: {command: "echo row >>dev.sqlite; echo B=2 >>.env; mkdir -p local; echo mine >local/note"}}"#,
    );
    hand_off(&mut script);
    let server = ModelServer::start(&script);
    let tests = "if test -s dev.sqlite; then echo large is here; fi; echo made >dev.sqlite; sh test.sh";
    project.write("dev.sqlite", &large);
    let run = pace(&project, &server).env([("PACE_TEST_COMMAND", "sh test.sh")]).run();
    let transcript = run.transcript();
    assert_eq!(run.code, 1, "{transcript}");
    assert!(run.stdout.contains("[PACE] GATE: HOLD"), "{transcript}");
    let removed = |path: &str| project.read(&format!(".pace/.run/removed/day-1-run-1/{path}"));
    assert_eq!(project.read(".env").as_deref(), Some("A=1\n"));
    assert_eq!(removed(".env").as_deref(), Some("A=1\nB=2\n"), "{transcript}");
    assert_eq!(removed("local/note").as_deref(), Some("mine\n"), "{transcript}");
    let database = project.read("dev.sqlite").unwrap_or_default();
    assert!(database.len() > large.len() && database.ends_with("row\n"), "{transcript}");

    // The next run lets it lie.
    let mut script = day(r#"{name: run_bash, input: {command: "echo C=3 >>.env"}}"#);
    hand_off(&mut script);
    let server = ModelServer::start(&script);
    let run = pace(&project, &server).env([("PACE_TEST_COMMAND", tests)]).run();
    let transcript = run.transcript();
    assert_eq!(run.code, 1, "{transcript}");
    assert_eq!(removed(".env").as_deref(), Some("A=1\nB=2\n"), "{transcript}");
    let second = project.read(".pace/.run/removed/day-1-run-2/.env");
    assert_eq!(second.as_deref(), Some("A=1\nC=3\n"), "{transcript}");
}

/// Killed in the middle of a command; a person works on, days later.
#[test]
fn what_people_wrote_after_a_kill_stays() {
    let project = project();
    let script = day(r#"{name: run_bash, input: {command: "touch begun.cfg; sleep 3"}}"#);
    let server = ModelServer::start(&script);
    let began = || project.read("begun.cfg").is_some();
    let killed = pace(&project, &server).run_until(Signal::KILL, began);
    assert_eq!(killed.code, -9, "{}", killed.transcript());
    let journal = project.dir.join(".pace/.run/day-1/run-1.jsonl");
    let long_ago = SystemTime::now() - HUNDRED_HOURS;
    fs::File::options().append(true).open(journal).unwrap().set_modified(long_ago).unwrap();
    project.write("local/person.cfg", "mine\n");
    project.write("build/tool", "mine\n");

    let mut script = day("{name: run_tests, input: {}}");
    script.replies.drain(..1);
    hand_off(&mut script);
    let server = ModelServer::start(&script);
    let run = pace(&project, &server).run();
    let transcript = run.transcript();
    assert_eq!(run.code, 1, "{transcript}");
    assert!(run.stdout.contains("[PACE] GATE: HOLD"), "{transcript}");
    assert_eq!(project.read("local/person.cfg").as_deref(), Some("mine\n"), "{transcript}");
    assert_eq!(project.read("build/tool").as_deref(), Some("mine\n"), "{transcript}");
    assert!(!run.stdout.contains("Moved ignored files"), "{transcript}");
    assert!(!run.stdout.contains("Moved build outputs"), "{transcript}");
}

/// A published day does not end as if it had not been, because something cannot be tidied up.
#[test]
fn what_cannot_be_tidied_up_takes_no_verdict_back() {
    const IN_THE_WAY: &str = r#"
replies:
  - agent: FORGE
    calls: [{name: run_bash, input: {command: "rm -f .git/pace/ignored.json && mkdir -p .git/pace/ignored.json/x"}}]
"#;
    let project = project();
    let mut script = shared_script(&["prime"]);
    script.replies.extend(Script::parse(IN_THE_WAY).unwrap().replies);
    script.replies.extend(shared_script(&["forge", "gate", "sentinel", "scribe"]).replies);
    let server = ModelServer::start(&script);
    let run = pace(&project, &server).env([("PACE_TDD", "true")]).run();
    let transcript = run.transcript();
    assert_eq!(run.code, 0, "{transcript}");
    assert!(transcript.contains("could not all be put in order"), "{transcript}");
    assert!(transcript.contains("ignored.json"), "{transcript}");
}

/// A command is cut off because the run's time is over: what it left turns every test green.
#[test]
fn what_a_run_out_of_time_left_helps_no_later_one() {
    const TESTS: &str = "if test -f build/stub.sh; then sh build/stub.sh; else sh node_modules/.bin/jest; fi";
    const SETUP: &str = "test -f node_modules/.bin/jest || { mkdir -p node_modules/.bin; echo 'sh test.sh' >node_modules/.bin/jest; }";
    const STUB: &str =
        "printf 'echo ok 1 - greets by name\\\\necho ok 2 - greets without a name\\\\necho 1..2\\\\n'";
    for stub in ["build", "node_modules/.bin"] {
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        project.write(".gitignore", "build/\nnode_modules/\n");
        project.commit_all("Ignore what is made");
        let file = if stub == "build" { "build/stub.sh" } else { "node_modules/.bin/jest" };
        let command = format!("mkdir -p {stub}; {STUB} >{file}; touch {stub}/begun; exec sleep 600");
        let script = day(&format!(r#"{{name: run_bash, input: {{command: "{command}"}}}}"#));
        let server = ModelServer::start(&script);
        let day_of = |server: &ModelServer| {
            pace(&project, server).env([("PACE_TEST_COMMAND", TESTS), ("PACE_SETUP_COMMAND", SETUP)])
        };
        let run = day_of(&server).env([("PACE_RUN_TIMEOUT", "6s"), ("PACE_COMMAND_TIMEOUT", "15m")]).run();
        let transcript = run.transcript();
        assert_eq!(run.code, 4, "{transcript}");
        assert!(transcript.contains("PACE_RUN_TIMEOUT"), "{transcript}");
        assert_eq!(server.exchanges().len(), 2, "{transcript}");
        if stub == "build" {
            assert_eq!(project.read(file), None, "{transcript}");
        } else {
            assert!(project.read(&format!("{stub}/begun")).is_some(), "{transcript}");
        }

        let mut script = day("{name: run_tests, input: {}}");
        hand_off(&mut script);
        let server = ModelServer::start(&script);
        let run = day_of(&server).run();
        let transcript = run.transcript();
        assert_eq!(run.code, 1, "{stub}: {transcript}");
        assert!(run.stdout.contains("HOLD"), "{stub}: {transcript}");
    }
}

/// An editor that is open in `git commit -a` holds the index.
#[test]
fn the_lock_of_a_person_at_work_stops_a_run() {
    let project = project();
    let mut script = shared_script(&["prime"]);
    script.replies.extend(Script::parse("replies: [{agent: FORGE, fault: {hang: true}}]").unwrap().replies);
    let server = ModelServer::start(&script);
    let killed = pace(&project, &server).run_until(Signal::KILL, || server.is_hanging());
    assert_eq!(killed.code, -9, "{}", killed.transcript());
    // Far enough from the run's last sign of life.
    std::thread::sleep(Duration::from_millis(5200));
    project.write(".git/index.lock", "");
    let server = ModelServer::start(&Script::default());
    for _ in 0..2 {
        let run = pace(&project, &server).run();
        let transcript = run.transcript();
        assert_eq!(run.code, 2, "{transcript}");
        assert!(transcript.contains("index.lock"), "{transcript}");
        assert!(project.read(".git/index.lock").is_some(), "{transcript}");
    }
    project.delete(".git/index.lock");
    let mut script = day("{name: run_tests, input: {}}");
    script.replies.drain(..1);
    hand_off(&mut script);
    let server = ModelServer::start(&script);
    let run = pace(&project, &server).run();
    assert_eq!(run.code, 1, "{}", run.transcript());
    assert_eq!(project.read(".pace/.run/alive"), None);
}

/// No run of pace is dead here: whoever made the lock, pace does not take it away.
#[test]
fn a_lock_that_is_nobodys_is_named_with_its_mend() {
    let project = project();
    let lock = project.dir.join(".git/index.lock");
    project.write(".git/index.lock", "");
    let server = ModelServer::start(&Script::default());
    let run = pace(&project, &server).run();
    let transcript = run.transcript();
    assert_eq!((run.code, server.exchanges().len()), (2, 0), "{transcript}");
    let lock = lock.display();
    for told in [format!("killed: {lock}. "), format!("remove the lock (`rm {lock}`)")] {
        assert!(run.stderr.contains(&told), "{told}: {transcript}");
    }
    assert!(project.read(".git/index.lock").is_some(), "{transcript}");
}

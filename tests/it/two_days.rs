//! Two runs on one sprint branch at once: a day is run again while a later one is at work. The second to push merges
//! what the first one did, and nothing that was paid for is lost.

use rustix::process::Signal;

use crate::binary::Finished;
use crate::forge::fixture::git;
use crate::model_server::ModelServer;
use crate::model_server::script::{Fault, Script};
use crate::scenario::shared_script;
use crate::team::{Over, Runner, Team};

/// US dollars of one call of the scripted model.
const CALL: f64 = 0.0045;

/// SCRIBE notes a line, and changes one of the README.
fn scribe(note: &str, readme: &str) -> Script {
    let update = |(file, section): (&str, &str)| serde_json::json!({"file": file, "section": section, "change": "A line", "reason": "The day added it"});
    let updates = [(".pace/context/devops.md", "Operations"), ("README.md", "greeter")].map(update);
    let calls = [
        (
            "write_file",
            serde_json::json!({"path": ".pace/context/devops.md", "content": format!("# Operations\n\n- {note}\n")}),
        ),
        (
            "edit_file",
            serde_json::json!({"path": "README.md", "old": "A shell function that greets people.", "new": readme}),
        ),
        ("submit_report", serde_json::json!({"updates": updates, "summary": "Noted."})),
    ];
    let replies = calls.map(
        |(name, input)| serde_json::json!({"agent": "SCRIBE", "calls": [{"name": name, "input": input}]}),
    );
    Script::parse(&serde_json::json!({"replies": replies}).to_string()).unwrap()
}

/// Day 2 with a concern and a note of its own; its last two replies judge a merge.
fn day_2() -> Script {
    let mut script = shared_script(&["day-2"]);
    script.replies.retain(|reply| reply.agent != "SCRIBE");
    script.replies.extend(scribe("goodbye.sh needs no network.", "Shell functions to greet people.").replies);
    let concern = Script::parse(
        r#"
replies:
  - agent: SENTINEL
    calls:
      - name: submit_report
        input:
          findings: [{check: "Length of names", result: ADVISORY, evidence: "goodbye.sh:3 takes names of any length", file: goodbye.sh, line: 3}]
          advisories: []
          blockers: []
          hold_reason: ""
"#,
    )
    .unwrap();
    let sentinel = script.replies.iter().position(|reply| reply.agent == "SENTINEL").unwrap();
    script.replies.splice(sentinel..=sentinel, concern.replies);
    let judges: Vec<_> =
        script.replies.iter().filter(|r| ["GATE", "SENTINEL"].contains(&&*r.agent)).cloned().collect();
    script.replies.extend(judges);
    script
}

/// Day 1 once more, with a concern and a note of its own.
fn day_1_again() -> Script {
    let mut script = shared_script(&["prime", "forge-nothing", "gate", "advisory-sentinel"]);
    script.replies.extend(scribe("greet.sh needs no network.", "A function that greets people.").replies);
    script
}

/// A team whose day 1 has shipped.
fn after_day_1(over: Over) -> Team {
    let team = Team::new(over);
    let server = ModelServer::start(&shared_script(&["prime", "forge", "gate", "sentinel", "scribe"]));
    let shipped = team.runner("first").pace(&server).run();
    assert_eq!(shipped.code, 0, "{}", shipped.transcript());
    team
}

/// Day 2 on `runner`; `meanwhile` happens when everything of it is judged and nothing is pushed.
fn late(runner: &Runner, server: &ModelServer, meanwhile: impl FnOnce()) -> Finished {
    let mut meanwhile = Some(meanwhile);
    server.hold_back("SCRIBE");
    runner.pace(server).env([("DAY", "2"), ("PACE_SOURCE_DIRS", ".")]).run_until(Signal::CONT, || {
        if server.is_hanging()
            && let Some(meanwhile) = meanwhile.take()
        {
            meanwhile();
            server.let_go();
            return true;
        }
        false
    })
}

fn run_day_1_again(team: &Team) {
    let server = ModelServer::start(&day_1_again());
    let again = team.runner("early").pace(&server).env([("RETRY", "true")]).run();
    assert_eq!(again.code, 10, "{}", again.transcript());
    assert_eq!(server.problems(), Vec::<String>::new(), "{}", again.transcript());
}

fn shown(team: &Team, path: &str) -> String {
    git(&team.remote(), &format!("show pace/sprint:{path}"))
}

/// What two days at once must have left.
fn both_shipped(team: &Team, transcript: &str) {
    let plan = shown(team, "plan.yaml");
    assert_eq!(plan.matches("status: shipped").count(), 2, "{plan}");
    assert_eq!(plan.matches("shipped_at:").count(), 2, "{plan}");
    assert!(plan.contains("# comes after the greeting"), "{plan}");
    for path in git(&team.remote(), "ls-tree -r --name-only pace/sprint").lines() {
        let text = shown(team, path);
        assert!(!text.contains("<<<<<<<") && !text.contains(">>>>>>>"), "{path}: {text}");
    }
    let backlog = shown(team, ".pace/advisory-backlog.yaml");
    for words in ["greet.sh:3 accepts names of any length", "goodbye.sh:3 takes names of any length"] {
        assert_eq!(backlog.matches(&format!("evidence: \"{words}\"")).count(), 1, "{backlog}");
    }
    let progress = shown(team, "PROGRESS.md");
    assert!(progress.contains("| 1 |") && progress.contains("| 2 |"), "{progress}");
    assert_eq!(progress.matches("ADVISORY").count(), 2, "{progress}");
    let report = shown(team, ".pace/report.html");
    for words in ["accepts names of any length", "takes names of any length"] {
        assert!(report.contains(words), "{report}");
    }
    assert!(shown(team, ".pace/pace-summary.md").contains("Say goodbye"));
    let notes = shown(team, ".pace/context/devops.md");
    for line in ["- greet.sh needs no network.", "- goodbye.sh needs no network."] {
        assert!(notes.contains(line), "{notes}");
    }
    // What both changed in a person's file is the first one's.
    assert!(shown(team, "README.md").contains("A function that greets people."), "{transcript}");
    assert_eq!(shown(team, ".pace/day-1/attempts.yaml").matches("run:").count(), 2);
    assert_eq!(team.locks(), Vec::<String>::new());
}

fn cost(attempts: &str) -> f64 {
    let costs = attempts.lines().filter_map(|line| line.trim().strip_prefix("cost_usd: "));
    costs.map(|cost| cost.parse::<f64>().unwrap()).sum()
}

#[test]
fn two_days_at_once_both_ship() {
    for over in [Over::Path, Over::Http] {
        let team = after_day_1(over);
        let runner = team.runner("late");
        let server = ModelServer::start(&day_2());
        let run = late(&runner, &server, || run_day_1_again(&team));
        let transcript = run.transcript();
        assert_eq!(run.code, 10, "{transcript}");
        assert_eq!(server.problems(), Vec::<String>::new(), "{transcript}");
        assert_eq!(server.left_over(), Vec::<String>::new(), "the merge is judged: {transcript}");
        assert!(run.stdout.contains("Others pushed to pace/sprint meanwhile"), "{transcript}");
        assert!(run.stdout.contains("SCRIBE's change of README.md is left out"), "{transcript}");
        both_shipped(&team, &transcript);
        let attempts = shown(&team, ".pace/day-2/attempts.yaml");
        assert_eq!(attempts.matches("run:").count(), 1, "{attempts}");
        #[expect(clippy::cast_precision_loss, reason = "a handful of calls")]
        let billed = day_2().replies.len() as f64 * CALL;
        assert!((cost(&attempts) - billed).abs() < 1e-9, "{billed}: {attempts}");
        let replayed = runner.pace(&server).args(["replay", ".pace/.run/day-2"]).run();
        assert_eq!(replayed.code, 10, "{}", replayed.transcript());
        let clean = runner.git("status --porcelain --untracked-files=no");
        assert_eq!(clean, "", "everything is committed");
    }
}

/// The second of two days is killed while the merge is judged, and goes on there.
#[test]
fn a_day_that_is_killed_on_the_merge_goes_on_there() {
    let team = after_day_1(Over::Path);
    let runner = team.runner("late");
    let all = day_2().replies.len();
    let mut script = day_2();
    script.replies[all - 1].fault = Some(Fault { hang: true, ..Fault::default() });
    let server = ModelServer::start(&script);
    server.hold_back("SCRIBE");
    let mut again = false;
    let killed = runner.pace(&server).env([("DAY", "2")]).run_until(Signal::KILL, || {
        if !again && server.is_hanging() {
            run_day_1_again(&team);
            again = true;
            server.let_go();
        }
        again && server.is_hanging()
    });
    assert_eq!(killed.code, -9, "{}", killed.transcript());
    let attempts = runner.git("show HEAD:.pace/day-2/attempts.yaml");
    assert!(attempts.contains("ADVISORY"), "the records were committed before the push: {attempts}");
    let now = std::fs::read_to_string(runner.dir.join(".pace/day-2/attempts.yaml")).unwrap();
    assert!(now.contains("outcome: ABORT") && now.contains("is not judged yet"), "{now}");

    let mut rest = day_2();
    rest.replies.drain(..all - 1);
    let server = ModelServer::start(&rest);
    let run = runner.pace(&server).env([("DAY", "2")]).run();
    let transcript = run.transcript();
    assert_eq!((run.code, server.exchanges().len()), (10, 1), "{transcript}");
    both_shipped(&team, &transcript);
    let attempts = shown(&team, ".pace/day-2/attempts.yaml");
    assert_eq!(attempts.matches("run:").count(), 1, "{attempts}");
    let replayed = runner.pace(&server).args(["replay", ".pace/.run/day-2"]).run();
    assert_eq!(replayed.code, 10, "{}", replayed.transcript());
}

/// A person breaks a test of the day while it is about to be pushed: it is held, and nothing says that it ships.
#[test]
fn a_day_that_others_break_is_held() {
    let team = after_day_1(Over::Path);
    let runner = team.runner("late");
    let mut script = day_2();
    let all = script.replies.len();
    // GATE looks at the merge; SENTINEL does not come to it.
    script.replies.remove(all - 1);
    let server = ModelServer::start(&script);
    let person = team.runner("person");
    let run = late(&runner, &server, || {
        person.git("checkout -q pace/sprint");
        std::fs::write(person.dir.join("greet.sh"), "greet() {\n    echo Hallo\n}\n").unwrap();
        person.git("commit -qam Greet-in-German");
        person.git(&format!("push -q {} pace/sprint", team.remote().display()));
    });
    let transcript = run.transcript();
    assert_eq!(run.code, 1, "{transcript}");
    assert_eq!(server.problems(), Vec::<String>::new(), "{transcript}");
    let attempts = shown(&team, ".pace/day-2/attempts.yaml");
    assert!(attempts.contains("outcome: HOLD") && !attempts.contains("outcome: SHIP"), "{attempts}");
    let plan = shown(&team, "plan.yaml");
    assert_eq!(plan.matches("status: shipped").count(), 1, "{plan}");
    let there = git(&team.remote(), "ls-tree -r --name-only pace/sprint .pace/day-2/");
    assert!(there.contains("escalation-issue.md") && !there.contains("cycle.md"), "{there}");
    assert!(!there.contains("review-pr.md") && !there.contains("scribe-report.yaml"), "{there}");
    assert!(shown(&team, "greet.sh").contains("Hallo"), "a person's commit stays");
    let replayed = runner.pace(&server).args(["replay", ".pace/.run/day-2"]).run();
    assert_eq!(replayed.code, 1, "{}", replayed.transcript());
    let late = runner.pace(&server).env([("DAY", "3")]).run();
    assert_eq!(late.code, 3, "{}", late.transcript());
}

//! The first step of `action.yml` under `act`: who may start a run, and what pace itself started. Before a key is at
//! hand and before anything is fetched.

use super::act::Act;
use super::action::{CHECKOUT, STAND_IN, executable, workflow};
use super::web::Web;
use super::{greeter, root, run, shipped};
use crate::project::Project;

/// Who may start a run, asked before anything is downloaded.
#[test]
fn a_run_from_outside_is_refused() {
    let labelled = r#"{"action": "labeled", "label": {"name": "x"}, "issue": {"number": 1, "labels": []}}"#;
    let fork =
        r#"{"pull_request": {"number": 1, "head": {"ref": "x", "repo": {"full_name": "eve/greeter"}}}}"#;
    let own =
        r#"{"pull_request": {"number": 1, "head": {"ref": "x", "repo": {"full_name": "acme/greeter"}}}}"#;
    // event, actor, payload, what is said where it is refused
    let cases = [
        ("workflow_dispatch", "ada", "{}", None),
        ("issues", "helper[bot]", labelled, Some("helper[bot] is a bot")),
        ("issues", "ada", labelled, None),
        ("issues", "max", labelled, None),
        ("issues", "eve", labelled, Some("eve may not write to acme/greeter")),
        ("issues", "nobody", labelled, Some("cannot learn whether nobody may write")),
        ("pull_request", "ada", fork, Some("comes from the fork eve/greeter")),
        ("pull_request", "ada", own, None),
    ];
    let answer = |name: &str, permission: &str| {
        let path = format!("/repos/acme/greeter/collaborators/{name}/permission");
        let body = format!(
            r#"{{"permission":"{permission}","user":{{"login":"{name}","permissions":{{"admin":true}}}}}}"#
        );
        (path, body.into_bytes())
    };
    let forge = Web::start([answer("ada", "admin"), answer("max", "write"), answer("eve", "read")]);
    let project = site("on: [workflow_dispatch, issues, pull_request]", "{binary: stand-in}");
    let action = shipped();
    for (event, actor, payload, refused) in cases {
        let env = [("GITHUB_API_URL", forge.url())];
        let act = Act { actor, env: &env, ..Act::new(&project) };
        let finished = act.run_until_said(refused.unwrap_or("told:"), action.path(), event, payload);
        let case = format!("{event} by {actor}: {}", finished.transcript());
        assert_eq!(finished.code == 0, refused.is_none(), "{case}");
        assert_eq!(finished.stdout.contains("told:"), refused.is_none(), "{case}");
        assert!(refused.is_none_or(|text| finished.stdout.contains(text)), "{case}");
    }
    // The question is the only one that carries the token, and it is the job's own.
    assert!(
        forge
            .asked()
            .iter()
            .all(|a| a.authorization == "Bearer job-token" && a.path.contains("/collaborators/"))
    );
}

/// Pushes of an App start workflows, also those that pace made with its token.
#[test]
fn a_review_that_pace_itself_pushed_to_is_skipped_and_green() {
    let (own, foreign) = ("a".repeat(40), "b".repeat(40));
    let commit = |sha: &str, message: &str| {
        let body = serde_json::json!({"sha": sha, "author": {"name": "x"}, "message": message});
        (format!("/repos/acme/greeter/git/commits/{sha}"), body.to_string().into_bytes())
    };
    let forge = Web::start([
        commit(&own, "pace: day 1 SHIP\n\nPace-Day: 1\nPace-Sprint: s\n"),
        commit(&foreign, "Fix a \"bug\""),
    ]);
    let project = site("on: [pull_request, pull_request_target]", "{binary: stand-in}");
    let action = shipped();
    let play = |event: &str, action_of: &str, sha: &str, from: &str| {
        let payload = serde_json::json!({"action": action_of, "pull_request": {
            "number": 1, "head": {"ref": "pace/sprint", "sha": sha, "repo": {"full_name": from}},
        }});
        let env = [("GITHUB_API_URL", forge.url())];
        let act = Act { actor: "pace-app[bot]", env: &env, ..Act::new(&project) };
        act.run_until_said("results=", action.path(), event, &payload.to_string())
    };
    for (event, what) in
        [("pull_request", "synchronize"), ("pull_request", "opened"), ("pull_request_target", "reopened")]
    {
        let skipped = play(event, what, &own, "acme/greeter");
        assert_eq!(skipped.code, 0, "{event} {what}: {}", skipped.transcript());
        assert!(!skipped.stdout.contains("told:"), "pace was started: {}", skipped.transcript());
        for text in
            ["started by pace's own push", r#""decision":"SKIPPED""#, r#""exit-code":"11""#, r#""pr-url":"""#]
        {
            assert!(skipped.stdout.contains(text), "no {text}: {}", skipped.transcript());
        }
    }
    // Another commit, another event of the same review, and a fork that forges the trailer.
    for (what, sha, from, said) in [
        ("synchronize", &foreign, "acme/greeter", "is a bot"),
        ("labeled", &own, "acme/greeter", "is a bot"),
        ("synchronize", &own, "eve/greeter", "comes from the fork"),
    ] {
        let refused = play("pull_request", what, sha, from);
        assert_ne!(refused.code, 0, "{what}: {}", refused.transcript());
        assert!(
            refused.stdout.contains(said) && !refused.stdout.contains("told:"),
            "{}",
            refused.transcript()
        );
    }
}

/// The shell finds in JSON what the binary finds in the commit (`platform::actor::is_own_commit`).
#[test]
fn the_guard_knows_paces_own_commits() {
    let cases = [
        ("pace: day 1 SHIP\n\ntext\n\nPace-Day: 1\nPace-Sprint: s\n", true),
        ("Merge main into pace/sprint\n\nPace-Merge: main\n", true),
        ("Pace-Day: 12", true),
        ("Say \"hello\"\n\nPace-Day: 3\n\n\n", true),
        ("Fix", false),
        ("Pace-Day: 1\n\nquoted above", false),
        ("x\n\nPace-Day: soon", false),
        ("x\n\nPace-Day:", false),
        ("x\n\nPace-Merge:", false),
        ("x\n\nNo Pace-Day: 1", false),
        ("Merge main into pace/sprint", false),
        ("", false),
    ];
    let commits = cases.iter().enumerate().map(|(i, (message, _))| {
        // An author's name is anybody's text.
        let author = serde_json::json!({"name": "\"message\": \"x\\n\\nPace-Day: 1\""});
        let body = serde_json::json!({"author": author, "message": message});
        // GitHub lays its answers out for people, or does not.
        let text = if i % 2 == 0 { body.to_string() } else { format!("{body:#}") };
        (format!("/repos/o/r/git/commits/{i:040x}"), text.into_bytes())
    });
    let forge = Web::start(commits.collect::<Vec<_>>());
    let scratch = tempfile::tempdir().unwrap();
    let output = scratch.path().join("output");
    for (i, (message, own)) in cases.iter().enumerate() {
        std::fs::write(&output, "").unwrap();
        let guard = root().join("scripts/action/guard.sh");
        let (url, sha) = (forge.url(), format!("{i:040x}"));
        let given = [
            ("GITHUB_API_URL", url.as_str()),
            ("GITHUB_REPOSITORY", "o/r"),
            ("HEAD_REPOSITORY", "o/r"),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("EVENT_ACTION", "synchronize"),
            ("VERB", "run"),
            ("HEAD_SHA", sha.as_str()),
            ("GITHUB_ACTOR", "pace-app[bot]"),
            ("GITHUB_TOKEN", "job-token"),
            ("GITHUB_OUTPUT", output.to_str().unwrap()),
        ];
        let args = [guard.to_string_lossy().into_owned()];
        let finished = run("sh".as_ref(), &args, scratch.path(), scratch.path(), &given);
        assert_eq!(finished.code, if *own { 0 } else { 2 }, "{message:?}: {}", finished.transcript());
        let told = std::fs::read_to_string(&output).unwrap();
        assert_eq!(told.starts_with("decision=SKIPPED\nexit-code=11\n"), *own, "{message:?}: {told}");
    }
}

/// The two questions of the shell are GitHub's own words.
#[test]
fn the_guard_asks_what_github_describes() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let described: serde_json::Value =
        serde_json::from_str(&read("tests/data/forge/api/github-rest.openapi.json")).unwrap();
    let guard = read("scripts/action/guard.sh");
    for (asked, path, field) in [
        ("git/commits/$HEAD_SHA", "git/commits/{commit_sha}", "message"),
        ("collaborators/$person/permission", "collaborators/{username}/permission", "permission"),
    ] {
        assert!(guard.contains(&format!("ask \"{asked}\"")), "{asked}");
        let operation = &described["paths"][format!("/repos/{{owner}}/{{repo}}/{path}")]["get"];
        let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        let schema = described.pointer(&schema.as_str().unwrap()[1..]).unwrap();
        assert!(schema["properties"][field]["type"] == "string", "{path}: {field}");
    }
}

/// A project whose workflow runs the action `with`, on `on`, and shows its outputs.
fn site(on: &str, with: &str) -> Project {
    let text = format!(
        "{on}\njobs:\n  day:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: {CHECKOUT}\n      - id: pace\n        uses: acme/pace-action@v1\n        with: {with}\n      - if: always()\n        env:\n          RESULTS: ${{{{ toJSON(steps.pace.outputs) }}}}\n        run: |\n          echo \"results=$RESULTS\" | tr -d ' \\n'\n"
    );
    let project = greeter("github.invalid", &[workflow(&text), ("stand-in", STAND_IN)]);
    executable(&project, "stand-in");
    project
}

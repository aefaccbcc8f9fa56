//! Plans, artifacts and hand-offs as anybody may write or bend them: told by place or read as they were meant, and what is
//! read, printed and read again is the same.

use std::fmt::Write as _;
use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::artifacts::{Artifact, Store};
use super::handoff::{Folder, Manifest};
use super::plan::{Parsed, mark_shipped, parse};
use crate::domain::artifact::{
    Attempt, ConduitReport, Cycle, GateReport, Handoff, ScribeReport, SentinelReport, StoryCard,
};
use crate::domain::plan::Plan;
use crate::schema::yaml;
use crate::tests::bent::{bent, cases};
use crate::tests::work::{Reader, grows_with_its_input};

fn data(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(path)
}

fn plans() -> Vec<String> {
    let mut plans = Vec::new();
    for folder in ["plans/good", "plans/bad"] {
        let mut files: Vec<_> =
            fs::read_dir(data(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for file in files {
            let case = yaml::parse(&fs::read_to_string(file).unwrap()).unwrap().to_json();
            plans.push(case["plan"].as_str().unwrap().to_owned());
        }
    }
    plans
}

const PIECES: &[&str] = &[
    "stories:\n",
    "days:\n",
    "- id: story-2\n",
    "  title: A\n",
    "  status: shipped\n",
    "- day: 2\n",
    "  target: x\n",
    "acceptance_criteria: [a, b]\n",
    "out_of_scope:\n",
    "&a ",
    "*a",
    "<<: *a\n",
    "!!str ",
    "? ",
    ": ",
    "- ",
    "|\n",
    ">-\n",
    "\"",
    "'",
    "#",
    "---\n",
    "...\n",
    "[",
    "]",
    "{",
    "}",
    ",",
    "~",
    ".nan",
    "0x1",
    "1e9",
    "\t",
    "\r\n",
    "\u{feff}",
    "é",
    "\0",
    "%YAML 1.2\n",
];

/// A plan in the shape of days with stories.
fn printed(plan: &Plan) -> String {
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let mut out = String::from("sprint:\n");
    for (key, value) in [("name", &plan.sprint.name), ("goal", &plan.sprint.goal)] {
        if let Some(value) = value {
            writeln!(out, "  {key}: {}", json(value)).unwrap();
        }
    }
    if let Some(days) = plan.sprint.duration_days {
        writeln!(out, "  duration_days: {days}").unwrap();
    }
    out.push_str("days:\n");
    for day in plan.days.values() {
        let status = if day.shipped { "shipped" } else { "pending" };
        writeln!(
            out,
            "- day: {}\n  theme: {}\n  status: {status}\n  human_gate: {}\n  clearance: {}",
            day.day,
            json(&day.theme),
            day.human_gate,
            day.clearance
        )
        .unwrap();
        if let Some(notes) = &day.notes {
            writeln!(out, "  notes: {}", json(notes)).unwrap();
        }
        out.push_str("  stories:\n");
        for story in &day.stories {
            writeln!(out, "  - title: {}", json(&story.title)).unwrap();
            writeln!(
                out,
                "    acceptance_criteria: {}",
                serde_json::to_string(&story.acceptance_criteria).unwrap()
            )
            .unwrap();
            writeln!(out, "    out_of_scope: {}", serde_json::to_string(&story.out_of_scope).unwrap())
                .unwrap();
            if let Some(notes) = &story.notes {
                writeln!(out, "    notes: {}", json(notes)).unwrap();
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(cases(512))]

    #[test]
    fn any_plan_is_read_or_told_by_place(text in bent(plans(), PIECES)) {
        match parse("plan.yaml", &text) {
            Err(problems) => prop_assert!(!problems.is_empty() && problems.iter().all(|problem| problem.starts_with("plan.yaml:") && !problem.contains('\n')), "{:?}", problems),
            Ok(Parsed { plan, .. }) => {
                let again = parse("p", &printed(&plan)).map(|parsed| parsed.plan);
                prop_assert_eq!(again, Ok(plan.clone()), "{}", printed(&plan));
                for day in plan.days.keys() {
                    let Ok(Some(edited)) = mark_shipped(&text, *day, "2026-03-13T05:47:11Z") else { continue };
                    let mut after = parse("p", &edited).unwrap().plan;
                    prop_assert!(after.days[day].shipped);
                    after.days.get_mut(day).unwrap().shipped = plan.days[day].shipped;
                    prop_assert_eq!(&after, &plan, "{}", edited);
                }
            }
        }
    }
}

#[test]
fn a_plan_costs_what_its_size_is_worth() {
    let plan = Reader::new("plan", |text| drop(parse("p", text)));
    let heads = ["", "stories:\n- id: story-1\n  title: a\n  acceptance_criteria:\n"];
    grows_with_its_input(&[plan], &heads, &["  - a", "a: \nb", "[", "- {", "? "]);
}

/// An artifact of `tests/data/artifacts/bad.yaml`: its file, its text, and every problem with it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    file: String,
    text: String,
    problems: Vec<String>,
}

/// Reads the file of day 1; every problem on a line of its own.
fn read(store: &Store, file: &str) -> Result<bool, Vec<String>> {
    let found = |result: anyhow::Result<bool>| {
        result.map_err(|error| format!("{error:#}").lines().map(str::to_owned).collect())
    };
    fn is_there<T: Artifact>(store: &Store) -> anyhow::Result<bool> {
        store.read::<T>(1).map(|found| found.is_some())
    }
    found(match file {
        "story-card.yaml" => is_there::<StoryCard>(store),
        "handoff.yaml" => is_there::<Handoff>(store),
        "gate-report.yaml" => is_there::<GateReport>(store),
        "sentinel-report.yaml" => is_there::<SentinelReport>(store),
        "conduit-report.yaml" => is_there::<ConduitReport>(store),
        "scribe-report.yaml" => is_there::<ScribeReport>(store),
        "cycle.md" => is_there::<Cycle>(store),
        "attempts.yaml" => is_there::<Vec<Attempt>>(store),
        "advisory-backlog.yaml" => store.backlog().map(|entries| !entries.is_empty()),
        "sprint.yaml" => store.sprint().map(|sprint| sprint.is_some()),
        other => panic!("no artifact is called {other}"),
    })
}

fn put(dir: &tempfile::TempDir, file: &str, text: &str) {
    let folder = match file {
        "advisory-backlog.yaml" | "sprint.yaml" => dir.path().join(".pace"),
        _ => dir.path().join(".pace/day-1"),
    };
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(file), text).unwrap();
}

fn bad() -> Vec<Bad> {
    serde_saphyr::from_str(&fs::read_to_string(data("artifacts/bad.yaml")).unwrap()).unwrap()
}

#[test]
fn bad_artifacts_say_what_is_wrong_and_where() {
    let cases = bad();
    assert!(cases.len() >= 80, "only {} bad artifacts", cases.len());
    let mut wrong = Vec::new();
    for (at, case) in cases.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        put(&dir, &case.file, &case.text);
        let found = read(&Store::new(dir.path().to_owned()), &case.file);
        if found.as_ref() != Err(&case.problems) {
            wrong.push(format!("WRONG\t{at}\t{}", serde_json::to_string(&found.err()).unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const ARTIFACTS: &[(&str, &str)] = &[
    (
        "story-card.yaml",
        "day: 1\nagent: PRIME\ntheme: \"T\"\nstories:\n  - title: \"S\"\n    acceptance_criteria:\n      - \"a\"\n    out_of_scope: []\n",
    ),
    (
        "gate-report.yaml",
        "day: 1\nagent: GATE\ncriteria_results:\n  - criterion: \"a\"\n    result: PASS\n    evidence: \"b\"\n    cites:\n      - kind: test\n        ref: \"t\"\nblockers: []\ndeferred: []\ngate_decision: SHIP\nhold_reason: \"\"\n",
    ),
    (
        "sentinel-report.yaml",
        "day: 1\nagent: SENTINEL\nfindings:\n  - check: \"c\"\n    result: ADVISORY\n    evidence: \"e\"\n    file: \"a.py\"\n    line: 3\nadvisories: []\nblockers: []\nsentinel_decision: SHIP\nhold_reason: \"\"\n",
    ),
    (
        "attempts.yaml",
        "- run: 1\n  date: \"2026-03-13T04:12:33Z\"\n  cost_usd: 3.4821\n  outcome: HOLD\n  decision: HOLD\n  hold_reason: \"x\"\n",
    ),
    ("sprint.yaml", "sprint: \"s\"\n"),
];

proptest! {
    #![proptest_config(cases(192))]

    #[test]
    fn any_artifact_is_read_or_told_by_place(bend in (0..ARTIFACTS.len()).prop_flat_map(|at| {
        let (file, text) = ARTIFACTS[at];
        (Just(file), bent(vec![text.to_owned(), ARTIFACTS[(at + 1) % ARTIFACTS.len()].1.to_owned()], PIECES))
    })) {
        let (file, text) = bend;
        let dir = tempfile::tempdir().unwrap();
        put(&dir, file, &text);
        let store = Store::new(dir.path().to_owned());
        if let Err(problems) = read(&store, file) {
            prop_assert!(problems.iter().all(|problem| problem.contains(file)), "{:?}", problems);
        } else if let Ok(Some(report)) = store.read::<GateReport>(1) {
            store.write(1, &report).unwrap();
            prop_assert_eq!(store.read(1).unwrap(), Some(report));
        }
    }

    #[test]
    fn no_changed_hand_off_is_opened(file in prop::sample::select(vec!["manifest.json", "journal.jsonl", "commits.bundle", "files/a"]), at: prop::sample::Index, bit in 0..8_u32, cut: bool) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::at(dir.path().join("handoff"));
        folder.fresh().unwrap();
        folder.add("a", "text of a file").unwrap();
        fs::write(folder.journal(), "{\"v\":2}\n").unwrap();
        fs::write(folder.bundle(), "# v2 git bundle\n\nPACK").unwrap();
        let digest = folder.seal(Manifest {
            handoff: 0,
            pace: String::new(),
            sprint: "s".into(),
            day: 1,
            attempt: 1,
            decision: "SHIP".into(),
            branch: "b".into(),
            head: "h".into(),
            commits: vec!["c".into()],
            bill: None,
            files: Default::default(),
            bill: None,
        }).unwrap();
        prop_assert!(folder.open(&digest).is_ok());
        let path = dir.path().join("handoff").join(file);
        let mut bytes = fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
        fs::write(&path, bytes).unwrap();
        prop_assert!(folder.open(&digest).is_err(), "{} {}", file, at);
    }
}

//! What a day cost is told wherever somebody looks for it, to the cent that the provider counted; and a price that nobody
//! knows is never 0.

use serde_json::Value;

use crate::binary::{Finished, Pace};
use crate::model_server::ModelServer;
use crate::model_server::wire::Protocol;
use crate::project::Project;
use crate::scenario::{scenarios_dir, shared_script};

fn project() -> Project {
    Project::new(&[scenarios_dir().join("_trees/shell")])
}

fn model() -> ModelServer {
    ModelServer::start(&shared_script(&["prime", "forge", "gate", "sentinel", "scribe"]))
}

fn run(project: &Project, server: &ModelServer, more: &[(&str, &str)]) -> Finished {
    let output = project.home.join("output").display().to_string();
    let summary = project.home.join("summary").display().to_string();
    Pace::new(&project.dir, &project.home)
        .env(server.env(Protocol::Anthropic))
        .env([
            ("DAY", "1"),
            ("PACE_TEST_COMMAND", "sh test.sh"),
            ("PACE_SANDBOX", "off"),
            ("PACE_PLATFORM", "local"),
        ])
        .env([("GITHUB_OUTPUT", output.as_str()), ("GITHUB_STEP_SUMMARY", summary.as_str())])
        .env(more.iter().copied())
        .run()
}

fn outputs(project: &Project) -> Value {
    let text = std::fs::read_to_string(project.home.join("output")).unwrap();
    let json = text.lines().rev().find(|line| line.starts_with("{\"decision\"")).unwrap();
    serde_json::from_str(json).unwrap()
}

fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).unwrap()
}

/// US dollars of `replies` of 1,000 tokens in and 100 out, at dollars a million.
fn dollars(replies: u32, input: f64, output: f64) -> f64 {
    f64::from(replies) * (1_000.0 * input + 100.0 * output) / 1e6
}

fn is(value: &Value, expected: f64) {
    let told = value.as_f64().unwrap_or_else(|| panic!("{value} is no amount"));
    assert!((told - expected).abs() < 1e-6, "{told} instead of {expected}");
}

/// FORGE and SCRIBE on one model, the others on a cheaper one.
#[test]
fn a_cost_is_the_same_wherever_it_is_told() {
    let (project, server) = (project(), model());
    let models = [("PACE_MODEL", "claude-opus-4-6"), ("PACE_ANALYSIS_MODEL", "claude-sonnet-4-6")];
    let finished = run(&project, &server, &models);
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    let calls = server.calls();
    let calls = |agent: &str| u32::try_from(calls[agent]).unwrap();
    let one = |agent: &str| match agent {
        "FORGE" | "SCRIBE" => dollars(calls(agent), 5.0, 25.0),
        _ => dollars(calls(agent), 3.0, 15.0),
    };
    let agents = ["PRIME", "FORGE", "GATE", "SENTINEL", "SCRIBE"];
    let all: f64 = agents.iter().map(|agent| one(agent)).sum();
    let opus = one("FORGE") + one("SCRIBE");

    let books = yaml(&project.read(".pace/day-1/attempts.yaml").unwrap());
    let cycle = project.read(".pace/day-1/cycle.md").unwrap();
    let cycle = yaml(cycle.split("---").nth(1).unwrap_or(&cycle));
    let told = outputs(&project);
    for (costs, agent, model) in [
        (&books[0], "cost_by_agent", "cost_by_model"),
        (&cycle, "cost_by_agent", "cost_by_model"),
        (&told, "cost-by-agent", "cost-by-model"),
    ] {
        for name in agents {
            is(&costs[agent][name], one(name));
        }
        is(&costs[model]["claude-opus-4-6"], opus);
        is(&costs[model]["claude-sonnet-4-6"], all - opus);
    }
    is(&books[0]["cost_usd"], all);
    is(&told["cost-usd"], all);
    is(&cycle["cycle_cost_usd"], all - one("SCRIBE"));
    is(&cycle["forge_cost_usd"], one("FORGE"));
    let summary = std::fs::read_to_string(project.home.join("summary")).unwrap();
    for amount in [all, one("FORGE"), one("GATE"), opus] {
        assert!(summary.contains(&format!("${amount:.4}")), "${amount:.4} is not in\n{summary}");
    }
}

#[test]
fn a_price_that_nobody_knows_is_no_bargain() {
    let (project, server) = (project(), model());
    for cap in ["PACE_MAX_RUN_COST_USD", "PACE_DAILY_BUDGET"] {
        let refused = run(&project, &server, &[("PACE_MODEL", "house-model-7"), (cap, "5")]);
        assert_eq!((refused.code, server.exchanges().len()), (2, 0), "{}", refused.transcript());
        assert!(refused.stderr.contains(&format!("or {cap} cannot be kept")), "{}", refused.transcript());
        assert!(refused.stderr.contains("house-model-7"), "{}", refused.transcript());
    }
    let unknown = run(&project, &server, &[("PACE_MODEL", "house-model-7")]);
    assert_eq!(unknown.code, 0, "{}", unknown.transcript());
    let books = yaml(&project.read(".pace/day-1/attempts.yaml").unwrap());
    assert_eq!((&books[0]["cost_usd"], &books[0]["cost_by_agent"]["FORGE"]), (&Value::Null, &Value::Null));
    assert_eq!(outputs(&project)["cost-usd"], Value::Null);
    let summary = std::fs::read_to_string(project.home.join("summary")).unwrap();
    // CONDUIT asked nobody, as there is no CI to look at.
    let free: Vec<_> =
        summary.lines().filter(|line| line.contains("$0.00") && !line.starts_with("| CONDUIT ")).collect();
    assert!(free.is_empty(), "{free:?}");
    // Nobody knows what is left of today.
    let again = [("PACE_DAILY_BUDGET", "5"), ("RETRY", "true")];
    let asked = server.exchanges().len();
    let refused = run(&project, &server, &again);
    assert_eq!((refused.code, server.exchanges().len()), (2, asked), "{}", refused.transcript());
    assert!(refused.stderr.contains("run 1 of day 1 has an unknown cost"), "{}", refused.transcript());
}

//! The prompts as models read them: one picture of each agent's, and values that stay text.

use serde_json::{Value, json};

use super::*;

const AGENTS: [&str; 6] = ["prime", "forge", "gate", "sentinel", "conduit", "scribe"];

/// Everything that any prompt is filled with; each text is `text`.
fn values(text: &str) -> Value {
    let finding = json!({"result": "ADVISORY", "check": text, "evidence": text});
    json!({
        "terms": {
            "product_name": "Atlas", "product_description": text, "docs_dir": "docs", "max_criteria": 2,
            "max_iterations": 35, "plan_path": "plan.yaml", "sandbox": "tier 1", "setup_command": "npm ci",
            "source_dirs": ["src", "tests"], "tdd": true, "coverage_rule": true, "test_command": "npm test",
            "command_timeout_ms": 300_000, "test_timeout_ms": 1_800_000, "has_forge": false,
        },
        "plan": {
            "day": 3, "theme": text, "notes": text, "clearance": true, "human_gate": false,
            "stories": [{"title": text, "acceptance_criteria": [text], "out_of_scope": [text], "notes": text}],
        },
        "context": [{"path": ".pace/context/engineering.md", "text": text, "cut": true}],
        "card": format!("theme: {text}\n"), "handoff": format!("approach: {text}\n"), "gate": format!("{text}\n"),
        "sentinel": format!("{text}\n"), "conduit": format!("{text}\n"), "commit": "a3f9c12d", "hold_reason": text,
        "failing_before": [text], "baseline": "exit code 1, 2 tests collected, 1 passed, 1 failed",
        "backlog": [{"id": "0a1b2c3d4e5f", "agent": "SENTINEL", "day": 1, "finding": text}],
        "tests": {
            "command": "npm test", "summary": "exit code 0", "passed": [text], "failed": [text], "skipped": [text],
            "flaky": [text], "output": text,
        },
        "commands": [{"command": text, "result": "exit code 0"}], "ci": text, "rules": [text],
        "tampering": [finding], "scan": [finding], "observed": [finding], "criteria": [text, text],
        "diff": text, "files": [{"path": "src/a.js", "text": text, "cut": true}], "touched": ["src/a.js"],
        "writable": "src", "red_confirmed": false, "untracked": [],
    })
}

fn rendered(agent: &str, text: &str) -> String {
    let templates = Templates::new(None).unwrap();
    let part = |part| templates.render(&format!("prompts/{agent}.{part}.md.j2"), &values(text)).unwrap();
    format!("{}\n\n===== user\n{}", part("system"), part("user"))
}

#[test]
fn prompts() {
    for agent in AGENTS {
        insta::assert_snapshot!(format!("prompt_{agent}"), rendered(agent, "A word."));
    }
}

/// A prompt is for a model: its values are shown as they are, and never looked at as templates.
#[test]
fn a_prompt_shows_hostile_values_as_they_are() {
    let hostile = "{{ terms.product_name }}{% raw %}{# x #} <b>@team fixes #1</b>";
    for agent in AGENTS {
        let text = rendered(agent, hostile);
        assert!(text.contains(hostile), "{agent}: {text}");
        assert!(text.starts_with(&format!("You are {}, ", agent.to_uppercase())), "{agent}: {text}");
        assert_eq!(rendered(agent, "A word.").lines().count(), text.lines().count(), "{agent}");
    }
}

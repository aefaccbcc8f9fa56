//! A credential of pace's own that comes back in every spelling that the redactor knows: from a child's output and from
//! the model's mouth. No spelling is in any sink.

use std::path::Path;

use base64_spellings::spellings;
use serde_json::{Value, json};

use super::ALL;
use crate::model_server::ModelServer;
use crate::model_server::script::{Call, Script};
use crate::model_server::wire::Protocol;
use crate::project::collect;
use crate::sandbox::{Machine, Site, User, tell, text, told};

/// With characters that every encoding writes in another way.
const SECRET: &str = "glpat/Zq+7?\"Kx>>9_ae~w";

#[test]
fn no_spelling_of_a_secret_is_in_any_sink() {
    for (user, machine) in ALL {
        let sinks = leak(user, machine);
        tell(&format!("{} spellings, {sinks} sinks, {user:?}, {machine:?}", spellings(SECRET).len()));
    }
}

/// A day of which everything that speaks says the secret; the number of sinks that were looked at.
fn leak(user: User, machine: Machine) -> usize {
    let spellings = spellings(SECRET);
    assert!(spellings.len() >= 12);
    let lines: String = spellings.iter().map(|(name, text)| format!("{name}: {text}\n")).collect();
    let site = Site::new(user);
    site.take_back();
    // A person wrote it down once: pace's scan of the day's change is not what is tried here.
    site.project.write("leaks.txt", &lines);
    let runner = site.project.read("test.sh").unwrap();
    let leak = "sed 's/^/# /' leaks.txt";
    let reports = ".pace/.run/day-1/output.reports";
    // On two ways, and one that is not pace's to keep.
    let leaking = format!("\n{leak}\n{leak} >{reports}/leak.tap\ncp leaks.txt {reports}/notes\n");
    site.project.write("test.sh", &runner.replacen('\n', &leaking, 1));
    site.project.delete("bait.json");
    // CONDUIT asks no model where there is nothing to judge.
    site.project.delete(".github/workflows/test.yml");
    site.project.commit_all("Leak");
    site.hand_over();

    let mut script = part("prime");
    for reply in ["forge", "gate", "sentinel", "scribe"].map(part).into_iter().flat_map(|part| part.replies) {
        script.replies.push(reply);
    }
    for reply in &mut script.replies {
        for call in &mut reply.calls {
            say(call, &lines);
        }
    }
    let cat = Call { name: "run_bash".into(), input: json!({"command": "cat leaks.txt"}) };
    let read = Call { name: "read_file".into(), input: json!({"path": "leaks.txt"}) };
    let first = script.replies.iter_mut().find(|reply| reply.agent == "FORGE").unwrap();
    first.calls.extend([cat, read]);
    let server = ModelServer::start(&script);
    let mut env = server.env(Protocol::Anthropic);
    let summary = site.place.path().join("summary.md");
    env.extend(
        [("DAY", "1"), ("PACE_TEST_COMMAND", "sh test.sh"), ("GITLAB_TOKEN", SECRET)]
            .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    let env: Vec<_> = env.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let output = site.pace(machine, "run", &env);
    let told = told(&output);
    assert!(matches!(output.status.code(), Some(0 | 10)), "{told}");

    says_its_sandbox(&site, machine, &told);
    let mut sinks = vec![
        ("the log".to_owned(), text(&output.stdout) + &text(&output.stderr)),
        ("commit messages".to_owned(), {
            site.take_back();
            site.project.log()
        }),
    ];
    for exchange in server.exchanges() {
        sinks.push((format!("a prompt of {}", exchange.agent), prompts(&exchange.body)));
    }
    let mut seen = |path: &Path| {
        if !path.ends_with("leaks.txt") && !path.starts_with(site.project.dir.join(".git")) {
            let bytes = std::fs::read(path).unwrap_or_default();
            sinks.push((path.display().to_string(), String::from_utf8_lossy(&bytes).into_owned()));
        }
    };
    collect(&site.project.dir, &mut seen);
    seen(&summary);
    let kinds = [
        "the log",
        "a prompt of FORGE",
        "handoff.yaml",
        "review-pr.md",
        ".jsonl",
        "pace-summary.md",
        "day-1/output.txt",
        "day-1/output.green.json",
        "day-1/output.reports/",
        "day-1/baseline.json",
    ];
    for kind in kinds {
        assert!(sinks.iter().any(|(name, _)| name.contains(kind)), "no {kind} was looked at:\n{told}");
    }
    for (sink, text) in &sinks {
        for (spelling, secret) in &spellings {
            assert!(
                !text.contains(secret.as_str()),
                "{user:?} {machine:?}: {spelling} in {sink}: {told}\n{text}"
            );
        }
    }
    // They were said and masked.
    assert!(sinks.iter().filter(|(_, text)| text.contains("***")).count() >= kinds.len(), "{told}");
    kinds.len()
}

/// Which tier held the children, and what it lacks, stands wherever people look.
fn says_its_sandbox(site: &Site, machine: Machine, log: &str) {
    let handoff = site.project.read(".pace/day-1/handoff.yaml").unwrap();
    let handoff: Value = serde_yaml::from_str(&handoff).unwrap();
    let sandbox = handoff["sandbox"].as_str().unwrap();
    assert!(sandbox.starts_with(machine.sandbox()), "{sandbox}");
    assert_eq!(sandbox.contains("lacks: "), machine.tier() == 2, "{sandbox}");
    assert!(log.contains(&format!("[PACE] Sandbox: {sandbox}")), "{log}");
    // In Markdown some characters are escaped.
    let plain =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect::<String>();
    for file in [".pace/day-1/review-pr.md", ".pace/pace-summary.md"] {
        let body = site.project.read(file).or_else(|| site.project.read("pace-summary.md")).unwrap();
        assert!(plain(&body).contains(&plain(sandbox)), "{file}: {body}\n{sandbox}");
    }
}

/// What is sent to the model, as text: not as JSON, which would spell the secret in yet another way.
fn prompts(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone() + "\n",
        Value::Array(items) => items.iter().map(prompts).collect(),
        Value::Object(fields) => fields.values().map(prompts).collect(),
        _ => String::new(),
    }
}

fn part(name: &str) -> Script {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/_parts").join(format!("{name}.yaml"));
    Script::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Has a call say the secret wherever a model may say anything.
fn say(call: &mut Call, lines: &str) {
    for field in ["approach", "risk", "built", "summary"] {
        if let Some(text) = call.input.get_mut(field) {
            *text = json!(format!("{} {lines}", text.as_str().unwrap_or_default()));
        }
    }
    for list in ["criteria_results", "findings", "updates"] {
        for item in call.input.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            for field in ["evidence", "reason"] {
                if let Some(text) = item.get_mut(field) {
                    *text = json!(format!("{} {lines}", text.as_str().unwrap_or_default()));
                }
            }
        }
    }
}

/// The twelve spellings, each by its name.
mod base64_spellings {
    const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    pub(super) fn spellings(secret: &str) -> Vec<(&'static str, String)> {
        let json = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
        let hex = |upper: bool| -> String {
            let digits = secret.bytes().map(|b| if upper { format!("{b:02X}") } else { format!("{b:02x}") });
            digits.collect()
        };
        let percent = |upper: bool| -> String {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
            secret
                .bytes()
                .map(|b| match (plain(b), upper) {
                    (true, _) => char::from(b).to_string(),
                    (false, true) => format!("%{b:02X}"),
                    (false, false) => format!("%{b:02x}"),
                })
                .collect()
        };
        vec![
            ("raw", secret.to_owned()),
            ("base64", base64(STANDARD, secret, 0)),
            ("base64 one byte on", base64(STANDARD, secret, 1)),
            ("base64 two bytes on", base64(STANDARD, secret, 2)),
            ("base64url", base64(URL, secret, 0)),
            ("base64url one byte on", base64(URL, secret, 1)),
            ("base64url two bytes on", base64(URL, secret, 2)),
            ("hex", hex(false)),
            ("HEX", hex(true)),
            ("percent", percent(false)),
            ("PERCENT", percent(true)),
            ("json", json(secret)),
            ("json in json", json(&json(secret))),
            ("json with escaped slashes", json(secret).replace('/', "\\/")),
        ]
    }

    /// The characters that depend on the secret alone.
    fn base64(alphabet: &[u8; 64], secret: &str, offset: usize) -> String {
        let bytes = [vec![0; offset], secret.as_bytes().to_vec()].concat();
        let bits: Vec<u8> = bytes.iter().flat_map(|b| (0..8).rev().map(move |i| b >> i & 1)).collect();
        let groups =
            bits.chunks_exact(6).map(|six| six.iter().fold(0_usize, |n, bit| n << 1 | usize::from(*bit)));
        groups.skip((offset * 8).div_ceil(6)).map(|n| char::from(alphabet[n])).collect()
    }
}

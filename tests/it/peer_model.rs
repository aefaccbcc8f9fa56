//! A model server by other people (`@copilotkit/aimock`) answers a whole day over each wire protocol, so that both
//! ends of the wire are not of one hand. Our scripts are turned into its fixtures.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::binary::Pace;
use crate::model_server::KEY;
use crate::model_server::script::{Reply, Script, Stop};
use crate::project::Project;
use crate::scenario::{scenarios_dir, shared_script};

/// Of the peer's chaos.
const SEEDS: std::ops::Range<u32> = 1..6;

/// US dollars of one reply: 1,000 tokens in at $3 and 100 out at $15 a million.
const REPLY: f64 = 0.0045;

#[test]
fn a_day_over_the_anthropic_wire() {
    let peer = Peer::start();
    let url = peer.url.clone();
    day(
        &peer,
        &[("PACE_LLM_PROVIDER", "anthropic"), ("PACE_LLM_BASE_URL", &url), ("ANTHROPIC_API_KEY", KEY)],
    );
}

#[test]
fn a_day_over_the_openai_wire() {
    let peer = Peer::start();
    let url = format!("{}/v1", peer.url);
    day(
        &peer,
        &[
            ("PACE_LLM_PROVIDER", "openai"),
            ("PACE_MODEL", "gpt-5"),
            ("PACE_LLM_BASE_URL", &url),
            ("OPENAI_API_KEY", KEY),
        ],
    );
}

/// A peer that fails now and then in every way that it knows, by the seeds of its own random numbers. The day ships, or
/// ends for a reason that it names; and it books no less than the peer's replies cost.
#[test]
fn days_with_a_peer_in_chaos() {
    let (mut ends, mut failures) = (BTreeMap::<i32, u32>::new(), 0);
    for seed in SEEDS {
        let node = format!("--random-seed={seed}");
        let rates = ["--chaos-drop", "0.1", "--chaos-ratelimit", "0.08", "--chaos-malformed", "0.12"];
        let peer = Peer::start_with(&[&node], &[&rates[..], &["--chaos-disconnect", "0.06"]].concat());
        let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
        let finished = Pace::new(&project.dir, &project.home)
            .env([("DAY", "1"), ("PACE_TEST_COMMAND", "sh test.sh"), ("PACE_SANDBOX", "off")])
            .env([("PACE_PLATFORM", "local"), ("PACE_MAX_RETRIES", "0"), ("ANTHROPIC_API_KEY", KEY)])
            .env([("PACE_LLM_BASE_URL", &peer.url)])
            .run();
        let transcript = format!("seed {seed}: {}", finished.transcript());
        *ends.entry(finished.code).or_default() += 1;
        let named = |text: &str, reasons: &[&str]| reasons.iter().any(|reason| text.contains(reason));
        match finished.code {
            0 => {}
            1 => assert!(named(&finished.stdout, &["hold_reason: "]), "{transcript}"),
            4 => assert!(
                named(&finished.stderr, &["could not be reached", "answer is unusable"]),
                "{transcript}"
            ),
            _ => panic!("{transcript}"),
        }
        let (replies, failed) = peer.served();
        failures += failed;
        let books = project.read(".pace/day-1/attempts.yaml").unwrap();
        let books: Value = serde_yaml::from_str(&books).unwrap();
        let (booked, billed) = (books[0]["cost_usd"].as_f64().unwrap(), f64::from(replies) * REPLY);
        assert!(booked > billed - 1e-4, "${booked} is booked for ${billed}: {transcript}");
    }
    println!("{SEEDS:?}: {failures} requests failed; days by exit code: {ends:?}");
    assert!(failures > 5, "that was no chaos: {failures}");
    assert!(ends.contains_key(&0), "{ends:?}");
}

fn day(peer: &Peer, model: &[(&str, &str)]) {
    let project = Project::new(&[scenarios_dir().join("_trees/shell")]);
    let finished = Pace::new(&project.dir, &project.home)
        .env([
            ("DAY", "1"),
            ("PACE_TEST_COMMAND", "sh test.sh"),
            ("PACE_SANDBOX", "off"),
            ("PACE_PLATFORM", "local"),
        ])
        .env(model.iter().copied())
        .run();
    assert_eq!(finished.code, 0, "{}", finished.transcript());
    let report = project.read(".pace/day-1/gate-report.yaml").unwrap();
    assert!(report.contains("gate_decision: SHIP"), "{report}");
    assert!(peer.fixtures.path().join("day.json").is_file());
}

/// The running peer; it ends when dropped.
struct Peer {
    child: Child,
    url: String,
    fixtures: tempfile::TempDir,
}

impl Peer {
    fn start() -> Self {
        Self::start_with(&[], &[])
    }

    /// With more arguments for `node` and for the program.
    #[expect(clippy::disallowed_methods, reason = "the test starts its peer itself")]
    fn start_with(node: &[&str], more: &[&str]) -> Self {
        let program = program();
        assert!(program.is_file(), "{} is missing; scripts/setup installs it", program.display());
        let fixtures = tempfile::tempdir().unwrap();
        let script = shared_script(&["prime", "forge", "gate", "sentinel", "conduit", "scribe"]);
        std::fs::write(fixtures.path().join("day.json"), convert(&script).to_string()).unwrap();
        let mut child = std::process::Command::new("node")
            .args(node)
            .arg(program)
            .args(["--host", "127.0.0.1", "--port", "0", "--strict", "--validate-on-load"])
            .args(more)
            .args(["--fixtures".as_ref(), fixtures.path().as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let mut line = String::new();
            let ended = output.read_line(&mut line).unwrap() == 0;
            said.push_str(&line);
            if let Some((_, url)) = line.split_once("listening on ") {
                break url.trim().to_owned();
            }
            if ended {
                drop(child.wait());
                panic!("the peer did not start:\n{said}");
            }
        };
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Self { child, url, fixtures }
    }
}

impl Peer {
    /// Replies that it gave, and requests that it failed on purpose.
    fn served(&self) -> (u32, u32) {
        let host = self.url.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /__aimock/journal HTTP/1.0\r\nhost: {host}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        let entries: Vec<Value> = serde_json::from_str(body).unwrap();
        let failed = entries.iter().filter(|entry| entry["response"]["chaosAction"].is_string()).count();
        let count = |of: usize| u32::try_from(of).unwrap();
        (count(entries.len() - failed), count(failed))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/node_modules/@copilotkit/aimock/dist/cli.js")
}

/// A script as the peer's fixtures: the agent is told by the system prompt, the turn by what was said before.
fn convert(script: &Script) -> Value {
    let mut turns = std::collections::HashMap::<&str, usize>::new();
    let fixtures: Vec<Value> = script
        .replies
        .iter()
        .map(|reply| {
            let turn = turns.entry(&reply.agent).or_default();
            let fixture = json!({
                "match": {"systemMessage": format!("You are {}", reply.agent), "turnIndex": turn, "endpoint": "chat"},
                "response": response(reply),
            });
            *turn += 1;
            fixture
        })
        .collect();
    json!({ "fixtures": fixtures })
}

fn response(reply: &Reply) -> Value {
    let mut response = json!({"usage": {"prompt_tokens": 1000, "completion_tokens": 100}});
    if !reply.text.is_empty() {
        response["content"] = json!(reply.text);
    }
    if !reply.calls.is_empty() {
        let calls =
            reply.calls.iter().map(|call| json!({"name": call.name, "arguments": call.input.to_string()}));
        response["toolCalls"] = calls.collect();
    }
    if reply.stop() == Stop::Length {
        response["finishReason"] = json!("length");
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_by_agent() {
        let fixtures = convert(&shared_script(&["prime", "forge"]));
        let list = fixtures["fixtures"].as_array().unwrap();
        assert_eq!(list.len(), 8);
        assert_eq!(list[0]["match"]["systemMessage"], "You are PRIME");
        assert_eq!(list[3]["match"]["turnIndex"], 2);
        assert_eq!(list[2]["response"]["toolCalls"][0]["name"], "write_file");
    }
}

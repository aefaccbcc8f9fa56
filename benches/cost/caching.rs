//! What the input of a long FORGE loop costs with a provider's prompt cache: as pace sends it, next to the same
//! story without a cache and with the naive way of leaving old results out, a few every turn.
//!
//! The unit is the cost-equivalent input token: 1 uncached, 1.25 written to the cache, 0.1 read from it (Anthropic,
//! prompt caching, 2026). The cache is played by its documented rule: what ends at a breakpoint is written, and read
//! again by a later request that begins with the same blocks, looking back twenty blocks from each breakpoint.

use std::collections::HashSet;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};

use serde_json::{Value, json};

use crate::measure::run;
use crate::model_server::ModelServer;
use crate::model_server::script::Reply;
use crate::{call, count, pace, parts, project, row};

/// Model calls of the story.
const CALLS: usize = 35;

/// Blocks that are looked back from a breakpoint.
const LOOK_BACK: usize = 20;

/// Blocks at the end that the naive way keeps, and what it leaves of the others.
const NAIVE_KEPT: usize = 8;
const NAIVE_LEFT: usize = 60;

/// A piece of a request, in the order in which the provider reads them.
#[derive(Clone)]
struct Block {
    content: u64,
    bytes: usize,
    result: bool,
    breakpoint: bool,
}

/// Runs the story once and prints the three costs.
pub(crate) fn costs() {
    let mut script = parts(&["prime"]);
    script.replies.extend(story());
    script.replies.extend(parts(&["forge", "gate", "sentinel", "scribe"]).replies);
    let (project, server) = (project(), ModelServer::start(&script));
    run(&pace(&project, &server).env([("PACE_MAX_ITERATIONS", (CALLS + 5).to_string())]), 0);
    let exchanges = server.exchanges();
    let forge = exchanges.iter().filter(|e| e.agent == "FORGE");
    let sent: Vec<Vec<Block>> = forge.map(|e| blocks(&e.body)).collect();
    assert_eq!(sent.len(), CALLS, "the story has another length");
    let whole = unabridged(&sent);
    let naive: f64 = whole.iter().flatten().map(|b| tokens(b.bytes)).sum();
    let evicting = cost(&whole.iter().map(|request| evicted(request)).collect::<Vec<_>>());
    let (nothing, ours) = (cost(&whole), cost(&sent));
    row(&format!("cost-equivalent input, {CALLS} calls, no cache"), &count(naive), "", 1);
    row("… old results left out turn by turn", &count(evicting), "", 1);
    row("… cached, nothing left out", &count(nothing), "", 1);
    row("… as pace sends it", &count(ours), &format!("≤ {}", count(naive * 0.2)), 1);
}

/// What a model does in a story of some size: it looks around, and then builds and tests in turns.
fn story() -> Vec<Reply> {
    // Seven more calls are the end of the story: they write test and code and hand off.
    (0..CALLS - 7)
        .map(|turn| {
            let lines = [400, 900, 1500, 250][turn % 4];
            let command = format!("seq {} {}", turn * 10_000, turn * 10_000 + lines);
            call("run_bash", json!({"command": command}))
        })
        .collect()
}

/// The blocks of a Messages request: tools, system, messages.
fn blocks(body: &Value) -> Vec<Block> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let messages = list(&body["messages"]);
    let contents = messages.iter().flat_map(|message| list(&message["content"]));
    list(&body["tools"]).into_iter().chain(list(&body["system"])).chain(contents).map(block).collect()
}

fn block(mut value: Value) -> Block {
    let fields = value.as_object_mut().unwrap();
    let breakpoint = fields.remove("cache_control").is_some();
    let result = fields.get("type").is_some_and(|kind| kind == "tool_result");
    let text = value.to_string();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    Block { content: hasher.finish(), bytes: text.len(), result, breakpoint }
}

/// The requests as they would be if nothing were ever left out: every block as it was first sent.
fn unabridged(sent: &[Vec<Block>]) -> Vec<Vec<Block>> {
    let mut first: Vec<Block> = Vec::new();
    let mut whole = Vec::new();
    for request in sent {
        first.extend(request[first.len()..].iter().cloned());
        let blocks = request.iter().zip(&first);
        whole.push(blocks.map(|(now, then)| Block { breakpoint: now.breakpoint, ..then.clone() }).collect());
    }
    whole
}

/// A request from which all but the newest results are left out.
fn evicted(request: &[Block]) -> Vec<Block> {
    let kept = request.len() - NAIVE_KEPT.min(request.len());
    let cut = |(position, block): (usize, &Block)| {
        if position < kept && block.result {
            Block { content: position as u64, bytes: NAIVE_LEFT, ..block.clone() }
        } else {
            block.clone()
        }
    };
    request.iter().enumerate().map(cut).collect()
}

/// Cost-equivalent tokens of requests that follow each other within the life of the cache.
fn cost(requests: &[Vec<Block>]) -> f64 {
    let mut cached: HashSet<u64> = HashSet::new();
    let mut cost = 0.0;
    for request in requests {
        let mut hasher = DefaultHasher::new();
        let prefixes: Vec<u64> = request
            .iter()
            .map(|block| {
                block.content.hash(&mut hasher);
                hasher.finish()
            })
            .collect();
        let marks: Vec<usize> = (0..request.len()).filter(|&i| request[i].breakpoint).collect();
        let seen = |mark: usize| {
            (mark.saturating_sub(LOOK_BACK - 1)..=mark).rev().find(|&i| cached.contains(&prefixes[i]))
        };
        let read = marks.iter().filter_map(|&mark| seen(mark)).max().map_or(0, |last| last + 1);
        let write = marks.last().map_or(0, |last| last + 1).max(read);
        let sum = |part: &[Block]| part.iter().map(|b| tokens(b.bytes)).sum::<f64>();
        cost += 0.1 * sum(&request[..read]) + 1.25 * sum(&request[read..write]) + sum(&request[write..]);
        cached.extend(marks.into_iter().map(|mark| prefixes[mark]));
    }
    cost
}

/// Four bytes are about a token.
#[expect(clippy::cast_precision_loss, reason = "sizes stay far below 2^52")]
fn tokens(bytes: usize) -> f64 {
    bytes as f64 / 4.0
}

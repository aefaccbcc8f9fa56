//! Every file of `tests/data/replies/` is a hostile, broken or odd reply with its expected outcome.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cases::{Case, ExpectedReply};
use super::schema::assert_valid;
use super::server::Server;
use super::{Ledger, brisk, live, request};
use crate::domain::money::Usage;
use crate::llm::anthropic::Anthropic;
use crate::llm::openai::OpenAi;
use crate::llm::patience::Patience;
use crate::llm::wire::Protocol;
use crate::llm::{Message, Model as _, Reply, ToolResult};
use crate::settings::Provider;

#[tokio::test]
async fn every_recorded_oddity_comes_out_as_expected() {
    let files = files();
    assert!(files.len() >= 45, "only {} cases", files.len());
    let mut failures = Vec::new();
    for file in files {
        let case = Case::read(&file);
        for provider in case.providers() {
            if let Err(problem) = run(&case, provider).await {
                let name = file.file_name().unwrap_or_default().display();
                failures.push(format!("{name} ({provider:?}): {problem}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/replies");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn run(case: &Case, provider: Provider) -> Result<(), String> {
    let server = Server::start(case.answers(provider)).await;
    let ample = brisk();
    let patience = Patience {
        total: case.total_ms.map_or(ample.total, Duration::from_millis),
        idle: case.idle_ms.map_or(ample.idle, Duration::from_millis),
        stream: case.stream_ms.map_or(ample.stream, Duration::from_millis),
        ..ample
    };
    let ledger = Ledger::default();
    let result = live(provider, &server.url, patience).complete(&request(), &ledger).await;
    let lost = ledger.0.into_inner().unwrap();
    let uncounted = lost.iter().filter(|usage| usage.is_none()).count();
    if uncounted != case.expect.uncounted {
        return Err(format!("{uncounted} uncounted tries, expected {}", case.expect.uncounted));
    }
    let seen = server.seen();
    for captured in &seen {
        assert_valid(provider, &captured.body);
    }
    match (result, &case.expect.reply, &case.expect.error) {
        (Ok(mut reply), Some(expected), _) => {
            lost.into_iter().flatten().for_each(|usage| reply.usage += usage);
            compare(&reply, expected, seen[0].bytes)?;
            goes_back(&reply, provider);
        }
        (Err(error), _, Some(expected)) if error.to_string() == *expected => {}
        (Err(error), _, _) => return Err(format!("error: {error}")),
        (Ok(reply), _, _) => return Err(format!("no error but {reply:?}")),
    }
    if seen.len() != case.expect.attempts {
        return Err(format!("{} attempts, expected {}", seen.len(), case.expect.attempts));
    }
    Ok(())
}

fn compare(reply: &Reply, expected: &ExpectedReply, sent: usize) -> Result<(), String> {
    let calls_differ = reply.calls.len() != expected.calls.len()
        || reply.calls.iter().zip(&expected.calls).any(|(call, wanted)| {
            call.name != wanted.name
                || call.input != wanted.input
                || wanted.id.as_ref().is_some_and(|id| *id != call.id)
        });
    let usage = expected.usage.map(|usage| Usage {
        input: usage.input + expected.estimated_inputs * (sent as u64).div_ceil(3),
        ..usage
    });
    let differs = reply.text != expected.text
        || calls_differ
        || reply.stop != expected.stop
        || usage.is_some_and(|usage| usage != reply.usage)
        || expected.raw.as_ref().is_some_and(|raw| *raw != reply.raw)
        || expected.model.as_ref().is_some_and(|model| *model != reply.model);
    if differs {
        return Err(format!("{reply:#?}\nexpected {expected:#?}"));
    }
    Ok(())
}

/// Whatever a model said must be acceptable as history: the next request is valid, and all calls are answered.
fn goes_back(reply: &Reply, provider: Provider) {
    let mut request = request();
    request.messages.push(Message::Assistant(reply.raw.clone()));
    if reply.calls.is_empty() {
        request.messages.push(Message::User("Go on.".to_owned()));
    } else {
        let answer = |id: &str| ToolResult { call_id: id.to_owned(), content: String::new(), is_error: true };
        let results = reply.calls.iter().map(|call| answer(&call.id)).collect();
        request.messages.push(Message::ToolResults(results));
    }
    let body = match provider {
        Provider::Anthropic => Anthropic.body(&request),
        _ => OpenAi::for_host(None).body(&request),
    };
    assert_valid(provider, &serde_json::from_slice(&body.unwrap()).unwrap());
}

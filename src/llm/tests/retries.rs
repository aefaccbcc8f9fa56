//! What is sent again, when, and what never is.

use std::time::{Duration, Instant};

use super::server::{Answer, End, Server};
use super::{Ledger, brisk, live, request};
use crate::llm::patience::Patience;
use crate::llm::{Model as _, ModelError};
use crate::settings::Provider;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    Answer {
        status,
        headers: headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        pieces: vec![body.as_bytes().to_vec()],
        end: End::Clean,
    }
}

const OPENAI_OK: &str = r#"{"choices":[{"message":{"content":"ok"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":1}}"#;

#[tokio::test]
async fn what_the_server_asks_to_wait_is_a_floor() {
    let server = Server::start(vec![
        answer(429, &[("retry-after-ms", "150")], r#"{"error":{"message":"slow down"}}"#),
        answer(200, &[], OPENAI_OK),
    ])
    .await;
    let started = Instant::now();
    let reply =
        live(Provider::OpenAi, &server.url, brisk()).complete(&request(), &Ledger::default()).await.unwrap();
    assert_eq!(reply.text, "ok");
    assert!(started.elapsed() >= Duration::from_millis(150), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let server = Server::start(vec![]).await;
    let url = server.url.clone();
    drop(server);
    let patience = Patience { total: Duration::ZERO, ..brisk() };
    // The listener closes when the runtime gets to the aborted task.
    tokio::task::yield_now().await;
    let error =
        live(Provider::Anthropic, &url, patience).complete(&request(), &Ledger::default()).await.unwrap_err();
    let ModelError::Unreachable { attempts, last, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(attempts, 1);
    assert!(last.contains("Connection refused"), "{last}");
    assert!(!last.contains(&url), "the URL may hold a credential: {last}");
}

#[tokio::test]
async fn the_key_goes_into_its_header_and_into_no_message() {
    for (provider, header, value) in [
        (Provider::Anthropic, "x-api-key", "sk-test-0123456789"),
        (Provider::OpenAi, "authorization", "Bearer sk-test-0123456789"),
    ] {
        let body = r#"{"error":{"message":"bad key sk-test-0123456789"}}"#;
        let server = Server::start(vec![answer(401, &[], body)]).await;
        let error =
            live(provider, &server.url, brisk()).complete(&request(), &Ledger::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "the model provider refused the credential (401): bad key ***");
        let seen = server.seen();
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].header(header), Some(value));
        assert_eq!(seen[0].header("content-type"), Some("application/json"));
        assert_eq!(seen[0].header("accept-encoding"), Some("identity"));
        let agent = seen[0].header("user-agent").unwrap_or_default();
        assert!(agent.starts_with("pace/"), "{agent}");
    }
}

#[tokio::test]
async fn all_attempts_send_the_same_bytes() {
    let server = Server::start(vec![
        answer(503, &[], ""),
        Answer { end: End::Drop, ..Answer::default() },
        answer(200, &[], OPENAI_OK),
    ])
    .await;
    live(Provider::OpenAi, &server.url, brisk()).complete(&request(), &Ledger::default()).await.unwrap();
    let seen = server.seen();
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|s| s.body == seen[0].body && s.bytes == seen[0].bytes));
}

#[tokio::test]
async fn an_endpoint_teaches_its_dialect_once() {
    let refusal = |field: &str| {
        let body = format!(r#"{{"detail":[{{"type":"extra_forbidden","loc":["body","{field}"]}}]}}"#);
        answer(422, &[], &body)
    };
    let renamed = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.";
    let server = Server::start(vec![
        refusal("stream_options"),
        answer(400, &[], &format!(r#"{{"error":{{"message":"{renamed}"}}}}"#)),
        answer(200, &[], OPENAI_OK),
        answer(200, &[], OPENAI_OK),
        refusal("max_completion_tokens"),
    ])
    .await;
    let model = live(Provider::OpenAi, &server.url, brisk());
    model.complete(&request(), &Ledger::default()).await.unwrap();
    model.complete(&request(), &Ledger::default()).await.unwrap();
    let error = model.complete(&request(), &Ledger::default()).await.unwrap_err();
    assert!(matches!(error, ModelError::Rejected { status: 422, .. }), "{error:?}");
    let fields = |n: usize| {
        let body = &server.seen()[n].body;
        ["stream_options", "max_tokens", "max_completion_tokens"].map(|field| body.get(field).is_some())
    };
    assert_eq!(fields(0), [true, true, false]);
    assert_eq!(fields(1), [false, true, false]);
    assert_eq!(fields(2), [false, false, true]);
    assert_eq!(fields(3), [false, false, true]);
    assert_eq!(server.seen().len(), 5);
}

#[tokio::test]
async fn the_runs_time_ends_a_call_and_what_it_cut_off_may_be_billed() {
    let hanging = Answer { end: End::Hang, ..answer(200, &[], ": wait\n\n") };
    let server = Server::start(vec![hanging]).await;
    let model = live(Provider::Anthropic, &server.url, brisk());
    let over = Ledger(Default::default(), Some(Instant::now()));
    assert_eq!(model.complete(&request(), &over).await.unwrap_err(), ModelError::OutOfTime);
    assert_eq!(
        (server.seen().len(), over.0.lock().unwrap().len()),
        (0, 0),
        "nothing is asked when time is over"
    );
    let soon = Ledger(Default::default(), Some(Instant::now() + Duration::from_millis(300)));
    assert_eq!(model.complete(&request(), &soon).await.unwrap_err(), ModelError::OutOfTime);
    assert_eq!((server.seen().len(), soon.0.lock().unwrap().clone()), (1, vec![None]));
}

#[tokio::test]
async fn nobody_waits_for_a_try_that_the_runs_time_does_not_reach() {
    let server = Server::start(vec![answer(429, &[("retry-after", "50")], "")]).await;
    let model = live(Provider::Anthropic, &server.url, brisk());
    let until = Ledger(Default::default(), Some(Instant::now() + Duration::from_secs(40)));
    let error = model.complete(&request(), &until).await.unwrap_err();
    assert!(matches!(error, ModelError::Unreachable { attempts: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("PACE_RUN_TIMEOUT"), "{error}");
}

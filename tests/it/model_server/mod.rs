//! A model on loopback that says what a script tells it to, over the Anthropic Messages and the OpenAI Chat
//! Completions wire. It records every request and checks nothing itself: `invariants` does, afterwards.

pub(crate) mod invariants;
pub(crate) mod script;
pub(crate) mod wire;

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use serde_json::Value;

use script::{End, Player, Script, Turn};
use wire::Protocol;

/// The key that the server wants. It must never be seen anywhere but in the credential header.
pub(crate) const KEY: &str = "sk-canary-5b1f0c7de2a94c33";

/// A running server; it stops when dropped.
pub(crate) struct ModelServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// One request that reached the server.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// `?` where the system prompt names none.
    pub(crate) agent: String,
    pub(crate) protocol: Protocol,
    pub(crate) body: Value,
    /// Length of the body as it was sent.
    pub(crate) bytes: usize,
    /// A reply was given; false for errors, cut streams and hanging requests.
    pub(crate) answered: bool,
    /// When the whole request was there.
    pub(crate) arrived: Instant,
    /// When the whole answer was ready to leave.
    pub(crate) left: Option<Instant>,
}

struct Shared {
    key: String,
    player: Mutex<Player>,
    model: String,
    exchanges: Mutex<Vec<Exchange>>,
    problems: Mutex<Vec<String>>,
    hanging: AtomicBool,
    stopping: AtomicBool,
    /// The agent whose questions wait for their answers.
    held: Mutex<Option<String>>,
    let_go: Condvar,
    /// What was said to each agent last, and to which question: said again where the question comes again.
    said: Option<Mutex<HashMap<String, (Value, Turn)>>>,
}

impl ModelServer {
    /// Starts to play `script` on a free port.
    pub(crate) fn start(script: &Script) -> Self {
        Self::serving(script, None, KEY)
    }

    /// As [`ModelServer::start`], with a key of its own.
    pub(crate) fn start_with_key(script: &Script, key: &str) -> Self {
        Self::serving(script, None, key)
    }

    /// As [`ModelServer::start`], but a question that is asked again right away gets the same reply again.
    pub(crate) fn start_repeating(script: &Script) -> Self {
        Self::serving(script, Some(Mutex::default()), KEY)
    }

    fn serving(script: &Script, said: Option<Mutex<HashMap<String, (Value, Turn)>>>, key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            player: Mutex::new(Player::new(script)),
            model: script.model.clone().unwrap_or_else(|| "demo-model".to_owned()),
            exchanges: Mutex::default(),
            problems: Mutex::default(),
            hanging: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            held: Mutex::default(),
            let_go: Condvar::new(),
            said,
            key: key.to_owned(),
        });
        let acceptor = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if acceptor.stopping.load(Ordering::SeqCst) {
                    break;
                }
                let shared = Arc::clone(&acceptor);
                if let Ok(stream) = stream {
                    // A client that goes away in mid-answer is its own affair.
                    std::thread::spawn(move || drop(serve(&stream, &shared)));
                }
            }
        });
        Self { address, shared }
    }

    /// What a run needs in its environment to reach the server.
    pub(crate) fn env(&self, protocol: Protocol) -> Vec<(String, String)> {
        let (provider, path, key) = match protocol {
            Protocol::Anthropic => ("anthropic", "", "ANTHROPIC_API_KEY"),
            Protocol::OpenAi => ("openai", "/v1", "OPENAI_API_KEY"),
        };
        [
            ("PACE_LLM_PROVIDER", provider.to_owned()),
            ("PACE_LLM_BASE_URL", format!("http://{}{path}", self.address)),
            (key, self.shared.key.clone()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// All requests so far.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.shared.exchanges).clone()
    }

    /// Replies given, by agent.
    pub(crate) fn calls(&self) -> BTreeMap<String, usize> {
        let mut calls = BTreeMap::new();
        for exchange in lock(&self.shared.exchanges).iter().filter(|e| e.answered) {
            *calls.entry(exchange.agent.clone()).or_default() += 1;
        }
        calls
    }

    /// Leaves the questions of `agent` without an answer until [`ModelServer::let_go`].
    pub(crate) fn hold_back(&self, agent: &str) {
        *lock(&self.shared.held) = Some(agent.to_owned());
    }

    /// Answers what was held back.
    pub(crate) fn let_go(&self) {
        *lock(&self.shared.held) = None;
        self.shared.hanging.store(false, Ordering::SeqCst);
        self.shared.let_go.notify_all();
    }

    /// A request is being left without an answer.
    pub(crate) fn is_hanging(&self) -> bool {
        self.shared.hanging.load(Ordering::SeqCst)
    }

    /// Requests that no client should send: unknown paths, unknown agents, more turns than the script has.
    pub(crate) fn problems(&self) -> Vec<String> {
        lock(&self.shared.problems).clone()
    }

    /// Replies that nobody asked for.
    pub(crate) fn left_over(&self) -> Vec<String> {
        lock(&self.shared.player).left_over()
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.let_go();
        // Wakes the acceptor up, which then sees that it is to stop.
        drop(TcpStream::connect(self.address));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct HttpRequest {
    path: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

fn read_request(reader: &mut impl BufRead) -> std::io::Result<Option<HttpRequest>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|v| v.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(HttpRequest { path, headers, body }))
}

/// Answers all requests of one connection.
fn serve(stream: &TcpStream, shared: &Shared) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader)? {
        if !answer(stream, shared, &request)? {
            break;
        }
    }
    Ok(())
}

/// Answers one request; false where the connection must be closed.
fn answer(stream: &TcpStream, shared: &Shared, request: &HttpRequest) -> std::io::Result<bool> {
    let Some(protocol) = Protocol::of_path(&request.path) else {
        lock(&shared.problems).push(format!("request to unknown path {}", request.path));
        return send_error(stream, 404, &serde_json::json!({"error": "no such path"}), None);
    };
    let body: Value = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
    let agent = wire::agent_of(&protocol.system(&body)).unwrap_or_else(|| "?".to_owned());
    let mut exchange = Exchange {
        agent: agent.clone(),
        protocol,
        bytes: request.body.len(),
        answered: false,
        arrived: Instant::now(),
        left: None,
        body,
    };
    wait_at_the_gate(shared, &agent);
    let turn = if !has_key(request, protocol, &shared.key) {
        Turn::Fail(401, None)
    } else if exchange.body["stream"] != Value::Bool(true) {
        lock(&shared.problems).push(format!("{agent} asked without streaming"));
        Turn::Fail(400, None)
    } else {
        turn_for(shared, &agent, &exchange.body)
    };
    exchange.answered = matches!(turn, Turn::Say(..));
    // Recorded before the answer leaves: whoever has the answer finds the request on record.
    let record = {
        let mut exchanges = lock(&shared.exchanges);
        exchanges.push(exchange);
        exchanges.len() - 1
    };
    match turn {
        Turn::Say(number, reply) => {
            let events = protocol.stream(&reply, number, &shared.model);
            // Before the answer leaves, since the next request may be here before the call below returns.
            lock(&shared.exchanges)[record].left = Some(Instant::now());
            send_stream(stream, &events, events.len())
        }
        Turn::Break(number, reply, end) => {
            let mut events = protocol.stream(&reply, number, &shared.model);
            let half = events.len() / 2;
            match end {
                End::Reset => {}
                End::Cut => drop(send_stream(stream, &events, half)?),
                End::Error | End::Garbage => {
                    let said = protocol.error(529, "the script reports an error here").to_string();
                    let data = if end == End::Error { said.as_str() } else { "{\"half\": " };
                    events.truncate(half);
                    events.push(format!("event: error\ndata: {data}\n\n"));
                    send_stream(stream, &events, events.len())?;
                }
            }
            stream.shutdown(std::net::Shutdown::Both)?;
            Ok(false)
        }
        Turn::Fail(status, retry_after) => {
            let message = format!("the script answers {status} here");
            send_error(stream, status, &protocol.error(status, &message), retry_after)
        }
        Turn::FailSaying(status, message) => {
            send_error(stream, status, &protocol.error(status, &message), None)
        }
        Turn::Hang => {
            shared.hanging.store(true, Ordering::SeqCst);
            // Holds the request until the client goes away.
            let mut rest = Vec::new();
            (&mut &*stream).read_to_end(&mut rest)?;
            Ok(false)
        }
        Turn::Ended => {
            lock(&shared.problems).push(format!("the script has no further reply for {agent}"));
            let error = protocol.error(400, "the script has no further reply");
            send_error(stream, 400, &error, None)
        }
    }
}

/// Waits where the agent is held back.
fn wait_at_the_gate(shared: &Shared, agent: &str) {
    let mut held = lock(&shared.held);
    while held.as_deref() == Some(agent) && !shared.stopping.load(Ordering::SeqCst) {
        shared.hanging.store(true, Ordering::SeqCst);
        held = shared.let_go.wait(held).unwrap_or_else(std::sync::PoisonError::into_inner);
    }
}

/// The script's next turn, or the last one once more.
fn turn_for(shared: &Shared, agent: &str, question: &Value) -> Turn {
    let Some(said) = &shared.said else { return lock(&shared.player).next(agent) };
    let mut said = lock(said);
    if let Some((before, turn)) = said.get(agent)
        && before == question
    {
        return turn.clone();
    }
    let turn = lock(&shared.player).next(agent);
    said.insert(agent.to_owned(), (question.clone(), turn.clone()));
    turn
}

fn has_key(request: &HttpRequest, protocol: Protocol, own: &str) -> bool {
    match protocol {
        Protocol::Anthropic => request.headers.get("x-api-key").is_some_and(|key| key == own),
        Protocol::OpenAi => {
            request.headers.get("authorization").is_some_and(|v| v.strip_prefix("Bearer ") == Some(own))
        }
    }
}

fn send_error(
    mut stream: &TcpStream,
    status: u16,
    body: &Value,
    retry_after: Option<String>,
) -> std::io::Result<bool> {
    let body = body.to_string();
    let retry = retry_after.map_or(String::new(), |v| format!("retry-after: {v}\r\n"));
    let answer = format!(
        "HTTP/1.1 {status} Scripted\r\ncontent-type: application/json\r\n{retry}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes())?;
    Ok(true)
}

/// Sends the first `count` of `events`, chunk by chunk; the stream is ended properly only where that is all.
fn send_stream(mut stream: &TcpStream, events: &[String], count: usize) -> std::io::Result<bool> {
    let mut answer = String::from(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for event in &events[..count] {
        answer.push_str(&format!("{:x}\r\n{event}\r\n", event.len()));
    }
    if count == events.len() {
        answer.push_str("0\r\n\r\n");
    }
    stream.write_all(answer.as_bytes())?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn post(server: &ModelServer, path: &str, key: &str, body: &Value) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        drop(rustls::crypto::ring::default_provider().install_default());
        runtime.block_on(async {
            let response = reqwest::Client::new()
                .post(format!("http://{}{path}", server.address))
                .header("x-api-key", key)
                .bearer_auth(key)
                .json(body)
                .send()
                .await
                .unwrap();
            let status = response.status().as_u16();
            (status, response.text().await.unwrap_or_else(|e| format!("{e:?}")))
        })
    }

    #[test]
    fn plays_a_script_over_both_wires_and_records_what_was_asked() {
        let script = Script::parse(
            "replies: [{agent: GATE, text: one}, {agent: GATE, fault: {cut: true}, text: two}, {agent: PRIME, text: left}]",
        )
        .unwrap();
        let server = ModelServer::start(&script);
        let anthropic =
            json!({"stream": true, "system": [{"type": "text", "text": "You are GATE, x"}], "messages": []});
        let openai = json!({"stream": true, "messages": [{"role": "system", "content": "You are GATE, x"}]});
        assert_eq!(post(&server, "/v1/messages", "wrong", &anthropic).0, 401);
        let (status, text) = post(&server, "/v1/messages", KEY, &anthropic);
        assert!(status == 200 && text.contains("message_stop"), "{status} {text}");
        let (_, cut) = post(&server, "/v1/chat/completions", KEY, &openai);
        assert!(!cut.contains("[DONE]"), "{cut}");
        let (_, text) = post(&server, "/v1/chat/completions", KEY, &openai);
        assert!(text.contains("[DONE]"), "{text}");
        assert_eq!(post(&server, "/v1/chat/completions", KEY, &openai).0, 400);
        assert_eq!(server.problems(), ["the script has no further reply for GATE"]);
        assert_eq!(server.left_over(), ["PRIME: 1 of 1"]);
        assert_eq!(server.calls().get("GATE"), Some(&2));
        assert_eq!(server.exchanges().len(), 5);
    }
}

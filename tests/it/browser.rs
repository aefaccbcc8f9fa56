//! A headless browser that is asked over its DevTools pipe: what it drew, what it tells a screen reader, what it complained
//! of. Knows no page.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

/// Far beyond any honest answer.
const PATIENCE: Duration = Duration::from_secs(90);

/// One tab of a browser of its own.
pub(crate) struct Tab {
    child: Child,
    calls: ChildStdin,
    answers: Receiver<Value>,
    session: String,
    next: u64,
    /// What came in beside answers.
    events: Vec<Value>,
    _profile: tempfile::TempDir,
}

/// How the page is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// CSS pixels.
    pub(crate) width: u32,
    pub(crate) phone: bool,
    pub(crate) dark: bool,
}

impl Tab {
    /// Opens `page` and waits until it is loaded.
    pub(crate) fn open(browser: &str, page: &Path, look: Look) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (mut child, calls, output) = start(browser, profile.path());
        let (send, answers) = channel();
        let mut reader = BufReader::new(output);
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while reader.read_until(0, &mut message).is_ok_and(|read| read > 0) {
                if let Ok(answer) = serde_json::from_slice(message.strip_suffix(&[0]).unwrap_or(&message))
                    && send.send(answer).is_err()
                {
                    break;
                }
                message.clear();
            }
        });
        let log = child.stderr.take().unwrap();
        std::thread::spawn(move || BufReader::new(log).read_to_end(&mut Vec::new()));
        let mut tab = Self {
            child,
            calls,
            answers,
            session: String::new(),
            next: 0,
            events: vec![],
            _profile: profile,
        };
        let target = tab.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = tab.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        tab.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log", "Accessibility"] {
            tab.call(&format!("{domain}.enable"), json!({}));
        }
        let size = json!({"width": look.width, "height": 800, "deviceScaleFactor": 1, "mobile": look.phone});
        tab.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if look.dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        tab.call("Emulation.setEmulatedMedia", media);
        tab.call("Page.navigate", json!({"url": format!("file://{}", page.display())}));
        while !tab.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = tab.receive();
            tab.events.push(event);
        }
        tab
    }

    /// The value of a JavaScript expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let answer = self.call("Runtime.evaluate", json!({"expression": expression, "returnByValue": true}));
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Role, name and focusability of everything that a screen reader meets.
    pub(crate) fn read_aloud(&mut self) -> Vec<Heard> {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let text = |node: &Value, part: &str| node[part]["value"].as_str().unwrap_or_default().to_owned();
        let heard = |node: &Value| Heard {
            role: text(node, "role"),
            name: text(node, "name"),
            focusable: node["properties"]
                .as_array()
                .into_iter()
                .flatten()
                .any(|property| property["name"] == "focusable" && property["value"]["value"] == true),
        };
        let nodes = tree["nodes"].as_array().unwrap();
        nodes.iter().filter(|node| node["ignored"] != true).map(heard).collect()
    }

    /// Everything that the page logged, threw or was refused.
    pub(crate) fn complaints(&mut self) -> Vec<String> {
        // What came before this answer has been received with it.
        self.value("0");
        let loud = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        let said = self.events.iter().filter(|event| loud.iter().any(|method| event["method"] == *method));
        said.map(|event| event["params"].to_string()).collect()
    }

    /// A picture of the whole page.
    pub(crate) fn picture(&mut self) -> Vec<u8> {
        let shot =
            self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap()
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let mut call = json!({"id": self.next, "method": method, "params": params});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        let mut bytes = call.to_string().into_bytes();
        bytes.push(0);
        self.calls.write_all(&bytes).unwrap();
        loop {
            let answer = self.receive();
            if answer["id"] == self.next {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }

    fn receive(&mut self) -> Value {
        self.answers
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|error| panic!("no answer of the browser: {error}"))
    }
}

impl Drop for Tab {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What a screen reader says of one thing.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) role: String,
    pub(crate) name: String,
    pub(crate) focusable: bool,
}

/// The browser takes calls from descriptor 3 and answers on 4; a shell makes them of its standard ones.
#[expect(clippy::disallowed_methods, reason = "the browser is a program of its own")]
fn start(browser: &str, profile: &Path) -> (Child, ChildStdin, impl Read + use<>) {
    let mut child = std::process::Command::new("/bin/sh")
        .args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh", browser])
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
        ])
        .args(["--disable-background-networking", "--remote-debugging-pipe", "--hide-scrollbars"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (calls, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, calls, answers)
}

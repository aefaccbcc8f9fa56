//! A GitLab with one project: merge requests, issues, labels, notes, statuses, pipelines. It behaves as the real one
//! does where pace depends on it, and holds every request against two descriptions of the API.

use serde_json::{Map, Value, json};

use super::sample::{Description, lay_over};
use super::server::{Forge, Reply, Request};

/// The token that is let in.
pub(crate) const TOKEN: &str = "glpat-canary7Qd0x1Kp";

/// The job's own token, which may read only, and gets 404 for the rest.
pub(crate) const JOB_TOKEN: &str = "glcbt-canary9Zz";

/// The project's path.
pub(crate) const PROJECT: &str = "group/name";

/// The project's state.
#[derive(Default)]
pub(crate) struct GitLab {
    pub(crate) merge_requests: Vec<Value>,
    pub(crate) issues: Vec<Value>,
    /// With `at` = `issues/1` or `merge_requests/1`.
    pub(crate) notes: Vec<Value>,
    pub(crate) labels: Vec<String>,
    /// pace's own, with `sha`.
    pub(crate) statuses: Vec<Value>,
    /// Statuses of jobs and of others.
    pub(crate) foreign: Vec<Value>,
    pub(crate) pipelines: Vec<Value>,
    /// Of every merge request.
    pub(crate) approved_by: Vec<Value>,
    pub(crate) access_level: u32,
    /// Whether a pipeline must succeed before a merge; null: not shown to the token.
    pub(crate) must_succeed: Value,
    /// Every branch, as it shows itself to the token; null: it is not there.
    pub(crate) branch: Value,
    /// Requests that a description does not allow.
    pub(crate) violations: Vec<String>,
    contract: Option<Contract>,
    next: u64,
}

/// What requests are held against.
pub(crate) struct Contract {
    /// OpenAPI, made from GitLab's documentation.
    description: Description,
    /// Required and optional attributes by resource, from a client library.
    attributes: Value,
}

impl Contract {
    pub(crate) fn new(description: Value, attributes: Value) -> Self {
        Self { description: Description(description), attributes }
    }

    fn violations(&self, request: &Request) -> Vec<String> {
        let mut found = Vec::new();
        let at = format!("{} {}", request.method, request.path());
        let paths = self.description.0["paths"].as_object().unwrap();
        let operation = paths.iter().find(|(template, _)| fits(template, request));
        let operation = operation.map(|(_, item)| &item[request.method.to_lowercase()]);
        if let Some(operation) = operation.filter(|operation| operation.is_object()) {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let known: Vec<_> =
                parameters.filter_map(|p| p["name"].as_str()).chain(["per_page", "page"]).collect();
            for (name, _) in &request.query {
                if !known.contains(&name.as_str()) {
                    found.push(format!("{at}: no query parameter {name}"));
                }
            }
            let content = operation["requestBody"]["content"].as_object().and_then(|c| c.values().next());
            if let Some(schema) = content.map(|content| self.description.resolved(&content["schema"])) {
                found.extend(body_violations(&at, schema, &request.body));
            }
        }
        if let (Some(manager), Some(body)) = (manager(request), request.body.as_object()) {
            let kind = if request.method == "POST" { "create" } else { "update" };
            let names = |list: &str| -> Vec<String> {
                let names = self.attributes[manager][kind][list].as_array().into_iter().flatten();
                names.filter_map(Value::as_str).map(str::to_owned).collect()
            };
            let (required, optional) = (names("required"), names("optional"));
            let missing = required.iter().filter(|name| !body.contains_key(*name));
            found.extend(missing.map(|name| format!("{at}: lacks {name}")));
            let unknown = body.keys().filter(|name| !required.contains(name) && !optional.contains(name));
            found.extend(unknown.map(|name| format!("{at}: no attribute {name}")));
        }
        found
    }
}

fn body_violations(at: &str, schema: &Value, body: &Value) -> Vec<String> {
    let fields = body.as_object().cloned().unwrap_or_else(Map::new);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // What stands in the path is listed among the body's fields too.
    let in_path = ["id", "sha", "merge_request_iid", "issue_iid", "note_id"];
    let mut found: Vec<_> = required
        .filter(|name| !in_path.contains(name) && !fields.contains_key(*name))
        .map(|name| format!("{at}: the description requires {name}"))
        .collect();
    for (name, value) in &fields {
        let property = &schema["properties"][name];
        let wrong = match property["type"].as_str() {
            // The documentation has one row for both.
            None if name == "name" && schema["properties"].get("name or context").is_some() => None,
            None => Some("unknown"),
            Some("string") if !value.is_string() => Some("no text"),
            Some("boolean") if !value.is_boolean() => Some("no boolean"),
            Some("integer") if !value.is_u64() => Some("no number"),
            Some("array") if !value.is_array() => Some("no list"),
            _ => None,
        };
        found.extend(wrong.map(|wrong| format!("{at}: {name} is {wrong} to the description")));
    }
    found
}

/// Whether the request's path is one of `template`.
fn fits(template: &str, request: &Request) -> bool {
    let parts: Vec<_> = template.split('/').filter(|part| !part.is_empty()).collect();
    parts.len() == request.segments.len()
        && parts.iter().zip(&request.segments).all(|(part, segment)| part.starts_with('{') || part == segment)
}

fn manager(request: &Request) -> Option<&'static str> {
    let parts: Vec<_> = request.segments.iter().skip(2).map(String::as_str).collect();
    Some(match parts.as_slice() {
        ["merge_requests", _, "notes", ..] => "ProjectMergeRequestNoteManager",
        ["merge_requests", ..] => "ProjectMergeRequestManager",
        ["issues", _, "notes", ..] => "ProjectIssueNoteManager",
        ["issues", ..] => "ProjectIssueManager",
        ["labels"] => "ProjectLabelManager",
        ["statuses", _] => "ProjectCommitStatusManager",
        _ => return None,
    })
}

impl GitLab {
    pub(crate) fn new(contract: Option<Contract>) -> Self {
        Self { contract, access_level: 40, ..Self::default() }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn merge_request(&mut self, body: &Value) -> Reply {
        let same = |there: &&Value| {
            there["state"] == "opened"
                && there["source_branch"] == body["source_branch"]
                && there["target_branch"] == body["target_branch"]
        };
        if self.merge_requests.iter().find(same).is_some() {
            let said = "Another open merge request already exists for this source branch: !1";
            return Reply::new(409, json!({"message": [said]}));
        }
        let iid = self.number();
        let mut made = json!({
            "iid": iid, "state": "opened", "labels": [], "sha": "f".repeat(40),
            "web_url": format!("https://gitlab.example/{PROJECT}/-/merge_requests/{iid}"),
        });
        lay_over(&mut made, body.clone());
        self.merge_requests.push(made.clone());
        Reply::new(201, made)
    }

    fn issue(&mut self, body: &Value) -> Reply {
        let iid = self.number();
        let mut made = json!({
            "iid": iid, "state": "opened",
            "web_url": format!("https://gitlab.example/{PROJECT}/-/issues/{iid}"),
        });
        let mut body = body.clone();
        body["labels"] = labels_of(&body["labels"]);
        lay_over(&mut made, body);
        self.issues.push(made.clone());
        Reply::new(201, made)
    }

    fn note(&mut self, at: String, body: &Value) -> Reply {
        let note = json!({"id": 1000 + self.number(), "at": at, "body": body["body"]});
        self.notes.push(note.clone());
        Reply::new(201, note)
    }

    fn found(&self, request: &Request, items: &[Value]) -> Reply {
        let fits = |item: &&Value| {
            let same = |name: &str| request.query(name).is_none_or(|wanted| item[name] == wanted);
            let state = request.query("state").is_none_or(|state| state == "all" || item["state"] == state);
            let labels = request.query("labels").is_none_or(|labels| {
                let there = item["labels"].as_array().unwrap();
                labels.split(',').all(|label| there.iter().any(|name| name == label))
            });
            state && labels && same("source_branch") && same("target_branch")
        };
        let items: Vec<_> = items.iter().filter(fits).cloned().collect();
        Reply::new(200, Reply::page(request, items).into())
    }

    fn project(&mut self, request: &Request, rest: &[&str]) -> Reply {
        let body = &request.body;
        match (request.method.as_str(), rest) {
            ("GET", []) => {
                let access = json!({"access_level": self.access_level});
                let permissions = json!({"project_access": access, "group_access": null});
                Reply::new(
                    200,
                    json!({
                        "id": 7, "archived": false, "permissions": permissions,
                        "only_allow_merge_if_pipeline_succeeds": self.must_succeed,
                    }),
                )
            }
            ("GET", ["repository", "branches", _]) if self.branch.is_null() => missing(),
            ("GET", ["repository", "branches", _]) => Reply::new(200, self.branch.clone()),
            ("GET", ["merge_requests"]) => self.found(request, &self.merge_requests),
            ("POST", ["merge_requests"]) => self.merge_request(body),
            ("PUT", ["merge_requests", iid]) => change(&mut self.merge_requests, iid, body),
            ("GET", ["merge_requests", _, "approvals"]) => {
                Reply::new(200, json!({"approved_by": self.approved_by}))
            }
            ("GET", ["issues"]) => self.found(request, &self.issues),
            ("POST", ["issues"]) => self.issue(body),
            ("PUT", ["issues", iid]) => change(&mut self.issues, iid, body),
            ("GET", [kind, iid, "notes"]) => {
                let at = format!("{kind}/{iid}");
                let of = self.notes.iter().filter(|note| note["at"] == at.as_str()).cloned().collect();
                Reply::new(200, Reply::page(request, of).into())
            }
            ("POST", [kind, iid, "notes"]) => self.note(format!("{kind}/{iid}"), body),
            ("PUT", [_, _, "notes", id]) => {
                let Some(note) = self.notes.iter_mut().find(|note| note["id"].as_u64() == id.parse().ok())
                else {
                    return missing();
                };
                note["body"] = body["body"].clone();
                Reply::new(200, note.clone())
            }
            ("GET", ["labels"]) => {
                let labels = self.labels.iter().map(|name| json!({"name": name})).collect();
                Reply::new(200, Reply::page(request, labels).into())
            }
            ("POST", ["labels"]) => {
                let name = body["name"].as_str().unwrap().to_owned();
                if self.labels.contains(&name) {
                    return Reply::new(409, json!({"message": "Label already exists"}));
                }
                self.labels.push(name);
                Reply::new(201, body.clone())
            }
            ("POST", ["statuses", sha]) => {
                let mut status = body.clone();
                status["sha"] = json!(sha);
                if self.statuses.contains(&status) {
                    let said = "Cannot transition status via :run from :success";
                    return Reply::new(400, json!({"message": said}));
                }
                self.statuses.retain(|there| there["sha"] != *sha);
                self.statuses.push(status.clone());
                Reply::new(201, status)
            }
            ("GET", ["pipelines"]) => Reply::new(200, Reply::page(request, self.pipelines.clone()).into()),
            ("GET", ["repository", "commits", _]) => {
                Reply::new(200, json!({"created_at": "2026-01-02T00:00:00Z"}))
            }
            ("GET", ["repository", "commits", sha, "statuses"]) => {
                let own = self.statuses.iter().filter(|status| status["sha"] == *sha).map(
                    |status| json!({"name": status["name"], "status": status["state"], "pipeline_id": 900}),
                );
                let all = own.chain(self.foreign.iter().cloned()).collect();
                Reply::new(200, Reply::page(request, all).into())
            }
            ("GET", ["members", "all"]) => Reply::new(200, json!([{"username": "ann", "access_level": 30}])),
            _ => missing(),
        }
    }
}

impl Forge for GitLab {
    fn answer(&mut self, request: &Request) -> Reply {
        let job = request.header("job-token") == Some(JOB_TOKEN);
        if !job && request.header("private-token") != Some(TOKEN) {
            return Reply::new(401, json!({"message": "401 Unauthorized"}));
        }
        if let Some(contract) = &self.contract {
            let violations = contract.violations(request);
            self.violations.extend(violations);
        }
        let path: Vec<_> = request.segments.iter().map(String::as_str).collect();
        let ["projects", PROJECT | "7", rest @ ..] = path.as_slice() else {
            return Reply::new(404, json!({"message": "404 Project Not Found"}));
        };
        if job && (request.method != "GET" || rest.first() != Some(&"merge_requests")) {
            return missing();
        }
        self.project(request, rest)
    }
}

fn change(items: &mut [Value], iid: &str, body: &Value) -> Reply {
    let Some(item) = items.iter_mut().find(|item| item["iid"].as_u64() == iid.parse().ok()) else {
        return missing();
    };
    let mut body = body.clone();
    match body["state_event"].as_str() {
        Some("close") => item["state"] = json!("closed"),
        Some("reopen") => item["state"] = json!("opened"),
        _ => {}
    }
    body.as_object_mut().unwrap().remove("state_event");
    if !body["labels"].is_null() {
        body["labels"] = labels_of(&body["labels"]);
    } else {
        body.as_object_mut().unwrap().remove("labels");
    }
    lay_over(item, body);
    Reply::new(200, item.clone())
}

/// `a,b` → a list.
fn labels_of(text: &Value) -> Value {
    text.as_str().unwrap_or_default().split(',').filter(|label| !label.is_empty()).collect()
}

fn missing() -> Reply {
    Reply::new(404, json!({"message": "404 Not found"}))
}

//! A GitHub with one repository: pull requests, issues, labels, comments, statuses, checks. It behaves as the real one
//! does where pace depends on it, and nowhere else.

use serde_json::{Value, json};

use super::sample::{Description, lay_over};
use super::server::{Forge, Reply, Request};

/// The token that is let in.
pub(crate) const TOKEN: &str = "canary-5f2e9d";

/// The repository's state.
#[derive(Default)]
pub(crate) struct GitHub {
    /// Gives answers their full shape; without it they hold only what is set here.
    pub(crate) description: Option<Description>,
    pub(crate) pulls: Vec<Value>,
    pub(crate) issues: Vec<Value>,
    /// With `issue` = number of the issue or pull request.
    pub(crate) comments: Vec<Value>,
    pub(crate) labels: Vec<String>,
    /// With `sha`.
    pub(crate) statuses: Vec<Value>,
    pub(crate) check_runs: Vec<Value>,
    pub(crate) workflow_runs: Vec<Value>,
    /// Statuses of others: `context`, `state`.
    pub(crate) foreign: Vec<Value>,
    /// By pull request: `number`, and a review's fields.
    pub(crate) reviews: Vec<Value>,
    pub(crate) writers: Vec<String>,
    /// The plan has no drafts.
    pub(crate) no_drafts: bool,
    pub(crate) no_issues: bool,
    /// What the base branch says of itself, and the rules that hold for it; null: the token may not read it.
    pub(crate) branch: Value,
    pub(crate) rules: Value,
    /// The same of every other branch; null: the branch is not there, and no rule waits for it.
    pub(crate) other_branch: Value,
    pub(crate) other_rules: Value,
    /// Happens when somebody asks for the checks of a commit.
    pub(crate) on_checks: Option<Box<dyn Fn() + Send>>,
    pub(crate) next: u64,
}

impl GitHub {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn shaped(&self, schema: &str, ours: Value) -> Value {
        self.description.as_ref().map_or_else(|| ours.clone(), |d| d.shaped(schema, ours.clone()))
    }

    fn label_objects(&self, names: &Value) -> Value {
        let labels = names.as_array().into_iter().flatten();
        let shaped = |name| json!({"name": name, "color": "ededed", "description": "Kept by pace"});
        labels.map(|name| self.shaped("label", shaped(name))).collect()
    }

    fn list(&self, request: &Request, schema: &str, items: Vec<Value>) -> Reply {
        let items = Reply::page(request, items).into_iter().map(|item| self.shaped(schema, item));
        Reply::new(200, items.collect())
    }

    fn pull(&mut self, request: &Request) -> Reply {
        let body = &request.body;
        let same = |pull: &&Value| {
            pull["state"] == "open"
                && pull["head"]["ref"] == body["head"]
                && pull["base"]["ref"] == body["base"]
        };
        if body["head"] == body["base"] {
            return invalid(&format!(
                "No commits between {} and {}",
                text(&body["base"]),
                text(&body["head"])
            ));
        }
        if self.pulls.iter().find(same).is_some() {
            return invalid(&format!("A pull request already exists for o:{}.", text(&body["head"])));
        }
        if self.no_drafts && body["draft"] == true {
            return invalid("Draft pull requests are not supported in this repository.");
        }
        let number = self.number();
        let pull = json!({
            "number": number, "title": body["title"], "body": body["body"], "draft": body["draft"],
            "state": "open", "labels": [], "merged_at": null,
            "html_url": format!("https://github.example/o/r/pull/{number}"),
            "head": {"ref": body["head"], "sha": "f".repeat(40)}, "base": {"ref": body["base"]},
        });
        self.pulls.push(pull.clone());
        Reply::new(201, self.shaped("pull-request", pull))
    }

    fn pulls(&self, request: &Request) -> Reply {
        let state = request.query("state").unwrap_or("open");
        let head = request.query("head").and_then(|head| head.split_once(':')).map(|(_, branch)| branch);
        let fits = |pull: &&Value| {
            (state == "all" || pull["state"] == state)
                && head.is_none_or(|head| pull["head"]["ref"] == head)
                && request.query("base").is_none_or(|base| pull["base"]["ref"] == base)
        };
        let found: Vec<_> = self.pulls.iter().rev().filter(fits).cloned().collect();
        let shown = |mut pull: Value| {
            pull["labels"] = self.label_objects(&pull["labels"]);
            pull
        };
        self.list(request, "pull-request-simple", found.into_iter().map(shown).collect())
    }

    fn issue(&mut self, request: &Request) -> Reply {
        if self.no_issues {
            return Reply::says(410, "Issues has been disabled in this repository.");
        }
        let body = &request.body;
        if text(&body["title"]).is_empty() {
            return invalid("title is missing");
        }
        let number = self.number();
        let issue = json!({
            "number": number, "title": body["title"], "body": body["body"], "state": "open",
            "labels": body["labels"], "html_url": format!("https://github.example/o/r/issues/{number}"),
        });
        self.issues.push(issue.clone());
        Reply::new(201, self.shown_issue(issue))
    }

    fn shown_issue(&self, mut issue: Value) -> Value {
        issue["labels"] = self.label_objects(&issue["labels"]);
        self.shaped("issue", issue)
    }

    fn issues(&self, request: &Request) -> Reply {
        if self.no_issues {
            return Reply::says(410, "Issues has been disabled in this repository.");
        }
        let state = request.query("state").unwrap_or("open");
        let labels: Vec<_> =
            request.query("labels").unwrap_or_default().split(',').filter(|l| !l.is_empty()).collect();
        let fits = |issue: &&Value| {
            let has = |label: &&str| issue["labels"].as_array().unwrap().iter().any(|there| there == label);
            (state == "all" || issue["state"] == state) && labels.iter().all(has)
        };
        let found: Vec<_> = self.issues.iter().filter(fits).cloned().collect();
        let found = Reply::page(request, found).into_iter().map(|issue| self.shown_issue(issue));
        Reply::new(200, found.collect())
    }

    fn add_label(&mut self, number: u64, names: &Value) -> Reply {
        for name in names.as_array().unwrap() {
            let known = self.labels.iter().any(|label| name == label.as_str());
            if !known {
                self.labels.push(text(name).to_owned());
            }
        }
        let Some(item) = self.pulls.iter_mut().chain(&mut self.issues).find(|item| item["number"] == number)
        else {
            return missing();
        };
        item["labels"].as_array_mut().unwrap().extend(names.as_array().unwrap().iter().cloned());
        let labels = item["labels"].clone();
        Reply::new(200, self.label_objects(&labels))
    }

    fn drop_label(&mut self, number: &str, name: &str) -> Reply {
        let mut items = self.pulls.iter_mut().chain(&mut self.issues);
        let Some(item) = items.find(|item| is_number(&item["number"], number)) else { return missing() };
        item["labels"].as_array_mut().unwrap().retain(|label| label != name);
        let labels = item["labels"].clone();
        Reply::new(200, self.label_objects(&labels))
    }

    fn checks(&self, request: &Request, sha: &str) -> Reply {
        if let Some(happens) = &self.on_checks {
            happens();
        }
        let runs: Vec<_> = Reply::page(request, self.check_runs.clone());
        let runs: Vec<_> = runs
            .into_iter()
            .map(|run| {
                let mut ours =
                    json!({"head_sha": sha, "output": {"annotations_count": 0}, "pull_requests": []});
                lay_over(&mut ours, run);
                self.shaped("check-run", ours)
            })
            .collect();
        Reply::new(200, json!({"total_count": self.check_runs.len(), "check_runs": runs}))
    }

    fn combined(&self, request: &Request, sha: &str) -> Reply {
        let own = self.statuses.iter().filter(|status| status["sha"] == sha);
        let all: Vec<_> = own.chain(&self.foreign).cloned().collect();
        let count = all.len();
        let all =
            Reply::page(request, all).into_iter().map(|status| self.shaped("simple-commit-status", status));
        let ours = json!({
            "state": "success", "sha": sha, "total_count": count, "statuses": all.collect::<Vec<_>>(),
        });
        Reply::new(200, self.shaped("combined-commit-status", ours))
    }

    fn shown_branch(&self, name: &str) -> Reply {
        let there = if name == "main" { &self.branch } else { &self.other_branch };
        if there.is_null() {
            return missing();
        }
        Reply::new(200, self.shaped("branch-with-protection", there.clone()))
    }

    fn rules_of(&self, branch: &str) -> Reply {
        match (branch, &self.other_rules) {
            ("main", _) => readable(&self.rules),
            (_, Value::Null) => Reply::new(200, json!([])),
            (_, rules) => Reply::new(200, rules.clone()),
        }
    }

    fn runs(&self, request: &Request) -> Reply {
        let runs = Reply::page(request, self.workflow_runs.clone());
        let runs: Vec<_> = runs.into_iter().map(|run| self.shaped("workflow-run", run)).collect();
        Reply::new(200, json!({"total_count": self.workflow_runs.len(), "workflow_runs": runs}))
    }
}

impl Forge for GitHub {
    fn answer(&mut self, request: &Request) -> Reply {
        if request.header("authorization") != Some(&format!("Bearer {TOKEN}")) {
            return Reply::says(401, "Bad credentials");
        }
        let path: Vec<_> = request.segments.iter().map(String::as_str).collect();
        let ["repos", "o", "r", rest @ ..] = path.as_slice() else { return missing() };
        match (request.method.as_str(), rest) {
            ("GET", ["branches", name]) => self.shown_branch(name),
            ("GET", ["rules", "branches", name]) => self.rules_of(name),
            ("GET", []) => {
                let ours = json!({
                    "default_branch": "main", "has_issues": !self.no_issues, "archived": false,
                    "full_name": "o/r", "name": "r",
                });
                Reply::new(200, self.shaped("full-repository", ours))
            }
            ("GET", ["pulls"]) => self.pulls(request),
            ("POST", ["pulls"]) => self.pull(request),
            ("PATCH", ["pulls", number]) => {
                let Some(pull) = of_number(&mut self.pulls, number) else { return missing() };
                lay_over(pull, request.body.clone());
                let pull = pull.clone();
                let labels = self.label_objects(&pull["labels"]);
                let mut shown = self.shaped("pull-request", pull);
                shown["labels"] = labels;
                Reply::new(200, shown)
            }
            ("GET", ["pulls", number, "reviews"]) => {
                let of = |review: &&Value| is_number(&review["number"], number);
                let found = self.reviews.iter().filter(of).map(|review| {
                    let mut review = review.clone();
                    review.as_object_mut().unwrap().remove("number");
                    review["user"] = self.shaped("simple-user", review["user"].clone());
                    review
                });
                self.list(request, "pull-request-review", found.collect())
            }
            ("GET", ["issues"]) => self.issues(request),
            ("POST", ["issues"]) => self.issue(request),
            ("PATCH", ["issues", number]) => {
                let Some(issue) = of_number(&mut self.issues, number) else { return missing() };
                lay_over(issue, request.body.clone());
                let issue = issue.clone();
                Reply::new(200, self.shown_issue(issue))
            }
            ("GET", ["issues", number, "comments"]) => {
                let of = |comment: &&Value| is_number(&comment["issue"], number);
                let found = self.comments.iter().filter(of).cloned().collect();
                self.list(request, "issue-comment", found)
            }
            ("POST", ["issues", number, "comments"]) => {
                let id = 1000 + self.number();
                let issue: u64 = number.parse().unwrap();
                let comment = json!({"id": id, "issue": issue, "body": request.body["body"]});
                self.comments.push(comment.clone());
                Reply::new(201, self.shaped("issue-comment", comment))
            }
            ("PATCH", ["issues", "comments", id]) => {
                let Some(comment) = self.comments.iter_mut().find(|c| is_number(&c["id"], id)) else {
                    return missing();
                };
                comment["body"] = request.body["body"].clone();
                let comment = comment.clone();
                Reply::new(200, self.shaped("issue-comment", comment))
            }
            ("POST", ["issues", number, "labels"]) => {
                self.add_label(number.parse().unwrap(), &request.body["labels"])
            }
            ("DELETE", ["issues", number, "labels", name]) => self.drop_label(number, name),
            ("GET", ["labels", name]) if self.labels.iter().any(|label| label == name) => {
                Reply::new(200, self.shaped("label", json!({"name": name, "color": "ededed"})))
            }
            ("POST", ["labels"]) => {
                let name = text(&request.body["name"]).to_owned();
                if self.labels.contains(&name) {
                    return invalid("already_exists");
                }
                self.labels.push(name);
                Reply::new(201, self.shaped("label", request.body.clone()))
            }
            ("POST", ["statuses", sha]) if sha.bytes().all(|byte| byte == b'0') => {
                invalid(&format!("No commit found for SHA: {sha}"))
            }
            ("POST", ["statuses", sha]) => {
                let mut status = request.body.clone();
                status["sha"] = json!(sha);
                self.statuses.retain(|there| there["sha"] != *sha);
                self.statuses.push(status.clone());
                Reply::new(201, self.shaped("status", status))
            }
            ("GET", ["commits", sha, "check-runs"]) => self.checks(request, sha),
            ("GET", ["commits", sha, "status"]) => self.combined(request, sha),
            ("GET", ["actions", "runs"]) => self.runs(request),
            ("GET", ["collaborators", login, "permission"]) => {
                let permission = if self.writers.iter().any(|w| w == login) { "write" } else { "read" };
                let ours = json!({"permission": permission, "role_name": permission});
                Reply::new(200, self.shaped("repository-collaborator-permission", ours))
            }
            _ => missing(),
        }
    }
}

/// Whether `value` is the number that `text` writes.
fn is_number(value: &Value, text: &str) -> bool {
    value.as_u64() == text.parse().ok()
}

fn of_number<'a>(items: &'a mut [Value], number: &str) -> Option<&'a mut Value> {
    items.iter_mut().find(|item| is_number(&item["number"], number))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What the token may read, which null stands against.
fn readable(value: &Value) -> Reply {
    if value.is_null() { missing() } else { Reply::new(200, value.clone()) }
}

fn missing() -> Reply {
    Reply::says(404, "Not Found")
}

fn invalid(message: &str) -> Reply {
    let errors = json!([{"resource": "x", "code": "custom", "message": message}]);
    let mut reply = Reply::says(422, "Validation Failed");
    reply.body["errors"] = errors;
    reply
}

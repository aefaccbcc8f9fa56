//! Who started this run, and whether a stranger could have: decided before anything is spent. Pure; asking the forge
//! about an account is the caller's.

use serde_json::Value;

use crate::domain::commits::trailers;

/// What the CI says about the start of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Trigger {
    /// `GITHUB_EVENT_NAME`; empty outside GitHub.
    pub event: String,
    /// `GITHUB_ACTOR` and `GITHUB_TRIGGERING_ACTOR`.
    pub actors: Vec<String>,
}

/// What follows from a trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Only people with write access can start this.
    Trusted,
    /// Refused, and why.
    Refused(String),
    /// Fine if each of these accounts may write.
    Ask(Vec<String>),
}

/// Events that only accounts with write access, or the forge's own clock, can cause.
const TRUSTED: [&str; 7] = [
    "push",
    "workflow_dispatch",
    "repository_dispatch",
    "schedule",
    "merge_group",
    "workflow_call",
    "deployment",
];

/// Judges a trigger by its event and the event's `payload`.
pub(crate) fn judge(trigger: &Trigger, payload: Option<&Value>) -> Standing {
    if trigger.event.is_empty() || TRUSTED.contains(&trigger.event.as_str()) {
        return Standing::Trusted;
    }
    let event = &trigger.event;
    let Some(payload) = payload else {
        return Standing::Refused(format!(
            "this run was started by `{event}`, which anybody can cause, and the event's payload cannot be read \
             (GITHUB_EVENT_PATH): start it by workflow_dispatch or a schedule"
        ));
    };
    if let Some(fork) = fork(payload) {
        return Standing::Refused(format!(
            "this run was started by `{event}` from {fork}, another repository: pace does not work on forks"
        ));
    }
    let sender = payload.pointer("/sender/login").and_then(Value::as_str).map(str::to_owned);
    let mut accounts: Vec<String> = trigger.actors.iter().cloned().chain(sender).collect();
    accounts.sort();
    accounts.dedup();
    let is_bot = |account: &&String| account.ends_with("[bot]");
    let kind = payload.pointer("/sender/type").and_then(Value::as_str);
    if let Some(bot) = accounts.iter().find(is_bot).or(accounts.first().filter(|_| kind == Some("Bot"))) {
        return Standing::Refused(format!(
            "this run was started by `{event}` of {bot}, a bot: a person with write access has to start it"
        ));
    }
    if accounts.is_empty() {
        return Standing::Refused(format!("this run was started by `{event}`, and nobody says by whom"));
    }
    Standing::Ask(accounts)
}

/// Why a run of `account`, which may not write, is refused.
pub(crate) fn refused(trigger: &Trigger, account: &str) -> String {
    format!(
        "this run was started by `{}` of {account}, who has no write access to the repository: a person with write \
         access has to start it",
        trigger.event
    )
}

/// The other repository that the event comes from.
fn fork(payload: &Value) -> Option<String> {
    let name = |path: &str| payload.pointer(path).and_then(Value::as_str);
    let own = name("/repository/full_name")?;
    let heads = [
        ("/pull_request", "/pull_request/head/repo/full_name"),
        ("/workflow_run", "/workflow_run/head_repository/full_name"),
    ];
    heads.into_iter().find_map(|(part, path)| {
        payload.pointer(part).filter(|part| !part.is_null())?;
        match name(path) {
            Some(head) if head == own => None,
            Some(head) => Some(head.to_owned()),
            // The fork is gone.
            None => Some("a repository that no longer exists".to_owned()),
        }
    })
}

/// What brought new commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    Push,
    /// A review that was opened, or updated by a push.
    Review,
}

/// Whether `event` tells of new commits on a branch. A review that somebody labelled or commented on is another matter.
pub(crate) fn news(event: &str, payload: Option<&Value>) -> Option<News> {
    let action = || payload.and_then(|payload| payload.get("action")).and_then(Value::as_str);
    match event {
        "push" => Some(News::Push),
        // Made by a commit or by hand, which GitLab does not tell apart.
        "merge_request_event" => Some(News::Review),
        "pull_request" | "pull_request_target" => {
            matches!(action(), Some("opened" | "reopened" | "synchronize")).then_some(News::Review)
        }
        _ => None,
    }
}

/// Whether `message` carries a trailer by which pace knows its own commits: `Pace-Day:` with a number, or `Pace-Merge:`
/// of a merge that it made. `scripts/action/guard.sh` looks for the same.
pub(crate) fn is_own_commit(message: &str) -> bool {
    let trailer = |name| trailers(message).find_map(|line| line.trim().strip_prefix(name)).map(str::trim);
    let a_day = |day: &str| !day.is_empty() && day.bytes().all(|b| b.is_ascii_digit());
    trailer("Pace-Day:").is_some_and(a_day) || trailer("Pace-Merge:").is_some_and(|base| !base.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn judged(event: &str, actors: &[&str], payload: Option<Value>) -> Standing {
        let actors = actors.iter().map(ToString::to_string).collect();
        judge(&Trigger { event: event.into(), actors }, payload.as_ref())
    }

    fn is_refused(standing: &Standing, because: &str) -> bool {
        matches!(standing, Standing::Refused(reason) if reason.contains(because))
    }

    #[test]
    fn what_only_writers_can_start_is_trusted() {
        for event in ["", "push", "workflow_dispatch", "schedule"] {
            assert_eq!(judged(event, &["x"], None), Standing::Trusted, "{event}");
        }
    }

    #[test]
    fn strangers_forks_and_bots() {
        let payload = |sender: &str, kind: &str| json!({"repository": {"full_name": "o/r"}, "sender": {"login": sender, "type": kind}});
        let asked = judged("issues", &["ann"], Some(payload("bob", "User")));
        assert_eq!(asked, Standing::Ask(vec!["ann".into(), "bob".into()]));
        assert!(is_refused(&judged("issues", &["ann"], None), "GITHUB_EVENT_PATH"));
        assert!(is_refused(&judged("issues", &[], Some(payload("x[bot]", "Bot"))), "x[bot]"));
        assert!(is_refused(&judged("issues", &["app"], Some(payload("app", "Bot"))), "a bot"));
        let mut pull = payload("ann", "User");
        pull["pull_request"] = json!({"head": {"repo": {"full_name": "evil/r"}}});
        assert!(is_refused(&judged("pull_request_review", &[], Some(pull.clone())), "evil/r"));
        pull["pull_request"]["head"]["repo"] = Value::Null;
        assert!(is_refused(&judged("pull_request_review", &[], Some(pull)), "no longer exists"));
        let mut run = payload("ann", "User");
        run["workflow_run"] = json!({"head_repository": {"full_name": "evil/r"}});
        assert!(is_refused(&judged("workflow_run", &[], Some(run)), "evil/r"));
    }

    #[test]
    fn some_events_tell_of_commits() {
        let action = |action: &str| Some(json!({"action": action}));
        for (event, payload, expected) in [
            ("push", None, Some(News::Push)),
            ("merge_request_event", None, Some(News::Review)),
            ("pull_request", action("synchronize"), Some(News::Review)),
            ("pull_request", action("opened"), Some(News::Review)),
            ("pull_request", action("labeled"), None),
            ("pull_request", None, None),
            ("workflow_dispatch", None, None),
            ("web", None, None),
            ("schedule", None, None),
        ] {
            assert_eq!(news(event, payload.as_ref()), expected, "{event} {payload:?}");
        }
    }

    #[test]
    fn own_commits_carry_the_trailer_in_their_last_paragraph() {
        assert!(is_own_commit("pace: day 1 SHIP\n\ntext\n\nPace-Day: 1\nPace-Sprint: s\n"));
        assert!(is_own_commit("Merge main into pace/sprint\n\nPace-Merge: main\n"));
        for message in [
            "Fix",
            "Merge main into pace/sprint",
            "x\n\nPace-Merge:",
            "Pace-Day: 1\n\nquoted above",
            "x\n\nPace-Day: soon",
            "x\n\nPace-Day:",
        ] {
            assert!(!is_own_commit(message), "{message}");
        }
    }
}

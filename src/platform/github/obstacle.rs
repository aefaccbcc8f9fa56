//! Rules that a push to a branch would meet. Who reads the code may read them; whom they exempt is told to nobody.

use super::GitHub;
use super::access::Rule;
use crate::platform::Obstacle;
use crate::platform::http::Failure;

impl GitHub {
    /// What cannot be read is no obstacle: the push will tell.
    pub(super) async fn obstacle_of(&self, branch: &str) -> Option<Obstacle> {
        let there = match self.branch(branch).await {
            Ok(there) => Some(there),
            Err(Failure::Refused { status: 404, .. }) => None,
            Err(failure) => return unknown(branch, &failure),
        };
        // Older servers have no rulesets.
        let rules = match self.rules(branch).await {
            Ok(rules) => rules,
            Err(Failure::Refused { status: 404, .. }) => vec![],
            Err(failure) => return unknown(branch, &failure),
        };
        let is_new = there.is_none();
        let mut wants: Vec<String> =
            rules.iter().filter_map(|rule| want(rule, is_new)).map(str::to_owned).collect();
        if let Some(there) = there.filter(|there| there.protected && wants.is_empty()) {
            wants.push(match there.checks().as_slice() {
                [] => "it is protected".to_owned(),
                checks => {
                    format!("it takes commits only after their checks have passed ({})", checks.join(", "))
                }
            });
        }
        wants.dedup();
        let text = format!(
            "rules of {branch} may refuse the push: {}; let pace's token bypass them (Settings, Rules or Branches), or \
             set PACE_BRANCH to a branch outside of them",
            wants.join(", ")
        );
        (!wants.is_empty()).then_some(Obstacle { text, certain: false })
    }
}

fn unknown(branch: &str, failure: &Failure) -> Option<Obstacle> {
    tracing::debug!("the rules of {branch} cannot be read: {failure}");
    None
}

/// What a rule wants that pace's commits or its way to push them do not give. `is_new`: the branch is not there yet.
fn want(rule: &Rule, is_new: bool) -> Option<&'static str> {
    Some(match rule.kind.as_str() {
        "required_signatures" => "it takes signed commits only, and pace's are not",
        "pull_request" => "changes reach it through pull requests only",
        "merge_queue" => "changes reach it through the merge queue only",
        "update" => "nobody may push to it",
        "creation" if is_new => "nobody may make it",
        "required_linear_history" => "it takes no merge commits, and pace merges what others push",
        "required_status_checks" => "it takes commits only after their checks have passed",
        "commit_message_pattern" => "commit messages must follow a pattern (PACE_TEMPLATES_DIR has pace's)",
        "commit_author_email_pattern" | "committer_email_pattern" => {
            "addresses of committers must follow a pattern (PACE_GIT_EMAIL is pace's)"
        }
        "branch_name_pattern" if is_new => "names of branches must follow a pattern",
        _ => return None,
    })
}

//! What a git server's refusal means to a person. Pure; knows no connection.

/// The user name that goes with GitLab's job token.
pub(crate) const JOB_USER: &str = "gitlab-ci-token";

const JOB_MEND: &str = "CI_JOB_TOKEN may push only where the project allows it (Settings, CI/CD, Job token \
                        permissions), and such a push starts no pipeline: use a project access token with the `api` \
                        scope as GITLAB_TOKEN";

/// Why the server did not serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The credential is missing, wrong or too weak, or the repository is not there: a person must act.
    Access(String),
    /// Anything else on the way.
    Network(String),
}

impl Refusal {
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Access(text) | Self::Network(text) => text,
        }
    }

    /// The meaning of an HTTP status. `user` is whose credential went along, if one did; `said` what the server
    /// said, as `: text` or empty.
    pub(super) fn of_status(
        status: u16,
        host: &str,
        repository: &str,
        user: Option<&str>,
        said: &str,
    ) -> Self {
        Self::Access(match status {
            401 | 403 | 404 if user == Some(JOB_USER) => {
                format!("{host} forbids it to the job token (HTTP {status}{said}); {JOB_MEND}")
            }
            401 if user.is_some() => {
                format!("{host} refused the credential (HTTP 401{said}); renew the token")
            }
            401 => format!(
                "{host} asks for a credential (HTTP 401{said}), and there is none for it; give pace a token"
            ),
            403 => format!(
                "{host} forbids it with this credential (HTTP 403{said}); the token needs write access to the \
                 repository's contents"
            ),
            404 => format!(
                "{host} has no repository at {repository} that this credential may see (HTTP 404{said}); check \
                 the URL and the token's access"
            ),
            413 => format!("{host} takes no push of this size (HTTP 413{said})"),
            _ => return Self::Network(format!("{host} answered HTTP {status}{said}")),
        })
    }
}

/// A refusal in the words for a run that only reads: its mend, behind the last semicolon, may ask for more than that takes.
pub(super) fn of_reading(text: &str) -> String {
    match text.rsplit_once("; ") {
        Some((fact, mend)) if mend.contains("token") => {
            format!("{fact}; a token that may read the repository is enough")
        }
        _ => text.to_owned(),
    }
}

/// What a server's words on a rejected branch mean, by parts of them in lower case: GitHub's protections and rule
/// sets, GitLab's protected branches and push rules, git's own refusals. The first that fits counts.
const REJECTIONS: [(&[&str], &str); 11] = [
    (
        &["verified signatures", "must be signed", "unsigned commit", "commit is not signed"],
        "the branch requires signed commits, and pace's are not: take the branch out of that rule, or set PACE_BRANCH \
         to one outside of it",
    ),
    (
        &["without `workflow"],
        "the token may not change workflows: use one with `workflows: write`, or take .github out of PACE_SOURCE_DIRS",
    ),
    (
        &["cannot contain secrets", "contains secrets", "secret detected", "push protection"],
        "the forge's own scan saw a secret in the commits: take it out of them and renew it, or allow it there",
    ),
    (
        &["file size limit", "large files detected", "larger than the allowed", "exceeds the maximum"],
        "a file of the commits is too large for the forge: take it out, or ignore it in .gitignore",
    ),
    (
        &[
            "is not a member of team",
            "cannot push commits for",
            "'s email",
            "committer email",
            "author email",
        ],
        "the forge does not accept who pace commits as: set PACE_GIT_NAME and PACE_GIT_EMAIL to an account that it knows",
    ),
    (
        &["not follow the pattern"],
        "a push rule wants other commit messages or branch names: PACE_TEMPLATES_DIR (commit*.txt.j2), PACE_BRANCH",
    ),
    (
        &[
            "protected branch",
            "protected branches",
            "through a pull request",
            "rule violations",
            "gh006",
            "gh013",
        ],
        "the branch is protected: let pace's token push to it, or set PACE_BRANCH to one that is not",
    ),
    (
        &["not allowed to push", "not allowed to upload", "read-only", "read only"],
        "the token may not write: give it write access to the repository's contents (GitLab: role Developer)",
    ),
    (
        &["shallow update", "missing necessary objects", "failed to traverse parents"],
        "the clone is too shallow: check out the whole history (fetch-depth: 0, GIT_DEPTH: 0)",
    ),
    (
        &["checked out"],
        "the remote has that branch checked out: give origin a bare repository, or set PACE_BRANCH",
    ),
    (
        &["hook declined"],
        "a hook of the server decided that, and its message names the rule: follow it, or set PACE_BRANCH to a branch \
         that the rule leaves alone",
    ),
];

/// The mend of a branch that the server rejected with `words`, its messages to people included.
pub(super) fn mend(words: &str) -> Option<&'static str> {
    let words = words.to_lowercase();
    let fits = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    REJECTIONS.iter().find(|(parts, _)| fits(parts)).map(|(_, mend)| *mend)
}

/// A remote's text for people: no control characters, no token, 200 characters at most.
pub(super) fn plain(text: &str, token: Option<&str>) -> String {
    let text = match token.filter(|token| !token.is_empty()) {
        Some(token) => text.replace(token, "***"),
        None => text.to_owned(),
    };
    let text: String = text.chars().filter(|c| !c.is_control()).take(200).collect();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_names_the_mend() {
        let user = Some("x-access-token");
        for (status, user, access, part) in [
            (401, user, true, "renew the token"),
            (401, None, true, "give pace a token"),
            (403, user, true, "write access"),
            (404, user, true, "no repository at /o/r.git"),
            (413, user, true, "this size"),
            (500, user, false, "HTTP 500: gone"),
            (503, None, false, "h answered HTTP 503"),
            (403, Some(JOB_USER), true, "project access token"),
            (404, Some(JOB_USER), true, "CI_JOB_TOKEN"),
            (500, Some(JOB_USER), false, "HTTP 500: gone"),
        ] {
            let refusal = Refusal::of_status(status, "h", "/o/r.git", user, ": gone");
            assert!(refusal.text().contains(part), "{refusal:?}");
            assert_eq!(matches!(refusal, Refusal::Access(_)), access);
        }
    }

    /// As GitHub, GitLab and git say it.
    #[test]
    fn a_rejection_names_the_mend() {
        for (words, part) in [
            (
                "GH006: Protected branch update failed for refs/heads/x. Commits must have verified signatures.",
                "signed",
            ),
            ("GH013: Repository rule violations found - Commits must have verified signatures.", "signed"),
            ("GitLab: Commit must be signed with a GPG key", "signed"),
            (
                "GH006: Protected branch update failed for refs/heads/main. Changes must be made through a pull request.",
                "is protected",
            ),
            ("push declined due to repository rule violations", "is protected"),
            (
                "GitLab: You are not allowed to push code to protected branches on this project.",
                "is protected",
            ),
            ("GitLab: You are not allowed to push code to this project.", "may not write"),
            (
                "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` without `workflows` permission",
                "workflows: write",
            ),
            ("GH013: Repository rule violations found. - Push cannot contain secrets", "a secret"),
            ("File big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB", "too large"),
            ("GitLab: Author 'ci@example.org' is not a member of team", "PACE_GIT_EMAIL"),
            ("GitLab: Commit message does not follow the pattern '^[A-Z]+-'", "PACE_TEMPLATES_DIR"),
            ("shallow update not allowed", "fetch-depth: 0"),
            ("branch is currently checked out", "bare repository"),
            ("pre-receive hook declined", "a hook of the server"),
        ] {
            let found = mend(words).unwrap_or_default();
            assert!(found.contains(part), "{words}: {found}");
        }
        assert_eq!(mend("failed to update ref"), None);
    }

    #[test]
    fn a_remotes_text_is_tamed() {
        assert_eq!(plain(" \u{1b}[31mbad s3cret\u{7}\r\n", Some("s3cret")), "[31mbad ***");
        assert_eq!(plain(&"x".repeat(500), Some("")).len(), 200);
    }
}

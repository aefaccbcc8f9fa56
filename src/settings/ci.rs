//! What the CI says of itself: platform, project, ref, commit identity. Reads variables only; calls no API.

use super::given::{Given, Inputs, Read, flag};
use super::{CiContext, Findings, Git, LogStyle, Platform, PlatformKind, Push};
use crate::repo::{BranchRules, CiRef, Identity};
use crate::secret::Secret;

const PLATFORMS: [(&str, PlatformKind); 3] =
    [("github", PlatformKind::GitHub), ("gitlab", PlatformKind::GitLab), ("local", PlatformKind::Local)];

const PUSHES: [(&str, Push); 3] = [("auto", Push::Auto), ("true", Push::Always), ("false", Push::Never)];

/// The account in whose name GitHub Actions commits; the number is GitHub's own for it.
const GITHUB_BOT: (&str, &str) =
    ("github-actions[bot]", "41898282+github-actions[bot]@users.noreply.github.com");

/// The CI around this run.
pub(super) fn context(inputs: &Inputs) -> CiContext {
    let (github, gitlab) = (is_on(&inputs.github_actions()), is_on(&inputs.gitlab_ci()));
    // Some systems write their own name into CI; only a plain no is a no.
    let other = inputs.ci().text.is_some_and(|text| flag(text) != Some(false));
    CiContext {
        present: github || gitlab || other,
        step_summary: inputs.github_step_summary().text.map(Into::into),
        output: inputs.github_output().text.map(Into::into),
        log_style: match (github, gitlab) {
            (true, _) => LogStyle::GitHub,
            (false, true) => LogStyle::GitLab,
            (false, false) => LogStyle::Plain,
        },
        event: if gitlab { inputs.ci_pipeline_source() } else { inputs.github_event_name() }.text(),
        event_path: inputs.github_event_path().text.map(Into::into),
        actors: [inputs.github_actor(), inputs.github_triggering_actor()]
            .iter()
            .filter_map(Given::text)
            .collect(),
        run_id: if gitlab { inputs.ci_pipeline_id() } else { inputs.github_run_id() }.text(),
        run_url: if gitlab { inputs.ci_job_url().text() } else { github_run(inputs) },
    }
}

/// Page of the run on GitHub.
fn github_run(inputs: &Inputs) -> Option<String> {
    let (server, project) = (inputs.github_server_url().text, inputs.github_repository().text?);
    let server = server.unwrap_or("https://github.com").trim_end_matches('/');
    Some(format!("{server}/{project}/actions/runs/{}", inputs.github_run_id().text?))
}

/// Where reviews and issues go, and the way there.
pub(super) fn platform(inputs: &Inputs, ci: &CiContext, findings: &mut Findings) -> Platform {
    let detected = match ci.log_style {
        LogStyle::GitHub => PlatformKind::GitHub,
        LogStyle::GitLab => PlatformKind::GitLab,
        LogStyle::Plain => PlatformKind::Local,
    };
    let kind = findings.keep(kind(&inputs.pace_platform(), &["bitbucket", "jenkins", "jira"]));
    let kind = kind.unwrap_or(detected);
    let tracker = findings.keep(self::kind(&inputs.pace_tracker(), &["bitbucket", "jenkins", "jira"]));
    let tracker = tracker.unwrap_or(kind);
    let forge = if kind == PlatformKind::Local { tracker } else { kind };
    match forge {
        PlatformKind::GitHub => github(inputs, kind, tracker, findings),
        PlatformKind::GitLab => gitlab(inputs, kind, tracker, findings),
        PlatformKind::Local => Platform {
            kind,
            tracker,
            project: None,
            api_url: None,
            server_url: None,
            token: None,
            token_is_job_token: false,
        },
    }
}

fn kind(given: &Given<'_>, reserved: &[&str]) -> Read<PlatformKind> {
    if reserved.iter().any(|name| given.text.is_some_and(|text| text.eq_ignore_ascii_case(name))) {
        return Err(given.problem(
            "which is reserved and not built yet",
            "use local until then, which writes reviews and issues as files",
        ));
    }
    given.choice(&PLATFORMS)
}

fn github(inputs: &Inputs, kind: PlatformKind, tracker: PlatformKind, findings: &mut Findings) -> Platform {
    let repository = inputs.github_repository();
    let project = repository.text.and_then(|text| {
        let fits = text.split('/').count() == 2
            && text.split('/').all(|part| !part.is_empty())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        if !fits {
            findings.problem(repository.problem("not a repository's name", "use owner/name"));
        }
        fits.then(|| text.to_owned())
    });
    Platform {
        kind,
        tracker,
        project,
        api_url: Some(address(&inputs.github_api_url(), "https://api.github.com", findings)),
        server_url: Some(address(&inputs.github_server_url(), "https://github.com", findings)),
        token: findings.keep(inputs.github_token().secret()),
        token_is_job_token: false,
    }
}

fn gitlab(inputs: &Inputs, kind: PlatformKind, tracker: PlatformKind, findings: &mut Findings) -> Platform {
    let own = inputs.gitlab_url();
    let server = if own.text.is_some() { own } else { inputs.ci_server_url() };
    let server_url = address(&server, "https://gitlab.com", findings);
    let of_server = format!("{server_url}/api/v4");
    let api_url =
        if own.text.is_some() { of_server } else { address(&inputs.ci_api_v4_url(), &of_server, findings) };
    let job_token = findings.keep(inputs.ci_job_token().secret());
    let token = findings.keep(inputs.gitlab_token().secret()).or_else(|| job_token.clone());
    let project = findings.keep(inputs.gitlab_project().word());
    Platform {
        kind,
        tracker,
        project: project
            .or_else(|| inputs.ci_project_id().text())
            .or_else(|| inputs.ci_project_path().text()),
        api_url: Some(api_url),
        server_url: Some(server_url),
        token_is_job_token: is_same(token.as_ref(), job_token.as_ref()),
        token,
    }
}

fn is_same(one: Option<&Secret>, other: Option<&Secret>) -> bool {
    one.is_some() && one == other
}

fn address(given: &Given<'_>, default: &str, findings: &mut Findings) -> String {
    findings
        .keep(given.address())
        .map_or_else(|| default.to_owned(), |url| url.as_str().trim_end_matches('/').to_owned())
}

/// Branch rules, push and commit identity.
pub(super) fn git(inputs: &Inputs, ci: &CiContext, platform: &Platform, findings: &mut Findings) -> Git {
    let wanted = findings.keep(inputs.pace_branch().branch());
    let base = findings.keep(inputs.pace_base_branch().branch());
    if wanted.is_some() && wanted == base {
        findings.problem(inputs.pace_branch().problem(
            "which is also PACE_BASE_BRANCH",
            "commits need a branch of their own, name another one or remove it",
        ));
    }
    // true and false have many spellings; auto has one.
    let push = inputs.pace_push();
    let push = match push.text.and_then(flag) {
        Some(true) => Some(Push::Always),
        Some(false) => Some(Push::Never),
        None => findings.keep(push.choice(&PUSHES)),
    };
    Git {
        branch: BranchRules {
            wanted,
            base: base.or_else(|| inputs.ci_default_branch().text()),
            ci_ref: match ci.log_style {
                LogStyle::GitHub => github_ref(inputs),
                LogStyle::GitLab => gitlab_ref(inputs),
                LogStyle::Plain => None,
            },
        },
        push: push.unwrap_or(Push::Auto),
        identity: identity(inputs, platform, findings),
        read_token: None,
    }
}

/// The ref of a GitHub run. Whether a pull request comes from a fork stands in the event's payload only; under
/// `pull_request` GitHub itself withholds secrets from forks, under `pull_request_target` it does not, so that
/// one counts as a fork, as does a pull request whose branch is unknown.
fn github_ref(inputs: &Inputs) -> Option<CiRef> {
    let full = inputs.github_ref().text.unwrap_or_default();
    let name = inputs.github_ref_name().text;
    if inputs.github_ref_type().text == Some("tag") || full.starts_with("refs/tags/") {
        return Some(CiRef::Tag(name.unwrap_or_else(|| full.trim_start_matches("refs/tags/")).to_owned()));
    }
    let head = inputs.github_head_ref().text;
    if inputs.github_event_name().text == Some("pull_request_target") {
        return Some(CiRef::Fork(head.or(name).unwrap_or("pull_request_target").to_owned()));
    }
    if let Some(head) = head {
        return Some(CiRef::Branch(head.to_owned()));
    }
    if full.starts_with("refs/pull/") {
        return Some(CiRef::Fork(full.to_owned()));
    }
    full.strip_prefix("refs/heads/").or(name).map(|branch| CiRef::Branch(branch.to_owned()))
}

fn gitlab_ref(inputs: &Inputs) -> Option<CiRef> {
    if let Some(tag) = inputs.ci_commit_tag().text {
        return Some(CiRef::Tag(tag.to_owned()));
    }
    let source = inputs.ci_merge_request_source_branch_name().text;
    let from = inputs.ci_merge_request_source_project_path().text;
    if let Some(from) = from
        && Some(from) != inputs.ci_project_path().text
    {
        return Some(CiRef::Fork(format!("{from}:{}", source.unwrap_or("?"))));
    }
    source.or(inputs.ci_commit_branch().text).map(|branch| CiRef::Branch(branch.to_owned()))
}

fn identity(inputs: &Inputs, platform: &Platform, findings: &mut Findings) -> Identity {
    let host = platform.server_url.as_deref().and_then(|url| url::Url::parse(url).ok());
    let host = host.as_ref().and_then(|url| url.host_str()).unwrap_or("localhost");
    let (name, email) = match platform.kind {
        PlatformKind::GitHub if host == "github.com" => (GITHUB_BOT.0, GITHUB_BOT.1.to_owned()),
        PlatformKind::GitHub | PlatformKind::GitLab | PlatformKind::Local => ("pace", format!("pace@{host}")),
    };
    Identity {
        name: findings
            .keep(part_of_identity(&inputs.pace_git_name(), false))
            .unwrap_or_else(|| name.to_owned()),
        email: findings.keep(part_of_identity(&inputs.pace_git_email(), true)).unwrap_or(email),
    }
}

fn part_of_identity(given: &Given<'_>, email: bool) -> Read<String> {
    let Some(line) = given.line()? else {
        return Ok(None);
    };
    if line.contains(['<', '>']) {
        return Err(given.problem("with < or >, which git reserves", "remove them"));
    }
    if email && (!line.contains('@') || line.contains(char::is_whitespace)) {
        return Err(given.problem("not an e-mail address", "use name@host"));
    }
    Ok(Some(line))
}

fn is_on(given: &Given<'_>) -> bool {
    given.text.and_then(flag) == Some(true)
}

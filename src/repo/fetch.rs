//! Brings a run's branches from the remote. Knows no rules of what is done with them, and touches no work tree.

use git2::{AutotagOption, Direction, FetchOptions, Oid, Repository};

use super::RepoError;
use super::git::Inner;
use super::refusal::{self, Refusal};
use super::settle::{self, Names};

/// Fetches the target branch, and in a full clone the base branch too. Returns the target's tip on the remote and,
/// where the remote could not be asked although the run goes on, a line for the log.
///
/// A run that will not push goes on with what the clone knows. One that will push does not: it could only fail
/// later, after its cost.
pub(super) fn look(
    inner: &Inner,
    repo: &Repository,
    names: &Names,
) -> Result<(Option<Oid>, Option<String>), RepoError> {
    let optional = inner.options.push.never.is_some();
    let known = || settle::remote_tip(repo, &names.target);
    let url = match (inner.remote.unsupported(), inner.remote.url()) {
        (Some(problem), _) if !optional => return Err(RepoError::Unusable(problem)),
        (None, Some(url)) => url,
        _ => return Ok((known(), None)),
    };
    let (result, refusal) = inner.session().run(|| fetch(repo, url, names));
    let problem = match (result, refusal) {
        (Ok(tip), _) => return Ok((tip, None)),
        (Err(_), Some(Refusal::Access(text))) if !optional => return Err(RepoError::Unusable(text)),
        (Err(_), Some(refusal)) if optional => refusal::of_reading(refusal.text()),
        (Err(_), Some(refusal)) => refusal.text().to_owned(),
        (Err(error), None) => error.message().to_owned(),
    };
    if optional {
        let text = format!("did not fetch: {problem}. The run goes on with the commits of this clone");
        return Ok((known(), Some(text)));
    }
    Err(RepoError::Other(anyhow::anyhow!("fetching {} failed: {problem}", names.target)))
}

fn fetch(repo: &Repository, url: &str, names: &Names) -> Result<Option<Oid>, git2::Error> {
    let mut remote = repo.remote_anonymous(url)?;
    let mut connection = remote.connect_auth(Direction::Fetch, None, None)?;
    let heads: Vec<_> = connection.list()?.iter().map(|head| (head.name().to_owned(), head.oid())).collect();
    let tip = |branch: &str| {
        let name = format!("refs/heads/{branch}");
        heads.iter().find(|(head, _)| *head == name).map(|(_, id)| *id)
    };
    let mut wanted = vec![names.target.as_str()];
    // From a shallow clone, the base branch could pull in a whole history that nobody asked for.
    if !repo.is_shallow() && names.base != names.target {
        wanted.push(&names.base);
    }
    wanted.retain(|branch| tip(branch).is_some());
    if !wanted.is_empty() {
        let spec = |branch: &&str| format!("+refs/heads/{branch}:refs/remotes/origin/{branch}");
        let specs: Vec<_> = wanted.iter().map(spec).collect();
        let mut options = FetchOptions::new();
        options.download_tags(AutotagOption::None).update_fetchhead(false);
        connection.remote().fetch(&specs, Some(&mut options), Some("fetch by pace"))?;
    }
    Ok(tip(&names.target))
}

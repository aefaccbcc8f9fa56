//! Which branch commits go to and which one reviews go to: pure rules, and the few references they need. Changes
//! nothing.

use git2::{BranchType, Oid, Repository};

use super::{BranchRules, CiRef, RepoError};

/// The branch of a run that was started on the base branch.
pub(super) const SPRINT: &str = "pace/sprint";

/// The names of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    /// The branch that the run was started on; `None` on a detached HEAD that no CI names.
    pub start: Option<String>,
    /// Where reviews go.
    pub base: String,
    /// Where commits go.
    pub target: String,
}

/// Settles the names. `head` is the branch that HEAD is attached to, `base` what [`known`] found.
pub(super) fn names(rules: &BranchRules, head: Option<&str>, base: &str) -> Result<Names, RepoError> {
    let named = match &rules.ci_ref {
        Some(CiRef::Tag(tag)) => {
            return refuse(format!("the run was started on the tag {tag}; start it on a branch"));
        }
        Some(CiRef::Fork(from)) => {
            return refuse(format!(
                "the run was started by a review from another repository ({from}); pace works for branches of its own repository only"
            ));
        }
        Some(CiRef::Branch(branch)) => Some(branch.as_str()),
        None => None,
    };
    let start = named.or(head);
    let base = if base.is_empty() { start.unwrap_or("main") } else { base };
    let target = match (rules.wanted.as_deref(), start) {
        (Some(wanted), _) => wanted.strip_prefix("refs/heads/").unwrap_or(wanted),
        (None, Some(start)) if start == base => SPRINT,
        (None, Some(start)) => start,
        (None, None) => {
            return refuse(
                "HEAD is detached and no CI names a branch; check out a branch, or set PACE_BRANCH".into(),
            );
        }
    };
    let invalid = [target, base].into_iter().find(|name| !git2::Branch::name_is_valid(name).unwrap_or(false));
    if let Some(name) = invalid {
        return refuse(format!(
            "`{name}` is not a valid branch name; correct PACE_BRANCH or PACE_BASE_BRANCH"
        ));
    }
    if let (Some(head), Some(named), None) = (head, named, &rules.wanted)
        && head != named
        && head != target
    {
        return refuse(format!(
            "CI names the branch {named}, but {head} is checked out; set PACE_BRANCH={head} to work on it"
        ));
    }
    Ok(Names { start: start.map(str::to_owned), base: base.to_owned(), target: target.to_owned() })
}

/// The base branch, as far as settings or references tell: the settings' word, else the remote's default, else
/// `main` or `master` where it exists; else empty.
pub(super) fn known(repo: &Repository, rules: &BranchRules) -> String {
    let default = || {
        let head = repo.find_reference("refs/remotes/origin/HEAD").ok()?;
        let target = head.symbolic_target().ok().flatten()?;
        target.strip_prefix("refs/remotes/origin/").map(str::to_owned)
    };
    let common = || {
        let exists = |name: &&str| !tips(repo, name).is_empty();
        ["main", "master"].into_iter().find(exists).map(str::to_owned)
    };
    rules.base.clone().or_else(default).or_else(common).unwrap_or_default()
}

/// The tips of a branch that this clone knows: the remote's first, then its own.
pub(super) fn tips(repo: &Repository, branch: &str) -> Vec<Oid> {
    [remote_tip(repo, branch), local_tip(repo, branch)].into_iter().flatten().collect()
}

/// The tip of the branch at the last contact with the remote.
pub(super) fn remote_tip(repo: &Repository, branch: &str) -> Option<Oid> {
    let branch = repo.find_branch(&format!("origin/{branch}"), BranchType::Remote).ok()?;
    branch.get().peel_to_commit().ok().map(|commit| commit.id())
}

/// The tip of the local branch.
pub(super) fn local_tip(repo: &Repository, branch: &str) -> Option<Oid> {
    let branch = repo.find_branch(branch, BranchType::Local).ok()?;
    branch.get().peel_to_commit().ok().map(|commit| commit.id())
}

fn refuse(problem: String) -> Result<Names, RepoError> {
    Err(RepoError::Unusable(problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (&'static str, &'static str, &'static str, &'static str, Result<&'static str, &'static str>);

    /// `PACE_BRANCH`, CI's ref, HEAD's branch, base → target, or a part of the refusal.
    const TABLE: [Row; 14] = [
        ("", "b:main", "", "main", Ok("pace/sprint")),
        ("", "b:main", "main", "main", Ok("pace/sprint")),
        ("", "b:feature", "", "main", Ok("feature")),
        ("", "b:main", "pace/sprint", "main", Ok("pace/sprint")),
        ("", "", "main", "main", Ok("pace/sprint")),
        ("", "", "topic", "main", Ok("topic")),
        ("", "", "trunk", "", Ok("pace/sprint")),
        ("work", "b:main", "", "main", Ok("work")),
        ("main", "b:main", "main", "main", Ok("main")),
        ("", "b:main", "develop", "main", Err("PACE_BRANCH=develop")),
        ("", "t:v1", "", "main", Err("tag v1")),
        ("work", "f:evil/fork", "", "main", Err("another repository")),
        ("", "", "", "main", Err("detached")),
        ("a..b", "b:main", "", "main", Err("not a valid branch name")),
    ];

    #[test]
    fn the_branch_follows_the_table() {
        for (wanted, ci, head, base, expected) in TABLE {
            let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let ci_ref = some(ci).map(|ci| match ci.split_once(':').unwrap() {
                ("b", name) => CiRef::Branch(name.into()),
                ("t", name) => CiRef::Tag(name.into()),
                (_, name) => CiRef::Fork(name.into()),
            });
            let rules = BranchRules { wanted: some(wanted), base: None, ci_ref };
            let settled = names(&rules, some(head).as_deref(), base);
            match (settled, expected) {
                (Ok(names), Ok(target)) => assert_eq!(names.target, target, "{wanted} {ci} {head}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
                (settled, _) => panic!("{wanted} {ci} {head}: {settled:?}"),
            }
        }
    }
}

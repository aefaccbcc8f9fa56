//! The tripwire at its two places: before FORGE's handoff, and over the commit that GATE judges. Reads the files; what
//! a change means is `evidence::tamper`'s.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::{AgentError, Desk, day_change};
use crate::domain::artifact::{Finding, FindingResult};
use crate::domain::diff::Diff;
use crate::domain::event::{Event, Level};
use crate::evidence::command::command_of;
use crate::evidence::leftovers;
use crate::evidence::strays::{self, Moment};
use crate::evidence::tamper::{self, Changed, Look, Named};
use crate::evidence::{pipeline, scan};
use crate::journal::Record;
use crate::repo::{Repository, Restoring};

/// Largest file that is compared, in bytes.
const LARGEST: usize = 2 << 20;
/// Kinds of the records of [`begin`] and [`end`].
const BEGIN: &str = "runners";
const END: &str = "leftovers";

/// The test runners in the dependency folders as a run finds them, by path; from now on what is written counts as the
/// run's own.
pub(crate) type Runners = BTreeMap<String, String>;

/// Notes the runners, as a recorded step.
pub(crate) async fn begin(desk: &Desk<'_>) -> Result<Runners, AgentError> {
    let note = async {
        let runners = strays::runners(&desk.root, &desk.repo.ignored()?);
        let runners = leftovers::without(&left(&desk.root, desk.terms.day), runners);
        Moment::mark(&marker(&desk.root, desk.terms.day)).context("noting when the run began")?;
        anyhow::Ok(runners)
    };
    Ok(desk.journal.step(BEGIN, "", note).await?)
}

/// Ends what [`begin`] began. A run that did not ship leaves no ignored file and no build output of its own behind, and
/// what it made of the runners is noted for the next one.
pub(crate) async fn end(desk: &Desk<'_>, before: &Runners, ships: bool) -> Result<(), AgentError> {
    let clean = async {
        let file = left(&desk.root, desk.terms.day);
        if ships {
            leftovers::forget(&file)?;
            return anyhow::Ok(vec![]);
        }
        let aside = desk.repo.restore_ignored(Restoring::AtEnd)?;
        clear_outputs(desk)?;
        leftovers::note(&file, before, &strays::runners(&desk.root, &desk.repo.ignored()?))?;
        Ok(aside)
    };
    let aside: Vec<String> = desk.journal.act(END, "", clean).await?;
    if !aside.is_empty() {
        let text =
            format!("Moved ignored files of this run away, below .pace/.run/removed: {}", aside.join(", "));
        desk.events.emit(Event::Notice { level: Level::Info, text });
    }
    Ok(())
}

/// Whether `records` have what [`begin`] noted.
pub(crate) fn began(records: &[Record]) -> bool {
    records.iter().any(|record| record.kind == BEGIN)
}

/// What [`begin`] noted, where `records` have no [`end`] to it: the run was cut off in between.
pub(crate) fn cut_off(records: &[Record]) -> Option<Runners> {
    let began = records.iter().rposition(|record| record.kind == BEGIN)?;
    let ended = records[began..].iter().any(|record| record.kind == END);
    (!ended).then(|| serde_json::from_value(records[began].value.clone()).ok())?
}

/// Does what [`end`] does for a run of `day` that was cut off just now, but for the ignored files.
pub(crate) fn end_cut_off(
    (root, repo): (&Path, &dyn Repository),
    day: u32,
    before: &Runners,
) -> anyhow::Result<()> {
    clear_since_mark(root, repo, day)?;
    Ok(leftovers::note(&left(root, day), before, &strays::runners(root, &repo.ignored()?))?)
}

/// The same for a run that is dead since `until`, seconds since 1970: its build outputs, which nobody may have removed, for
/// people may have written there since. What they wrote later is theirs.
pub(crate) fn end_dead(
    (root, repo): (&Path, &dyn Repository),
    day: u32,
    before: &Runners,
    until: i64,
) -> anyhow::Result<Vec<String>> {
    let ignored = repo.ignored()?;
    let now = strays::written_until(root, until, before, strays::runners(root, &ignored));
    leftovers::note(&left(root, day), before, &now)?;
    let Ok(since) = Moment::of(&marker(root, day)) else { return Ok(vec![]) };
    strays::left_outputs(root, &ignored, since, until).context("looking for build outputs")
}

/// A run of `day` goes on that was cut off: from now on what is written is its own again.
pub(crate) fn mark_again(root: &Path, day: u32) -> anyhow::Result<()> {
    Moment::mark(&marker(root, day)).map(drop).context("noting when the run went on")
}

/// Removes the build outputs that were made since [`begin`], so that those of the commit are judged.
pub(crate) fn clear_outputs(desk: &Desk<'_>) -> anyhow::Result<Vec<String>> {
    clear_since_mark(&desk.root, desk.repo.as_ref(), desk.terms.day)
}

fn clear_since_mark(root: &Path, repo: &dyn Repository, day: u32) -> anyhow::Result<Vec<String>> {
    let Ok(since) = Moment::of(&marker(root, day)) else { return Ok(vec![]) };
    strays::clear_outputs(root, &repo.ignored()?, since).context("clearing build outputs")
}

fn marker(root: &Path, day: u32) -> PathBuf {
    root.join(format!(".pace/.run/day-{day}/began"))
}

fn left(root: &Path, day: u32) -> PathBuf {
    root.join(format!(".pace/.run/day-{day}/leftovers.json"))
}

/// What `commit` did to the tests and their runner since `base`; `diff` is the day's change between them. `runners` is
/// what [`begin`] noted.
pub(crate) async fn in_commit(
    desk: &Desk<'_>,
    base: &str,
    commit: &str,
    diff: &Diff,
    runners: Option<&Runners>,
) -> Result<Vec<Finding>, AgentError> {
    let mut findings =
        look(desk, commit, base, diff.paths().cloned().collect(), |path| desk.repo.show(commit, path))
            .await?;
    if let Some(before) = runners {
        let manifests = diff.files.iter().filter(|file| pipeline::is_manifest(&file.path));
        let manifests: String = manifests.map(|file| file.patch.as_str()).collect();
        let compare = async {
            let now = strays::runners(&desk.root, &desk.repo.ignored()?);
            anyhow::Ok(tamper::in_dependencies(before, &now, &manifests))
        };
        let stubs: Vec<Finding> = desk.journal.step("runners-now", commit, compare).await?;
        findings.extend(stubs);
    }
    Ok(findings)
}

/// Why the work tree's `change` of HEAD should not be handed off, together with what the day did before.
pub(crate) async fn refusal(
    desk: &Desk<'_>,
    base: &str,
    change: &Diff,
) -> Result<Option<String>, AgentError> {
    let earlier = day_change::diff_since(desk, base).await?;
    let paths = earlier.paths().chain(change.paths()).cloned().collect();
    let findings = look(desk, "work tree", base, paths, |path| desk.repo.work_file(path)).await?;
    let holding = tamper::holding(&findings);
    Ok((!holding.is_empty()).then(|| tamper::instruction(&holding)))
}

/// What SENTINEL's report carries of it: concerns that do not hold, for the backlog.
pub(crate) fn concerns(findings: &[Finding]) -> Vec<Finding> {
    findings.iter().filter(|finding| finding.result == FindingResult::Advisory).cloned().collect()
}

async fn look(
    desk: &Desk<'_>,
    what: &str,
    base: &str,
    paths: BTreeSet<String>,
    read: impl Fn(&str) -> anyhow::Result<Option<Vec<u8>>>,
) -> Result<Vec<Finding>, AgentError> {
    let paths: BTreeSet<String> = paths.into_iter().filter(|path| !desk.terms.is_record(path)).collect();
    let act = async {
        let mut changed = Vec::new();
        for path in &paths {
            let (before, after) = (desk.repo.show(base, path)?, read(path)?);
            if before != after {
                changed.push(Changed {
                    path: path.clone(),
                    before: before.map(text),
                    after: after.map(text),
                });
            }
        }
        let asked = desk.plan.criteria().filter_map(command_of);
        let commands: Vec<String> = desk.terms.test_command.iter().cloned().chain(asked).collect();
        let mut findings = tamper::look(&Look {
            changed: &changed,
            named: &Named::of(desk.plan),
            base_paths: &desk.repo.paths(base)?,
            commands: &commands,
        });
        for finding in &mut findings {
            let file = finding.file.clone().unwrap_or_default();
            finding.evidence = desk.journal.clean(&scan::redact_all(&file, &finding.evidence));
        }
        anyhow::Ok(findings)
    };
    Ok(desk.journal.step("tampering", &(what, base, &paths), act).await?)
}

/// A binary or huge file has no lines to compare; that it is there is all that counts.
fn text(bytes: Vec<u8>) -> String {
    if bytes.len() > LARGEST || bytes.contains(&0) {
        String::new()
    } else {
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

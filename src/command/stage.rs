//! The two halves of a day on two jobs: what the working one leaves, and what both ask before they begin.

pub(crate) mod bill;
pub(crate) mod publish;

use std::path::Path;

use anyhow::Context as _;

use super::site::Site;
use crate::day::stage::HandOff;
use crate::day::start::Start;
use crate::domain::terms::Stage;
use crate::error::Error;
use crate::prompt::Templates;
use crate::repo::bundle::Bundled;
use crate::settings::Settings;
use crate::store::handoff::{Folder, Manifest};

/// Leaves the hand-off of a working job; the digest of its manifest. `journal` is the day's record, complete.
pub(crate) fn leave(
    settings: &Settings,
    site: &Site,
    start: &Start,
    handoff: &HandOff,
    journal: &Path,
) -> anyhow::Result<String> {
    let folder = Folder::at(site.root.join(&settings.handoff));
    folder.fresh()?;
    let Bundled { head, commits } = site.repo.bundle(&start.branch.name, &folder.bundle())?;
    std::fs::copy(journal, folder.journal()).context("copying the journal")?;
    for (path, text) in site.store.handed_over(start.terms.day, &handoff.docs)? {
        folder.add(&path, &text)?;
    }
    folder.seal(Manifest {
        handoff: 0,
        pace: String::new(),
        sprint: start.terms.sprint.clone(),
        day: start.terms.day,
        attempt: start.attempt,
        decision: handoff.decision.name().to_owned(),
        branch: start.branch.name.clone(),
        head,
        commits,
        bill: bill::of(settings, start, &crate::journal::read(journal)?),
        files: [].into(),
    })
}

/// Whether a working job's hand-off can be left where the settings say, before the day costs anything.
pub(crate) fn may_leave(settings: &Settings, site: &Site) -> Result<(), Error> {
    if settings.stage != Stage::Work {
        return Ok(());
    }
    Folder::at(site.root.join(&settings.handoff))
        .check()
        .map_err(|problem| Error::config(problem.to_string()))
}

/// The bodies are rendered again, and have to come out the same.
pub(crate) fn rendered_alike(start: &Start, templates: &Templates) -> Result<(), Error> {
    if start.templates.as_ref().is_none_or(|digest| *digest == templates.digest()) {
        return Ok(());
    }
    let here = "PACE_TEMPLATES_DIR: the day was recorded with other templates than these";
    Err(Error::config(format!("{here}; give the folder that it was run with, or none where it had none")))
}

//! The setup before the first test run: which command it is, what it may see, and what its failure means.

use std::sync::{Arc, Mutex};

use super::site::{Site, root_files};
use crate::agent::setup::{ProjectSetup, note_present};
use crate::domain::event::Level;
use crate::domain::observation::{CommandRun, Exit};
use crate::error::Error;
use crate::evidence::setup::{Setup, detect};
use crate::settings::{CommandChoice, Network, Settings};

/// Bytes of a failed setup's output that are shown.
const TAIL: usize = 4 * 1024;

/// The setup command of the settings, or what the repository tells; the choice is told. `None`: nothing to install.
pub(crate) fn setup_command(
    settings: &Settings,
    site: &Site,
    notice: &dyn Fn(Level, String),
) -> Option<Setup> {
    let setup = match &settings.commands.setup {
        CommandChoice::None => return None,
        CommandChoice::Run(command) => Setup {
            command: command.clone(),
            update: command.clone(),
            because: "PACE_SETUP_COMMAND".to_owned(),
        },
        CommandChoice::Detect => {
            let read = |name: &str| std::fs::read_to_string(site.root.join(name)).ok();
            detect(&root_files(&site.root), read)?
        }
    };
    notice(Level::Info, format!("Setup: {} ({})", setup.command, setup.because));
    Some(setup)
}

/// Installs the dependencies. A failure is exit 2 with the command and the end of its output.
pub(crate) async fn set_up(
    settings: &Settings,
    site: &Site,
    notice: &dyn Fn(Level, String),
) -> Result<Option<Arc<ProjectSetup>>, Error> {
    // The choice was told when the terms were made.
    let Some(setup) = setup_command(settings, site, &|_, _| ()) else {
        note_present(&site.root, site.repo.as_ref(), &site.dependencies).map_err(Error::Abort)?;
        return Ok(None);
    };
    let detected = settings.commands.setup == CommandChoice::Detect;
    let project = ProjectSetup {
        root: site.root.clone(),
        command: setup.command,
        update: setup.update,
        timeout: settings.limits.test,
        repo: site.repo.clone(),
        sandbox: site.sandbox.clone(),
        dependencies: site.dependencies.clone(),
        installed: Mutex::default(),
    };
    let before = changed(site).map_err(Error::Abort)?;
    let (env, withheld) = registry_access(settings, &project)?;
    if let Some(why) = &withheld {
        notice(Level::Warning, format!("PACE_SETUP_ENV is withheld from the setup: {why}"));
    }
    let run = project.first(env).await.map_err(Error::Abort)?;
    if !run.exit.ok() {
        return Err(Error::config(failure(settings, &run, withheld.as_deref(), detected)));
    }
    put_back(site, &before, notice).map_err(Error::Abort)?;
    Ok(Some(Arc::new(project)))
}

type Pairs = Vec<(String, String)>;

/// The variables of `PACE_SETUP_ENV`, or why they are withheld.
fn registry_access(settings: &Settings, project: &ProjectSetup) -> Result<(Pairs, Option<String>), Error> {
    let listed = &settings.commands.setup_env;
    if listed.is_empty() {
        return Ok((vec![], None));
    }
    Ok(match project.differs_from_base().map_err(Error::Abort)? {
        Some(why) => (vec![], Some(why)),
        None => {
            let pairs = listed.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
            (pairs.collect(), None)
        }
    })
}

fn failure(settings: &Settings, run: &CommandRun, withheld: Option<&str>, detected: bool) -> String {
    let mut text = format!("the setup `{}` failed ({})", run.command, run.exit);
    if run.exit == Exit::TimedOut {
        text.push_str("; PACE_TEST_TIMEOUT is its limit too");
    }
    if settings.network == Network::Deny {
        text.push_str("; PACE_NETWORK=deny leaves it no network");
    }
    if let Some(why) = withheld {
        text.push_str(&format!("; it did not see PACE_SETUP_ENV, since {why}"));
    }
    text.push_str(if detected {
        ": fix it, name another command in PACE_SETUP_COMMAND, or set PACE_SETUP_COMMAND=none if the job installs the dependencies itself"
    } else {
        ": fix it, or set PACE_SETUP_COMMAND=none if the job installs the dependencies itself"
    });
    let output = crate::agent::tail(&run.output.text(), TAIL);
    // The one child that saw a secret.
    super::site::redactor(settings).redact(&format!("{text}\n{}", output.trim_end())).into_owned()
}

/// Tracked files that are not as HEAD has them.
fn changed(site: &Site) -> anyhow::Result<Vec<String>> {
    let diff = site.repo.work_diff(&site.repo.untracked()?)?;
    Ok(diff.files.into_iter().map(|file| file.path).collect())
}

/// Tracked files that the setup changed are nobody's work.
fn put_back(site: &Site, before: &[String], notice: &dyn Fn(Level, String)) -> anyhow::Result<()> {
    let paths: Vec<String> = changed(site)?.into_iter().filter(|path| !before.contains(path)).collect();
    if !paths.is_empty() {
        notice(
            Level::Warning,
            format!("the setup changed tracked files, which were put back: {}", paths.join(", ")),
        );
        site.repo.reset_paths(&paths)?;
    }
    Ok(())
}

//! The terms of a run: models and prices, the test command, the product, limits.

use std::path::Path;
use std::time::Duration;

use super::prices::{check_prices, prices};
use super::setup::setup_command;
use super::site::{Site, root_files};
use super::sprint;
use crate::domain::event::Level;
use crate::domain::plan::Plan;
use crate::domain::terms::{Rated, Terms};
use crate::error::Error;
use crate::evidence::runner;
use crate::repo::Branch;
use crate::settings::{CommandChoice, Settings};

/// The run that terms are for.
pub(crate) struct Chosen<'a> {
    pub plan: &'a Plan,
    /// From the repository root.
    pub plan_path: &'a str,
    pub branch: &'a Branch,
    pub day: u32,
    /// US dollars of the daily budget that are left; `None` without a budget.
    pub left_today: Option<f64>,
    /// Name of the platform.
    pub platform: &'a str,
}

/// Where the templates are, from the root; `None` where they lie outside of it.
fn templates_dir(settings: &Settings, root: &Path) -> Option<String> {
    let below = settings.templates_dir.as_ref()?.strip_prefix(root).ok()?.to_str()?;
    (!below.is_empty()).then(|| below.to_owned())
}

/// The terms of a run, from the settings and what the repository tells where they are silent.
pub(crate) fn terms(
    settings: &Settings,
    site: &Site,
    chosen: &Chosen<'_>,
    notice: &dyn Fn(Level, String),
) -> Result<Terms, Error> {
    let Chosen { plan, plan_path, branch, day, left_today, platform } = *chosen;
    let prices = prices(settings)?;
    let rated = |name: &str| Rated { name: name.to_owned(), price: prices.price(name) };
    let (model, analysis_model) = (rated(&settings.llm.model), rated(&settings.llm.analysis_model));
    check_prices(settings, &[&model, &analysis_model], notice)?;
    let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let mut terms = Terms {
        day,
        sprint: sprint::identity(settings, plan, branch),
        retry: settings.retry,
        dry_run: settings.dry_run,
        product_name: product_name(settings, &site.root),
        product_description: settings
            .product
            .description
            .clone()
            .unwrap_or_else(|| first_paragraph(&site.root)),
        source_dirs: settings.source_dirs.clone(),
        docs_dir: settings.docs_dir.clone(),
        plan_path: plan_path.to_owned(),
        templates_dir: templates_dir(settings, &site.root),
        test_command: test_command(settings, &site.root, notice)?,
        setup_command: setup_command(settings, site, notice).map(|setup| setup.command),
        build_command: settings.commands.build.clone(),
        coverage_min: settings.commands.coverage_min,
        model,
        analysis_model,
        max_retries: settings.limits.max_retries,
        max_iterations: settings.limits.max_iterations,
        command_timeout_ms: millis(settings.limits.command),
        test_timeout_ms: millis(settings.limits.test),
        run_timeout_ms: settings.limits.run.map(millis),
        tdd: settings.rules.tdd,
        coverage_rule: settings.rules.coverage,
        max_run_usd: settings.money.max_run_usd,
        capped_by_day: false,
        sandbox: site.sandbox.describe(),
        platform: platform.to_owned(),
        advisory_exit_code: settings.advisory_exit_code,
        max_criteria: sprint::max_criteria(settings, site, plan, day, notice)?,
        push_advisories: settings.push_advisories,
        stage: settings.stage,
    };
    if let Some(left) = left_today {
        terms.cap_by_day(left, settings.money.max_run_usd);
    }
    Ok(terms)
}

/// The command that tests the project; the choice is told.
pub(crate) fn test_command(
    settings: &Settings,
    root: &Path,
    notice: &dyn Fn(Level, String),
) -> Result<Option<String>, Error> {
    match &settings.commands.test {
        CommandChoice::None => Ok(None),
        CommandChoice::Run(command) => Ok(Some(command.clone())),
        CommandChoice::Detect => {
            let files = root_files(root);
            let read = |name: &str| std::fs::read_to_string(root.join(name)).ok();
            let detected = runner::detect(&files, read).ok_or_else(|| {
                Error::config(
                    "PACE_TEST_COMMAND is not set and no known test runner was found at the repository root: set it, \
                     e.g. PACE_TEST_COMMAND='make test', or to none if the project has no tests",
                )
            })?;
            notice(Level::Info, format!("Test command: {} ({})", detected.command, detected.because));
            Ok(Some(detected.command))
        }
    }
}

/// What is being built, by the user's word, else the folder's name.
pub(crate) fn product_name(settings: &Settings, root: &Path) -> String {
    settings.product.name.clone().unwrap_or_else(|| folder_name(root))
}

fn folder_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "project".into(), |name| name.to_string_lossy().into_owned())
}

/// The README's first paragraph below its title, at most 400 characters; empty without a README.
fn first_paragraph(root: &Path) -> String {
    let text = ["README.md", "README.rst", "README.txt", "README"]
        .iter()
        .find_map(|name| std::fs::read_to_string(root.join(name)).ok())
        .unwrap_or_default();
    let is_prose = |paragraph: &&str| {
        let first = paragraph.trim_start();
        !first.is_empty() && !first.starts_with(['#', '=', '<', '[', '!', '`', '|', '-'])
    };
    let unix = text.replace("\r\n", "\n");
    let paragraph = unix.split("\n\n").find(is_prose).unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(400).collect()
}

//! Day 0: estimates every day of the plan into `.pace/day-0/planner.md` and `PROGRESS.md`. Asks no model.

use super::site::{Site, read_plan};
use super::terms::product_name;
use super::{Exit, sprint};
use crate::day::sprint::{PROGRESS, REPORT, view};
use crate::domain::estimate::{self, Planner};
use crate::domain::event::{Event, Events, Level};
use crate::domain::money::round_usd;
use crate::error::Error;
use crate::exit::{self, Outcome};
use crate::prompt::Templates;
use crate::prompt::figures::cents;
use crate::report;
use crate::report::view::ProductView;
use crate::settings::Settings;
use crate::store::artifacts::{SPRINT, Store};

/// Plans the sprint; the exit code. Planning again keeps what shipped days did cost.
pub(crate) async fn plan(
    settings: &Settings,
    site: &Site,
    templates: &Templates,
    events: &dyn Events,
) -> Exit {
    let notice = |level, text: String| events.emit(Event::Notice { level, text });
    let mut branch = site.repo.prepare_branch().await?;
    for action in &branch.actions {
        notice(Level::Info, action.clone());
    }
    let (_, plan) = read_plan(settings, &site.root, &notice)?;
    sprint::enter(settings, site, (&plan, &mut branch), templates, &notice)?;
    let rates = sprint::rates(settings)?;
    let costs = sprint::costs(site, &plan)?;
    let (days, basis) = estimate::days(&sprint::known(&plan, &costs), rates);
    let now = jiff::Timestamp::now();
    let planner = Planner {
        day: 0,
        generated_at: now.round(jiff::Unit::Second).unwrap_or(now).to_string(),
        model: settings.llm.model.clone(),
        analysis_model: settings.llm.analysis_model.clone(),
        basis,
        total_usd: days.iter().map(|day| day.estimate_usd).sum::<Option<f64>>().map(round_usd),
        days,
    };
    for day in &planner.days {
        let actual =
            day.actual_usd.map(|usd| format!(", it did cost {}", cents(Some(usd)))).unwrap_or_default();
        let text =
            format!("Day {}: {} for {} criteria{actual}", day.day, cents(day.estimate_usd), day.criteria);
        notice(Level::Info, text);
    }
    notice(Level::Info, format!("All days: {} ({})", cents(planner.total_usd), planner.basis));
    if !settings.dry_run {
        let name = sprint::identity(settings, &plan, &branch);
        site.store.write(0, &planner).map_err(Error::Abort)?;
        site.store.write_sprint(&name).map_err(Error::Abort)?;
        let product = ProductView { name: product_name(settings, &site.root), description: None };
        let view = view(&site.store, &plan, product, &name, planner.generated_at.clone())?;
        let there = site.store.read_text(PROGRESS)?;
        let progress = report::sprint::progress(templates, &view, there.as_deref())?;
        site.store.write_text(PROGRESS, &progress)?;
        site.store.write_text(REPORT, &report::sprint::page(templates, &view)?)?;
        let values =
            serde_json::json!({"days": planner.days, "total_usd": planner.total_usd, "sprint": name});
        let message = templates.message("commit-plan.txt.j2", &values, Some(0), &name)?;
        let paths = [Store::path_of::<Planner>(0), PROGRESS.into(), REPORT.into(), SPRINT.into()];
        site.repo.commit(&paths, &message)?;
        site.repo.push(&branch.name).await?;
        if let Some(path) = &settings.ci.step_summary {
            report::append(path, &progress)?;
        }
    }
    Ok(exit::of_outcome(&Outcome::Done, settings.advisory_exit_code))
}

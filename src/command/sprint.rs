//! What a run has to know of the whole sprint before its day: which sprint `.pace/` belongs to, what earlier days cost
//! and left over, how much fits into one card.

use super::prices::prices;
use super::selection::shipped;
use super::site::Site;
use crate::domain::artifact::{Outcome, StoryCard};
use crate::domain::estimate::{self, Known, Planner, Rates};
use crate::domain::event::Level;
use crate::domain::plan::Plan;
use crate::error::Error;
use crate::prompt::Templates;
use crate::repo::Branch;
use crate::settings::Settings;

/// Identity of the sprint: by the user's word, the plan's, else the branch.
pub(crate) fn identity(settings: &Settings, plan: &Plan, branch: &Branch) -> String {
    let named = settings.sprint.clone().or_else(|| plan.sprint.name.clone());
    named.unwrap_or_else(|| branch.name.clone())
}

/// Whether the days in `.pace/` are those of another sprint.
pub(crate) fn is_another(
    settings: &Settings,
    site: &Site,
    (plan, branch): (&Plan, &Branch),
) -> Result<bool, Error> {
    let sprint = identity(settings, plan, branch);
    Ok(site.store.sprint().map_err(Error::Abort)?.is_some_and(|other| other != sprint))
}

/// Moves the days of another sprint to `.pace/archive/` and commits that, so that this sprint begins with its own.
/// A dry run changes nothing.
pub(crate) fn enter(
    settings: &Settings,
    site: &Site,
    (plan, branch): (&Plan, &mut Branch),
    templates: &Templates,
    notice: &dyn Fn(Level, String),
) -> Result<(), Error> {
    let sprint = identity(settings, plan, branch);
    let Some(other) = site.store.sprint().map_err(Error::Abort)?.filter(|other| *other != sprint) else {
        return Ok(());
    };
    if settings.dry_run {
        notice(
            Level::Warning,
            format!("the days in .pace/ are those of sprint `{other}`, not of `{sprint}`"),
        );
        return Ok(());
    }
    let untracked = site.repo.untracked()?;
    let Some(archive) = site.store.archive_sprint(&other).map_err(Error::Abort)? else { return Ok(()) };
    site.store.write_sprint(&sprint).map_err(Error::Abort)?;
    let changes = site.repo.work_diff(&untracked)?.files;
    let paths = changes.into_iter().flat_map(|f| f.old_path.into_iter().chain([f.path]));
    let paths: Vec<String> = paths.filter(|path| path.starts_with(".pace/")).collect();
    let values = serde_json::json!({"archived": other, "sprint": sprint});
    let message = templates.message("commit-archive.txt.j2", &values, None, &sprint).map_err(Error::Abort)?;
    branch.head = site.repo.commit(&paths, &message)?;
    notice(
        Level::Warning,
        format!(
            "The days in .pace/ were those of sprint `{other}`: moved to {archive}, sprint `{sprint}` begins. If it is \
             the same sprint, revert that commit and set PACE_SPRINT={other}"
        ),
    );
    Ok(())
}

/// Takes what the day before left over into `day`.
pub(crate) fn carry(site: &Site, plan: &mut Plan, day: u32) -> Result<(), Error> {
    let Some(previous) = plan.previous_day(day) else { return Ok(()) };
    let Some(card) = site.store.read::<StoryCard>(previous).map_err(Error::Abort)? else { return Ok(()) };
    let excuses = card.stories.iter().flat_map(|story| story.out_of_scope.clone()).collect();
    if let Some(today) = plan.days.get_mut(&day) {
        today.carry(previous, &card.carried, excuses);
    }
    Ok(())
}

/// How many criteria today's card may hold by `PACE_MAX_STORY_AC` and `PACE_MAX_STORY_COST_USD`. The final day is
/// never split: there is no card to carry to.
pub(crate) fn max_criteria(
    settings: &Settings,
    site: &Site,
    plan: &Plan,
    day: u32,
    notice: &dyn Fn(Level, String),
) -> Result<Option<usize>, Error> {
    let by_count = settings.money.max_story_ac.map(|most| most as usize);
    let by_cost = match settings.money.max_story_usd {
        None => None,
        Some(usd) => {
            let rates = rates(settings)?;
            let costs = costs(site, plan)?;
            let known = known(plan, &costs);
            let past: Vec<_> =
                known.iter().filter_map(|k| Some((estimate::size(k.plan), k.actual?))).collect();
            let most = estimate::most_criteria(usd, rates, estimate::correction(&past, rates));
            if most.is_none() {
                let text = "PACE_MAX_STORY_COST_USD has no effect: the price of a model is unknown";
                notice(Level::Warning, text.into());
            }
            most
        }
    };
    let Some(most) = by_count.into_iter().chain(by_cost).min().map(|most| most.max(1)) else {
        return Ok(None);
    };
    let has = plan.days.get(&day).map_or(0, |day| day.criteria().count());
    if plan.next_day(day).is_none() {
        if has > most {
            let text = format!(
                "day {day} has {has} criteria where {most} are allowed; it is the last day, so it is not split"
            );
            notice(Level::Warning, text);
        }
        return Ok(None);
    }
    if has > most {
        notice(
            Level::Info,
            format!("Day {day} has {has} criteria, its card may hold {most}: the rest is carried over"),
        );
    }
    Ok(Some(most))
}

/// Prices of the run's models.
pub(crate) fn rates(settings: &Settings) -> Result<Rates, Error> {
    let prices = prices(settings)?;
    Ok(Rates {
        model: prices.price(&settings.llm.model),
        analysis: prices.price(&settings.llm.analysis_model),
    })
}

/// What `.pace/` knows of each day's cost: whether it shipped, its cost, its earlier estimate.
pub(crate) struct Cost {
    day: u32,
    shipped: bool,
    actual: Option<f64>,
    before: Option<f64>,
}

/// The costs of all days of the plan.
pub(crate) fn costs(site: &Site, plan: &Plan) -> Result<Vec<Cost>, Error> {
    let planner = site.store.read::<Planner>(0).map_err(Error::Abort)?;
    let costs = plan.days.keys().map(|&day| {
        let attempts = site.store.attempts(day).map_err(Error::Abort)?;
        let before = planner.iter().flat_map(|p| &p.days).find(|d| d.day == day);
        Ok(Cost {
            day,
            shipped: shipped(site, plan, day)?.is_some(),
            actual: attempts.last().filter(|a| a.outcome == Outcome::Ship).and_then(|a| a.cost_usd),
            before: before.and_then(|d| d.estimate_usd),
        })
    });
    costs.collect()
}

/// The same beside the plan.
pub(crate) fn known<'a>(plan: &'a Plan, costs: &[Cost]) -> Vec<Known<'a>> {
    let known = costs.iter().filter_map(|cost| {
        let plan = plan.days.get(&cost.day)?;
        Some(Known { plan, shipped: cost.shipped, actual: cost.actual, before: cost.before })
    });
    known.collect()
}

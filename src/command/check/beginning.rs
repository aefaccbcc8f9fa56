//! Whether the day that `DAY` names could begin on what is checked out. Looks at work tree, plan and books; changes
//! nothing.

use super::{Checked, bad, good, warned};
use crate::command::selection::{day_in_plan, earlier_days_shipped};
use crate::command::site::{Site, seal};
use crate::command::unfinished::unfinished;
use crate::domain::plan::Plan;
use crate::error::Error;
use crate::repo::Outlook;
use crate::settings::{DayChoice, Settings};

/// What a line about the day begins with.
pub(super) const DAY: &str = "day";

/// What stands in the way of a run.
pub(super) fn lines(
    settings: &Settings,
    site: &Site,
    outlook: &Outlook,
    plan: Option<&(String, Plan)>,
) -> Vec<Checked> {
    let mut lines: Vec<_> =
        outlook.refusal.iter().map(|problem| work_tree(settings, site, problem, plan)).collect();
    // The books of a sprint branch that is not checked out are not at hand.
    if let (Some((path, plan)), Some(DayChoice::Number(day @ 1..)), true) =
        (plan, settings.day, outlook.at_start)
    {
        let may = day_in_plan(plan, path, day).and_then(|()| earlier_days_shipped(site, plan, day));
        lines.push(match (may, plan.days.get(&day)) {
            (Err(Error::Plan(problems)), _) => bad(DAY, problems.join("\n")),
            (Err(error), _) => bad(DAY, error.to_string()),
            (Ok(()), found) => {
                let theme = found.map(|day| day.theme.as_str()).unwrap_or_default();
                good(DAY, format!("{day}: {theme}"))
            }
        });
    }
    lines
}

/// An interrupted run left the work tree as it is, and the next one resumes it; everybody else's changes are in the way.
fn work_tree(settings: &Settings, site: &Site, problem: &str, plan: Option<&(String, Plan)>) -> Checked {
    let seal = seal(settings);
    let days = plan.iter().flat_map(|(_, plan)| plan.days.keys());
    let interrupted = days.copied().any(|day| unfinished(&site.store, day, &seal).is_some());
    if interrupted {
        return warned("work tree", format!("{problem} (unless the interrupted run is to be resumed)"));
    }
    bad("work tree", problem.to_owned())
}

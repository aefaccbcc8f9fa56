//! What a day is likely to cost before it ran: from its criteria, the models' prices and what earlier days did
//! cost. Pure; no model is asked, so the same plan always gets the same estimate.

use serde::{Deserialize, Serialize};

use super::money::{Price, Usage, round_usd};
use super::plan::DayPlan;

/// Prices of the two models of a run; `None` where one is unknown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rates {
    /// FORGE and SCRIBE.
    pub model: Option<Price>,
    /// The other agents.
    pub analysis: Option<Price>,
}

/// Tokens of FORGE and SCRIBE for a day, whatever is in it.
const BUILD_BASE: Usage = Usage { input: 80_000, cache_write: 0, cache_read: 0, output: 6_000 };
/// And for each criterion.
const BUILD_EACH: Usage = Usage { input: 150_000, cache_write: 0, cache_read: 0, output: 12_000 };
/// Tokens of the other agents for a day.
const REVIEW_BASE: Usage = Usage { input: 60_000, cache_write: 0, cache_read: 0, output: 6_000 };
/// And for each criterion.
const REVIEW_EACH: Usage = Usage { input: 10_000, cache_write: 0, cache_read: 0, output: 1_000 };

/// Criteria that PRIME is taken to write for a story that comes without any.
const UNWRITTEN: usize = 3;

/// Past days correct the figures above by no more than this, either way: one odd day is no rule.
const CORRECTION: f64 = 5.0;

/// US dollars of a day with that many criteria, without correction; `None` where a price is unknown.
pub(crate) fn raw(criteria: usize, rates: Rates) -> Option<f64> {
    let (build, review) = (rates.model?, rates.analysis?);
    #[expect(clippy::cast_precision_loss, reason = "a day has few criteria")]
    let each = criteria as f64;
    Some(
        build.of(BUILD_BASE)
            + review.of(REVIEW_BASE)
            + each * (build.of(BUILD_EACH) + review.of(REVIEW_EACH)),
    )
}

/// How many criteria a day counts for.
pub(crate) fn size(day: &DayPlan) -> usize {
    day.stories
        .iter()
        .map(
            |story| {
                if story.acceptance_criteria.is_empty() { UNWRITTEN } else { story.acceptance_criteria.len() }
            },
        )
        .sum()
}

/// By how much past days cost more or less than [`raw`] says: their criteria and what the shipping attempt did
/// cost. 1 where nothing is known.
pub(crate) fn correction(past: &[(usize, f64)], rates: Rates) -> f64 {
    let expected: Option<f64> = past.iter().map(|(criteria, _)| raw(*criteria, rates)).sum();
    let actual: f64 = past.iter().map(|(_, usd)| usd).sum();
    match expected {
        Some(expected) if expected > 0.0 && actual > 0.0 => {
            (actual / expected).clamp(1.0 / CORRECTION, CORRECTION)
        }
        _ => 1.0,
    }
}

/// The most criteria that a day may have to stay within `usd`; at least one. `None` where a price is unknown.
pub(crate) fn most_criteria(usd: f64, rates: Rates, correction: f64) -> Option<usize> {
    let fits = |criteria: usize| Some(raw(criteria, rates)? * correction <= usd);
    let mut most = 1;
    while most < 1_000 && fits(most + 1)? {
        most += 1;
    }
    Some(most)
}

/// `.pace/day-0/planner.md`: YAML in a file of that name, written by day 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Planner {
    /// Always 0, the planning day.
    #[cfg_attr(test, schemars(extend("const" = 0)))]
    pub day: u32,
    /// ISO 8601, UTC.
    #[cfg_attr(test, schemars(extend("format" = "date-time")))]
    pub generated_at: String,
    /// Model of FORGE and SCRIBE.
    pub model: String,
    /// Model of the other agents.
    pub analysis_model: String,
    /// How the figures came about, in words.
    pub basis: String,
    /// Every day of the plan.
    pub days: Vec<DayEstimate>,
    /// All days together, US dollars; null where a price is unknown.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub total_usd: Option<f64>,
}

/// The estimate of one day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct DayEstimate {
    /// Day number.
    #[cfg_attr(test, schemars(range(min = 1)))]
    pub day: u32,
    /// The day's theme or story title.
    pub title: String,
    /// Criteria that the figure counts with.
    pub criteria: u32,
    /// US dollars; null where a price is unknown.
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub estimate_usd: Option<f64>,
    /// What the shipping attempt did cost; absent until the day has shipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(range(min = 0)))]
    pub actual_usd: Option<f64>,
}

/// What is known of a day when the sprint is planned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    pub plan: &'a DayPlan,
    pub shipped: bool,
    /// Cost of the shipping attempt.
    pub actual: Option<f64>,
    /// Its estimate by an earlier planning.
    pub before: Option<f64>,
}

/// Estimates every day. A day that has shipped keeps its estimate and its actual cost, which correct the others.
pub(crate) fn days(known: &[Known<'_>], rates: Rates) -> (Vec<DayEstimate>, String) {
    let past: Vec<_> = known.iter().filter_map(|k| Some((size(k.plan), k.actual?))).collect();
    let correction = correction(&past, rates);
    let estimates = known.iter().map(|k| {
        let criteria = size(k.plan);
        let fresh = raw(criteria, rates).map(|usd| round_usd(usd * correction));
        DayEstimate {
            day: k.plan.day,
            title: k.plan.theme.clone(),
            criteria: u32::try_from(criteria).unwrap_or(u32::MAX),
            estimate_usd: if k.shipped { k.before.or(fresh) } else { fresh },
            actual_usd: k.actual,
        }
    });
    let basis = if past.is_empty() {
        "criteria and model prices; no day has shipped yet".to_owned()
    } else {
        format!("criteria and model prices, times {correction:.2} from {} shipped days", past.len())
    };
    (estimates.collect(), basis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::Story;

    const SONNET: Price = Price { input: 3.0, cache_write: 3.75, cache_read: 0.3, output: 15.0, long: None };
    const RATES: Rates = Rates { model: Some(SONNET), analysis: Some(SONNET) };

    fn day(number: u32, criteria: usize) -> DayPlan {
        let story = Story {
            title: "T".into(),
            acceptance_criteria: (0..criteria).map(|n| format!("c{n}")).collect(),
            out_of_scope: vec![],
            notes: None,
        };
        DayPlan {
            day: number,
            theme: "T".into(),
            stories: vec![story],
            notes: None,
            human_gate: false,
            clearance: false,
            shipped: false,
        }
    }

    #[test]
    fn a_day_grows_with_its_criteria_and_an_unknown_price_stays_unknown() {
        let three = raw(3, RATES).unwrap();
        assert!(raw(4, RATES).unwrap() > three && three > 2.0 && three < 4.0, "{three}");
        assert_eq!(raw(3, Rates { analysis: None, ..RATES }), None);
        assert_eq!(size(&day(1, 0)), UNWRITTEN);
    }

    #[test]
    fn shipped_days_correct_the_rest_and_keep_their_own_estimate() {
        let (one, two) = (day(1, 2), day(2, 2));
        let expected = raw(2, RATES).unwrap();
        let known = [
            Known { plan: &one, shipped: true, actual: Some(expected * 2.0), before: Some(1.5) },
            Known { plan: &two, shipped: false, actual: None, before: Some(1.5) },
        ];
        let (days, basis) = days(&known, RATES);
        assert_eq!(days[0].estimate_usd, Some(1.5));
        assert_eq!(days[1].estimate_usd, Some(round_usd(expected * 2.0)));
        assert!(basis.contains("times 2.00 from 1 shipped days"), "{basis}");
        assert!((correction(&[(2, expected * 100.0)], RATES) - CORRECTION).abs() < 1e-9);
    }

    #[test]
    fn a_limit_in_dollars_becomes_a_limit_in_criteria() {
        let usd = raw(3, RATES).unwrap();
        assert_eq!(most_criteria(usd + 0.01, RATES, 1.0), Some(3));
        assert_eq!(most_criteria(0.01, RATES, 1.0), Some(1));
        assert_eq!(most_criteria(usd, Rates { model: None, ..RATES }, 1.0), None);
    }
}

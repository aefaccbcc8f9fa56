//! PRIME plans: it turns the plan's entry into the day's story card. The plan's words stay the plan's.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::report::{Judge, Judgement, fill, submitted};
use super::turns::Task;
use super::{AgentError, Desk, Shared, purse};
use crate::domain::Agent;
use crate::domain::artifact::StoryCard;
use crate::domain::plan::DayPlan;
use crate::domain::terms::Terms;
use crate::prompt::Templates;
use crate::tool::toolbox::ToolBox;

const AGENT: Agent = Agent::Prime;
/// Output tokens of one reply at most.
const MAX_TOKENS: u32 = 8_192;

/// US dollars that must be left for the first call of a day: what it sets aside at least, whatever the project's own
/// documents add to the prompt.
///
/// # Errors
/// A template that cannot be rendered.
pub(crate) fn first_call_usd(templates: &Templates, terms: &Terms, plan: &DayPlan) -> anyhow::Result<f64> {
    let bytes = |part| {
        let shared = Shared { terms, plan, context: &[], values: &() };
        anyhow::Ok(shared.render(templates, AGENT, part)?.len())
    };
    let prompt = purse::uncounted(bytes("system")? + bytes("user")?);
    Ok(purse::worst(terms.rated(AGENT).price, prompt, MAX_TOKENS).cost)
}

/// Runs PRIME.
pub(crate) async fn run(desk: &Desk<'_>) -> Result<StoryCard, AgentError> {
    let task = Task {
        agent: AGENT,
        model: &desk.terms.analysis_model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &())?,
        tools: ToolBox::new(vec![]),
        max_calls: 6,
        max_tokens: MAX_TOKENS,
    };
    submitted(desk, task, Card { plan: desk.plan, most: desk.terms.max_criteria }).await
}

struct Card<'a> {
    plan: &'a DayPlan,
    /// Criteria that the card may hold.
    most: Option<usize>,
}

impl Judge for Card<'_> {
    type Artifact = StoryCard;
    const SCHEMA: &'static str = "story-card";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<StoryCard>> {
        let card = fill(submission, [("day", json!(self.plan.day)), ("agent", json!(AGENT))]).and_then(
            |card: StoryCard| {
                let problems = against_plan(&card, self.plan, self.most);
                if problems.is_empty() { Ok(card) } else { Err(problems) }
            },
        );
        Box::pin(async { Ok(card) })
    }
}

/// What the card says otherwise than the plan. PRIME may sharpen the theme, and add criteria only where the
/// plan gives none. Of a day with more criteria than `most` it keeps exactly as many and carries the rest.
fn against_plan(card: &StoryCard, plan: &DayPlan, most: Option<usize>) -> Vec<String> {
    let mut problems = match most.filter(|most| plan.criteria().count() > *most) {
        Some(most) => split(card, plan, most),
        None => whole(card, plan),
    };
    if let Some(most) = most.filter(|most| card.criteria().count() > *most) {
        problems.push(format!("acceptance_criteria: today's card may hold {most} of them at most"));
    }
    let mut seen = std::collections::BTreeSet::new();
    for criterion in card.criteria() {
        if !seen.insert(criterion.trim()) {
            problems.push(format!("the criterion {criterion:?} stands twice"));
        }
    }
    problems
}

/// The card of a day that is not split.
fn whole(card: &StoryCard, plan: &DayPlan) -> Vec<String> {
    if card.stories.len() != plan.stories.len() {
        return vec![format!(
            "stories: the plan has {} for this day, not {}",
            plan.stories.len(),
            card.stories.len()
        )];
    }
    let mut problems = Vec::new();
    if !card.carried.is_empty() {
        problems.push("carried: must be empty, the day is not too large".to_owned());
    }
    for (index, (card, plan)) in card.stories.iter().zip(&plan.stories).enumerate() {
        let mut must_equal = |field: &str, is: &[String], want: &[String]| {
            if is != want {
                let want = json!(want);
                problems.push(format!("stories[{index}].{field}: must be the plan's, word for word: {want}"));
            }
        };
        must_equal("title", std::slice::from_ref(&card.title), std::slice::from_ref(&plan.title));
        must_equal("out_of_scope", &card.out_of_scope, &plan.out_of_scope);
        if !plan.acceptance_criteria.is_empty() {
            must_equal("acceptance_criteria", &card.acceptance_criteria, &plan.acceptance_criteria);
        } else if card.acceptance_criteria.is_empty() {
            problems.push(format!(
                "stories[{index}].acceptance_criteria: the plan gives none, so write testable ones"
            ));
        }
    }
    problems
}

/// The card of a day that is split: `most` criteria of the plan in its stories, in the plan's order and under the
/// plan's titles; all others, in the plan's order, are carried. Nothing is dropped and nothing invented.
fn split(card: &StoryCard, plan: &DayPlan, most: usize) -> Vec<String> {
    let kept: Vec<&str> = card.criteria().collect();
    let mut problems = Vec::new();
    if kept.len() != most {
        problems.push(format!(
            "acceptance_criteria: keep exactly {most} today, not {}; carry the rest",
            kept.len()
        ));
    }
    let mut rest = plan.stories.iter();
    for (index, story) in card.stories.iter().enumerate() {
        let Some(planned) = rest.by_ref().find(|planned| planned.title == story.title) else {
            problems
                .push(format!("stories[{index}].title: is not the next of the plan's titles, word for word"));
            return problems;
        };
        if story.out_of_scope != planned.out_of_scope {
            let want = json!(planned.out_of_scope);
            problems
                .push(format!("stories[{index}].out_of_scope: must be the plan's, word for word: {want}"));
        }
        let mut planned = planned.acceptance_criteria.iter();
        for criterion in &story.acceptance_criteria {
            if !planned.any(|known| known == criterion) {
                problems.push(format!(
                    "stories[{index}].acceptance_criteria: {criterion:?} is not this story's in the plan, word for \
                     word and in its order"
                ));
            }
        }
    }
    let left: Vec<&str> = plan.criteria().filter(|criterion| !kept.contains(criterion)).collect();
    if card.carried != left {
        problems.push(format!(
            "carried: must be every criterion that is not kept, in the plan's order: {}",
            json!(left)
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::artifact::StoryCardStory;
    use crate::domain::plan::Story;

    fn plan(criteria: &[&str]) -> DayPlan {
        let story = Story {
            title: "T".into(),
            acceptance_criteria: criteria.iter().map(|&c| c.into()).collect(),
            out_of_scope: vec!["X".into()],
            notes: None,
        };
        DayPlan {
            day: 1,
            theme: "T".into(),
            stories: vec![story],
            notes: None,
            human_gate: false,
            clearance: false,
            shipped: false,
        }
    }

    fn card(criteria: &[&str], out_of_scope: &[&str]) -> StoryCard {
        StoryCard {
            day: 1,
            agent: AGENT,
            theme: "sharper".into(),
            stories: vec![StoryCardStory {
                title: "T".into(),
                acceptance_criteria: criteria.iter().map(|&c| c.into()).collect(),
                out_of_scope: out_of_scope.iter().map(|&c| c.into()).collect(),
            }],
            carried: vec![],
        }
    }

    #[test]
    fn the_plans_words_stay_the_plans() {
        for (plan_criteria, card_criteria, out_of_scope, ok) in [
            (&["a", "b"][..], &["a", "b"][..], &["X"][..], true),
            (&["a", "b"], &["a"], &["X"], false),
            (&["a"], &["a", "b"], &["X"], false),
            (&["a"], &["A"], &["X"], false),
            (&["a"], &["a"], &[], false),
            (&["a"], &["a"], &["X", "Y"], false),
            (&[], &["invented"], &["X"], true),
            (&[], &[], &["X"], false),
            (&[], &["same", "same"], &["X"], false),
        ] {
            let problems = against_plan(&card(card_criteria, out_of_scope), &plan(plan_criteria), None);
            assert_eq!(
                problems.is_empty(),
                ok,
                "{plan_criteria:?} {card_criteria:?} {out_of_scope:?}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_day_that_is_too_large_is_split_without_loss_or_addition() {
        let day = plan(&["a", "b", "c"]);
        for (kept, carried, ok) in [
            (&["a", "b"][..], &["c"][..], true),
            (&["a", "c"], &["b"], true),
            (&["b", "a"], &["c"], false),
            (&["a"], &["b", "c"], false),
            (&["a", "b", "c"], &[], false),
            (&["a", "b"], &[], false),
            (&["a", "b"], &["c", "d"], false),
            (&["a", "B"], &["c"], false),
            (&["a", "d"], &["b", "c"], false),
        ] {
            let mut card = card(kept, &["X"]);
            card.carried = carried.iter().map(|&c| c.into()).collect();
            let problems = against_plan(&card, &day, Some(2));
            assert_eq!(problems.is_empty(), ok, "{kept:?} {carried:?}: {problems:?}");
        }
        let mut unasked = card(&["a", "b"], &["X"]);
        unasked.carried = vec!["c".into()];
        assert!(!against_plan(&unasked, &plan(&["a", "b"]), Some(2)).is_empty(), "nothing to carry");
        assert!(
            !against_plan(&card(&["x", "y", "z"], &["X"]), &plan(&[]), Some(2)).is_empty(),
            "too many written"
        );
    }
}

//! PRIME plans: it turns the plan's entry into the day's story card. The plan's words stay the plan's.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::report::{Judge, Judgement, SubmitReport, fill};
use super::turns::{self, End, Task};
use super::{AgentError, Desk};
use crate::domain::Agent;
use crate::domain::artifact::StoryCard;
use crate::domain::plan::DayPlan;
use crate::tool::toolbox::ToolBox;

const AGENT: Agent = Agent::Prime;

/// Runs PRIME.
pub(crate) async fn run(desk: &Desk<'_>) -> Result<StoryCard, AgentError> {
    let task = Task {
        agent: AGENT,
        model: &desk.terms.analysis_model,
        system: desk.prompt(AGENT, "system", &())?,
        user: desk.prompt(AGENT, "user", &())?,
        tools: ToolBox::new(vec![]),
        max_calls: 6,
        max_tokens: 8_192,
    };
    match turns::run(desk, task, &mut SubmitReport(Card { plan: desk.plan })).await? {
        End::Done { output, .. } => Ok(output),
        End::Stopped { reason, .. } => Err(AgentError::Unusable { agent: AGENT, reason }),
    }
}

struct Card<'a> {
    plan: &'a DayPlan,
}

impl Judge for Card<'_> {
    type Artifact = StoryCard;
    const SCHEMA: &'static str = "story-card";

    fn judge(&mut self, submission: Value) -> BoxFuture<'_, Judgement<StoryCard>> {
        let card = fill(submission, [("day", json!(self.plan.day)), ("agent", json!(AGENT))]).and_then(
            |card: StoryCard| {
                let problems = against_plan(&card, self.plan);
                if problems.is_empty() { Ok(card) } else { Err(problems) }
            },
        );
        Box::pin(async { Ok(card) })
    }
}

/// What the card says otherwise than the plan. PRIME may sharpen the theme, and add criteria only where the
/// plan gives none.
fn against_plan(card: &StoryCard, plan: &DayPlan) -> Vec<String> {
    if card.stories.len() != plan.stories.len() {
        return vec![format!(
            "stories: the plan has {} for this day, not {}",
            plan.stories.len(),
            card.stories.len()
        )];
    }
    let mut problems = Vec::new();
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
    let mut seen = std::collections::BTreeSet::new();
    for criterion in card.criteria() {
        if !seen.insert(criterion.trim()) {
            problems.push(format!("the criterion {criterion:?} stands twice"));
        }
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
            let problems = against_plan(&card(card_criteria, out_of_scope), &plan(plan_criteria));
            assert_eq!(
                problems.is_empty(),
                ok,
                "{plan_criteria:?} {card_criteria:?} {out_of_scope:?}: {problems:?}"
            );
        }
    }
}
